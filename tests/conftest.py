"""Fixtures for all suites. Test data and helpers are in ``tests/support``."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from bot.store.session import Database
    from tests.support.database import HandClock

SLOW = ("integration", "browser", "nlu", "conversations")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Fast suites first: their failures explain the others."""
    items.sort(key=lambda item: any(part in SLOW for part in item.path.parts))


@pytest.fixture(scope="session", autouse=True)
def _quiet_environment(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """No test reads or writes the developer's own installation."""
    var = tmp_path_factory.mktemp("var")
    kept = {name: os.environ.pop(name) for name in list(os.environ) if name.startswith("PNE_")}
    os.environ["PNE_VAR"] = str(var)
    yield
    os.environ.pop("PNE_VAR", None)
    os.environ.update(kept)


@pytest.fixture
def clock() -> HandClock:
    """A clock that stands still until a test moves it."""
    from tests.support.database import HandClock

    return HandClock()


@pytest.fixture
def db(tmp_path: Path, clock: HandClock) -> Database:
    """A migrated SQLite database of the test's own, by that clock."""
    from tests.support.database import sqlite_database

    return sqlite_database(tmp_path, clock)


@pytest.fixture(scope="session")
def stack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[object]:
    """The whole product, running: actions, Rasa, web app."""
    from tests.support.stack import Stack

    running = Stack.start(Path(tmp_path_factory.mktemp("stack")))
    yield running
    running.stop()
