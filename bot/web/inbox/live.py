"""The inbox's live streams. They say that something changed, not what: the page fetches its parts again.

Wake-ups inside this process come through the hub. The worker and the action server write to the database from other
places, so the database is asked every second as well. A signature of what the page shows decides whether to speak.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Callable
from functools import partial
from typing import Any

from sqlalchemy.orm import Session
from starlette.requests import Request
from starlette.responses import StreamingResponse

from bot.handoff.items import UnknownHandoff
from bot.store.session import Database, DatabaseUnavailable
from bot.web.inbox.acts import Desk
from bot.web.people import auth
from bot.web.services import in_thread
from bot.web.stream import HEARTBEAT

EVERY = 1.0
HEARTBEAT_SECONDS = 15.0
STREAM_SECONDS = 600.0
# A wake-up after which the page is shown anew whatever its signature says.
ACTED = {"acted": True}
# A wake-up that is passed on to the page as it is: it is not stored anywhere.
TYPING = "typing"

# Whether this sign-in may still listen (None: no). By default one that is neither over nor locked.
Allowed = Callable[[Database, str], object | None]


def live_response(
    desk: Desk, token: str, topic: str, have: str, signature: Callable[[Session], str], allowed: Allowed | None = None
) -> StreamingResponse:
    """An SSE response that sends ``changed`` whenever `signature` differs from what the page has."""
    return StreamingResponse(
        changes(desk, token, topic, have, signature, allowed),
        media_type="text/event-stream",
        headers={"Cache-Control": "no-store", "X-Accel-Buffering": "no"},
    )


async def changes(
    desk: Desk, token: str, topic: str, have: str, signature: Callable[[Session], str], allowed: Allowed | None = None
) -> AsyncIterator[str]:
    """The stream. It ends when the sign-in does or is locked (unless `allowed` says otherwise), and by itself after ten
    minutes: the page opens it again."""
    may_listen = allowed or partial(auth.in_use, idle=desk.services.settings.idle)
    loop = asyncio.get_running_loop()
    until, spoken = loop.time() + STREAM_SECONDS, loop.time()
    with desk.services.hub.listen(topic) as queue:
        yield "retry: 1000\n\n"
        heard: dict[str, Any] = {}
        while loop.time() < until and not desk.services.stopping.is_set():
            if TYPING in heard:
                yield f"event: {TYPING}\ndata: {json.dumps(heard[TYPING])}\n\n"
            try:
                now = await in_thread(_look, desk.db, token, signature, may_listen)
            except DatabaseUnavailable:
                now = have  # nothing can be said; the next look may
            if now is None:
                yield "event: signed-out\ndata: {}\n\n"
                return
            if now != have or "acted" in heard:
                have, spoken = now, loop.time()
                yield f"id: {now}\nevent: changed\ndata: {{}}\n\n"
            elif loop.time() - spoken >= HEARTBEAT_SECONDS:
                spoken = loop.time()
                yield HEARTBEAT
            heard = await _next(queue)


def _look(db: Database, token: str, signature: Callable[[Session], str], allowed: Allowed) -> str | None:
    """The signature now; None where the sign-in is over or the item is gone."""
    if allowed(db, token) is None:
        return None
    try:
        with db.read() as session:
            return signature(session)
    except UnknownHandoff:
        return None


async def _next(queue: asyncio.Queue[dict[str, Any]]) -> dict[str, Any]:
    """Wait for a wake-up or the next look; of many wake-ups at once make one. Gives what they said."""
    try:
        heard = dict(await asyncio.wait_for(queue.get(), EVERY))
    except asyncio.TimeoutError:
        return {}
    while not queue.empty():
        heard |= queue.get_nowait()
    return heard


def have(request: Request) -> str:
    """The signature of what the page shows: from the stream that broke off, or from the page itself."""
    return (request.headers.get("last-event-id") or request.query_params.get("have") or "")[:64]
