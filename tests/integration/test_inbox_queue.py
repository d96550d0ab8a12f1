"""The inbox's queue over HTTP and its stream. A stub stands in for Rasa; the database is real."""

from __future__ import annotations

import asyncio
import re
from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import event

from bot.handoff import steps
from bot.handoff.climb import CLIMB
from bot.handoff.worker import heartbeat_name
from bot.store import audit, clinicians, events, outbox
from bot.store.handoffs import handoff_of
from bot.store.models import Audit, Clinician
from bot.store.session import Database
from bot.web.inbox import calls, live, queue_view
from bot.web.inbox.acts import Desk
from bot.web.people import auth
from bot.web.services import Services
from bot.web.silence import SILENCE
from bot.web.stream import inbox_topic
from tests.support import inbox
from tests.support.database import CLINIC, PATIENT_WORDS, HandClock, add_person, new_conversation, raise_one
from tests.support.inbox import OTHER_CLINIC, WORDS, hidden

quick, services = inbox.quick, inbox.services
open_page, at_inbox = inbox.open_page, inbox.at_inbox


def section(page: str, name: str) -> str:
    """The HTML of one section; "" where the page has none."""
    found = re.search(rf'<section id="section-{name}".*?</section>', page, re.S)
    return found[0] if found else ""


def row(page: str, item: str) -> str:
    """The HTML of one row; "" where the page has none."""
    found = re.search(rf'<li class="row[^"]*" id="item-{item}".*?</li>', page, re.S)
    return found[0] if found else ""


def me(db: Database, name: str) -> Clinician:
    """The person whom `at_inbox` has signed in under this name."""
    with db.read() as session:
        found = clinicians.clinician_by_email(session, f"{name}@{CLINIC}.invalid")
        assert found is not None
        return found


def desk_of(services: Services, person: Clinician) -> Desk:
    return Desk(services, person, "csrf", WORDS)


def set_up(db: Database, item: str, **values: Any) -> None:
    """The item as its chain or its holder has left it."""
    with db.begin() as session:
        found = handoff_of(session, CLINIC, item)
        for name, value in values.items():
            setattr(found, name, value)


def say(db: Database, conversation: str, author: str) -> None:
    body = {"kind": "text", "text": "more", "fallback_text": "more"}
    with db.begin() as session:
        events.append_event(session, conversation, type=events.MESSAGE, author=author, body=body)


# What is shown


def test_the_gravest_come_first_and_then_the_longest_wait(at_inbox: Any, db: Database, clock: HandClock) -> None:
    for tier, words in (("T4", "routine one"), ("T1", "late emergency"), ("T0", "crisis"), ("T2", "same day")):
        raise_one(db, new_conversation(db), tier=tier, words=words)
        clock.move(minutes=5)
    raise_one(db, new_conversation(db), tier="T1", words="later emergency")
    clock.move(minutes=65)
    page = at_inbox("lee").get("/inbox").text
    order = ("crisis", "late emergency", "later emergency", "same day", "routine one")
    places = [page.index(f">{words}</a>") for words in order]
    assert places == sorted(places)
    assert WORDS.text("waited", time="1 h 25 min") in page and "<title>(5) Inbox</title>" in page


def test_each_item_stands_in_one_section(at_inbox: Any, db: Database, clock: HandClock) -> None:
    browser, kim = at_inbox("lee"), add_person(db, "kim")
    lee = me(db, "lee")
    items = {name: raise_one(db, new_conversation(db)).handoff_id for name in ("waiting", "mine", "others", "aside")}
    steps.claim(db, items["mine"], lee, 1)
    steps.claim(db, items["others"], kim, 1)
    steps.claim(db, items["aside"], lee, 1)
    steps.snooze(db, items["aside"], lee, clock() + timedelta(minutes=30))
    items["finished"] = raise_one(db, new_conversation(db)).handoff_id
    steps.close(db, items["finished"], lee, "duplicate")
    whole = browser.get("/inbox").text
    for name, item in items.items():
        assert row(section(whole, name), item), name
        assert whole.count(f'id="item-{item}"') == 1
        alone = browser.get(f"/inbox?show={name}").text
        assert row(section(alone, name), item)
        assert not any(row(alone, other) for other in items.values() if other != item)
    assert browser.get("/inbox?show=nonsense&page=x").status_code == 200


def test_what_was_put_aside_comes_back_at_its_time(
    at_inbox: Any, db: Database, clock: HandClock, services: Services
) -> None:
    browser, item = at_inbox("lee"), raise_one(db, new_conversation(db)).handoff_id
    steps.claim(db, item, me(db, "lee"), 1)
    steps.snooze(db, item, me(db, "lee"), clock() + timedelta(minutes=30))
    desk = desk_of(services, me(db, "lee"))
    with db.read() as session:
        before = queue_view.queue_signature(session, desk)
    clock.move(minutes=31)
    assert row(section(browser.get("/inbox").text, "mine"), item)
    with db.read() as session:
        assert queue_view.queue_signature(session, desk) != before, "an open page is told"


