"""Raising a handoff: whole or not at all, once, one open item of a family, audited."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import func, select
from sqlalchemy.exc import IntegrityError

from bot.handoff.escalate import raise_handoff
from bot.handoff.steps import close
from bot.store import audit, handoffs, outbox
from bot.store.conversations import set_state
from bot.store.events import append_event, events_after
from bot.store.models import Audit, Handoff, Outbox
from bot.store.session import Database
from tests.support.database import (
    CLINIC,
    PATIENT_WORDS,
    HandClock,
    a_clinic,
    acts,
    add_person,
    at_once,
    new_conversation,
    raise_one,
    state_of,
)


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
        assert (item.about, item.status, item.version) == ({"scope": "now"}, "raised", 1)
        assert (item.step, item.climb_at) == (0, clock() + timedelta(minutes=10))
        (notice,) = outbox.notices_of(session, raised.handoff_id)
        assert (notice.channel, notice.contact, notice.kind) == ("email", "team", "raised")
        assert (notice.due_at, notice.attempts) == (clock(), 0)
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
    assert raise_one(db, conversation_id, "m2", category="RF02").created
    assert raise_one(db, new_conversation(db), "m1").created


def test_messages_without_a_key_are_never_lost(db: Database) -> None:
    assert raise_one(db, "default", "").created
    assert raise_one(db, "default", "").attached
    with db.read() as session:
        (item,) = handoffs.handoffs_in(session, "default")
        assert [more.words for more in handoffs.attached_to(session, item.id)] == [PATIENT_WORDS]


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
        raise_handoff(
            session,
            conversation_id=conversation_id,
            message_key="m1",
            clinic=CLINIC,
            clinic_of=a_clinic,
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


def test_the_same_family_attaches_and_what_is_graver_lifts_it(db: Database, clock: HandClock) -> None:
    conversation_id = new_conversation(db)
    first = raise_one(db, conversation_id, "m1", tier="T2")
    clock.move(minutes=4)
    same = raise_one(db, conversation_id, "m2", tier="T2", words="it is the same")
    assert (same.created, same.attached, same.graver, same.handoff_id) == (False, True, False, first.handoff_id)
    milder = raise_one(db, conversation_id, "m3", tier="T4", words="it is nothing")
    assert (milder.attached, milder.graver) == (True, False)
    graver = raise_one(db, conversation_id, "m4", tier="T1", rule="both-legs", words="both legs now")
    assert (graver.attached, graver.graver, graver.at) == (True, True, first.at)
    again = raise_one(db, conversation_id, "m4", tier="T0")
    assert (again.created, again.attached, again.handoff_id) == (False, False, first.handoff_id)
    with db.read() as session:
        item = handoffs.handoff_of(session, CLINIC, first.handoff_id)
        assert item is not None
        assert (item.tier, item.rule, item.words) == ("T1", "both-legs", PATIENT_WORDS)
        # Lifted, the chain begins anew, with the shorter time of the graver tier.
        assert item.climb_at == clock() + timedelta(minutes=10)
        more = handoffs.attached_to(session, item.id)
        assert {(one.message_key, one.tier) for one in more} == {("m2", "T2"), ("m3", "T4"), ("m4", "T1")}
        assert [row.kind for row in outbox.notices_of(session, item.id)] == ["raised", "raised"]
    assert [act for act, _ in acts(db, first.handoff_id)] == ["handoff.raised"] + ["handoff.attached"] * 3


def test_a_finished_family_is_raised_anew(db: Database) -> None:
    lee, conversation_id = add_person(db, "Lee"), new_conversation(db)
    first = raise_one(db, conversation_id, "m1")
    close(db, first.handoff_id, lee, "answered")
    assert raise_one(db, conversation_id, "m2").created


def test_the_database_refuses_a_second_open_item_of_a_family(db: Database) -> None:
    conversation_id = new_conversation(db)
    first = raise_one(db, conversation_id, "m1").handoff_id
    with pytest.raises(IntegrityError), db.begin() as session:
        item = session.get(Handoff, first)
        same = {column.key: getattr(item, column.key) for column in Handoff.__table__.columns}
        session.add(Handoff(**{**same, "id": "another", "message_key": "m2"}))


def test_at_once_of_one_family_it_is_one_item(db: Database) -> None:
    conversation_id = new_conversation(db)
    keys = [f"m{number}" for number in range(6)]
    results = at_once(*[lambda key=key: raise_one(db, conversation_id, key) for key in keys])
    assert sorted(r.created for r in results) == [False] * 5 + [True]
    with db.read() as session:
        (item,) = handoffs.handoffs_in(session, conversation_id)
        attached = {more.message_key for more in handoffs.attached_to(session, item.id)}
    assert attached | {item.message_key} == set(keys)
