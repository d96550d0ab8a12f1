"""Migrations with data in the tables, on PostgreSQL."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from typing import Any

import pytest

from tests.support.migration_steps import (
    test_every_row_of_any_version_survives_the_way_to_the_newest,
    test_step_by_step_back_and_forth_keeps_what_the_older_tables_can_hold,
)
from tests.support.postgres import empty_database, server

__all__ = [
    "server",
    "test_every_row_of_any_version_survives_the_way_to_the_newest",
    "test_step_by_step_back_and_forth_keeps_what_the_older_tables_can_hold",
]


NUMBERS = itertools.count()


@pytest.fixture
def url(server: Any) -> Iterator[str]:
    with empty_database(server, f"migrated{next(NUMBERS)}") as made:
        yield made