def test_what_was_put_aside_comes_back_when_the_person_writes(at_inbox: Any, db: Database, clock: HandClock) -> None:
    conversation = new_conversation(db)
    browser, item = at_inbox("lee"), raise_one(db, conversation).handoff_id
    steps.claim(db, item, me(db, "lee"), 1)
    steps.snooze(db, item, me(db, "lee"), clock() + timedelta(days=1))
    say(db, conversation, events.BOT)
    assert row(section(browser.get("/inbox").text, "aside"), item)
    say(db, conversation, events.PATIENT)
    assert row(section(browser.get("/inbox").text, "mine"), item)


def test_a_row_says_how_long_is_left_and_who_was_told(at_inbox: Any, db: Database, clock: HandClock) -> None:
    item = raise_one(db, new_conversation(db), tier="T1").handoff_id
    browser = at_inbox("lee")
    assert WORDS.text("deadline_left", time="10 min") in row(browser.get("/inbox").text, item)
    assert WORDS.text("chain_telling", name="the clinic&#39;s team") in row(browser.get("/inbox").text, item)
    with db.begin() as session:
        [notice] = outbox.lease(session, "email", "w", timedelta(seconds=60), 1)
        outbox.record_sent(session, notice.id)
    assert WORDS.text("chain_told", name="the clinic&#39;s team", time="04:04") in row(browser.get("/inbox").text, item)
    clock.move(minutes=11)
    assert WORDS.texts["deadline_over"] in row(browser.get("/inbox").text, item)


def test_a_notice_that_was_given_up_is_not_called_told(at_inbox: Any, db: Database) -> None:
    item = raise_one(db, new_conversation(db)).handoff_id
    with db.begin() as session:
        [notice] = outbox.lease(session, "email", "w", timedelta(seconds=60), 1)
        outbox.record_dead(session, notice.id, "w", "no such mailbox")
    page = at_inbox("lee").get("/inbox").text
    assert WORDS.text("chain_failed", name="the clinic&#39;s team") in row(page, item)
    assert 'id="dead"' in page


def test_the_end_of_the_chain_is_said_in_words(at_inbox: Any, db: Database, clock: HandClock) -> None:
    item = raise_one(db, new_conversation(db)).handoff_id
    set_up(db, item, exhausted_at=clock(), step=-1, climb_at=clock() + timedelta(hours=5))
    shown = row(at_inbox("lee").get("/inbox").text, item)
    assert WORDS.texts["chain_ended"] in shown and "row-ended" in shown
    assert WORDS.text("chain_again", time="09:04") in shown and "data-until" not in shown


def test_stopped_parts_and_closed_hours_are_said(at_inbox: Any, db: Database, clock: HandClock) -> None:
    browser = at_inbox("lee")
    page = browser.get("/inbox").text
    assert 'id="stopped"' in page and WORDS.texts["part_climb"] in page
    # Wednesday, 04:04 in Paris.
    assert 'id="closed"' in page and WORDS.text("trouble_closed", time="09:00") in page
    with db.begin() as session:
        for part in ("email", CLIMB, SILENCE):
            outbox.beat(session, heartbeat_name(part))
    assert 'id="stopped"' not in browser.get("/inbox").text
    clock.move(hours=6)
    page = browser.get("/inbox").text
    assert 'id="closed"' not in page and 'id="stopped"' in page


def test_what_the_person_wrote_last_is_marked_until_it_is_answered(
    at_inbox: Any, db: Database, clock: HandClock
) -> None:
    conversation = new_conversation(db)
    browser, item = at_inbox("lee"), raise_one(db, conversation).handoff_id
    steps.claim(db, item, me(db, "lee"), 1)
    for author, marked in ((events.PATIENT, True), (events.CLINICIAN, False), (events.PATIENT, True)):
        clock.move(minutes=1)
        say(db, conversation, author)
        assert ("new-words" in row(browser.get("/inbox").text, item)) == marked, author


def test_words_are_escaped_and_cut_between_words(at_inbox: Any, db: Database) -> None:
    long = raise_one(db, new_conversation(db), words="pain " * 60).handoff_id
    one = raise_one(db, new_conversation(db), words="x" * 400).handoff_id
    bad = raise_one(db, new_conversation(db), words='<script>alert(1)</script> "a" & hx-get="/x"').handoff_id
    page = at_inbox("lee").get("/inbox").text
    assert "pain …" in row(page, long) and "pai …" not in row(page, long)
    assert f"{'x' * 140} …" in row(page, one)
    assert "<script>alert" not in page and "&lt;script&gt;" in row(page, bad)
    assert 'hx-get="/x"' not in page


