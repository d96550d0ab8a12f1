"""One's own account: password, second factor, and the sign-ins that are open."""

from __future__ import annotations

from typing import Any

from starlette.requests import Request
from starlette.responses import RedirectResponse, Response
from starlette.routing import Route

from bot.store import audit, clinicians
from bot.store.clinicians import open_sessions
from bot.store.models import ClinicianSession
from bot.web.inbox import door
from bot.web.inbox.acts import Desk
from bot.web.inbox.door import COOKIE, PATH, Form, page_of, problem, signed_in
from bot.web.inbox.sign_in import offered
from bot.web.people import auth, codes, staff
from bot.web.people.auth import Device, Refused
from bot.web.people.second_factor import Box, FactorUnreadable
from bot.web.services import in_thread

ME = f"{PATH}/me"
SAID = ("password", "ended", "removed")


def routes() -> list[Route]:
    """The routes of one's own account: everybody has one, whatever the role."""
    acts = {
        "password": change_password,
        "factor": start_factor,
        "factor/confirm": confirm_factor,
        "factor/remove": remove_factor,
        "recovery": renew_recovery,
        "sessions/end": end_session,
        "sessions/end-others": end_others,
    }
    posts = [Route(f"{ME}/{name}", signed_in(act, None), methods=["POST"]) for name, act in acts.items()]
    return [Route(ME, signed_in(show_account, None), methods=["GET"]), *posts]


async def show_account(request: Request, desk: Desk, form: Form) -> Response:
    """GET /inbox/me."""
    said = request.query_params.get("said")
    message = desk.words.text(f"account_said_{said}") if said in SAID else ""
    return await _account_page(request, desk, message=message)


async def change_password(request: Request, desk: Desk, form: Form) -> Response:
    """POST /inbox/me/password (password, new_password, again_password): every other sign-in is over by it."""
    refused = await _prove(request, desk, form)
    if refused is not None:
        return refused
    new = form.get("new_password", "")
    clinic = desk.services.clinic(desk.clinic).name
    fault = staff.fault(desk.me, clinic, new, form.get("again_password", ""))
    if fault is not None:
        return await _account_page(request, desk, desk.words.text(f"password_{fault}"), 422, alarm=True)
    lifetime = desk.services.settings.lifetime

    def change() -> auth.SignedIn:
        staff.change_password(desk.db, desk.me, new)
        with desk.db.begin() as session:
            return auth.open_session(session, desk.me, lifetime, door.device_of(request), "password")

    signed = await in_thread(change)
    return door.enter(request, RedirectResponse(f"{ME}?said=password", 303), signed)


# The second factor


async def start_factor(request: Request, desk: Desk, form: Form) -> Response:
    """POST /inbox/me/factor (password): the picture for an app. The one set up before counts until the new one does."""
    refused = await _prove(request, desk, form)
    return refused if refused is not None else _factor_page(request, desk)


async def confirm_factor(request: Request, desk: Desk, form: Form) -> Response:
    """POST /inbox/me/factor/confirm (offer, code). Only who gave the password a moment ago has an offer."""
    offer, box = form.get("offer", ""), Box(desk.services.settings.secret_key)
    if box.offered(desk.me.id, offer, desk.services.db.clock()) is None:
        return await _account_page(request, desk, desk.words.text("factor_over"), 409, alarm=True)
    wait = door.too_soon_inside(request, f"code {desk.me.id}")
    if wait:
        return _factor_page(request, desk, offer, desk.words.text("sign_in_too_many", seconds=wait), 429)

    def keep() -> tuple[str, ...] | None:
        with desk.db.begin() as session:
            person = codes.held(session, desk.me.id)
            return codes.enrol(session, box, person, offer, form.get("code", "")) if person is not None else None

    recovery = await in_thread(keep)
    if recovery is None:
        return _factor_page(request, desk, offer, desk.words.text("factor_refused"), 422)
    return page_of(request, "inbox/recovery.html", desk=desk, codes=recovery, then=ME)


async def remove_factor(request: Request, desk: Desk, form: Form) -> Response:
    """POST /inbox/me/factor/remove (password), where the installation leaves it to the person."""
    if desk.services.settings.second_factor_required:
        return problem(request, "no_right", 403, desk)
    refused = await _prove(request, desk, form)
    if refused is not None:
        return refused

    def remove() -> None:
        with desk.db.begin() as session:
            codes.take_away(session, desk.me)

    await in_thread(remove)
    return RedirectResponse(f"{ME}?said=removed", 303)


