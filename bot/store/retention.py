"""What is due to be forgotten: conversations that nobody has written in for long, and what has run out.

Only finding and taking away; how long is long is the clinic's word. Never a conversation with an open handoff.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import and_, delete, exists, or_, select
from sqlalchemy.orm import Session

from bot.store.audit import SYSTEM
from bot.store.handoffs import OPEN, not_quiet
from bot.store.models import Audit, Conversation, Event, Handoff, PatientSession, SignInState, UsedToken
from bot.store.session import now

BATCH = 100
ERASE, REMOVE = "erase", "remove"
# A signed token's own leeway and its clinic's clock: it must not become good again because it was forgotten.
TOKEN_LEEWAY = timedelta(minutes=10)
# For so long the dialogue of an erased conversation is looked for again: a turn may have outlived the erasing.
ERASED_LATELY = timedelta(hours=2)


@dataclass(frozen=True)
class Kept:
    """How long a clinic keeps conversations: after the last event, and ones whose first notice was never accepted."""

    conversations: timedelta
    unaccepted: timedelta


def clinics(session: Session) -> list[str]:
    """The clinics that have conversations."""
    return list(session.execute(select(Conversation.clinic).distinct().order_by(Conversation.clinic)).scalars())


def due(session: Session, clinic: str, kept: Kept, limit: int = BATCH, without: Collection[str] = ()) -> list[str]:
    """Conversations of the clinic that have been kept long enough, the oldest first."""
    query = _due(session, kept).where(Conversation.clinic == clinic).order_by(Conversation.updated_at).limit(limit)
    if without:
        query = query.where(Conversation.id.not_in(tuple(without)))
    return list(session.execute(query).scalars())


def how_due(session: Session, conversation_id: str, kept: Kept) -> str | None:
    """What is to be done with it now: ERASE, REMOVE, or None, where somebody has written meanwhile. The conversation
    must be locked."""
    if session.execute(_due(session, kept).where(Conversation.id == conversation_id)).first() is None:
        return None
    whole = _never_accepted(session, kept)
    found = session.execute(select(Conversation.id).where(whole, Conversation.id == conversation_id)).first()
    return REMOVE if found is not None else ERASE


def forget_run_out(session: Session) -> int:
    """Takes away sessions that are over, signed tokens that nobody could use any more, and sign-ins and invitations
    that were not finished in time. Says how many."""
    at = now(session)
    over = delete(PatientSession).where(or_(PatientSession.expires_at <= at, PatientSession.revoked_at.is_not(None)))
    used = delete(UsedToken).where(UsedToken.expires_at <= at - TOKEN_LEEWAY)
    begun = delete(SignInState).where(SignInState.expires_at <= at)
    quiet = {"synchronize_session": False}
    return sum(int(session.execute(one.execution_options(**quiet)).rowcount) for one in (over, used, begun))


def erased_lately(session: Session) -> list[str]:
    """Conversations that somebody has erased a short while ago, and not only the time."""
    since = now(session) - ERASED_LATELY
    asked_for = (Audit.act == "conversation.erased", Audit.actor != SYSTEM, Audit.at >= since)
    named = select(Audit.subject).where(*asked_for).distinct()
    return list(session.execute(named.order_by(Audit.subject)).scalars())


def _due(session: Session, kept: Kept) -> Any:
    mine = Handoff.conversation_id == Conversation.id
    long = or_(_old(now(session) - kept.conversations), _never_accepted(session, kept))
    held_up = exists(select(Handoff.id).where(mine, Handoff.status.in_(OPEN), not_quiet()))
    return select(Conversation.id).where(long, ~held_up)


def _never_accepted(session: Session, kept: Kept) -> Any:
    """Opened, never accepted, and nothing of it was passed on."""
    handed_over = exists(select(Handoff.id).where(Handoff.conversation_id == Conversation.id))
    return and_(_old(now(session) - kept.unaccepted), Conversation.consented_at.is_(None), ~handed_over)


def _old(before: datetime) -> Any:
    """Whether the last event was before; of an erased conversation, which has none, it never is."""
    last = and_(Event.conversation_id == Conversation.id, Event.seq == Conversation.last_seq, Event.at <= before)
    return exists(select(Event.seq).where(last))
