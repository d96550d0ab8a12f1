"""``pne clinician``: the clinics' people from the command line, for the first admin and for when nobody gets in."""

from __future__ import annotations

from collections.abc import Callable
from typing import Annotated, Any

import typer
from rich.table import Table

from bot.cli_shared import console, database, errors, stop
from bot.settings import Settings, SettingsError, read_settings
from bot.store.audit import SYSTEM

clinician_app = typer.Typer(help="People of a clinic who may open its inbox.", no_args_is_help=True)
Clinic = Annotated[str, typer.Option(help="Clinic id. Default: PNE_CLINIC.")]


@clinician_app.command("demo")
def demo() -> None:
    """Give the demo clinic a person of every role, each with a new random password (development only)."""
    from bot.web.people.auth import demo_people

    settings = read_settings()
    if settings.production:
        raise SettingsError("There is no demo clinician in production. Use: pne clinician add")
    with database(settings.database_url) as db:
        made = demo_people(db, settings.default_clinic)
    for person in made:
        errors.print(f"{person.role}: sign in as {person.email} with password {person.password}", markup=False)


@clinician_app.command("add")
def add(email: str, name: str, clinic: Clinic = "", role: str = "clinician") -> None:
    """Put somebody on the list, and print the link by which they choose their password (once, within a day)."""
    from bot.handoff.roles import ROLES
    from bot.web.people import staff

    settings = read_settings()
    if role not in ROLES:
        stop(f"There is no role {role!r}: use one of {', '.join(ROLES)}.")
    try:
        with database(settings.database_url) as db:
            _made, token = staff.add(db, _clinic(settings, clinic), email, name, role, SYSTEM)
    except staff.AddressTaken:
        stop(f"{email} is on the list of a clinic already.")
    except ValueError:
        stop("Write an e-mail address and a name.")
    _link(settings, email, token)


@clinician_app.command("list")
def list_people(clinic: Clinic = "") -> None:
    """Who is on the clinic's list, in which role and state."""
    from bot.store.clinicians import people

    settings = read_settings()
    with database(settings.database_url) as db, db.read() as session:
        at = db.clock()
        found = people(session, _clinic(settings, clinic))
    table = Table("Address", "Name", "Role", "State", box=None)
    for person in found:
        states = {
            "shut out": person.disabled_at is not None,
            "paused": person.locked_until is not None and person.locked_until > at,
            "no password yet": not person.password_hash and not person.oidc_subject,
            "provider": person.oidc_subject is not None,
            "app": person.totp_secret is not None,
        }
        state = ", ".join(name for name, true in states.items() if true)
        table.add_row(person.email, person.name, person.role, state)
    console.print(table)


@clinician_app.command("role")
def role(email: str, role: str) -> None:
    """Give somebody another role."""
    from bot.handoff.roles import ROLES
    from bot.web.people import staff

    if role not in ROLES:
        stop(f"There is no role {role!r}: use one of {', '.join(ROLES)}.")
    _act(email, lambda db, clinic, person: staff.set_role(db, clinic, person, role, SYSTEM))
    errors.print(f"{email}: {role}", markup=False)


@clinician_app.command("disable")
def disable(email: str) -> None:
    """Shut somebody out at once."""
    from bot.web.people import staff

    _act(email, lambda db, clinic, person: staff.disable(db, clinic, person, SYSTEM))
    errors.print(f"{email} is shut out.", markup=False)


@clinician_app.command("enable")
def enable(email: str) -> None:
    """Let somebody in again who was shut out."""
    from bot.web.people import staff

    _act(email, lambda db, clinic, person: staff.enable(db, clinic, person, SYSTEM))
    errors.print(f"{email} may sign in again.", markup=False)


@clinician_app.command("reset")
def reset(
    email: str,
    factor: Annotated[bool, typer.Option("--factor", help="Reset the app for codes too (a lost phone).")] = False,
) -> None:
    """Print a new link to choose a password. The old password and every sign-in end at once."""
    from bot.web.people import staff

    settings = read_settings()
    if factor:
        _act(email, lambda db, clinic, person: staff.reset_factor(db, clinic, person, SYSTEM))
    token = _act(email, lambda db, clinic, person: staff.invite_again(db, clinic, person, SYSTEM))
    _link(settings, email, token)


def _act(email: str, act: Callable[[Any, str, str], Any]) -> Any:
    from bot.store.clinicians import LastAdmin, clinician_by_email

    with database(read_settings().database_url) as db:
        with db.read() as session:
            found = clinician_by_email(session, email)
        if found is None:
            stop(f"Nobody has the address {email}. pne clinician list shows who there is.")
        try:
            return act(db, found.clinic, found.id)
        except LastAdmin:
            stop("This is the clinic's only admin who can sign in. Make somebody else an admin first.")


def _link(settings: Settings, email: str, token: str) -> None:
    from bot.web.inbox.sign_in import INVITATION

    errors.print(f"{email} chooses a password here, once, within 24 hours:", markup=False)
    typer.echo(f"{settings.public_url.rstrip('/')}{INVITATION}/{token}")


def _clinic(settings: Settings, asked: str) -> str:
    from bot.content import load_clinics

    clinic = asked or settings.default_clinic
    if clinic not in load_clinics():
        stop(f"There is no clinic {clinic!r} in data/clinics.")
    return clinic
