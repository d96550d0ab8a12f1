"""How fast the inbox is: the queue with 2,000 open items, and a red flag's way into an open page.

The figures are printed (`pytest -s`); the limits asserted leave room for a busy machine.
"""

from __future__ import annotations

import statistics
import time
import uuid
from collections.abc import Iterator
from datetime import timedelta
from html import unescape
from pathlib import Path
from typing import Any

import httpx
import pytest

from bot.store.conversations import WAITING
from bot.store.handoffs import CLAIMED, RAISED
from bot.store.models import Conversation, Event, Handoff, Outbox
from bot.store.session import Database
from bot.web.inbox import door, queue_view
from bot.web.inbox.acts import Desk
from bot.web.services import Services
from tests.support import inbox
from tests.support.database import CLINIC, HandClock, add_person
from tests.support.inbox import WORDS
from tests.support.inbox_server import InboxServer, inbox_server
from tests.support.stack import Patient

quick, services = inbox.quick, inbox.services
open_page, at_inbox = inbox.open_page, inbox.at_inbox

ITEMS = 2_000
PAGE_SECONDS, PAGE_LIMIT = 0.3, 1.5
TRIES = 50
ROW_SECONDS = 1.0
RED = "since this morning I can't pee and I am numb between my legs"


def fill(db: Database, clock: HandClock, holder: str) -> None:
    """2,000 open items with chats and notices; every fourth is taken."""
    with db.begin() as session:
        at, made = clock(), []
        for number in range(ITEMS):
            conversation, item, taken = str(uuid.uuid4()), str(uuid.uuid4()), number % 4 == 0
            when = at - timedelta(minutes=number)
            kept = {"clinic": CLINIC, "locale": "en", "state": WAITING, "last_seq": 4, "created_at": when}
            made.append(Conversation(id=conversation, updated_at=when, **kept))
            for seq in range(1, 5):
                told = {"type": "message", "author": ("patient", "bot")[seq % 2], "at": when, "body": {}}
                made.append(Event(conversation_id=conversation, seq=seq, **told))
            about = {"category": "RF01", "rule": "r", "words": f"words of {number} " * 8, "about": {}}
            made.append(
                Handoff(
                    id=item,
                    conversation_id=conversation,
                    message_key="m1",
                    clinic=CLINIC,
                    tier=f"T{number % 5}",
                    message_shown="",
                    numbers_shown=[],
                    status=CLAIMED if taken else RAISED,
                    created_at=when,
                    claimed_by=holder if taken else None,
                    claimed_at=when if taken else None,
                    climb_at=None if taken else at + timedelta(minutes=5),
                    version=1,
                    **about,
                )
            )
            for step in range(3):
                notice = {"channel": "email", "due_at": when, "attempts": 1, "sent_at": when, "created_at": when}
                named = {"id": str(uuid.uuid4()), "message_id": f"<{item}.{step}>", "contact": "team", "step": step}
                made.append(Outbox(handoff_id=item, kind="raised", **notice, **named))
        for kind in (Conversation, Event, Handoff, Outbox):
            session.bulk_save_objects([one for one in made if isinstance(one, kind)])


def median_seconds(act: Any, times: int = 15) -> tuple[float, float]:
    """On the clock, and of this process's own work: on a busy machine the two differ."""
    taken, worked = [], []
    for _ in range(times):
        started, began = time.perf_counter(), time.process_time()
        act()
        taken.append(time.perf_counter() - started)
        worked.append(time.process_time() - began)
    return statistics.median(taken), statistics.median(worked)


def test_a_queue_of_two_thousand_open_items_is_quick(
    at_inbox: Any, db: Database, clock: HandClock, services: Services
) -> None:
    person = add_person(db, "kim")
    fill(db, clock, person.id)
    browser = at_inbox("lee")
    for path in ("/inbox", "/inbox?page=9", "/inbox?show=others", "/inbox/queue"):
        assert browser.get(path).text.count('<li class="row') >= queue_view.ROWS, path
        seconds, worked = median_seconds(lambda path=path: browser.get(path))
        print(f"\n{path}: {seconds * 1000:.0f} ms, {worked * 1000:.0f} ms of work (bar {PAGE_SECONDS * 1000:.0f} ms)")
        assert seconds < PAGE_LIMIT, path
    desk = Desk(services, person, "csrf", WORDS)

    def look() -> None:
        with desk.db.read() as session:
            queue_view.queue_signature(session, desk)

    look_seconds, worked = median_seconds(look)
    print(f"\nwhat every open page asks once a second: {look_seconds * 1000:.0f} ms, {worked * 1000:.0f} ms of work")
    assert look_seconds < PAGE_LIMIT / 5


@pytest.fixture
def server(tmp_path: Path) -> Iterator[InboxServer]:
    with inbox_server(tmp_path, worker=True) as running:
        yield running


def listen(client: httpx.Client, have: str) -> Iterator[str]:
    """The names of the stream's events."""
    with client.stream("GET", "/inbox/live", params={"have": have}, timeout=30) as stream:
        for line in stream.iter_lines():
            if line.startswith("event: "):
                yield line.removeprefix("event: ")


def test_a_red_flag_is_in_an_open_page_within_a_second(server: InboxServer) -> None:
    page = httpx.Client(base_url=server.url, cookies={door.COOKIE: server.enter(server.person())}, timeout=30)
    patients = [Patient.open(server.url) for _ in range(TRIES)]
    for patient in patients:
        patient.press("consent:accept")
        patient.wait_for(lambda event: event["body"].get("answer_id") == "notice/consent_recorded")
    taken, words = [], [f"{RED}, try {number}." for number in range(TRIES)]
    page.get("/inbox")
    heard = listen(page, "")
    assert next(heard) == "changed"
    for patient, said in zip(patients, words, strict=True):
        started = time.perf_counter()
        patient.say(said)
        while True:
            assert next(heard) == "changed"
            if said in unescape(page.get("/inbox/queue").text):
                break
            assert time.perf_counter() - started < 20, "the row never came"
        taken.append(time.perf_counter() - started)
    ordered = sorted(taken)
    p95 = ordered[int(0.95 * TRIES)]
    print(f"\nred flag to row: median {statistics.median(taken) * 1000:.0f} ms, 95th {p95 * 1000:.0f} ms, n={TRIES}")
    assert p95 <= ROW_SECONDS
