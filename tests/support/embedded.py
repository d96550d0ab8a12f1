"""A clinic's page with the loader, a site that the clinic does not name, and what can be seen from there."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import jwt
from playwright.sync_api import Browser, FrameLocator, Page

from bot.content.clinics import Embedding, Identity
from bot.store.models import PatientSession
from bot.web.assets import load_assets
from bot.web.identity import Verifier
from tests.support.host_page import Site, running_site
from tests.support.pages import Tab, open_tab
from tests.support.widget import WidgetServer, embedded_at, running_widget

SECRET = b"a secret of thirty-two bytes or more, for the tests alone"
IDENTITY = Identity("https://clinic.example", "pne-tutor", ("HS256",), secret_variable="PNE_IDENTITY_DEMO")
EXIT = "https://exit.test/weather"
# What the chat told the page around it, and everything that came by postMessage.
LISTEN = """
if (window === top) {
window.told = [];
window.messages = [];
addEventListener("message", (event) => messages.push([event.origin, event.data]));
addEventListener("load", () => {
  for (const type of ["ready", "open", "close", "unread", "handoff", "error"])
    window.PneChat?.on(type, (data) => told.push([type, data]));
});
}
"""


@dataclass
class World:
    """The chat at 127.0.0.1, the clinic's site at localhost, and a site that the clinic does not name."""

    chat: WidgetServer
    site: Site
    evil: Site

    def loader(self, more: str = "", clinic: str = "demo", home: str = "") -> str:
        made = load_assets()["loader.js"]
        return (
            f'<script src="{home or self.chat.url}/w/{made.name}" integrity="{made.integrity}" crossorigin="anonymous" '
            f'data-clinic="{clinic}" {more} defer></script>'
        )

    def token(self, number: int, sub: str = "amina") -> str:
        at = int(self.chat.services.db.clock().timestamp())
        claims = {"iss": IDENTITY.issuer, "aud": IDENTITY.audience, "sub": sub, "iat": at, "exp": at + 300}
        return jwt.encode({**claims, "jti": f"{sub}-{number}", "name": "Amina Example"}, SECRET, "HS256")

    def live_sessions(self) -> int:
        with self.chat.services.db.read() as session:
            return int(session.query(PatientSession).filter(PatientSession.revoked_at.is_(None)).count())


@contextmanager
def running_world(folder: Path) -> Iterator[World]:
    """All three, with the clinics "demo" (names the site, signs its patients in) and "app" (for apps)."""
    with running_site() as site, running_site() as evil:
        fields: dict[str, Any] = {"embedding": embedded_at(site.origin), "identity": IDENTITY, "exit_url": EXIT}
        with running_widget(folder, **fields) as chat:
            demo = chat.services.clinics["demo"]
            chat.services.clinics["app"] = replace(demo, id="app", embedding=Embedding((), webview=True))
            chat.services.identity = Verifier({one: SECRET for one in ("demo", "app")})
            yield World(chat, site, evil)


def open_host(browser: Browser, url: str, **options: Any) -> Tab:
    """The clinic's page, with what it hears written down."""
    tab = open_tab(browser, "about:blank", **options)
    tab.page.add_init_script(LISTEN)
    tab.page.route("https://exit.test/**", lambda route: route.fulfill(body="weather", content_type="text/html"))
    tab.page.goto(url)
    return tab


def launcher(page: Page) -> Any:
    return page.locator("pne-launcher > button, pne-launcher button[aria-expanded]")


def frame(page: Page) -> FrameLocator:
    return page.frame_locator("pne-launcher iframe")


def accept(page: Page) -> None:
    frame(page).locator(".kind-consent .choice:not([aria-disabled])").click()
    frame(page).locator("#input:not([disabled])").wait_for()


def told(page: Page, kind: str) -> list[Any]:
    return [data for one, data in page.evaluate("told") if one == kind]


def until(page: Page, expression: str) -> None:
    page.wait_for_function(expression)


def until_true(page: Page, check: Callable[[], bool]) -> None:
    """Lets the browser's messages in until something is so on our side."""
    for _ in range(2000):
        if check():
            return
        page.wait_for_timeout(10)
    raise AssertionError("it did not come")
