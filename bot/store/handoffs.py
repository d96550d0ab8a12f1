"""Reading handoffs. Every inbox query is bound to one clinic. What changes them is in ``bot.handoff``."""

from __future__ import annotations

from collections.abc import Iterable

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from bot.store.models import Attached, Handoff

RAISED, DELIVERED, SEEN = "raised", "delivered", "seen"
CLAIMED, IN_CONVERSATION = "claimed", "in_conversation"
RETURNED, RESOLVED, WITHDRAWN = "returned", "resolved", "withdrawn"
STATUSES = (RAISED, DELIVERED, SEEN, CLAIMED, IN_CONVERSATION, RETURNED, RESOLVED, WITHDRAWN)
# Nobody has taken it; somebody has; one of the two; nobody needs to any more.
WAITING = (RAISED, DELIVERED, SEEN)
HELD = (CLAIMED, IN_CONVERSATION)
OPEN = WAITING + HELD
FINISHED = (RETURNED, RESOLVED, WITHDRAWN)


def handoff_of(session: Session, clinic: str, handoff_id: str) -> Handoff | None:
    """The clinic's handoff with this id; None also where it is another clinic's."""
    return session.execute(
        select(Handoff).where(Handoff.id == handoff_id, Handoff.clinic == clinic)
    ).scalar_one_or_none()


def handoff_for_message(session: Session, conversation_id: str, message_key: str) -> Handoff | None:
    """The handoff that this message raised or was attached to, if it did."""
    here = select(Handoff).where(Handoff.conversation_id == conversation_id)
    raised = session.execute(here.where(Handoff.message_key == message_key)).scalar_one_or_none()
    if raised is not None:
        return raised
    attached = here.join(Attached, Attached.handoff_id == Handoff.id).where(Attached.message_key == message_key)
    return session.execute(attached).scalars().first()


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
    """The clinic's handoffs that nobody waits for any more, the newest first."""
    return list(
        session.execute(
            select(Handoff)
            .where(Handoff.clinic == clinic, Handoff.status.in_(FINISHED))
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
    return {status: found.get(status, 0) for status in STATUSES}


def waiting_count(session: Session, clinic: str) -> int:
    """How many of the clinic's handoffs nobody has taken."""
    number = counts(session, clinic)
    return sum(number[status] for status in WAITING)


def open_of_family(session: Session, conversation_id: str, category: str) -> Handoff | None:
    """The conversation's open handoff of this family. There is at most one: the database sees to it."""
    return session.execute(
        select(Handoff).where(
            Handoff.conversation_id == conversation_id,
            Handoff.category == category,
            Handoff.status.in_(OPEN),
        )
    ).scalar_one_or_none()


def attached_to(session: Session, handoff_id: str) -> list[Attached]:
    """The later messages that were put with this handoff, the oldest first."""
    return list(
        session.execute(
            select(Attached).where(Attached.handoff_id == handoff_id).order_by(Attached.at, Attached.message_key)
        ).scalars()
    )


def handoffs_in(session: Session, conversation_id: str) -> list[Handoff]:
    """All handoffs of a conversation, the oldest first."""
    return list(
        session.execute(
            select(Handoff)
            .where(Handoff.conversation_id == conversation_id)
            .order_by(Handoff.created_at, Handoff.id)
        ).scalars()
    )
