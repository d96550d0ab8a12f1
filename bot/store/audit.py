"""The audit: who did what, to what, when. Rows are only ever added, in the transaction of the act itself.

The rows of a clinic form a chain: each has the next number and a hash over itself and the hash before it, so that a row
that was changed, left out or put in between is found (``bot.store.audit_check``). They are written as the last thing
before the commit: the end of the chain is locked for that moment only, always after every other lock and clinic by
clinic in one order, so nothing can deadlock on it.

What a person of the clinic does is recorded with `record`; what they are shown of patients, without changing anything,
with `viewed`.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import datetime, timezone
from typing import Any

from sqlalchemy import event, select, update
from sqlalchemy.orm import Session, SessionTransaction

from bot.store.columns import storable, storable_text
from bot.store.models import Audit, AuditHead, Clinician
from bot.store.session import insert_once, now

SYSTEM = "system"
_WAITING = "audit"


@dataclass
class _Row:
    """A row that waits for the commit; `savepoint` is the innermost one that it would be undone with."""

    at: datetime
    clinic: str
    actor: str
    act: str
    subject: str
    details: dict[str, Any]
    savepoint: SessionTransaction | None


@dataclass
class _Waiting:
    """A session's rows that are not written yet; `released`: the savepoint whose end was announced last."""

    rows: list[_Row] = field(default_factory=list)
    released: SessionTransaction | None = None


def record(
    session: Session,
    *,
    clinic: str,
    actor: str,
    act: str,
    subject: str,
    details: dict[str, Any] | None = None,
) -> None:
    """Adds one row, at the commit. `actor` is a clinician's id or ``system``; `details` must hold no patient words.

    Raises RuntimeError in a reading transaction: PostgreSQL would refuse the row only at the end.
    """
    if session.get_bind().get_execution_options().get("read_only"):
        raise RuntimeError("the audit is written in a writing transaction: use Database.begin")
    # As it will be kept: the hash is made of the same characters that are read again later.
    clinic, actor, act, subject = (storable_text(text) for text in (clinic, actor, act, subject))
    row = _Row(now(session), clinic, actor, act, subject, storable(details or {}), session.get_nested_transaction())
    _waiting(session).rows.append(row)


def viewed(session: Session, person: Clinician, what: str, items: Iterable[str] = (), /, **details: Any) -> None:
    """Records that this person was shown something of patients: `what` is the act (``inbox.queue``, ``inbox.search``,
    ``handoff.printed``, ``report.viewed``), `items` the ids of the handoffs that were on the page.

    Every page, part, print, file or list with a patient's words or figures calls this once, in a writing transaction of
    `desk.db`, before it is sent. `details` are codes and numbers (a page, a period, a count): never what somebody wrote
    or searched for. The subject is the one item, or the clinic where it was a list.
    """
    shown = list(items)
    one = len(shown) == 1
    listed = {} if one or not shown else {"items": shown}
    subject = shown[0] if one else person.clinic
    record(
        session, clinic=person.clinic, actor=person.id, act=what, subject=subject, details={**listed, **details}
    )


def trail(session: Session, clinic: str, subject: str) -> list[Audit]:
    """Everything that was done to `subject` in this clinic, the oldest first."""
    return list(
        session.execute(
            select(Audit).where(Audit.clinic == clinic, Audit.subject == subject).order_by(Audit.seq)
        ).scalars()
    )


def row_hash(
    before: str, clinic: str, seq: int, at: datetime, actor: str, act: str, subject: str, details: dict[str, Any]
) -> str:
    """The hash of a row whose predecessor has the hash `before` (empty for the first): SHA-256 over canonical JSON."""
    utc = at.astimezone(timezone.utc).isoformat(timespec="microseconds")
    fields = [before, clinic, seq, utc, actor, act, subject, details]
    return hashlib.sha256(json.dumps(fields, sort_keys=True, separators=(",", ":")).encode()).hexdigest()


def _waiting(session: Session) -> _Waiting:
    found = session.info.get(_WAITING)
    if found is None:
        found = session.info[_WAITING] = _Waiting()
        # For all the session's transactions: a listener that is used up would lose the rows of the next one.
        event.listen(session, "before_commit", _before_commit)
        event.listen(session, "after_commit", _after_commit)
        event.listen(session, "after_transaction_end", _after_end)
    assert isinstance(found, _Waiting)
    return found


def _before_commit(session: Session) -> None:
    """Writes what waits at the commit of the whole, not at the release of a savepoint within it."""
    waiting, savepoint = _waiting(session), session.get_nested_transaction()
    # A savepoint announces its own release once. A second time it is the whole that commits, with it still open.
    if savepoint is not None and waiting.released is not savepoint:
        waiting.released = savepoint
        return
    rows, waiting.rows = waiting.rows, []
    _write(session, rows)


def _after_commit(session: Session) -> None:
    """A savepoint was released: what was recorded in it now stands or falls with what is around it."""
    savepoint = session.get_nested_transaction()
    if savepoint is not None:
        around = savepoint.parent if savepoint.parent.nested else None
        for row in _waiting(session).rows:
            if row.savepoint is savepoint:
                row.savepoint = around


def _after_end(session: Session, ended: SessionTransaction) -> None:
    """What still waits when its transaction or savepoint has ended was undone with it."""
    waiting = _waiting(session)
    if ended.parent is None:
        waiting.rows = []
    elif ended.nested:
        waiting.rows = [row for row in waiting.rows if row.savepoint is not ended]


def _write(session: Session, rows: list[_Row]) -> None:
    # Every other lock first.
    session.flush()
    for clinic in sorted({row.clinic for row in rows}):
        mine = [row for row in rows if row.clinic == clinic]
        seq, before = _locked_head(session, clinic)
        for row in mine:
            seq += 1
            named = {name: getattr(row, name) for name in ("clinic", "at", "actor", "act", "subject", "details")}
            before = row_hash(before, seq=seq, **named)
            session.add(Audit(seq=seq, hash=before, **named))
        session.execute(
            update(AuditHead)
            .where(AuditHead.clinic == clinic)
            .values(seq=seq, hash=before)
            .execution_options(synchronize_session=False)
        )
        session.flush()


def _locked_head(session: Session, clinic: str) -> tuple[int, str]:
    """The number and hash of the clinic's last row. Columns, not an object: that could be an older transaction's."""
    head = select(AuditHead.seq, AuditHead.hash).where(AuditHead.clinic == clinic).with_for_update()
    found = session.execute(head).one_or_none()
    if found is None:
        insert_once(session, AuditHead, clinic=clinic, seq=0, hash="")
        found = session.execute(head).one()
    return found.seq, found.hash
