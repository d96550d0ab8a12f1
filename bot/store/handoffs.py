"""Reading handoffs. Every inbox query is bound to one clinic. What changes them is in ``bot.handoff``."""

from __future__ import annotations

from collections.abc import Iterable

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from bot.store.models import Handoff

WAITING, CLAIMED, RETURNED, CLOSED = "waiting", "claimed", "returned", "closed"
OPEN = (WAITING, CLAIMED)


def handoff_of(session: Session, clinic: str, handoff_id: str) -> Handoff | None:
    """The clinic's handoff with this id; None also where it is another clinic's."""
    return session.execute(
        select(Handoff).where(Handoff.id == handoff_id, Handoff.clinic == clinic)
    ).scalar_one_or_none()


def handoff_for_message(session: Session, conversation_id: str, message_key: str) -> Handoff | None:
    """The handoff that this message raised, if it did."""
    return session.execute(
        select(Handoff).where(Handoff.conversation_id == conversation_id, Handoff.message_key == message_key)
    ).scalar_one_or_none()


def queue(
    session: Session, clinic: str, statuses: Iterable[str] = OPEN, limit: int = 200, offset: int = 0
) -> list[Handoff]:
    """The clinic's handoffs in these statuses: the gravest tier first, then the longest wait."""
    return list(
        session.execute(
            select(Handoff)
            .where(Handoff.clinic == clinic, Handoff.status.in_(tuple(statuses)))
            .order_by(Handoff.tier, Handoff.created_at, Handoff.id)
            .limit(limit)
            .offset(offset)
        ).scalars()
    )


def finished(session: Session, clinic: str, limit: int = 50) -> list[Handoff]:
    """The clinic's handoffs that were handed back or closed, the newest first."""
    return list(
        session.execute(
            select(Handoff)
            .where(Handoff.clinic == clinic, Handoff.status.in_((RETURNED, CLOSED)))
            .order_by(Handoff.created_at.desc(), Handoff.id)
            .limit(limit)
        ).scalars()
    )


def counts(session: Session, clinic: str) -> dict[str, int]:
    """How many of the clinic's handoffs are in each status."""
    rows = session.execute(
        select(Handoff.status, func.count()).where(Handoff.clinic == clinic).group_by(Handoff.status)
    )
    found = {status: number for status, number in rows}
    return {status: found.get(status, 0) for status in (WAITING, CLAIMED, RETURNED, CLOSED)}


def handoffs_in(session: Session, conversation_id: str) -> list[Handoff]:
    """All handoffs of a conversation, the oldest first."""
    return list(
        session.execute(
            select(Handoff)
            .where(Handoff.conversation_id == conversation_id)
            .order_by(Handoff.created_at, Handoff.id)
        ).scalars()
    )
