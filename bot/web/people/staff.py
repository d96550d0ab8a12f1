"""The clinic's people: who is one of them, with which role, and by which link they choose their password.

Each act is one transaction with its audit row. `clinic` bounds every one of them; `by` is the id of the admin, or
``system`` for the command line. No HTTP here.
"""

from __future__ import annotations

import secrets
from datetime import timedelta

from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session

from bot.handoff.roles import MANAGE, ROLES
from bot.store import audit, clinicians, sign_in_states
from bot.store.models import Clinician
from bot.store.session import Database
from bot.store.sign_in_states import INVITATION
from bot.web.people import auth, passwords

INVITED_FOR = timedelta(hours=24)
LONGEST_NAME, LONGEST_EMAIL = 120, 254
_MANAGERS = tuple(role for role, rights in ROLES.items() if MANAGE in rights)


class UnknownPerson(LookupError):
    """The clinic has nobody with this id."""


class AddressTaken(ValueError):
    """Somebody, here or in another clinic, has this e-mail address already."""


def add(db: Database, clinic: str, email: str, name: str, role: str, by: str) -> tuple[Clinician, str]:
    """A new person without a password, and the token of the link by which they choose one: its only copy.

    Raises AddressTaken; ValueError for a role, name or address that is none.
    """
    if role not in ROLES or not usable_name(name) or not usable_email(email):
        raise ValueError("role, name or e-mail address")
    try:
        with db.begin() as session:
            made = clinicians.add_clinician(
                session, clinic=clinic, email=email, name=name.strip(), role=role, password_hash=""
            )
            _audit(session, made, by, "clinician.added", role=role)
            return made, _invite(session, made, by)
    except IntegrityError:
        raise AddressTaken from None


def invite_again(db: Database, clinic: str, person_id: str, by: str) -> str:
    """A new link to choose a password. The old password, the sign-ins and any earlier link are over at once."""
    with db.begin() as session:
        person = _held(session, clinic, person_id)
        clinicians.set_password_hash(session, person.id, "")
        clinicians.revoke_sessions(session, person.id)
        clinicians.forget_failures(session, person.id)
        return _invite(session, person, by)


def invited(db: Database, token: str) -> Clinician | None:
    """Whose link this is; None where it is unknown, used or older than a day."""
    with db.read() as session:
        state = sign_in_states.found(session, INVITATION, token)
        person = clinicians.clinician_with(session, state.verifier) if state is not None else None
    return person if person is not None and person.disabled_at is None else None


def accept(db: Database, token: str, password: str) -> bool:
    """Sets the password that the link was for and uses the link up. False where somebody was faster."""
    hashed = auth.hash_password(password)
    with db.begin() as session:
        state = sign_in_states.take(session, INVITATION, token)
        person = clinicians.clinician_with(session, state.verifier) if state is not None else None
        if person is None or person.disabled_at is not None:
            return False
        clinicians.set_password_hash(session, person.id, hashed)
        clinicians.forget_failures(session, person.id)
        clinicians.revoke_sessions(session, person.id)
        sign_in_states.forget(session, person.id)
        _audit(session, person, person.id, "clinician.password_set")
    return True


def set_role(db: Database, clinic: str, person_id: str, role: str, by: str) -> None:
    """Another role, from the next page on. Raises UnknownPerson, LastAdmin, ValueError for a role that is none."""
    if role not in ROLES:
        raise ValueError(role)
    with db.begin() as session:
        if role not in _MANAGERS:
            clinicians.keep_an_admin(session, clinic, _MANAGERS, leaving=person_id)
        person = _held(session, clinic, person_id)
        if person.role == role:
            return
        _audit(session, person, by, "clinician.role_changed", before=person.role, after=role)
        clinicians.set_role(session, person.id, role)


