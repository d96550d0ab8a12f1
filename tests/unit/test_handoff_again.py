"""What comes again: a red flag must alarm somebody whoever holds the chat, and no step may trip over an earlier one."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

from bot.content import Clinic
from bot.content.chain import Webhook
from bot.handoff import notices, steps
from bot.handoff.abandoned import take_back
from bot.handoff.climb import climb_overdue
from bot.store import clinicians, handoffs, outbox
from bot.store.conversations import conversation_with
from bot.store.events import CLINICIAN, append_event
from bot.store.models import Handoff, Outbox
from bot.store.session import Database, connect, downgrade, upgrade
from tests.support.database import (
    CLINIC,
    HandClock,
    a_clinic,
    add_person,
    new_conversation,
    raise_one,
)

HOOK = Webhook("https://hooks.clinic.invalid/pne", ("SECRET",))


def hooked(clinic: str) -> Clinic:
    made = a_clinic(clinic)
    return replace(made, chain=replace(made.chain, webhook=HOOK))


def rows(db: Database, handoff_id: str) -> list[tuple[str, str]]:
    with db.read() as session:
        found = sorted(outbox.notices_of(session, handoff_id), key=lambda row: row.created_at)
        return [(row.kind, row.channel) for row in found]


def item_of(db: Database, handoff_id: str) -> Handoff:
    with db.read() as session:
        return session.get(Handoff, handoff_id)


def test_an_item_that_was_taken_unopened_can_be_opened_and_given_on(db: Database) -> None:
    """Taken from the queue's row: the systems hear of it once, and opening it afterwards changes nothing."""
    lee, roy, conversation = add_person(db, "Lee"), add_person(db, "Roy"), new_conversation(db)
    first = raise_one(db, conversation, "m1", clinic_of=hooked).handoff_id
    second = raise_one(db, conversation, "m2", category="RF02", clinic_of=hooked).handoff_id
    steps.claim(db, first, lee, 1)
    for item in (first, second):
        assert item_of(db, item).seen_at is not None
        assert not steps.mark_seen(db, item, lee).first
    steps.reassign(db, second, lee, roy)
    steps.mark_seen(db, second, roy)
    steps.release(db, first, roy, hooked(CLINIC))
    for item in (first, second):
        steps.mark_seen(db, item, lee)
    assert rows(db, first).count(("changed", "webhook")) == 3  # taken, given on, back in the queue


def test_a_withdrawn_wish_can_be_opened(db: Database) -> None:
    lee, conversation = add_person(db, "Lee"), new_conversation(db)
    wish = raise_one(db, conversation, category="contact", tier="T4", rule=None, clinic_of=hooked).handoff_id
    with db.begin() as session:
        steps.withdraw(session, conversation, "contact")
    steps.mark_seen(db, wish, lee)


def test_a_red_flag_again_wakes_the_team_where_the_holder_has_gone(db: Database, clock: HandClock) -> None:
    lee, conversation = add_person(db, "Lee"), new_conversation(db)
    item = raise_one(db, conversation, "m1", tier="T2").handoff_id
    other = raise_one(db, conversation, "m2", category="RF02", tier="T3").handoff_id
    steps.claim(db, item, lee, 1)
    clock.move(minutes=20)
    with db.begin() as session:
        append_event(session, conversation, type="message", author=CLINICIAN, body={"kind": "clinician"})
    clock.move(minutes=20)
    there = raise_one(db, conversation, "m3", tier="T1")
    assert (there.graver, there.anew) == (True, False)
    assert (item_of(db, item).tier, item_of(db, item).status) == ("T1", "claimed")
    clock.move(minutes=11)
    gone = raise_one(db, conversation, "m4", tier="T1")
    assert (gone.attached, gone.anew, gone.state) == (True, True, "waiting")
    for one, minutes in ((item, 10), (other, None)):
        found = item_of(db, one)
        assert (found.status, found.claimed_by) == ("seen", None)
        assert minutes is None or found.climb_at == clock() + timedelta(minutes=minutes)
    assert rows(db, item) == [("raised", "email")] * 2


def test_what_waits_goes_on_climbing_when_the_chat_is_given_on(db: Database, clock: HandClock) -> None:
    lee, roy, conversation = add_person(db, "Lee"), add_person(db, "Roy"), new_conversation(db)
    held = raise_one(db, conversation, "m1", category="contact", tier="T4", rule=None).handoff_id
    steps.claim(db, held, lee, 1)
    new = raise_one(db, conversation, "m2", tier="T0").handoff_id
    steps.reassign(db, held, lee, roy)
    found = item_of(db, new)
    assert (found.status, found.claimed_by) == ("raised", None) and found.climb_at is not None


