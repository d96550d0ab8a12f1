"""Attacks on the inbox's door: forged forms, fixed sessions, guessing, replays, redirects. Findings allowed: none."""

from __future__ import annotations

import re
from dataclasses import replace
from functools import partial
from typing import Any

import pytest

from bot.store import clinicians
from bot.store.models import Audit, Clinician, ClinicianSession
from bot.store.session import Database
from bot.web import inbox
from bot.web.inbox import door
from bot.web.limits import Limits
from bot.web.people import auth, codes, staff
from bot.web.people.auth import Device, HalfSignedIn, Refused, SignedIn
from bot.web.people.second_factor import Box
from bot.web.services import Services
from tests.support import inbox as browsers
from tests.support.database import CLINIC, HandClock, at_once, new_conversation, raise_one
from tests.support.inbox import PASSWORD, add_clinician, enter, hidden
from tests.support.people import NEW_PASSWORD, code_now, give_code, person_of, send, trail, with_app

quick, services = browsers.quick, browsers.services
open_page, at_inbox = browsers.open_page, browsers.at_inbox

DOOR_POSTS = ("/inbox/sign-in", "/inbox/sign-in/code", "/inbox/invitation/{token}")


def posts() -> list[str]:
    """Every POST route behind the door."""
    return [
        route.path for route in inbox.routes() if "POST" in (route.methods or ()) and route.path not in DOOR_POSTS
    ]


def state_of(db: Database) -> str:
    """Everything of the people and items that a forged form might change."""
    with db.read() as session:
        people = [
            (p.role, p.disabled_at, p.password_hash, p.totp_secret, p.failures)
            for p in session.query(Clinician).order_by(Clinician.email)
        ]
        sessions = [(one.id, one.revoked_at) for one in session.query(ClinicianSession).order_by(ClinicianSession.id)]
    return str([people, sessions])


# Forged forms


def test_every_form_needs_its_own_sessions_token(at_inbox: Any, db: Database) -> None:
    raised = raise_one(db, new_conversation(db))
    other = at_inbox("kim", role="admin")
    theirs = hidden(other.get("/inbox/me").text, "csrf")
    victims = {role: at_inbox(f"v-{role}", role=role) for role in ("triage", "admin")}
    with db.read() as session:
        target = clinicians.clinician_by_email(session, "kim@demo.invalid")
    assert target is not None
    before, tried = state_of(db), 0
    for path in posts():
        filled = path.replace("{handoff_id}", raised.handoff_id).replace("{person_id}", target.id)
        filled = filled.replace("{act}", "disable").replace("{section}", "name")
        for browser in victims.values():
            for token in (None, "", "wrong", theirs, "\ud800"):
                fields = {"role": "auditor", "text": "forged", "password": PASSWORD, "version": "1"}
                data = fields if token is None else {**fields, "csrf": token.encode("utf-8", "replace").decode()}
                answer = browser.post(filled, data=data)
                assert answer.status_code == 403, f"{filled} with {token!r}"
                tried += 1
            plain = browser.post(filled, content="csrf=x&text=forged", headers={"content-type": "text/plain"})
            json = browser.post(filled, json={"csrf": theirs})
            assert {plain.status_code, json.status_code} <= {400, 403, 413, 415, 422}, filled
    assert tried > 200
    assert state_of(db) == before


def test_a_get_changes_nothing(at_inbox: Any, db: Database) -> None:
    raised = raise_one(db, new_conversation(db))
    browser = at_inbox("kim", role="admin")
    csrf = hidden(browser.get("/inbox/me").text, "csrf")
    before = state_of(db)
    gets = {route.path for route in inbox.routes() if "GET" in (route.methods or ())}
    for path in posts():
        if path in gets:
            continue
        filled = path.replace("{handoff_id}", raised.handoff_id).replace("{person_id}", "x").replace("{act}", "disable")
        answer = browser.get(filled.replace("{section}", "name"), params={"csrf": csrf})
        assert answer.status_code in (404, 405, 403), filled
    assert state_of(db) == before


