"""The inbox without its neighbours: the real app over a database in no time, browsers that keep cookies, people who
sign in. Import the fixtures by name; pytest finds them in the module that asks for them.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from starlette.testclient import TestClient

from bot.content import Clinic, load_clinics, load_wording
from bot.content.inbox import load_inbox_wording
from bot.settings import Settings
from bot.store import audit, clinicians, events
from bot.store.session import Database
from bot.web.app import create_app
from bot.web.limits import Limits
from bot.web.people import auth
from bot.web.services import Services
from tests.support import quick_hashing
from tests.support.database import CLINIC

OTHER_CLINIC = "other"
PASSWORD = "a good long password"
WORDS = load_inbox_wording()
ZONE = "Europe/Paris"


class StubAssistant:
    """Rasa that is there and says nothing."""

    async def say(self, **_asked: Any) -> list[dict[str, Any]]:
        return []


def a_clinic_in_paris(clinic_id: str) -> Clinic:
    """The demo clinic under any id, with times that are not UTC."""
    demo = load_clinics()["demo"]
    about = {**demo.about, "time_zone": ZONE}
    return replace(demo, id=clinic_id, about=about, hours=replace(demo.hours, zone=ZoneInfo(ZONE)))


quick = quick_hashing.quick


@pytest.fixture
def services(db: Database, tmp_path: Path) -> Services:
    # A page is not locked while a test turns its clock; the tests of the lock turn this back.
    settings = Settings(var=str(tmp_path), rasa_secret="s" * 40, secret_key="k" * 40, idle_minutes=1_000_000)
    clinics = {name: a_clinic_in_paris(name) for name in (CLINIC, OTHER_CLINIC)}
    stub: Any = StubAssistant()
    return Services(settings, db, clinics, load_wording(), stub, lambda _text: {}, Limits(1000, 1000))


@pytest.fixture
def open_page(services: Services) -> Iterator[Any]:
    """Gives browsers at the inbox, each with its own cookies. The app is not started: no rules, no worker."""
    app = create_app(services.settings, services)
    app.state.services = services
    yield lambda: TestClient(app, base_url="https://pne.test", follow_redirects=False)


@pytest.fixture
def at_inbox(open_page: Any, db: Database) -> Any:
    """A browser that is signed in as a new person of the name."""

    def signed_in(name: str, clinic_id: str = CLINIC, role: str = "clinician") -> TestClient:
        browser = open_page()
        assert enter(browser, add_clinician(db, name, clinic_id, role)).status_code == 303
        return browser

    return signed_in


def add_clinician(db: Database, name: str, clinic_id: str = CLINIC, role: str = "clinician") -> str:
    """A person who can sign in with PASSWORD; gives the e-mail address."""
    with db.begin() as session:
        made = clinicians.add_clinician(
            session,
            clinic=clinic_id,
            email=f"{name}@{clinic_id}.invalid",
            name=f"Dr {name}",
            role=role,
            password_hash=auth.hash_password(PASSWORD),
        )
        return str(made.email)


def hidden(page: str, name: str) -> str:
    """The value of a hidden field."""
    found = re.search(rf'name="{name}" value="([^"]*)"', page)
    assert found, f"no {name} on the page"
    return found[1]


def enter(browser: TestClient, email: str, password: str = PASSWORD, then: str = "/inbox") -> Any:
    """Sends the sign-in form."""
    page = browser.get("/inbox/sign-in").text
    fields = {"csrf": hidden(page, "csrf"), "email": email, "password": password, "next": then}
    return browser.post("/inbox/sign-in", data=fields)


def press(browser: TestClient, item: str, act: str, **fields: Any) -> Any:
    """Sends one of the item page's forms, with the page's own token and version."""
    page = browser.get(f"/inbox/{item}").text
    base = {"csrf": hidden(page, "csrf")}
    if act == "claim":
        base["version"] = hidden(page, "version") if 'name="version"' in page else "1"
    return browser.post(f"/inbox/{item}/{act}", data={**base, **fields})


def said_to_patient(db: Database, conversation_id: str) -> list[dict[str, Any]]:
    """Every event of the patient's chat."""
    with db.read() as session:
        return [event.as_dict() for event in events.events_after(session, conversation_id, 0)]


def acts(db: Database, item: str) -> list[str]:
    """What the audit has of the item."""
    with db.read() as session:
        return [row.act for row in audit.trail(session, CLINIC, item)]
