"""Conversations: opening, tokens, who answers, the open question, the hold, and what buttons offered."""

from __future__ import annotations

import hashlib
import secrets
import uuid
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta, timezone
from typing import Any

from sqlalchemy import bindparam, select, update
from sqlalchemy.orm import Session

from bot.store.models import Conversation, Event, Offer, PatientSession
from bot.store.session import insert_all_once, insert_once, now

BOT, WAITING, HUMAN, CLOSED = "bot", "waiting", "human", "closed"
# When the open question was asked, inside `Conversation.pending`.
ASKED_AT = "asked_at"

# Who may answer next. A closed conversation opens again when the patient writes (bot) or is in danger
# (waiting).
ALLOWED: frozenset[tuple[str, str]] = frozenset(
    {
        (BOT, WAITING),
        (BOT, HUMAN),
        (BOT, CLOSED),
        (WAITING, HUMAN),
        (WAITING, BOT),
        (WAITING, CLOSED),
        (HUMAN, BOT),
        (HUMAN, WAITING),
        (HUMAN, CLOSED),
        (CLOSED, BOT),
        (CLOSED, WAITING),
    }
)

# Made once: to put a statement together takes longer than SQLite takes to answer it.
_LOCKED = (
    select(Conversation)
    .where(Conversation.id == bindparam("conversation"))
    .with_for_update()
    .execution_options(populate_existing=True)
)
_HELD = "held_conversations"


class UnknownConversation(LookupError):
    """There is no conversation with this id."""


class StateRefused(ValueError):
    """The conversation cannot go from its state to the one asked for."""


@dataclass(frozen=True)
class Opened:
    """A conversation and the only copy of its token."""

    conversation: Conversation
    token: str
    session: PatientSession


def hash_token(token: str) -> str:
    """What is kept of a token. It is 256 random bits, so a plain hash cannot be guessed back."""
    return hashlib.sha256(token.encode("utf-8", "surrogatepass")).hexdigest()


def open_conversation(
    session: Session,
    *,
    clinic: str,
    locale: str,
    lifetime: timedelta,
    subject: str | None = None,
    person_name: str | None = None,
    slides: int | None = None,
) -> Opened:
    """A new conversation with the assistant, and a token for it. `subject`, `person_name`: of a signed-in patient."""
    conversation_id = str(uuid.uuid4())
    ensure_conversation(session, conversation_id, clinic=clinic, locale=locale)
    opened = new_token(session, conversation_id, lifetime, slides)
    opened.conversation.subject = subject
    opened.conversation.person_name = person_name
    session.flush()
    return opened


def ensure_conversation(session: Session, conversation_id: str, *, clinic: str, locale: str = "en") -> bool:
    """Makes the conversation unless it is there. Says whether it made it."""
    at = now(session)
    return insert_once(
        session,
        Conversation,
        id=conversation_id,
        clinic=clinic,
        locale=locale,
        state=BOT,
        last_seq=0,
        created_at=at,
        updated_at=at,
    )


def new_token(session: Session, conversation_id: str, lifetime: timedelta, slides: int | None = None) -> Opened:
    """Another token for the same conversation; each use keeps it good for `slides` seconds. Raises
    UnknownConversation."""
    conversation = conversation_with(session, conversation_id)
    token = secrets.token_urlsafe(32)
    kept = PatientSession(
        token_hash=hash_token(token),
        conversation_id=conversation.id,
        expires_at=now(session) + lifetime,
        slides=slides,
    )
    session.add(kept)
    session.flush()
    return Opened(conversation, token, kept)


def extend_token(session: Session, token: str, lifetime: timedelta) -> bool:
    """Lets a token that is still good live `lifetime` from now. Says whether it was good."""
    at = now(session)
    changed = session.execute(
        update(PatientSession)
        .where(
            PatientSession.token_hash == hash_token(token),
            PatientSession.expires_at > at,
            PatientSession.revoked_at.is_(None),
        )
        .values(expires_at=at + lifetime)
        .execution_options(synchronize_session=False)
    )
    return bool(changed.rowcount)


def revoke_tokens(session: Session, conversation_id: str) -> int:
    """Ends every token of the conversation. Says how many."""
    changed = session.execute(
        update(PatientSession)
        .where(PatientSession.conversation_id == conversation_id, PatientSession.revoked_at.is_(None))
        .values(revoked_at=now(session))
        .execution_options(synchronize_session=False)
    )
    return int(changed.rowcount)


def conversation_with(session: Session, conversation_id: str) -> Conversation:
    """The conversation with this id. Raises UnknownConversation."""
    found = session.get(Conversation, conversation_id)
    if found is None:
        raise UnknownConversation
    return found