def test_the_forms_before_the_sign_in_need_the_cookie_that_came_with_them(open_page: Any, db: Database) -> None:
    email = add_clinician(db, "lee")
    _made, token = staff.add(db, CLINIC, "new@demo.invalid", "Dr New", "clinician", "system")
    fields = {"email": email, "password": PASSWORD, "again": PASSWORD, "code": "123456"}
    for path in ("/inbox/sign-in", "/inbox/sign-in/code", f"/inbox/invitation/{token}"):
        victim, attacker = open_page(), open_page()
        foreign = hidden(attacker.get("/inbox/sign-in").text, "csrf")
        for csrf in (None, "", foreign):
            for visited in (False, True):
                if visited:
                    victim.get("/inbox/sign-in")
                answer = victim.post(path, data=fields if csrf is None else {**fields, "csrf": csrf})
                assert answer.status_code == 403, path
        assert victim.post(path, content="email=x", headers={"content-type": "text/plain"}).status_code == 400
        assert "pne_inbox" not in victim.cookies
    assert staff.invited(db, token) is not None


# Fixed sessions


def test_a_session_that_somebody_else_chose_is_never_taken_up(open_page: Any, db: Database) -> None:
    browser, email = open_page(), add_clinician(db, "lee")
    browser.cookies.set("pne_inbox", "chosen-by-the-attacker", path="/inbox")
    browser.get("/inbox/sign-in")
    enter(browser, email)
    tokens = {cookie.value for cookie in browser.cookies.jar if cookie.name == "pne_inbox"}
    assert auth.who(db, "chosen-by-the-attacker") is None
    assert any(auth.who(db, token) for token in tokens)


def test_each_step_up_gives_a_new_token_and_ends_the_old_one(open_page: Any, db: Database, clock: HandClock) -> None:
    """Sign-in, sign-in by another person in the same browser, code step, new password."""
    email, secret, _codes = with_app(open_page, db, clock, "lee")
    other = add_clinician(db, "kim")
    browser, seen = open_page(), []

    def token() -> str:
        return str(browser.cookies["pne_inbox"])

    enter(browser, other)
    seen.append(token())
    send(browser, "/inbox/me", "/inbox/sign-out")
    enter(browser, email)
    half = browser.cookies["pne_inbox_half"]
    give_code(browser, code_now(secret, clock))
    seen.append(token())
    send(browser, "/inbox/me", "/inbox/me/password", password=PASSWORD, new_password=NEW_PASSWORD,
         again_password=NEW_PASSWORD)  # fmt: skip
    seen.append(token())
    assert len({*seen, half}) == 4
    assert [auth.who(db, one) is not None for one in seen] == [False, False, True]


def test_the_half_opens_nothing(open_page: Any, db: Database, clock: HandClock) -> None:
    email, _secret, _codes = with_app(open_page, db, clock, "lee")
    browser = open_page()
    enter(browser, email)
    half = browser.cookies["pne_inbox_half"]
    for name in ("pne_inbox", "pne_inbox_half"):
        thief = open_page()
        thief.cookies.set(name, half, path="/inbox")
        for path in ("/inbox", "/inbox/me", "/inbox/lock", "/inbox/people", "/inbox/queue"):
            assert thief.get(path).status_code in (303, 401), path
    clock.move(minutes=5)
    assert browser.get("/inbox/sign-in/code").headers["location"] == "/inbox/sign-in?over=1"


# Guessing


def same(page: str, email: str) -> str:
    return re.sub(r'name="csrf" value="[^"]*"', "", page.replace(email, ""))


