"""The database handle: transactions, time-outs, honest failure, migrations that match the models."""

from __future__ import annotations

import sqlite3
from datetime import datetime
from functools import partial
from pathlib import Path

import pytest
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from sqlalchemy import inspect, select, text
from sqlalchemy.exc import IntegrityError

from bot.store import session as store
from bot.store.models import Event, Heartbeat, metadata
from bot.store.outbox import beat, last_beat
from tests.support.database import HandClock, at_once, sqlite_database


@pytest.fixture
def db(tmp_path: Path, clock: HandClock) -> store.Database:
    return sqlite_database(tmp_path, clock)


def test_models_and_migrations_say_the_same(db: store.Database) -> None:
    with db.engine.connect() as connection:
        context = MigrationContext.configure(connection, opts={"compare_type": True})
        assert compare_metadata(context, metadata) == []


def test_downgrade_removes_all_and_upgrade_brings_it_back(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path / 'new' / 'pne.db'}"
    store.upgrade(url)
    store.upgrade(url)
    store.downgrade(url, "base")
    db = store.connect(url)
    assert inspect(db.engine).get_table_names() == ["alembic_version"]
    assert not db.reachable()
    store.upgrade(url)
    assert db.reachable()


def test_several_processes_may_migrate_at_once(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path / 'pne.db'}"
    at_once(*[lambda: store.upgrade(url)] * 4)
    assert store.connect(url).reachable()


def test_many_may_begin_the_write_ahead_log_of_a_new_file_at_once(tmp_path: Path) -> None:
    for number in range(60):
        engines = [store._engine(f"sqlite:///{tmp_path / f'{number}.db'}", migrating=True) for _ in range(8)]
        at_once(*[partial(store._use_wal, engine) for engine in engines])
        for engine in engines:
            engine.dispose()


def test_sqlite_is_set_up(db: store.Database) -> None:
    with db.read() as session:
        pragma = {
            name: session.execute(text(f"PRAGMA {name}")).scalar()
            for name in ("journal_mode", "foreign_keys", "busy_timeout", "synchronous")
        }
    assert pragma == {"journal_mode": "wal", "foreign_keys": 1, "busy_timeout": 3000, "synchronous": 2}


def test_foreign_keys_are_enforced(db: store.Database, clock: HandClock) -> None:
    with pytest.raises(IntegrityError), db.begin() as session:
        session.add(Event(conversation_id="none", seq=1, type="message", author="bot", at=clock(), body={}))


def test_an_error_undoes_the_whole_transaction(db: store.Database) -> None:
    with pytest.raises(RuntimeError), db.begin() as session:
        beat(session, "part")
        raise RuntimeError
    with db.read() as session:
        assert last_beat(session, "part") is None


def test_two_that_read_first_and_then_write_both_succeed(db: store.Database) -> None:
    with db.begin() as session:
        beat(session, "count")
    seen: list[int] = []

    def read_then_write() -> None:
        with db.begin() as session:
            row = session.execute(select(Heartbeat)).scalar_one()
            seen.append(row.at.second)
            row.at = row.at.replace(second=row.at.second + 1)

    at_once(*[read_then_write] * 8)
    assert sorted(seen) == list(range(5, 13))


def test_a_reader_does_not_wait_for_a_writer(db: store.Database) -> None:
    with db.begin() as writer:
        beat(writer, "part")
        writer.flush()
        with db.read() as reader:
            assert last_beat(reader, "part") is None


def test_a_read_only_database_says_so_and_is_still_readable(tmp_path: Path, db: store.Database) -> None:
    db.close()
    read_only = store.connect(f"sqlite:///file:{tmp_path / 'pne.db'}?mode=ro&uri=true")
    assert read_only.reachable()
    with pytest.raises(store.DatabaseUnavailable, match="readonly"), read_only.begin() as session:
        beat(session, "part")


def test_a_broken_file_is_unavailable_and_not_reachable(tmp_path: Path) -> None:
    path = tmp_path / "broken.db"
    path.write_bytes(b"no database" * 1000)
    db = store.connect(f"sqlite:///{path}")
    assert not db.reachable()
    with pytest.raises(store.DatabaseUnavailable), db.begin() as session:
        beat(session, "part")
    with pytest.raises(store.DatabaseUnavailable):
        store.upgrade(f"sqlite:///{path}")


def test_a_locked_database_is_unavailable_after_the_time_out(
    tmp_path: Path, db: store.Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(store, "TIMEOUT_SECONDS", 0.05)
    other = sqlite3.connect(tmp_path / "pne.db", isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    impatient = store.connect(f"sqlite:///{tmp_path / 'pne.db'}")
    with pytest.raises(store.DatabaseUnavailable, match="locked"), impatient.begin() as session:
        beat(session, "part")
    other.close()


@pytest.mark.parametrize("url", ["sqlite://", "sqlite:///:memory:", "mysql+pymysql://host/name"])
def test_other_databases_are_refused(url: str) -> None:
    with pytest.raises(ValueError):
        store.connect(url)


def test_errors_never_show_values(db: store.Database, clock: HandClock) -> None:
    secret = "my wife must not know"
    with pytest.raises(IntegrityError) as raised, db.begin() as session:
        session.add(
            Event(conversation_id="c", seq=1, type="message", author="bot", at=clock(), body={"t": secret})
        )
    assert secret not in str(raised.value)


def test_a_time_without_a_zone_is_refused(db: store.Database) -> None:
    with pytest.raises(Exception, match="without a zone"), db.begin() as session:
        session.add(Heartbeat(name="part", at=datetime(2030, 1, 1)))


def test_heartbeats_keep_the_last_time(db: store.Database, clock: HandClock) -> None:
    for _ in range(2):
        clock.move(seconds=10)
        with db.begin() as session:
            beat(session, "part")
    with db.read() as session:
        assert last_beat(session, "part") == clock()
