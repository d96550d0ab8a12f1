"""The event log: numbered without gaps, written once per client id, read in order."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from sqlalchemy import bindparam, select
from sqlalchemy.orm import Session

from bot.store.columns import storable, storable_text
from bot.store.conversations import HUMAN, locked_conversation, offer
from bot.store.handoffs import bring_back
from bot.store.models import Event
from bot.store.session import now

PATIENT, BOT, CLINICIAN, SYSTEM = "patient", "bot", "clinician", "system"
MESSAGE, STATE = "message", "state"

# Made once: to put a statement together takes longer than SQLite takes to answer it.
_OF = select(Event).where(Event.conversation_id == bindparam("conversation"))
_WITH = _OF.where(Event.client_id == bindparam("client_id"))
_AFTER = _OF.where(Event.seq > bindparam("seq")).order_by(Event.seq).limit(bindparam("most"))
_LATEST = _OF.order_by(Event.seq.desc()).limit(bindparam("most"))


@dataclass(frozen=True)
class Appended:
    """The event, and whether this call wrote it (False: the same client id had already sent it)."""

    event: Event
    created: bool


def append_event(
    session: Session,
    conversation_id: str,
    *,
    type: str,
    author: str,
    body: dict[str, Any],
    client_id: str | None = None,
) -> Appended:
    """Writes the next event of the conversation, or finds the one that `client_id` already wrote.

    The conversation stays locked until the transaction ends, so numbers have no gaps and become visible
    in order: a reader that has seen N never misses N - 1. Payloads of buttons in anything that is not the
    patient's own are remembered as offered. Raises UnknownConversation.
    """
    # Made storable here and not only by the column, so that what is shown live is what is kept.
    body = storable(body)
    client_id = None if client_id is None else storable_text(client_id)
    conversation = locked_conversation(session, conversation_id)
    if client_id is not None:
        earlier = event_with(session, conversation_id, client_id)
        if earlier is not None:
            return Appended(earlier, created=False)
    at = now(session)
    conversation.last_seq += 1
    conversation.updated_at = at
    event = Event(
        conversation_id=conversation_id,
        seq=conversation.last_seq,
        type=type,
        author=author,
        at=at,
        body=body,
        client_id=client_id,
    )
    session.add(event)
    session.flush()
    if author == PATIENT and conversation.state == HUMAN:
        bring_back(session, conversation_id)
    if author != PATIENT:
        offer(session, conversation_id, [button["payload"] for button in body.get("buttons") or ()])
    return Appended(event, created=True)


def event_with(session: Session, conversation_id: str, client_id: str) -> Event | None:
    """The event that this client id wrote."""
    given = {"conversation": conversation_id, "client_id": client_id}
    found: Event | None = session.execute(_WITH, given).scalar_one_or_none()
    return found


def events_after(session: Session, conversation_id: str, seq: int, limit: int = 200) -> list[Event]:
    """Up to `limit` events with a number above `seq`, oldest first."""
    given = {"conversation": conversation_id, "seq": seq, "most": limit}
    return list(session.execute(_AFTER, given).scalars())


def latest_events(
    session: Session, conversation_id: str, limit: int, author: str | None = None, before: int | None = None
) -> list[Event]:
    """The last `limit` events (of one author, below number `before`, if given), oldest first."""
    query = _LATEST
    if author is not None:
        query = query.where(Event.author == author)
    if before is not None:
        query = query.where(Event.seq < before)
    newest_first = session.execute(query, {"conversation": conversation_id, "most": limit}).scalars().all()
    return list(reversed(newest_first))