def locked_conversation(session: Session, conversation_id: str) -> Conversation:
    """The conversation, read afresh and held against other writers until the transaction ends.

    Whatever changes a conversation, its events or its handoffs takes this lock first: one order of
    locks, so no deadlocks. Asked for again in the same transaction it is not read again: nobody else can change it.
    Raises UnknownConversation.
    """
    held = _held(session)
    if conversation_id not in held:
        found = session.execute(_LOCKED, {"conversation": conversation_id}).scalar_one_or_none()
        if found is None:
            raise UnknownConversation
        held[conversation_id] = found
    return held[conversation_id]


def held_conversation(session: Session, conversation_id: str) -> Conversation | None:
    """The conversation if this transaction has locked it."""
    return _held(session).get(conversation_id)


def _held(session: Session) -> dict[str, Conversation]:
    """What the session's present transaction has locked."""
    transaction, held = session.info.get(_HELD, (None, None))
    if held is None or transaction is not session.get_transaction():
        held = {}
        session.info[_HELD] = (session.get_transaction(), held)
    return held


def set_state(session: Session, conversation_id: str, state: str, holder: str | None = None) -> Conversation:
    """Changes who answers; the same state again only sets the holder. `holder` is kept for `human` alone.

    Raises StateRefused for a step that is not allowed or a human state without a holder, UnknownConversation.
    """
    conversation = locked_conversation(session, conversation_id)
    if state != conversation.state and (conversation.state, state) not in ALLOWED:
        raise StateRefused(f"a conversation cannot go from {conversation.state} to {state}")
    if (state == HUMAN) != (holder is not None):
        raise StateRefused("a conversation has a holder exactly while a human answers it")
    conversation.state = state
    conversation.holder = holder
    conversation.updated_at = now(session)
    session.flush()
    return conversation


def record_consent(session: Session, conversation_id: str, version: str) -> Conversation:
    """The patient has read and accepted the first-run notice of this version."""
    conversation = locked_conversation(session, conversation_id)
    if conversation.consent_version != version:
        conversation.consent_version = version
        conversation.consented_at = now(session)
        session.flush()
    return conversation


def note_shown(session: Session, conversation_id: str, seq: int) -> bool:
    """Notes that event `seq` has been on the patient's screen. It only ever goes forward, never beyond the last event,
    and not before the first notice was accepted. Says whether it did."""
    further = update(Conversation).where(
        Conversation.id == conversation_id,
        Conversation.consented_at.is_not(None),
        Conversation.shown_seq < seq,
        Conversation.last_seq >= seq,
    )
    noted = further.values(shown_seq=seq, shown_at=now(session)).execution_options(synchronize_session=False)
    return bool(session.execute(noted).rowcount == 1)


def set_pending(session: Session, conversation_id: str, pending: dict[str, Any] | None) -> None:
    """Keeps the clarifying question that now waits for its answer (None: no question is open), and since when."""
    asked = None if pending is None else {**pending, ASKED_AT: sortable(now(session))}
    locked_conversation(session, conversation_id).pending = asked
    session.flush()


def sortable(at: datetime) -> str:
    """A time as text that sorts as the times do, for inside documents."""
    return at.astimezone(timezone.utc).isoformat(timespec="microseconds")


def take_pending(session: Session, conversation_id: str) -> dict[str, Any] | None:
    """The open question, closed in the same step: of two answers at once only one gets it."""
    conversation = locked_conversation(session, conversation_id)
    pending = conversation.pending
    conversation.pending = None
    session.flush()
    return pending


def set_hold(session: Session, conversation_id: str, hold: dict[str, Any] | None) -> None:
    """Closes education after T0/T1, with the reason; None opens it again."""
    locked_conversation(session, conversation_id).hold = hold
    session.flush()


def offer(session: Session, conversation_id: str, payloads: Iterable[str]) -> None:
    """Remembers payloads that buttons offer in this conversation."""
    rows = [{"conversation_id": conversation_id, "payload": payload} for payload in dict.fromkeys(payloads)]
    insert_all_once(session, Offer, rows)


def was_offered(session: Session, conversation_id: str, payload: str) -> bool:
    """Whether a button of this conversation ever offered exactly this payload."""
    return session.get(Offer, (conversation_id, payload)) is not None


def unanswered(
    session: Session, clinics: Iterable[str], since: datetime, until: datetime, limit: int
) -> list[tuple[Conversation, Event]]:
    """Conversations of the assistant whose last word, between two times, is the patient's, with that event."""
    found = session.execute(
        select(Conversation, Event)
        .join(Event, (Event.conversation_id == Conversation.id) & (Event.seq == Conversation.last_seq))
        .where(
            Conversation.clinic.in_(tuple(clinics)),
            Conversation.updated_at.between(since, until),
            Conversation.state.in_((BOT, WAITING)),
            Event.author == "patient",
            Event.client_id.is_not(None),
        )
        .order_by(Event.at)
        .limit(limit)
    )
    return [(conversation, event) for conversation, event in found]
