"""What the clinic's people do with a handoff: each step once, audited, inside one clinic, of two at once one wins."""

from __future__ import annotations

from datetime import timedelta

import pytest

from bot.handoff import steps as h
from bot.handoff.items import UnknownHandoff
from bot.handoff.states import NotAllowed
from bot.store import handoffs, outbox
from bot.store.conversations import conversation_with, set_hold
from bot.store.models import Handoff, Note
from bot.store.session import Database
from tests.support.database import (
    CLINIC,
    HandClock,
    a_clinic,
    acts,
    add_person,
    at_once,
    new_conversation,
    raise_one,
    state_of,
)


def test_claim_then_hand_back_then_close(db: Database, clock: HandClock) -> None:
    lee, conversation_id = add_person(db, "Lee"), new_conversation(db)
    item = raise_one(db, conversation_id).handoff_id
    with db.begin() as session:
        set_hold(session, conversation_id, {"tier": "T1"})
    clock.move(minutes=1)
    seen = h.mark_seen(db, item, lee)
    clock.move(minutes=1)
    again = h.mark_seen(db, item, lee)
    assert (seen.first, again.first, again.handoff.seen_at) == (True, False, seen.handoff.seen_at)
    assert again.handoff.status == "seen"
    claimed = h.claim(db, item, lee, seen.handoff.version)
    assert isinstance(claimed, h.Claimed) and claimed.first
    assert (claimed.handoff.claimed_by, claimed.handoff.claimed_at) == (lee.id, clock())
    assert state_of(db, conversation_id) == ("human", lee.id)
    twice = h.claim(db, item, lee, seen.handoff.version)
    assert isinstance(twice, h.Claimed) and not twice.first
    assert h.hand_back(db, item, lee).state == "bot"
    with db.read() as session:
        assert conversation_with(session, conversation_id).hold is None
    closed = h.close(db, item, lee, "true_red_flag")
    assert (closed.handoff.status, closed.handoff.outcome, closed.state) == ("resolved", "true_red_flag", "bot")
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
    for number in range(100):
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
    second = raise_one(db, conversation_id, "m2", category="RF02").handoff_id
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
    raised = raise_one(db, conversation_id, "m2", category="RF02")
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
        with pytest.raises(UnknownHandoff):
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
    with pytest.raises(UnknownHandoff):
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
        assert [i.message_key for i in handoffs.queue(session, CLINIC, statuses=handoffs.WAITING)] == ["b", "d"]
        assert [i.message_key for i in handoffs.finished(session, CLINIC)] == ["a"]
        counted = {status: number for status, number in handoffs.counts(session, CLINIC).items() if number}
        assert counted == {"raised": 2, "claimed": 1, "resolved": 1}
        assert [i.message_key for i in handoffs.handoffs_in(session, "c")] == ["c"]


def test_the_first_words_of_a_person_stop_the_clock(db: Database, clock: HandClock) -> None:
    lee, conversation_id = add_person(db, "Lee"), new_conversation(db)
    item = raise_one(db, conversation_id).handoff_id
    taken = h.claim(db, item, lee, 1)
    assert isinstance(taken, h.Claimed) and taken.handoff.climb_at is None
    clock.move(minutes=3)
    for _ in range(2):
        with db.begin() as session:
            h.answered(session, conversation_id, lee)
        clock.move(minutes=3)
    with db.read() as session:
        found = session.get(Handoff, item)
    assert (found.status, found.answered_at) == ("in_conversation", clock() - timedelta(minutes=6))
    assert [act for act, _ in acts(db, item)].count("handoff.answered") == 1


