"""The outbox and its worker: leases, attempts, dead letters and replay, loops that hold up no other."""

from __future__ import annotations

import asyncio
import sqlite3
from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta

import pytest
from sqlalchemy.exc import OperationalError
from sqlalchemy.orm import Session

from bot.handoff import worker
from bot.handoff.worker import Delivery, TryLater, Undeliverable, back_off, send_due
from bot.store import audit, outbox
from bot.store.models import Handoff, Outbox
from bot.store.outbox import Due
from bot.store.session import Database
from tests.support.database import CLINIC, HandClock, a_clinic, add_person, raise_one


def longest() -> float:
    return 1.0


async def one_pass(db: Database, deliver: Delivery, owner: str = "w1") -> int:
    return await send_due(db, "email", deliver, owner, longest)


async def accept(_notice: Due) -> None:
    return None


async def refuse(_notice: Due) -> None:
    raise Undeliverable("never")


async def later(_notice: Due) -> None:
    raise TryLater("busy")


def the_row(db: Database, handoff_id: str) -> Outbox:
    with db.read() as session:
        (row,) = outbox.notices_of(session, handoff_id)
    return row


def add_notices(db: Database, handoff_id: str, *channels: str) -> None:
    with db.begin() as session:
        for channel in channels:
            outbox.enqueue(session, session.get(Handoff, handoff_id), channel)


async def test_what_was_sent_is_sent_once(db: Database, clock: HandClock) -> None:
    raised = raise_one(db, "c")
    sent: list[str] = []

    async def deliver(notice: Due) -> str:
        sent.append(notice.message_id)
        return "their-name-for-it"

    assert await one_pass(db, deliver) == 1
    clock.move(days=1)
    assert await one_pass(db, deliver) == 0
    row = the_row(db, raised.handoff_id)
    assert sent == [row.message_id]
    assert (row.sent_at, row.attempts, row.leased_until, row.receipt) == (raised.at, 1, None, "their-name-for-it")


async def test_later_means_later_and_then_it_is_sent(db: Database, clock: HandClock) -> None:
    raised = raise_one(db, "c")
    for wait in (2, 4, 8):
        assert await one_pass(db, later) == 1
        row = the_row(db, raised.handoff_id)
        assert (row.sent_at, row.dead_at, row.due_at) == (None, None, clock() + timedelta(seconds=wait))
        assert row.last_error == "busy"
        assert await one_pass(db, accept) == 0
        clock.move(seconds=wait)
    await one_pass(db, accept)
    row = the_row(db, raised.handoff_id)
    assert (row.sent_at, row.attempts, row.last_error) == (clock(), 4, None)


async def test_a_dead_letter_stays_until_somebody_of_its_clinic_replays_it(db: Database, clock: HandClock) -> None:
    raised = raise_one(db, "c")
    person = add_person(db, "ada")
    await one_pass(db, refuse)
    row = the_row(db, raised.handoff_id)
    assert (row.dead_at, row.last_error) == (clock(), "never")
    clock.move(days=1)
    assert await one_pass(db, accept) == 0
    with db.begin() as session:
        assert [dead.id for dead in outbox.dead_letters(session, CLINIC)] == [row.id]
        assert outbox.dead_letters(session, "other") == []
        assert [(dead.id, clinic) for dead, clinic in outbox.dead_letters_of_all(session)] == [(row.id, CLINIC)]
        assert not outbox.replay(session, row.id, clinic="other", actor=person.id)
        assert outbox.replay(session, row.id, clinic=CLINIC, actor=person.id)
        assert not outbox.replay(session, row.id, clinic=CLINIC, actor=person.id)
        assert not outbox.replay(session, "nothing")
    with db.read() as session:
        noted = audit.trail(session, CLINIC, raised.handoff_id)[-1]
    assert (noted.act, noted.actor, noted.details) == ("handoff.replayed", person.id, {"notice": row.id})
    assert await one_pass(db, accept) == 1
    assert the_row(db, raised.handoff_id).sent_at == clock()


async def test_a_crash_before_recording_sends_again_with_the_same_id(db: Database, clock: HandClock) -> None:
    raised = raise_one(db, "c")
    sent: list[str] = []

    async def deliver(notice: Due) -> None:
        sent.append(notice.message_id)

    with db.begin() as session:
        (notice,) = outbox.lease(session, "email", "w1", worker.LEASE, worker.BATCH)
    await deliver(notice)  # and then this worker is killed
    assert await one_pass(db, deliver, owner="w2") == 0
    clock.move(seconds=worker.LEASE.total_seconds())
    assert await one_pass(db, deliver, owner="w2") == 1
    assert len(sent) == 2 and len(set(sent)) == 1
    assert the_row(db, raised.handoff_id).attempts == 2


