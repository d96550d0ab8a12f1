"""The database handle: connections, transactions, the clock, and migrations from code.

SQLite: WAL, a busy timeout, foreign keys on, and every writing transaction begins with ``BEGIN IMMEDIATE``:
with a deferred begin two writers that read first would fail at once instead of waiting for each other.
PostgreSQL: pre-ping and timeouts of three seconds everywhere, so that a patient is never left waiting on it.
"""

from __future__ import annotations

import sqlite3
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from datetime import datetime, timezone
from functools import partial
from pathlib import Path
from threading import Lock
from typing import Any

from sqlalchemy import create_engine, event, select, text
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.engine import Connection, Engine, make_url
from sqlalchemy.exc import DataError, DBAPIError, IntegrityError, SQLAlchemyError
from sqlalchemy.exc import TimeoutError as PoolTimeout
from sqlalchemy.orm import Session, sessionmaker
from sqlalchemy.pool import QueuePool

from bot.store import tenant
from bot.store.models import Conversation

Clock = Callable[[], datetime]

MIGRATIONS = Path(__file__).resolve().parent / "migrations"
TIMEOUT_SECONDS = 3
# Several processes may start at once; each waits for the one that migrates, instead of failing its start.
MIGRATION_SECONDS = 60
# Any constant will do, as long as nothing else in the database locks on it.
_MIGRATION_LOCK = 5_041_977
_READING = {"read_only": True, "postgresql_readonly": True}


class DatabaseUnavailable(Exception):
    """The database cannot be reached, is locked, read-only or not migrated. Names the cause, no values."""


def utc_now() -> datetime:
    """The real clock."""
    return datetime.now(timezone.utc)


@dataclass(frozen=True)
class Database:
    """One database: `begin` writes, `read` reads; each is one transaction."""

    engine: Engine
    sessions: Callable[..., Session]
    readers: Callable[..., Session]
    clock: Clock
    # SQLite lets one write at a time, and has the others ask again and again with growing pauses. Within a process they
    # wait for each other here, which is fair and takes no longer than it must.
    writing: Lock | None = field(default=None, repr=False)
    # The clinics' engines (to write, to read), made once each: statements that were written down are kept with them.
    narrowed: dict[str, tuple[Engine, Engine]] = field(default_factory=dict, repr=False)

    @contextmanager
    def begin(self) -> Iterator[Session]:
        """One writing transaction: committed at the end, rolled back if anything is raised.

        Raises DatabaseUnavailable where the database cannot do it.
        """
        with self._turn_to_write(), _causes_named(), self.sessions() as session, session.begin():
            yield session

    @contextmanager
    def _turn_to_write(self) -> Iterator[None]:
        if self.writing is None:
            yield
            return
        if not self.writing.acquire(timeout=TIMEOUT_SECONDS):
            raise DatabaseUnavailable(f"others wrote for {TIMEOUT_SECONDS} seconds")
        try:
            yield
        finally:
            self.writing.release()

    @contextmanager
    def read(self) -> Iterator[Session]:
        """One reading transaction; it takes no write lock, and on PostgreSQL cannot write."""
        with _causes_named(), self.readers() as session, session.begin():
            yield session

    def of(self, clinic: str) -> Database:
        """The same database for one clinic: through it no row of another can be read or changed (`bot.store.tenant`).

        Raises OtherClinic where it is bound to another clinic already.
        """
        if tenant.clinic_of(self.engine) == clinic:
            return self
        if clinic not in self.narrowed:
            pair = tenant.bound(self.engine, clinic), tenant.bound(self.engine, clinic, **_READING)
            self.narrowed.setdefault(clinic, pair)
        engine, reader = self.narrowed[clinic]
        writers, readers = partial(self.sessions, bind=engine), partial(self.readers, bind=reader)
        return replace(self, engine=engine, narrowed={}, sessions=writers, readers=readers)

    def reachable(self) -> bool:
        """Whether the database answers and holds our tables, within the time-out."""
        try:
            with self.read() as session:
                session.execute(select(Conversation.id).limit(1)).first()
        except (DatabaseUnavailable, SQLAlchemyError):
            return False
        return True

    def close(self) -> None:
        """Closes the idle connections."""
        self.engine.dispose()


