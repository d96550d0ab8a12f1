"""Which of the clinic's people a provider has signed in: tied by its own name for them, the first time by their checked
e-mail address, or put on the clinic's list where its file says so.

Where the provider may put people on the list, its groups decide, at each sign-in, the role of everybody who has no
password here; who has one keeps the role that an admin gave.
"""

from __future__ import annotations

from datetime import timedelta

from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session

from bot.content.sign_in import Oidc
from bot.handoff.roles import MANAGE, ROLES
from bot.store import audit, clinicians
from bot.store.clinicians import LastAdmin
from bot.store.models import Clinician
from bot.store.session import Database
from bot.web.identity import Refused
from bot.web.people import staff
from bot.web.people.auth import Device, SignedIn, open_session, refuse
from bot.web.people.auth import Refused as NotIn
from bot.web.people.oidc import Known, role_for

_MANAGERS = tuple(role for role, rights in ROLES.items() if MANAGE in rights)


def sign_in(
    db: Database, clinic: str, oidc: Oidc, known: Known, lifetime: timedelta, device: Device
) -> SignedIn:
    """A new session for the person. Raises Refused where the clinic has nobody like this, or has shut them out."""
    try:
        with db.begin() as session:
            person = clinicians.by_subject(session, known.issuer, known.subject)
            person = person or _first_time(session, clinic, oidc, known)
            if person.clinic != clinic:
                raise Refused("of_another_clinic")
            if person.disabled_at is None:
                _follow_groups(session, person, oidc, known)
                return open_session(session, person, lifetime, device, "provider")
    except IntegrityError:
        raise Refused("address_taken") from None
    refuse(db, NotIn("disabled", person))
    raise Refused("disabled")


def _first_time(session: Session, clinic: str, oidc: Oidc, known: Known) -> Clinician:
    if not known.email or not staff.usable_email(known.email):
        raise Refused("no_checked_address")
    person = clinicians.clinician_by_email(session, known.email)
    if person is not None:
        if person.clinic != clinic:
            raise Refused("of_another_clinic")
        if person.disabled_at is not None or not clinicians.link_subject(
            session, person.id, known.issuer, known.subject
        ):
            raise Refused("not_to_be_tied")
        _audit(session, person, "clinician.tied_to_provider")
        return person
    role = role_for(oidc, known.groups)
    if not oidc.create or role is None:
        raise Refused("nobody_of_the_clinic")
    name = known.name if staff.usable_name(known.name) else known.email
    person = clinicians.add_clinician(
        session, clinic=clinic, email=known.email, name=name, role=role, password_hash=""
    )
    clinicians.link_subject(session, person.id, known.issuer, known.subject)
    _audit(session, person, "clinician.added_by_provider", role=role)
    return person


def _follow_groups(session: Session, person: Clinician, oidc: Oidc, known: Known) -> None:
    """The role that the provider's groups give now, for those whom it has put on the list."""
    if person.password_hash or not oidc.create:
        return
    role = role_for(oidc, known.groups)
    if role is None:
        raise Refused("no_group_any_more")
    if role == person.role:
        return
    if role not in _MANAGERS:
        try:
            clinicians.keep_an_admin(session, person.clinic, _MANAGERS, leaving=person.id)
        except LastAdmin:
            return  # somebody must be able to manage the clinic's people
    _audit(session, person, "clinician.role_changed", before=person.role, after=role)
    clinicians.set_role(session, person.id, role)
    session.refresh(person)


def _audit(session: Session, person: Clinician, act: str, **details: object) -> None:
    audit.record(session, clinic=person.clinic, actor=person.id, act=act, subject=person.id, details=details)
