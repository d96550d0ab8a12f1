"""People at the inbox's door: forms filled in as a browser does, codes as an app gives them."""

from __future__ import annotations

import re
from html import unescape
from typing import Any

from starlette.testclient import TestClient

from bot.store import audit, clinicians
from bot.store.models import Clinician
from bot.store.session import Database
from bot.web.people import second_factor
from tests.support.database import CLINIC, HandClock
from tests.support.inbox import PASSWORD, add_clinician, enter, hidden

NEW_PASSWORD = "another quite long password"


def person_of(db: Database, email: str) -> Clinician:
    """The person as the database has them now."""
    with db.read() as session:
        found = clinicians.clinician_by_email(session, email)
        assert found is not None
        return found


def trail(db: Database, email: str) -> list[str]:
    """What the audit has of the person."""
    with db.read() as session:
        return [row.act for row in audit.trail(session, CLINIC, person_of(db, email).id)]


def send(browser: TestClient, page: str, action: str, **fields: Any) -> Any:
    """Sends a form of `page` to `action`, with the page's own token."""
    return browser.post(action, data={"csrf": hidden(browser.get(page).text, "csrf"), **fields})


def secret_on(page: str) -> str:
    """The secret of the app that a page shows as text."""
    found = re.search(r'factor-secret">([A-Z2-7 ]+)<', page)
    assert found
    return found[1].replace(" ", "")


def recovery_on(page: str) -> list[str]:
    """The recovery codes that a page shows."""
    return re.findall(r"<li><code>([a-z2-9-]+)</code></li>", page)


def link_on(page: str) -> str:
    """The path of the invitation that a page shows."""
    found = re.search(r'value="([^"]*/inbox/invitation/[^"]+)"', page)
    assert found
    return "/inbox" + unescape(found[1]).split("/inbox", 1)[1]


def code_now(secret: str, clock: HandClock, steps: int = 0) -> str:
    """The code that the app shows, some 30-second steps from now."""
    return second_factor.code_at(secret, second_factor.step_of(clock()) + steps)


def set_up_app(browser: TestClient, clock: HandClock) -> tuple[str, list[str]]:
    """A signed-in person sets an app up at their own account; gives the secret and the recovery codes."""
    page = send(browser, "/inbox/me", "/inbox/me/factor", password=PASSWORD).text
    secret = secret_on(page)
    fields = {"csrf": hidden(page, "csrf"), "offer": hidden(page, "offer"), "code": code_now(secret, clock)}
    done = browser.post("/inbox/me/factor/confirm", data=fields)
    assert done.status_code == 200
    return secret, recovery_on(done.text)


def with_app(open_page: Any, db: Database, clock: HandClock, name: str, **more: Any) -> tuple[str, str, list[str]]:
    """A person who has an app: e-mail address, secret, recovery codes."""
    email, browser = add_clinician(db, name, **more), open_page()
    assert enter(browser, email).status_code == 303
    secret, codes = set_up_app(browser, clock)
    clock.move(seconds=60)
    return email, secret, codes


def give_code(browser: TestClient, code: str) -> Any:
    """Sends the second step's form."""
    page = browser.get("/inbox/sign-in/code")
    assert page.status_code == 200, page.headers.get("location")
    return browser.post("/inbox/sign-in/code", data={"csrf": hidden(page.text, "csrf"), "code": code})
