"""What is kept long enough is forgotten: by the clinic's days, one at a time, never under somebody's hands."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import select

from bot.content import load_clinics
from bot.content.clinics import Retention
from bot.handoff.states import OUTCOMES
from bot.handoff.steps import claim, close
from bot.store import events, retention, rights
from bot.store.conversations import conversation_with, new_token, open_conversation, record_consent
from bot.store.models import Audit, Conversation, Event, Handoff, Offer, PatientSession, UsedToken
from bot.store.session import Database, DatabaseUnavailable
from bot.web import retention as chore
from bot.web.services import Services
from tests.support.database import HandClock, add_person, raise_one
from tests.support.patient_api import ScriptedRasa, broken, make_services

DAYS = Retention(conversation_days=30, unaccepted_days=2)
LONG = 31
WORDS = "zebracorn"


@pytest.fixture
def services(tmp_path: Path) -> Services:
    made = make_services(tmp_path, ScriptedRasa())
    object.__setattr__(made.settings, "tracker_url", f"sqlite:///{tmp_path}/tracker.db")
    made.clinics = {**load_clinics(), "demo": replace(load_clinics()["demo"], retention=DAYS)}
    return made


def opened(db: Database, *, accepted: bool = True, clinic: str = "demo") -> str:
    """A conversation as the chat leaves it, with a message of the patient if the notice was accepted."""
    with db.begin() as session:
        made = open_conversation(session, clinic=clinic, locale="en", lifetime=timedelta(days=400)).conversation.id
        say(session, made, events.SYSTEM, {"kind": "consent", "buttons": [{"title": "x", "payload": "consent:accept"}]})
        if accepted:
            record_consent(session, made, "v1")
            say(session, made, events.PATIENT, {"kind": "text", "text": WORDS})
    return str(made)


def say(session: Any, conversation: str, author: str, body: dict[str, Any]) -> None:
    events.append_event(session, conversation, type=events.MESSAGE, author=author, body=body)


def move(db: Database, **by: float) -> None:
    assert isinstance(db.clock, HandClock)
    db.clock.move(**by)


def sweep(services: Services) -> int:
    return chore.sweep(services.db, services.clinics, services.settings.tracker_url)


def rows(db: Database, table: Any) -> list[Any]:
    with db.read() as session:
        return list(session.execute(select(table)).scalars())


def test_conversations_are_erased_after_the_clinics_days_and_not_before(services: Services) -> None:
    old = opened(services.db)
    move(services.db, days=DAYS.conversation_days, seconds=-1)
    assert sweep(services) == 0
    young = opened(services.db)
    move(services.db, seconds=1)
    assert sweep(services) == 1
    with services.db.read() as session:
        assert rights.is_erased(conversation_with(session, old))
        assert not rights.is_erased(conversation_with(session, young))
    assert {row.conversation_id for row in rows(services.db, Event)} == {young}
    (row,) = rows(services.db, Audit)
    assert (row.act, row.actor, row.subject) == ("conversation.erased", "system", old)
    assert sweep(services) == 0, "what is erased is not erased again"


def test_the_last_event_counts_and_not_the_first(services: Services) -> None:
    chat = opened(services.db)
    move(services.db, days=29)
    with services.db.begin() as session:
        say(session, chat, events.PATIENT, {"kind": "text", "text": "still here"})
    move(services.db, days=29)
    assert sweep(services) == 0
    move(services.db, days=1)
    assert sweep(services) == 1


def test_what_was_never_accepted_is_taken_away_whole(services: Services) -> None:
    opened(services.db, accepted=False)
    kept = opened(services.db)
    move(services.db, days=2)
    assert sweep(services) == 1
    assert [row.id for row in rows(services.db, Conversation)] == [kept]
    assert {row.conversation_id for row in rows(services.db, Event)} == {kept}
    assert {row.conversation_id for row in rows(services.db, Offer)} == {kept}
    assert {row.conversation_id for row in rows(services.db, PatientSession)} == {kept}


def test_a_red_flag_before_consent_keeps_its_record(services: Services) -> None:
    chat = opened(services.db, accepted=False)
    raised = raise_one(services.db, chat, words=WORDS)
    move(services.db, days=LONG)
    assert sweep(services) == 0, "it waits for somebody"
    somebody = add_person(services.db, "lee")
    item = rows(services.db, Handoff)[0]
    claim(services.db, raised.handoff_id, somebody, item.version)
    assert sweep(services) == 0, "somebody is with it"
    close(services.db, raised.handoff_id, somebody, OUTCOMES[0])
    assert sweep(services) == 1
    (item,) = rows(services.db, Handoff)
    assert (item.status, item.words, item.about) == ("resolved", rights.ERASED_BY_TIME, {})
    assert [row.id for row in rows(services.db, Conversation)] == [chat]


def test_each_clinic_has_its_own_days(services: Services) -> None:
    there = opened(services.db, clinic="portal")
    gone = opened(services.db, clinic="a clinic that was removed")
    move(services.db, days=364)
    assert sweep(services) == 0
    move(services.db, days=1)
    assert sweep(services) == 1, "the default of 365 days, for a clinic that nobody knows any more"
    with services.db.read() as session:
        assert rights.is_erased(conversation_with(session, gone))
        assert not rights.is_erased(conversation_with(session, there))
    move(services.db, days=365)
    assert sweep(services) == 1


def test_a_batch_at_a_time_and_one_that_fails_stops_no_other(
    services: Services, monkeypatch: pytest.MonkeyPatch
) -> None:
    chats = []
    for _ in range(5):
        chats.append(opened(services.db))
        move(services.db, seconds=1)
    move(services.db, days=LONG)
    monkeypatch.setattr(retention, "BATCH", 2)
    real = rights.erase

    def fails_for_the_first(session: Any, conversation: str, *rest: Any) -> None:
        if conversation == chats[0]:
            raise ValueError(WORDS)
        real(session, conversation, *rest)

    monkeypatch.setattr(rights, "erase", fails_for_the_first)
    assert [sweep(services) for _ in range(3)] == [2, 2, 0]
    assert {row.conversation_id for row in rows(services.db, Event)} == {chats[0]}


def test_somebody_who_writes_at_the_last_moment_keeps_the_chat(
    services: Services, monkeypatch: pytest.MonkeyPatch
) -> None:
    chat = opened(services.db)
    move(services.db, days=LONG)
    real = retention.due

    def just_before(*given: Any) -> list[str]:
        found = real(*given)
        with services.db.begin() as session:
            say(session, chat, events.PATIENT, {"kind": "text", "text": "I am back"})
        return found

    monkeypatch.setattr(retention, "due", just_before)
    assert sweep(services) == 0
    with services.db.read() as session:
        assert not rights.is_erased(conversation_with(session, chat))


def test_sessions_and_tokens_that_have_run_out_go(services: Services) -> None:
    chat = opened(services.db)
    with services.db.begin() as session:
        new_token(session, chat, timedelta(minutes=20))
        at = services.db.clock()
        for jti, minutes in (("old", 1), ("new", 60)):
            session.add(UsedToken(clinic="portal", jti=jti, expires_at=at + timedelta(minutes=minutes)))
    move(services.db, minutes=30)
    sweep(services)
    assert len(rows(services.db, PatientSession)) == 1
    assert [row.jti for row in rows(services.db, UsedToken)] == ["new"]


def test_the_dialogue_of_what_was_just_erased_is_looked_for_again(services: Services) -> None:
    from bot.store.dialogue import create_engine, text

    chat, url = opened(services.db), services.settings.tracker_url
    with services.db.begin() as session:
        rights.erase(session, chat)
    engine = create_engine(url, future=True)
    with engine.begin() as connection:  # a turn that outlived the erasing
        connection.execute(text("CREATE TABLE events (id INTEGER PRIMARY KEY, sender_id TEXT, data TEXT)"))
        connection.execute(
            text("INSERT INTO events (sender_id, data) VALUES (:id, '{}'), ('other', '{}')"), {"id": chat}
        )
    move(services.db, hours=1)
    sweep(services)
    with engine.begin() as connection:
        assert connection.execute(text("SELECT sender_id FROM events")).scalars().all() == ["other"]
    engine.dispose()


async def test_the_chore_works_once_an_hour(services: Services, monkeypatch: pytest.MonkeyPatch) -> None:
    swept: list[int] = []
    results = [100, 3, 0]

    def counted(*_given: Any) -> int:
        swept.append(results[len(swept)])
        return swept[-1]

    monkeypatch.setattr(chore, "sweep", counted)
    look = chore.retention_watch(services)
    assert [await look(), await look(), await look()] == [100, 3, 0], "a full batch goes on at once"
    move(services.db, minutes=59)
    assert await look() == 0 and len(swept) == 2
    move(services.db, minutes=1)
    await look()
    assert len(swept) == 3


async def test_a_database_that_is_away_is_tried_again_soon(services: Services) -> None:
    chat = opened(services.db)
    move(services.db, days=LONG)
    whole, services.db = services.db, broken(services.db)
    look = chore.retention_watch(services)
    with pytest.raises(DatabaseUnavailable):
        await look()
    services.db = whole
    assert await look() == 0, "not at once"
    move(services.db, minutes=1)
    assert await look() == 1
    with services.db.read() as session:
        assert rights.is_erased(conversation_with(session, chat))


async def test_two_workers_erase_each_conversation_once(services: Services) -> None:
    for _ in range(4):
        opened(services.db)
    move(services.db, days=LONG)
    done = await asyncio.gather(*(asyncio.to_thread(sweep, services) for _ in range(2)))
    assert sum(done) == 4
    assert len(rows(services.db, Audit)) == 4
