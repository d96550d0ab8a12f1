"""Whether a database has the schema that this version of the program was written for."""

from __future__ import annotations

from enum import Enum

from sqlalchemy.engine import Connection

from bot.store.session import MIGRATIONS, connect


def schema_state(url: str) -> State:
    """How the schema of the database at `url` compares with ours. Changes nothing.

    Raises DatabaseUnavailable where the database cannot be reached.
    """
    db = connect(url)
    try:
        with db.read() as session:
            return state_of(session.connection())
    finally:
        db.close()


def state_of(connection: Connection) -> State:
    """The same for an open connection."""
    # Alembic is imported here because only a start needs it.
    from alembic.runtime.migration import MigrationContext
    from alembic.script import ScriptDirectory

    script = ScriptDirectory(str(MIGRATIONS))
    found = MigrationContext.configure(connection).get_current_revision()
    if found == script.get_current_head():
        return State.CURRENT
    known = {revision.revision for revision in script.walk_revisions()}
    return State.BEHIND if found is None or found in known else State.NEWER


class State(Enum):
    """Behind: ``pne migrate`` is needed first. Newer: a later version has migrated it; ours has been gone back to."""

    CURRENT = "current"
    BEHIND = "behind"
    NEWER = "newer"
