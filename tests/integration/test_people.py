"""The clinic's people: invitations, roles, the second factor, one's own account, the lock."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from starlette.testclient import TestClient

from bot.handoff.roles import MANAGE, RIGHTS, ROLES, may
from bot.store import clinicians
from bot.store.session import Database
from bot.web import inbox
from bot.web.inbox import door
from bot.web.people import auth, staff
from bot.web.services import Services
from tests.support import inbox as browsers
from tests.support.database import CLINIC, PATIENT_WORDS, HandClock, at_once, new_conversation, raise_one
from tests.support.inbox import OTHER_CLINIC, PASSWORD, add_clinician, enter, hidden
from tests.support.people import (
    NEW_PASSWORD,
    code_now,
    give_code,
    link_on,
    person_of,
    recovery_on,
    secret_on,
    send,
    set_up_app,
    trail,
    with_app,
)

quick, services = browsers.quick, browsers.services
open_page, at_inbox = browsers.open_page, browsers.at_inbox

# Before anybody is signed in there is no right to ask for.
AT_THE_DOOR = ("/inbox/sign-in", "/inbox/invitation/", "/inbox/oidc/")
ANYBODY = ("/inbox/me", "/inbox/lock", "/inbox/stay", "/inbox/sign-out", "/inbox/calls")


@pytest.fixture
def strict(services: Services) -> Services:
    """Nobody gets in without a code."""
    services.settings = replace(services.settings, second_factor="required")
    return services


# Rights


def inside() -> list[tuple[str, str, str | None]]:
    """Every route of the inbox behind the door: method, path, the right it names."""
    found = []
    for route in inbox.routes():
        if not route.path.startswith(AT_THE_DOOR):
            assert hasattr(route.endpoint, "needs"), f"{route.path} is not behind signed_in"
            found += [(method, route.path, route.endpoint.needs) for method in route.methods or () if method != "HEAD"]
    return found


def test_every_route_names_a_right_or_is_ones_own_account() -> None:
    assert len(inside()) > 30
    for _method, path, needs in inside():
        assert needs in RIGHTS if needs is not None else path.startswith(ANYBODY), path


@pytest.mark.parametrize("role", [*ROLES, "nobody-knows-it"])
def test_each_role_is_refused_where_it_has_no_right(role: str, at_inbox: Any, db: Database) -> None:
    raised = raise_one(db, new_conversation(db))
    browser = at_inbox("lee", role=role)
    csrf = hidden(browser.get("/inbox/me").text, "csrf")
    for method, path, needs in inside():
        if needs is None or may(role, needs):
            continue
        here = path.replace("{handoff_id}", raised.handoff_id).replace("{person_id}", "x").replace("{act}", "disable")
        data = {"csrf": csrf} if method == "POST" else None
        answer = browser.request(method, here.replace("{section}", "name"), data=data)
        assert answer.status_code == 403, f"{role} {method} {here}"
        assert PATIENT_WORDS not in answer.text


@pytest.mark.parametrize(
    ("role", "start"),
    [("clinician", "/inbox"), ("triage", "/inbox"), ("admin", "/inbox/people"), ("auditor", "/inbox/audit")],
)
def test_everybody_begins_at_a_page_of_theirs(role: str, start: str, open_page: Any, db: Database) -> None:
    browser = open_page()
    assert enter(browser, add_clinician(db, "lee", role=role)).headers["location"] == start


# Invitations


def test_somebody_is_added_by_a_link_that_works_once(at_inbox: Any, open_page: Any, db: Database) -> None:
    admin, email = at_inbox("ada", role="admin"), "new.person@demo.invalid"
    shown = send(admin, "/inbox/people", "/inbox/people", name="Dr New", email=email, role="triage")
    assert shown.status_code == 200 and shown.headers["cache-control"] == "no-store"
    link = link_on(shown.text)
    assert link not in admin.get("/inbox/people").text
    browser = open_page()
    assert browser.head(link).status_code == 200  # a mail program looks too
    page = browser.get(link)
    assert "Dr New" in page.text and email in page.text
    twice = {"csrf": hidden(page.text, "csrf"), "password": NEW_PASSWORD, "again": NEW_PASSWORD}
    for wrong, key in [({"password": "short"}, "short"), ({"again": NEW_PASSWORD + "x"}, "differ")]:
        refused = browser.post(link, data={**twice, **wrong})
        assert refused.status_code == 422, key
    done = browser.post(link, data=twice)
    assert (done.status_code, done.headers["location"]) == (303, "/inbox/sign-in?set=1")
    for other in (browser, open_page()):
        assert other.get(link).status_code == 410
    assert open_page().post(link, data=twice).status_code in (403, 410)
    fresh = {**twice, "csrf": hidden(browser.get("/inbox/sign-in").text, "csrf")}
    assert browser.post(link, data=fresh).status_code == 410
    assert enter(open_page(), email, NEW_PASSWORD).status_code == 303
    assert trail(db, email)[:3] == ["clinician.added", "clinician.invited", "clinician.password_set"]


def test_of_two_who_use_a_link_at_once_one_sets_the_password(db: Database) -> None:
    made, token = staff.add(db, CLINIC, "new@demo.invalid", "Dr New", "clinician", "system")
    done = at_once(*[lambda n=n: staff.accept(db, token, f"{NEW_PASSWORD} {n}") for n in range(4)])
    assert sorted(done) == [False, False, False, True]
    chosen = f"{NEW_PASSWORD} {done.index(True)}"
    assert auth.verify_password(person_of(db, made.email).password_hash, chosen)


def test_a_link_ends_after_a_day_and_with_the_next_one(db: Database, clock: HandClock) -> None:
    made, first = staff.add(db, CLINIC, "new@demo.invalid", "Dr New", "clinician", "system")
    second = staff.invite_again(db, CLINIC, made.id, "system")
    assert staff.invited(db, first) is None and staff.invited(db, second) is not None
    clock.move(hours=24)
    assert staff.invited(db, second) is None
    assert not staff.accept(db, second, NEW_PASSWORD)


def test_a_token_of_another_kind_opens_no_invitation(open_page: Any, db: Database, strict: Services) -> None:
    browser = open_page()
    enter(browser, add_clinician(db, "lee"))
    half = browser.cookies["pne_inbox_half"]
    assert staff.invited(db, half) is None
    assert open_page().get(f"/inbox/invitation/{half}").status_code == 410


@pytest.mark.parametrize(
    ("changed", "status"),
    [({"name": " "}, 422), ({"email": "nowhere"}, 422), ({"email": "a b@c.de"}, 422), ({"role": "king"}, 422)],
)
def test_what_is_no_person_is_refused_with_what_was_typed(
    changed: dict[str, str], status: int, at_inbox: Any, db: Database
) -> None:
    admin = at_inbox("ada", role="admin")
    fields = {"name": "Dr <b>New</b>", "email": "new@demo.invalid", "role": "clinician", **changed}
    answer = send(admin, "/inbox/people", "/inbox/people", **fields)
    assert answer.status_code == status
    assert 'role="alert"' in answer.text and "<b>New" not in answer.text
    with db.read() as session:
        assert len(clinicians.people(session, CLINIC)) == 1


def test_an_address_is_one_persons_whatever_the_clinic(at_inbox: Any, db: Database) -> None:
    admin = at_inbox("ada", role="admin")
    taken = [add_clinician(db, "kim"), add_clinician(db, "kim", OTHER_CLINIC)]
    said = set()
    for email in taken:
        answer = send(admin, "/inbox/people", "/inbox/people", name="X", email=email.upper(), role="clinician")
        assert answer.status_code == 409
        said.add(answer.text.count("Dr kim"))
    assert said == {1}  # the one of this clinic's list; nothing of the other clinic's


# What an admin does


def test_an_admin_shuts_out_and_lets_in_again(at_inbox: Any, open_page: Any, db: Database) -> None:
    admin, other = at_inbox("ada", role="admin"), at_inbox("kim")
    kim = person_of(db, "kim@demo.invalid")
    here = f"/inbox/people/{kim.id}"
    assert send(admin, here, f"{here}/disable").status_code == 303
    assert other.get("/inbox").status_code == 303
    assert enter(open_page(), kim.email).status_code == 403
    assert send(admin, here, f"{here}/enable").status_code == 303
    assert enter(open_page(), kim.email).status_code == 303
    assert {"clinician.disabled", "clinician.enabled"} <= set(trail(db, kim.email))


def test_a_new_role_counts_from_the_next_page_on(at_inbox: Any, db: Database) -> None:
    admin, other = at_inbox("ada", role="admin"), at_inbox("kim")
    here = f"/inbox/people/{person_of(db, 'kim@demo.invalid').id}"
    assert other.get("/inbox").status_code == 200
    assert send(admin, here, f"{here}/role", role="auditor").status_code == 303
    assert other.get("/inbox").status_code == 403
    assert send(admin, here, f"{here}/role", role="king").status_code == 422
    assert person_of(db, "kim@demo.invalid").role == "auditor"


def test_a_reset_ends_password_and_sign_ins_at_once(at_inbox: Any, open_page: Any, db: Database) -> None:
    admin, other = at_inbox("ada", role="admin"), at_inbox("kim")
    here = f"/inbox/people/{person_of(db, 'kim@demo.invalid').id}"
    link = link_on(send(admin, here, f"{here}/invite").text)
    assert other.get("/inbox").status_code == 303
    assert enter(open_page(), "kim@demo.invalid").status_code == 403
    page = open_page()
    fields = {"csrf": hidden(page.get(link).text, "csrf"), "password": NEW_PASSWORD, "again": NEW_PASSWORD}
    assert page.post(link, data=fields).status_code == 303
    assert enter(open_page(), "kim@demo.invalid", NEW_PASSWORD).status_code == 303


def test_a_pause_after_wrong_tries_is_lifted(at_inbox: Any, open_page: Any, db: Database) -> None:
    admin, email = at_inbox("ada", role="admin"), add_clinician(db, "kim")
    for _ in range(auth.FIRST_LOCK):
        enter(open_page(), email, "wrong")
    assert enter(open_page(), email).status_code in (403, 429)
    here = f"/inbox/people/{person_of(db, email).id}"
    assert "lift-lock" in admin.get(here).text
    assert send(admin, here, f"{here}/lift-lock").status_code == 303
    assert isinstance(auth.sign_in(db, email, PASSWORD, door.auth.HALF_LIFE), auth.SignedIn)


def test_nobody_changes_their_own_place_on_the_list(at_inbox: Any, db: Database) -> None:
    admin = at_inbox("ada", role="admin")
    mine = person_of(db, "ada@demo.invalid")
    for act in ("disable", "role", "invite", "reset-factor", "end-sessions"):
        answer = send(admin, "/inbox/people", f"/inbox/people/{mine.id}/{act}", role="clinician")
        assert answer.status_code == 409, act
    assert admin.get("/inbox/people").status_code == 200


def test_the_last_admin_stays(db: Database) -> None:
    ada, eve = (person_of(db, add_clinician(db, name, role="admin")) for name in ("ada", "eve"))
    # Somebody who has not chosen a password yet could not manage anything.
    staff.add(db, CLINIC, "new@demo.invalid", "Dr New", "admin", "system")
    done = at_once(*[lambda a=a: _try(staff.disable, db, a.id) for a in (ada, eve)])
    assert sorted(done) == [False, True]
    left = ada if done[1] else eve
    for act in (staff.disable, lambda *given: staff.set_role(*given[:3], "auditor", given[3])):
        assert not _try(act, db, left.id)
    assert person_of(db, left.email).disabled_at is None


def _try(act: Any, db: Database, person: str) -> bool:
    try:
        act(db, CLINIC, person, "system")
    except clinicians.LastAdmin:
        return False
    return True


def test_another_clinics_people_are_not_there(at_inbox: Any, db: Database) -> None:
    admin, theirs = at_inbox("ada", role="admin"), person_of(db, add_clinician(db, "kim", OTHER_CLINIC))
    assert "kim" not in admin.get("/inbox/people").text
    here = f"/inbox/people/{theirs.id}"
    assert admin.get(here).status_code == 404
    for act in ("disable", "role", "invite", "reset-factor", "end-sessions", "lift-lock", "enable"):
        assert send(admin, "/inbox/people", f"{here}/{act}", role="auditor").status_code == 404, act
    now = person_of(db, theirs.email)
    assert (now.role, now.disabled_at, now.password_hash) == ("clinician", None, theirs.password_hash)
    assert send(admin, "/inbox/people", f"{here}/explode").status_code == 404


# The second factor


def test_where_it_is_required_the_first_sign_in_sets_an_app_up(
    open_page: Any, db: Database, clock: HandClock, strict: Services
) -> None:
    browser, email = open_page(), add_clinician(db, "lee")
    answer = enter(browser, email)
    assert answer.headers["location"].startswith("/inbox/sign-in/code")
    assert "pne_inbox" not in browser.cookies and browser.get("/inbox").status_code == 303
    page = browser.get("/inbox/sign-in/code").text
    secret, fields = secret_on(page), {name: hidden(page, name) for name in ("csrf", "offer")}
    wrong = browser.post("/inbox/sign-in/code", data={**fields, "code": "000000"})
    assert wrong.status_code == 403 and secret_on(wrong.text) == secret  # the same picture: the app has it already
    done = browser.post("/inbox/sign-in/code", data={**fields, "code": code_now(secret, clock)})
    assert done.status_code == 200 and len(recovery_on(done.text)) == 10
    assert browser.get("/inbox").status_code == 200
    assert "pne_inbox_half" not in browser.cookies
    assert secret not in str(vars(person_of(db, email)))
    clock.move(seconds=60)
    again = open_page()
    enter(again, email)
    assert "factor-secret" not in again.get("/inbox/sign-in/code").text
    assert give_code(again, code_now(secret, clock)).status_code == 303
    assert again.get("/inbox").status_code == 200


def test_a_recovery_code_opens_once(open_page: Any, db: Database, clock: HandClock) -> None:
    email, _secret, codes = with_app(open_page, db, clock, "lee")
    first, second = open_page(), open_page()
    for browser in (first, second):
        enter(browser, email)
    assert give_code(first, codes[0]).status_code == 303
    assert give_code(second, codes[0]).status_code == 403
    assert give_code(second, codes[1].upper()).status_code == 303
    assert "clinician.recovery_code_used" in trail(db, email)


def test_new_recovery_codes_end_the_old_ones(open_page: Any, db: Database, clock: HandClock) -> None:
    email, secret, codes = with_app(open_page, db, clock, "lee")
    browser = open_page()
    enter(browser, email)
    give_code(browser, code_now(secret, clock))
    fresh = recovery_on(send(browser, "/inbox/me", "/inbox/me/recovery", password=PASSWORD).text)
    assert len(fresh) == 10 and not set(fresh) & set(codes)
    other = open_page()
    enter(other, email)
    assert give_code(other, codes[0]).status_code == 403
    assert give_code(other, fresh[0]).status_code == 303


def test_a_lost_phone(at_inbox: Any, open_page: Any, db: Database, clock: HandClock) -> None:
    email, _secret, _codes = with_app(open_page, db, clock, "lee")
    here = f"/inbox/people/{person_of(db, email).id}"
    admin = at_inbox("ada", role="admin")
    assert send(admin, here, f"{here}/reset-factor").status_code == 303
    assert enter(open_page(), email).headers["location"] == "/inbox"
    assert "clinician.factor_reset" in trail(db, email)


def test_the_factor_is_changed_with_the_password_alone_in_hand(
    open_page: Any, db: Database, clock: HandClock, services: Services
) -> None:
    email, _secret, _codes = with_app(open_page, db, clock, "lee")
    browser = open_page()
    enter(browser, email)
    give_code(browser, _codes[0])
    for act in ("factor", "factor/remove", "recovery"):
        assert send(browser, "/inbox/me", f"/inbox/me/{act}", password="wrong").status_code == 403
    page = browser.get("/inbox/me").text
    made_up = {"csrf": hidden(page, "csrf"), "offer": "made up", "code": "123456"}
    assert browser.post("/inbox/me/factor/confirm", data=made_up).status_code == 409
    services.settings = replace(services.settings, second_factor="required")
    assert send(browser, "/inbox/me", "/inbox/me/factor/remove", password=PASSWORD).status_code == 403
    services.settings = replace(services.settings, second_factor="optional")
    assert send(browser, "/inbox/me", "/inbox/me/factor/remove", password=PASSWORD).status_code == 303
    assert person_of(db, email).totp_secret is None


def test_without_the_key_codes_are_refused_and_an_admin_can_mend_it(
    at_inbox: Any, open_page: Any, db: Database, clock: HandClock, services: Services
) -> None:
    email, secret, codes = with_app(open_page, db, clock, "lee")
    services.settings = replace(services.settings, secret_key="n" * 40)
    browser = open_page()
    enter(browser, email)
    for code in (code_now(secret, clock), codes[0]):
        assert give_code(browser, code).status_code == 403
    admin, here = at_inbox("ada", role="admin"), f"/inbox/people/{person_of(db, email).id}"
    send(admin, here, f"{here}/reset-factor")
    assert enter(open_page(), email).headers["location"] == "/inbox"


# One's own account


def test_sign_ins_are_listed_and_ended(open_page: Any, db: Database) -> None:
    email = add_clinician(db, "lee")
    browsers = [open_page() for _ in range(3)]
    agents = ("Mozilla/5.0 (Windows NT 10.0) Firefox/130.0", "Mozilla/5.0 (iPhone) Safari/605.1", "curl/8")
    for browser, agent in zip(browsers, agents, strict=True):
        browser.headers["user-agent"] = agent
        enter(browser, email)
    page = browsers[0].get("/inbox/me").text
    assert "Firefox, Windows" in page and "Safari, iPhone" in page
    mine = {auth.who(db, browser.cookies["pne_inbox"]).session_id for browser in browsers}  # type: ignore[union-attr]
    assert len(mine) == 3
    ended = auth.who(db, browsers[1].cookies["pne_inbox"])
    assert ended is not None
    send(browsers[0], "/inbox/me", "/inbox/me/sessions/end", session=ended.session_id)
    assert [browser.get("/inbox").status_code for browser in browsers] == [200, 303, 200]
    send(browsers[0], "/inbox/me", "/inbox/me/sessions/end-others")
    assert [browser.get("/inbox").status_code for browser in browsers] == [200, 303, 303]


def test_nobody_ends_anothers_sign_in_from_their_own_account(at_inbox: Any, db: Database) -> None:
    lee, kim = at_inbox("lee"), at_inbox("kim")
    theirs = auth.who(db, kim.cookies["pne_inbox"])
    assert theirs is not None
    send(lee, "/inbox/me", "/inbox/me/sessions/end", session=theirs.session_id)
    assert kim.get("/inbox").status_code == 200


def test_a_new_password_ends_every_other_sign_in(open_page: Any, db: Database) -> None:
    email = add_clinician(db, "lee")
    here, there = open_page(), open_page()
    for browser in (here, there):
        enter(browser, email)
    before = here.cookies["pne_inbox"]
    new = {"new_password": NEW_PASSWORD, "again_password": NEW_PASSWORD}
    assert send(here, "/inbox/me", "/inbox/me/password", password="wrong", **new).status_code == 403
    weak = {"new_password": "password1234", "again_password": "password1234"}
    assert send(here, "/inbox/me", "/inbox/me/password", password=PASSWORD, **weak).status_code == 422
    assert send(here, "/inbox/me", "/inbox/me/password", password=PASSWORD, **new).status_code == 303
    assert here.cookies["pne_inbox"] != before and auth.who(db, before) is None
    assert (here.get("/inbox").status_code, there.get("/inbox").status_code) == (200, 303)
    assert enter(open_page(), email).status_code == 403
    assert "clinician.password_changed" in trail(db, email)


def test_managing_needs_no_patients_words(at_inbox: Any, db: Database) -> None:
    raise_one(db, new_conversation(db))
    browser: TestClient = at_inbox("ada", role="admin")
    for path in ("/inbox/people", f"/inbox/people/{person_of(db, 'ada@demo.invalid').id}", "/inbox/me"):
        assert PATIENT_WORDS not in browser.get(path).text
    assert set(role for role in ROLES if may(role, MANAGE)) == {"admin"}


def test_setting_an_app_up_twice_counts_the_newer_one(open_page: Any, db: Database, clock: HandClock) -> None:
    email, first, _codes = with_app(open_page, db, clock, "lee")
    browser = open_page()
    enter(browser, email)
    give_code(browser, code_now(first, clock))
    clock.move(seconds=60)
    second, _fresh = set_up_app(browser, clock)
    clock.move(seconds=60)
    other = open_page()
    enter(other, email)
    assert give_code(other, code_now(first, clock)).status_code == 403
    assert give_code(other, code_now(second, clock)).status_code == 303