def connect(url: str, clock: Clock = utc_now) -> Database:
    """A handle on the database at `url` (``sqlite:///path`` or ``postgresql://…``). Opens no connection yet.

    Raises ValueError for any other database.
    """
    engine = _engine(url)
    options: dict[str, Any] = {"future": True, "expire_on_commit": False, "info": {"clock": clock}}
    reader = engine.execution_options(**_READING)
    writing = Lock() if engine.dialect.name == "sqlite" else None
    return Database(engine, sessionmaker(engine, **options), sessionmaker(reader, **options), clock, writing)


def now(session: Session) -> datetime:
    """The time by the clock of the database handle that this session came from."""
    clock: Clock = session.info.get("clock", utc_now)
    return clock()


@contextmanager
def transaction(where: Database | Session) -> Iterator[Session]:
    """A writing transaction of its own for a Database; for a Session, the caller's transaction."""
    if isinstance(where, Database):
        with where.begin() as session:
            yield session
    else:
        yield where


def insert_once(session: Session, model: Any, **values: Any) -> bool:
    """Inserts a row unless one with the same key is there. Says whether it did. Safe under concurrency."""
    dialect = session.get_bind().dialect.name
    insert = postgresql.insert if dialect == "postgresql" else sqlite.insert
    statement = insert(model.__table__).values(**values).on_conflict_do_nothing()
    return bool(session.execute(statement).rowcount == 1)


def insert_all_once(session: Session, model: Any, rows: list[dict[str, Any]]) -> None:
    """Inserts rows of the same columns, in one go, but for those whose key is there. Safe under concurrency."""
    if rows:
        dialect = session.get_bind().dialect.name
        insert = postgresql.insert if dialect == "postgresql" else sqlite.insert
        session.execute(insert(model.__table__).on_conflict_do_nothing(), rows)


def upgrade(url: str, revision: str = "head") -> None:
    """Brings the database at `url` to `revision`. One transaction; safe if several processes do it at once. Tables that
    a later version of the program has migrated stay as they are.

    Raises DatabaseUnavailable where the database cannot be reached.
    """
    _migrate(url, "upgrade", revision)


def downgrade(url: str, revision: str) -> None:
    """Takes the database at `url` back to `revision` (``base`` removes all tables)."""
    _migrate(url, "downgrade", revision)


def _migrate(url: str, direction: str, revision: str) -> None:
    # Alembic is imported here because only a start needs it.
    from alembic import command
    from alembic.config import Config

    from bot.store.schema import State, state_of

    engine = _engine(url, migrating=True)
    config = Config()
    config.set_main_option("script_location", str(MIGRATIONS))
    try:
        with _causes_named():
            if engine.dialect.name == "sqlite":
                _use_wal(engine)
            with engine.begin() as connection:
                if engine.dialect.name == "postgresql":
                    connection.execute(text("SELECT pg_advisory_xact_lock(:key)"), {"key": _MIGRATION_LOCK})
                config.attributes["connection"] = connection
                if (direction, revision) == ("upgrade", "head") and state_of(connection) is State.NEWER:
                    return  # this program was gone back to; the tables of the later one serve it too
                getattr(command, direction)(config, revision)
    finally:
        engine.dispose()


