"""Signing in with password and code, accepting an invitation, signing out."""

from __future__ import annotations

from typing import Any
from urllib.parse import urlencode

from starlette.requests import Request
from starlette.responses import RedirectResponse, Response
from starlette.routing import Route

from bot.content.inbox import load_inbox_wording
from bot.store import clinicians
from bot.store.models import Clinician
from bot.store.session import DatabaseUnavailable
from bot.web.inbox import door
from bot.web.inbox.acts import Desk
from bot.web.inbox.door import COOKIE, HALF_COOKIE, PATH, SIGN_IN, Form, form_page, posted, problem, signed_in
from bot.web.people import auth, codes, second_factor, staff
from bot.web.people.auth import HalfSignedIn, Refused, SignedIn
from bot.web.people.second_factor import Box
from bot.web.services import Services, in_thread

CODE = f"{SIGN_IN}/code"
INVITATION = f"{PATH}/invitation"
# What the sign-in page may say first, by a word in its address.
SAID = {"out": "signed_out", "over": "sign_in_over", "set": "password_set", "provider": "provider_refused"}
_ALARMS = ("over", "provider")


def routes() -> list[Route]:
    """The routes of signing in and out."""
    invitation = INVITATION + "/{token}"
    return [
        Route(SIGN_IN, show_sign_in, methods=["GET"]),
        Route(SIGN_IN, sign_in, methods=["POST"]),
        Route(CODE, show_code, methods=["GET"]),
        Route(CODE, give_code, methods=["POST"]),
        Route(invitation, show_invitation, methods=["GET"]),
        Route(invitation, accept_invitation, methods=["POST"]),
        Route(f"{PATH}/sign-out", signed_in(sign_out, None, locked=True), methods=["POST"]),
    ]


async def show_sign_in(request: Request) -> Response:
    """GET /inbox/sign-in."""
    try:
        who = await in_thread(auth.who, door.unbound(request), request.cookies.get(COOKIE, ""))
        if who is not None:
            return RedirectResponse(door.home(who.clinician.role), 303)
    except DatabaseUnavailable:
        pass  # the form is shown; signing in will say what is wrong
    said = next((word for word in SAID if word in request.query_params), "")
    message = load_inbox_wording().text(SAID[said]) if said else ""
    return _sign_in_page(request, request.query_params.get("next", ""), message=message, alarm=said in _ALARMS)


async def sign_in(request: Request) -> Response:
    """POST /inbox/sign-in. The answer is the same whether the address, the password or both are wrong, and where
    sign-in is paused or ended for the person."""
    services: Services = request.app.state.services
    form = await posted(request)
    if isinstance(form, Response):
        return form
    email, then = form.get("email", "")[:320], form.get("next", "")
    settings, db = services.settings, door.unbound(request)

    def enter() -> SignedIn | HalfSignedIn | Refused:
        device, needed = door.device_of(request), settings.second_factor_required
        return auth.sign_in(db, email, form.get("password", ""), settings.lifetime, device, needed)

    try:
        wait = door.too_soon(request, f"email {clinicians.address(email)}", await in_thread(_owner, request, email))
        if wait:
            return _wait_page(request, wait, then, email)
        found = await in_thread(enter)
        if isinstance(found, Refused):
            words = load_inbox_wording().text("sign_in_refused")
            return door.count_refusal(request, _sign_in_page(request, then, email, words, True, 403), found)
        if isinstance(found, HalfSignedIn):
            return _to_code(request, found, then)
        return await _signed(request, found, then)
    except DatabaseUnavailable:
        return problem(request, "database", 503)


async def sign_out(request: Request, desk: Desk, form: Form) -> Response:
    """POST /inbox/sign-out."""
    await in_thread(auth.sign_out, desk.db, request.cookies.get(COOKIE, ""))
    response = RedirectResponse(f"{SIGN_IN}?out=1", 303)
    response.delete_cookie(COOKIE, path=PATH)
    return response


# The second half


async def show_code(request: Request) -> Response:
    """GET /inbox/sign-in/code: asks for a code, or sets an app up where the person has none yet."""
    try:
        person = await in_thread(codes.half_of, door.unbound(request), request.cookies.get(HALF_COOKIE, ""))
    except DatabaseUnavailable:
        return problem(request, "database", 503)
    if person is None:
        return _over()
    return _code_page(request, person, request.query_params.get("next", ""))


async def give_code(request: Request) -> Response:
    """POST /inbox/sign-in/code (code; offer, where an app is being set up)."""
    form = await posted(request)
    if isinstance(form, Response):
        return form
    db, token, then = door.unbound(request), request.cookies.get(HALF_COOKIE, ""), form.get("next", "")
    try:
        person = await in_thread(codes.half_of, db, token)
        if person is None:
            return _over()
        wait = door.too_soon(request, f"code {person.id}", person.id)
        if wait:
            words = load_inbox_wording().text("sign_in_too_many", seconds=wait)
            response = _code_page(request, person, then, form.get("offer", ""), words, 429)
            response.headers["Retry-After"] = str(wait)
            return response
        found = await in_thread(_second_half, request, token, form)
        if found is None:
            return _over()
        if isinstance(found, Refused):
            key = "code_refused" if person.totp_secret else "factor_refused"
            page = _code_page(request, person, then, form.get("offer", ""), load_inbox_wording().text(key), 403)
            return door.count_refusal(request, page, found)
        if isinstance(found, SignedIn):
            return await _signed(request, found, then)
        await in_thread(auth.sign_out, db, request.cookies.get(COOKIE, ""))
        assert found.signed is not None
        goes = door.after(then, found.signed.clinician.role)
        page = door.page_of(request, "inbox/recovery.html", codes=found.recovery, then=goes)
        return door.enter(request, page, found.signed)
    except DatabaseUnavailable:
        return problem(request, "database", 503)


