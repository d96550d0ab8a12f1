"""The inbox's door: session cookie, lock, rights, CSRF, forms, and the frame that every inbox page is made in.

Before anybody is signed in there is no clinic: `unbound` is the only way to the database that is not bound to one.
"""

from __future__ import annotations

import math
import re
import secrets
from collections.abc import Awaitable, Callable
from functools import lru_cache
from typing import Any
from urllib.parse import parse_qsl, urlencode

import structlog
from jinja2 import Environment, FileSystemLoader, StrictUndefined
from starlette.background import BackgroundTask
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response
from starlette.templating import Jinja2Templates

from bot.content.inbox import load_inbox_wording
from bot.handoff import roles
from bot.handoff.items import UnknownHandoff
from bot.store.session import Database, DatabaseUnavailable
from bot.web.inbox import kept
from bot.web.inbox.acts import Desk
from bot.web.inbox.lock_view import lock_view
from bot.web.pages import HERE
from bot.web.people import auth, devices
from bot.web.people.auth import Device, Refused, SignedIn, Who
from bot.web.services import Services, in_thread

log = structlog.get_logger(__name__)
COOKIE = "pne_inbox"
# Before anybody is signed in, the form's token is bound to this cookie.
FORM_COOKIE = "pne_inbox_form"
# Between password and code; and what says that a browser was signed in before.
HALF_COOKIE, DEVICE_COOKIE = "pne_inbox_half", "pne_inbox_device"
PATH = "/inbox"
SIGN_IN, LOCK = f"{PATH}/sign-in", f"{PATH}/lock"
MOST_BYTES = 65_536
# A click is not written down if the one before it was so many seconds ago.
TOUCH_EVERY = 10.0
# In the address of a page that has opened itself again: nobody has done anything.
STILL = "still"
_HERE = re.compile(r"/inbox(?:/[A-Za-z0-9_-]{1,64}){0,4}")

Form = dict[str, str]
Handler = Callable[[Request, Desk, Form], Awaitable[Response]]


def signed_in(
    handler: Handler,
    needs: str | None,
    page: bool = True,
    locked: bool = False,
    reads: Callable[[Request], Awaitable[Form | None]] | None = None,
) -> Callable[[Request], Awaitable[Response]]:
    """For signed-in people with the right `needs` alone (None: anybody's own account): first the sign-in, then the
    form's CSRF token, then the lock, then the right. Errors are pages.

    `page`: False for parts and streams: they go nowhere else, and only a POST counts as something that the person did.
    `locked`: True for the few that a locked session may still ask for. `reads` reads the form, where it is larger.
    """

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
            if request.method == "POST":
                form = await (reads or form_of)(request)
                if form is None:
                    return problem(request, "form", 400, desk)
                if not auth.csrf_matches(desk.csrf, form.get("csrf")):
                    return problem(request, "forbidden", 403, desk)
            request.state.session_id = who.session_id
            request.state.locked = who.locked(services.db.clock(), services.settings.idle)
            if request.state.locked and not locked:
                return await _locked(request, desk, form or {}, page)
            if needs is not None and not roles.may(desk.me.role, needs):
                return problem(request, "no_right", 403, desk)
            by_hand = (page or request.method == "POST") and not locked and STILL not in request.query_params
            await _count_use(request, services, who, token, by_hand)
            return await handler(request, desk, form or {})
        except UnknownHandoff:
            return problem(request, "not_found", 404, desk)
        except DatabaseUnavailable:
            return problem(request, "database", 503, desk)

    endpoint.needs = needs  # type: ignore[attr-defined]
    return endpoint


async def _count_use(request: Request, services: Services, who: Who, token: str, moves: bool) -> None:
    """Note that the person did something, and how many seconds are left until the lock."""
    unused = (services.db.clock() - who.used_at).total_seconds()
    if moves and unused >= TOUCH_EVERY:
        await in_thread(auth.touch, services.db, token)
        unused = 0.0
    # A second more: whoever looks then finds the lock, and not a page that it opens by looking.
    request.state.idle_seconds = math.ceil(services.settings.idle.total_seconds() - unused) + 1


def _not_signed_in(request: Request, page: bool) -> Response:
    if request.method == "POST" or not page:
        return problem(request, "signed_out", 401)
    if COOKIE not in request.cookies and request.headers.get("sec-fetch-site") == "cross-site":
        # A link in a web mailer: the browser keeps a SameSite=Strict cookie back. Opening the page once more
        # from here brings it along.
        return opening(request, request.url.path)
    return RedirectResponse(f"{SIGN_IN}?{urlencode({'next': request.url.path})}", 303)


async def _locked(request: Request, desk: Desk, form: Form, page: bool) -> Response:
    """To the lock; what was in a form is kept on its page, sealed, until the person has shown themselves."""
    path = request.url.path
    if not page:
        return problem(request, "locked", 401, desk)
    if request.method != "POST":
        return RedirectResponse(f"{LOCK}?{urlencode({'next': path})}", 303)
    keys = desk.services.settings.secret_key
    sealed = kept.sealed(keys, request.state.session_id, path, form) if local(path) else ""
    words = desk.words.text("lock_not_sent" if sealed else "lock_not_kept")
    return await lock_page(request, desk, home(desk.me.role), words, 401, sealed)


