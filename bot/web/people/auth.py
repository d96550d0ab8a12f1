"""Clinicians' sign-in: argon2 passwords, opaque session tokens of which only hashes are kept, CSRF tokens.

No Starlette here: the inbox puts these into cookies and forms. Codes and recovery codes are in ``bot/web/codes.py``.
"""

from __future__ import annotations

import hmac
import secrets
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from functools import lru_cache

from argon2 import PasswordHasher
from argon2.exceptions import InvalidHashError, VerificationError
from sqlalchemy.orm import Session

from bot.handoff.roles import ROLES
from bot.store import audit, clinicians, sign_in_states
from bot.store.columns import storable_text
from bot.store.conversations import hash_token
from bot.store.models import Clinician
from bot.store.session import Database, now

_LONGEST_PASSWORD = 1024
DEMO_NAME = "Demo Clinician"
# The role of the demo clinician: may answer, and look after the others' work too.
DEMO_ROLE = "triage"
# From this wrong try on the account is locked: 1 minute, 2, 4 … up to so many.
FIRST_LOCK, LONGEST_LOCK = 5, 60
# A browser in which the person has signed in before is not locked out by what strangers try elsewhere, until so many
# wrong tries: whoever is on call must get in, and a stolen computer must not try for ever.
KNOWN_DEVICE_TRIES = 50
# How long the code may take after the password.
HALF_LIFE = timedelta(minutes=5)


@dataclass(frozen=True)
class Device:
    """The browser that asks: a short name of it for pages, and who has signed in with it before (a person's id)."""

    name: str = ""
    known_to: str | None = None


@dataclass(frozen=True)
class SignedIn:
    """A clinician who has just signed in, and the only copy of the session's token."""

    clinician: Clinician
    token: str = field(repr=False)
    csrf: str = field(repr=False)


@dataclass(frozen=True)
class HalfSignedIn:
    """The password was right, and a code is still to come. The token opens nothing but the page that asks for it."""

    clinician: Clinician
    token: str = field(repr=False)


@dataclass(frozen=True)
class Refused:
    """Nobody is signed in. `cause` (password, code, locked, disabled, unknown) is for the audit, never for the page;
    `clinician` is None where nobody has the address."""

    cause: str
    clinician: Clinician | None = None


@dataclass(frozen=True)
class Who:
    """The clinician behind a request, the CSRF token that its forms must carry, and when they last did something."""

    clinician: Clinician
    csrf: str = field(repr=False)
    session_id: str
    used_at: datetime

    def locked(self, at: datetime, idle: timedelta) -> bool:
        """Whether nothing was done for so long that the person must show themselves anew."""
        return at - self.used_at >= idle


@dataclass(frozen=True)
class DemoClinician:
    """How to sign in to the demo clinic's inbox. The password is not kept anywhere."""

    email: str
    password: str = field(repr=False)
    role: str = DEMO_ROLE


def hash_password(password: str) -> str:
    """The argon2id hash of a password, with its parameters and salt in it."""
    return _hasher().hash(_bytes(password))


def verify_password(password_hash: str | None, password: str) -> bool:
    """Whether the password is right. None or "" (nobody, or no password) costs the same work and is always False."""
    try:
        right = _hasher().verify(password_hash or _nobody(), _bytes(password))
    except (VerificationError, InvalidHashError):
        return False
    return right and bool(password_hash) and len(password) <= _LONGEST_PASSWORD


def sign_in(
    db: Database,
    email: str,
    password: str,
    lifetime: timedelta,
    device: Device = Device(),
    factor_needed: bool = False,
) -> SignedIn | HalfSignedIn | Refused:
    """A new session for the right e-mail address and password, or half of one where a code is still to come.

    The work is the same for an unknown address, a wrong password, a locked and a disabled person; the caller makes the
    answer the same, and then records a refusal (`refuse`). Hashing happens outside any transaction: it is slow on
    purpose. Raises DatabaseUnavailable.
    """
    with db.read() as session:
        found = clinicians.clinician_by_email(session, storable_text(email))
    checked = check(db, found, password, device)
    if isinstance(checked, Refused):
        return checked
    renewed = hash_password(password) if _hasher().check_needs_rehash(checked.password_hash) else None
    with db.begin() as session:
        if renewed is not None:
            clinicians.set_password_hash(session, checked.id, renewed)
        if checked.totp_secret is None and not factor_needed:
            return open_session(session, checked, lifetime, device, "password")
        token = secrets.token_urlsafe(32)
        half = {"clinic": checked.clinic, "verifier": checked.id, "lifetime": HALF_LIFE}
        sign_in_states.keep(session, sign_in_states.HALF, token, **half)
        return HalfSignedIn(checked, token)


def check(db: Database, found: Clinician | None, password: str, device: Device) -> Clinician | Refused:
    """The person, if this is their password and they may use it now."""
    right = verify_password(found.password_hash if found else None, password)
    if found is None:
        return Refused("unknown")
    cause = barred(found, db.clock(), device)
    if cause is None and right:
        return found
    return Refused(cause or "password", found)


def barred(person: Clinician, at: datetime, device: Device) -> str | None:
    """Why this person may not sign in now, whatever they know: ``disabled``, ``locked``; None where they may."""
    if person.disabled_at is not None:
        return "disabled"
    known = device.known_to == person.id and person.failures < KNOWN_DEVICE_TRIES
    return "locked" if person.locked_until is not None and person.locked_until > at and not known else None


