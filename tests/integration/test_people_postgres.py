"""The clinic's people on PostgreSQL: what two do at the same moment."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import timedelta
from functools import partial
from typing import Any

import pytest
from argon2 import PasswordHasher

from bot.store import clinicians
from bot.store.models import Clinician
from bot.store.session import Database, connect, upgrade
from bot.web.people import auth, codes, second_factor, staff
from bot.web.people.auth import Device, HalfSignedIn, Refused, SignedIn
from bot.web.people.second_factor import Box, Factor
from tests.support import postgres
from tests.support.database import CLINIC, HandClock, at_once

server = postgres.server
ROUNDS = 10
PASSWORD = "a good long password"
HOURS = timedelta(hours=12)


@pytest.fixture
def db(server: Any, monkeypatch: pytest.MonkeyPatch) -> Iterator[Database]:
    hasher = PasswordHasher(time_cost=1, memory_cost=8, parallelism=1)
    monkeypatch.setattr(auth, "_hasher", lambda: hasher)
    with postgres.empty_database(server, "people") as url:
        upgrade(url)
        made = connect(url, HandClock())
        yield made
        made.close()


def person(db: Database, name: str, role: str = "admin") -> Clinician:
    with db.begin() as session:
        email, hashed = f"{name}@{CLINIC}.invalid", auth.hash_password(PASSWORD)
        return clinicians.add_clinician(
            session, clinic=CLINIC, email=email, name=name, role=role, password_hash=hashed
        )


def allowed(act: Callable[[], None]) -> bool:
    try:
        act()
    except clinicians.LastAdmin:
        return False
    return True


def test_two_admins_who_shut_each_other_out_at_once(db: Database) -> None:
    """One of them stays, and neither waits for the other for ever."""
    ada, eve = person(db, "ada"), person(db, "eve")
    for _ in range(ROUNDS):
        done = at_once(*[
            lambda one=one: allowed(lambda: staff.disable(db, CLINIC, one.id, "system")) for one in (ada, eve)
        ])  # fmt: skip
        assert sorted(done) == [False, True]
        staff.enable(db, CLINIC, (ada, eve)[done.index(True)].id, "system")


def test_a_link_sets_one_password(db: Database) -> None:
    made = person(db, "new", "clinician")
    for _ in range(ROUNDS):
        token = staff.invite_again(db, CLINIC, made.id, "system")
        assert sum(at_once(*[lambda t=token: staff.accept(db, t, PASSWORD)] * 4)) == 1


def test_a_code_opens_once_however_many_give_it(db: Database) -> None:
    made, box, clock = person(db, "lee"), Box("k" * 40), db.clock
    secret = second_factor.new_secret()
    with db.begin() as session:
        clinicians.set_factor(session, made.id, box.seal(made.id, Factor(secret)))
    for _ in range(ROUNDS):
        clock.move(seconds=60)  # type: ignore[attr-defined]
        halves = [auth.sign_in(db, made.email, PASSWORD, HOURS) for _ in range(4)]
        tokens = [half.token for half in halves if isinstance(half, HalfSignedIn)]
        code = second_factor.code_at(secret, second_factor.step_of(clock()))
        found = at_once(*[partial(codes.finish, db, box, token, code, HOURS, Device()) for token in tokens])
        assert [isinstance(one, SignedIn) for one in found].count(True) == 1
        assert [isinstance(one, Refused) for one in found].count(True) == 3


def test_a_form_that_is_sent_twice_at_once_is_no_wrong_try(db: Database) -> None:
    made, box, clock = person(db, "lee"), Box("k" * 40), db.clock
    secret = second_factor.new_secret()
    with db.begin() as session:
        clinicians.set_factor(session, made.id, box.seal(made.id, Factor(secret)))
    for _ in range(ROUNDS):
        clock.move(seconds=60)  # type: ignore[attr-defined]
        half = auth.sign_in(db, made.email, PASSWORD, HOURS)
        assert isinstance(half, HalfSignedIn)
        code = second_factor.code_at(secret, second_factor.step_of(clock()))
        found = at_once(*[partial(codes.finish, db, box, half.token, code, HOURS, Device())] * 3)
        assert [isinstance(one, SignedIn) for one in found].count(True) == 1
        assert found.count(None) == 2


def test_every_wrong_try_of_many_at_once_counts(db: Database) -> None:
    made = person(db, "lee")
    at_once(*[lambda: auth.refuse(db, Refused("password", made))] * 6)
    with db.read() as session:
        assert session.get(Clinician, made.id).failures == 6
