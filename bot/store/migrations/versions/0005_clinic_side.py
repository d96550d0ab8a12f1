"""The clinic's side: a handoff's whole life and its chain of contacts, notes, second factors, the audit's chain."""

from __future__ import annotations

import hashlib
import json
from datetime import datetime, timezone

import sqlalchemy as sa
from alembic import op

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None

TIME = sa.DateTime(timezone=True)
_TEXTS = ("id", "conversation_id", "category", "message_key", "tier", "rule", "words", "status", "outcome")
_TIMES = ("created_at", "climb_at", "closed_at")
OPEN = "status IN ('raised', 'delivered', 'seen', 'claimed', 'in_conversation')"


def upgrade() -> None:
    _people()
    _handoffs()
    _audit()


def _people() -> None:
    with op.batch_alter_table("clinician") as table:
        for name in ("totp_secret", "oidc_issuer", "oidc_subject"):
            table.add_column(sa.Column(name, sa.Text(), nullable=True))
        table.add_column(sa.Column("totp_step", sa.Integer(), nullable=True))
        table.add_column(sa.Column("failures", sa.Integer(), nullable=False, server_default="0"))
        table.add_column(sa.Column("locked_until", TIME, nullable=True))
        table.create_unique_constraint("uq_clinician_oidc_issuer_oidc_subject", ["oidc_issuer", "oidc_subject"])
    # Sign-ins are made anew: they have no id and no time of use.
    op.execute("DELETE FROM clinician_session")
    with op.batch_alter_table("clinician_session") as table:
        table.add_column(sa.Column("id", sa.Text(), nullable=False))
        table.add_column(sa.Column("used_at", TIME, nullable=False))
        table.add_column(sa.Column("device", sa.Text(), nullable=False))
        table.create_unique_constraint("uq_clinician_session_id", ["id"])
    op.create_table(
        "sign_in_state",
        sa.Column("state_hash", sa.Text(), nullable=False),
        *(sa.Column(name, sa.Text(), nullable=False) for name in ("clinic", "nonce", "verifier", "then")),
        sa.Column("expires_at", TIME, nullable=False),
        sa.PrimaryKeyConstraint("state_hash", name="pk_sign_in_state"),
    )
    op.create_index("ix_sign_in_state_expires_at", "sign_in_state", ["expires_at"])
    op.create_table(
        "clinic_setting",
        sa.Column("clinic", sa.Text(), nullable=False),
        sa.Column("key", sa.Text(), nullable=False),
        sa.Column("value", sa.JSON(), nullable=False),
        sa.Column("at", TIME, nullable=False),
        sa.Column("by", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("clinic", "key", name="pk_clinic_setting"),
    )


def _handoffs() -> None:
    with op.batch_alter_table("conversation") as table:
        table.add_column(sa.Column("shown_seq", sa.Integer(), nullable=False, server_default="0"))
        table.add_column(sa.Column("shown_at", TIME, nullable=True))
    with op.batch_alter_table("handoff") as table:
        for name in ("delivered_at", "answered_at", "climb_at", "exhausted_at", "snoozed_until"):
            table.add_column(sa.Column(name, TIME, nullable=True))
        table.add_column(sa.Column("step", sa.Integer(), nullable=False, server_default="0"))
        table.add_column(sa.Column("rules_version", sa.Text(), nullable=True))
    with op.batch_alter_table("outbox") as table:
        table.add_column(sa.Column("kind", sa.Text(), nullable=False, server_default="raised"))
        table.add_column(sa.Column("contact", sa.Text(), nullable=False, server_default=""))
        table.add_column(sa.Column("step", sa.Integer(), nullable=False, server_default="0"))
        table.add_column(sa.Column("created_at", TIME, nullable=True))
        table.add_column(sa.Column("receipt", sa.Text(), nullable=True))
    op.execute(
        "UPDATE handoff SET delivered_at = (SELECT min(sent_at) FROM outbox WHERE outbox.handoff_id = handoff.id)"
    )
    op.execute("UPDATE handoff SET status = 'seen' WHERE status = 'waiting' AND seen_at IS NOT NULL")
    op.execute("UPDATE handoff SET status = 'delivered' WHERE status = 'waiting' AND delivered_at IS NOT NULL")
    op.execute("UPDATE handoff SET status = 'raised' WHERE status = 'waiting'")
    op.execute("UPDATE handoff SET status = 'resolved' WHERE status = 'closed'")
    # What was open before there was a chain begins it now: nothing that waits may be forgotten.
    op.execute("UPDATE handoff SET climb_at = created_at WHERE status IN ('raised', 'delivered', 'seen')")
    op.create_index("ix_handoff_climb_at", "handoff", ["climb_at"])
    _attached_and_notes()
    _join_what_repeats()
    op.create_index(
        "ix_handoff_open_family",
        "handoff",
        ["conversation_id", "category"],
        unique=True,
        sqlite_where=sa.text(OPEN),
        postgresql_where=sa.text(OPEN),
    )


def _attached_and_notes() -> None:
    op.create_table(
        "attached",
        sa.Column("handoff_id", sa.Text(), nullable=False),
        sa.Column("message_key", sa.Text(), nullable=False),
        sa.Column("at", TIME, nullable=False),
        sa.Column("tier", sa.Text(), nullable=False),
        sa.Column("rule", sa.Text(), nullable=True),
        sa.Column("words", sa.Text(), nullable=False),
        sa.Column("about", sa.JSON(), nullable=False),
        sa.ForeignKeyConstraint(
            ["handoff_id"], ["handoff.id"], name="fk_attached_handoff_id_handoff", ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("handoff_id", "message_key", name="pk_attached"),
    )
    op.create_table(
        "note",
        sa.Column("id", sa.Text(), nullable=False),
        sa.Column("handoff_id", sa.Text(), nullable=False),
        sa.Column("clinician_id", sa.Text(), nullable=False),
        sa.Column("at", TIME, nullable=False),
        sa.Column("text", sa.Text(), nullable=False),
        sa.ForeignKeyConstraint(["handoff_id"], ["handoff.id"], name="fk_note_handoff_id_handoff", ondelete="CASCADE"),
        sa.ForeignKeyConstraint(["clinician_id"], ["clinician.id"], name="fk_note_clinician_id_clinician"),
        sa.PrimaryKeyConstraint("id", name="pk_note"),
    )
    op.create_index("ix_note_handoff_id", "note", ["handoff_id"])


def _join_what_repeats() -> None:
    """Of several open handoffs of one conversation and family one stays open: the one that somebody has, else the
    oldest. It becomes as grave as the gravest, and gets the others' words; they are closed as its duplicates."""
    bind = op.get_bind()
    at = datetime.now(timezone.utc)
    item = sa.table("handoff", *(sa.column(name, sa.Text()) for name in _TEXTS), *(sa.column(n, TIME) for n in _TIMES))
    more = sa.table(
        "attached",
        *(sa.column(name, sa.Text()) for name in ("handoff_id", "message_key", "tier", "rule", "words")),
        sa.column("at", TIME),
        sa.column("about", sa.JSON()),
    )
    held = sa.case((item.c.status.in_(("claimed", "in_conversation")), 0), else_=1)
    rows = bind.execute(
        sa.select(item)
        .where(sa.text(OPEN), item.c.category.is_not(None))
        .order_by(held, item.c.created_at, item.c.id)
    ).fetchall()
    kept: dict[tuple[str, str], str] = {}
    tiers: dict[str, str] = {}
    for row in rows:
        family = (row.conversation_id, row.category)
        first = kept.setdefault(family, row.id)
        tiers[first] = min(tiers.get(first, row.tier), row.tier)
        if first == row.id:
            continue
        named = {"handoff_id": first, "message_key": row.message_key, "tier": row.tier, "rule": row.rule}
        bind.execute(sa.insert(more).values(words=row.words, at=row.created_at, about={}, **named))
        closed = {"status": "resolved", "outcome": "duplicate", "climb_at": None, "closed_at": at}
        bind.execute(sa.update(item).where(item.c.id == row.id).values(**closed))
    for handoff_id, tier in tiers.items():
        bind.execute(sa.update(item).where(item.c.id == handoff_id).values(tier=tier))


def _audit() -> None:
    with op.batch_alter_table("audit") as table:
        table.add_column(sa.Column("seq", sa.Integer(), nullable=True))
        table.add_column(sa.Column("hash", sa.Text(), nullable=True))
    op.create_table(
        "audit_head",
        sa.Column("clinic", sa.Text(), nullable=False),
        sa.Column("seq", sa.Integer(), nullable=False),
        sa.Column("hash", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("clinic", name="pk_audit_head"),
    )
    _chain()
    with op.batch_alter_table("audit") as table:
        table.alter_column("seq", existing_type=sa.Integer(), nullable=False)
        table.alter_column("hash", existing_type=sa.Text(), nullable=False)
        table.create_unique_constraint("uq_audit_clinic_seq", ["clinic", "seq"])
    if op.get_bind().dialect.name == "sqlite":
        for act in ("UPDATE", "DELETE"):
            op.execute(
                f"CREATE TRIGGER audit_no_{act.lower()} BEFORE {act} ON audit "
                "BEGIN SELECT RAISE(ABORT, 'the audit is append only'); END"
            )
    else:
        op.execute(
            "CREATE FUNCTION audit_append_only() RETURNS trigger LANGUAGE plpgsql AS "
            "$$ BEGIN RAISE EXCEPTION 'the audit is append only'; END $$"
        )
        op.execute(
            "CREATE TRIGGER audit_append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON audit "
            "FOR EACH STATEMENT EXECUTE FUNCTION audit_append_only()"
        )


def _chain() -> None:
    """Numbers and hashes for the rows that are there, as `bot.store.audit.row_hash` made them at this revision."""
    bind = op.get_bind()
    table = sa.table(
        "audit",
        sa.column("id", sa.Integer()),
        sa.column("at", TIME),
        *(sa.column(name, sa.Text()) for name in ("clinic", "actor", "act", "subject", "hash")),
        sa.column("details", sa.JSON()),
        sa.column("seq", sa.Integer()),
    )
    heads: dict[str, tuple[int, str]] = {}
    for row in bind.execute(sa.select(table).order_by(table.c.id)).fetchall():
        seq, before = heads.get(row.clinic, (0, ""))
        at = row.at.replace(tzinfo=timezone.utc) if row.at.tzinfo is None else row.at.astimezone(timezone.utc)
        utc = at.isoformat(timespec="microseconds")
        fields = [before, row.clinic, seq + 1, utc, row.actor, row.act, row.subject, row.details]
        made = hashlib.sha256(json.dumps(fields, sort_keys=True, separators=(",", ":")).encode()).hexdigest()
        bind.execute(sa.update(table).where(table.c.id == row.id).values(seq=seq + 1, hash=made))
        heads[row.clinic] = (seq + 1, made)
    for clinic, (seq, made) in heads.items():
        bind.execute(
            sa.text("INSERT INTO audit_head (clinic, seq, hash) VALUES (:clinic, :seq, :hash)"),
            {"clinic": clinic, "seq": seq, "hash": made},
        )


def downgrade() -> None:
    if op.get_bind().dialect.name == "sqlite":
        for act in ("update", "delete"):
            op.execute(f"DROP TRIGGER audit_no_{act}")
    else:
        op.execute("DROP TRIGGER audit_append_only ON audit")
        op.execute("DROP FUNCTION audit_append_only()")
    op.drop_table("audit_head")
    with op.batch_alter_table("audit") as table:
        table.drop_constraint("uq_audit_clinic_seq", type_="unique")
        table.drop_column("hash")
        table.drop_column("seq")
    op.drop_table("note")
    op.drop_table("attached")
    op.drop_index("ix_handoff_open_family", table_name="handoff")
    op.drop_index("ix_handoff_climb_at", table_name="handoff")
    op.execute("UPDATE handoff SET status = 'waiting' WHERE status IN ('raised', 'delivered', 'seen')")
    op.execute("UPDATE handoff SET status = 'claimed' WHERE status = 'in_conversation'")
    op.execute("UPDATE handoff SET status = 'closed' WHERE status IN ('resolved', 'withdrawn')")
    with op.batch_alter_table("outbox") as table:
        for name in ("receipt", "created_at", "step", "contact", "kind"):
            table.drop_column(name)
    with op.batch_alter_table("handoff") as table:
        for name in (
            "rules_version", "step", "snoozed_until", "exhausted_at", "climb_at", "answered_at", "delivered_at"
        ):  # fmt: skip
            table.drop_column(name)
    with op.batch_alter_table("conversation") as table:
        table.drop_column("shown_at")
        table.drop_column("shown_seq")
    op.drop_table("clinic_setting")
    op.drop_index("ix_sign_in_state_expires_at", table_name="sign_in_state")
    op.drop_table("sign_in_state")
    with op.batch_alter_table("clinician_session") as table:
        table.drop_constraint("uq_clinician_session_id", type_="unique")
        for name in ("device", "used_at", "id"):
            table.drop_column(name)
    with op.batch_alter_table("clinician") as table:
        table.drop_constraint("uq_clinician_oidc_issuer_oidc_subject", type_="unique")
        for name in ("oidc_subject", "oidc_issuer", "locked_until", "failures", "totp_step", "totp_secret"):
            table.drop_column(name)
