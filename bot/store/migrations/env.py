"""Alembic's entry. The connection and its transaction come from ``bot.store.session``."""

from __future__ import annotations

from alembic import context

from bot.store.models import metadata

context.configure(
    connection=context.config.attributes["connection"],
    target_metadata=metadata,
    # SQLite cannot alter most of a table in place.
    render_as_batch=True,
    transactional_ddl=True,
    compare_type=True,
)
with context.begin_transaction():
    context.run_migrations()
