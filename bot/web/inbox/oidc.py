"""Signing in by the clinic's identity provider: there and back. The protocol is in ``bot.web.people.oidc``."""

from __future__ import annotations

import secrets
from datetime import timedelta
from urllib.parse import quote

import structlog
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response
from starlette.routing import Route

from bot.store import sign_in_states
from bot.store.models import SignInState
from bot.store.session import DatabaseUnavailable
from bot.store.sign_in_states import OIDC, OIDC_AGAIN
from bot.web.identity import KeysUnavailable, Refused
from bot.web.inbox import door
from bot.web.inbox.door import COOKIE, PATH, SIGN_IN, problem
from bot.web.people import auth, linking
from bot.web.services import Services, in_thread

log = structlog.get_logger(__name__)
START = PATH + "/oidc/{clinic}"
CALLBACK = f"{PATH}/oidc/callback"
# What ties the answer to the browser that asked: it must come along from the provider's site, so it is not strict.
STATE_COOKIE = "pne_inbox_oidc"
UNDER_WAY = timedelta(minutes=10)
_LONGEST = 4_096
# How a browser asks when somebody goes there. A picture or a frame of another page is nobody's sign-in.
_BY_HAND = {"sec-fetch-mode": "navigate", "sec-fetch-dest": "document"}


def routes() -> list[Route]:
    """The routes of the provider's sign-in. By GET: forms may lead nowhere else than here."""
    return [Route(CALLBACK, callback, methods=["GET"]), Route(START, start, methods=["GET"])]


async def start(request: Request) -> Response:
    """GET /inbox/oidc/{clinic} (next; again: the session is locked, so the person must show themselves anew)."""
    services: Services = request.app.state.services
    clinic = services.clinics.get(request.path_params["clinic"])
    if clinic is None or clinic.sign_in is None:
        return problem(request, "not_found", 404)
    if any(request.headers.get(name, by_hand) != by_hand for name, by_hand in _BY_HAND.items()):
        return problem(request, "forbidden", 403)
    known, address = door.known_device(request), door.address_of(request)
    if services.oidc_limits.wait(*((known[1], None) if known else (address, address))):
        return _refused(request)
    again, state = "again" in request.query_params, secrets.token_urlsafe(32)
    then = request.query_params.get("next", "")
    then, db = then if door.local(then) else "", door.unbound(request)
    kind = OIDC_AGAIN if again else OIDC
    try:
        begun = await services.oidc.begin(clinic.sign_in, _callback(services), state, services.settings.idle, again)

        def keep() -> None:
            with db.begin() as session:
                told = {"nonce": begun.nonce, "verifier": begun.verifier, "then": then}
                sign_in_states.keep(session, kind, state, clinic.id, UNDER_WAY, **told)

        await in_thread(keep)
    except KeysUnavailable as error:
        log.error("sign_in_provider_unavailable", clinic=clinic.id, cause=error.cause)
        return problem(request, "provider", 503)
    except DatabaseUnavailable:
        return problem(request, "database", 503)
    response = RedirectResponse(begun.address, 303)
    door.set_cookie(request, response, STATE_COOKIE, state, int(UNDER_WAY.total_seconds()), lax=True)
    response.headers["Cache-Control"] = "no-store"
    return response


async def callback(request: Request) -> Response:
    """GET /inbox/oidc/callback (code, state, iss): finishes what this browser began, once."""
    services: Services = request.app.state.services
    db, answer = door.unbound(request), dict(request.query_params)
    state = answer.get("state", "")
    try:
        if any(len(value) > _LONGEST for value in answer.values()) or not _same(request, state):
            raise Refused("state")
        taken, again = await in_thread(_take, request, state)
        clinic = services.clinics.get(taken.clinic) if taken is not None else None
        if taken is None or clinic is None or clinic.sign_in is None:
            raise Refused("state")
        settings = services.settings
        kept = taken.nonce, taken.verifier, db.clock, settings.idle, again
        known = await services.oidc.finish(clinic.id, clinic.sign_in, _callback(services), answer, *kept)
        device = door.device_of(request)
        signed = await in_thread(linking.sign_in, db, clinic.id, clinic.sign_in, known, settings.lifetime, device)
        await in_thread(auth.sign_out, db, request.cookies.get(COOKIE, ""))
    except Refused as error:
        log.warning("sign_in_provider_refused", cause=error.cause)
        return _refused(request)
    except KeysUnavailable as error:
        log.error("sign_in_provider_unavailable", cause=error.cause)
        return problem(request, "provider", 503)
    except DatabaseUnavailable:
        return problem(request, "database", 503)
    # The browser came from another site and would keep the new strict cookie back on a redirect.
    response = door.opening(request, door.after(taken.then, signed.clinician.role))
    response.delete_cookie(STATE_COOKIE, path=PATH)
    return door.enter(request, response, signed)


def _take(request: Request, state: str) -> tuple[SignInState | None, bool]:
    """What was kept of the sign-in, and whether the person had to show themselves anew."""
    with door.unbound(request).begin() as session:
        taken = sign_in_states.take(session, OIDC, state)
        return (taken, False) if taken is not None else (sign_in_states.take(session, OIDC_AGAIN, state), True)


def _same(request: Request, state: str) -> bool:
    """Whether this is the browser that began the sign-in."""
    expected = request.cookies.get(STATE_COOKIE, "")
    return bool(expected) and auth.csrf_matches(expected, state)


def _callback(services: Services) -> str:
    return services.settings.public_url.rstrip("/") + quote(CALLBACK)


def _refused(request: Request) -> Response:
    response = door.opening(request, f"{SIGN_IN}?provider=1")
    response.delete_cookie(STATE_COOKIE, path=PATH)
    return response
