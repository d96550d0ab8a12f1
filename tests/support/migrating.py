"""Databases with rows in every table, as they were at any revision of the tables: what an update finds at a clinic."""

from __future__ import annotations

import json
from collections.abc import Iterable
from datetime import datetime, timedelta, timezone
from typing import Any

from sqlalchemy import create_engine, inspect, text
from sqlalchemy.engine import Connection, Engine

from bot.store.session import MIGRATIONS

REVISIONS = sorted(path.stem.partition("_")[0] for path in (MIGRATIONS / "versions").glob("[0-9]*_*.py"))
# The revision that gave handoffs their whole life, and what it called the states before and after.
LIFE = "0005"
STATES_BEFORE = ("waiting", "claimed", "closed")
STATES_AFTER = ("raised", "delivered", "seen", "claimed", "in_conversation", "returned", "resolved", "withdrawn")
ODD = "żółć 😀 \u202e 'x' \"y\" \\ \n"
AT = datetime(2029, 3, 4, 5, 6, 7, 891000, tzinfo=timezone.utc)
Rows = dict[str, list[dict[str, Any]]]
CLINICS = ("demo", "portal")
# Written by the program's own hand: a chain of hashes, and what a migration makes itself.
NOT_FILLED = ("alembic_version", "audit_head")


def fill(url: str, revision: str) -> None:
    """Two clinics' rows in every table that this revision has; handoffs in every state that it knows."""
    engine = create_engine(url, future=True)
    with engine.begin() as connection:
        seen = inspect(connection)
        for table in _in_order(seen):
            if table in NOT_FILLED or (table == "audit" and revision >= LIFE):
                continue
            columns = {column["name"]: column for column in seen.get_columns(table)}
            keys = {key["constrained_columns"][0]: key["referred_table"] for key in seen.get_foreign_keys(table)}
            for clinic in CLINICS:
                states = _states(revision) if table == "handoff" else ("",)
                for number, status in enumerate(states):
                    row = {name: _value(table, column, keys, clinic, number) for name, column in columns.items()}
                    if status:
                        row |= {"status": status, "category": f"RF{number:02}"}
                    _insert(connection, table, {name: value for name, value in row.items() if value is not None})
    engine.dispose()


def rows(url: str) -> Rows:
    """Every row of every table, as the driver gives it, in the order of their keys."""
    engine = create_engine(url, future=True)
    with engine.connect() as connection:
        seen, found = inspect(connection), {}
        for table in seen.get_table_names():
            keys = seen.get_pk_constraint(table)["constrained_columns"]
            everything = [dict(row._mapping) for row in connection.execute(text(f'SELECT * FROM "{table}"'))]
            found[table] = sorted(everything, key=lambda row, keys=keys: str([row[key] for key in keys]))
    engine.dispose()
    return found


def sound(url: str) -> bool:
    """Whether no row names another one that is not there; PostgreSQL sees to that itself."""
    engine: Engine = create_engine(url, future=True)
    try:
        with engine.connect() as connection:
            if engine.dialect.name != "sqlite":
                return True
            whole = connection.execute(text("PRAGMA integrity_check")).scalar_one() == "ok"
            return whole and connection.execute(text("PRAGMA foreign_key_check")).first() is None
    finally:
        engine.dispose()


def shared(before: Rows, after: Rows, lost: Iterable[str] = ()) -> tuple[Rows, Rows]:
    """Of two states of a database what both can say: tables and columns that both have, but `lost` (table or
    table.column)."""
    found: tuple[Rows, Rows] = ({}, {})
    skipped = {"alembic_version", *lost}
    for table in before.keys() & after.keys() - skipped:
        for rows_of, one in zip((before[table], after[table]), found, strict=True):
            other = (after if one is found[0] else before)[table]
            known = set(other[0]) if other else set()
            named = [name for name in (rows_of[0] if rows_of else ()) if name in known]
            kept = [name for name in named if f"{table}.{name}" not in skipped]
            one[table] = [{name: row[name] for name in kept} for row in rows_of]
    return found


def _states(revision: str) -> tuple[str, ...]:
    return STATES_AFTER if revision >= LIFE else STATES_BEFORE


def _in_order(seen: Any) -> list[str]:
    return [table for table, _ in seen.get_sorted_table_and_fkc_names() if table is not None]


def _value(table: str, column: dict[str, Any], keys: dict[str, str], clinic: str, number: int) -> Any:
    name, kind = column["name"], str(column["type"]).upper()
    if name in keys:
        return f"{clinic} {keys[name]} 0"
    if name == "clinic":
        return clinic
    if kind.startswith(("DATETIME", "TIMESTAMP")):
        return AT + timedelta(minutes=number)
    if kind.startswith("JSON"):
        return json.dumps({"odd": f"{ODD} {name}"})
    if kind.startswith("INT"):
        numbered = name == "id"
        return None if numbered else 1
    if name in ("id", "token_hash", "state_hash", "name") and not column["nullable"]:
        return f"{clinic} {table} {number}"
    return f"{clinic} {table} {name} {number} {ODD}"


def _insert(connection: Connection, table: str, row: dict[str, Any]) -> None:
    json_types = {"postgresql": "CAST(:{0} AS JSON)", "sqlite": ":{0}"}[connection.dialect.name]
    documents = {name for name, value in row.items() if isinstance(value, str) and value.startswith('{"odd"')}
    values = ", ".join(json_types.format(name) if name in documents else f":{name}" for name in row)
    names = ", ".join(f'"{name}"' for name in row)
    bound = {
        name: value.strftime("%Y-%m-%d %H:%M:%S.%f")
        if isinstance(value, datetime) and connection.dialect.name == "sqlite" else value
        for name, value in row.items()
    }  # fmt: skip
    connection.execute(text(f'INSERT INTO "{table}" ({names}) VALUES ({values})'), bound)