def test_given_back_to_the_queue_its_clock_runs_again(db: Database, clock: HandClock) -> None:
    lee, roy, conversation_id = add_person(db, "Lee"), add_person(db, "Roy"), new_conversation(db)
    item = raise_one(db, conversation_id).handoff_id
    h.claim(db, item, lee, 1)
    with pytest.raises(h.NotYours):
        h.release(db, item, roy, a_clinic(CLINIC))
    clock.move(minutes=30)
    released = h.release(db, item, lee, a_clinic(CLINIC))
    assert (released.handoff.status, released.state) == ("seen", "waiting")
    assert (released.handoff.claimed_by, released.handoff.climb_at) == (None, clock() + timedelta(minutes=10))
    with pytest.raises(NotAllowed):
        h.release(db, item, lee, a_clinic(CLINIC))
    with db.read() as session:
        assert [row.kind for row in outbox.notices_of(session, item)] == ["raised", "raised"]
    assert isinstance(h.claim(db, item, roy, released.handoff.version), h.Claimed)


def test_it_can_be_given_to_a_colleague_of_the_same_clinic(db: Database) -> None:
    lee, roy, conversation_id = add_person(db, "Lee"), add_person(db, "Roy"), new_conversation(db)
    stranger = add_person(db, "Eve", clinic="other")
    item = raise_one(db, conversation_id).handoff_id
    with pytest.raises(h.NoSuchPerson):
        h.reassign(db, item, lee, stranger)
    h.claim(db, item, lee, 1)
    with pytest.raises(h.NotYours):
        h.reassign(db, item, roy, roy)
    given = h.reassign(db, item, lee, roy)
    assert (given.handoff.claimed_by, given.state) == (roy.id, "human")
    assert state_of(db, conversation_id) == ("human", roy.id)
    back = h.reassign(db, item, lee, lee, any_holder=True)
    assert back.handoff.claimed_by == lee.id
    waiting = raise_one(db, new_conversation(db), "m2").handoff_id
    with pytest.raises(NotAllowed):
        h.reassign(db, waiting, lee, roy)


def test_only_what_one_holds_can_be_put_aside(db: Database, clock: HandClock) -> None:
    lee, roy = add_person(db, "Lee"), add_person(db, "Roy")
    item = raise_one(db, new_conversation(db)).handoff_id
    until = clock() + timedelta(hours=2)
    with pytest.raises(NotAllowed):
        h.snooze(db, item, lee, until)
    h.claim(db, item, lee, 1)
    with pytest.raises(h.NotYours):
        h.snooze(db, item, roy, until)
    assert h.snooze(db, item, lee, until).snoozed_until == until
    assert h.snooze(db, item, lee, None).snoozed_until is None


def test_a_private_note_is_kept_once(db: Database) -> None:
    lee = add_person(db, "Lee")
    item = raise_one(db, new_conversation(db)).handoff_id
    for _ in range(2):
        h.add_private_note(db, item, lee, "Rang her; call back at five.", "form-1")
    h.add_private_note(db, item, lee, "Rang again.", "form-2")
    with db.read() as session:
        kept = sorted(note.text for note in session.query(Note).all())
    assert kept == ["Rang again.", "Rang her; call back at five."]
    assert [act for act, _ in acts(db, item)].count("handoff.noted") == 2


def test_a_wish_for_a_person_can_be_taken_back_but_never_a_red_flag(db: Database) -> None:
    lee, conversation_id = add_person(db, "Lee"), new_conversation(db)
    flag = raise_one(db, conversation_id, "m1").handoff_id
    wish = raise_one(db, conversation_id, "m2", category="contact", tier="T4", rule=None).handoff_id
    with db.begin() as session:
        assert h.withdraw(session, conversation_id, "RF01") is None
        stepped = h.withdraw(session, conversation_id, "contact")
        assert stepped is not None
        assert (stepped.handoff.id, stepped.handoff.status, stepped.state) == (wish, "withdrawn", "waiting")
        assert h.withdraw(session, conversation_id, "contact") is None
    other = new_conversation(db)
    taken = raise_one(db, other, "m3", category="contact", tier="T4", rule=None).handoff_id
    h.claim(db, taken, lee, 1)
    with db.begin() as session:
        assert h.withdraw(session, other, "contact") is None
        assert session.get(Handoff, flag).status == "raised"