async def lock_page(
    request: Request, desk: Desk, then: str, message: str = "", status: int = 200, sealed: str = ""
) -> Response:
    """The page of a locked session. `sealed`: the form that was not sent, which this page carries."""
    shown = {"then": then, "message": message, "sealed": sealed}
    return page_of(request, "inbox/lock.html", status, desk=desk, **shown, **await in_thread(lock_view, desk))


async def form_of(request: Request) -> Form | None:
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
        "rights": roles.ROLES.get(desk.me.role, frozenset()) if desk else frozenset(),
        "home": home(desk.me.role) if desk else SIGN_IN,
        "locked": getattr(request.state, "locked", False),
        "idle_seconds": getattr(request.state, "idle_seconds", 0),
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


def opening(request: Request, path: str) -> Response:
    """A page that opens `path` from this site, so that the browser sends the strict cookies along."""
    return page_of(request, "inbox/opening.html", here=path)


# Pages before the sign-in


def unbound(request: Request) -> Database:
    """The database as it is before it is known whose clinic it is about: for signing in alone."""
    services: Services = request.app.state.services
    return services.db


def form_page(request: Request, template: str, status: int = 200, **shown: Any) -> Response:
    """A page with a form for somebody who is not signed in: its token is bound to a cookie of its own."""
    csrf = request.cookies.get(FORM_COOKIE) or secrets.token_urlsafe(32)
    response = page_of(request, template, status, csrf=csrf, **shown)
    set_cookie(request, response, FORM_COOKIE, csrf, None)
    return response


async def posted(request: Request) -> Form | Response:
    """The fields of such a form, or the page that says why they are not taken."""
    form = await form_of(request)
    if form is None:
        return problem(request, "form", 400)
    expected = request.cookies.get(FORM_COOKIE)
    if not expected or not auth.csrf_matches(expected, form.get("csrf")):
        return problem(request, "forbidden", 403)
    return form


def enter(request: Request, response: Response, signed: SignedIn) -> Response:
    """Puts the new session into the browser, in the place of anything that was there before."""
    services: Services = request.app.state.services
    set_cookie(request, response, COOKIE, signed.token, services.settings.clinician_hours * 3_600)
    mark = devices.new_mark(services.settings.secret_key, signed.clinician.id)
    if mark is not None:
        set_cookie(request, response, DEVICE_COOKIE, mark, devices.KEPT_DAYS * 86_400)
    for name in (FORM_COOKIE, HALF_COOKIE):
        response.delete_cookie(name, path=PATH)
    return response


def count_refusal(request: Request, response: Response, refused: Refused) -> Response:
    """The refusal is written down once the answer is on its way: its time tells nobody whether there is such a
    person."""
    db = unbound(request)

    def write() -> None:
        try:
            auth.refuse(db, refused)
        except DatabaseUnavailable as error:
            log.error("refusal_not_recorded", cause=str(error))

    response.background = BackgroundTask(write)
    return response


def device_of(request: Request) -> Device:
    """The browser that asks."""
    services: Services = request.app.state.services
    mark = request.cookies.get(DEVICE_COOKIE, "")
    return devices.device(services.settings.secret_key, request.headers.get("user-agent", ""), mark)


def too_soon(request: Request, who: str, person: str | None) -> int:
    """Seconds to wait before the next try to sign in; 0 lets it in and counts it. `who`: what the try is counted by;
    `person`: the id of whose password it is for, if it is known. A browser in which they have signed in before counts
    alone: whoever else is behind the same network address must not keep the person on call out."""
    services: Services = request.app.state.services
    known = known_device(request)
    if known is not None and known[0] == person:
        return services.sign_in_limits.wait(known[1], None)
    return services.sign_in_limits.wait(who, address_of(request))


def too_soon_inside(request: Request, who: str) -> int:
    """The same for somebody who is signed in."""
    services: Services = request.app.state.services
    return services.sign_in_limits.wait(who, None)


def known_device(request: Request) -> tuple[str, str] | None:
    """Who has signed in with this browser before (a person's id), and the name by which its tries are counted."""
    services: Services = request.app.state.services
    return devices.known(services.settings.secret_key, request.cookies.get(DEVICE_COOKIE, ""))


def address_of(request: Request) -> str:
    """The network address that asks."""
    return request.client.host if request.client else ""


def set_cookie(
    request: Request, response: Response, name: str, value: str, seconds: int | None, lax: bool = False
) -> None:
    """A cookie of the inbox: no script reads it, no other path or host gets it, and in production only TLS carries it.
    `lax`: it comes along when another site leads here, which the provider's answer needs."""
    services: Services = request.app.state.services
    secure = services.settings.production
    site: Any = "lax" if lax else "strict"
    response.set_cookie(name, value, seconds, path=PATH, secure=secure, httponly=True, samesite=site)


def home(role: str) -> str:
    """The page that somebody of this role begins with."""
    starts = {roles.READ: PATH, roles.MANAGE: f"{PATH}/people", roles.AUDIT: f"{PATH}/audit"}
    return next((path for right, path in starts.items() if roles.may(role, right)), f"{PATH}/me")


def local(path: str | None) -> bool:
    """Whether this is the path of a page of the inbox: never another place."""
    if not path or not _HERE.fullmatch(path):
        return False
    return not path.startswith((SIGN_IN, LOCK, f"{PATH}/sign-out", f"{PATH}/oidc", f"{PATH}/invitation"))


def after(asked: str | None, role: str) -> str:
    """Where to go after signing in: what was asked for, if it is the inbox's, or where this role begins."""
    return asked if asked and asked != PATH and local(asked) else home(role)


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
