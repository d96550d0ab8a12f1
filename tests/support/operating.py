"""The databases of a whole installation, full and being written to, on SQLite or PostgreSQL: for tests of its care."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from sqlalchemy import Column, Float, Integer, MetaData, String, Table, Text, create_engine, insert, inspect, text

from bot.settings import Settings
from bot.store import events
from bot.store.session import Database, connect, upgrade
from tests.support.database import new_conversation, raise_one
from tests.support.planted import Planted, plant

# As Rasa makes it.
DIALOGUES = Table(
    "events",
    MetaData(),
    Column("id", Integer, primary_key=True),
    Column("sender_id", String(255), nullable=False, index=True),
    Column("type_name", String(255), nullable=False),
    Column("timestamp", Float),
    Column("intent_name", String(255)),
    Column("action_name", String(255)),
    Column("data", Text),
)
ODD = "words: żółć 😀 \u202e 'quoted' \"twice\" \\ back, line\nbreak"


@dataclass
class Installation:
    """Settings with two databases of their own (one, where they are the same), full of marked rows of two clinics."""

    settings: Settings
    db: Database
    planted: tuple[Planted, ...] = ()

    def dialogue(self, conversation: str, said: str) -> None:
        """Something said, as the tracker store keeps it."""
        engine = create_engine(self.settings.tracker_url, future=True)
        DIALOGUES.metadata.create_all(engine)
        with engine.begin() as connection:
            data = json.dumps({"event": "user", "text": said, "timestamp": 1.5, "metadata": {"message_id": said}})
            row = {"sender_id": conversation, "type_name": "user", "timestamp": 1.5, "data": data}
            connection.execute(insert(DIALOGUES), row)
        engine.dispose()

    def rows(self) -> dict[str, list[str]]:
        """Every row of every table of both, as the driver gives it."""
        urls = {self.settings.database_url, self.settings.tracker_url}
        return {name: rows for url in sorted(urls) for name, rows in raw_rows(url).items()}


def installed(folder: Path, database_url: str, tracker_url: str, **more: Any) -> Installation:
    """Migrated and empty."""
    settings = Settings(
        database_url=database_url, tracker_url=tracker_url, var=str(folder), rasa_secret="s" * 40, secret_key="k" * 40,
        **{"port": 1, **more},
    )  # fmt: skip
    upgrade(database_url)
    return Installation(settings, connect(database_url))


def populate(made: Installation) -> Installation:
    """Fills every table for two clinics, and the dialogues."""
    made.planted = tuple(plant(made.db, clinic, mark) for clinic, mark in (("demo", "mark-demo"), ("portal", "mark-p")))
    for one in made.planted:
        made.dialogue(one.id_of("conversation"), f"{one.mark} dialogue {ODD}")
    say(made.db, new_conversation(made.db), ODD, "key-odd")
    return made


def say(db: Database, conversation: str, words: str, key: str, author: str = events.PATIENT) -> int:
    """One message in the log; gives its number."""
    with db.begin() as session:
        body = {"kind": "text", "text": words, "fallback_text": words}
        done = events.append_event(session, conversation, type=events.MESSAGE, author=author, body=body, client_id=key)
        return int(done.event.seq)


def raw_rows(url: str) -> dict[str, list[str]]:
    """Every row of every table, as the driver gives it, sorted."""
    engine = create_engine(url, future=True)
    try:
        with engine.connect() as connection:
            names = inspect(connection).get_table_names()
            return {name: sorted(repr(tuple(row)) for row in connection.execute(text(f'SELECT * FROM "{name}"')))
                    for name in names}  # fmt: skip
    finally:
        engine.dispose()


@contextmanager
def written_to(made: Installation) -> Iterator[list[int]]:
    """Conversations, handoffs with their audit, and dialogues are written all the while; gives how many so far."""
    stop, count, errors = threading.Event(), [0], []

    def write() -> None:
        try:
            while not stop.is_set():
                conversation = new_conversation(made.db)
                for number in range(5):
                    say(made.db, conversation, f"said {number}", f"key-{number}")
                raise_one(made.db, conversation, "key-4")
                made.dialogue(conversation, "said 4")
                count[0] += 1
        except Exception as error:
            errors.append(error)

    writer = threading.Thread(target=write)
    writer.start()
    try:
        yield count
    finally:
        stop.set()
        writer.join()
    assert not errors, errors


