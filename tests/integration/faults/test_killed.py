"""Killed with signal 9 anywhere between the patient's message and its delivered notices: nothing lost, nothing doubled.

200 runs with seeds of their own, half of them on SQLite and half on PostgreSQL. In each the process is killed once to
three times at a random step; then the patient's page sends the same message again, as it does until it is told that it
was kept, and the process is let live. What must hold afterwards is in `check`.
"""

from __future__ import annotations

import asyncio
import json
import os
import random
import sys
import uuid
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import select

from bot.processes import ONE_THREAD
from bot.settings import ROOT
from bot.store import audit_check, events
from bot.store.conversations import open_conversation, record_consent
from bot.store.handoffs import handoffs_in
from bot.store.models import Handoff, Outbox
from bot.store.session import Database, connect, upgrade, utc_now
from tests.support import postgres
from tests.support.mailbox import Mailbox, serving
from tests.support.receivers import SECRETS, FhirServer, Hook, listening

server = postgres.server

# On each database; PNE_KILL_RUNS=1000 for a night.
RUNS = int(os.environ.get("PNE_KILL_RUNS", "100"))
WORDS = "since this morning I can't pee and I am numb between my legs"
# The lease of a worker that was killed runs out after a minute; the second step of the chain is due after ten.
LEASE_SECONDS, CLIMB_SECONDS = 61, 700
CHANNELS = ("email", "webhook", "fhir")


@dataclass
class Ahead:
    """A clock that is so many seconds ahead, as the one of the process that is killed."""

    seconds: int = 0

    def __call__(self) -> datetime:
        return utc_now() + timedelta(seconds=self.seconds)


class Lives:
    """The process that is killed again and again (``tests/support/killed.py``)."""

    def __init__(self, process: asyncio.subprocess.Process, clock: Ahead) -> None:
        self.process, self.clock, self.steps = process, clock, 0

    async def read(self) -> str:
        assert self.process.stdout is not None
        return (await self.process.stdout.readline()).decode().strip()

    async def live(self, ahead: int, **asked: Any) -> dict[str, Any]:
        assert self.process.stdin is not None
        self.clock.seconds = ahead
        self.process.stdin.write(json.dumps({**asked, "ahead": ahead}).encode() + b"\n")
        told = json.loads(await self.read())
        assert told["killed"] or told["code"] == 0, "the process failed by itself; its error is above"
        return told


@dataclass
class ClinicSide:
    """Everything that the clinic has: where the notices arrive."""

    mail: Mailbox
    hook: Hook
    fhir: FhirServer
    clock: Ahead

    def task_of(self, item: Handoff) -> list[dict[str, Any]]:
        return [task for task in self.fhir.of("Task") if item.id in json.dumps(task["identifier"])]