def test_nobody_takes_what_they_may_not_answer(at_inbox: Any, db: Database) -> None:
    item = raise_one(db, new_conversation(db)).handoff_id
    page = at_inbox("lee").get("/inbox").text
    assert f'action="/inbox/{item}/claim"' in row(page, item)
    for role in ("admin", "auditor"):
        assert at_inbox(role, role=role).get("/inbox").status_code in (303, 403)


def test_take_in_the_row_takes_and_opens_the_item(at_inbox: Any, db: Database) -> None:
    browser, item = at_inbox("lee"), raise_one(db, new_conversation(db)).handoff_id
    shown = row(browser.get("/inbox").text, item)
    fields = {name: hidden(shown, name) for name in ("csrf", "version")}
    taken = browser.post(f"/inbox/{item}/claim", data=fields)
    assert taken.status_code == 303 and taken.headers["location"].startswith(f"/inbox/{item}")
    assert row(section(browser.get("/inbox").text, "mine"), item)


# Cost


def test_a_page_of_many_asks_the_database_as_often_as_a_page_of_few(
    db: Database, services: Services, clock: HandClock
) -> None:
    person, kim = add_person(db, "lee"), add_person(db, "kim")
    desk = desk_of(services, person)
    asked: list[str] = []
    event.listen(db.engine, "before_cursor_execute", lambda *call: asked.append(call[2]))

    def fill(number: int) -> None:
        for place in range(number):
            item = raise_one(db, new_conversation(db), tier=f"T{place % 5}").handoff_id
            if place % 3:
                steps.claim(db, item, (person, kim)[place % 2], 1)

    def queries() -> int:
        asked.clear()
        with db.read() as session:
            queue_view.queue_view(session, desk, "", 1)
        return len([statement for statement in asked if statement.startswith("SELECT")])

    fill(6)
    few = queries()
    fill(60)
    assert queries() == few < 30


# Audit


def viewed(db: Database) -> list[tuple[list[str], bool]]:
    with db.read() as session:
        rows = session.query(Audit).filter(Audit.act == "inbox.queue").order_by(Audit.seq).all()
    return [(found.details.get("items", [found.subject]), found.details["refresh"]) for found in rows]


def test_what_a_person_was_shown_is_recorded_once(at_inbox: Any, db: Database) -> None:
    browser = at_inbox("lee")
    first = raise_one(db, new_conversation(db)).handoff_id
    browser.get("/inbox")
    assert viewed(db)[-1] == ([first], False)
    before = len(viewed(db))
    browser.get("/inbox/queue")
    assert len(viewed(db)) == before, "nothing new was shown"
    second = raise_one(db, new_conversation(db)).handoff_id
    browser.get("/inbox/queue")
    assert viewed(db)[-1] == ([second], True)
    at_inbox("kim").get("/inbox/queue")
    assert set(viewed(db)[-1][0]) == {first, second}, "another person has not seen them"
    with db.read() as session:
        kept = [str(found.details) for found in session.query(Audit)]
    assert not any(PATIENT_WORDS in details for details in kept)


# What every page calls out


def test_calls_name_no_item_and_no_words_and_change_with_tier_and_step(
    at_inbox: Any, db: Database, clock: HandClock
) -> None:
    item = raise_one(db, new_conversation(db), tier="T2").handoff_id
    browser = at_inbox("sam", role="triage")

    def tokens() -> str:
        part = browser.get("/inbox/calls").text
        assert item not in part and PATIENT_WORDS not in part
        found = re.search(r'data-calls="([^"]*)"', part)
        assert found
        return found[1]

    seen = [tokens()]
    set_up(db, item, step=1)
    seen.append(tokens())
    set_up(db, item, tier="T1")
    seen.append(tokens())
    set_up(db, item, step=-1, exhausted_at=clock())
    seen.append(tokens())
    assert len(set(seen)) == 4
    assert {token.split(".")[1] for token in seen} == {seen[0].split(".")[1]}
    steps.claim(db, item, me(db, "sam"), 1)
    assert tokens() == ""


def test_who_neither_reads_nor_supervises_is_called_nothing(at_inbox: Any, db: Database) -> None:
    raise_one(db, new_conversation(db))
    assert 'data-calls=""' in at_inbox("audie", role="auditor").get("/inbox/calls").text
    assert 'data-calls="T1.' in at_inbox("ada", role="admin").get("/inbox/calls").text
    assert 'data-calls=""' in at_inbox("eve", OTHER_CLINIC).get("/inbox/calls").text


