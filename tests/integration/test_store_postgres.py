"""The store and the handoff on a real PostgreSQL: above all, many writers at once."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import pytest
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from sqlalchemy import inspect, text

from bot.content.silence import load_silence
from bot.handoff import silence, worker
from bot.handoff import steps as h
from bot.handoff.climb import climb_overdue
from bot.store import audit, handoffs, identities, outbox
from bot.store import session as store
from bot.store.conversations import conversation_with, open_conversation, set_hold, set_pending, take_pending
from bot.store.events import append_event, events_after
from bot.store.models import metadata
from bot.store.session import Database
from tests.support import postgres
from tests.support.database import CLINIC, HandClock, a_clinic, add_person, at_once, new_conversation, raise_one

server = postgres.server


@pytest.fixture
def url(server: Any, request: pytest.FixtureRequest) -> Iterator[str]:
    """An empty database of this test's own."""
    with postgres.empty_database(server, f"t{abs(hash(request.node.name))}") as made:
        yield made


@pytest.fixture
def db(url: str, clock: HandClock) -> Iterator[Database]:
    store.upgrade(url)
    handle = store.connect(url, clock)
    yield handle
    handle.close()


def test_models_and_migrations_say_the_same(db: Database) -> None:
    with db.engine.connect() as connection:
        context = MigrationContext.configure(connection, opts={"compare_type": True})
        assert compare_metadata(context, metadata) == []


def test_downgrade_removes_all_and_several_may_upgrade_at_once(url: str) -> None:
    db = store.connect(url)
    assert not db.reachable()
    at_once(*[lambda: store.upgrade(url)] * 4)
    assert db.reachable()
    store.downgrade(url, "base")
    assert inspect(db.engine).get_table_names() == ["alembic_version"]
    db.close()


def test_a_reading_transaction_cannot_write(db: Database) -> None:
    with pytest.raises(store.DatabaseUnavailable, match="read-only"), db.read() as session:
        outbox.beat(session, "part")
    with db.begin() as session:
        outbox.beat(session, "part")


def test_many_appends_at_once_leave_no_gap(db: Database) -> None:
    conversation_id = new_conversation(db)

    def write(writer: int) -> None:
        for number in range(10):
            with db.begin() as session:
                append_event(
                    session,
                    conversation_id,
                    type="message",
                    author="patient",
                    body={"kind": "text"},
                    client_id=f"{writer}-{number}",
                )

    at_once(*[lambda writer=writer: write(writer) for writer in range(8)])
    with db.read() as session:
        assert [e.seq for e in events_after(session, conversation_id, 0)] == list(range(1, 81))


def test_a_signed_token_is_used_once_and_a_person_gets_one_conversation(db: Database) -> None:
    def enter(number: int) -> tuple[bool, str]:
        with db.begin() as session:
            used = identities.use_token(session, CLINIC, f"jti-{number % 4}", db.clock())
            found = identities.conversation_of(session, CLINIC, "subject")
            if found is None:
                opened = open_conversation(
                    session, clinic=CLINIC, locale="en", lifetime=timedelta(days=1), subject="subject"
                )
                found = opened.conversation
                append_event(session, found.id, type="message", author="system", body={"kind": "consent"})
            return used, str(found.id)

    made = at_once(*[lambda number=number: enter(number) for number in range(8)])
    assert sorted(used for used, _ in made) == [False] * 4 + [True] * 4
    assert len({conversation for _, conversation in made}) == 1


def test_a_double_click_writes_one_event(db: Database) -> None:
    conversation_id = new_conversation(db)

    def click() -> bool:
        with db.begin() as session:
            done = append_event(
                session, conversation_id, type="message", author="patient", body={}, client_id="id-1"
            )
            return done.created

    assert sorted(at_once(*[click] * 8)) == [False] * 7 + [True]


@pytest.mark.parametrize("odd", ["nul \0", "half \ud83d", "\U0001f600"])
def test_any_words_are_kept(db: Database, odd: str) -> None:
    assert raise_one(db, odd, odd, words=odd, about={odd: odd, "score": float("inf")}).created
    assert not raise_one(db, odd, odd).created
    with db.begin() as session:
        shown = append_event(session, odd, type="message", author="patient", body={"t": odd}).event.body
    with db.read() as session:
        assert events_after(session, odd, 0)[0].body == shown
        assert conversation_with(session, odd).state == "waiting"


def test_raised_by_many_at_once_it_is_one(db: Database) -> None:
    for number in range(5):
        results = at_once(*[lambda n=number: raise_one(db, f"new-{n}")] * 6)
        assert sorted(r.created for r in results) == [False] * 5 + [True]
        assert {r.state for r in results} == {"waiting"}
        with db.read() as session:
            assert len(outbox.notices_of(session, results[0].handoff_id)) == 1
            assert len(audit.trail(session, CLINIC, results[0].handoff_id)) == 1


