"""A patient whose data is seen, corrected and erased, with Rasa's facts and the table of its tracker store."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import select

from bot.handoff.states import OUTCOMES
from bot.handoff.steps import claim, close
from bot.web.bodies import END
from bot.web.services import Services
from tests.support.database import add_person
from tests.support.patient_api import (
    ANSWER,
    QUESTION,
    Patient,
    ScriptedRasa,
    accepted,
    after,
    make_services,
)

ANSWERED = "pain/alarm"
MARK = "zebracorn"
NAME, SUBJECT = "Wilhelmina Quux", "subject-93d1"


@dataclass
class NotingRasa(ScriptedRasa):
    """Rasa with facts, and with the table that its tracker store writes to."""

    noted: dict[str, str] = field(default_factory=lambda: {"body_part": "neck", "age": "52"})
    away: Exception | None = None
    tracker: Path | None = None

    async def say(self, **asked: Any) -> list[dict[str, Any]]:
        replies = await super().say(**asked)
        if self.tracker is not None:
            self.write(asked)
        return replies

    def write(self, asked: dict[str, Any]) -> None:
        event = {"event": "user", "text": asked["text"], "metadata": {"message_id": asked["message_id"]}}
        with sqlite3.connect(str(self.tracker)) as db:
            db.execute("CREATE TABLE IF NOT EXISTS events (id INTEGER PRIMARY KEY, sender_id TEXT, data TEXT)")
            db.execute("INSERT INTO events (sender_id, data) VALUES (?, ?)", (asked["conversation"], json.dumps(event)))

    async def facts(self, conversation: str) -> dict[str, str]:
        if self.away is not None:
            raise self.away
        return dict(self.noted)

    async def change_fact(self, conversation: str, key: str, value: str | None) -> None:
        if self.away is not None:
            raise self.away
        self.noted = {**{k: v for k, v in self.noted.items() if k != key}, **({key: value} if value else {})}


@pytest.fixture
def rasa(tmp_path: Path) -> NotingRasa:
    reply = {**ANSWER, "metadata": {**ANSWER["metadata"], "answer_id": ANSWERED}}
    return NotingRasa(replies=[reply], tracker=tmp_path / "tracker.db")


@pytest.fixture
def services(tmp_path: Path, rasa: NotingRasa) -> Services:
    made = make_services(tmp_path, rasa)
    object.__setattr__(made.settings, "tracker_url", f"sqlite:///{tmp_path}/tracker.db")
    return made


@pytest.fixture
async def patient(services: Services) -> AsyncIterator[Patient]:
    async with accepted(services) as made:
        yield made


async def call(patient: Patient, method: str, what: str, body: Any = None, **more: Any) -> Any:
    return await patient.client.request(method, patient.path(what), json=body, headers=patient.headers(), **more)


async def kept(patient: Patient) -> dict[str, Any]:
    found = await call(patient, "GET", "data")
    assert found.status_code == 200, found.text
    assert found.headers["cache-control"] == "no-store"
    return found.json()


async def answered(patient: Patient, text: str = QUESTION) -> int:
    """The number of the answer to a question."""
    replies = [one for one in await after(patient, await patient.say(text)) if one["author"] == "bot"]
    return int(replies[0]["seq"])


async def finish(patient: Patient, services: Services) -> None:
    """The clinic's people take what is open, and finish with it."""
    somebody = add_person(services.db, patient.new_id())
    for item in patient.handoffs():
        claim(services.db, item.id, somebody, item.version)
    for item in patient.handoffs():
        close(services.db, item.id, somebody, OUTCOMES[0])


def rows(services: Services, table: Any) -> list[Any]:
    with services.db.read() as session:
        return list(session.execute(select(table)).scalars())


def dialogue(services: Services) -> str:
    path = services.settings.tracker_url.removeprefix("sqlite:///")
    with sqlite3.connect(path) as db:
        return "\n".join(row for (row,) in db.execute("select data from events"))


async def fill(patient: Patient, answers: Any, **more: Any) -> Any:
    asked = [one for one in patient.stored() if one.body.get("kind") == "questionnaire"]
    body = {
        "kind": "answer", "payload": "form:survey", "answers": answers, "client_id": patient.new_id(),
        "reply_to": asked[-1].seq if asked else 1, **more,
    }  # fmt: skip
    return await patient.send(**body)


async def rate(patient: Patient, seq: int, **more: Any) -> Any:
    return await call(patient, "POST", "feedback", {"seq": seq, "value": "down", **more})


async def ended(patient: Patient) -> list[dict[str, Any]]:
    return await after(patient, await patient.press(END))
