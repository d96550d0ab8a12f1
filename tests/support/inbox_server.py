"""The inbox at a real port without Rasa: the web app in this process, a scripted assistant, a database of its own.

Quick to start, so that pages can be looked at by the dozen. The worker does not run unless it is asked for; then
patients' messages are handled too.
"""

from __future__ import annotations

import threading
import time
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import datetime, timedelta, timezone
from pathlib import Path
from typing import Any

import httpx
import uvicorn
from playwright.sync_api import Browser

from bot.content import load_clinics, load_wording
from bot.handoff.climb import CLIMB
from bot.handoff.worker import heartbeat_name
from bot.settings import Settings
from bot.store import clinicians, outbox
from bot.store.models import Clinician
from bot.store.session import Database
from bot.web.app import create_app
from bot.web.inbox.door import COOKIE
from bot.web.limits import Limits
from bot.web.people.auth import Device, open_session
from bot.web.services import Services
from bot.web.silence import SILENCE
from tests.support.database import CLINIC, sqlite_database
from tests.support.pages import Tab, open_tab
from tests.support.stack import free_port

START_SECONDS = 60.0


@dataclass
class SettableClock:
    """The real clock, put forward by hand."""

    ahead: timedelta = timedelta()

    def __call__(self) -> datetime:
        return datetime.now(timezone.utc) + self.ahead


class NobodyThere:
    """An assistant that answers nothing, so that only what the web app itself says is heard."""

    async def say(self, **_asked: Any) -> list[dict[str, Any]]:
        return []

    async def facts(self, _conversation_id: str) -> dict[str, Any]:
        return {}

    async def ready(self) -> bool:
        return True

    async def aclose(self) -> None:
        return None


@dataclass
class InboxServer:
    """A running server: `url`, the database behind it, and its clock."""

    url: str
    db: Database
    clock: SettableClock
    services: Services

    def beat(self) -> None:
        """The worker's parts show life, as if they ran."""
        with self.db.begin() as session:
            for part in ("email", CLIMB, SILENCE):
                outbox.beat(session, heartbeat_name(part))

    def person(self, role: str = "triage", name: str = "Sam Reed", clinic: str = CLINIC) -> Clinician:
        """A new person, who is signed in by `enter`."""
        with self.db.begin() as session:
            return clinicians.add_clinician(
                session,
                clinic=clinic,
                email=f"{uuid.uuid4().hex[:8]}@{clinic}.invalid",
                name=name,
                role=role,
                password_hash="none",
            )

    def enter(self, person: Clinician) -> str:
        """A session's token. These pages are about what comes after the door."""
        with self.db.begin() as session:
            return open_session(session, person, timedelta(hours=8), Device("test"), "password").token

    def open(self, browser: Browser, role: str = "triage", path: str = "/inbox", **options: Any) -> Tab:
        """A tab at `path`, signed in as a new person of the role."""
        tab = open_tab(browser, f"{self.url}/healthz", **options)
        cookie: Any = {"name": COOKIE, "value": self.enter(self.person(role)), "url": f"{self.url}/inbox"}
        tab.page.context.add_cookies([cookie])
        tab.page.mouse.click(5, 5)  # as people do who sign in: the browser lets the next page play a sound
        tab.page.evaluate("url => { location.href = url }", f"{self.url}{path}")
        scripted = options.get("java_script_enabled", True)
        ready = "html.scripted" if scripted else "form[action='/inbox/sign-out']"
        tab.page.locator(ready).wait_for(state="attached")
        tab.errors.clear()
        return tab


@contextmanager
def inbox_server(folder: Path, worker: bool = False, **clinic: Any) -> Iterator[InboxServer]:
    """The server for as long as the block lasts; `clinic` changes the demo clinic."""
    port, clock = free_port(), SettableClock()
    settings = Settings(
        var=str(folder), rasa_secret="s" * 40, secret_key="k" * 40, public_url=f"http://127.0.0.1:{port}"
    )
    demo = load_clinics()["demo"]
    clinics = {"demo": replace(demo, **clinic), "other": replace(demo, id="other")}
    db, nobody, read = sqlite_database(folder, clock), NobodyThere(), lambda text: {"texts": [text]}
    limits = Limits(100_000, 100_000)
    services = Services(settings, db, clinics, load_wording(), nobody, read, limits)  # type: ignore[arg-type]
    app = create_app(settings, services)
    app.state.services = services
    config = uvicorn.Config(
        app, host="127.0.0.1", port=port, log_level="error", lifespan="on" if worker else "off", ws="none"
    )
    server = uvicorn.Server(config)
    thread = threading.Thread(target=server.run, daemon=True)
    thread.start()
    until = time.monotonic() + START_SECONDS
    made = InboxServer(f"http://127.0.0.1:{port}", db, clock, services)
    try:
        while not _answers(made.url):
            assert thread.is_alive() and time.monotonic() < until, "the server did not start"
            time.sleep(0.05)
        made.beat()
        yield made
    finally:
        services.stopping.set()
        server.should_exit = True
        thread.join(15)


def _answers(url: str) -> bool:
    try:
        return httpx.get(f"{url}/healthz", timeout=2).status_code == 200
    except httpx.HTTPError:
        return False
