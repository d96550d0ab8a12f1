"""Databases for tests: a migrated SQLite file in no time, a clock to turn by hand, one of everything."""

from __future__ import annotations

import atexit
import shutil
import tempfile
import threading
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import datetime, timedelta, timezone
from functools import lru_cache
from pathlib import Path
from typing import Any

from bot.content import Clinic, load_clinics
from bot.handoff.escalate import Raised, raise_handoff
from bot.store import audit, clinicians
from bot.store.conversations import conversation_with, open_conversation
from bot.store.models import Clinician
from bot.store.session import Database, connect, upgrade

CLINIC = "demo"
PATIENT_WORDS = "I cannot feel anything when I wipe"


@dataclass
class HandClock:
    """A clock that stands still until it is moved."""

    at: datetime = datetime(2030, 1, 2, 3, 4, 5, 678000, tzinfo=timezone.utc)

    def __call__(self) -> datetime:
        return self.at

    def move(self, **by: float) -> None:
        self.at += timedelta(**by)


def sqlite_database(folder: Path, clock: Callable[[], datetime]) -> Database:
    """A migrated database in `folder`: a copy of one that was migrated once in this run."""
    path = folder / "pne.db"
    shutil.copyfile(_migrated(), path)
    return connect(f"sqlite:///{path}", clock)


def add_person(db: Database, name: str, clinic: str = CLINIC) -> Clinician:
    """A clinician who cannot sign in, for the steps of a handoff."""
    with db.begin() as session:
        return clinicians.add_clinician(
            session,
            clinic=clinic,
            email=f"{name}@{clinic}.invalid",
            name=f"Dr {name}",
            role="clinician",
            password_hash="none",
        )


def new_conversation(db: Database, clinic: str = CLINIC) -> str:
    with db.begin() as session:
        opened = open_conversation(session, clinic=clinic, locale="en", lifetime=timedelta(days=1))
        return str(opened.conversation.id)


def a_clinic(clinic: str) -> Clinic:
    """The demo clinic under any id: its hours and its chain."""
    return replace(load_clinics()["demo"], id=clinic)


def raise_one(db: Database, conversation_id: str, key: str = "m1", **other: Any) -> Raised:
    """A handoff as the web app raises it; `other` overrides."""
    values: dict[str, Any] = {
        "clinic": CLINIC,
        "clinic_of": a_clinic,
        "tier": "T1",
        "category": "RF01",
        "rule": "saddle-numb",
        "words": PATIENT_WORDS,
        "message_shown": "safety/RF01.T1.v1",
        "numbers_shown": ["112"],
        "about": {"scope": "now"},
    }
    return raise_handoff(db, conversation_id=conversation_id, message_key=key, **{**values, **other})


def state_of(db: Database, conversation_id: str) -> tuple[str, str | None]:
    """Who answers a conversation, and who holds it."""
    with db.read() as session:
        conversation = conversation_with(session, conversation_id)
        return conversation.state, conversation.holder


def acts(db: Database, handoff_id: str, clinic: str = CLINIC) -> list[tuple[str, str]]:
    """What was done to an item, and by whom, in order."""
    with db.read() as session:
        return [(row.act, row.actor) for row in audit.trail(session, clinic, handoff_id)]


def at_once(*calls: Callable[[], Any]) -> list[Any]:
    """Runs the calls in threads that start together; gives their results, or raises the first error."""
    barrier = threading.Barrier(len(calls))
    results: list[Any] = [None] * len(calls)

    def run(index: int, call: Callable[[], Any]) -> None:
        barrier.wait()
        try:
            results[index] = call()
        except BaseException as error:
            results[index] = error

    threads = [threading.Thread(target=run, args=pair) for pair in enumerate(calls)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    for result in results:
        if isinstance(result, BaseException):
            raise result
    return results


@lru_cache(maxsize=1)
def _migrated() -> Path:
    folder = tempfile.mkdtemp(prefix="pne-test-")
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    path = Path(folder) / "migrated.db"
    upgrade(f"sqlite:///{path}")
    return path