@pytest.fixture(params=["sqlite", "postgresql"])
def url(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[str]:
    if request.param == "sqlite":
        yield f"sqlite:///{tmp_path / 'pne.db'}"
        return
    with postgres.empty_database(request.getfixturevalue("server"), "killed") as made:
        yield made


@pytest.fixture
def db(url: str) -> Iterator[Database]:
    upgrade(url)
    handle = connect(url)
    yield handle
    handle.close()


@pytest.fixture
async def clinic() -> AsyncIterator[ClinicSide]:
    clock = Ahead()
    hook, fhir = Hook(), FhirServer(clock, life=3600)
    async with serving() as mail, listening(hook) as hook_at, listening(fhir) as fhir_at:
        hook.at, fhir.base = hook_at, f"{fhir_at}/fhir"  # type: ignore[attr-defined]
        yield ClinicSide(mail, hook, fhir, clock)


@pytest.fixture
async def lives(url: str, db: Database, clinic: ClinicSide, tmp_path: Path) -> AsyncIterator[Lives]:
    config = {
        "first": {"conversation": a_patient(db), "key": "0", "notices": len(CHANNELS)},
        "database": url,
        "folder": str(tmp_path),
        "words": WORDS,
        "smtp": clinic.mail.url,
        "hook": clinic.hook.at,  # type: ignore[attr-defined]
        "fhir": clinic.fhir.base,
    }
    pipes = {"stdin": asyncio.subprocess.PIPE, "stdout": asyncio.subprocess.PIPE}
    environment = {**os.environ, **ONE_THREAD, **SECRETS, **clinic.fhir.environ}
    command = [sys.executable, "-m", "tests.support.killed", json.dumps(config)]
    process = await asyncio.create_subprocess_exec(*command, cwd=ROOT, env=environment, **pipes)
    made = Lives(process, clinic.clock)
    made.steps = int(await made.read())
    yield made
    assert process.stdin is not None
    process.stdin.close()
    await asyncio.wait_for(process.wait(), 10)


async def test_nothing_is_lost_or_doubled(db: Database, lives: Lives, clinic: ClinicSide) -> None:
    steps, kills = lives.steps, 0
    for run in range(RUNS):
        dice = random.Random(run)
        asked = {"conversation": a_patient(db), "key": str(uuid.UUID(int=run)), "notices": len(CHANNELS)}
        ahead = 0
        for _ in range(dice.randint(1, 3)):
            kills += (await lives.live(**asked, ahead=ahead, kill_at=dice.randint(1, steps)))["killed"]
            ahead += LEASE_SECONDS
        await lives.live(**asked, ahead=ahead, kill_at=None)
        # Nobody takes it: the chain's next step, killed in the middle too.
        asked["notices"] *= 2
        kills += (await lives.live(**asked, ahead=CLIMB_SECONDS, kill_at=dice.randint(1, steps)))["killed"]
        await lives.live(**asked, ahead=CLIMB_SECONDS + LEASE_SECONDS, kill_at=None)
        check(db, clinic, asked["conversation"])
    print(f"{steps} steps between message and notice, {kills} kills in {RUNS} runs")
    assert kills > RUNS
    checked = audit_check.check(db, "demo")
    assert checked.fault is None, checked
    assert len(clinic.fhir.of("Task")) == len(clinic.fhir.of("Communication")) == RUNS + 1
    assert clinic.fhir.faults == []


def a_patient(db: Database) -> str:
    with db.begin() as session:
        opened = open_conversation(session, clinic="demo", locale="en", lifetime=timedelta(days=1))
        record_consent(session, opened.conversation.id, "1")
        body = {"kind": "text", "text": "", "fallback_text": ""}
        events.append_event(session, opened.conversation.id, type=events.MESSAGE, author=events.PATIENT, body=body)
        return str(opened.conversation.id)


def check(db: Database, clinic: ClinicSide, conversation_id: str) -> None:
    """One item, told once to each step of the chain; what the patient reads is there once, in order."""
    with db.read() as session:
        (item,) = handoffs_in(session, conversation_id)
        log = [(event.author, event.body["kind"]) for event in events.events_after(session, conversation_id, 1)]
        rows = session.execute(select(Outbox).where(Outbox.handoff_id == item.id)).scalars().all()
    # Message, safety words, "passed on", "told the next one": once each.
    assert log == [("patient", "text"), ("bot", "safety"), ("system", "handoff"), ("system", "handoff")]
    assert (item.status, item.step) == ("delivered", 1)
    assert sorted((row.kind, row.channel, row.contact) for row in rows) == [
        ("escalated", "email", "lead"),
        ("escalated", "fhir", ""),
        ("escalated", "webhook", ""),
        ("raised", "email", "team"),
        ("raised", "fhir", ""),
        ("raised", "webhook", ""),
    ]
    assert all(row.sent_at is not None for row in rows)
    # At least once, and what came twice came under the same id, so that the receiver can tell.
    ids = {row.channel: {other.message_id for other in rows if other.channel == row.channel} for row in rows}
    assert {one for one in clinic.mail.ids if item.id in one} == ids["email"]
    assert len([event for event in clinic.hook.events.values() if event["data"]["handoff"] == item.id]) == 2
    assert len(clinic.task_of(item)) == 1
