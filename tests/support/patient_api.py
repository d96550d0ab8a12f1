"""The patient API without its neighbours: a scripted Rasa, a database that fails on command, a patient at the door."""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import AsyncIterator, Iterator, Mapping
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import httpx
import pytest
from sqlalchemy import event
from sqlalchemy.exc import OperationalError

from bot.content import Clinic, load_clinics, load_wording
from bot.content.hours import DAYS, read_hours
from bot.screening import screen
from bot.settings import Settings
from bot.store import events
from bot.store.handoffs import handoffs_in
from bot.store.session import Database, DatabaseUnavailable
from bot.web.app import create_app
from bot.web.bodies import CONSENT
from bot.web.limits import Limits
from bot.web.services import Services
from tests.support.database import HandClock, sqlite_database

RED = "since this morning I can't pee and I am numb between my legs"
QUESTION = "why does my back still hurt after two years"
ANSWER = {
    "text": "One.\n\nTwo.",
    "buttons": [{"title": "Next", "payload": "/life/sleep"}],
    "metadata": {"answer_id": "pain/why_it_persists", "version": "pain/why_it_persists.v1", "review": "pending"},
}


@dataclass
class ScriptedRasa:
    """Says `replies`, or fails with `error`, once `gate` is open. Keeps what it was asked."""

    replies: list[dict[str, Any]] = field(default_factory=lambda: [ANSWER])
    error: Exception | None = None
    gate: asyncio.Event | None = None
    asked: list[dict[str, Any]] = field(default_factory=list)
    hears: asyncio.Event = field(default_factory=asyncio.Event)

    async def say(self, **asked: Any) -> list[dict[str, Any]]:
        self.asked.append(asked)
        self.hears.set()
        if self.gate is not None:
            await self.gate.wait()
        if self.error is not None:
            raise self.error
        return self.replies

    async def ready(self) -> bool:
        return True


def make_services(folder: Path, rasa: Any, **limits: int) -> Services:
    """Services over a new database, with the real wording and the demo clinics, which never close: what a patient reads
    depends on the hour."""
    settings = Settings(var=str(folder), rasa_secret="s" * 40, secret_key="k" * 40)
    allowed = Limits(limits.get("per_conversation", 1000), limits.get("per_address", 1000))
    db = sqlite_database(folder, HandClock())
    clinics = never_closed(load_clinics())
    return Services(settings, db, clinics, load_wording(), rasa, lambda text: {"texts": [text]}, allowed)


def never_closed(clinics: Mapping[str, Clinic]) -> dict[str, Clinic]:
    """The clinics with their doors open day and night."""
    week = {day: [["00:00", "24:00"]] for day in DAYS}
    return {key: with_hours(clinic, week) for key, clinic in clinics.items()}


def with_hours(clinic: Clinic, week: Mapping[str, Any]) -> Clinic:
    """The clinic with other opening hours."""
    return replace(clinic, hours=read_hours(clinic.about["time_zone"], week, []))


@pytest.fixture
def rasa() -> ScriptedRasa:
    return ScriptedRasa()


@pytest.fixture
def services(tmp_path: Path, rasa: ScriptedRasa) -> Services:
    return make_services(tmp_path, rasa)


@pytest.fixture
async def patient(services: Services) -> AsyncIterator[Patient]:
    """A patient who has read the first-run notice."""
    async with accepted(services) as made:
        yield made


@dataclass
class Patient:
    """One browser with its session."""

    client: httpx.AsyncClient
    services: Services
    conversation: str = ""
    token: str = ""
    keys: Iterator[int] = field(default_factory=lambda: itertools.count(1))

    async def open(self) -> None:
        opened = (await self.client.post("/v1/session", json={"clinic": "demo"})).json()
        self.conversation, self.token = opened["conversation"], opened["session"]

    async def accept(self) -> None:
        assert (await self.press(CONSENT)).status_code == 202

    async def say(self, text: str, client_id: str = "", **other: Any) -> httpx.Response:
        return await self.send(kind="text", text=text, client_id=client_id or self.new_id(), **other)

    async def press(self, payload: str, client_id: str = "") -> httpx.Response:
        return await self.send(kind="button", text="x", payload=payload, client_id=client_id or self.new_id())

    async def send(self, **body: Any) -> httpx.Response:
        return await self.client.post(self.path("messages"), json=body, headers=self.headers())

    async def read(self, after: int = 0, wait: int = 0) -> list[dict[str, Any]]:
        query = {"after": after, "wait": wait}
        response = await self.client.get(self.path("events"), params=query, headers=self.headers())
        assert response.status_code == 200, response.text
        return response.json()["events"]

    async def heard(self, after: int = 0) -> list[dict[str, Any]]:
        """Everything said to the patient, once all turns are done."""
        await self.services.finish_turns(5.0)
        return [one for one in await self.read(after) if one["author"] != "patient"]

    def path(self, what: str) -> str:
        return f"/v1/conversations/{self.conversation}/{what}"

    def headers(self) -> dict[str, str]:
        return {"Authorization": f"Bearer {self.token}"}

    def new_id(self) -> str:
        return f"message-{next(self.keys):04d}"

    def handoffs(self) -> list[Any]:
        with self.services.db.read() as session:
            return list(handoffs_in(session, self.conversation))

    def stored(self) -> list[Any]:
        with self.services.db.read() as session:
            return list(events.events_after(session, self.conversation, 0))


def kinds(events: list[dict[str, Any]]) -> list[str]:
    return [one["body"]["kind"] for one in events]


def ids(events: list[dict[str, Any]]) -> list[str]:
    return [one["body"]["answer_id"] for one in events]


async def after(patient: Patient, response: httpx.Response) -> list[dict[str, Any]]:
    """What was said after a message that was taken."""
    assert response.status_code == 202, response.text
    return await patient.heard(response.json()["seq"])


def door(services: Services) -> httpx.AsyncClient:
    """A line to the app, which is not started: no worker, and of its warm-up only what messages wait for."""
    screen("warm up")
    app = create_app(services.settings, services)
    app.state.services = services
    transport = httpx.ASGITransport(app=app, raise_app_exceptions=False)
    return httpx.AsyncClient(transport=transport, base_url="http://pne.test")


@asynccontextmanager
async def accepted(services: Services) -> AsyncIterator[Patient]:
    """A patient who has read the first-run notice."""
    async with door(services) as client:
        made = Patient(client, services)
        await made.open()
        await made.accept()
        yield made



def broken(db: Database, *, reads: bool = True, writes: bool = True) -> Database:
    """The database, gone."""

    def gone(**_options: Any) -> Any:
        raise DatabaseUnavailable("gone")

    return replace(db, sessions=gone if writes else db.sessions, readers=gone if reads else db.readers)


@contextmanager
def failing_at(db: Database, number: int) -> Iterator[list[str]]:
    """The statement of this number (from 1) in writing transactions fails, or at 0 their end; gives those tried."""
    tried: list[str] = []

    def writes(connection: Any) -> bool:
        return not connection.get_execution_options().get("read_only")

    def before(connection: Any, _cursor: Any, statement: str, *_rest: Any) -> None:
        if writes(connection):
            tried.append(statement)
            if len(tried) == number:
                raise OperationalError("statement", None, Exception("disk is full"))

    def end(connection: Any) -> None:
        if number == 0 and writes(connection):
            raise OperationalError("commit", None, Exception("disk is full"))

    event.listen(db.engine, "before_cursor_execute", before)
    event.listen(db.engine, "commit", end)
    try:
        yield tried
    finally:
        event.remove(db.engine, "before_cursor_execute", before)
        event.remove(db.engine, "commit", end)