# Live streams


async def hear(stream: Any, seconds: float = 3.0) -> str:
    """The next thing that the stream says."""
    return str(await asyncio.wait_for(stream.__anext__(), seconds))


def listening(services: Services, db: Database) -> tuple[Desk, str]:
    """A person at the inbox and the token of their sign-in."""
    person = add_person(db, "lee")
    with db.begin() as session:
        token = auth.open_session(session, person, timedelta(hours=1), auth.Device(), "password").token
    return desk_of(services, person), token


async def test_the_queue_stream_speaks_when_another_process_adds_an_item(services: Services, db: Database) -> None:
    desk, token = listening(services, db)
    with db.read() as session:
        have = queue_view.queue_signature(session, desk)
    stream = live.changes(
        desk, token, inbox_topic(CLINIC), have, lambda session: queue_view.queue_signature(session, desk)
    )
    assert "retry" in await hear(stream)
    waiting = asyncio.ensure_future(hear(stream))
    await asyncio.sleep(0.2)
    assert not waiting.done(), "it says nothing while nothing changes"
    raise_one(db, new_conversation(db, OTHER_CLINIC), clinic=OTHER_CLINIC)
    raise_one(db, new_conversation(db))
    assert "event: changed" in await waiting
    await stream.aclose()


@pytest.mark.parametrize("how", ["over", "locked"])
async def test_a_stream_ends_when_the_sign_in_does_or_is_locked(
    services: Services, db: Database, clock: HandClock, how: str
) -> None:
    desk, token = listening(services, db)
    stream = live.changes(desk, token, inbox_topic(CLINIC), "", lambda _session: "same")
    await hear(stream)
    assert "changed" in await hear(stream)
    if how == "over":
        auth.sign_out(db, token)
    else:
        clock.at += services.settings.idle
    services.news("c", CLINIC)
    assert "event: signed-out" in await hear(stream)
    with pytest.raises(StopAsyncIteration):
        await hear(stream)


async def test_a_sign_of_writing_is_passed_on_and_kept_nowhere(services: Services, db: Database) -> None:
    desk, token = listening(services, db)
    stream = live.changes(desk, token, inbox_topic(CLINIC), "same", lambda _session: "same")
    await hear(stream)
    heard = asyncio.ensure_future(hear(stream))
    await asyncio.sleep(0.1)
    services.hub.wake(inbox_topic(CLINIC), {"typing": {"by": "patient"}})
    assert await heard == 'event: typing\ndata: {"by": "patient"}\n\n'
    await stream.aclose()


def test_what_a_page_looks_like_decides_whether_it_is_told(
    services: Services, db: Database, clock: HandClock
) -> None:
    person = add_person(db, "lee")
    desk = desk_of(services, person)

    def signature() -> str:
        with desk.db.read() as session:
            return queue_view.queue_signature(session, desk)

    conversation = new_conversation(db)
    item = raise_one(db, conversation).handoff_id
    seen = [signature()]
    changes: list[Any] = [
        lambda: raise_one(db, conversation, "m2", words="again"),
        lambda: set_up(db, item, step=1, climb_at=clock() + timedelta(minutes=3)),
        lambda: set_up(db, item, exhausted_at=clock()),
        lambda: say(db, conversation, events.PATIENT),
        lambda: steps.mark_seen(db, item, person),
        lambda: _send(db),
        lambda: steps.claim(db, item, person, 2),
        lambda: steps.snooze(db, item, person, clock() + timedelta(minutes=5)),
        lambda: clock.move(hours=6),
    ]
    for change in changes:
        change()
        seen.append(signature())
        assert seen[-1] != seen[-2], f"change {len(seen) - 1}"
    raise_one(db, new_conversation(db, OTHER_CLINIC), clinic=OTHER_CLINIC)
    assert signature() == seen[-1], "another clinic's items are not this page's"


def _send(db: Database) -> None:
    with db.begin() as session:
        [notice, *_] = outbox.lease(session, "email", "w", timedelta(seconds=9), 5)
        outbox.record_sent(session, notice.id)


def test_the_troubles_are_the_clinics_own(services: Services, db: Database) -> None:
    item = raise_one(db, new_conversation(db, OTHER_CLINIC), clinic=OTHER_CLINIC).handoff_id
    with db.begin() as session:
        [notice] = outbox.lease(session, "email", "w", timedelta(seconds=60), 1)
        outbox.record_dead(session, notice.id, "w", "no such mailbox")
    desk = desk_of(services, add_person(db, "lee"))
    with desk.db.read() as session:
        assert calls.troubles(session, desk).dead == 0
    with db.read() as session:
        assert audit.trail(session, CLINIC, item) == []
