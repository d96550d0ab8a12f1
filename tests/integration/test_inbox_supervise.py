"""The page of those who look after the whole, over HTTP. A stub stands in for Rasa; the database is real."""

from __future__ import annotations

import re
from datetime import timedelta
from itertools import pairwise
from typing import Any

import pytest

from bot.handoff import steps
from bot.handoff.items import note_act
from bot.store import audit, outbox
from bot.store.handoffs import handoff_of
from bot.store.session import Database
from bot.web.inbox import supervise_view
from bot.web.inbox.acts import Desk
from bot.web.services import Services
from tests.support import inbox
from tests.support.database import CLINIC, PATIENT_WORDS, HandClock, add_person, new_conversation, raise_one
from tests.support.inbox import OTHER_CLINIC, WORDS, acts, hidden

quick, services = inbox.quick, inbox.services
open_page, at_inbox = inbox.open_page, inbox.at_inbox

HERE = "/inbox/supervise"


def part(page: str, name: str) -> str:
    found = re.search(rf'<section id="{name}".*?</section>', page, re.S)
    assert found, name
    return found[0]


def die(db: Database, cause: str = "no such mailbox") -> str:
    """The next notice that is due is given up."""
    with db.begin() as session:
        [notice] = outbox.lease(session, "email", "w", timedelta(seconds=60), 1)
        outbox.record_dead(session, notice.id, "w", cause)
        return notice.id


def test_each_item_stands_where_it_needs_looking_after(at_inbox: Any, db: Database, clock: HandClock) -> None:
    kim = add_person(db, "kim")
    items = {name: raise_one(db, new_conversation(db)).handoff_id for name in ("untaken", "silent", "aside")}
    steps.claim(db, items["silent"], kim, 1)
    steps.claim(db, items["aside"], kim, 1)
    steps.snooze(db, items["aside"], kim, clock() + timedelta(minutes=30))
    page = at_inbox("sam", role="triage").get(HERE).text
    for name, item in items.items():
        assert f'id="item-{item}"' in part(page, name)
    assert "Dr kim" in part(page, "holders") and "<td>2</td><td>2</td>" in part(page, "holders")


@pytest.mark.parametrize("role", ["triage", "admin"])
def test_it_shows_no_patients_words_and_links_only_to_what_may_be_opened(
    at_inbox: Any, db: Database, role: str
) -> None:
    item = raise_one(db, new_conversation(db)).handoff_id
    die(db)
    browser = at_inbox("sam", role=role)
    for path in (HERE, f"{HERE}/part"):
        page = browser.get(path)
        assert page.status_code == 200 and PATIENT_WORDS not in page.text
        assert (f'href="/inbox/{item}"' in page.text) == (role == "triage")
    assert browser.get(f"/inbox/{item}").status_code == (200 if role == "triage" else 403)


def test_the_end_of_the_chain_and_what_has_stopped_are_said(at_inbox: Any, db: Database, clock: HandClock) -> None:
    item = raise_one(db, new_conversation(db)).handoff_id
    with db.begin() as session:
        found = handoff_of(session, CLINIC, item)
        found.exhausted_at, found.step = clock(), -1
    page = at_inbox("ada", role="admin").get(HERE).text
    assert WORDS.texts["chain_ended"] in part(page, "untaken") and 'id="stopped"' in page


def test_a_dead_letter_is_sent_again_once_and_the_act_is_kept(at_inbox: Any, db: Database) -> None:
    item = raise_one(db, new_conversation(db)).handoff_id
    notice, browser = die(db, "550 <no> mailbox"), at_inbox("ada", role="admin")
    page = browser.get(HERE).text
    assert "550 &lt;no&gt; mailbox" in part(page, "letters") and "the clinic&#39;s team" in part(page, "letters")
    fields = {"csrf": hidden(page, "csrf"), "notice": notice}
    again = [browser.post(f"{HERE}/replay", data=fields).headers["location"] for _ in range(2)]
    assert again == [f"{HERE}?said=replayed", f"{HERE}?said=not_replayed"]
    assert WORDS.texts["said_replayed"] in browser.get(again[0]).text
    with db.read() as session:
        [row] = outbox.notices_of(session, item)
        assert row.dead_at is None and row.attempts == 0
    assert acts(db, item).count("handoff.replayed") == 1
    assert WORDS.texts["supervise_letters_none"] in browser.get(HERE).text


def test_nobody_sends_another_clinics_letters(at_inbox: Any, db: Database) -> None:
    item = raise_one(db, new_conversation(db)).handoff_id
    notice, stranger = die(db), at_inbox("eve", OTHER_CLINIC, role="admin")
    page = stranger.get(HERE).text
    assert notice not in page
    for wrong in (notice, "", "x" * 300):
        answer = stranger.post(f"{HERE}/replay", data={"csrf": hidden(page, "csrf"), "notice": wrong})
        assert answer.headers["location"].endswith("not_replayed")
    with db.read() as session:
        assert outbox.notices_of(session, item)[0].dead_at is not None


def test_deadlines_are_met_or_missed_by_week_and_tier(db: Database, services: Services, clock: HandClock) -> None:
    kim = add_person(db, "kim")
    desk = Desk(services, kim, "csrf", WORDS)

    def raised(tier: str, climbs: bool, taken: bool) -> None:
        item = raise_one(db, new_conversation(db), tier=tier).handoff_id
        with db.begin() as session:
            if climbs:
                note_act(session, handoff_of(session, CLINIC, item), audit.SYSTEM, "escalated")
        if taken:
            steps.claim(db, item, kim, 1)

    for climbs, taken in ((False, True), (False, True), (True, True), (True, False), (False, False)):
        raised("T1", climbs, taken)
    clock.move(days=7)
    raised("T0", False, True)
    raise_one(db, new_conversation(db, OTHER_CLINIC), clinic=OTHER_CLINIC)
    with db.read() as session:
        weeks = supervise_view.weeks(session, desk)
    assert [week.day for week in weeks] == ["07 January", "31 December"]
    late = {tier: (met.met, met.of) for tier, met in weeks[1].tiers.items()}
    assert late == {"T1": (2, 5)}, "what nobody took in a week is late"
    assert {tier: (met.met, met.of) for tier, met in weeks[0].tiers.items()} == {"T0": (1, 1)}
    clock.move(days=100)
    with db.read() as session:
        assert supervise_view.weeks(session, desk) == []


def test_an_open_page_is_told_of_letters_and_items(db: Database, services: Services) -> None:
    desk = Desk(services, add_person(db, "kim"), "csrf", WORDS)

    def signature() -> str:
        with desk.db.read() as session:
            return supervise_view.supervise_signature(session, desk)

    seen = [signature()]
    item = raise_one(db, new_conversation(db)).handoff_id
    seen.append(signature())
    notice = die(db)
    seen.append(signature())
    with db.begin() as session:
        assert outbox.replay(session, notice)
    seen.append(signature())
    steps.close(db, item, add_person(db, "lee"), "duplicate")
    seen.append(signature())
    assert all(before != after for before, after in pairwise(seen))


@pytest.mark.parametrize("role", ["clinician", "auditor"])
def test_who_does_not_supervise_sees_none_of_it(at_inbox: Any, role: str) -> None:
    browser = at_inbox("lee", role=role)
    for path in (HERE, f"{HERE}/part", f"{HERE}/live"):
        assert browser.get(path).status_code == 403
    csrf = hidden(browser.get(HERE).text, "csrf")
    assert browser.post(f"{HERE}/replay", data={"csrf": csrf}).status_code == 403
