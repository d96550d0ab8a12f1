"""The second half of a sign-in: the code of an app, a recovery code, or setting an app up for the first time."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import timedelta

import structlog
from sqlalchemy.orm import Session

from bot.store import audit, clinicians, sign_in_states
from bot.store.models import Clinician
from bot.store.session import Database, now
from bot.store.sign_in_states import HALF
from bot.web.people import second_factor
from bot.web.people.auth import Device, Refused, SignedIn, barred, open_session
from bot.web.people.second_factor import Box, Factor, FactorUnreadable

log = structlog.get_logger(__name__)
CODE, RECOVERY = "code", "recovery_code"


@dataclass(frozen=True)
class Enrolled:
    """A factor was set up: the recovery codes, which nobody can read again, and the sign-in that this has finished."""

    recovery: tuple[str, ...] = field(repr=False)
    signed: SignedIn | None = None


def half_of(db: Database, token: str) -> Clinician | None:
    """Whose sign-in waits for its second half; None where it is unknown or has taken too long."""
    with db.read() as session:
        state = sign_in_states.found(session, HALF, token)
        person = clinicians.clinician_with(session, state.verifier) if state is not None else None
    return person if person is not None and person.disabled_at is None else None


def finish(
    db: Database, box: Box, token: str, given: str, lifetime: timedelta, device: Device
) -> SignedIn | Refused | None:
    """The whole session for a right code, once. None where the first half is over; a Refused is still to be recorded
    (`auth.refuse`). Raises DatabaseUnavailable."""
    with db.begin() as session:
        person = _held(session, token)
        if person is None:
            return None
        if cause := barred(person, now(session), device):
            return Refused(cause, person)
        how = use_code(session, box, person, given)
        if how is None or sign_in_states.take(session, HALF, token) is None:
            return Refused("code", person)
        return open_session(session, person, lifetime, device, how)


def enrol_and_finish(
    db: Database, box: Box, token: str, offer: str, given: str, lifetime: timedelta, device: Device
) -> Enrolled | Refused | None:
    """As `finish`, for somebody who has no factor yet: the offered secret is kept once a code of it has come."""
    with db.begin() as session:
        person = _held(session, token)
        if person is None or person.totp_secret is not None:
            return None
        if cause := barred(person, now(session), device):
            return Refused(cause, person)
        codes = enrol(session, box, person, offer, given)
        if codes is None or sign_in_states.take(session, HALF, token) is None:
            return Refused("code", person)
        return Enrolled(codes, open_session(session, person, lifetime, device, CODE))


def use_code(session: Session, box: Box, person: Clinician, given: str) -> str | None:
    """Uses up what was given: CODE, RECOVERY, or None where it opens nothing. The person's row must be held."""
    if person.totp_secret is None:
        return None
    try:
        factor = box.open(person.id, person.totp_secret)
    except FactorUnreadable:
        log.error("second_factor_unreadable", person=person.id)
        return None
    if second_factor.digits(given) is not None:
        step = second_factor.matching_step(factor.secret, given, now(session), person.totp_step)
        return CODE if step is not None and clinicians.use_step(session, person.id, step) else None
    left = second_factor.without_used(factor, given)
    if left is None or not clinicians.swap_factor(session, person.id, person.totp_secret, box.seal(person.id, left)):
        return None
    _audit(session, person, "clinician.recovery_code_used", left=len(left.recovery))
    return RECOVERY


def enrol(session: Session, box: Box, person: Clinician, offer: str, given: str) -> tuple[str, ...] | None:
    """Keeps the offered secret if the code is its code; gives the recovery codes, or None."""
    secret = box.offered(person.id, offer, now(session))
    step = second_factor.matching_step(secret, given, now(session), None) if secret is not None else None
    if secret is None or step is None:
        return None
    codes = second_factor.new_recovery_codes()
    factor = second_factor.with_recovery(Factor(secret), codes)
    clinicians.set_factor(session, person.id, box.seal(person.id, factor), step)
    _audit(session, person, "clinician.factor_set_up")
    return codes


def renew_recovery(session: Session, box: Box, person: Clinician) -> tuple[str, ...] | None:
    """New recovery codes instead of the old ones; None where there is no factor that can be read."""
    if person.totp_secret is None:
        return None
    try:
        factor = box.open(person.id, person.totp_secret)
    except FactorUnreadable:
        log.error("second_factor_unreadable", person=person.id)
        return None
    codes = second_factor.new_recovery_codes()
    clinicians.set_factor(
        session, person.id, box.seal(person.id, second_factor.with_recovery(factor, codes)), person.totp_step
    )
    _audit(session, person, "clinician.recovery_codes_renewed")
    return codes


def take_away(session: Session, person: Clinician) -> None:
    """No second factor any more."""
    clinicians.set_factor(session, person.id, None)
    _audit(session, person, "clinician.factor_taken_away")


def held(session: Session, person_id: str) -> Clinician | None:
    """The person as they are now, held until the transaction ends."""
    found: Clinician | None = session.get(Clinician, person_id, with_for_update=True, populate_existing=True)
    return found


def _held(session: Session, token: str) -> Clinician | None:
    state = sign_in_states.found(session, HALF, token)
    person = held(session, state.verifier) if state is not None else None
    # Asked again: the same form, sent twice at once, may have finished it while this one waited for the row.
    return person if person is not None and sign_in_states.found(session, HALF, token) is not None else None


def _audit(session: Session, person: Clinician, act: str, **details: object) -> None:
    audit.record(session, clinic=person.clinic, actor=person.id, act=act, subject=person.id, details=details)
