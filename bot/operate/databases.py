"""Copies of a whole database, out of it and back into it: SQLite by its own backup, PostgreSQL by its own programs.

A copy is what the database held at one moment, whatever is written meanwhile.
"""

from __future__ import annotations

import os
import shutil
import sqlite3
import subprocess
from collections.abc import Iterable, Mapping
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psycopg2
from sqlalchemy.engine import URL, make_url

from bot.operate.state import sqlite_file
from bot.store.models import metadata

SQLITE, POSTGRESQL = "sqlite", "postgresql"
# Tables of ours that the models do not name: Alembic's own, and Rasa's of the dialogues.
OTHER_TABLES = ("alembic_version", "events")
_FUNCTION = "audit_append_only"
_BUSY_SECONDS = 30.0


class CannotCopy(Exception):
    """A database cannot be copied or filled. The message says why and what to do; it holds no row."""


@dataclass(frozen=True)
class Copied:
    """What a copy holds: rows by table, the tables' revision (empty: Rasa's own, without any), the server's version."""

    kind: str
    server: str
    revision: str
    tables: dict[str, int]


def kind_of(url: str) -> str:
    """SQLITE or POSTGRESQL. Raises CannotCopy."""
    backend = make_url(url).get_backend_name()
    if backend not in (SQLITE, POSTGRESQL):
        raise CannotCopy(f"The database must be SQLite or PostgreSQL, not {backend}.")
    return str(backend)


def same(one: str, other: str) -> bool:
    """Whether two addresses are of one database."""
    keys = [(made.get_backend_name(), made.host, made.port, made.database, made.query.get("host"))
            for made in (make_url(one), make_url(other))]  # fmt: skip
    return keys[0] == keys[1]


def copy_out(url: str, target: Path, may_be_missing: bool = False) -> Copied:
    """Writes a checked copy of the database to the new file `target` (mode 0600). `may_be_missing`: a file that is not
    there yet is copied as an empty one. Raises CannotCopy, OSError."""
    os.close(os.open(target, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600))
    if kind_of(url) == POSTGRESQL:
        return _dump(make_url(url), target)
    source = sqlite_file(url)
    if source is None or not source.exists():
        if may_be_missing:
            return check_sqlite(target)
        raise CannotCopy(f"There is no database at {source}.")
    try:
        there = sqlite3.connect(f"file:{source}?mode=ro", uri=True, timeout=_BUSY_SECONDS)
        with closing(there), closing(sqlite3.connect(target)) as copy:
            # In one go: in pieces it would begin anew whenever somebody writes, and might never end.
            there.backup(copy, pages=-1)
            copy.execute("PRAGMA journal_mode=DELETE")  # one file, without a log beside it
        return check_sqlite(target)
    except sqlite3.Error as error:
        raise CannotCopy(f"{source} cannot be copied: {error}.") from None


def check_sqlite(path: Path) -> Copied:
    """What an SQLite file holds, once every page of it has been looked at. Raises CannotCopy where it is damaged."""
    try:
        with closing(sqlite3.connect(f"file:{path}?mode=ro", uri=True)) as copy:
            faults = [row[0] for row in copy.execute("PRAGMA integrity_check(3)")]
            if faults != ["ok"]:
                raise CannotCopy(f"{path.name} is damaged: SQLite's integrity check fails.")
            if copy.execute("PRAGMA foreign_key_check").fetchone() is not None:
                raise CannotCopy(f"{path.name} is damaged: a row names another one that is not there.")
            named = "SELECT name FROM sqlite_master WHERE type = 'table' AND name NOT LIKE 'sqlite_%' ORDER BY name"
            names = [row[0] for row in copy.execute(named)]
            tables = {name: int(copy.execute(f'SELECT count(*) FROM "{name}"').fetchone()[0]) for name in names}
            asked = "SELECT version_num FROM alembic_version" if OTHER_TABLES[0] in names else "SELECT ''"
            row = copy.execute(asked).fetchone()
        return Copied(SQLITE, sqlite3.sqlite_version, str(row[0]) if row else "", tables)
    except sqlite3.Error as error:
        raise CannotCopy(f"{path.name} is damaged: {error}.") from None


def tool(name: str) -> str:
    """The path of one of PostgreSQL's own programs. Raises CannotCopy with what to install."""
    found = shutil.which(name)
    if found is None:
        raise CannotCopy(
            f"{name} is not on the PATH. Install PostgreSQL's client programs, of the server's version or newer "
            "(Debian and Ubuntu: apt-get install postgresql-client)."
        )
    return found


def check_dump(path: Path) -> None:
    """Reads a dump of PostgreSQL from its beginning to its end. Raises CannotCopy where it is damaged."""
    _run([tool("pg_restore"), "--file", os.devnull, str(path)], {}, f"{path.name} is damaged")