def _engine(url: str, migrating: bool = False) -> Engine:
    parsed = make_url(url)
    # Patients' words are parameters: they must not appear in an error or a log.
    # Each clinic's inbox has its own statements (``bot.store.tenant``): room for those of many.
    common: dict[str, Any] = {"future": True, "hide_parameters": True, "query_cache_size": 2000}
    pool: dict[str, Any] = {"pool_size": 10, "max_overflow": 30, "pool_timeout": TIMEOUT_SECONDS}
    backend = parsed.get_backend_name()
    if backend == "sqlite":
        if not parsed.database or parsed.database == ":memory:":
            raise ValueError(
                "the database must be a file (sqlite:///path): every thread has its own connection"
            )
        if not parsed.database.startswith("file:"):
            Path(parsed.database).parent.mkdir(parents=True, exist_ok=True)
        driver = {"timeout": MIGRATION_SECONDS if migrating else TIMEOUT_SECONDS, "check_same_thread": False}
        engine = create_engine(parsed, poolclass=QueuePool, connect_args=driver, **common, **pool)
        _set_up_sqlite(engine, foreign_keys=not migrating)
        return engine
    if backend == "postgresql":
        arguments: dict[str, Any] = {"connect_timeout": TIMEOUT_SECONDS}
        if not migrating:
            milliseconds = TIMEOUT_SECONDS * 1000
            limits = ("statement_timeout", "lock_timeout", "idle_in_transaction_session_timeout")
            options = [f"-c {name}={milliseconds}" for name in limits]
            given = parsed.query.get("options")
            arguments["options"] = " ".join([*([given] if isinstance(given, str) else []), *options])
            arguments["tcp_user_timeout"] = milliseconds
        return create_engine(parsed, pool_pre_ping=True, connect_args=arguments, **common, **pool)
    raise ValueError(f"the database must be SQLite or PostgreSQL, not {backend}")


def _set_up_sqlite(engine: Engine, foreign_keys: bool) -> None:
    @event.listens_for(engine, "connect")
    def _connected(connection: Any, _record: Any) -> None:
        # The driver's own transaction handling begins too late (at the first write) and not at all for DDL.
        connection.isolation_level = None
        connection.execute(f"PRAGMA foreign_keys={'ON' if foreign_keys else 'OFF'}")
        # Every commit reaches the disk: a handoff must survive a power cut too.
        connection.execute("PRAGMA synchronous=FULL")
        # What a patient erases is overwritten in the file, not only forgotten; the default differs between builds.
        connection.execute("PRAGMA secure_delete=ON")

    @event.listens_for(engine, "begin")
    def _begun(connection: Connection) -> None:
        reading = connection.get_execution_options().get("read_only")
        connection.exec_driver_sql("BEGIN" if reading else "BEGIN IMMEDIATE")


def _use_wal(engine: Engine) -> None:
    """Write-ahead logging: readers never wait for the writer. The file remembers it.

    Two that change the journal at once would deadlock, so SQLite tells one of them at once that the file is
    locked, whatever its time-out says; that one tries again.
    """
    until = time.monotonic() + MIGRATION_SECONDS
    while not _began_wal(engine):
        if time.monotonic() > until:
            raise DatabaseUnavailable(f"the file stayed locked for {MIGRATION_SECONDS} seconds")
        time.sleep(0.02)


def _began_wal(engine: Engine) -> bool:
    """Asks for the write-ahead log; False where another connection is changing the journal just now."""
    raw = engine.raw_connection()
    try:
        raw.connection.execute("PRAGMA journal_mode=WAL")
        return True
    except sqlite3.OperationalError as error:
        if "locked" not in str(error):
            raise DatabaseUnavailable(str(error)) from None
        return False
    finally:
        raw.close()


@contextmanager
def _causes_named() -> Iterator[None]:
    """Turns "the database cannot do it" into one error; mistakes in the data stay what they are."""
    try:
        yield
    except PoolTimeout as error:
        raise DatabaseUnavailable("no free connection in time") from error
    except DBAPIError as error:
        if isinstance(error, (IntegrityError, DataError)):
            raise
        # The first line only: PostgreSQL quotes the statement below it, and with it what a patient wrote.
        cause = (str(error.orig).strip().splitlines() or [""])[0]
        raise DatabaseUnavailable(f"{type(error.orig).__name__}: {cause}") from error
