"""The audit: who did what, to what, when. Rows are only ever added, in the transaction of the act itself."""

from __future__ import annotations

from typing import Any

from sqlalchemy import select
from sqlalchemy.orm import Session

from bot.store.models import Audit
from bot.store.session import now

SYSTEM = "system"


def record(
    session: Session,
    *,
    clinic: str,
    actor: str,
    act: str,
    subject: str,
    details: dict[str, Any] | None = None,
) -> None:
    """Adds one row. `actor` is a clinician's id or ``system``; `details` must hold no patient words."""
    session.add(
        Audit(at=now(session), clinic=clinic, actor=actor, act=act, subject=subject, details=details or {})
    )


def trail(session: Session, clinic: str, subject: str) -> list[Audit]:
    """Everything that was done to `subject` in this clinic, the oldest first."""
    return list(
        session.execute(
            select(Audit).where(Audit.clinic == clinic, Audit.subject == subject).order_by(Audit.id)
        ).scalars()
    )
