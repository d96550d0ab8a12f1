"""Signed patients, how a patient reads, one-time tokens, reasons of feedback, and surveys."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None


def upgrade() -> None:
    with op.batch_alter_table("conversation") as table:
        table.add_column(sa.Column("subject", sa.Text(), nullable=True))
        table.add_column(sa.Column("person_name", sa.Text(), nullable=True))
        table.add_column(sa.Column("reading", sa.Text(), nullable=True))
        table.create_index("ix_conversation_clinic_subject", ["clinic", "subject"])
    with op.batch_alter_table("session") as table:
        table.add_column(sa.Column("slides", sa.Integer(), nullable=True))
    with op.batch_alter_table("feedback") as table:
        table.add_column(sa.Column("code", sa.Text(), nullable=True))
    op.create_table(
        "used_token",
        sa.Column("clinic", sa.Text(), nullable=False),
        sa.Column("jti", sa.Text(), nullable=False),
        sa.Column("expires_at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("clinic", "jti", name="pk_used_token"),
    )
    op.create_index("ix_used_token_expires_at", "used_token", ["expires_at"])
    op.create_table(
        "survey",
        sa.Column("conversation_id", sa.Text(), nullable=False),
        sa.Column("seq", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("form", sa.Text(), nullable=False),
        sa.Column("at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("answers", sa.JSON(), nullable=False),
        sa.Column("answer_ids", sa.JSON(), nullable=False),
        sa.ForeignKeyConstraint(
            ["conversation_id"],
            ["conversation.id"],
            name="fk_survey_conversation_id_conversation",
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("conversation_id", "seq", name="pk_survey"),
    )


def downgrade() -> None:
    op.drop_table("survey")
    op.drop_table("used_token")
    with op.batch_alter_table("feedback") as table:
        table.drop_column("code")
    with op.batch_alter_table("session") as table:
        table.drop_column("slides")
    with op.batch_alter_table("conversation") as table:
        table.drop_index("ix_conversation_clinic_subject")
        table.drop_column("reading")
        table.drop_column("person_name")
        table.drop_column("subject")
