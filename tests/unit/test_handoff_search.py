"""Looking for handoffs, on SQLite and on a real PostgreSQL: each folds and refuses characters in its own way."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from bot.handoff import steps
from bot.store import session as store
from bot.store.conversations import conversation_with
from bot.store.handoff_search import Wanted, search
from bot.store.session import Database
from tests.support import postgres
from tests.support.database import CLINIC, HandClock, add_person, new_conversation, raise_one, sqlite_database

server = postgres.server
MANY = 60


@pytest.fixture(params=["sqlite", "postgresql"])
def db(request: pytest.FixtureRequest, tmp_path: Path, clock: HandClock) -> Iterator[Database]:
    if request.param == "sqlite":
        yield sqlite_database(tmp_path, clock)
        return
    server = request.getfixturevalue("server")
    with postgres.empty_database(server, f"t{abs(hash(request.node.name))}") as url:
        store.upgrade(url)
        handle = store.connect(url, clock)
        yield handle
        handle.close()


def found(db: Database, clinic: str = CLINIC, limit: int = 50, offset: int = 0, **wanted: Any) -> list[str]:
    with db.read() as session:
        total, items = search(session, clinic, Wanted(**wanted), limit, offset)
        assert total >= len(items)
        return [item.words for item in items]


def add(db: Database, words: str, **other: Any) -> str:
    return raise_one(db, new_conversation(db), words=words, **other).handoff_id


def test_words_are_found_anywhere_in_any_case(db: Database) -> None:
    add(db, "I am NUMB between my legs")
    add(db, "ÉPAULE gauche")
    add(db, "nothing of the kind")
    assert found(db, words="numb") == found(db, words="Am Numb") == ["I am NUMB between my legs"]
    assert found(db, words="épaule") == found(db, words="ÉPAULE G") == ["ÉPAULE gauche"]
    assert found(db, words="numbness") == []


def test_wildcards_are_letters(db: Database) -> None:
    for words in ("100% pain", "100 pain", "a_b", "axb", r"back\slash", "back/slash"):
        add(db, words)
    assert found(db, words="100%") == ["100% pain"]
    assert found(db, words="a_b") == ["a_b"]
    assert found(db, words="\\") == [r"back\slash"]
    assert found(db, words="%") == ["100% pain"]


def test_what_was_attached_and_noted_is_looked_through_too(db: Database) -> None:
    conversation, lee = new_conversation(db), add_person(db, "lee")
    first = raise_one(db, conversation, words="first words")
    raise_one(db, conversation, "m2", words="and now my leg is weak")
    steps.add_private_note(db, first.handoff_id, lee, "Phoned the sister", "k")
    assert found(db, words="leg is weak") == found(db, words="the sister") == ["first words"]


def test_a_person_is_found_by_the_whole_name_or_pseudonym_alone(db: Database) -> None:
    for subject, name, words in (("p-17", "Ann Élan", "one"), ("p-171", "Anna", "two")):
        conversation = new_conversation(db)
        with db.begin() as session:
            made = conversation_with(session, conversation)
            made.subject, made.person_name = subject, name
        raise_one(db, conversation, words=words)
    assert found(db, person="p-17") == found(db, person="Ann Élan") == ["one"]
    assert found(db, person="anna") == ["two"]
    assert found(db, person="Ann") == found(db, person="p-1") == found(db, person="%") == []


def test_all_that_is_given_must_hold(db: Database, clock: HandClock) -> None:
    lee = add_person(db, "lee")
    steps.close(db, add(db, "old", tier="T0", category="RF02", rule="other-rule"), lee, "duplicate")
    clock.move(days=2)
    add(db, "new", tier="T0")
    since = clock() - timedelta(days=1)
    assert found(db, tier="T0") == ["new", "old"]
    assert found(db, tier="T0", since=since) == ["new"]
    assert found(db, until=since) == found(db, outcome="duplicate") == found(db, statuses=("resolved",)) == ["old"]
    assert found(db, rule="rf02") == found(db, rule="Other-Rule") == ["old"]
    assert found(db, tier="T0", outcome="duplicate", words="new") == []


def test_another_clinics_are_never_found(db: Database) -> None:
    raise_one(db, new_conversation(db, "other"), clinic="other", words="theirs")
    assert found(db, words="theirs") == [] and found(db, "other", words="theirs") == ["theirs"]


def test_pages_follow_one_another(db: Database, clock: HandClock) -> None:
    for number in range(MANY):
        clock.move(seconds=1)
        add(db, f"number {number}")
    pages = found(db, words="number") + found(db, words="number", offset=50)
    assert pages == [f"number {number}" for number in reversed(range(MANY))]
    with db.read() as session:
        assert search(session, CLINIC, Wanted(words="number"), 5, 500) == (MANY, [])


def test_what_a_database_refuses_finds_nothing(db: Database) -> None:
    add(db, "words")
    assert found(db, words="a\0b") == found(db, person="a\0b") == found(db, rule="\0") == []
