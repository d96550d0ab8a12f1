"""What recording does to the item: it is delivered, or it climbs at once because nobody could be told."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timedelta

import pytest

from bot.content import Clinic
from bot.content.chain import read_chain
from bot.handoff import recording, steps
from bot.handoff.climb import overdue
from bot.store import audit, outbox
from bot.store.models import Handoff
from bot.store.outbox import Due
from bot.store.session import Database
from tests.support.database import CLINIC, HandClock, a_clinic, add_person, at_once, raise_one


def two_at_first(clinic: str) -> Clinic:
    """A clinic that tells two contacts at its first step."""
    one = a_clinic(clinic)
    given = {**one.about["handoff"], "chain": [{"to": ["team", "lead"]}, {"to": ["manager"]}]}
    return replace(one, chain=read_chain(given, {"email": {"on": True}}))


def leased(db: Database, channel: str = "email") -> dict[str, Due]:
    with db.begin() as session:
        return {due.contact: due for due in outbox.lease(session, channel, "w1", timedelta(minutes=1), 10)}


def the_item(db: Database, handoff_id: str) -> Handoff:
    with db.read() as session:
        return session.get(Handoff, handoff_id)


def acts(db: Database, handoff_id: str) -> list[str]:
    with db.read() as session:
        return [row.act for row in audit.trail(session, CLINIC, handoff_id)]


def due_now(db: Database) -> list[str]:
    with db.read() as session:
        return overdue(session)


def test_the_first_accepted_notice_makes_it_delivered(db: Database, clock: HandClock) -> None:
    raised = raise_one(db, "c", clinic_of=two_at_first)
    due = leased(db)
    clock.move(seconds=5)
    first = clock()
    recording.sent(db, due["team"])
    clock.move(seconds=5)
    recording.sent(db, due["lead"])
    recording.sent(db, due["lead"])  # the worker died before it had recorded this, and another one sent it again
    item = the_item(db, raised.handoff_id)
    assert (item.status, item.delivered_at, item.version) == ("delivered", first, 1)
    with db.read() as session:
        told = [row for row in audit.trail(session, CLINIC, raised.handoff_id) if row.act == "handoff.delivered"]
    assert [(row.details["channel"], row.details["contact"], row.actor) for row in told] == [
        ("email", "team", "system"),
        ("email", "lead", "system"),
    ]


def test_a_mail_that_arrives_after_somebody_has_looked_changes_no_status(db: Database, clock: HandClock) -> None:
    raised = raise_one(db, "c")
    due = leased(db)
    steps.mark_seen(db, raised.handoff_id, add_person(db, "ada"))
    recording.sent(db, due["team"])
    item = the_item(db, raised.handoff_id)
    assert (item.status, item.delivered_at) == ("seen", clock())


def test_news_of_a_change_delivers_nothing(db: Database) -> None:
    raised = raise_one(db, "c")
    with db.begin() as session:
        outbox.enqueue(session, session.get(Handoff, raised.handoff_id), "webhook", "changed")
    recording.sent(db, leased(db, "webhook")[""], "receipt")
    assert the_item(db, raised.handoff_id).status == "raised"
    assert acts(db, raised.handoff_id) == ["handoff.raised"]


def test_where_nobody_of_a_step_can_be_told_it_climbs_at_once(db: Database, clock: HandClock) -> None:
    raised = raise_one(db, "c", clinic_of=two_at_first)
    due = leased(db)
    clock.move(seconds=1)
    recording.dead(db, due["team"], "w1", "closed")
    assert due_now(db) == [], "the lead may still be told"
    recording.dead(db, due["lead"], "w1", "closed")
    assert due_now(db) == [raised.handoff_id]
    assert the_item(db, raised.handoff_id).climb_at == clock()
    assert acts(db, raised.handoff_id) == ["handoff.raised", "handoff.undeliverable", "handoff.undeliverable"]
    with db.read() as session:
        assert audit.trail(session, CLINIC, raised.handoff_id)[-1].details["cause"] == "closed"


def test_where_one_was_told_the_others_death_changes_no_time(db: Database) -> None:
    raised = raise_one(db, "c", clinic_of=two_at_first)
    due = leased(db)
    recording.sent(db, due["team"])
    before = the_item(db, raised.handoff_id).climb_at
    recording.dead(db, due["lead"], "w1", "closed")
    assert the_item(db, raised.handoff_id).climb_at == before


def test_two_that_die_at_the_same_moment_make_it_climb(db: Database) -> None:
    raised = raise_one(db, "c", clinic_of=two_at_first)
    due = leased(db)
    at_once(*[lambda one=one: recording.dead(db, one, "w1", "closed") for one in due.values()])  # type: ignore[misc]
    assert due_now(db) == [raised.handoff_id]


@pytest.mark.parametrize("who", ["system", "old step", "claimed", "other worker"])
def test_a_death_that_does_not_matter_makes_nothing_climb(db: Database, clock: HandClock, who: str) -> None:
    raised = raise_one(db, "c")
    due = leased(db)["team"]
    with db.begin() as session:
        item = session.get(Handoff, raised.handoff_id)
        if who == "system":
            outbox.enqueue(session, item, "fhir")
        if who == "old step":
            item.step = 1
    if who == "system":
        due = leased(db, "fhir")[""]
    if who == "claimed":
        steps.claim(db, raised.handoff_id, add_person(db, "ada"), 1)
    before: datetime | None = the_item(db, raised.handoff_id).climb_at
    recording.dead(db, due, "w2" if who == "other worker" else "w1", "closed")
    assert the_item(db, raised.handoff_id).climb_at == before
    assert ("handoff.undeliverable" in acts(db, raised.handoff_id)) is (who != "other worker")


def test_what_was_sent_when_the_chain_ran_the_first_time_does_not_count_the_second_time(
    db: Database, clock: HandClock
) -> None:
    person = add_person(db, "ada")
    raised = raise_one(db, "c")
    recording.sent(db, leased(db)["team"])
    steps.claim(db, raised.handoff_id, person, 1)
    clock.move(minutes=1)
    steps.release(db, raised.handoff_id, person, a_clinic(CLINIC))
    recording.dead(db, leased(db)["team"], "w1", "closed")
    assert due_now(db) == [raised.handoff_id]


def test_a_clinic_that_names_a_contact_twice_in_a_step_tells_them_once() -> None:
    given = {**a_clinic(CLINIC).about["handoff"], "chain": [{"to": ["team", "team"]}]}
    assert [one.id for one in read_chain(given, {}).steps[0].contacts] == ["team"]
