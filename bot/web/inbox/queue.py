"""The inbox's queue: what waits for the clinic's people, the gravest tier first."""

from __future__ import annotations

import threading
from collections import OrderedDict
from dataclasses import dataclass, field
from functools import partial
from typing import Any

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from bot.handoff.roles import READ, SUPERVISE, may
from bot.store import audit
from bot.store.handoffs import SECTIONS
from bot.web.inbox import calls, live, queue_view
from bot.web.inbox.acts import Desk
from bot.web.inbox.door import COOKIE, PATH, Form, page_of, signed_in
from bot.web.services import in_thread
from bot.web.stream import inbox_topic

VIEWED = "inbox.queue"


@dataclass
class Shown:
    """Which items each sign-in has been shown, so that a page that refreshes itself does not fill the audit. What is
    forgotten here is recorded once more, never once too little."""

    most_sessions: int = 1_000
    most_items: int = 5_000
    _items: OrderedDict[str, frozenset[str]] = field(default_factory=OrderedDict)
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def new(self, session: str, items: list[str]) -> list[str]:
        """The items of these that this sign-in has not been shown."""
        seen = self._items.get(session, frozenset())
        return [item for item in items if item not in seen]

    def remember(self, session: str, items: list[str]) -> None:
        """This sign-in has been shown these, and that is recorded."""
        with self._lock:
            seen = self._items.pop(session, frozenset()).union(items)
            self._items[session] = seen if len(seen) <= self.most_items else frozenset(items)
            while len(self._items) > self.most_sessions:
                self._items.popitem(last=False)


def routes() -> list[Route]:
    """The routes of the queue."""
    shown = Shown()
    page, part = partial(show_queue, shown=shown), partial(queue_part, shown=shown)
    return [
        Route(PATH, signed_in(page, READ), methods=["GET"], name="queue"),
        Route(f"{PATH}/queue", signed_in(part, READ, page=False), methods=["GET"]),
        Route(f"{PATH}/calls", signed_in(calls_part, None, page=False), methods=["GET"]),
        Route(f"{PATH}/live", signed_in(queue_live, READ, page=False), methods=["GET"]),
    ]


async def show_queue(request: Request, desk: Desk, form: Form, shown: Shown) -> Response:
    """GET /inbox: the whole page. ``?show=`` one section, ``?page=`` one page of it."""
    values = await in_thread(_view, request, desk, shown, True)
    return page_of(request, "inbox/queue.html", desk=desk, **values)


async def queue_part(request: Request, desk: Desk, form: Form, shown: Shown) -> Response:
    """GET /inbox/queue: the part of it that changes."""
    values = await in_thread(_view, request, desk, shown, False)
    return page_of(request, "inbox/queue_part.html", desk=desk, **values)


async def calls_part(request: Request, desk: Desk, form: Form) -> Response:
    """GET /inbox/calls: what every page counts and rings for. Nothing for who neither reads nor supervises."""
    watches = may(desk.me.role, READ) or may(desk.me.role, SUPERVISE)

    def read() -> calls.Calls:
        with desk.db.read() as session:
            return calls.calls(session, desk.clinic)

    found = await in_thread(read) if watches else calls.Calls(0, 0, "")
    return page_of(request, "inbox/calls_part.html", desk=desk, calls=found)


def _view(request: Request, desk: Desk, shown: Shown, whole: bool) -> dict[str, Any]:
    asked = request.query_params.get("page", "1")
    page = int(asked) if asked.isascii() and asked.isdigit() and len(asked) < 6 else 1
    section = request.query_params.get("show", "")
    with desk.db.read() as session:
        values = queue_view.queue_view(session, desk, section if section in SECTIONS else "", page)
    new = values["ids"] if whole else shown.new(desk.csrf, values["ids"])
    if whole or new:
        with desk.db.begin() as session:
            audit.viewed(session, desk.me, VIEWED, new, refresh=not whole)
        shown.remember(desk.csrf, new)
    return values


async def queue_live(request: Request, desk: Desk, form: Form) -> Response:
    """GET /inbox/live: SSE, ``changed`` when the queue page would look different."""
    return live.live_response(
        desk,
        request.cookies[COOKIE],
        inbox_topic(desk.clinic),
        live.have(request),
        lambda session: queue_view.queue_signature(session, desk),
    )
