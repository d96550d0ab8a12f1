"""What patients say about the chat: a thumb for one reply, and the answers to a questionnaire."""

from __future__ import annotations

from typing import Any

from sqlalchemy import select
from sqlalchemy.orm import Session

from bot.store.events import BOT
from bot.store.models import Event, Feedback, Survey
from bot.store.session import now

UP, DOWN = "up", "down"
NOT_FOR_ME, HARD_TO_READ, FELT_DISMISSED = "not_for_me", "hard_to_read", "felt_dismissed"
CODES = (NOT_FOR_ME, HARD_TO_READ, FELT_DISMISSED)


class NoReply(LookupError):
    """There is no reply of the assistant with this number in this conversation."""


def reply_numbered(session: Session, conversation_id: str, seq: int) -> Event:
    """The assistant's own reply with this number. Raises NoReply for any other event."""
    event = session.get(Event, (conversation_id, seq))
    if event is None or event.author != BOT:
        raise NoReply
    return event


def record_feedback(
    session: Session, conversation_id: str, seq: int, value: str, code: str | None = None, reason: str | None = None
) -> None:
    """Notes what the patient says about a reply; a second word about it replaces the first. Raises NoReply."""
    event = reply_numbered(session, conversation_id, seq)
    session.merge(
        Feedback(
            conversation_id=conversation_id,
            seq=seq,
            at=now(session),
            answer_id=event.body.get("answer_id"),
            value=value,
            code=code,
            reason=reason,
        )
    )
    session.flush()


def record_survey(session: Session, conversation_id: str, seq: int, form: str, answers: dict[str, Any]) -> None:
    """Keeps the answers of event number `seq`, with the ids of what the assistant had said by then, in order.

    The same form may be answered again: of one conversation the row with the highest number counts.
    """
    said = session.execute(
        select(Event.body)
        .where(Event.conversation_id == conversation_id, Event.author == BOT, Event.seq < seq)
        .order_by(Event.seq)
    ).scalars()
    ids = dict.fromkeys(str(body["answer_id"]) for body in said if body.get("answer_id"))
    session.merge(
        Survey(
            conversation_id=conversation_id, seq=seq, form=form, at=now(session), answers=answers, answer_ids=list(ids)
        )
    )
    session.flush()