async def test_a_late_worker_cannot_undo_what_another_did(db: Database, clock: HandClock) -> None:
    raised = raise_one(db, "c")
    with db.begin() as session:
        (notice,) = outbox.lease(session, "email", "slow", worker.LEASE, 1)
    clock.move(minutes=2)
    assert await one_pass(db, accept, owner="w2") == 1
    with db.begin() as session:
        assert not outbox.record_dead(session, notice.id, "slow", "too late")
        outbox.record_retry(session, notice.id, "slow", clock(), "too late")
        assert not outbox.record_sent(session, notice.id)
    row = the_row(db, raised.handoff_id)
    assert row.sent_at == clock() and row.dead_at is None


async def test_a_bad_row_stops_no_other(db: Database, clock: HandClock) -> None:
    raised = {raise_one(db, key, key).handoff_id: key for key in ("bad", "dead", "good")}
    sent: list[str] = []

    async def deliver(notice: Due) -> None:
        if raised[notice.handoff_id] == "bad":
            raise KeyError("the patient's own words")
        if raised[notice.handoff_id] == "dead":
            raise Undeliverable("never")
        sent.append(notice.handoff_id)

    assert await one_pass(db, deliver) == 3
    assert [raised[s] for s in sent] == ["good"]
    states = {key: the_row(db, handoff_id) for handoff_id, key in raised.items()}
    # What an error of somebody else's says may hold what was being sent: only its kind is kept.
    assert states["bad"].last_error == "KeyError" and states["bad"].dead_at is None
    assert states["dead"].dead_at == clock()


async def test_the_gravest_goes_first_and_a_batch_is_bounded(db: Database) -> None:
    for number in range(worker.BATCH):
        raise_one(db, f"c{number}", tier="T3")
    raise_one(db, "grave", tier="T0")
    with db.begin() as session:
        taken = outbox.lease(session, "email", "w1", worker.LEASE, worker.BATCH)
    assert len(taken) == worker.BATCH and taken[0].tier == "T0"


