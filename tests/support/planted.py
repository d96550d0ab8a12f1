"""One row of every table for a clinic, each text of it marked: what must stay with one clinic can be looked for."""

from __future__ import annotations

import uuid
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from sqlalchemy import Integer, select

from bot.store import audit
from bot.store.conversations import hash_token
from bot.store.models import Audit, AuditHead, Base, ClinicianSession, Document, Gap, Learning, UtcTime, Words
from bot.store.session import Database

MODELS: dict[str, Any] = {mapper.class_.__tablename__: mapper.class_ for mapper in Base.registry.mappers}
# Columns that hold one of a few codes, or a form that the program reads: everything else is marked by itself.
CODES: dict[str, Any] = {
    "clinician.role": "clinician",
    "clinician.failures": 0,
    "conversation.locale": "en",
    "conversation.reading": None,
    "conversation.state": "waiting",
    "conversation.last_seq": 1,
    "conversation.shown_seq": 0,
    "event.seq": 1,
    "event.type": "message",
    "event.author": "patient",
    "feedback.seq": 1,
    "feedback.value": "down",
    "feedback.code": None,
    "gap.kind": "unsure",
    "handoff.tier": "T1",
    "handoff.category": "RF01",
    "handoff.status": "raised",
    "handoff.outcome": None,
    "outbox.channel": "email",
    "outbox.kind": "raised",
    "outbox.lease_owner": None,
    "survey.seq": 1,
    "attached.tier": "T1",
    # What a clinic's settings say is public where it is a name or a number; an unknown part is read by nobody.
    "clinic_setting.key": "a-part-that-nobody-reads",
}


@dataclass(frozen=True)
class Planted:
    """A clinic with one row in every table; `keys`: the primary key of each, `token`: of its patient."""

    clinic: str
    mark: str
    keys: dict[str, tuple[Any, ...]]
    token: str
    session_id: str

    def id_of(self, table: str) -> str:
        return str(self.keys[table][0])

    def ids(self) -> list[str]:
        """Everything that could stand in an address or a form for something of this clinic."""
        named = ("handoff", "conversation", "clinician", "note", "outbox")
        return [*(self.id_of(table) for table in named), self.session_id, self.clinic]


def plant(db: Database, clinic: str, mark: str) -> Planted:
    """Fills every table there is: a new one is filled, and a new column marked, without anybody adding it here."""
    keys: dict[str, tuple[Any, ...]] = {}
    token = f"token-of-the-patient-of-{clinic}"
    with db.begin() as session:
        for table in Base.metadata.sorted_tables:
            model = MODELS[table.name]
            if model in (Audit, AuditHead):
                continue
            values = {column.key: _value(column, clinic, mark, keys, db) for column in table.columns}
            if table.name == "session":
                values["token_hash"] = hash_token(token)
            if table.name == "event":
                values["body"] = {"kind": "text", "text": f"{mark} said", "fallback_text": f"{mark} said"}
            if table.name == "heartbeat":
                values["name"] = f"part-{clinic}"
            row = model(**{key: value for key, value in values.items() if value is not None})
            session.add(row)
            session.flush()
            keys[table.name] = tuple(getattr(row, column.key) for column in table.primary_key)
        audit.record(
            session,
            clinic=clinic,
            actor=keys["clinician"][0],
            act="handoff.seen",
            subject=keys["handoff"][0],
            details={"note": f"{mark} details"},
        )
    with db.read() as session:
        keys["audit"] = (session.execute(select(Audit.id).where(Audit.clinic == clinic)).scalars().first(),)
        own = ClinicianSession.clinician_id == keys["clinician"][0]
        session_id = session.execute(select(ClinicianSession.id).where(own)).scalar_one()
    keys["audit_head"] = (clinic,)
    return Planted(clinic, mark, keys, token, session_id)


def _value(column: Any, clinic: str, mark: str, keys: dict[str, tuple[Any, ...]], db: Database) -> Any:
    table = column.table.name
    name = f"{table}.{column.key}"
    if name in CODES:
        return CODES[name]
    if column.key == "clinic":
        return clinic
    for key in column.foreign_keys:
        return None if column.nullable else keys[key.column.table.name][0]
    if isinstance(column.type, UtcTime):
        return None if column.nullable else _time(column.key, db)
    if isinstance(column.type, Integer):
        numbered = column.primary_key and table in (Gap.__tablename__, Learning.__tablename__)
        return None if column.nullable or numbered else 1
    if isinstance(column.type, Document):
        return {f"{mark} key": f"{mark} {column.key}"}
    assert isinstance(column.type, Words), f"{name}: say what a row of another clinic would hold here"
    if column.key == "id":
        return str(uuid.uuid5(uuid.NAMESPACE_URL, f"{clinic}/{table}"))
    return f"{mark} {table} {column.key}"


def _time(name: str, db: Database) -> Any:
    return db.clock() + (timedelta(days=30) if name == "expires_at" else timedelta())


def rows_of(db: Database) -> dict[str, dict[tuple[Any, ...], str]]:
    """Every row of every table, as text, by its key."""
    found: dict[str, dict[tuple[Any, ...], str]] = {}
    with db.read() as session:
        for name, model in MODELS.items():
            table = model.__table__
            keys = [column.name for column in table.primary_key]
            rows = session.execute(select(table)).mappings().all()
            found[name] = {tuple(row[key] for key in keys): repr(dict(row)) for row in rows}
    return found
