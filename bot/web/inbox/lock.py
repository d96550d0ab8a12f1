"""The locked inbox: nothing of any patient, but it goes on counting and ringing, as a display on a wall must."""

from __future__ import annotations

from functools import partial
from typing import Any

from starlette.requests import Request
from starlette.responses import JSONResponse, RedirectResponse, Response
from starlette.routing import Route

from bot.store.session import Database
from bot.web.inbox import door, kept, live
from bot.web.inbox.acts import Desk
from bot.web.inbox.door import COOKIE, LOCK, PATH, Form, page_of, signed_in
from bot.web.inbox.lock_view import lock_signature, lock_view
from bot.web.people import auth
from bot.web.people.auth import Who
from bot.web.services import in_thread
from bot.web.stream import inbox_topic


def routes() -> list[Route]:
    """The routes of the lock. A locked session may ask for them, and for signing out, and for nothing else."""
    locked: dict[str, Any] = {"needs": None, "locked": True}
    return [
        Route(LOCK, signed_in(show_lock, **locked), methods=["GET"]),
        Route(LOCK, signed_in(unlock, **locked), methods=["POST"]),
        Route(f"{LOCK}/part", signed_in(lock_part, page=False, **locked), methods=["GET"]),
        Route(f"{LOCK}/live", signed_in(lock_live, page=False, **locked), methods=["GET"]),
        Route(f"{PATH}/stay", signed_in(stay, None), methods=["POST"]),
    ]


async def show_lock(request: Request, desk: Desk, form: Form) -> Response:
    """GET /inbox/lock (next): asks who is there."""
    then = door.after(request.query_params.get("next"), desk.me.role)
    if not request.state.locked:
        return RedirectResponse(then, 303)
    return await door.lock_page(request, desk, then)


async def unlock(request: Request, desk: Desk, form: Form) -> Response:
    """POST /inbox/lock (password, next; kept: what was in a form that came while it was locked)."""
    then, sealed = door.after(form.get("next"), desk.me.role), form.get("kept", "")
    found = kept.opened(desk.services.settings.secret_key, request.state.session_id, sealed)
    sealed = sealed if found else ""
    if request.state.locked:
        wait = door.too_soon_inside(request, f"inside {desk.me.id}")
        if wait:
            words = desk.words.text("sign_in_too_many", seconds=wait)
            response = await door.lock_page(request, desk, then, words, 429, sealed)
            response.headers["Retry-After"] = str(wait)
            return response
        token = request.cookies[COOKIE]
        refused = await in_thread(auth.unlock, desk.db, token, desk.me, form.get("password", ""))
        if refused is not None:
            words = desk.words.text("unlock_refused")
            page = await door.lock_page(request, desk, then, words, 403, sealed)
            return door.count_refusal(request, page, refused)
        request.state.locked = False
        request.state.idle_seconds = int(desk.services.settings.idle.total_seconds()) + 1
    if found is None:
        return RedirectResponse(then, 303)
    path, fields = found
    return page_of(request, "inbox/kept.html", desk=desk, then=then, path=path, kept=fields)


async def lock_part(request: Request, desk: Desk, form: Form) -> Response:
    """GET /inbox/lock/part: the counts alone."""
    return page_of(request, "inbox/lock_part.html", desk=desk, **await in_thread(lock_view, desk))


async def lock_live(request: Request, desk: Desk, form: Form) -> Response:
    """GET /inbox/lock/live: SSE, ``changed`` when there is something new to count or ring for; it ends as soon as the
    session is opened again, in this window or in another one."""

    def still_locked(db: Database, token: str) -> Who | None:
        found = auth.who(db, token)
        idle = desk.services.settings.idle
        return found if found is not None and found.locked(db.clock(), idle) else None

    token, topic, have = request.cookies[COOKIE], inbox_topic(desk.clinic), live.have(request)
    return live.live_response(desk, token, topic, have, partial(lock_signature, desk=desk), still_locked)


async def stay(request: Request, desk: Desk, form: Form) -> Response:
    """POST /inbox/stay: the person is still there. Says how many seconds the page may go without use now."""
    return JSONResponse({"idle_seconds": request.state.idle_seconds}, headers={"Cache-Control": "no-store"})
