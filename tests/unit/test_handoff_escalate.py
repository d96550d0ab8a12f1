"""Raising, claiming, handing back and closing: whole or not at all, once, audited, inside one clinic."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import func, select

from bot.handoff import steps as h
from bot.handoff.states import NotAllowed
from bot.store import audit, handoffs, outbox
from bot.store.conversations import conversation_with, set_hold, set_state
from bot.store.events import append_event, events_after
from bot.store.models import Audit, Handoff, Outbox
from bot.store.session import Database
from tests.support.database import (
    CLINIC,
    PATIENT_WORDS,
    HandClock,
    add_person,
    at_once,
    new_conversation,
    raise_one,
    sqlite_database,
)


@pytest.fixture
def clock() -> HandClock:
    return HandClock()


@pytest.fixture
def db(tmp_path: Path, clock: HandClock) -> Database:
    return sqlite_database(tmp_path, clock)


def state_of(db: Database, conversation_id: str) -> tuple[str, str | None]:
    with db.read() as session:
        conversation = conversation_with(session, conversation_id)
        return conversation.state, conversation.holder


def acts(db: Database, handoff_id: str, clinic: str = CLINIC) -> list[tuple[str, str]]:
    with db.read() as session:
        return [(row.act, row.actor) for row in audit.trail(session, clinic, handoff_id)]


def how_many(db: Database) -> tuple[int, int, int]:
    with db.read() as session:
        counts = [
            session.execute(select(func.count()).select_from(m)).scalar() for m in (Handoff, Outbox, Audit)
        ]
    return counts[0], counts[1], counts[2]


def test_raising_keeps_everything_and_makes_the_notice(db: Database, clock: HandClock) -> None:
    conversation_id = new_conversation(db)
    raised = raise_one(db, conversation_id)
    assert (raised.created, raised.state, raised.at) == (True, "waiting", clock())
    with db.read() as session:
        item = handoffs.handoff_of(session, CLINIC, raised.handoff_id)
        assert item is not None
        assert (item.tier, item.category, item.rule, item.words) == (
            "T1",
            "RF01",
            "saddle-numb",
            PATIENT_WORDS,
        )
        assert (item.message_shown, item.numbers_shown) == ("safety/RF01.T1.v1", ["112"])
        assert (item.about, item.status, item.version) == ({"scope": "now"}, "waiting", 1)
        (notice,) = outbox.notices_of(session, raised.handoff_id)
        assert (notice.channel, notice.due_at, notice.attempts) == ("email", clock(), 0)
        (row,) = audit.trail(session, CLINIC, raised.handoff_id)
    assert (row.act, row.actor, row.at) == ("handoff.raised", "system", clock())
    assert PATIENT_WORDS not in str(row.details)
    assert state_of(db, conversation_id) == ("waiting", None)


def test_the_same_message_raises_once(db: Database, clock: HandClock) -> None:
    conversation_id = new_conversation(db)
    first = raise_one(db, conversation_id)
    clock.move(minutes=5)
    second = raise_one(db, conversation_id, tier="T0", words="other words")
    assert (second.created, second.handoff_id, second.at) == (False, first.handoff_id, first.at)
    assert how_many(db) == (1, 1, 1)
    assert raise_one(db, conversation_id, "m2").created
    assert raise_one(db, new_conversation(db), "m1").created


def test_messages_without_a_key_are_never_lost(db: Database) -> None:
    assert raise_one(db, "default", "").created
    assert raise_one(db, "default", "").created


def test_raised_by_two_processes_at_once_it_is_one(db: Database) -> None:
    results = at_once(*[lambda: raise_one(db, "new-conversation")] * 6)
    assert sorted(r.created for r in results) == [False] * 5 + [True]
    assert len({r.handoff_id for r in results}) == 1
    assert how_many(db) == (1, 1, 1)


def test_an_unknown_conversation_is_made_and_a_known_one_keeps_its_clinic(db: Database) -> None:
    assert raise_one(db, "default").state == "waiting"
    mine = new_conversation(db, clinic="mine")
    raised = raise_one(db, mine, clinic="other")
    with db.read() as session:
        assert handoffs.handoff_of(session, "mine", raised.handoff_id) is not None
        assert handoffs.handoff_of(session, "other", raised.handoff_id) is None


@pytest.mark.parametrize("odd", ["\0", "\ud800", "a\0b", "'; drop table handoff", "x" * 2000])
def test_odd_ids_and_words_are_passed_on_too(db: Database, odd: str) -> None:
    first = raise_one(db, odd, odd, words=odd, about={odd: [odd, float("nan")]})
    second = raise_one(db, odd, odd, words=odd)
    assert (first.created, second.created) == (True, False)


def test_a_failure_leaves_nothing_behind(db: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    conversation_id = new_conversation(db)

    def fail(*_: Any, **__: Any) -> None:
        raise RuntimeError

    monkeypatch.setattr(audit, "record", fail)
    with pytest.raises(RuntimeError):
        raise_one(db, conversation_id)
    assert how_many(db) == (0, 0, 0)
    assert state_of(db, conversation_id) == ("bot", None)


def test_an_unknown_tier_is_refused(db: Database) -> None:
    with pytest.raises(ValueError, match="tier"):
        raise_one(db, "default", tier="urgent")


def test_it_joins_the_callers_transaction(db: Database) -> None:
    conversation_id = new_conversation(db)
    with pytest.raises(RuntimeError), db.begin() as session:
        append_event(session, conversation_id, type="message", author="bot", body={"kind": "safety"})
        h.raise_handoff(
            session,
            conversation_id=conversation_id,
            message_key="m1",
            clinic=CLINIC,
            tier="T1",
            category=None,
            rule=None,
            words="",
            message_shown="",
        )
        raise RuntimeError
    with db.read() as session:
        assert events_after(session, conversation_id, 0) == []
    assert how_many(db) == (0, 0, 0)


def test_a_closed_conversation_waits_again(db: Database) -> None:
    conversation_id = new_conversation(db)
    with db.begin() as session:
        set_state(session, conversation_id, "closed")
    assert raise_one(db, conversation_id).state == "waiting"


def test_claim_then_hand_back_then_close(db: Database, clock: HandClock) -> None:
    lee, conversation_id = add_person(db, "Lee"), new_conversation(db)
    item = raise_one(db, conversation_id).handoff_id
    with db.begin() as session:
        set_hold(session, conversation_id, {"tier": "T1"})
    clock.move(minutes=1)
    seen = h.mark_seen(db, item, lee)
    clock.move(minutes=1)
    assert h.mark_seen(db, item, lee).seen_at == seen.seen_at
    claimed = h.claim(db, item, lee, seen.version)
    assert isinstance(claimed, h.Claimed) and claimed.first
    assert (claimed.handoff.claimed_by, claimed.handoff.claimed_at) == (lee.id, clock())
    assert state_of(db, conversation_id) == ("human", lee.id)
    again = h.claim(db, item, lee, seen.version)
    assert isinstance(again, h.Claimed) and not again.first
    assert h.hand_back(db, item, lee).state == "bot"
    with db.read() as session:
        assert conversation_with(session, conversation_id).hold is None
    closed = h.close(db, item, lee, "true_red_flag")
    assert (closed.handoff.status, closed.handoff.outcome, closed.state) == ("closed", "true_red_flag", "bot")
    assert acts(db, item) == [
        ("handoff.raised", "system"),
        ("handoff.seen", lee.id),
        ("handoff.seen", lee.id),
        ("handoff.claimed", lee.id),
        ("handoff.handed_back", lee.id),
        ("handoff.closed", lee.id),
    ]


def test_closing_what_one_holds_ends_the_conversation(db: Database) -> None:
    lee, conversation_id = add_person(db, "Lee"), new_conversation(db)
    item = raise_one(db, conversation_id).handoff_id
    h.claim(db, item, lee, 1)
    assert h.close(db, item, lee, "sent_to_emergency").state == "closed"
    assert state_of(db, conversation_id) == ("closed", None)


def test_two_at_once_one_wins_and_the_other_is_told_who(db: Database) -> None:
    people = {person.id: person for person in (add_person(db, "Lee"), add_person(db, "Roy"))}
    for number in range(20):
        item = raise_one(db, new_conversation(db), f"m{number}").handoff_id
        results = at_once(*[lambda p=p, item=item: h.claim(db, item, p, 1) for p in people.values()])
        (won,) = [r for r in results if isinstance(r, h.Claimed)]
        (lost,) = [r for r in results if isinstance(r, h.AlreadyClaimed)]
        winner = people[won.handoff.claimed_by]
        assert (lost.by, lost.name, lost.at) == (winner.id, winner.name, won.handoff.claimed_at)
        assert [act for act, _ in acts(db, item)].count("handoff.claimed") == 1


def test_a_claim_takes_the_whole_conversation(db: Database) -> None:
    lee, roy, conversation_id = add_person(db, "Lee"), add_person(db, "Roy"), new_conversation(db)
    first = raise_one(db, conversation_id, "m1").handoff_id
    second = raise_one(db, conversation_id, "m2").handoff_id
    h.claim(db, first, lee, 1)
    assert isinstance(h.claim(db, second, roy, 1), h.AlreadyClaimed)
    with pytest.raises(h.NotYours):
        h.hand_back(db, second, roy)
    with pytest.raises(h.NotYours):
        h.close(db, second, roy, "duplicate")
    assert h.close(db, second, lee, "duplicate").state == "human"
    assert h.hand_back(db, first, lee).state == "bot"


def test_a_new_flag_while_a_human_holds_stays_theirs_and_waits(db: Database) -> None:
    lee, roy, conversation_id = add_person(db, "Lee"), add_person(db, "Roy"), new_conversation(db)
    first = raise_one(db, conversation_id, "m1").handoff_id
    h.claim(db, first, lee, 1)
    raised = raise_one(db, conversation_id, "m2")
    assert (raised.created, raised.state) == (True, "human")
    assert isinstance(h.claim(db, raised.handoff_id, roy, 1), h.AlreadyClaimed)
    assert h.hand_back(db, first, lee).state == "waiting"
    assert isinstance(h.claim(db, raised.handoff_id, roy, 1), h.Claimed)
    assert state_of(db, conversation_id) == ("human", roy.id)


def test_another_clinic_sees_nothing(db: Database) -> None:
    stranger = add_person(db, "Eve", clinic="other")
    item = raise_one(db, new_conversation(db)).handoff_id
    for step in (
        lambda: h.mark_seen(db, item, stranger),
        lambda: h.claim(db, item, stranger, 1),
        lambda: h.hand_back(db, item, stranger),
        lambda: h.close(db, item, stranger, "duplicate"),
    ):
        with pytest.raises(h.UnknownHandoff):
            step()
    with db.read() as session:
        assert handoffs.queue(session, "other") == []
    assert len(acts(db, item)) == 1


def test_what_is_not_allowed_is_refused(db: Database) -> None:
    lee = add_person(db, "Lee")
    item = raise_one(db, new_conversation(db)).handoff_id
    with pytest.raises(h.StaleVersion):
        h.claim(db, item, lee, 7)
    with pytest.raises(NotAllowed):
        h.hand_back(db, item, lee)
    with pytest.raises(ValueError, match="outcome"):
        h.close(db, item, lee, "whatever")
    h.close(db, item, lee, "not_red_flag")
    for step in (lambda: h.claim(db, item, lee, 2), lambda: h.close(db, item, lee, "duplicate")):
        with pytest.raises(NotAllowed):
            step()
    with pytest.raises(h.UnknownHandoff):
        h.claim(db, "none", lee, 1)


def test_the_queue_is_by_tier_then_waiting_time(db: Database, clock: HandClock) -> None:
    lee = add_person(db, "Lee")
    for key, tier in (("a", "T2"), ("b", "T1"), ("c", "T0"), ("d", "T1")):
        raise_one(db, key, key, tier=tier)
        clock.move(minutes=1)
    with db.read() as session:
        items = handoffs.queue(session, CLINIC)
    assert [i.message_key for i in items] == ["c", "b", "d", "a"]
    h.claim(db, items[0].id, lee, 1)
    h.close(db, items[3].id, lee, "duplicate")
    with db.read() as session:
        assert [i.message_key for i in handoffs.queue(session, CLINIC, statuses=["waiting"])] == ["b", "d"]
        assert [i.message_key for i in handoffs.finished(session, CLINIC)] == ["a"]
        assert handoffs.counts(session, CLINIC) == {"waiting": 2, "claimed": 1, "returned": 0, "closed": 1}
        assert [i.message_key for i in handoffs.handoffs_in(session, "c")] == ["c"]