def test_two_claim_at_once_and_one_wins(db: Database) -> None:
    people = (add_person(db, "Lee"), add_person(db, "Roy"))
    for number in range(20):
        item = raise_one(db, f"c{number}").handoff_id
        results = at_once(*[lambda p=p, item=item: h.claim(db, item, p, 1) for p in people])
        (won,) = [r for r in results if isinstance(r, h.Claimed)]
        (lost,) = [r for r in results if isinstance(r, h.AlreadyClaimed)]
        assert lost.by == won.handoff.claimed_by


def test_every_step_works_here_too(db: Database) -> None:
    lee, conversation_id = add_person(db, "Lee"), new_conversation(db)
    item = raise_one(db, conversation_id).handoff_id
    with db.begin() as session:
        set_hold(session, conversation_id, {"tier": "T1"})
    h.claim(db, item, lee, h.mark_seen(db, item, lee).handoff.version)
    assert h.hand_back(db, item, lee).state == "bot"
    assert h.close(db, item, lee, "true_red_flag").state == "bot"
    with db.begin() as session:
        assert take_pending(session, conversation_id) is None
        assert conversation_with(session, conversation_id).hold is None
        assert handoffs.queue(session, CLINIC) == []


def test_a_step_of_the_chain_is_taken_once_and_never_past_a_claim(db: Database, clock: HandClock) -> None:
    lee = add_person(db, "Lee")
    items = [raise_one(db, new_conversation(db)).handoff_id for _ in range(10)]
    clock.move(minutes=10)

    def look() -> int:
        return asyncio.run(climb_overdue(db, a_clinic, lambda *_: None, lambda *_: None))

    taken = items[:5]
    at_once(look, look, look, *[lambda item=item: h.claim(db, item, lee, 1) for item in taken])
    with db.read() as session:
        for item in items:
            told = [row.contact for row in outbox.notices_of(session, item) if row.kind == "escalated"]
            assert len(told) <= 1
            assert item in taken or told == ["lead"]
        assert all(handoffs.handoff_of(session, CLINIC, item).climb_at is None for item in taken)  # type: ignore[union-attr]


def test_a_conversation_has_one_open_item_of_a_family(db: Database) -> None:
    conversation_id = new_conversation(db)
    raised = at_once(*[lambda key=key: raise_one(db, conversation_id, key) for key in "abcdef"])
    assert sorted(one.created for one in raised) == [False] * 5 + [True]


def test_an_overdue_question_is_settled_once_and_not_while_it_is_being_answered(db: Database, clock: HandClock) -> None:
    conversation_id, other = new_conversation(db), new_conversation(db)
    for number, one in enumerate((conversation_id, other)):
        with db.begin() as session:
            set_pending(session, one, {"tier": ("T0", "T3")[number], "category": "RF34", "rule": "r"})
    settled: list[str] = []

    def settle() -> int:
        def answer(_session: Any, conversation: Any) -> None:
            settled.append(conversation.id)

        return asyncio.run(silence.settle_overdue(db, load_silence(), answer, lambda *_: None))

    clock.move(minutes=2, seconds=59)
    assert settle() == 0
    clock.move(seconds=1)
    with db.begin() as patient:
        take_pending(patient, conversation_id)
        assert settle() == 0, "the answer has the conversation: skipped, not waited for"
        patient.rollback()
    assert sorted(at_once(*[settle] * 4)) == [0, 0, 0, 1]
    assert settled == [conversation_id]
    clock.move(hours=1)
    assert settle() == 1
    assert settled == [conversation_id, other]


def test_workers_lease_side_by_side_and_never_the_same_row(db: Database) -> None:
    for number in range(12):
        raise_one(db, f"c{number}")
    with db.begin() as first:
        mine = outbox.lease(first, "email", "w1", worker.LEASE, 6)
        with db.begin() as second:
            yours = outbox.lease(second, "email", "w2", worker.LEASE, 20)
    assert (len(mine), len(yours)) == (6, 6)
    assert not {d.id for d in mine} & {d.id for d in yours}


def test_a_lock_that_is_not_given_is_unavailable_in_time(
    url: str, db: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(store, "TIMEOUT_SECONDS", 1)
    impatient = store.connect(url)
    conversation_id = new_conversation(db)
    with db.begin() as holder:
        append_event(holder, conversation_id, type="message", author="bot", body={})
        with pytest.raises(store.DatabaseUnavailable, match=r"lock timeout|statement timeout"):
            raise_one(impatient, conversation_id)
    impatient.close()


def test_stale_connections_are_replaced_and_a_stopped_server_is_unreachable(
    server: Any, db: Database
) -> None:
    assert db.reachable()
    with store.connect(server.get_uri()).engine.begin() as connection:
        connection.execute(
            text("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE pid <> pg_backend_pid()")
        )
    assert raise_one(db, "c").created
    nowhere = store.connect("postgresql://postgres@127.0.0.1:1/none")
    assert not nowhere.reachable()
    with pytest.raises(store.DatabaseUnavailable):
        raise_one(nowhere, "c")
