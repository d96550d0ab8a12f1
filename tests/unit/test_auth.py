"""Clinicians' sign-in: passwords, sessions, the lock against guessing."""

from __future__ import annotations

from datetime import timedelta

import pytest
from argon2 import PasswordHasher
from sqlalchemy import select

from bot.handoff.roles import ROLES
from bot.store import audit, clinicians
from bot.store.models import Clinician, ClinicianSession
from bot.store.session import Database
from bot.web.people import auth
from bot.web.people.auth import Device, HalfSignedIn, Refused, SignedIn
from tests.support import quick_hashing
from tests.support.database import CLINIC, HandClock

HOURS = timedelta(hours=12)
IDLE = timedelta(minutes=15)


quick = quick_hashing.quick


@pytest.fixture
def demo(db: Database) -> auth.DemoClinician:
    made = auth.demo_clinician(db, CLINIC)
    assert made is not None
    return made


def tried(db: Database, email: str, password: str, device: Device | None = None) -> SignedIn | HalfSignedIn | Refused:
    """One try to sign in, with what is written down after it."""
    found = auth.sign_in(db, email, password, HOURS, device or Device())
    if isinstance(found, Refused):
        auth.refuse(db, found)
    return found


def signed_in(db: Database, demo: auth.DemoClinician) -> SignedIn:
    found = tried(db, demo.email, demo.password)
    assert isinstance(found, SignedIn)
    return found


def cause(found: object) -> str:
    assert isinstance(found, Refused)
    return found.cause


def acts(db: Database, person: str) -> list[str]:
    with db.read() as session:
        return [row.act for row in audit.trail(session, CLINIC, person)]


def id_of(db: Database, email: str) -> str:
    with db.read() as session:
        found = clinicians.clinician_by_email(session, email)
        assert found is not None
        return str(found.id)


def test_the_right_password_signs_in_and_only_hashes_are_kept(db: Database, demo: auth.DemoClinician) -> None:
    first, second = signed_in(db, demo), signed_in(db, demo)
    assert first.token != second.token and len(first.token) >= 43
    found = auth.who(db, first.token)
    assert found is not None
    assert (found.clinician.clinic, found.clinician.email, found.csrf) == (CLINIC, demo.email, first.csrf)
    with db.read() as session:
        kept = str(
            [
                session.execute(select(ClinicianSession.token_hash)).scalars().all(),
                session.execute(select(Clinician.password_hash)).scalars().all(),
            ]
        )
    assert first.token not in kept and demo.password not in kept and "$argon2id$" in kept
    assert acts(db, first.clinician.id) == ["clinician.signed_in"] * 2
    assert first.token not in repr(first) and demo.password not in repr(demo)


def test_the_address_is_the_same_in_any_case(db: Database, demo: auth.DemoClinician) -> None:
    assert isinstance(tried(db, f" {demo.email.upper()} ", demo.password), SignedIn)


@pytest.mark.parametrize("password", ["", "wrong", "\0", "\ud800", "x" * 100_000])
def test_a_wrong_password_does_not(db: Database, demo: auth.DemoClinician, password: str) -> None:
    assert cause(tried(db, demo.email, password)) == "password"
    assert cause(tried(db, "nobody@demo.invalid", password)) == "unknown"
    assert cause(tried(db, password, demo.password)) == "unknown"


