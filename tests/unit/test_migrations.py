"""Migrations with data in the tables, on SQLite."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.support.migration_steps import (
    test_every_row_of_any_version_survives_the_way_to_the_newest,
    test_step_by_step_back_and_forth_keeps_what_the_older_tables_can_hold,
)

__all__ = [
    "test_every_row_of_any_version_survives_the_way_to_the_newest",
    "test_step_by_step_back_and_forth_keeps_what_the_older_tables_can_hold",
]


@pytest.fixture
def url(tmp_path: Path) -> str:
    return f"sqlite:///{tmp_path}/pne.db"
