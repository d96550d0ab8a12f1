"""The lock of an idle inbox: what is shown, kept and counted meanwhile, and how it opens."""

from __future__ import annotations

import asyncio
import re
from dataclasses import replace
from typing import Any

import pytest

from bot.store.session import Database
from bot.web import inbox
from bot.web.inbox import door, live
from bot.web.people import auth
from bot.web.services import Services
from tests.support import inbox as browsers
from tests.support.database import PATIENT_WORDS, HandClock, new_conversation, raise_one
from tests.support.inbox import PASSWORD, WORDS, hidden
from tests.support.people import trail

quick, services = browsers.quick, browsers.services
open_page, at_inbox = browsers.open_page, browsers.at_inbox


@pytest.fixture
def locking(services: Services) -> Services:
    """Pages are locked after a quarter of an hour, as they are in a clinic."""
    services.settings = replace(services.settings, idle_minutes=15)
    return services


def test_pages_are_locked_when_nothing_is_done_and_refreshes_do_not_count(
    at_inbox: Any, db: Database, clock: HandClock, locking: Services
) -> None:
    raised = raise_one(db, new_conversation(db))
    browser = at_inbox("lee")
    for _ in range(3):
        clock.move(minutes=14)
        assert browser.get("/inbox/queue").status_code == 200
        assert browser.get(f"/inbox/{raised.handoff_id}").status_code == 200
    clock.move(minutes=14)
    assert browser.get("/inbox/queue").status_code == 200
    clock.move(minutes=1)
    for part in ("/inbox/queue", f"/inbox/{raised.handoff_id}/part", "/inbox/live", "/inbox/calls"):
        answer = browser.get(part)
        assert answer.status_code == 401 and PATIENT_WORDS not in answer.text, part
    away = browser.get(f"/inbox/{raised.handoff_id}")
    assert (away.status_code, away.headers["location"]) == (303, f"/inbox/lock?next=%2Finbox%2F{raised.handoff_id}")
    page = browser.get(away.headers["location"])
    assert page.status_code == 200 and PATIENT_WORDS not in page.text and "nav_queue" not in page.text
    wrong = {"csrf": hidden(page.text, "csrf"), "next": hidden(page.text, "next"), "password": "wrong"}
    assert browser.post("/inbox/lock", data=wrong).status_code == 403
    assert browser.get("/inbox").status_code == 303
    back = browser.post("/inbox/lock", data={**wrong, "password": PASSWORD})
    assert (back.status_code, back.headers["location"]) == (303, f"/inbox/{raised.handoff_id}")
    assert browser.get(back.headers["location"]).status_code == 200
    assert browser.get("/inbox/lock").headers["location"] == "/inbox"
    assert "clinician.unlocked" in trail(db, "lee@demo.invalid")


def test_a_page_that_opens_itself_again_is_no_use(at_inbox: Any, clock: HandClock, locking: Services) -> None:
    """Two open pages whose clocks run out in turn would keep each other from the lock for ever."""
    browser = at_inbox("lee")
    for _ in range(2):
        clock.move(minutes=7)
        assert browser.get("/inbox?still=1").status_code == 200
    assert 'data-idle-seconds="61"' in browser.get("/inbox?still=1").text
    clock.move(minutes=1)
    assert browser.get("/inbox?still=1").headers["location"] == "/inbox/lock?next=%2Finbox"


def test_the_page_never_looks_before_the_lock_is_there(at_inbox: Any, clock: HandClock, locking: Services) -> None:
    browser = at_inbox("lee")
    clock.move(seconds=3.7)
    left = re.search(r'data-idle-seconds="(\d+)"', browser.get("/inbox").text)
    assert left and int(left[1]) >= 900 - 3.7


def test_staying_and_posting_count_as_doing_something(at_inbox: Any, clock: HandClock, locking: Services) -> None:
    browser = at_inbox("lee")
    csrf = hidden(browser.get("/inbox").text, "csrf")
    for _ in range(3):
        clock.move(minutes=14)
        stayed = browser.post("/inbox/stay", data={"csrf": csrf})
        assert (stayed.status_code, stayed.json()) == (200, {"idle_seconds": 901})
    clock.move(minutes=15)
    assert browser.post("/inbox/stay", data={"csrf": csrf}).status_code == 401
    assert 'data-idle-seconds="901"' in at_inbox("kim").get("/inbox").text


def test_a_form_that_comes_while_locked_is_kept_unseen_and_shown_after(
    at_inbox: Any, db: Database, clock: HandClock, locking: Services
) -> None:
    raised = raise_one(db, new_conversation(db))
    browser = at_inbox("lee")
    here = f"/inbox/{raised.handoff_id}"
    page = browser.get(here).text
    browser.post(f"{here}/claim", data={"csrf": hidden(page, "csrf"), "version": hidden(page, "version")})
    csrf = hidden(browser.get(here).text, "csrf")
    clock.move(minutes=16)
    text = 'Please call 999 now.\n"Now" & <b>quickly</b>'
    sent = {"csrf": csrf, "text": text, "client_id": "form-12345678", "password": "never kept"}
    locked = browser.post(f"{here}/reply", data=sent)
    assert locked.status_code == 401
    assert not any(said in locked.text for said in ("never kept", "call 999", "quickly", "form-12345678"))
    fields = {name: hidden(locked.text, name) for name in ("csrf", "kept")} | {"next": "/inbox"}
    wrong = browser.post("/inbox/lock", data={**fields, "password": "wrong"})
    assert wrong.status_code == 403 and hidden(wrong.text, "kept") == fields["kept"]
    opened = browser.post("/inbox/lock", data={**fields, "password": PASSWORD})
    assert opened.status_code == 200 and f'action="{here}/reply"' in opened.text
    assert "Please call 999 now.\n&#34;Now&#34; &amp; &lt;b&gt;quickly" in opened.text
    again = {name: hidden(opened.text, name) for name in ("csrf", "client_id")}
    assert browser.post(f"{here}/reply", data={**again, "text": text}).status_code == 303


