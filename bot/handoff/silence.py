"""Silence after a safety question counts as a yes (clinical rule 3.3-5): finds overdue questions, settles each once.

Each question is settled in a transaction of its own, which takes the conversation first and looks again: of several
workers, and of a worker and an answer that comes at the same moment, exactly one is first. What cannot be settled now
is found again by the next pass.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from datetime import timedelta
from typing import Any

from sqlalchemy import JSON, and_, or_, select, type_coerce
from sqlalchemy.orm import Session

from bot.handoff.passes import BATCH, each_once
from bot.store import audit
from bot.store.conversations import ASKED_AT, sortable
from bot.store.models import Conversation
from bot.store.session import Database, now

# Does what an alarm does, in the session's transaction. The conversation is locked; its question is still in `pending`.
Answer = Callable[[Session, Conversation], None]
# Tells whoever watches: conversation and clinic.
Wake = Callable[[str, str], None]


async def settle_overdue(db: Database, times: Mapping[str, timedelta], answer: Answer, wake: Wake) -> int:
    """One pass: everything that is overdue by `times` (by tier). Says how many questions it settled.

    Raises DatabaseUnavailable where the database is away. One bad row stops no other.
    """
    settled = 0
    async for conversation_id, clinic in each_once(
        "silence",
        lambda without: _find(db, times, without),
        lambda conversation_id: _settle(db, times, conversation_id, answer),
    ):
        wake(conversation_id, clinic)
        settled += 1
    return settled


def overdue(
    session: Session, times: Mapping[str, timedelta], limit: int = BATCH, without: Collection[str] = ()
) -> list[str]:
    """Conversations whose open question has waited too long: the gravest tier first, then the longest wait."""
    query = select(Conversation.id).where(_is_overdue(session, times))
    if without:
        query = query.where(Conversation.id.not_in(tuple(without)))
    return list(session.execute(query.order_by(_kept("tier"), _kept(ASKED_AT)).limit(limit)).scalars())


def _find(db: Database, times: Mapping[str, timedelta], without: Collection[str]) -> list[str]:
    with db.read() as session:
        return overdue(session, times, without=without)


def _settle(
    db: Database, times: Mapping[str, timedelta], conversation_id: str, answer: Answer
) -> tuple[str, str] | None:
    """Settles one question; gives conversation and clinic. None where an answer or another worker was first."""
    with db.begin() as session:
        conversation = session.execute(
            select(Conversation)
            .where(Conversation.id == conversation_id, _is_overdue(session, times))
            .with_for_update(skip_locked=True)
            .execution_options(populate_existing=True)
        ).scalar_one_or_none()
        if conversation is None:
            return None
        question: dict[str, Any] = conversation.pending
        answer(session, conversation)
        conversation.pending = None
        details = {key: question.get(key) for key in ("category", "tier", "rule", ASKED_AT)}
        audit.record(
            session,
            clinic=conversation.clinic,
            actor=audit.SYSTEM,
            act="safety.unanswered",
            subject=conversation.id,
            details=details,
        )
        return conversation_id, str(conversation.clinic)


def _is_overdue(session: Session, times: Mapping[str, timedelta]) -> Any:
    at, tier, asked = now(session), _kept("tier"), _kept(ASKED_AT)
    waited = [and_(tier == one, asked <= sortable(at - time)) for one, time in times.items()]
    # A question of a tier without a time, or one that does not say since when it is open, must not wait for ever.
    unknown = and_(or_(tier.is_(None), tier.not_in(tuple(times))), asked <= sortable(at - max(times.values())))
    return and_(Conversation.pending.is_not(None), or_(asked.is_(None), unknown, *waited))


def _kept(key: str) -> Any:
    """A text of the document in `pending`, as the database reads it (SQLite and PostgreSQL)."""
    return type_coerce(Conversation.pending, JSON)[key].as_string()
