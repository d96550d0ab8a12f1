"""The clinic's people and their sign-in sessions. Passwords and tokens come here already hashed."""

from __future__ import annotations

import uuid
from datetime import timedelta

from sqlalchemy import select, update
from sqlalchemy.orm import Session

from bot.store.models import Clinician, ClinicianSession
from bot.store.session import now


def add_clinician(
    session: Session, *, clinic: str, email: str, name: str, role: str, password_hash: str
) -> Clinician:
    """A new clinician. Raises IntegrityError where the e-mail address is taken."""
    clinician = Clinician(
        id=str(uuid.uuid4()),
        clinic=clinic,
        email=address(email),
        name=name,
        role=role,
        password_hash=password_hash,
        created_at=now(session),
    )
    session.add(clinician)
    session.flush()
    return clinician


def address(email: str) -> str:
    """The e-mail address as it is kept and compared."""
    return email.strip().lower()


def clinician_by_email(session: Session, email: str) -> Clinician | None:
    """The clinician with this address, disabled or not."""
    return session.execute(select(Clinician).where(Clinician.email == address(email))).scalar_one_or_none()


def clinician_with(session: Session, clinician_id: str) -> Clinician | None:
    """The clinician with this id, disabled or not."""
    return session.get(Clinician, clinician_id)


def names(session: Session, clinic: str) -> dict[str, str]:
    """The names of a clinic's people by id, for pages that show who did what."""
    rows = session.execute(select(Clinician.id, Clinician.name).where(Clinician.clinic == clinic))
    return {clinician_id: name for clinician_id, name in rows}


def set_password_hash(session: Session, clinician_id: str, password_hash: str) -> None:
    """Replaces the password's hash."""
    session.execute(
        update(Clinician)
        .where(Clinician.id == clinician_id)
        .values(password_hash=password_hash)
        .execution_options(synchronize_session=False)
    )


def disable(session: Session, clinician_id: str) -> None:
    """Ends the clinician's access at once: no new sign-in, and every open one is revoked."""
    session.execute(
        update(Clinician)
        .where(Clinician.id == clinician_id, Clinician.disabled_at.is_(None))
        .values(disabled_at=now(session))
        .execution_options(synchronize_session=False)
    )
    revoke_sessions(session, clinician_id)


def add_session(
    session: Session, clinician_id: str, token_hash: str, csrf: str, lifetime: timedelta
) -> ClinicianSession:
    """A sign-in that lasts `lifetime` from now."""
    at = now(session)
    kept = ClinicianSession(
        token_hash=token_hash,
        clinician_id=clinician_id,
        csrf=csrf,
        created_at=at,
        expires_at=at + lifetime,
        id=str(uuid.uuid4()),
        used_at=at,
        device="",
    )
    session.add(kept)
    session.flush()
    return kept


def session_for(session: Session, token_hash: str) -> tuple[Clinician, ClinicianSession] | None:
    """Who is signed in with this token; None if it is unknown, over or revoked, or the person is disabled."""
    found = session.execute(
        select(Clinician, ClinicianSession)
        .join(ClinicianSession, ClinicianSession.clinician_id == Clinician.id)
        .where(
            ClinicianSession.token_hash == token_hash,
            ClinicianSession.expires_at > now(session),
            ClinicianSession.revoked_at.is_(None),
            Clinician.disabled_at.is_(None),
        )
    ).one_or_none()
    return None if found is None else (found[0], found[1])


def revoke_session(session: Session, token_hash: str) -> None:
    """Ends one sign-in."""
    session.execute(
        update(ClinicianSession)
        .where(ClinicianSession.token_hash == token_hash, ClinicianSession.revoked_at.is_(None))
        .values(revoked_at=now(session))
        .execution_options(synchronize_session=False)
    )


def revoke_sessions(session: Session, clinician_id: str) -> None:
    """Ends every sign-in of a clinician."""
    session.execute(
        update(ClinicianSession)
        .where(ClinicianSession.clinician_id == clinician_id, ClinicianSession.revoked_at.is_(None))
        .values(revoked_at=now(session))
        .execution_options(synchronize_session=False)
    )