async def test_a_receiver_that_hangs_is_given_up_for_now(
    db: Database, clock: HandClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(worker, "SENDING_LIMIT", timedelta(milliseconds=20))
    raised = raise_one(db, "c")

    async def hang(_notice: Due) -> None:
        await asyncio.Event().wait()

    await one_pass(db, hang)
    row = the_row(db, raised.handoff_id)
    assert row.due_at > clock() and row.dead_at is None and "0.02 seconds" in (row.last_error or "")


@pytest.mark.parametrize(("tier", "asked", "waits"), [("T1", 5, 5), ("T1", 600, 15), ("T3", 40, 40), ("T3", 600, 60)])
async def test_a_wait_that_the_receiver_asks_for_is_kept_up_to_the_tiers_longest(
    db: Database, clock: HandClock, tier: str, asked: int, waits: int
) -> None:
    raised = raise_one(db, "c", tier=tier)

    async def busy(_notice: Due) -> None:
        raise TryLater("busy", after=timedelta(minutes=asked))

    await one_pass(db, busy)
    assert the_row(db, raised.handoff_id).due_at == clock() + timedelta(minutes=waits)


async def test_after_very_many_attempts_a_person_must_look(db: Database, clock: HandClock) -> None:
    raised = raise_one(db, "c")
    with db.begin() as session:
        outbox.notices_of(session, raised.handoff_id)[0].attempts = worker.MOST_ATTEMPTS - 1
    await one_pass(db, later)
    row = the_row(db, raised.handoff_id)
    assert row.dead_at == clock() and "200" in (row.last_error or "")


@pytest.mark.parametrize(
    ("attempt", "grave", "other"),
    [(1, 2, 2), (2, 4, 4), (3, 8, 8), (9, 512, 512), (10, 900, 1024), (12, 900, 3600), (100_000, 900, 3600)],
)
def test_back_off_doubles_to_the_tiers_longest_with_full_jitter(attempt: int, grave: int, other: int) -> None:
    for tier, seconds in (("T0", grave), ("T1", grave), ("T2", other), ("T4", other)):
        assert back_off(attempt, 1.0, tier) == timedelta(seconds=seconds)
        assert back_off(attempt, 0.5, tier) == timedelta(seconds=seconds / 2)
        assert back_off(attempt, 0.0, tier) == timedelta(0)


def test_a_contact_of_any_name_gets_a_message_id_that_mail_can_carry(db: Database) -> None:
    raised = raise_one(db, "c")
    with db.begin() as session:
        item = session.get(Handoff, raised.handoff_id)
        first = outbox.enqueue(session, item, "email", contact="the night team@home <x>")
        second = outbox.enqueue(session, item, "email", contact="the night team@home_<x>")
        ids = first.message_id, second.message_id
    assert ids[0] != ids[1]
    assert all(one.count("@") == 1 and one.count("<") == 1 and " " not in one for one in ids)


async def running(
    db: Database,
    deliveries: dict[str, Delivery],
    until: Callable[[], bool],
    limit: float = 3.0,
    news: Callable[[Due], None] | None = None,
) -> None:
    """Runs the worker until a condition holds, then stops it as the application does."""
    stop = asyncio.Event()
    task = asyncio.create_task(worker.run(db, deliveries, stop, every=0.005, chance=longest, news=news))

    async def reached() -> None:
        while not until():
            await asyncio.sleep(0.005)

    try:
        await asyncio.wait_for(reached(), limit)
    finally:
        stop.set()
        await task


async def test_the_worker_sends_says_so_shows_life_and_stops(db: Database, clock: HandClock) -> None:
    assert not worker.alive(db, ["email"])
    raised = raise_one(db, "c")
    heard: list[str] = []
    await running(db, {"email": accept}, lambda: bool(heard), news=lambda sent: heard.append(sent.handoff_id))
    assert heard == [raised.handoff_id]
    assert worker.alive(db, ["email"])
    with db.read() as session:
        assert worker.stopped(session, ["email", "webhook"]) == ["webhook"]
    clock.move(seconds=61)
    assert not worker.alive(db, ["email"])
    assert worker.alive(db, ["email"], timedelta(minutes=2))


async def test_a_channel_that_hangs_holds_up_no_other(db: Database) -> None:
    add_notices(db, raise_one(db, "c").handoff_id, "slow", "quick", "nobody")
    sent: list[str] = []
    hanging, go = asyncio.Event(), asyncio.Event()

    async def slow(_notice: Due) -> None:
        hanging.set()
        await go.wait()

    async def quick(notice: Due) -> None:
        await hanging.wait()
        sent.append(notice.channel)

    def done() -> bool:
        if sent:
            go.set()
        return bool(sent)

    await running(db, {"slow": slow, "quick": quick, "email": accept}, done)
    with db.read() as session:
        (dead,) = outbox.dead_letters(session, CLINIC)
    assert dead.channel == "nobody" and dead.last_error == "no delivery is configured for this channel"


async def test_a_clinic_whose_receiver_hangs_holds_up_no_other_clinic(db: Database) -> None:
    for number in range(3 * worker.BATCH):
        raise_one(db, f"stuck-{number}", tier="T0", clinic="stuck")
    raise_one(db, "quick", tier="T4", clinic="quick")
    sent: list[str] = []
    go = asyncio.Event()

    async def deliver(notice: Due) -> None:
        if notice.clinic == "stuck":
            await go.wait()
        sent.append(notice.clinic)

    def done() -> bool:
        if "quick" in sent:
            go.set()
        return len(sent) == 3 * worker.BATCH + 1

    await running(db, {"email": deliver}, done)
    assert sent[0] == "quick"


async def test_what_still_hangs_when_the_process_stops_is_given_up_and_sent_later(
    db: Database, clock: HandClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(worker, "FINISH_SECONDS", 0.02)
    raised = raise_one(db, "c")
    begun: list[str] = []

    async def hang(notice: Due) -> None:
        begun.append(notice.id)
        await asyncio.Event().wait()

    await running(db, {"email": hang}, lambda: bool(begun))
    clock.move(seconds=worker.LEASE.total_seconds())
    assert await one_pass(db, accept, owner="w2") == 1
    assert the_row(db, raised.handoff_id).attempts == 2


async def test_the_worker_outlives_a_database_that_is_away(db: Database) -> None:
    raise_one(db, "c")
    refused = iter(range(10))
    sent: list[str] = []

    def away() -> Session:
        if next(refused, None) is not None:
            raise OperationalError("", {}, sqlite3.OperationalError("unable to open database file"))
        return db.sessions()

    async def deliver(notice: Due) -> None:
        sent.append(notice.id)

    limping = replace(db, sessions=away, readers=away)
    await running(limping, {"email": deliver}, lambda: bool(sent))
    assert next(refused, None) is None


def test_the_demo_clinics_first_step_has_one_contact() -> None:
    # What the tests of one row rest on.
    assert [contact.id for contact in a_clinic(CLINIC).chain.steps[0].contacts] == ["team"]