def disable(db: Database, clinic: str, person_id: str, by: str) -> None:
    """No sign-in any more, and every open one is over at once. Raises UnknownPerson, LastAdmin."""
    with db.begin() as session:
        clinicians.keep_an_admin(session, clinic, _MANAGERS, leaving=person_id)
        person = _held(session, clinic, person_id)
        clinicians.disable(session, person.id)
        sign_in_states.forget(session, person.id)
        _audit(session, person, by, "clinician.disabled")


def enable(db: Database, clinic: str, person_id: str, by: str) -> None:
    """The person may sign in again. Raises UnknownPerson."""
    with db.begin() as session:
        person = _held(session, clinic, person_id)
        clinicians.enable(session, person.id)
        _audit(session, person, by, "clinician.enabled")


def reset_factor(db: Database, clinic: str, person_id: str, by: str) -> None:
    """The app and the recovery codes count no more, and the sign-ins are over. Raises UnknownPerson."""
    with db.begin() as session:
        person = _held(session, clinic, person_id)
        clinicians.set_factor(session, person.id, None)
        clinicians.revoke_sessions(session, person.id)
        sign_in_states.forget_halves(session, person.id)
        _audit(session, person, by, "clinician.factor_reset")


def end_sessions(db: Database, clinic: str, person_id: str, by: str) -> None:
    """Every open sign-in of the person is over at once. Raises UnknownPerson."""
    with db.begin() as session:
        person = _held(session, clinic, person_id)
        number = len(clinicians.open_sessions(session, person.id))
        clinicians.revoke_sessions(session, person.id)
        sign_in_states.forget_halves(session, person.id)
        _audit(session, person, by, "clinician.sessions_ended", number=number)


def lift_lock(db: Database, clinic: str, person_id: str, by: str) -> None:
    """After too many wrong tries: the person may try again now. Raises UnknownPerson."""
    with db.begin() as session:
        person = _held(session, clinic, person_id)
        clinicians.forget_failures(session, person.id)
        _audit(session, person, by, "clinician.lock_lifted")


def change_password(db: Database, person: Clinician, password: str) -> None:
    """A new password of one's own; every sign-in is over, this one too. The old one was checked by the caller."""
    hashed = auth.hash_password(password)
    with db.begin() as session:
        clinicians.set_password_hash(session, person.id, hashed)
        clinicians.revoke_sessions(session, person.id)
        sign_in_states.forget(session, person.id)
        _audit(session, person, person.id, "clinician.password_changed")


def fault(person: Clinician, clinic_name: str, password: str, again: str) -> str | None:
    """Why this password is not taken (``passwords``; ``differ``: the two are not the same); None: it is."""
    found = passwords.fault(password, (person.name, person.email, clinic_name))
    return found or ("differ" if password != again else None)


def usable_email(email: str) -> bool:
    """Whether this can be an e-mail address. Only whoever gets mail there knows more."""
    name, at, host = email.strip().rpartition("@")
    whole = name and at and "." in host and len(email) <= LONGEST_EMAIL
    return bool(whole) and email.isprintable() and not set(email.strip()) & set(" <>,;\"'()")


def usable_name(name: str) -> bool:
    """Whether this can stand as a name on pages, and in the chat."""
    return 0 < len(name.strip()) <= LONGEST_NAME and name.isprintable()


def _invite(session: Session, person: Clinician, by: str) -> str:
    token = secrets.token_urlsafe(32)
    sign_in_states.forget(session, person.id)
    sign_in_states.keep(session, INVITATION, token, person.clinic, INVITED_FOR, verifier=person.id)
    _audit(session, person, by, "clinician.invited")
    return token


def _held(session: Session, clinic: str, person_id: str) -> Clinician:
    """The clinic's person, held until the transaction ends."""
    found: Clinician | None = session.get(Clinician, person_id, with_for_update=True, populate_existing=True)
    if found is None or found.clinic != clinic:
        raise UnknownPerson(person_id)
    return found


def _audit(session: Session, person: Clinician, by: str, act: str, **details: object) -> None:
    audit.record(session, clinic=person.clinic, actor=by, act=act, subject=person.id, details=details)