def test_no_answer_tells_who_there_is(open_page: Any, db: Database, services: Services, clock: HandClock) -> None:
    services.sign_in_limits = Limits(1_000, 1_000)
    names = {name: add_clinician(db, name) for name in ("known", "locked", "gone", "new")}
    with db.begin() as session:
        for person in session.query(Clinician):
            if person.email == names["locked"]:
                person.locked_until, person.failures = clock().replace(year=2031), 9
            if person.email == names["gone"]:
                clinicians.disable(session, person.id)
            if person.email == names["new"]:
                person.password_hash = ""
    names["nobody"] = "nobody@demo.invalid"
    answers = {}
    for name, email in names.items():
        answer = enter(open_page(), email, "wrong" if name == "known" else PASSWORD)
        cookies = sorted(one.split("=")[0] for one in answer.headers.get_list("set-cookie"))
        answers[name] = answer.status_code, same(answer.text, email), tuple(cookies)
    assert len(set(answers.values())) == 1
    assert answers["nobody"][0] == 403


def test_guessing_is_slowed_down_for_known_and_unknown_addresses_alike(open_page: Any, db: Database) -> None:
    seen = []
    for email in (add_clinician(db, "lee"), "nobody@demo.invalid"):
        browser = open_page()
        seen.append([enter(browser, email, f"wrong {n}").status_code for n in range(8)])
    assert seen[0] == seen[1] == [403] * 6 + [429] * 2