async def renew_recovery(request: Request, desk: Desk, form: Form) -> Response:
    """POST /inbox/me/recovery (password): new recovery codes; the old ones count no more."""
    refused = await _prove(request, desk, form)
    if refused is not None:
        return refused
    box = Box(desk.services.settings.secret_key)

    def renew() -> tuple[str, ...] | None:
        with desk.db.begin() as session:
            person = codes.held(session, desk.me.id)
            return codes.renew_recovery(session, box, person) if person is not None else None

    recovery = await in_thread(renew)
    if recovery is None:
        return await _account_page(request, desk, desk.words.text("factor_over"), 409, alarm=True)
    return page_of(request, "inbox/recovery.html", desk=desk, codes=recovery, then=ME)


# Sign-ins


async def end_session(request: Request, desk: Desk, form: Form) -> Response:
    """POST /inbox/me/sessions/end (session): one of one's own sign-ins; streams of it end too."""

    def end() -> None:
        with desk.db.begin() as session:
            if clinicians.end_session(session, desk.me.id, form.get("session", "")):
                _audit(session, desk, "clinician.session_ended")

    await in_thread(end)
    return RedirectResponse(f"{ME}?said=ended", 303)


async def end_others(request: Request, desk: Desk, form: Form) -> Response:
    """POST /inbox/me/sessions/end-others: all but this one."""

    def end() -> None:
        mine = auth.who(desk.db, request.cookies[COOKIE])
        with desk.db.begin() as session:
            others = [one.id for one in open_sessions(session, desk.me.id) if mine is None or one.id != mine.session_id]
            for session_id in others:
                clinicians.end_session(session, desk.me.id, session_id)
            _audit(session, desk, "clinician.sessions_ended", number=len(others))

    await in_thread(end)
    return RedirectResponse(f"{ME}?said=ended", 303)


async def _prove(request: Request, desk: Desk, form: Form) -> Response | None:
    """The account page with a refusal, unless the form holds the person's own password."""
    wait = door.too_soon_inside(request, f"inside {desk.me.id}")
    if wait:
        return await _account_page(request, desk, desk.words.text("sign_in_too_many", seconds=wait), 429, alarm=True)
    known = Device(known_to=desk.me.id)
    found = await in_thread(auth.check, desk.db, desk.me, form.get("password", ""), known)
    if not isinstance(found, Refused):
        return None
    page = await _account_page(request, desk, desk.words.text("unlock_refused"), 403, alarm=True)
    return door.count_refusal(request, page, found)


def _factor_page(request: Request, desk: Desk, offer: str = "", message: str = "", status: int = 200) -> Response:
    factor = offered(desk.services, desk.me, offer)
    return page_of(request, "inbox/factor.html", status, desk=desk, factor=factor, message=message)


async def _account_page(
    request: Request, desk: Desk, message: str = "", status: int = 200, alarm: bool = False
) -> Response:
    shown = await in_thread(_account, desk, request.cookies[COOKIE])
    return page_of(request, "inbox/account.html", status, desk=desk, message=message, alarm=alarm, **shown)


def _account(desk: Desk, token: str) -> dict[str, Any]:
    mine = auth.who(desk.db, token)
    with desk.db.read() as session:
        person = clinicians.clinician_with(session, desk.me.id)
        found = open_sessions(session, desk.me.id)
    return {
        "person": person,
        "recovery_left": _recovery_left(desk, person.totp_secret if person else None),
        "required": desk.services.settings.second_factor_required,
        "sessions": [_shown(desk, one, mine.session_id if mine else "") for one in found],
    }


def _recovery_left(desk: Desk, sealed: str | None) -> int | None:
    """How many recovery codes are left; None where there is no factor, or none that can be read."""
    if sealed is None:
        return None
    try:
        return len(Box(desk.services.settings.secret_key).open(desk.me.id, sealed).recovery)
    except FactorUnreadable:
        return None


def _shown(desk: Desk, one: ClinicianSession, mine: str) -> dict[str, Any]:
    device = one.device or desk.words.text("device_unknown")
    times = {"begun": desk.time(one.created_at), "used": desk.time(one.used_at), "ends": desk.time(one.expires_at)}
    return {"id": one.id, "device": device, "mine": one.id == mine, **times}


def _audit(session: Any, desk: Desk, act: str, **details: object) -> None:
    audit.record(session, clinic=desk.clinic, actor=desk.me.id, act=act, subject=desk.me.id, details=details)
