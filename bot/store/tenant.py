"""One clinic never sees or changes another's rows: kept in this one place, for all that `Database.of(clinic)` does.

A bound connection writes its statements down with the clinic in them, whatever the query says. No query can forget it:

- where a table is read, the clinic's own rows of it stand in its place; a row of another clinic is simply not there;
- an UPDATE or DELETE has the clinic in its WHERE;
- what is added, moved or referred to must be the clinic's too, else OtherClinic is raised and nothing is written;
- text that it cannot see through (plain SQL) is refused.

This is done where SQL is made, and not with the ORM's loader criteria: those leave out a table that a query names only
in its WHERE, in a function, or inside an UPDATE, and cost a millisecond a statement; a statement is written down once.

A new table must say here whose its rows are: `tables` raises KeyError, and a bound connection refuses it, until then.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from functools import lru_cache
from typing import Any

from sqlalchemy import bindparam, event, exists, select
from sqlalchemy.engine import Connection, Engine
from sqlalchemy.sql.elements import BindParameter
from sqlalchemy.sql.schema import Column, Table

from bot.store.models import metadata

# Tables whose rows carry their clinic; whose rows belong to whom their parent belongs to, by this column; nobody's.
OWNED = frozenset(
    {
        "audit",
        "audit_head",
        "clinic_setting",
        "clinician",
        "conversation",
        "gap",
        "handoff",
        "sign_in_state",
        "used_token",
    }
)
PARENTS = {
    "attached": "handoff_id",
    "clinician_session": "clinician_id",
    "event": "conversation_id",
    "feedback": "conversation_id",
    "learning": "conversation_id",
    "note": "handoff_id",
    "offer": "conversation_id",
    "outbox": "handoff_id",
    "session": "conversation_id",
    "survey": "conversation_id",
}
SHARED = frozenset({"heartbeat"})
# Begins a transaction on SQLite (``bot.store.session``): the only words that come without being written down here.
_BEGINS = ("BEGIN", "BEGIN IMMEDIATE")
# Words that stand in a statement by themselves and ask nothing: a star, a number, a text.
_CONSTANT = re.compile(r"\*|[0-9]+|'[^']*'")


class OtherClinic(Exception):
    """Something bound to one clinic was about to write another's row, or to run what cannot be bound to a clinic."""


class _Dialect:
    """The engine's own dialect, except for how statements are written down. Compiled statements are kept for each
    dialect apart, so none is ever used for another clinic."""

    def __init__(self, dialect: Any, clinic: str) -> None:
        self._its = dialect
        self.clinic = clinic
        self.statement_compiler = _compiler(dialect.statement_compiler)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._its, name)


def bound(engine: Engine, clinic: str, **options: Any) -> Engine:
    """The same engine (same pool, same events) for one clinic alone, with these execution options.

    Raises OtherClinic for one that is bound already.
    """
    if clinic_of(engine) is not None:
        raise OtherClinic("this database is bound to a clinic already")
    narrowed = engine.execution_options(**options)
    narrowed.dialect = _Dialect(engine.dialect, clinic)
    event.listen(narrowed, "before_cursor_execute", _before_execute)
    return narrowed


def clinic_of(engine: Engine) -> str | None:
    """The clinic that an engine is bound to; None: it is the program's own, for all of them."""
    return engine.dialect.clinic if isinstance(engine.dialect, _Dialect) else None


def tables() -> dict[str, str]:
    """How each table is kept apart: clinic, parent or shared. Raises KeyError for one that nobody has thought about."""
    how = dict.fromkeys(OWNED, "clinic") | dict.fromkeys(PARENTS, "parent") | dict.fromkeys(SHARED, "shared")
    return {name: how[name] for name in metadata.tables}


def _parent(table: Table) -> tuple[Column, Table]:
    """The column of a table that names its parent, and the parent."""
    column = table.c[PARENTS[table.name]]
    (key,) = column.foreign_keys
    return column, key.column.table


def _is_kept_apart(table: Any) -> bool:
    name = table.name
    if name not in OWNED and name not in PARENTS and name not in SHARED:
        raise OtherClinic(f"whose the rows of {name} are is not said in bot.store.tenant")
    return name not in SHARED


