"""The inbox's live streams. They say that something changed, not what: the page fetches its parts again.

Wake-ups inside this process come through the hub. The action server writes to the database from another
process, so the database is asked every second as well. A signature of what the page shows decides whether
to speak.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable

from sqlalchemy.orm import Session
from starlette.requests import Request
from starlette.responses import StreamingResponse

from bot.handoff.items import UnknownHandoff
from bot.store.session import DatabaseUnavailable
from bot.web import auth
from bot.web.services import Services, in_thread
from bot.web.stream import HEARTBEAT

EVERY = 1.0
HEARTBEAT_SECONDS = 15.0
STREAM_SECONDS = 600.0
# A wake-up after which the page is shown anew whatever its signature says.
ACTED = {"acted": True}


def live_response(
    services: Services, token: str, topic: str, have: str, signature: Callable[[Session], str]
) -> StreamingResponse:
    """An SSE response that sends ``changed`` whenever `signature` differs from what the page has."""
    return StreamingResponse(
        changes(services, token, topic, have, signature),
        media_type="text/event-stream",
        headers={"Cache-Control": "no-store", "X-Accel-Buffering": "no"},
    )


async def changes(
    services: Services, token: str, topic: str, have: str, signature: Callable[[Session], str]
) -> AsyncIterator[str]:
    """The stream. It ends when the sign-in does, and by itself after ten minutes: the page opens it again."""
    loop = asyncio.get_running_loop()
    until, spoken = loop.time() + STREAM_SECONDS, loop.time()
    with services.hub.listen(topic) as queue:
        yield "retry: 1000\n\n"
        acted = False
        while loop.time() < until and not services.stopping.is_set():
            try:
                now = await in_thread(_look, services, token, signature)
            except DatabaseUnavailable:
                now = have  # nothing can be said; the next look may
            if now is None:
                yield "event: signed-out\ndata: {}\n\n"
                return
            if now != have or acted:
                have, spoken = now, loop.time()
                yield f"id: {now}\nevent: changed\ndata: {{}}\n\n"
            elif loop.time() - spoken >= HEARTBEAT_SECONDS:
                spoken = loop.time()
                yield HEARTBEAT
            acted = await _next(queue)


def _look(services: Services, token: str, signature: Callable[[Session], str]) -> str | None:
    """The signature now; None where the sign-in is over or the item is gone."""
    if auth.who(services.db, token) is None:
        return None
    try:
        with services.db.read() as session:
            return signature(session)
    except UnknownHandoff:
        return None


async def _next(queue: asyncio.Queue[dict[str, object]]) -> bool:
    """Wait for a wake-up or the next look; of many wake-ups at once make one. Says whether somebody acted."""
    try:
        acted = "acted" in await asyncio.wait_for(queue.get(), EVERY)
    except asyncio.TimeoutError:
        return False
    while not queue.empty():
        acted = "acted" in queue.get_nowait() or acted
    return acted


def have(request: Request) -> str:
    """The signature of what the page shows: from the stream that broke off, or from the page itself."""
    return (request.headers.get("last-event-id") or request.query_params.get("have") or "")[:64]
