"""The clinic's people, for its admins: who may open the inbox, in which role, and what happens when a phone is lost.

An admin changes others only: nobody takes away their own right to manage by mistake. What is one's own is at /inbox/me.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from starlette.requests import Request
from starlette.responses import RedirectResponse, Response
from starlette.routing import Route

from bot.handoff.roles import MANAGE, ROLES
from bot.store import clinicians
from bot.store.clinicians import LastAdmin
from bot.store.models import Clinician
from bot.web.inbox.acts import Desk
from bot.web.inbox.door import PATH, Form, page_of, problem, signed_in
from bot.web.inbox.sign_in import INVITATION
from bot.web.people import staff
from bot.web.people.staff import AddressTaken, UnknownPerson
from bot.web.services import in_thread

PEOPLE = f"{PATH}/people"
# What is done to one person by one button, by its name in the address.
ACTS: dict[str, Callable[..., None]] = {
    "disable": staff.disable,
    "enable": staff.enable,
    "reset-factor": staff.reset_factor,
    "end-sessions": staff.end_sessions,
    "lift-lock": staff.lift_lock,
}
SAID = ("role", *ACTS)


def routes() -> list[Route]:
    """The routes of the people page."""
    person = PEOPLE + "/{person_id}"
    return [
        Route(PEOPLE, signed_in(show_people, MANAGE), methods=["GET"]),
        Route(PEOPLE, signed_in(add, MANAGE), methods=["POST"]),
        Route(person, signed_in(show_person, MANAGE), methods=["GET"]),
        Route(f"{person}/invite", signed_in(invite, MANAGE), methods=["POST"]),
        Route(f"{person}/role", signed_in(change_role, MANAGE), methods=["POST"]),
        Route(person + "/{act}", signed_in(do, MANAGE), methods=["POST"]),
    ]


async def show_people(request: Request, desk: Desk, form: Form) -> Response:
    """GET /inbox/people."""
    return await _people_page(request, desk, {})


async def add(request: Request, desk: Desk, form: Form) -> Response:
    """POST /inbox/people (name, email, role): the link for the new person, shown this once."""
    name, email, role = form.get("name", ""), form.get("email", ""), form.get("role", "")
    fault = ""
    if not staff.usable_name(name):
        fault = "people_bad_name"
    elif not staff.usable_email(email):
        fault = "people_bad_email"
    elif role not in ROLES:
        fault = "people_bad_role"
    if fault:
        return await _people_page(request, desk, form, desk.words.text(fault), 422)
    try:
        made, token = await in_thread(staff.add, desk.db, desk.clinic, email, name, role, desk.me.id)
    except AddressTaken:
        return await _people_page(request, desk, form, desk.words.text("people_taken"), 409)
    return _link_page(request, desk, made, token)


async def show_person(request: Request, desk: Desk, form: Form) -> Response:
    """GET /inbox/people/{id}."""
    said = request.query_params.get("said")
    message = desk.words.text(f"people_said_{said.replace('-', '_')}") if said in SAID else ""
    return await _person_page(request, desk, message)


async def invite(request: Request, desk: Desk, form: Form) -> Response:
    """POST …/invite: a new link to choose a password, shown this once. The old password is over."""
    if _id(request) == desk.me.id:
        return await _person_page(request, desk, desk.words.text("people_yourself"), 409, alarm=True)
    try:
        token = await in_thread(staff.invite_again, desk.db, desk.clinic, _id(request), desk.me.id)
        person = await in_thread(_find, desk, _id(request))
    except UnknownPerson:
        return problem(request, "no_person", 404, desk)
    return _link_page(request, desk, person, token)


async def change_role(request: Request, desk: Desk, form: Form) -> Response:
    """POST …/role (role)."""
    role = form.get("role", "")
    if role not in ROLES:
        return await _person_page(request, desk, desk.words.text("people_bad_role"), 422, alarm=True)
    return await _acted(request, desk, "role", staff.set_role, desk.db, desk.clinic, _id(request), role, desk.me.id)


async def do(request: Request, desk: Desk, form: Form) -> Response:
    """POST …/disable, enable, reset-factor, end-sessions, lift-lock."""
    act = str(request.path_params["act"])
    if act not in ACTS:
        return problem(request, "not_found", 404, desk)
    return await _acted(request, desk, act, ACTS[act], desk.db, desk.clinic, _id(request), desk.me.id)


async def _acted(request: Request, desk: Desk, said: str, act: Callable[..., None], *values: Any) -> Response:
    if _id(request) == desk.me.id:
        return await _person_page(request, desk, desk.words.text("people_yourself"), 409, alarm=True)
    try:
        await in_thread(act, *values)
    except UnknownPerson:
        return problem(request, "no_person", 404, desk)
    except LastAdmin:
        return await _person_page(request, desk, desk.words.text("people_last_admin"), 409, alarm=True)
    return RedirectResponse(f"{PEOPLE}/{_id(request)}?said={said}", 303)


async def _people_page(request: Request, desk: Desk, given: Form, message: str = "", status: int = 200) -> Response:
    def read() -> list[dict[str, Any]]:
        with desk.db.read() as session:
            return [_shown(desk, person) for person in clinicians.people(session, desk.clinic)]

    typed = {name: given.get(name, "") for name in ("name", "email", "role")}
    shown = {"people": await in_thread(read), "given": typed, "message": message, "roles": tuple(ROLES)}
    return page_of(request, "inbox/people.html", status, desk=desk, **shown)


async def _person_page(
    request: Request, desk: Desk, message: str = "", status: int = 200, alarm: bool = False
) -> Response:
    def read() -> tuple[dict[str, Any], int]:
        person = _find(desk, _id(request))
        with desk.db.read() as session:
            return _shown(desk, person), len(clinicians.open_sessions(session, person.id))

    try:
        person, open_now = await in_thread(read)
    except UnknownPerson:
        return problem(request, "no_person", 404, desk)
    shown = {"person": person, "open_now": open_now, "message": message, "alarm": alarm, "roles": tuple(ROLES)}
    return page_of(request, "inbox/person.html", status, desk=desk, **shown)


def _link_page(request: Request, desk: Desk, person: Clinician, token: str) -> Response:
    link = f"{desk.services.settings.public_url.rstrip('/')}{INVITATION}/{token}"
    return page_of(request, "inbox/invited.html", desk=desk, person=person, link=link)


def _find(desk: Desk, person_id: str) -> Clinician:
    with desk.db.read() as session:
        found = clinicians.clinician_with(session, person_id)
    if found is None or found.clinic != desk.clinic:
        raise UnknownPerson(person_id)
    return found


def _shown(desk: Desk, person: Clinician) -> dict[str, Any]:
    """A person as the pages show them; `states` are keys of the wording."""
    now = desk.services.db.clock()
    locked = person.locked_until is not None and person.locked_until > now
    states = {
        "disabled": person.disabled_at is not None,
        "locked": locked,
        "no_password": not person.password_hash and not person.oidc_subject,
        "provider": person.oidc_subject is not None,
        "factor": person.totp_secret is not None,
    }
    return {
        "id": person.id,
        "name": person.name,
        "email": person.email,
        "role": person.role,
        "me": person.id == desk.me.id,
        "since": desk.time(person.created_at),
        "locked_until": desk.time(person.locked_until) if locked else "",
        "states": [name for name, true in states.items() if true],
    }


def _id(request: Request) -> str:
    return str(request.path_params["person_id"])
