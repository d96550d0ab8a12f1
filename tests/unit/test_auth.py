"""Clinicians' sign-in."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

import pytest
from argon2 import PasswordHasher
from sqlalchemy import select

from bot.store import audit, clinicians
from bot.store.models import Clinician, ClinicianSession
from bot.store.session import Database
from bot.web import auth
from tests.support.database import CLINIC, HandClock, sqlite_database

HOURS = timedelta(hours=12)


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """Argon2 with little work, so that these tests are about the rules and not about the hash."""
    hasher = PasswordHasher(time_cost=1, memory_cost=8, parallelism=1)
    nobody = hasher.hash("nobody")
    monkeypatch.setattr(auth, "_hasher", lambda: hasher)
    monkeypatch.setattr(auth, "_nobody", lambda: nobody)


@pytest.fixture
def clock() -> HandClock:
    return HandClock()


@pytest.fixture
def db(tmp_path: Path, clock: HandClock) -> Database:
    return sqlite_database(tmp_path, clock)


@pytest.fixture
def demo(db: Database) -> auth.DemoClinician:
    made = auth.demo_clinician(db, CLINIC)
    assert made is not None
    return made


def signed_in(db: Database, demo: auth.DemoClinician) -> auth.SignedIn:
    found = auth.sign_in(db, demo.email, demo.password, HOURS)
    assert found is not None
    return found


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
        trail = audit.trail(session, CLINIC, first.clinician.id)
    assert first.token not in kept and demo.password not in kept and "$argon2id$" in kept
    assert [row.act for row in trail] == ["clinician.signed_in"] * 2
    assert first.token not in repr(first) and demo.password not in repr(demo)


def test_the_address_is_the_same_in_any_case(db: Database, demo: auth.DemoClinician) -> None:
    assert auth.sign_in(db, f" {demo.email.upper()} ", demo.password, HOURS) is not None


@pytest.mark.parametrize("password", ["", "wrong", "\0", "\ud800", "x" * 100_000])
def test_a_wrong_password_does_not(db: Database, demo: auth.DemoClinician, password: str) -> None:
    assert auth.sign_in(db, demo.email, password, HOURS) is None
    assert auth.sign_in(db, "nobody@demo.invalid", password, HOURS) is None
    assert auth.sign_in(db, password, demo.password, HOURS) is None


def test_an_unknown_address_costs_the_same_work(
    db: Database, demo: auth.DemoClinician, monkeypatch: pytest.MonkeyPatch
) -> None:
    verified: list[str] = []
    hasher = auth._hasher()

    class Counting:
        def verify(self, password_hash: str, password: bytes) -> bool:
            verified.append(password_hash)
            return hasher.verify(password_hash, password)

    monkeypatch.setattr(auth, "_hasher", Counting)
    assert auth.sign_in(db, demo.email, "wrong", HOURS) is None
    assert auth.sign_in(db, "nobody@demo.invalid", "nobody", HOURS) is None
    assert len(verified) == 2


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


def test_a_disabled_clinician_is_out_at_once(db: Database, demo: auth.DemoClinician) -> None:
    one = signed_in(db, demo)
    with db.begin() as session:
        clinicians.disable(session, one.clinician.id)
    assert auth.who(db, one.token) is None
    assert auth.sign_in(db, demo.email, demo.password, HOURS) is None


def test_an_old_hash_is_renewed_at_sign_in(
    db: Database, demo: auth.DemoClinician, monkeypatch: pytest.MonkeyPatch
) -> None:
    stronger = PasswordHasher(time_cost=2, memory_cost=16, parallelism=1)
    monkeypatch.setattr(auth, "_hasher", lambda: stronger)
    person = signed_in(db, demo).clinician
    with db.read() as session:
        found = clinicians.clinician_with(session, person.id)
    assert found is not None and not stronger.check_needs_rehash(found.password_hash)
    assert auth.sign_in(db, demo.email, demo.password, HOURS) is not None


def test_the_demo_clinician_is_made_once_and_can_be_reset(db: Database, demo: auth.DemoClinician) -> None:
    one = signed_in(db, demo)
    assert auth.demo_clinician(db, CLINIC) is None
    again = auth.demo_clinician(db, CLINIC, reset=True)
    assert again is not None and again.password != demo.password
    assert auth.who(db, one.token) is None
    assert auth.sign_in(db, demo.email, demo.password, HOURS) is None
    assert auth.sign_in(db, again.email, again.password, HOURS) is not None
    with db.read() as session:
        assert clinicians.names(session, CLINIC) == {one.clinician.id: auth.DEMO_NAME}


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
    assert not auth.verify_password("not a hash", "a password")
