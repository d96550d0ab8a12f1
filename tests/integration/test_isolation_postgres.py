"""The audit and the isolation of clinics on a real PostgreSQL: the tests of SQLite, and many writers at once."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from functools import partial
from typing import Any

import pytest
from sqlalchemy import func, select, text
from sqlalchemy.exc import DBAPIError

from bot.store import audit
from bot.store import session as store
from bot.store.audit_check import check
from bot.store.models import Audit, Handoff
from bot.store.session import Database
from tests.support.database import HandClock, at_once
from tests.support.postgres import server
from tests.unit import test_audit, test_tenant

__all__ = ["server"]

ours, theirs, mine = test_tenant.ours, test_tenant.theirs, test_tenant.mine
NUMBERS = itertools.count(1)


@pytest.fixture(scope="module")
def migrated(server: Any) -> str:
    """A database to copy: migrating one for each test would take a minute."""
    admin = store.connect(server.get_uri()).engine.execution_options(isolation_level="AUTOCOMMIT")
    with admin.connect() as connection:
        connection.execute(text("CREATE DATABASE migrated"))
    store.upgrade(server.get_uri(database="migrated"))
    admin.dispose()
    return "migrated"


@pytest.fixture
def db(server: Any, migrated: str, clock: HandClock) -> Iterator[Database]:
    name = f"copy{next(NUMBERS)}"
    admin = store.connect(server.get_uri()).engine.execution_options(isolation_level="AUTOCOMMIT")
    with admin.connect() as connection:
        connection.execute(text(f"CREATE DATABASE {name} TEMPLATE {migrated}"))
    handle = store.connect(server.get_uri(database=name), clock)
    yield handle
    handle.close()
    with admin.connect() as connection:
        connection.execute(text(f"DROP DATABASE {name} WITH (FORCE)"))
    admin.dispose()


# Collected here as well, with this module's database.
for module in (test_audit, test_tenant):
    for name, test in list(vars(module).items()):
        if name.startswith("test_") and "sqlite" not in name:
            globals()[name] = test


def test_many_who_act_at_once_make_one_chain_and_nobody_waits_for_another_in_a_circle(db: Database) -> None:
    def act(number: int) -> None:
        for turn in range(6):
            with db.begin() as session:
                # Each in another order, as unrelated work would name its clinics.
                for clinic in ("a", "b") if (number + turn) % 2 else ("b", "a"):
                    audit.record(session, clinic=clinic, actor=str(number), act="a.b", subject=f"{number}/{turn}")

    at_once(*[partial(act, number) for number in range(8)])
    for clinic in ("a", "b"):
        assert (check(db, clinic).fault, check(db, clinic).rows) == (None, 48)


def test_a_clinics_first_rows_may_be_written_by_many_at_once(db: Database) -> None:
    def act(number: int) -> None:
        with db.begin() as session:
            audit.record(session, clinic="new", actor=str(number), act="a.b", subject="s")

    at_once(*[partial(act, number) for number in range(8)])
    assert (check(db, "new").fault, check(db, "new").rows) == (None, 8)


def test_the_database_itself_refuses_to_empty_the_audit(db: Database) -> None:
    with db.begin() as session:
        audit.record(session, clinic="a", actor="x", act="a.b", subject="s")
    with pytest.raises((DBAPIError, store.DatabaseUnavailable), match="append only"), db.begin() as session:
        session.execute(text("TRUNCATE audit"))
    with db.read() as session:
        assert session.execute(select(func.count(Audit.id))).scalar_one() == 1


def test_a_bound_question_is_planned_as_if_it_had_the_clinic_in_its_where(db: Database) -> None:
    statement = select(Handoff.id).where(Handoff.conversation_id == "c", Handoff.message_key == "m")
    bound = statement.compile(db.of("a").engine, compile_kwargs={"literal_binds": True})
    with db.begin() as session:
        session.execute(text("SET LOCAL enable_seqscan = off"))
        asked = str(bound).replace("%(bound_clinic)s", "'a'")
        plan = "\n".join(session.execute(text(f"EXPLAIN {asked}")).scalars())
    assert "Index Scan" in plan and "Subquery" not in plan