def refuse(db: Database, refused: Refused) -> None:
    """Counts and audits a refusal, after it was answered: the writing must not show in the time of the answer."""
    person = refused.clinician
    if person is None:
        return
    with db.begin() as session:
        _audit(session, person, "clinician.sign_in_refused", cause=refused.cause)
        if refused.cause not in ("password", "code"):
            return
        failures, until = clinicians.add_failure(session, person.id, FIRST_LOCK, LONGEST_LOCK)
        if failures >= FIRST_LOCK and until is not None:
            minutes = round((until - now(session)).total_seconds() / 60)
            _audit(session, person, "clinician.locked", failures=failures, minutes=minutes)


def open_session(session: Session, person: Clinician, lifetime: timedelta, device: Device, how: str) -> SignedIn:
    """A new session with a token that nobody has seen before. `how`: password, code, recovery_code or provider."""
    token, csrf = secrets.token_urlsafe(32), secrets.token_urlsafe(32)
    clinicians.forget_failures(session, person.id)
    clinicians.add_session(session, person.id, hash_token(token), csrf, lifetime, device.name)
    _audit(session, person, "clinician.signed_in", how=how)
    return SignedIn(person, token, csrf)


def who(db: Database, token: str) -> Who | None:
    """The clinician whose session this is, locked or not; None if it is unknown, over, ended, or they are disabled."""
    with db.read() as session:
        found = clinicians.session_for(session, hash_token(token))
    return None if found is None else Who(found[0], found[1].csrf, found[1].id, found[1].used_at)


def in_use(db: Database, token: str, idle: timedelta) -> Who | None:
    """As `who`, but None for a locked session too: whoever sits there now may be somebody else."""
    found = who(db, token)
    return None if found is None or found.locked(db.clock(), idle) else found


def touch(db: Database, token: str) -> None:
    """The person has done something: the time until the lock begins anew."""
    with db.begin() as session:
        clinicians.touch(session, hash_token(token))


def unlock(db: Database, token: str, person: Clinician, password: str) -> Refused | None:
    """Opens a locked session again for the right password. None where it did."""
    # Whoever has the session's cookie has signed in here before.
    checked = check(db, person, password, Device(known_to=person.id))
    if isinstance(checked, Refused):
        return checked
    with db.begin() as session:
        clinicians.forget_failures(session, person.id)
        clinicians.touch(session, hash_token(token))
        _audit(session, person, "clinician.unlocked")
    return None


def sign_out(db: Database, token: str) -> None:
    """Ends the session of this token, if it is one."""
    with db.begin() as session:
        found = clinicians.session_for(session, hash_token(token))
        if found is not None:
            clinicians.revoke_session(session, hash_token(token))
            _audit(session, found[0], "clinician.signed_out")


def csrf_matches(expected: str, given: str | None) -> bool:
    """Whether a form carries its session's CSRF token. Takes the same time wherever they differ."""
    return given is not None and hmac.compare_digest(_bytes(expected), _bytes(given))


def demo_clinician(
    db: Database, clinic: str, reset: bool = False, role: str = DEMO_ROLE
) -> DemoClinician | None:
    """Makes the demo clinic's person of this role with a random password and returns it: this once.

    None where there already is one; `reset` then gives them a new password and ends their sessions.
    For development only: the caller decides that.
    """
    name = "demo" if role == DEMO_ROLE else f"demo-{role}"
    email, password = f"{name}@{clinic}.invalid", secrets.token_urlsafe(12)
    with db.read() as session:
        if clinicians.clinician_by_email(session, email) is not None and not reset:
            return None
    password_hash = hash_password(password)
    with db.begin() as session:
        found = clinicians.clinician_by_email(session, email)
        if found is None:
            clinicians.add_clinician(
                session,
                clinic=clinic,
                email=email,
                name=DEMO_NAME if role == DEMO_ROLE else f"Demo {role.title()}",
                role=role,
                password_hash=password_hash,
            )
        elif reset:
            clinicians.set_password_hash(session, found.id, password_hash)
            clinicians.set_role(session, found.id, role)
            clinicians.set_factor(session, found.id, None)
            clinicians.forget_failures(session, found.id)
            clinicians.enable(session, found.id)
            clinicians.revoke_sessions(session, found.id)
        else:
            return None
    return DemoClinician(email, password, role)


def demo_people(db: Database, clinic: str) -> list[DemoClinician]:
    """A demo person of every role, each with a new password."""
    made = (demo_clinician(db, clinic, reset=True, role=role) for role in ROLES)
    return [person for person in made if person is not None]


def _audit(session: Session, person: Clinician, act: str, **details: object) -> None:
    """One row about the person's own doing."""
    audit.record(session, clinic=person.clinic, actor=person.id, act=act, subject=person.id, details=details)


@lru_cache(maxsize=1)
def _hasher() -> PasswordHasher:
    return PasswordHasher()


@lru_cache(maxsize=1)
def _nobody() -> str:
    """The hash that stands in for a person who does not exist."""
    return _hasher().hash(secrets.token_bytes(32))


def _bytes(text: str) -> bytes:
    return text.encode("utf-8", "surrogatepass")