def _second_half(request: Request, token: str, form: Form) -> SignedIn | codes.Enrolled | Refused | None:
    services: Services = request.app.state.services
    db, given, offer = door.unbound(request), form.get("code", ""), form.get("offer", "")
    box, device, lifetime = Box(services.settings.secret_key), door.device_of(request), services.settings.lifetime
    if offer:
        return codes.enrol_and_finish(db, box, token, offer, given, lifetime, device)
    return codes.finish(db, box, token, given, lifetime, device)


def _code_page(
    request: Request, person: Clinician, then: str, offer: str = "", message: str = "", status: int = 200
) -> Response:
    services: Services = request.app.state.services
    shown: dict[str, Any] = {"then": then, "message": message, "alarm": bool(message), "factor": None}
    if person.totp_secret is None:
        shown["factor"] = offered(services, person, offer)
    return form_page(request, "inbox/code.html", status, person=person.name, **shown)


def offered(services: Services, person: Clinician, offer: str = "") -> dict[str, str]:
    """What sets an app up: the secret as a picture, as text and as an address, and the offer to send back with a code.
    An offer that was made before is shown again, so that the app need not read a second picture."""
    box, now = Box(services.settings.secret_key), services.db.clock()
    secret = box.offered(person.id, offer, now) if offer else None
    if secret is None:
        secret = second_factor.new_secret()
        offer = box.offer(person.id, secret, now)
    issuer = load_inbox_wording().text("factor_issuer", clinic=services.clinic(person.clinic).name)
    address = second_factor.uri(secret, issuer, person.email)
    grouped = second_factor.grouped(secret)
    return {"offer": offer, "secret": grouped, "address": address, "picture": second_factor.picture(address)}


# Invitations


async def show_invitation(request: Request) -> Response:
    """GET /inbox/invitation/{token}: choose a password. Looking does not use the link up: mail programs look too."""
    try:
        person = await in_thread(staff.invited, door.unbound(request), request.path_params["token"])
    except DatabaseUnavailable:
        return problem(request, "database", 503)
    if person is None:
        return problem(request, "invitation", 410)
    return _invitation_page(request, person)


async def accept_invitation(request: Request) -> Response:
    """POST /inbox/invitation/{token} (password, again): the password is set, once; then the person signs in with it."""
    services: Services = request.app.state.services
    form = await posted(request)
    if isinstance(form, Response):
        return form
    db, token = door.unbound(request), request.path_params["token"]
    try:
        person = await in_thread(staff.invited, db, token)
        if person is None:
            return problem(request, "invitation", 410)
        clinic = services.clinic(person.clinic).name
        fault = staff.fault(person, clinic, form.get("password", ""), form.get("again", ""))
        if fault is not None:
            return _invitation_page(request, person, load_inbox_wording().text(f"password_{fault}"), 422)
        if not await in_thread(staff.accept, db, token, form["password"]):
            return problem(request, "invitation", 410)
    except DatabaseUnavailable:
        return problem(request, "database", 503)
    return RedirectResponse(f"{SIGN_IN}?set=1", 303)


def _invitation_page(request: Request, person: Clinician, message: str = "", status: int = 200) -> Response:
    services: Services = request.app.state.services
    shown = {"person": person, "clinic_name": services.clinic(person.clinic).name, "action": request.url.path}
    return form_page(request, "inbox/invitation.html", status, message=message, alarm=bool(message), **shown)


# Pages


def _owner(request: Request, email: str) -> str | None:
    """The id of the person whose browser this is, if the address is theirs. Asks nothing about anybody else."""
    known = door.known_device(request)
    if known is None:
        return None
    with door.unbound(request).read() as session:
        person = clinicians.clinician_with(session, known[0])
    return known[0] if person is not None and person.email == clinicians.address(email) else None


async def _signed(request: Request, signed: SignedIn, then: str) -> Response:
    """Into the inbox; the browser's earlier session is over."""
    await in_thread(auth.sign_out, door.unbound(request), request.cookies.get(COOKIE, ""))
    return door.enter(request, RedirectResponse(door.after(then, signed.clinician.role), 303), signed)


def _to_code(request: Request, half: HalfSignedIn, then: str) -> Response:
    query = f"?{urlencode({'next': then})}" if door.local(then) else ""
    response = RedirectResponse(f"{CODE}{query}", 303)
    door.set_cookie(request, response, HALF_COOKIE, half.token, int(auth.HALF_LIFE.total_seconds()))
    return response


def _over() -> Response:
    """The first half is over: begin again."""
    response = RedirectResponse(f"{SIGN_IN}?over=1", 303)
    response.delete_cookie(HALF_COOKIE, path=PATH)
    return response


def _wait_page(request: Request, seconds: int, then: str, email: str) -> Response:
    words = load_inbox_wording().text("sign_in_too_many", seconds=seconds)
    response = _sign_in_page(request, then, email, words, True, 429)
    response.headers["Retry-After"] = str(seconds)
    return response


def _sign_in_page(
    request: Request, then: str, email: str = "", message: str = "", alarm: bool = False, status: int = 200
) -> Response:
    services: Services = request.app.state.services
    goes = then if door.local(then) else PATH
    providers = [clinic for clinic in services.clinics.values() if clinic.sign_in is not None]
    shown = {"then": goes, "email": email, "message": message, "alarm": alarm, "providers": providers}
    return form_page(request, "inbox/sign_in.html", status, **shown)
