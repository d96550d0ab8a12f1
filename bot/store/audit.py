"""The audit: who did what, to what, when. Rows are only ever added, in the transaction of the act itself.

The rows of a clinic form a chain: each has the next number and a hash over itself and the hash before it, so that a row
that was changed, left out or put in between is found. They are written as the last thing before the commit: the end of
the chain is locked for that moment only, and always after every other lock, so nothing can deadlock on it.
"""

from __future__ import annotations

import hashlib
import json
from datetime import datetime, timezone
from typing import Any

from sqlalchemy import event, select
from sqlalchemy.orm import Session

from bot.store.models import Audit, AuditHead, storable
from bot.store.session import insert_once, now

SYSTEM = "system"
_WAITING = "audit"


def record(
    session: Session,
    *,
    clinic: str,
    actor: str,
    act: str,
    subject: str,
    details: dict[str, Any] | None = None,
) -> None:
    """Adds one row, at the commit. `actor` is a clinician's id or ``system``; `details` must hold no patient words."""
    waiting = session.info.setdefault(_WAITING, [])
    if not waiting:
        event.listen(session, "before_commit", _write, once=True)
    waiting.append((now(session), clinic, actor, act, subject, storable(details or {})))


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


def _write(session: Session) -> None:
    waiting = session.info.pop(_WAITING, [])
    for at, clinic, actor, act, subject, details in waiting:
        head = _locked_head(session, clinic)
        head.seq += 1
        head.hash = row_hash(head.hash, clinic, head.seq, at, actor, act, subject, details)
        named = {"clinic": clinic, "actor": actor, "act": act, "subject": subject, "details": details}
        session.add(Audit(at=at, seq=head.seq, hash=head.hash, **named))
    session.flush()


def _locked_head(session: Session, clinic: str) -> AuditHead:
    mine = select(AuditHead).where(AuditHead.clinic == clinic).with_for_update()
    head = session.execute(mine).scalar_one_or_none()
    if head is None:
        insert_once(session, AuditHead, clinic=clinic, seq=0, hash="")
        head = session.execute(mine).scalar_one()
    return head
