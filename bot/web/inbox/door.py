"""The inbox's door: sign-in, session cookie, CSRF, forms, and the frame that every inbox page is made in."""

from __future__ import annotations

import re
import secrets
from collections.abc import Awaitable, Callable
from datetime import timedelta
from functools import lru_cache
from typing import Any
from urllib.parse import parse_qsl, urlencode

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response
from starlette.routing import Route
from starlette.templating import Jinja2Templates

from bot.content.inbox import load_inbox_wording
from bot.handoff import roles
from bot.handoff.items import UnknownHandoff
from bot.store import clinicians
from bot.store.session import DatabaseUnavailable
from bot.web import auth
from bot.web.inbox.acts import Desk
from bot.web.pages import HERE
from bot.web.services import Services, in_thread

COOKIE = "pne_inbox"
# Before anybody is signed in, the form's token is bound to this cookie.
FORM_COOKIE = "pne_inbox_form"
PATH = "/inbox"
SIGN_IN = f"{PATH}/sign-in"
MOST_BYTES = 65_536
_ITEM = re.compile(r"/inbox/[0-9a-f-]{36}")

Form = dict[str, str]
Handler = Callable[[Request, Desk, Form], Awaitable[Response]]


def routes() -> list[Route]:
    """The routes of signing in and out."""
    return [
        Route(SIGN_IN, show_sign_in, methods=["GET"]),
        Route(SIGN_IN, sign_in, methods=["POST"]),
        Route(f"{PATH}/sign-out", signed_in(sign_out, None), methods=["POST"]),
    ]


async def show_sign_in(request: Request) -> Response:
    """GET /inbox/sign-in."""
    services: Services = request.app.state.services
    try:
        if await in_thread(auth.who, services.db, request.cookies.get(COOKIE, "")):
            return RedirectResponse(PATH, 303)
    except DatabaseUnavailable:
        pass  # the form is shown; signing in will say what is wrong
    said = "signed_out" if "out" in request.query_params else ""
    return _sign_in_page(request, _next(request.query_params.get("next")), said=said)


async def sign_in(request: Request) -> Response:
    """POST /inbox/sign-in. The answer is the same whether the address, the password or both are wrong."""
    services: Services = request.app.state.services
    form = await _form(request)
    if form is None:
        return problem(request, "form", 400)
    if not _matches(request.cookies.get(FORM_COOKIE), form.get("csrf")):
        return problem(request, "forbidden", 403)
    email, then = form.get("email", "")[:320], _next(form.get("next"))
    address = request.client.host if request.client else ""
    wait = services.sign_in_limits.wait(clinicians.address(email), address)
    if wait:
        return _sign_in_page(request, then, email, "too_many", 429, wait)
    lifetime = timedelta(hours=services.settings.clinician_hours)
    try:
        signed = await in_thread(auth.sign_in, services.db, email, form.get("password", ""), lifetime)
        if signed is None:
            return _sign_in_page(request, then, email, "refused", 403)
        await in_thread(auth.sign_out, services.db, request.cookies.get(COOKIE, ""))
    except DatabaseUnavailable:
        return problem(request, "database", 503)
    response = RedirectResponse(then, 303)
    _set_cookie(request, response, COOKIE, signed.token, int(lifetime.total_seconds()))
    response.delete_cookie(FORM_COOKIE, path=PATH)
    return response


async def sign_out(request: Request, desk: Desk, form: Form) -> Response:
    """POST /inbox/sign-out."""
    await in_thread(auth.sign_out, desk.services.db, request.cookies.get(COOKIE, ""))
    response = RedirectResponse(f"{SIGN_IN}?out=1", 303)
    response.delete_cookie(COOKIE, path=PATH)
    return response


