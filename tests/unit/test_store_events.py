"""The event log: no gap, no double, nothing refused that a patient can type."""

from __future__ import annotations

from pathlib import Path

import pytest

from bot.store import events as e
from bot.store.conversations import UnknownConversation, was_offered
from bot.store.session import Database
from tests.support.database import HandClock, at_once, new_conversation, sqlite_database


@pytest.fixture
def db(tmp_path: Path) -> Database:
    return sqlite_database(tmp_path, HandClock())


def say(db: Database, conversation_id: str, words: str, client_id: str | None = None) -> e.Appended:
    with db.begin() as session:
        return e.append_event(
            session,
            conversation_id,
            type=e.MESSAGE,
            author=e.PATIENT,
            body={"kind": "text", "fallback_text": words},
            client_id=client_id,
        )


def test_events_are_numbered_and_read_in_order(db: Database) -> None:
    mine, yours = new_conversation(db), new_conversation(db)
    for number in range(1, 6):
        assert say(db, mine, f"words {number}").event.seq == number
    say(db, yours, "other")
    with db.read() as session:
        assert [x.seq for x in e.events_after(session, mine, 2)] == [3, 4, 5]
        assert [x.seq for x in e.events_after(session, mine, 0, limit=2)] == [1, 2]
        assert [x.seq for x in e.latest_events(session, mine, 2, author=e.PATIENT)] == [4, 5]
        assert [x.seq for x in e.latest_events(session, mine, 2, before=4)] == [2, 3]
        assert e.latest_events(session, mine, 2, author=e.BOT) == []
        assert e.events_after(session, "none", 0) == []


def test_an_event_is_shown_as_the_api_says(db: Database) -> None:
    event = say(db, new_conversation(db), "hello", "id-1").event
    assert event.as_dict() == {
        "seq": 1,
        "type": "message",
        "at": "2030-01-02T03:04:05.678Z",
        "author": "patient",
        "body": {"kind": "text", "fallback_text": "hello"},
        "client_id": "id-1",
    }


def test_the_same_client_id_finds_the_first_event(db: Database) -> None:
    mine, yours = new_conversation(db), new_conversation(db)
    first = say(db, mine, "once", "id-1")
    second = say(db, mine, "once", "id-1")
    assert (first.created, second.created) == (True, False)
    assert second.event.seq == first.event.seq
    assert say(db, mine, "next", "id-2").event.seq == 2
    assert say(db, yours, "mine too", "id-1").created


def test_a_double_click_writes_one_event(db: Database) -> None:
    conversation_id = new_conversation(db)
    results = at_once(*[lambda: say(db, conversation_id, "click", "id-1")] * 6)
    assert sorted(r.created for r in results) == [False] * 5 + [True]
    with db.read() as session:
        assert len(e.events_after(session, conversation_id, 0)) == 1


def test_many_at_once_leave_no_gap(db: Database) -> None:
    conversation_id = new_conversation(db)

    def write(writer: int) -> None:
        for number in range(10):
            say(db, conversation_id, "words", f"{writer}-{number}")

    at_once(*[lambda writer=writer: write(writer) for writer in range(4)])
    with db.read() as session:
        assert [x.seq for x in e.events_after(session, conversation_id, 0)] == list(range(1, 41))


def test_an_append_that_fails_leaves_no_gap(db: Database) -> None:
    conversation_id = new_conversation(db)
    with pytest.raises(RuntimeError), db.begin() as session:
        e.append_event(session, conversation_id, type=e.MESSAGE, author=e.BOT, body={})
        raise RuntimeError
    assert say(db, conversation_id, "next").event.seq == 1


def test_no_event_for_an_unknown_conversation(db: Database) -> None:
    with pytest.raises(UnknownConversation):
        say(db, "none", "words")


@pytest.mark.parametrize("words", ["nul \0 here", "half \ud83d of it", "\U0001f600 whole", "x" * 4000, ""])
def test_any_words_are_kept_and_shown_as_kept(db: Database, words: str) -> None:
    conversation_id = new_conversation(db)
    shown = say(db, conversation_id, words).event.body
    with db.read() as session:
        kept = e.events_after(session, conversation_id, 0)[0].body
    assert shown == kept
    kept["fallback_text"].encode("utf-8")
    assert kept["fallback_text"] == words.replace("\0", "\ufffd").replace("\ud83d", "\ufffd")


def test_buttons_are_offers_unless_the_patient_sent_them(db: Database) -> None:
    conversation_id = new_conversation(db)
    with db.begin() as session:
        for author, payload in ((e.BOT, "/more"), (e.SYSTEM, "consent:accept"), (e.PATIENT, "/restart")):
            body = {"kind": "text", "buttons": [{"title": "A", "payload": payload}]}
            e.append_event(session, conversation_id, type=e.MESSAGE, author=author, body=body)
    with db.read() as session:
        offered = [was_offered(session, conversation_id, p) for p in ("/more", "consent:accept", "/restart")]
    assert offered == [True, True, False]
