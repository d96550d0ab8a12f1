"""Clinicians' sign-in: argon2 passwords, opaque session tokens of which only hashes are kept, CSRF tokens.

No Starlette here: the inbox puts these into cookies and forms.
"""

from __future__ import annotations

import hmac
import secrets
from dataclasses import dataclass, field
from datetime import timedelta
from functools import lru_cache

from argon2 import PasswordHasher
from argon2.exceptions import InvalidHashError, VerificationError

from bot.store import audit, clinicians
from bot.store.conversations import hash_token
from bot.store.models import Clinician, storable_text
from bot.store.session import Database

_LONGEST_PASSWORD = 1024
DEMO_NAME = "Demo Clinician"


@dataclass(frozen=True)
class SignedIn:
    """A clinician who has just signed in, and the only copy of the session's token."""

    clinician: Clinician
    token: str = field(repr=False)
    csrf: str = field(repr=False)


@dataclass(frozen=True)
class Who:
    """The clinician behind a request, and the CSRF token that its forms must carry."""

    clinician: Clinician
    csrf: str = field(repr=False)


@dataclass(frozen=True)
class DemoClinician:
    """How to sign in to the demo clinic's inbox. The password is not kept anywhere."""

    email: str
    password: str = field(repr=False)


def hash_password(password: str) -> str:
    """The argon2id hash of a password, with its parameters and salt in it."""
    return _hasher().hash(_bytes(password))


def verify_password(password_hash: str | None, password: str) -> bool:
    """Whether the password is right. None (no such person) costs the same work and is always False."""
    try:
        right = _hasher().verify(password_hash or _nobody(), _bytes(password))
    except (VerificationError, InvalidHashError):
        return False
    return right and password_hash is not None and len(password) <= _LONGEST_PASSWORD


def sign_in(db: Database, email: str, password: str, lifetime: timedelta) -> SignedIn | None:
    """A new session for the right e-mail address and password; None for anything else.

    The answer and the work are the same for an unknown address, a wrong password and a disabled person.
    Hashing happens outside any transaction: it is slow on purpose. Raises DatabaseUnavailable.
    """
    with db.read() as session:
        found = clinicians.clinician_by_email(session, storable_text(email))
    enabled = found is not None and found.disabled_at is None
    if not verify_password(found.password_hash if found and enabled else None, password) or found is None:
        return None
    renewed = hash_password(password) if _hasher().check_needs_rehash(found.password_hash) else None
    token, csrf = secrets.token_urlsafe(32), secrets.token_urlsafe(32)
    with db.begin() as session:
        if renewed is not None:
            clinicians.set_password_hash(session, found.id, renewed)
        clinicians.add_session(session, found.id, hash_token(token), csrf, lifetime)
        audit.record(
            session, clinic=found.clinic, actor=found.id, act="clinician.signed_in", subject=found.id
        )
    return SignedIn(found, token, csrf)


def who(db: Database, token: str) -> Who | None:
    """The clinician whose session this is; None if it is unknown, over, revoked, or they are disabled."""
    with db.read() as session:
        found = clinicians.session_for(session, hash_token(token))
    return None if found is None else Who(found[0], found[1].csrf)


def sign_out(db: Database, token: str) -> None:
    """Ends the session of this token, if it is one."""
    with db.begin() as session:
        found = clinicians.session_for(session, hash_token(token))
        if found is not None:
            clinicians.revoke_session(session, hash_token(token))
            person = found[0]
            audit.record(
                session, clinic=person.clinic, actor=person.id, act="clinician.signed_out", subject=person.id
            )


def csrf_matches(expected: str, given: str | None) -> bool:
    """Whether a form carries its session's CSRF token. Takes the same time wherever they differ."""
    return given is not None and hmac.compare_digest(_bytes(expected), _bytes(given))


def demo_clinician(db: Database, clinic: str, reset: bool = False) -> DemoClinician | None:
    """Makes the demo clinic's clinician with a random password and returns it: this once.

    None where there already is one; `reset` then gives them a new password and ends their sessions.
    For development only: the caller decides that.
    """
    email, password = f"demo@{clinic}.invalid", secrets.token_urlsafe(12)
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
                name=DEMO_NAME,
                role="clinician",
                password_hash=password_hash,
            )
        elif reset:
            clinicians.set_password_hash(session, found.id, password_hash)
            clinicians.revoke_sessions(session, found.id)
        else:
            return None
    return DemoClinician(email, password)


@lru_cache(maxsize=1)
def _hasher() -> PasswordHasher:
    return PasswordHasher()


@lru_cache(maxsize=1)
def _nobody() -> str:
    """The hash that stands in for a person who does not exist."""
    return _hasher().hash(secrets.token_bytes(32))


def _bytes(text: str) -> bytes:
    return text.encode("utf-8", "surrogatepass")