def test_what_is_kept_opens_for_its_own_sign_in_alone(at_inbox: Any, clock: HandClock, locking: Services) -> None:
    lee, kim = at_inbox("lee"), at_inbox("kim")
    tokens = [hidden(browser.get("/inbox").text, "csrf") for browser in (lee, kim)]
    clock.move(minutes=16)
    sent = {"csrf": tokens[0], "text": "words"}
    kept = hidden(lee.post("/inbox/some-item/reply", data=sent).text, "kept")
    changed = kept[:-9] + "AAAAAAAA="
    for browser, csrf, given in ((kim, tokens[1], kept), (lee, tokens[0], changed), (lee, tokens[0], "é")):
        clock.move(minutes=16)
        fields = {"csrf": csrf, "password": PASSWORD, "kept": given, "next": "//evil.example"}
        answer = browser.post("/inbox/lock", data=fields)
        assert (answer.status_code, answer.headers["location"]) == (303, "/inbox")


def test_a_long_form_that_comes_while_locked_can_be_opened(at_inbox: Any, clock: HandClock, locking: Services) -> None:
    browser = at_inbox("boss", role="admin")
    csrf = hidden(browser.get("/inbox/clinic/chain").text, "csrf")
    clock.move(minutes=16)
    long = {f"s{n}_to_x": "on" for n in range(100)}
    locked = browser.post("/inbox/clinic/chain", data={"csrf": csrf, **long})
    fields = {name: hidden(locked.text, name) for name in ("csrf", "kept")}
    opened = browser.post("/inbox/lock", data={**fields, "password": PASSWORD})
    assert opened.status_code == 200 and 'action="/inbox/clinic/chain"' in opened.text
    assert all(hidden(opened.text, name) == "on" for name in long)


def test_what_is_too_long_to_keep_is_said_and_the_page_opens(
    at_inbox: Any, clock: HandClock, locking: Services
) -> None:
    browser = at_inbox("boss", role="admin")
    csrf = hidden(browser.get("/inbox/clinic/chain").text, "csrf")
    clock.move(minutes=16)
    locked = browser.post("/inbox/clinic/chain", data={"csrf": csrf, "x": "y" * 100_000})
    assert locked.status_code == 401 and "y" * 9 not in locked.text and 'name="kept"' not in locked.text
    assert WORDS.text("lock_not_kept") in locked.text and WORDS.text("lock_not_sent") not in locked.text
    answer = browser.post("/inbox/lock", data={"csrf": csrf, "password": PASSWORD})
    assert (answer.status_code, answer.headers["location"]) == (303, "/inbox/people")


def test_a_locked_display_goes_on_counting(at_inbox: Any, db: Database, clock: HandClock, locking: Services) -> None:
    browser = at_inbox("lee")
    clock.move(minutes=16)
    assert 'data-waiting="0"' in browser.get("/inbox/lock/part").text
    raise_one(db, new_conversation(db))
    raise_one(db, new_conversation(db), tier="T0", category="RF13")
    part = browser.get("/inbox/lock/part").text
    assert 'data-waiting="2"' in part and "chip-T0" in part and "chip-T1" in part
    assert PATIENT_WORDS not in part and PATIENT_WORDS not in browser.get("/inbox/lock").text
    auditor = at_inbox("aud", role="auditor")
    clock.move(minutes=16)
    part = auditor.get("/inbox/lock/part").text
    assert 'data-waiting="0"' in part and "chip-T0" not in part


def test_streams_end_with_the_lock_and_the_locks_own_with_the_opening(
    at_inbox: Any, db: Database, clock: HandClock, locking: Services, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(live, "EVERY", 0.01)
    browser = at_inbox("lee")
    token = browser.cookies["pne_inbox"]
    who = auth.who(db, token)
    assert who is not None
    desk = inbox.acts.Desk(locking, who.clinician, who.csrf, door.load_inbox_wording())

    async def heard(stop: Any) -> list[str]:
        got = []
        async for piece in live.changes(desk, token, "topic", "same", lambda _session: "same"):
            got.append(piece)
            stop()
        return got

    assert "signed-out" in asyncio.run(asyncio.wait_for(heard(lambda: clock.move(minutes=16)), 5))[-1]


def test_signing_out_works_while_locked(at_inbox: Any, clock: HandClock, locking: Services) -> None:
    browser = at_inbox("lee")
    csrf = hidden(browser.get("/inbox").text, "csrf")
    clock.move(minutes=16)
    assert browser.post("/inbox/sign-out", data={"csrf": csrf}).headers["location"] == "/inbox/sign-in?out=1"
    assert browser.get("/inbox").headers["location"].startswith("/inbox/sign-in")
