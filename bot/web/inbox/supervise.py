"""The page of those who look after the whole: what nobody took, what was not delivered, whether deadlines are met."""

from __future__ import annotations

from typing import Any

from starlette.requests import Request
from starlette.responses import RedirectResponse, Response
from starlette.routing import Route

from bot.handoff.roles import READ, SUPERVISE, may
from bot.store import audit, outbox
from bot.web.inbox import live, supervise_view
from bot.web.inbox.acts import Desk
from bot.web.inbox.door import COOKIE, PATH, Form, page_of, signed_in
from bot.web.services import in_thread
from bot.web.stream import inbox_topic

HERE = f"{PATH}/supervise"
VIEWED = "inbox.supervise"
SAID = ("replayed", "not_replayed")


def routes() -> list[Route]:
    """The routes of the page."""
    return [
        Route(HERE, signed_in(show, SUPERVISE), methods=["GET"]),
        Route(f"{HERE}/part", signed_in(part, SUPERVISE, page=False), methods=["GET"]),
        Route(f"{HERE}/live", signed_in(changes, SUPERVISE, page=False), methods=["GET"]),
        Route(f"{HERE}/replay", signed_in(replay, SUPERVISE), methods=["POST"]),
    ]


async def show(request: Request, desk: Desk, form: Form) -> Response:
    """GET /inbox/supervise: the whole page."""
    said = request.query_params.get("said", "")
    values = await in_thread(_view, desk, True)
    return page_of(request, "inbox/supervise.html", desk=desk, said=said if said in SAID else "", **values)


async def part(request: Request, desk: Desk, form: Form) -> Response:
    """GET /inbox/supervise/part: the part of it that changes."""
    return page_of(request, "inbox/supervise_part.html", desk=desk, **await in_thread(_view, desk, False))


def _view(desk: Desk, whole: bool) -> dict[str, Any]:
    with desk.db.read() as session:
        values = supervise_view.supervise_view(session, desk, may(desk.me.role, READ))
    if whole:
        with desk.db.begin() as session:
            audit.viewed(session, desk.me, VIEWED)
    return values


async def changes(request: Request, desk: Desk, form: Form) -> Response:
    """GET /inbox/supervise/live: SSE, ``changed`` when the page would look different."""
    return live.live_response(
        desk,
        request.cookies[COOKIE],
        inbox_topic(desk.clinic),
        live.have(request),
        lambda session: supervise_view.supervise_signature(session, desk),
    )


async def replay(request: Request, desk: Desk, form: Form) -> Response:
    """POST /inbox/supervise/replay: a dead letter is tried again from the beginning. Twice is no error."""

    def again() -> bool:
        with desk.db.begin() as session:
            return outbox.replay(session, form.get("notice", ""), clinic=desk.clinic, actor=desk.me.id)

    said = "replayed" if await in_thread(again) else "not_replayed"
    desk.services.hub.wake(inbox_topic(desk.clinic), live.ACTED)
    return RedirectResponse(f"{HERE}?said={said}", 303)
