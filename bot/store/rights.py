"""What belongs to the patient: seeing what is kept, erasing it, and saying what a reply was worth."""

from __future__ import annotations

from typing import Any

from sqlalchemy import create_engine, delete, inspect, select, text
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.orm import Session

from bot.store import audit
from bot.store.conversations import conversation_with, locked_conversation
from bot.store.handoffs import OPEN, handoffs_in
from bot.store.models import Event, Feedback, Offer, PatientSession
from bot.store.session import DatabaseUnavailable, now

ERASED = "[erased by the patient]"
UP, DOWN = "up", "down"


class OpenHandoff(ValueError):
    """A message of this conversation is with the clinic's people: it cannot be erased under their hands."""


def kept(session: Session, conversation_id: str) -> dict[str, Any]:
    """Everything that is kept of a conversation, as plain data."""
    conversation = conversation_with(session, conversation_id)
    events = session.execute(
        select(Event).where(Event.conversation_id == conversation_id).order_by(Event.seq)
    ).scalars()
    feedback = session.execute(
        select(Feedback).where(Feedback.conversation_id == conversation_id).order_by(Feedback.seq)
    ).scalars()
    return {
        "conversation": conversation.id,
        "clinic": conversation.clinic,
        "state": conversation.state,
        "created_at": conversation.created_at.isoformat(),
        "consent": {"version": conversation.consent_version, "at": _iso(conversation.consented_at)},
        "events": [event.as_dict() for event in events],
        "handoffs": [
            {
                "id": item.id,
                "at": item.created_at.isoformat(),
                "tier": item.tier,
                "category": item.category,
                "words": item.words,
                "status": item.status,
                "outcome": item.outcome,
            }
            for item in handoffs_in(session, conversation_id)
        ],
        "feedback": [{"seq": row.seq, "answer_id": row.answer_id, "value": row.value} for row in feedback],
    }


def erase(session: Session, conversation_id: str) -> None:
    """Erases what the patient wrote and read: events, offers, feedback, tokens, and the words in closed handoffs.

    A handoff's row and its audit rows stay, without words: that a person was told, when, and what came of it, is the
    clinic's record. Raises OpenHandoff while one is still waiting or claimed.
    """
    conversation = locked_conversation(session, conversation_id)
    items = handoffs_in(session, conversation_id)
    if any(item.status in OPEN for item in items):
        raise OpenHandoff
    for item in items:
        item.words = ERASED
        item.about = {}
    for table in (Event, Offer, Feedback, PatientSession):
        session.execute(
            delete(table)
            .where(table.conversation_id == conversation_id)
            .execution_options(synchronize_session=False)
        )
    conversation.pending = None
    conversation.hold = None
    conversation.last_seq = 0
    audit.record(
        session, clinic=conversation.clinic, actor="patient", act="conversation.erased", subject=conversation_id
    )
    session.flush()


def erase_dialogue(tracker_url: str, conversation_id: str) -> None:
    """Erases Rasa's dialogue state of a conversation. Raises DatabaseUnavailable."""
    engine = create_engine(tracker_url, future=True, hide_parameters=True)
    try:
        with engine.begin() as connection:
            if inspect(connection).has_table("events"):
                connection.execute(text("DELETE FROM events WHERE sender_id = :id"), {"id": conversation_id})
    except SQLAlchemyError as error:
        raise DatabaseUnavailable(type(error).__name__) from None
    finally:
        engine.dispose()


def record_feedback(session: Session, conversation_id: str, seq: int, value: str, reason: str | None) -> bool:
    """Notes what the patient says about the reply number `seq`. False where there is no such reply."""
    event = session.get(Event, (conversation_id, seq))
    if event is None or event.author == "patient":
        return False
    answer_id = event.body.get("answer_id")
    row = Feedback(
        conversation_id=conversation_id, seq=seq, at=now(session), answer_id=answer_id, value=value, reason=reason
    )
    session.merge(row)
    session.flush()
    return True


def _iso(at: Any) -> str | None:
    return at.isoformat() if at is not None else None