def climb(db: Database) -> None:
    asyncio.run(climb_overdue(db, a_clinic, lambda *_: None, lambda *_: None))


def test_the_same_red_flag_after_the_end_of_the_chain_begins_it_anew(db: Database, clock: HandClock) -> None:
    conversation = new_conversation(db)
    item = raise_one(db, conversation, "m1").handoff_id
    for _ in range(3):
        clock.move(minutes=10)
        climb(db)
    assert item_of(db, item).exhausted_at is not None
    before = len(rows(db, item))
    assert raise_one(db, conversation, "m2").anew
    found = item_of(db, item)
    assert (found.exhausted_at, found.step, found.climb_at) == (None, 0, clock() + timedelta(minutes=10))
    assert len(rows(db, item)) == before + 1


def test_given_back_after_the_end_of_the_chain_it_can_end_again(db: Database, clock: HandClock) -> None:
    lee, item = add_person(db, "Lee"), raise_one(db, new_conversation(db)).handoff_id
    for _ in range(3):
        clock.move(minutes=10)
        climb(db)
    steps.claim(db, item, lee, item_of(db, item).version)
    steps.release(db, item, lee, a_clinic(CLINIC))
    assert item_of(db, item).exhausted_at is None


def test_what_somebody_holds_who_can_no_longer_answer_goes_back(db: Database) -> None:
    lee, roy, ann = (add_person(db, name) for name in ("Lee", "Roy", "Ann"))
    conversations = [new_conversation(db) for _ in range(4)]
    items = [raise_one(db, conversation, "m").handoff_id for conversation in conversations]
    for item, person in zip(items, (lee, lee, roy, ann), strict=True):
        steps.claim(db, item, person, 1)
    with db.begin() as session:
        clinicians.disable(session, lee.id)
        clinicians.set_role(session, ann.id, "auditor")
    told: list[tuple[str, str]] = []

    def look() -> int:
        return asyncio.run(
            take_back(db, a_clinic, lambda _s, item, person: told.append((item.id, person.name)), lambda *_: None)
        )

    assert (look(), look()) == (3, 0)
    assert sorted(told) == sorted([(items[0], "Dr Lee"), (items[1], "Dr Lee"), (items[3], "Dr Ann")])
    assert [item_of(db, item).status for item in items] == ["seen", "seen", "claimed", "seen"]
    with db.read() as session:
        assert [conversation_with(session, one).state for one in conversations] == [
            "waiting",
            "waiting",
            "human",
            "waiting",
        ]


def test_a_notice_that_nobody_needs_any_more_is_not_sent(db: Database, clock: HandClock) -> None:
    lee, item = add_person(db, "Lee"), raise_one(db, new_conversation(db)).handoff_id
    steps.claim(db, item, lee, 1)
    with db.begin() as session:
        assert outbox.lease(session, "email", "w", timedelta(minutes=1), 10) == []
    with db.read() as session:
        (row,) = outbox.notices_of(session, item)
        assert (row.receipt, row.dead_at, row.attempts) == (outbox.NOT_NEEDED, None, 0)
        assert not outbox.anything_due(session, "email")


def test_old_items_of_one_family_become_one_and_keep_the_gravest_tier(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path / 'old.db'}"
    upgrade(url)
    db = connect(url, HandClock())
    lee, conversation = add_person(db, "Lee"), new_conversation(db)
    one = raise_one(db, conversation, "m1", tier="T3").handoff_id
    two = raise_one(db, conversation, "m2", category="RF02", tier="T0", words="the graver words").handoff_id
    downgrade(url, "0004")
    with db.engine.begin() as connection:
        connection.exec_driver_sql(f"UPDATE handoff SET category = 'RF01' WHERE id = '{two}'")
        connection.exec_driver_sql(
            f"UPDATE handoff SET status = 'claimed', claimed_by = '{lee.id}' WHERE id = '{one}'"
        )
    upgrade(url)
    kept, closed = item_of(db, one), item_of(db, two)
    assert (kept.tier, kept.status) == ("T0", "claimed")
    assert (closed.status, closed.outcome) == ("resolved", "duplicate")
    with db.read() as session:
        assert [more.words for more in handoffs.attached_to(session, one)] == ["the graver words"]
    db.close()


def test_every_notice_has_an_id_of_its_own(db: Database) -> None:
    item = raise_one(db, new_conversation(db)).handoff_id
    with db.begin() as session:
        for _ in range(3):
            outbox.enqueue(session, session.get(Handoff, item), "webhook", notices.CHANGED)
        session.flush()
    with db.read() as session:
        ids = [row.message_id for row in session.query(Outbox).all()]
    assert len(set(ids)) == len(ids) == 4
