"""The inbox's search over HTTP. A stub stands in for Rasa; the database is real."""

from __future__ import annotations

import json
import re
from typing import Any

import pytest

from bot.store.models import Audit
from bot.store.session import Database
from bot.web.inbox import search
from tests.support import inbox
from tests.support.database import CLINIC, HandClock, new_conversation, raise_one
from tests.support.inbox import OTHER_CLINIC, WORDS, hidden

quick, services = inbox.quick, inbox.services
open_page, at_inbox = inbox.open_page, inbox.at_inbox

SECRET = "zebrafish"


def look(browser: Any, **fields: str) -> Any:
    csrf = hidden(browser.get("/inbox/search").text, "csrf")
    return browser.post("/inbox/search", data={"csrf": csrf, **fields})


def shown(page: str) -> list[str]:
    return re.findall(r'id="item-([0-9a-f-]{36})"', page)


def test_an_empty_form_finds_nothing_and_says_so(at_inbox: Any, db: Database) -> None:
    raise_one(db, new_conversation(db))
    for answer in (at_inbox("lee").get("/inbox/search"), look(at_inbox("kim"), words="   ")):
        assert answer.status_code == 200 and shown(answer.text) == []
        assert WORDS.texts["search_empty"] in answer.text


def test_it_finds_shows_and_keeps_what_was_asked(at_inbox: Any, db: Database) -> None:
    item = raise_one(db, new_conversation(db), words=f"A {SECRET} <b>").handoff_id
    raise_one(db, new_conversation(db))
    page = look(at_inbox("lee"), words=SECRET.upper(), tier="T1").text
    assert shown(page) == [item]
    assert f'value="{SECRET.upper()}"' in page and '<option value="T1" selected>' in page
    assert "&lt;b&gt;" in page and f'action="/inbox/{item}/claim"' in page


def test_nothing_found_is_said(at_inbox: Any) -> None:
    assert WORDS.texts["search_found_none"] in look(at_inbox("lee"), words=SECRET).text


@pytest.mark.parametrize("day", ["yesterday", "2030-02-30", "0001-01-01", "9999-12-31"])
def test_a_day_that_is_none_gets_a_clear_answer(at_inbox: Any, day: str) -> None:
    answer = look(at_inbox("lee"), since=day, words="x")
    assert answer.status_code == 422
    assert 'aria-invalid="true"' in answer.text and WORDS.texts["search_day_wrong"] in answer.text


def test_days_are_the_clinics_and_the_last_one_counts(at_inbox: Any, db: Database, clock: HandClock) -> None:
    clock.move(hours=20)  # 23:04 in UTC, already the next day in Paris
    item = raise_one(db, new_conversation(db)).handoff_id
    browser = at_inbox("lee")
    assert shown(look(browser, since="2030-01-03", until="2030-01-03").text) == [item]
    assert shown(look(browser, since="2030-01-04").text) == shown(look(browser, until="2030-01-02").text) == []


@pytest.mark.parametrize(
    "fields",
    [
        {"tier": "T9", "status": "x", "outcome": "y", "page": "-1"},
        {"words": "\0" * 10, "page": "9" * 20},
        {"words": "%" * 5_000, "person": "\ud7ff" * 300, "rule": "'; drop table handoff; --"},
    ],
)
def test_odd_forms_do_no_harm(at_inbox: Any, db: Database, fields: dict[str, str]) -> None:
    raise_one(db, new_conversation(db))
    answer = look(at_inbox("lee"), **fields)
    assert answer.status_code == 200 and shown(answer.text) == []


def test_pages_are_buttons_of_the_same_form(at_inbox: Any, db: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(search, "PAGE", 2)
    items = [raise_one(db, new_conversation(db)).handoff_id for _ in range(5)]
    browser = at_inbox("lee")
    pages = [shown(look(browser, tier="T1", page=str(page)).text) for page in (1, 2, 3)]
    assert sorted(item for page in pages for item in page) == sorted(items)
    last = look(browser, tier="T1", page="99").text
    assert shown(last) == pages[2] and 'name="page" value="2"' in last and 'value="4"' not in last


def test_what_was_searched_for_is_in_no_address_and_not_in_the_audit(
    at_inbox: Any, db: Database, capsys: pytest.CaptureFixture[str], caplog: pytest.LogCaptureFixture
) -> None:
    item = raise_one(db, new_conversation(db), words=f"A {SECRET}").handoff_id
    page = look(at_inbox("lee"), words=SECRET, person="", tier="T1")
    assert SECRET not in str(page.url) and 'method="post"' in page.text
    with db.read() as session:
        rows = session.query(Audit).filter(Audit.clinic == CLINIC).all()
    kept = next(row for row in rows if row.act == "inbox.search")
    assert kept.subject == item
    assert kept.details == {"asked_for": ["words", "tier"], "found": 1, "page": 1}
    assert not any(SECRET in json.dumps(row.details) for row in rows)
    assert SECRET not in caplog.text + "".join(capsys.readouterr())


def test_only_those_who_may_read_and_only_their_clinics(at_inbox: Any, db: Database) -> None:
    raise_one(db, new_conversation(db), words=SECRET)
    for role in ("admin", "auditor"):
        browser = at_inbox(role, role=role)
        assert browser.get("/inbox/search").status_code == 403
        assert browser.post("/inbox/search", data={"csrf": "x", "words": SECRET}).status_code == 403
    assert shown(look(at_inbox("eve", OTHER_CLINIC), words=SECRET).text) == []