def copy_in(path: Path, url: str, tables: Iterable[str]) -> None:
    """Fills the database with the copy at `path`, which has these `tables`; what it held is gone.

    SQLite: the file takes the old one's place. PostgreSQL: ours of the old tables are dropped, then all is one
    transaction. Raises CannotCopy, OSError.
    """
    if kind_of(url) == POSTGRESQL:
        _load(path, make_url(url), tables)
        return
    target = sqlite_file(url)
    if target is None:
        raise CannotCopy("The database must be a file.")
    target.parent.mkdir(parents=True, exist_ok=True)
    fresh = target.with_name(target.name + ".restoring")
    fresh.unlink(missing_ok=True)
    os.close(os.open(fresh, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600))
    shutil.copyfile(path, fresh)
    if os.geteuid() == 0:  # whoever serves it must be able to open it
        owner = (target if target.exists() else target.parent).stat()
        os.chown(fresh, owner.st_uid, owner.st_gid)
    sync(fresh)
    for log in ("-wal", "-shm"):
        target.with_name(target.name + log).unlink(missing_ok=True)
    fresh.replace(target)
    sync(target.parent)


def sync(path: Path) -> None:
    """Waits until a file or a folder's list of files is on the disk."""
    number = os.open(path, os.O_RDONLY)
    try:
        os.fsync(number)
    finally:
        os.close(number)


def _dump(url: URL, target: Path) -> Copied:
    program = tool("pg_dump")
    with closing(_connect(url)) as connection, connection.cursor() as cursor:
        # The counts and the dump see the same moment.
        cursor.execute("BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY")
        cursor.execute("SELECT pg_export_snapshot(), current_setting('server_version')")
        snapshot, server = cursor.fetchone() or ("", "")
        tables = _counts(cursor)
        revision = ""
        if OTHER_TABLES[0] in tables:
            cursor.execute("SELECT version_num FROM alembic_version")
            revision = str((cursor.fetchone() or ("",))[0])
        command = [program, "--format=custom", "--no-owner", "--no-privileges", f"--snapshot={snapshot}",
                   "--file", str(target), "--dbname", _without_password(url)]  # fmt: skip
        _run(command, _password(url), "pg_dump failed")
    check_dump(target)
    return Copied(POSTGRESQL, str(server), revision, tables)


def count_rows(url: str) -> dict[str, int]:
    """Rows by table of the database; none where there is no database yet. Raises CannotCopy."""
    if kind_of(url) == POSTGRESQL:
        with closing(_connect(make_url(url))) as connection, connection.cursor() as cursor:
            return _counts(cursor)
    path = sqlite_file(url)
    return check_sqlite(path).tables if path is not None and path.exists() else {}


def _counts(cursor: Any) -> dict[str, int]:
    cursor.execute("SELECT tablename FROM pg_tables WHERE schemaname = current_schema() ORDER BY tablename")
    names = [row[0] for row in cursor.fetchall()]
    tables = {}
    for name in names:
        cursor.execute(f'SELECT count(*) FROM "{name}"')
        tables[name] = int(cursor.fetchone()[0])
    return tables


def _load(path: Path, url: URL, tables: Iterable[str]) -> None:
    program = tool("pg_restore")
    check_dump(path)
    ours = sorted({*tables, *metadata.tables, *OTHER_TABLES})
    with closing(_connect(url)) as connection, connection.cursor() as cursor:
        try:
            cursor.execute("BEGIN")
            cursor.execute("SET LOCAL lock_timeout = '5s'")
            for name in ours:
                cursor.execute(f'DROP TABLE IF EXISTS "{name}" CASCADE')
            cursor.execute(f"DROP FUNCTION IF EXISTS {_FUNCTION}() CASCADE")
            cursor.execute("COMMIT")
        except psycopg2.OperationalError:
            raise CannotCopy("The database is in use. Stop everything that works with it, then try again.") from None
        except psycopg2.Error as error:
            raise CannotCopy(f"The old tables cannot be dropped: {type(error).__name__}.") from None
    command = [program, "--no-owner", "--no-privileges", "--exit-on-error", "--single-transaction",
               "--dbname", _without_password(url), str(path)]  # fmt: skip
    _run(command, _password(url), "pg_restore failed; the database is empty now")


def _connect(url: URL) -> Any:
    address = url.set(drivername=POSTGRESQL).render_as_string(hide_password=False)
    try:
        connection = psycopg2.connect(address, connect_timeout=10)
    except psycopg2.OperationalError as error:
        raise CannotCopy(f"The database cannot be reached: {str(error).strip().splitlines()[0]}") from None
    connection.autocommit = True
    return connection


def _without_password(url: URL) -> str:
    """The address as the programs take it; a password there could be read in the list of processes."""
    return str(url._replace(drivername=POSTGRESQL, password=None).render_as_string(hide_password=False))


def _password(url: URL) -> dict[str, str]:
    return {"PGPASSWORD": str(url.password)} if url.password else {}


def _run(command: list[str], more: Mapping[str, str], failed: str) -> None:
    done = subprocess.run(command, env={**os.environ, **more}, capture_output=True, text=True, errors="replace")
    if done.returncode != 0:
        # The first line of the cause: further ones may quote a row.
        lines = [line for line in done.stderr.splitlines() if "error:" in line] or done.stderr.splitlines()
        cause = lines[0].strip() if lines else f"code {done.returncode}"
        if "version" in cause:
            cause += ". Install PostgreSQL's client programs of the server's version, and put them first on the PATH."
        raise CannotCopy(f"{failed}: {cause}")
