"""The clinic's people and their sign-in sessions. Passwords and tokens come here already hashed."""

from __future__ import annotations

import uuid
from collections.abc import Iterable
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import delete, or_, select, update
from sqlalchemy.orm import Session

from bot.store.models import Clinician, ClinicianSession
from bot.store.session import now


class LastAdmin(Exception):
    """Without this person nobody could manage the clinic's people any more."""


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
    _change(session, clinician_id, password_hash=password_hash)


def set_role(session: Session, clinician_id: str, role: str) -> None:
    """Replaces the person's role; the next page that they ask for goes by it."""
    _change(session, clinician_id, role=role)


def disable(session: Session, clinician_id: str) -> None:
    """Ends the clinician's access at once: no new sign-in, and every open one is revoked."""
    _change(session, clinician_id, Clinician.disabled_at.is_(None), disabled_at=now(session))
    revoke_sessions(session, clinician_id)


def enable(session: Session, clinician_id: str) -> None:
    """Lets a disabled person sign in again."""
    _change(session, clinician_id, disabled_at=None)


def people(session: Session, clinic: str) -> list[Clinician]:
    """Everybody of the clinic, those who may sign in first, by name."""
    disabled = Clinician.disabled_at.is_not(None)
    return list(
        session.execute(
            select(Clinician).where(Clinician.clinic == clinic).order_by(disabled, Clinician.name, Clinician.id)
        ).scalars()
    )


def keep_an_admin(session: Session, clinic: str, roles: Iterable[str], leaving: str) -> None:
    """Raises LastAdmin where `leaving` is the only one of these roles who can sign in.

    The others are held until the transaction ends: two who disable each other at once cannot both do it.
    """
    able = or_(Clinician.password_hash != "", Clinician.oidc_subject.is_not(None))
    admins = select(Clinician.id).where(
        Clinician.clinic == clinic, Clinician.role.in_(tuple(roles)), Clinician.disabled_at.is_(None), able
    )
    ids = set(session.execute(admins.order_by(Clinician.id).with_for_update()).scalars())
    if ids == {leaving}:
        raise LastAdmin


def add_session(
    session: Session, clinician_id: str, token_hash: str, csrf: str, lifetime: timedelta, device: str = ""
) -> ClinicianSession:
    """A sign-in that lasts `lifetime` from now. The person's sign-ins that are over are forgotten."""
    at = now(session)
    over = ClinicianSession.clinician_id == clinician_id, ClinicianSession.expires_at <= at
    session.execute(delete(ClinicianSession).where(*over).execution_options(synchronize_session=False))
    kept = ClinicianSession(
        token_hash=token_hash,
        clinician_id=clinician_id,
        csrf=csrf,
        created_at=at,
        expires_at=at + lifetime,
        id=str(uuid.uuid4()),
        used_at=at,
        device=device,
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

# The account's lock against guessing


def add_failure(session: Session, clinician_id: str, first: int, longest: int) -> tuple[int, datetime | None]:
    """Counts one wrong password or code. From number `first` on the account is locked: a minute, then twice as long
    each time, up to `longest` minutes. Gives the count since the last sign-in, and until when it is locked."""
    person = session.get(Clinician, clinician_id, with_for_update=True, populate_existing=True)
    person.failures += 1
    if person.failures >= first:
        minutes = min(longest, 2 ** min(person.failures - first, 30))
        person.locked_until = now(session) + timedelta(minutes=minutes)
    session.flush()
    return person.failures, person.locked_until


def forget_failures(session: Session, clinician_id: str) -> None:
    """After a whole sign-in, or by an admin: no wrong tries, no lock."""
    _change(session, clinician_id, failures=0, locked_until=None)


# The second factor


def set_factor(session: Session, clinician_id: str, sealed: str | None, step: int | None = None) -> None:
    """Replaces the person's factor (None: takes it away). `step`: the one whose code has confirmed it."""
    _change(session, clinician_id, totp_secret=sealed, totp_step=step)


def use_step(session: Session, clinician_id: str, step: int) -> bool:
    """Uses up the code of a step. False where it, or a later one, was used before: of two at once one gets it."""
    later = or_(Clinician.totp_step.is_(None), Clinician.totp_step < step)
    return _change(session, clinician_id, later, totp_step=step)


def swap_factor(session: Session, clinician_id: str, before: str, after: str) -> bool:
    """Replaces the factor if it is still `before`: a recovery code is used up once."""
    return _change(session, clinician_id, Clinician.totp_secret == before, totp_secret=after)


# The clinic's own provider


def by_subject(session: Session, issuer: str, subject: str) -> Clinician | None:
    """The person whom the provider calls so, disabled or not."""
    mine = Clinician.oidc_issuer == issuer, Clinician.oidc_subject == subject
    return session.execute(select(Clinician).where(*mine)).scalar_one_or_none()


def link_subject(session: Session, clinician_id: str, issuer: str, subject: str) -> bool:
    """Ties the person to the provider's name for them. False where they are tied to another one already."""
    free = Clinician.oidc_subject.is_(None)
    return _change(session, clinician_id, free, oidc_issuer=issuer, oidc_subject=subject)


# Sessions as people see them


def open_sessions(session: Session, clinician_id: str) -> list[ClinicianSession]:
    """The person's sign-ins that are neither over nor ended, the one used last first."""
    good = ClinicianSession.expires_at > now(session), ClinicianSession.revoked_at.is_(None)
    mine = select(ClinicianSession).where(ClinicianSession.clinician_id == clinician_id, *good)
    return list(session.execute(mine.order_by(ClinicianSession.used_at.desc(), ClinicianSession.id)).scalars())


def touch(session: Session, token_hash: str) -> None:
    """The person has just done something with this sign-in."""
    session.execute(
        update(ClinicianSession)
        .where(ClinicianSession.token_hash == token_hash)
        .values(used_at=now(session))
        .execution_options(synchronize_session=False)
    )


def end_session(session: Session, clinician_id: str, session_id: str) -> bool:
    """Ends one sign-in of this person by its id. False where there is none that is open."""
    mine = ClinicianSession.id == session_id, ClinicianSession.clinician_id == clinician_id
    ended = session.execute(
        update(ClinicianSession)
        .where(*mine, ClinicianSession.revoked_at.is_(None))
        .values(revoked_at=now(session))
        .execution_options(synchronize_session=False)
    )
    return bool(ended.rowcount)


def _change(session: Session, clinician_id: str, *only: Any, **values: Any) -> bool:
    changed = session.execute(
        update(Clinician)
        .where(Clinician.id == clinician_id, *only)
        .values(**values)
        .execution_options(synchronize_session=False)
    )
    return bool(changed.rowcount)