def test_every_refusal_costs_the_same_work(
    db: Database, demo: auth.DemoClinician, clock: HandClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Unknown, wrong, without a password, locked and disabled: one hash each, so that no time tells who there is."""
    with db.begin() as session:
        common = {"clinic": CLINIC, "name": "Lee", "role": "clinician"}
        clinicians.add_clinician(session, email="new@demo.invalid", password_hash="", **common)
        hashed = auth.hash_password(demo.password)
        locked = clinicians.add_clinician(session, email="locked@demo.invalid", password_hash=hashed, **common)
        locked.locked_until = clock() + timedelta(minutes=1)
        gone = clinicians.add_clinician(session, email="gone@demo.invalid", password_hash=hashed, **common)
        clinicians.disable(session, gone.id)
    verified: list[str] = []
    hasher = auth._hasher()

    class Counting:
        def verify(self, password_hash: str, password: bytes) -> bool:
            verified.append(password_hash)
            return hasher.verify(password_hash, password)

    monkeypatch.setattr(auth, "_hasher", Counting)
    causes = []
    for name in ("demo", "nobody", "new", "locked", "gone"):
        password = "wrong" if name == "demo" else demo.password
        causes.append(cause(auth.sign_in(db, f"{name}@demo.invalid", password, HOURS)))
    assert causes == ["password", "unknown", "password", "locked", "disabled"]
    assert len(verified) == 5 and all(one.startswith("$argon2id$") for one in verified)


def test_wrong_tries_lock_the_account_longer_and_longer(
    db: Database, demo: auth.DemoClinician, clock: HandClock
) -> None:
    for _ in range(auth.FIRST_LOCK - 1):
        assert cause(tried(db, demo.email, "wrong")) == "password"
    for minutes in (1, 2, 4, 8, 16, 32, 60, 60):
        assert cause(tried(db, demo.email, "wrong")) == "password"
        assert cause(tried(db, demo.email, demo.password)) == "locked"
        clock.move(minutes=minutes, seconds=-1)
        assert cause(tried(db, demo.email, "wrong")) == "locked"
        clock.move(seconds=1)
    assert acts(db, id_of(db, demo.email)).count("clinician.locked") == 8
    signed_in(db, demo)


def test_a_whole_sign_in_forgets_the_wrong_tries(db: Database, demo: auth.DemoClinician) -> None:
    for _ in range(3):
        for _ in range(auth.FIRST_LOCK - 1):
            tried(db, demo.email, "wrong")
        signed_in(db, demo)


def test_a_known_browser_is_not_locked_out_by_strangers(
    db: Database, demo: auth.DemoClinician, clock: HandClock
) -> None:
    person = id_of(db, demo.email)
    for _ in range(auth.FIRST_LOCK):
        tried(db, demo.email, "wrong")
    assert cause(tried(db, demo.email, demo.password)) == "locked"
    assert cause(tried(db, demo.email, demo.password, Device(known_to="somebody else"))) == "locked"
    assert isinstance(tried(db, demo.email, demo.password, Device(known_to=person)), SignedIn)
    for _ in range(auth.KNOWN_DEVICE_TRIES):
        assert cause(tried(db, demo.email, "wrong", Device(known_to=person))) == "password"
    assert cause(tried(db, demo.email, demo.password, Device(known_to=person))) == "locked"


def test_refusals_of_known_people_are_audited_without_what_was_typed(db: Database, demo: auth.DemoClinician) -> None:
    tried(db, demo.email, "a wrong password")
    tried(db, "nobody@demo.invalid", "a wrong password")
    with db.read() as session:
        (row,) = audit.trail(session, CLINIC, id_of(db, demo.email))
    assert (row.act, row.details) == ("clinician.sign_in_refused", {"cause": "password"})


def test_a_session_ends(db: Database, demo: auth.DemoClinician, clock: HandClock) -> None:
    one, other = signed_in(db, demo), signed_in(db, demo)
    auth.sign_out(db, one.token)
    auth.sign_out(db, "unknown")
    assert auth.who(db, one.token) is None
    clock.move(hours=11)
    assert auth.who(db, other.token) is not None
    clock.move(hours=1)
    assert auth.who(db, other.token) is None
    assert auth.who(db, "") is None


def test_a_session_is_locked_when_nothing_was_done(db: Database, demo: auth.DemoClinician, clock: HandClock) -> None:
    one = signed_in(db, demo)
    clock.move(minutes=14, seconds=59)
    assert auth.in_use(db, one.token, IDLE) is not None
    auth.touch(db, one.token)
    clock.move(minutes=14, seconds=59)
    assert auth.in_use(db, one.token, IDLE) is not None
    clock.move(seconds=1)
    assert auth.in_use(db, one.token, IDLE) is None
    assert auth.who(db, one.token) is not None
    assert auth.unlock(db, one.token, one.clinician, "wrong") == Refused("password", one.clinician)
    assert auth.in_use(db, one.token, IDLE) is None
    assert auth.unlock(db, one.token, one.clinician, demo.password) is None
    assert auth.in_use(db, one.token, IDLE) is not None


def test_signing_in_forgets_ones_sessions_that_are_over(
    db: Database, demo: auth.DemoClinician, clock: HandClock
) -> None:
    signed_in(db, demo)
    clock.move(hours=13)
    signed_in(db, demo)
    with db.read() as session:
        assert len(session.execute(select(ClinicianSession)).all()) == 1


def test_a_disabled_clinician_is_out_at_once(db: Database, demo: auth.DemoClinician) -> None:
    one = signed_in(db, demo)
    with db.begin() as session:
        clinicians.disable(session, one.clinician.id)
    assert auth.who(db, one.token) is None
    assert cause(tried(db, demo.email, demo.password)) == "disabled"


def test_an_old_hash_is_renewed_at_sign_in(
    db: Database, demo: auth.DemoClinician, monkeypatch: pytest.MonkeyPatch
) -> None:
    stronger = PasswordHasher(time_cost=2, memory_cost=16, parallelism=1)
    monkeypatch.setattr(auth, "_hasher", lambda: stronger)
    person = signed_in(db, demo).clinician
    with db.read() as session:
        found = clinicians.clinician_with(session, person.id)
    assert found is not None and not stronger.check_needs_rehash(found.password_hash)
    assert isinstance(tried(db, demo.email, demo.password), SignedIn)


def test_the_demo_clinician_is_made_once_and_can_be_reset(db: Database, demo: auth.DemoClinician) -> None:
    one = signed_in(db, demo)
    assert auth.demo_clinician(db, CLINIC) is None
    again = auth.demo_clinician(db, CLINIC, reset=True)
    assert again is not None and again.password != demo.password
    assert auth.who(db, one.token) is None
    assert cause(tried(db, demo.email, demo.password)) == "password"
    assert isinstance(tried(db, again.email, again.password), SignedIn)
    with db.read() as session:
        assert clinicians.names(session, CLINIC) == {one.clinician.id: auth.DEMO_NAME}


def test_there_is_a_demo_person_of_every_role(db: Database, demo: auth.DemoClinician) -> None:
    made = auth.demo_people(db, CLINIC)
    assert {person.role for person in made} == set(ROLES)
    for person in made:
        found = tried(db, person.email, person.password)
        assert isinstance(found, SignedIn) and found.clinician.role == person.role
    assert next(person.email for person in made if person.role == auth.DEMO_ROLE) == demo.email


@pytest.mark.parametrize(
    ("given", "same"), [("token", True), ("Token", False), ("", False), (None, False), ("tökén", False)]
)
def test_csrf(given: str | None, same: bool) -> None:
    assert auth.csrf_matches("token", given) is same


def test_the_real_hash_is_argon2id(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.undo()
    hashed = auth.hash_password("a password")
    assert hashed.startswith("$argon2id$")
    assert auth.verify_password(hashed, "a password")
    assert not auth.verify_password(None, "a password")
    assert not auth.verify_password("", "a password")
    assert not auth.verify_password("not a hash", "a password")