@lru_cache(maxsize=4)
def _compiler(base: Any) -> Any:
    """The compiler of a database, narrowed to the clinic of its dialect."""

    class Narrowed(base):
        def visit_table(
            self, table: Any, asfrom: bool = False, iscrud: bool = False, ashint: bool = False, **kw: Any
        ) -> str:
            name = str(super().visit_table(table, asfrom=asfrom, iscrud=iscrud, ashint=ashint, **kw))
            if not asfrom or iscrud or ashint or not _is_kept_apart(table):
                return name
            own = f"(SELECT * FROM {name} WHERE {self._mine(table, name)})"
            within = kw.get("enclosing_alias")
            return own if within is not None and within.element is table else f"{own} AS {name}"

        def _mine(self, table: Any, name: str) -> str:
            """The condition that a row of the table is the clinic's own."""
            if table.name in OWNED:
                own = f"{name}.clinic = {self._clinic()}"
                # SQLite keeps no statistics and takes a clinic for a rare one: with two keys to find a row by, it would
                # read all the clinic's rows for each row of a join.
                return f"likelihood({own}, 0.9)" if self.dialect.name == "sqlite" else own
            # By its key, row for row: a list of all the clinic's conversations would be slow.
            column, parent = _parent(table)
            its = self.preparer.quote(parent.name)
            alias = f"its_{parent.name}"
            key = f"{alias}.id = {name}.{column.name}"
            return f"EXISTS (SELECT 1 FROM {its} AS {alias} WHERE {key} AND {self._mine(parent, alias)})"

        def _clinic(self) -> str:
            # One parameter however often it stands in the statement.
            if "bound_clinic" not in self.__dict__:
                self.bound_clinic = bindparam("bound_clinic", self.dialect.clinic)
            return str(self.process(self.bound_clinic))

        def visit_update(self, update_stmt: Any, **kw: Any) -> str:
            for column, value in (update_stmt._values or {}).items():
                if _names_owner(update_stmt.table, column) and not isinstance(value, BindParameter):
                    raise OtherClinic("a row is not moved by an expression")
            return str(super().visit_update(_narrowed(update_stmt, self.dialect.clinic), **kw))

        def visit_delete(self, delete_stmt: Any, **kw: Any) -> str:
            return str(super().visit_delete(_narrowed(delete_stmt, self.dialect.clinic), **kw))

        def visit_insert(self, insert_stmt: Any, **kw: Any) -> str:
            if insert_stmt.select is not None or insert_stmt._multi_values:
                raise OtherClinic("rows are added one by one, so that each can be looked at")
            return str(super().visit_insert(insert_stmt, **kw))

        def visit_on_conflict_do_update(self, on_conflict: Any, **kw: Any) -> str:
            # The row that is in the way must be the clinic's own by its very key.
            targets = on_conflict.inferred_target_elements or ()
            if "clinic" not in [getattr(target, "key", target) for target in targets]:
                raise OtherClinic("ON CONFLICT DO UPDATE could change another clinic's row")
            return str(super().visit_on_conflict_do_update(on_conflict, **kw))

        def visit_textclause(self, textclause: Any, *args: Any, **kw: Any) -> str:
            raise OtherClinic("plain SQL cannot be bound to a clinic")

        def visit_column(self, column: Any, *args: Any, **kw: Any) -> str:
            if column.is_literal and not _CONSTANT.fullmatch(column.name):
                raise OtherClinic("plain SQL cannot be bound to a clinic")
            return str(super().visit_column(column, *args, **kw))

    return Narrowed


def _narrowed(statement: Any, clinic: str) -> Any:
    """An UPDATE or DELETE of the clinic's own rows only."""
    table = statement.table
    if not isinstance(table, Table):
        raise OtherClinic("only rows of a plain table are changed")
    if not _is_kept_apart(table):
        return statement
    if table.name in OWNED:
        return statement.where(table.c.clinic == clinic)
    # Reading the parent is narrowed by itself.
    column, parent = _parent(table)
    its = parent.alias()
    return statement.where(exists(select(its.c.id).where(its.c.id == column)))


def _names_owner(table: Any, column: Any) -> bool:
    """Whether a column says whose a row is, or refers to a row that must be the same clinic's."""
    named = table.c.get(getattr(column, "key", column))
    return named is not None and (named.name == "clinic" or bool(named.foreign_keys))


def _before_execute(
    connection: Connection, _cursor: Any, statement: str, _parameters: Any, context: Any, _many: bool
) -> None:
    """The last look before a statement runs: what it adds, or moves, must be the clinic's own."""
    compiled = context.compiled
    if compiled is None and statement in _BEGINS:
        return
    if compiled is None or context.isddl:
        raise OtherClinic("plain SQL cannot be bound to a clinic")
    if context.isinsert or context.isupdate:
        table = compiled.statement.table
        if _is_kept_apart(table):
            for values in context.compiled_parameters:
                _check(connection, table, values, added=context.isinsert)


def _check(connection: Connection, table: Table, values: Mapping[str, Any], added: bool) -> None:
    clinic = clinic_of(connection.engine)
    if table.name in OWNED and (added or "clinic" in values) and values.get("clinic") != clinic:
        raise OtherClinic(f"a row of {table.name} would be another clinic's")
    for column in table.c:
        for key in column.foreign_keys:
            named = values.get(column.key)
            if named is None:
                if added and PARENTS.get(table.name) == column.name:
                    raise OtherClinic(f"a row of {table.name} would be nobody's")
                continue
            # Reading is narrowed: a row of another clinic is not found.
            if connection.execute(select(key.column).where(key.column == named)).first() is None:
                raise OtherClinic(f"{table.name}.{column.name} would name what this clinic does not have")
