"""The inbox's queue: what waits for the clinic's people, the gravest tier first."""

from __future__ import annotations

from typing import Any

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from bot.handoff.roles import READ
from bot.web.inbox import live, queue_view
from bot.web.inbox.acts import Desk
from bot.web.inbox.door import COOKIE, PATH, Form, page_of, signed_in
from bot.web.services import in_thread
from bot.web.stream import inbox_topic


def routes() -> list[Route]:
    """The routes of the queue."""
    return [
        Route(PATH, signed_in(show_queue, READ), methods=["GET"]),
        Route(f"{PATH}/queue", signed_in(queue_part, READ, page=False), methods=["GET"]),
        Route(f"{PATH}/live", signed_in(queue_live, READ, page=False), methods=["GET"]),
    ]


async def show_queue(request: Request, desk: Desk, form: Form) -> Response:
    """GET /inbox: the whole page."""
    return await _queue_page(request, desk, "inbox/queue.html")


async def queue_part(request: Request, desk: Desk, form: Form) -> Response:
    """GET /inbox/queue: the part of it that changes."""
    return await _queue_page(request, desk, "inbox/queue_part.html")


async def _queue_page(request: Request, desk: Desk, template: str) -> Response:
    asked = request.query_params.get("page", "1")
    page = int(asked) if asked.isascii() and asked.isdigit() and len(asked) < 6 else 1

    def read() -> dict[str, Any]:
        with desk.db.read() as session:
            return queue_view.queue_view(session, desk, page)

    return page_of(request, template, desk=desk, **await in_thread(read))


async def queue_live(request: Request, desk: Desk, form: Form) -> Response:
    """GET /inbox/live: SSE, ``changed`` when the queue page would look different."""
    clinic = desk.clinic
    return live.live_response(
        desk.services,
        request.cookies[COOKIE],
        inbox_topic(clinic),
        live.have(request),
        lambda session: queue_view.queue_signature(session, clinic),
    )