def signed_in(handler: Handler, needs: str | None, page: bool = True) -> Callable[[Request], Awaitable[Response]]:
    """For signed-in people with the right `needs` alone (None: anybody's own account): first the sign-in, then the
    right, then the form's CSRF token. Errors are pages. `page`: False for parts and streams, which go nowhere else."""

    async def endpoint(request: Request) -> Response:
        services: Services = request.app.state.services
        form: Form | None = {}
        desk: Desk | None = None
        try:
            token = request.cookies.get(COOKIE, "")
            who = await in_thread(auth.who, services.db, token) if token else None
            if who is None:
                return _not_signed_in(request, page)
            desk = Desk(services, who.clinician, who.csrf, load_inbox_wording())
            if needs is not None and not roles.may(desk.me.role, needs):
                return problem(request, "no_right", 403, desk)
            if request.method == "POST":
                form = await _form(request)
                if form is None:
                    return problem(request, "form", 400, desk)
                if not auth.csrf_matches(desk.csrf, form.get("csrf")):
                    return problem(request, "forbidden", 403, desk)
            return await handler(request, desk, form or {})
        except UnknownHandoff:
            return problem(request, "not_found", 404, desk)
        except DatabaseUnavailable:
            return problem(request, "database", 503, desk)

    return endpoint


def _not_signed_in(request: Request, page: bool) -> Response:
    if request.method == "POST" or not page:
        return problem(request, "signed_out", 401)
    if COOKIE not in request.cookies and request.headers.get("sec-fetch-site") == "cross-site":
        # A link in a web mailer: the browser keeps a SameSite=Strict cookie back. Opening the page once more
        # from here brings it along.
        return page_of(request, "inbox/opening.html", here=request.url.path)
    return RedirectResponse(f"{SIGN_IN}?{urlencode({'next': request.url.path})}", 303)


async def _form(request: Request) -> Form | None:
    """The fields of a plain form; None for anything else, or for one that is too large."""
    kind = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if kind != "application/x-www-form-urlencoded":
        return None
    raw = b""
    async for chunk in request.stream():
        raw += chunk
        if len(raw) > MOST_BYTES:
            return None
    try:
        return dict(parse_qsl(raw.decode("ascii"), keep_blank_values=True, max_num_fields=20))
    except ValueError:
        return None


def page_of(
    request: Request, template: str, status: int = 200, desk: Desk | None = None, **shown: Any
) -> Response:
    """An inbox page (or part of one) with the inbox's wording; never kept by any cache."""
    words = load_inbox_wording()
    services: Services = request.app.state.services
    context = {
        "t": words.texts,
        "text": words.text,
        "word": words.word,
        "counted": words.counted,
        "desk": desk,
        "clinic": services.clinic(desk.clinic) if desk else None,
        "now": services.db.clock().isoformat(timespec="seconds"),
        "version": request.app.version,
        **shown,
    }
    response = _templates().TemplateResponse(request, template, context, status)
    response.headers["Cache-Control"] = "no-store"
    return response


def problem(request: Request, key: str, status: int, desk: Desk | None = None) -> Response:
    """A page that says what did not work."""
    return page_of(request, "inbox/problem.html", status, desk=desk, problem=key)


def _sign_in_page(
    request: Request, then: str, email: str = "", said: str = "", status: int = 200, seconds: int = 0
) -> Response:
    words = load_inbox_wording()
    keys = {"refused": "sign_in_refused", "too_many": "sign_in_too_many", "signed_out": "signed_out"}
    message = words.text(keys[said], seconds=seconds) if said else ""
    csrf = request.cookies.get(FORM_COOKIE) or secrets.token_urlsafe(32)
    shown: dict[str, Any] = {
        "then": then,
        "email": email,
        "message": message,
        "alarm": status != 200,
        "csrf": csrf,
    }
    response = page_of(request, "inbox/sign_in.html", status, **shown)
    if seconds:
        response.headers["Retry-After"] = str(seconds)
    _set_cookie(request, response, FORM_COOKIE, csrf, None)
    return response


def _set_cookie(request: Request, response: Response, name: str, value: str, seconds: int | None) -> None:
    services: Services = request.app.state.services
    secure = services.settings.production
    response.set_cookie(name, value, seconds, path=PATH, secure=secure, httponly=True, samesite="strict")


def _matches(expected: str | None, given: str | None) -> bool:
    return bool(expected) and auth.csrf_matches(expected or "", given)


def _next(asked: str | None) -> str:
    """Where to go after signing in: an item of the inbox, or the inbox. Never another place."""
    return asked if asked and _ITEM.fullmatch(asked) else PATH


@lru_cache(maxsize=1)
def _templates() -> Jinja2Templates:
    # A misspelt key must fail in a test, not leave a gap on a page.
    environment = Environment(
        loader=FileSystemLoader(HERE / "templates"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    return Jinja2Templates(env=environment)
