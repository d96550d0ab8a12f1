"""The inbox's reading pages on a real PostgreSQL, which is stricter about what it is asked than SQLite."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from bot.content import load_wording
from bot.handoff import steps
from bot.settings import Settings
from bot.store import events
from bot.store import session as store
from bot.store.handoffs import SECTIONS
from bot.store.session import Database
from bot.web.inbox import calls, queue_view, supervise_view
from bot.web.inbox.acts import Desk
from bot.web.limits import Limits
from bot.web.services import Services
from tests.support import postgres
from tests.support.database import HandClock, add_person, new_conversation, raise_one
from tests.support.inbox import WORDS, StubAssistant, a_clinic_in_paris

server = postgres.server


@pytest.fixture
def db(server: Any) -> Iterator[Database]:
    with postgres.empty_database(server, "inbox") as url:
        store.upgrade(url)
        handle = store.connect(url, HandClock())
        yield handle
        handle.close()


def test_every_reading_page_is_right_there_too(db: Database, tmp_path: Path) -> None:
    stub: Any = StubAssistant()
    settings = Settings(var=str(tmp_path), rasa_secret="s" * 40)
    clinics = {"demo": a_clinic_in_paris("demo")}
    services = Services(settings, db, clinics, load_wording(), stub, lambda _text: {}, Limits(9, 9))
    lee, kim = add_person(db, "lee"), add_person(db, "kim")
    made = [(new_conversation(db), holder) for holder in (None, lee, kim, lee, lee)]
    items = [raise_one(db, conversation).handoff_id for conversation, _holder in made]
    for item, (_conversation, holder) in zip(items, made, strict=True):
        if holder is not None:
            steps.claim(db, item, holder, 1)
    steps.snooze(db, items[3], lee, db.clock() + timedelta(hours=1))
    steps.close(db, items[4], lee, "duplicate")
    body = {"kind": "text", "text": "more", "fallback_text": "more"}
    with db.begin() as session:
        db.clock.move(minutes=1)  # type: ignore[attr-defined]
        events.append_event(session, made[1][0], type=events.MESSAGE, author=events.PATIENT, body=body)
    desk = Desk(services, lee, "csrf", WORDS)
    with desk.db.read() as session:
        view = queue_view.queue_view(session, desk, "", 1)
        assert {block.section: [row.id for row in block.rows] for block in view["blocks"]} == dict(
            zip(SECTIONS, [[item] for item in items], strict=True)
        )
        assert view["blocks"][1].rows[0].wrote_last is not None
        overview = supervise_view.supervise_view(session, desk, may_read=True)
        assert [holder[1:] for holder in overview["holders"]] == [("Dr lee", 2, 2), ("Dr kim", 1, 1)]
        assert overview["weeks"][0].tiers["T1"] == supervise_view.Met(4, 4)
        assert calls.calls(session, "demo").urgent == 1
        assert view["signature"] == queue_view.queue_signature(session, desk)
