"""The chain of contacts: who is told when nobody claims, by the clock alone, to its end and never past a claim."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from datetime import datetime, timedelta, timezone
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from bot.content import Clinic, load_clinics
from bot.content.chain import read_chain
from bot.content.hours import DAYS, read_hours
from bot.handoff import climb, steps
from bot.handoff.climb import Climbed, climb_overdue
from bot.store import audit, conversations, outbox
from bot.store.handoffs import WAITING
from bot.store.models import Handoff
from bot.store.session import Database, DatabaseUnavailable, connect
from tests.support.database import CLINIC, HandClock, add_person, at_once, new_conversation, raise_one, sqlite_database

MONDAY = datetime(2030, 1, 7, 10, 0, tzinfo=timezone.utc)
NIGHT = datetime(2030, 1, 7, 22, 0, tzinfo=timezone.utc)
WEEK = {day: [["09:00", "17:00"]] if day not in ("saturday", "sunday") else [] for day in DAYS}
LIMITS = {
    "T0": {"minutes": 5},
    "T1": {"minutes": 10},
    "T2": {"minutes": 30},
    "T3": {"minutes": 120, "hours": "open"},
    "T4": {"minutes": 240, "hours": "open"},
}
CONTACTS = {name: {"name": name, "channel": "email", "to": [f"{name}@clinic.invalid"]} for name in "abcd"}


def a_clinic(chain: list[dict[str, object]], **limits: object) -> Clinic:
    document = {"claim_within": {**LIMITS, **limits}, "contacts": CONTACTS, "chain": chain}
    hours = read_hours("Europe/London", WEEK, [])
    return replace(load_clinics()["demo"], id=CLINIC, hours=hours, chain=read_chain(document, {}))


CHAIN = a_clinic([{"to": ["a"]}, {"to": ["b"], "when": "open"}, {"to": ["c"], "when": "closed"}, {"to": ["c", "d"]}])


@pytest.fixture
def clock() -> HandClock:
    return HandClock(MONDAY)


def look(db: Database, clinic: Clinic) -> list[Climbed]:
    """One pass of the chore; gives what the patient would be told."""
    told: list[Climbed] = []
    asyncio.run(climb_overdue(db, lambda _: clinic, lambda _s, _i, climbed: told.append(climbed), lambda *_: None))
    return told


def raised(db: Database, clinic: Clinic, tier: str = "T1") -> str:
    return raise_one(db, new_conversation(db), tier=tier, clinic_of=lambda _: clinic).handoff_id


def item_of(db: Database, handoff_id: str) -> Handoff:
    with db.read() as session:
        return session.get(Handoff, handoff_id)


def told_to(db: Database, handoff_id: str) -> list[tuple[str, str]]:
    with db.read() as session:
        rows = sorted(outbox.notices_of(session, handoff_id), key=lambda row: (row.created_at, row.step, row.contact))
        return [(row.kind, row.contact) for row in rows]


def test_the_whole_chain_by_day(db: Database, clock: HandClock) -> None:
    item = raised(db, CHAIN)
    assert look(db, CHAIN) == []
    clock.move(minutes=9, seconds=59)
    assert look(db, CHAIN) == []
    clock.move(seconds=1)
    assert look(db, CHAIN) == [Climbed(clock(), ("b",))]
    assert look(db, CHAIN) == []
    clock.move(minutes=10)
    assert look(db, CHAIN) == [Climbed(clock(), ("c", "d"))]
    clock.move(minutes=10)
    ended = clock()
    assert look(db, CHAIN) == [Climbed(ended, ended=True)]
    assert told_to(db, item) == [("raised", "a"), ("escalated", "b"), ("escalated", "c"), ("escalated", "d")]
    found = item_of(db, item)
    assert (found.status, found.exhausted_at) == ("raised", ended)
    # It stays open, and the chain begins anew when the clinic opens the next day; the person has been told already.
    assert found.climb_at == datetime(2030, 1, 8, 9, 0, tzinfo=timezone.utc)
    clock.at = found.climb_at
    assert look(db, CHAIN) == [Climbed(clock(), ("a",), again=True)]
    assert told_to(db, item)[-1] == ("escalated", "a")
    with db.read() as session:
        acts = [row.act for row in audit.trail(session, CLINIC, item)]
        assert len({row.message_id for row in outbox.notices_of(session, item)}) == 5
    assert acts == ["handoff.raised", *["handoff.escalated"] * 2, "handoff.exhausted", "handoff.escalated"]


def test_at_night_the_steps_of_the_night(db: Database, clock: HandClock) -> None:
    clock.at = NIGHT
    raised(db, CHAIN)
    clock.move(minutes=10)
    assert look(db, CHAIN) == [Climbed(clock(), ("c",))]
    clock.move(minutes=10)
    assert look(db, CHAIN) == [Climbed(clock(), ("c", "d"))]


def test_what_is_not_urgent_waits_for_the_opening_hours(db: Database, clock: HandClock) -> None:
    clock.at = NIGHT
    item = raised(db, CHAIN, "T3")
    assert item_of(db, item).climb_at == datetime(2030, 1, 8, 11, 0, tzinfo=timezone.utc)
    clock.move(hours=12)
    assert look(db, CHAIN) == []
    clock.at = item_of(db, item).climb_at
    assert look(db, CHAIN) == [Climbed(clock(), ("b",))]


def test_a_claim_stops_it_and_giving_back_starts_it_again(db: Database, clock: HandClock) -> None:
    lee, item = add_person(db, "Lee"), raised(db, CHAIN)
    steps.mark_seen(db, item, lee)
    steps.claim(db, item, lee, 1)
    clock.move(days=30)
    assert look(db, CHAIN) == []
    steps.release(db, item, lee, CHAIN)
    clock.move(minutes=10)
    assert [climbed.contacts for climbed in look(db, CHAIN)] == [("c",) if not CHAIN.hours.is_open(clock()) else ("b",)]


def test_opening_without_taking_it_does_not_stop_the_clock(db: Database, clock: HandClock) -> None:
    item = raised(db, CHAIN)
    steps.mark_seen(db, item, add_person(db, "Lee"))
    clock.move(minutes=10)
    assert len(look(db, CHAIN)) == 1


def test_a_claim_and_the_chain_at_once_never_both(db: Database, clock: HandClock) -> None:
    lee = add_person(db, "Lee")
    for _ in range(20):
        item = raised(db, CHAIN)
        clock.move(minutes=10)
        at_once(lambda: look(db, CHAIN), lambda item=item: steps.claim(db, item, lee, 1))
        found = item_of(db, item)
        assert (found.status, found.climb_at) == ("claimed", None)


def test_several_workers_tell_each_step_once(db: Database, clock: HandClock) -> None:
    items = [raised(db, CHAIN) for _ in range(10)]
    clock.move(minutes=10)
    passes = at_once(*[lambda: look(db, CHAIN)] * 4)
    assert sum(len(told) for told in passes) == len(items)
    for item in items:
        assert told_to(db, item) == [("raised", "a"), ("escalated", "b")]


def test_one_that_cannot_be_told_of_stops_no_other(db: Database, clock: HandClock) -> None:
    bad, good = raised(db, CHAIN, "T0"), raised(db, CHAIN, "T1")
    clock.move(minutes=10)

    def tell(_session: object, item: Handoff, _climbed: Climbed) -> None:
        if item.id == bad:
            raise RuntimeError

    assert asyncio.run(climb_overdue(db, lambda _: CHAIN, tell, lambda *_: None)) == 1
    assert item_of(db, good).step == 1
    # Whole or not at all: it is found again by the next pass.
    assert (item_of(db, bad).step, told_to(db, bad)) == (0, [("raised", "a")])


def test_a_database_that_is_away_is_said(tmp_path: Path, clock: HandClock) -> None:
    broken = tmp_path / "x"
    broken.mkdir()
    (broken / "pne.db").write_bytes(b"no database")
    with pytest.raises(DatabaseUnavailable):
        look(connect(f"sqlite:///{broken / 'pne.db'}", clock), CHAIN)


STEPS = st.lists(
    st.fixed_dictionaries(
        {
            "to": st.lists(st.sampled_from("abcd"), min_size=1, max_size=2, unique=True),
            "when": st.sampled_from(["always", "open", "closed"]),
        }
    ),
    max_size=4,
)


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(
    more=STEPS,
    tier=st.sampled_from(sorted(LIMITS)),
    start=st.integers(0, 14 * 24 * 60),
    claim_at=st.none() | st.integers(0, 12),
)
def test_any_chain_at_any_hour(more: list[dict[str, object]], tier: str, start: int, claim_at: int | None) -> None:
    """Nothing that waits is ever without a next moment; each step is told once, in order; a claim ends it at once."""
    clinic = a_clinic([{"to": ["a"]}, *more])
    clock = HandClock(datetime(2030, 3, 25, tzinfo=timezone.utc) + timedelta(minutes=start))
    with TemporaryDirectory() as folder:
        db = sqlite_database(Path(folder), clock)
        lee, item = add_person(db, "Lee"), raised(db, clinic, tier)
        places, ends = [0], 0
        for number in range(12):
            found = item_of(db, item)
            assert found.status in WAITING and found.climb_at is not None and found.climb_at >= clock()
            if number == claim_at:
                assert isinstance(steps.claim(db, item, lee, found.version), steps.Claimed)
                clock.move(days=400)
                assert look(db, clinic) == []
                break
            clock.at = found.climb_at
            (climbed,) = look(db, clinic)
            after = item_of(db, item)
            if climbed.ended:
                ends += 1
                assert climbed.again == (ends > 1)
                assert after.step == -1 and after.exhausted_at is not None
                places = []
            else:
                assert after.step > (places[-1] if places else -1)
                step = clinic.chain.steps[after.step]
                assert step.when in ("always", "open" if clinic.hours.is_open(clock()) else "closed")
                assert climbed.contacts == tuple(contact.name for contact in step.contacts)
                places.append(after.step)
        db.close()


def test_the_conversation_still_waits_at_the_end(db: Database, clock: HandClock) -> None:
    item = raised(db, a_clinic([{"to": ["a"]}]))
    clock.move(minutes=10)
    assert [climbed.ended for climbed in look(db, a_clinic([{"to": ["a"]}]))] == [True]
    with db.read() as session:
        assert conversations.conversation_with(session, item_of(db, item).conversation_id).state == "waiting"


def test_the_gravest_is_told_first(db: Database, clock: HandClock) -> None:
    mild, grave = raised(db, CHAIN, "T2"), raised(db, CHAIN, "T0")
    clock.move(hours=1)
    with db.read() as session:
        assert climb.overdue(session) == [grave, mild]