def test_a_refusal_is_written_down_after_the_answer(
    open_page: Any, db: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Writing takes longer for somebody who is there: it must not be part of the time of the answer."""
    order: list[str] = []
    real, page_of = auth.refuse, door.page_of

    def refuse(*given: Any) -> None:
        order.append("written")
        real(*given)

    def shown(*given: Any, **more: Any) -> Any:
        order.append("page")
        return page_of(*given, **more)

    monkeypatch.setattr(auth, "refuse", refuse)
    monkeypatch.setattr(door, "page_of", shown)
    enter(open_page(), add_clinician(db, "lee"), "wrong")
    assert order[-2:] == ["page", "written"]
    assert trail(db, "lee@demo.invalid") == ["clinician.sign_in_refused"]


def test_wrong_codes_lock_the_account_as_wrong_passwords_do(
    open_page: Any, db: Database, clock: HandClock, services: Services
) -> None:
    services.sign_in_limits = Limits(1_000, 1_000)
    email, secret, codes_ = with_app(open_page, db, clock, "lee")
    browser = open_page()
    enter(browser, email)
    shown = [give_code(browser, f"{n:06}").text for n in range(auth.FIRST_LOCK)]
    assert person_of(db, email).locked_until is not None
    for code in (code_now(secret, clock), codes_[0]):
        refused = give_code(browser, code)
        assert refused.status_code == 403 and same(refused.text, email) == same(shown[-1], email)
    assert enter(open_page(), email).status_code == 403
    clock.move(minutes=1)
    again = open_page()
    enter(again, email)
    assert give_code(again, code_now(secret, clock)).status_code == 303


def test_a_right_password_alone_does_not_forget_wrong_codes(
    open_page: Any, db: Database, clock: HandClock, services: Services
) -> None:
    services.sign_in_limits = Limits(1_000, 1_000)
    email, _secret, _codes = with_app(open_page, db, clock, "lee")
    for n in range(auth.FIRST_LOCK):
        browser = open_page()
        enter(browser, email)
        give_code(browser, f"{n:06}")
    assert person_of(db, email).locked_until is not None


def test_strangers_cannot_lock_somebody_out_of_their_own_browser(
    open_page: Any, db: Database, services: Services
) -> None:
    """The patient who waits at 3 a.m. needs the clinician on call to get in, whatever somebody else is trying."""
    email, own = add_clinician(db, "lee"), open_page()
    assert enter(own, email).status_code == 303
    send(own, "/inbox/me", "/inbox/sign-out")
    services.sign_in_limits = Limits(6, 1_000)
    stranger = open_page()
    assert [enter(stranger, email, "wrong").status_code for _ in range(8)] == [403] * 6 + [429] * 2
    assert enter(open_page(), email).status_code == 429
    assert enter(own, email).status_code == 303
    forged = open_page()
    forged.cookies.set("pne_inbox_device", own.cookies["pne_inbox_device"][:-3] + "AAA", path="/inbox")
    assert enter(forged, email).status_code == 429


def test_whoever_shares_the_network_address_keeps_nobody_out(
    open_page: Any, db: Database, clock: HandClock, services: Services
) -> None:
    """A whole hospital has one network address: what is tried from there must not lock out who is on call."""
    services.settings = replace(services.settings, idle_minutes=15)
    own, email = open_page(), add_clinician(db, "lee")
    enter(own, email)
    stranger = open_page()
    tried = [enter(stranger, f"nobody{n}@demo.invalid", "wrong").status_code for n in range(20)]
    assert tried == [403] * 19 + [429]
    assert send(own, "/inbox/me", "/inbox/me/factor", password=PASSWORD).status_code == 200
    clock.move(minutes=16)
    fields = {"csrf": hidden(own.get("/inbox/lock").text, "csrf"), "password": PASSWORD}
    assert own.post("/inbox/lock", data=fields).status_code == 303
    send(own, "/inbox/me", "/inbox/sign-out")
    assert enter(own, email).status_code == 303
    assert enter(open_page(), email).status_code == 429


def test_a_browser_that_is_known_counts_for_its_own_person_alone(open_page: Any, db: Database) -> None:
    """Somebody's own known browser is no way round the tries for everybody else."""
    mine, theirs, browser = add_clinician(db, "lee"), add_clinician(db, "kim"), open_page()
    enter(browser, mine)
    send(browser, "/inbox/me", "/inbox/sign-out")
    stranger = open_page()
    for n in range(6):
        enter(stranger, theirs, f"wrong {n}")
    assert enter(browser, theirs, "wrong").status_code == 429
    assert enter(browser, mine).status_code == 303


def test_no_address_stands_for_somebodys_own_key(at_inbox: Any, open_page: Any, db: Database) -> None:
    """Tries are counted by names of our own: an e-mail address must not pass for one of them."""
    own = at_inbox("lee")
    person, stranger = person_of(db, "lee@demo.invalid"), open_page()
    for _ in range(7):
        enter(stranger, f"inside {person.id}", "wrong")
    assert send(own, "/inbox/me", "/inbox/me/factor", password=PASSWORD).status_code == 200


def test_a_locked_page_cannot_be_tried_for_ever(at_inbox: Any, clock: HandClock, services: Services) -> None:
    services.settings = replace(services.settings, idle_minutes=15)
    browser = at_inbox("lee")
    clock.move(minutes=16)
    page = browser.get("/inbox/lock")
    fields = {"csrf": hidden(page.text, "csrf"), "password": "wrong"}
    seen = [browser.post("/inbox/lock", data=fields).status_code for _ in range(8)]
    assert seen == [403] * 6 + [429] * 2


# Replays


def test_a_code_opens_once(open_page: Any, db: Database, clock: HandClock) -> None:
    email, secret, _codes = with_app(open_page, db, clock, "lee")
    first, second = open_page(), open_page()
    for browser in (first, second):
        enter(browser, email)
    code = code_now(secret, clock)
    assert give_code(first, code).status_code == 303
    assert give_code(second, code).status_code == 403
    assert give_code(second, code_now(secret, clock, -1)).status_code == 403  # an earlier step, after a later one
    assert give_code(second, code_now(secret, clock, +1)).status_code == 303


def test_of_many_who_give_one_code_at_once_one_gets_in(open_page: Any, db: Database, clock: HandClock) -> None:
    email, secret, recovery = with_app(open_page, db, clock, "lee")
    box = Box("k" * 40)
    for given in (code_now(secret, clock), recovery[0]):
        halves = [auth.sign_in(db, email, PASSWORD, auth.HALF_LIFE) for _ in range(4)]
        tokens = [half.token for half in halves if isinstance(half, HalfSignedIn)]
        assert len(tokens) == 4
        tries = [partial(codes.finish, db, box, token, given, auth.HALF_LIFE, Device()) for token in tokens]
        found = at_once(*tries)
        assert sum(isinstance(one, SignedIn) for one in found) == 1
        assert sum(isinstance(one, Refused) for one in found) == 3


def test_a_half_is_finished_once(open_page: Any, db: Database, clock: HandClock) -> None:
    email, secret, _codes = with_app(open_page, db, clock, "lee")
    half = auth.sign_in(db, email, PASSWORD, auth.HALF_LIFE)
    assert isinstance(half, HalfSignedIn)
    box = Box("k" * 40)
    assert isinstance(codes.finish(db, box, half.token, code_now(secret, clock), auth.HALF_LIFE, Device()), SignedIn)
    clock.move(seconds=30)
    assert codes.finish(db, box, half.token, code_now(secret, clock), auth.HALF_LIFE, Device()) is None


@pytest.mark.parametrize("act", ["disable", "reset-factor", "end-sessions", "invite"])
def test_a_half_does_not_outlive_what_an_admin_does(
    act: str, at_inbox: Any, open_page: Any, db: Database, clock: HandClock
) -> None:
    email, _secret, _codes = with_app(open_page, db, clock, "lee")
    admin, browser = at_inbox("ada", role="admin"), open_page()
    enter(browser, email)
    here = f"/inbox/people/{person_of(db, email).id}"
    assert send(admin, here, f"{here}/{act}").status_code in (200, 303)
    assert browser.get("/inbox/sign-in/code").status_code == 303


# Other places


@pytest.mark.parametrize(
    "then",
    [
        "https://evil.example/inbox",
        "//evil.example/inbox",
        "/\\evil.example",
        "/inbox//evil.example",
        "/inbox/../../evil",
        "/inbox@evil.example",
        "/inbox\n",
        "/inbox/me?x=1",
        "javascript:alert(1)",
        "/chat/demo",
        "/inbox/sign-out",
        "/inbox/oidc/demo",
        "",
    ],
)
def test_signing_in_leads_into_the_inbox_alone(then: str, open_page: Any, db: Database, clock: HandClock) -> None:
    browser = open_page()
    answer = enter(browser, add_clinician(db, "lee"), then=then)
    assert answer.headers["location"] == "/inbox"
    shown = open_page().get("/inbox/sign-in", params={"next": then})
    assert hidden(shown.text, "next") == "/inbox"
    email, secret, _codes = with_app(open_page, db, clock, "kim")
    other = open_page()
    assert enter(other, email, then=then).headers["location"] == "/inbox/sign-in/code"
    page = other.get("/inbox/sign-in/code", params={"next": then})
    fields = {"csrf": hidden(page.text, "csrf"), "next": then, "code": code_now(secret, clock)}
    assert other.post("/inbox/sign-in/code", data=fields).headers["location"] == "/inbox"


def test_a_page_of_the_inbox_is_found_again(open_page: Any, db: Database) -> None:
    assert enter(open_page(), add_clinician(db, "lee"), then="/inbox/me").headers["location"] == "/inbox/me"


def test_secrets_stay_out_of_the_audit_and_of_pages(open_page: Any, db: Database, clock: HandClock) -> None:
    email, secret, recovery = with_app(open_page, db, clock, "lee")
    browser = open_page()
    enter(browser, email)
    give_code(browser, recovery[0])
    text = str([vars(row) for row in _audit(db)]) + browser.get("/inbox/me").text
    for hidden_word in (PASSWORD, secret, *recovery, browser.cookies["pne_inbox"], person_of(db, email).password_hash):
        assert hidden_word not in text


def _audit(db: Database) -> list[Any]:
    with db.read() as session:
        return list(session.query(Audit))
