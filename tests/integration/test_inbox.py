"""The inbox's door: who comes in, who may what, what nobody may. A stub stands in for Rasa; the database is real."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest

from bot.settings import PRODUCTION, Settings
from bot.store.session import Database
from bot.web.people import auth
from bot.web.services import Services
from tests.support import inbox
from tests.support.database import CLINIC, PATIENT_WORDS, new_conversation, raise_one
from tests.support.inbox import OTHER_CLINIC, PASSWORD, WORDS, acts, add_clinician, enter, hidden, said_to_patient

quick, services = inbox.quick, inbox.services
open_page, at_inbox = inbox.open_page, inbox.at_inbox


def test_the_cookie_is_strict_and_the_session_ends_with_sign_out(open_page: Any, db: Database) -> None:
    browser = open_page()
    away = browser.get("/inbox")
    assert (away.status_code, away.headers["location"]) == (303, "/inbox/sign-in?next=%2Finbox")
    answer = enter(browser, add_clinician(db, "lee"))
    cookie = next(c for c in answer.headers.get_list("set-cookie") if c.startswith("pne_inbox="))
    assert {"HttpOnly", "Path=/inbox", "SameSite=strict"} <= set(cookie.split("; "))
    assert "Secure" not in cookie
    page = browser.get("/inbox")
    assert page.status_code == 200 and page.headers["cache-control"] == "no-store"
    token = browser.cookies["pne_inbox"]
    left = browser.post("/inbox/sign-out", data={"csrf": hidden(page.text, "csrf")})
    assert left.headers["location"].startswith("/inbox/sign-in")
    browser.cookies.set("pne_inbox", token, path="/inbox")
    assert browser.get("/inbox").status_code == 303


def test_the_cookie_is_secure_in_production(open_page: Any, db: Database, services: Services) -> None:
    services.settings = Settings(environment=PRODUCTION, rasa_secret="s" * 40)
    for cookie in enter(open_page(), add_clinician(db, "lee")).headers.get_list("set-cookie"):
        assert "Secure" in cookie or "Max-Age=0" in cookie


def test_a_new_sign_in_ends_the_browsers_old_one(open_page: Any, db: Database) -> None:
    browser, email = open_page(), add_clinician(db, "lee")
    enter(browser, email)
    first = browser.cookies["pne_inbox"]
    page = open_page().get("/inbox/sign-in")
    browser.cookies.set("pne_inbox_form", page.cookies["pne_inbox_form"], path="/inbox")
    browser.post(
        "/inbox/sign-in", data={"csrf": hidden(page.text, "csrf"), "email": email, "password": PASSWORD}
    )
    assert browser.cookies["pne_inbox"] != first and auth.who(db, first) is None


def test_unknown_people_and_wrong_passwords_look_the_same(open_page: Any, db: Database) -> None:
    email = add_clinician(db, "lee")
    wrong, nobody = enter(open_page(), email, "wrong"), enter(open_page(), "none@none.invalid", "wrong")
    assert wrong.status_code == nobody.status_code == 403

    def without(text: str, address: str) -> str:
        return re.sub(r'name="csrf" value="[^"]*"', "", text.replace(address, ""))

    assert without(wrong.text, email) == without(nobody.text, "none@none.invalid")


def test_guessing_is_slowed_down_for_known_and_unknown_addresses(open_page: Any, db: Database) -> None:
    for email in (add_clinician(db, "lee"), "none@none.invalid"):
        codes = [enter(open_page(), email, f"guess {n}").status_code for n in range(7)]
        assert codes == [403] * 6 + [429]
    last = enter(open_page(), f"LEE@{CLINIC}.invalid ", PASSWORD)
    assert last.status_code == 429 and int(last.headers["retry-after"]) > 0


def test_a_sign_in_form_from_elsewhere_is_refused(open_page: Any, db: Database) -> None:
    email = add_clinician(db, "lee")
    fields = {"csrf": "x", "email": email, "password": PASSWORD}
    assert open_page().post("/inbox/sign-in", data=fields).status_code == 403
    browser = open_page()
    browser.get("/inbox/sign-in")
    assert browser.post("/inbox/sign-in", data=fields).status_code == 403


@pytest.mark.parametrize("then", ["https://evil.invalid", "//evil.invalid", "/inbox/../x", "/chat/demo", ""])
def test_signing_in_leads_nowhere_else(open_page: Any, db: Database, then: str) -> None:
    assert enter(open_page(), add_clinician(db, "lee"), then=then).headers["location"] == "/inbox"


def test_the_links_item_opens_after_signing_in(open_page: Any, db: Database) -> None:
    item = raise_one(db, new_conversation(db)).handoff_id
    browser = open_page()
    there = browser.get(f"/inbox/{item}").headers["location"]
    assert there == f"/inbox/sign-in?next=%2Finbox%2F{item}"
    then = hidden(browser.get(there).text, "next")
    assert enter(browser, add_clinician(db, "lee"), then=then).headers["location"] == f"/inbox/{item}"


def test_a_link_in_a_web_mailer_is_opened_once_more_from_here(open_page: Any) -> None:
    page = open_page().get("/inbox/abc", headers={"Sec-Fetch-Site": "cross-site"})
    assert page.status_code == 200 and 'http-equiv="refresh" content="0; url=/inbox/abc"' in page.text


def test_no_route_shows_or_changes_another_clinics_item(at_inbox: Any, db: Database) -> None:
    conversation = new_conversation(db)
    item = raise_one(db, conversation).handoff_id
    stranger = at_inbox("eve", OTHER_CLINIC)
    csrf = hidden(stranger.get("/inbox").text, "csrf")
    assert PATIENT_WORDS not in stranger.get("/inbox").text
    for path in ("", "/part", "/live"):
        answer = stranger.get(f"/inbox/{item}{path}")
        assert answer.status_code == 404 and PATIENT_WORDS not in answer.text
    fields = {"csrf": csrf, "version": "1", "text": "x", "client_id": "form-0001", "outcome": "answered"}
    for act in ("claim", "reply", "hand-back", "close"):
        assert stranger.post(f"/inbox/{item}/{act}", data=fields).status_code == 404
    assert said_to_patient(db, conversation) == [] and acts(db, item) == ["handoff.raised"]
    assert stranger.get("/inbox/none").status_code == 404


@pytest.mark.parametrize("token", [None, "", "wrong"])
def test_every_form_needs_its_sign_ins_token(at_inbox: Any, db: Database, token: str | None) -> None:
    conversation = new_conversation(db)
    item = raise_one(db, conversation).handoff_id
    browser = at_inbox("lee")
    fields = {"version": "1", "text": "x", "client_id": "form-0001", "outcome": "answered"}
    if token is not None:
        fields["csrf"] = token
    paths = [f"/inbox/{item}/{act}" for act in ("claim", "reply", "hand-back", "close")]
    for path in [*paths, "/inbox/sign-out"]:
        assert browser.post(path, data=fields).status_code == 403
        assert browser.post(path, json=fields).status_code == 400
        assert browser.post(path, data={**fields, "text": "x" * 70_000}).status_code == 400
    assert said_to_patient(db, conversation) == [] and browser.get("/inbox").status_code == 200


def test_nothing_opens_without_a_sign_in(open_page: Any, db: Database) -> None:
    item = raise_one(db, new_conversation(db)).handoff_id
    browser = open_page()
    for path in ("/inbox", f"/inbox/{item}"):
        assert browser.get(path).status_code == 303
    for path in ("/inbox/queue", "/inbox/live", f"/inbox/{item}/part", f"/inbox/{item}/live"):
        answer = browser.get(path)
        assert answer.status_code == 401 and PATIENT_WORDS not in answer.text
    for act in ("claim", "reply", "hand-back", "close"):
        assert browser.post(f"/inbox/{item}/{act}", data={"csrf": "x"}).status_code == 401


def test_a_database_that_is_away_gives_a_page_that_says_so(
    at_inbox: Any, db: Database, tmp_path: Path
) -> None:
    browser = at_inbox("lee")
    db.close()
    (tmp_path / "pne.db").write_bytes(b"not a database any more" * 100)
    for extra in ("-wal", "-shm"):
        (tmp_path / f"pne.db{extra}").unlink(missing_ok=True)
    page = browser.get("/inbox")
    assert page.status_code == 503 and WORDS.texts["problem_database"] in page.text
