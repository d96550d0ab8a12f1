"""The clinic's own page with others: nobody overwrites unknowingly, and nobody else gets in."""

from __future__ import annotations

from typing import Any

import pytest
from starlette.testclient import TestClient

from bot.content.clinics import load_clinics
from bot.handoff.roles import MANAGE, ROLES
from bot.store.clinic_settings import save
from bot.store.session import Database
from bot.web.services import Services
from tests.support import inbox
from tests.support.clinic_page import fields_of, kept, saved, send
from tests.support.database import CLINIC, HandClock
from tests.support.inbox import OTHER_CLINIC, hidden
from tests.unit.test_branding import png

quick, services = inbox.quick, inbox.services
open_page, at_inbox = inbox.open_page, inbox.at_inbox

DEMO = load_clinics()["demo"]


@pytest.fixture
def admin(at_inbox: Any) -> TestClient:
    made: TestClient = at_inbox("ada", role="admin")
    return made


def test_nobody_overwrites_what_somebody_else_has_just_changed(at_inbox: Any, db: Database, clock: HandClock) -> None:
    ada, kim = at_inbox("ada", role="admin"), at_inbox("kim", role="admin")
    page = ada.get("/inbox/clinic/name").text
    clock.move(minutes=5)
    assert saved(send(kim, "name", name="Kim's Clinic"), "name")
    late = ada.post("/inbox/clinic/name", data={**fields_of(page), "name": "Ada's Clinic"})
    assert late.status_code == 409 and kept(db)["name"] == "Kim's Clinic"
    assert "Dr kim" in late.text and fields_of(late.text)["name"] == "Ada's Clinic"
    again = {**fields_of(late.text), "name": "Ada's Clinic"}
    assert saved(ada.post("/inbox/clinic/name", data=again), "name")
    assert kept(db)["name"] == "Ada's Clinic"


def test_a_section_that_somebody_took_back_meanwhile_says_so(at_inbox: Any, db: Database) -> None:
    ada, kim = at_inbox("ada", role="admin"), at_inbox("kim", role="admin")
    assert saved(send(kim, "name", name="Kim's Clinic"), "name")
    page = ada.get("/inbox/clinic/name").text
    back = {"csrf": hidden(kim.get("/inbox/clinic/name").text, "csrf"), "seen": hidden(page, "seen")}
    assert saved(kim.post("/inbox/clinic/name/file", data=back), "name")
    late = ada.post("/inbox/clinic/name", data={**fields_of(page), "name": "Ada's Clinic"})
    assert late.status_code == 409 and kept(db) == {}
    assert kim.post("/inbox/clinic/name/file", data=back).status_code == 409  # a double click


def test_a_contact_that_somebody_added_meanwhile_stays(at_inbox: Any, services: Services) -> None:
    ada, kim = at_inbox("ada", role="admin"), at_inbox("kim", role="admin")
    page = ada.get("/inbox/clinic/contacts").text
    assert saved(send(kim, "contacts", c3_name="Night", c3_to="night@example.org"), "contacts")
    late = ada.post("/inbox/clinic/contacts", data={**fields_of(page), "c0_name": "The team"})
    assert late.status_code == 409
    mine = {**fields_of(page), "c0_name": "The team", "seen": fields_of(late.text)["seen"]}
    assert saved(ada.post("/inbox/clinic/contacts", data=mine), "contacts")
    assert set(services.clinic(CLINIC).chain.contacts) == {"team", "lead", "manager", "night"}


def test_a_change_that_no_longer_holds_is_shown_with_its_cause(admin: TestClient, db: Database) -> None:
    with db.begin() as session:
        save(session, CLINIC, "hours", {"monday": "always"}, seen=None, by="system")
    page = admin.get("/inbox/clinic").text
    part = page[page.index('id="hours"') : page.index('id="phone"')]
    assert 'role="alert"' in part and "09:00" in part
    assert saved(send(admin, "hours", monday="10:00-12:00"), "hours")
    assert kept(db)["hours"]["monday"] == [["10:00", "12:00"]]


@pytest.mark.parametrize("role", [role for role, rights in ROLES.items() if MANAGE not in rights])
def test_only_admins_get_in(at_inbox: Any, db: Database, role: str) -> None:
    browser = at_inbox("lee", role=role)
    csrf = hidden(browser.get("/inbox/clinic").text, "csrf")
    for path in ("/inbox/clinic", "/inbox/clinic/name"):
        assert browser.get(path).status_code == 403
    for path in ("/inbox/clinic/name", "/inbox/clinic/name/file"):
        assert browser.post(path, data={"csrf": csrf, "seen": "-", "name": "x"}).status_code == 403
    assert kept(db) == {}


def test_an_admin_changes_their_own_clinic_and_no_other(at_inbox: Any, db: Database, services: Services) -> None:
    stranger = at_inbox("eve", OTHER_CLINIC, role="admin")
    assert saved(send(stranger, "name", name="Eve's Clinic"), "name")
    assert kept(db) == {} and services.clinic(CLINIC).name == DEMO.name
    assert services.clinic(OTHER_CLINIC).name == "Eve's Clinic"
    page = stranger.get("/inbox/clinic/name?clinic=demo").text
    assert "Eve&#39;s Clinic" in page and DEMO.name not in fields_of(page)["name"]


@pytest.mark.parametrize("path", ["/inbox/clinic/secrets", "/inbox/clinic/numbers?part=emergency"])
def test_there_is_nothing_but_the_sections(admin: TestClient, path: str) -> None:
    csrf = hidden(admin.get("/inbox/clinic/name").text, "csrf")
    answer = admin.post(path, data={"csrf": csrf, "seen": "-", "l0_label": "998", "l0_value": "998", "l0_again": "998"})
    assert answer.status_code == 404


def test_the_token_of_the_form_is_needed(admin: TestClient, db: Database) -> None:
    fields = fields_of(admin.get("/inbox/clinic/name").text)
    for token in ("", "wrong"):
        assert admin.post("/inbox/clinic/name", data={**fields, "name": "x", "csrf": token}).status_code == 403
        files = {"logo": ("a.png", png(), "image/png")}
        assert admin.post("/inbox/clinic/logo", data={"seen": "-", "csrf": token}, files=files).status_code == 403
        assert admin.post("/inbox/clinic/name/file", data={"seen": "-", "csrf": token}).status_code == 403
    assert kept(db) == {}
