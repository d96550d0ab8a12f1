"""The real web app with a scripted assistant in this process, for browser tests of the chat that need no Rasa."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import uvicorn

from bot.content import Clinic
from bot.content.clinics import Embedding
from bot.store import events
from bot.store.models import Conversation
from bot.web.app import create_app
from bot.web.services import Services
from tests.support.patient_api import ScriptedRasa, make_services
from tests.support.stack import free_port


@dataclass
class _Assistant(ScriptedRasa):
    """Also closes and is ready, as the real line to Rasa."""

    async def aclose(self) -> None:
        """Nothing is open."""

    async def ready(self) -> bool:
        return True


@dataclass
class WidgetServer:
    """A running app. `rasa.replies` is what the assistant says next."""

    url: str
    services: Services
    rasa: ScriptedRasa
    server: uvicorn.Server = field(repr=False)

    def newest(self) -> str:
        """The id of the conversation that was opened last."""
        with self.services.db.read() as session:
            return str(session.query(Conversation).order_by(Conversation.created_at.desc(), Conversation.id).first().id)

    def push(self, conversation: str, body: dict[str, Any], author: str = events.BOT) -> int:
        """Says something into a conversation, as the server would; gives its number."""
        with self.services.db.begin() as session:
            added = events.append_event(session, conversation, type=events.MESSAGE, author=author, body=body)
            seq = int(added.event.seq)
        loop = self.services_loop
        loop.call_soon_threadsafe(self.services.news, conversation)
        return seq

    @property
    def services_loop(self) -> Any:
        return self.server.loop_of_app  # type: ignore[attr-defined]


class _Server(uvicorn.Server):
    async def startup(self, sockets: Any = None) -> None:
        import asyncio

        self.loop_of_app = asyncio.get_running_loop()
        await super().startup(sockets)

    def install_signal_handlers(self) -> None:
        """This one runs beside the tests: Ctrl-C is theirs."""


@contextmanager
def running_widget(folder: Path, port: int = 0, **clinic: Any) -> Iterator[WidgetServer]:
    """Starts the app over a new database; `clinic` overrides fields of the demo clinic."""
    rasa = _Assistant()
    services = make_services(folder, rasa)
    demo: Clinic = services.clinics["demo"]
    services.clinics = {**services.clinics, "demo": replace(demo, **clinic)} if clinic else services.clinics
    port = port or free_port()
    app = create_app(services.settings, services)
    config = uvicorn.Config(app, "127.0.0.1", port, log_level="warning", timeout_graceful_shutdown=1, ws="none")
    server = _Server(config)
    thread = threading.Thread(target=server.run, daemon=True)
    thread.start()
    until = time.monotonic() + 120
    while not server.started:
        if time.monotonic() > until or not thread.is_alive():
            raise AssertionError("the app did not start")
        time.sleep(0.02)
    try:
        yield WidgetServer(f"http://127.0.0.1:{port}", services, rasa, server)
    finally:
        server.should_exit = True
        thread.join(10)


def embedded_at(*origins: str, webview: bool = False) -> Embedding:
    """A clinic's permission for these pages to show its chat."""
    return Embedding(origins, webview)
