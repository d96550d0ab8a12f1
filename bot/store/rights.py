"""What belongs to the patient: seeing what is kept, erasing it whole or one message of it."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from sqlalchemy import delete, func, or_, select
from sqlalchemy.orm import Session

from bot.store import audit, traces
from bot.store.columns import storable_text
from bot.store.conversations import conversation_with, locked_conversation
from bot.store.dialogue import erase_dialogue, erase_words, truncate_log
from bot.store.events import PATIENT, event_with
from bot.store.handoffs import OPEN, QUIET, WITHDRAWN, attached_to, handoffs_in, lies_quiet
from bot.store.models import (
    Audit,
    Conversation,
    Event,
    Feedback,
    Handoff,
    Learning,
    Note,
    Offer,
    Outbox,
    PatientSession,
    Survey,
)
from bot.store.session import Database, now

__all__ = [
    "ERASED", "ERASED_BY_TIME", "MARKS", "NotTheirs", "OpenHandoff", "clean_files", "erase", "erase_dialogue",
    "erase_left_over", "erase_message", "erase_words", "is_erased", "kept", "message_of", "record_export", "remove",
]  # fmt: skip

# Stands for words in rows that stay: a program's mark, which the clinic's pages show as it is.
ERASED, ERASED_BY_TIME = "[erased by the patient]", "[erased: kept for its time]"
MARKS = (ERASED, ERASED_BY_TIME)
# Who erases, for the audit; anybody else is a person of the clinic at its command line.
BY_PATIENT, BY_TIME, BY_CLINIC = "patient", audit.SYSTEM, "clinic"
# Details of audit rows that are about the clinic's own people and systems.
_OF_THE_CLINIC = ("to", "contact", "contacts", "cause")
_OF_A_CONVERSATION = (Event, Offer, Feedback, Survey, Learning, PatientSession)


class OpenHandoff(ValueError):
    """A message of this conversation is with the clinic's people: it cannot be erased under their hands."""


class NotTheirs(LookupError):
    """There is no message of the patient with this number."""


def is_erased(conversation: Conversation) -> bool:
    """Whether everything was erased: every conversation that was opened begins with the first notice as event 1."""
    return bool(conversation.last_seq == 0)


def message_of(session: Session, conversation_id: str, client_id: str) -> Event | None:
    """The patient's message with this client id, if it stands in the log."""
    return event_with(session, conversation_id, storable_text(client_id))


def kept(session: Session, conversation_id: str) -> dict[str, Any]:
    """Everything that is kept of a conversation, as plain data. Tokens are not kept, so they are not here either."""
    conversation = conversation_with(session, conversation_id)
    handoffs = handoffs_in(session, conversation_id)
    return {
        "conversation": conversation.id,
        "clinic": conversation.clinic,
        "locale": conversation.locale,
        "state": conversation.state,
        "created_at": _iso(conversation.created_at),
        "updated_at": _iso(conversation.updated_at),
        "person_name": conversation.person_name,
        "subject": conversation.subject,
        "reading": conversation.reading,
        "shown_seq": conversation.shown_seq,
        "shown_at": _iso(conversation.shown_at),
        "consent": {"version": conversation.consent_version, "at": _iso(conversation.consented_at)},
        "open_question": conversation.pending,
        "hold": conversation.hold,
        "events": [event.as_dict() for event in _rows(session, Event, conversation_id, Event.seq)],
        "offers": _count(session, Offer, conversation_id),
        "handoffs": [_handoff(session, item) for item in handoffs],
        "feedback": [
            {
                "seq": row.seq,
                "at": _iso(row.at),
                "answer_id": row.answer_id,
                "value": row.value,
                "code": row.code,
                "reason": row.reason,
            }
            for row in _rows(session, Feedback, conversation_id, Feedback.seq)
        ],
        "surveys": [
            {
                "seq": row.seq,
                "form": row.form,
                "at": _iso(row.at),
                "answers": row.answers,
                "answer_ids": row.answer_ids,
            }
            for row in _rows(session, Survey, conversation_id, Survey.seq)
        ],
        "learning": [
            {"at": _iso(row.at), "kind": row.kind, "key": row.key, "value": row.value}
            for row in _rows(session, Learning, conversation_id, Learning.id)
        ],
        "sessions": [
            {"expires_at": _iso(row.expires_at), "revoked_at": _iso(row.revoked_at), "slides": row.slides}
            for row in _rows(session, PatientSession, conversation_id, PatientSession.expires_at)
        ],
        "audit": _audit(session, conversation.id, [item.id for item in handoffs]),
    }


def erase(session: Session, conversation_id: str, actor: str = BY_PATIENT) -> None:
    """Erases what the patient wrote and read and who they are: events, offers, feedback, surveys, the tutor's journal,
    tokens, name and subject, and the words in handoffs; what only lies in the clinic's list is withdrawn.

    A handoff's row and its audit rows stay, without words: that a person was told, when, and what came of it, is the
    clinic's record; so does the empty conversation with the time of its consent, so that it can be counted. Raises
    OpenHandoff while a handoff is still waiting or claimed, UnknownConversation.
    """
    conversation = locked_conversation(session, conversation_id)
    if any(item.status in OPEN and not lies_quiet(item) for item in handoffs_in(session, conversation_id)):
        raise OpenHandoff
    _empty(session, conversation, ERASED_BY_TIME if actor == BY_TIME else ERASED)
    audit.record(session, clinic=conversation.clinic, actor=actor, act="conversation.erased", subject=conversation_id)
    session.flush()


def erase_left_over(session: Session, conversation_id: str) -> None:
    """Once more, for what a turn that was under way may have written after everything was erased. Also the words of a
    handoff that is open: they came after the wish to be forgotten."""
    conversation = locked_conversation(session, conversation_id)
    if is_erased(conversation):
        _empty(session, conversation)
        session.flush()


def remove(session: Session, conversation_id: str) -> None:
    """Takes a conversation away whole, its own row too: one that was never accepted. It must have no handoff."""
    conversation = locked_conversation(session, conversation_id)
    _delete_rows(session, conversation_id)
    session.delete(conversation)
    session.flush()


def erase_message(session: Session, conversation_id: str, seq: int, shown: str) -> tuple[str, str]:
    """Erases the words of one message of the patient wherever they stand, in what the tutor noted and said again too;
    gives its client id and the words, for the dialogue. `shown` is what stands in its place. Other messages in which
    the patient wrote the same stay.

    Raises OpenHandoff while a message of this conversation is with the clinic's people, who read along; NotTheirs.
    """
    conversation = locked_conversation(session, conversation_id)
    event = session.get(Event, (conversation_id, seq))
    if event is None or event.author != PATIENT:
        raise NotTheirs
    handoffs = handoffs_in(session, conversation_id)
    if any(item.status in OPEN and not lies_quiet(item) for item in handoffs):
        raise OpenHandoff
    # Of a questionnaire, `words` are the patient's and `text` has the questions in it too.
    marks = traces.Traces.of(event.body)
    words, key = str(event.body.get("words") or event.body.get("text") or ""), str(event.client_id or "")
    kept_keys = {name: event.body[name] for name in ("payload", "reply_to", "consent_version") if name in event.body}
    event.body = {"kind": "text", "text": "", "erased": True, "fallback_text": shown, **kept_keys}
    marks = traces.clear(session, conversation_id, marks, shown.strip())
    for item in handoffs:
        _erase_in_handoff(item, key, words)
        for more in attached_to(session, item.id):
            if _is_message(more.message_key, key) or more.words == words:
                more.words = ERASED
                more.about = {}
            elif item.category in QUIET:
                more.words = traces.lines_without(more.words, marks, ERASED)
        if item.category in QUIET:
            item.words = traces.lines_without(item.words, marks, ERASED)
            said = [item.words, *(more.words for more in attached_to(session, item.id))]
            if lies_quiet(item) and set(said) == {ERASED}:
                _withdraw(session, item)
    if conversation.pending and (conversation.pending.get("key") == key or conversation.pending.get("text") == words):
        conversation.pending = {**conversation.pending, "text": "", "words": ""}
    session.execute(_of(Survey, conversation_id).where(Survey.seq == seq))
    for row in _rows(session, Feedback, conversation_id, Feedback.seq):
        row.reason = None if row.reason == words else row.reason
    audit.record(
        session,
        clinic=conversation.clinic,
        actor=BY_PATIENT,
        act="message.erased",
        subject=conversation_id,
        details={"seq": seq},
    )
    session.flush()
    return key, words


def record_export(session: Session, conversation_id: str, actor: str) -> None:
    """Notes that somebody of the clinic has made a copy."""
    conversation = conversation_with(session, conversation_id)
    audit.record(session, clinic=conversation.clinic, actor=actor, act="conversation.exported", subject=conversation_id)


def clean_files(db: Database) -> None:
    """Empties SQLite's write-ahead log after an erasing; PostgreSQL cleans up by itself (autovacuum)."""
    if db.engine.dialect.name == "sqlite":
        truncate_log(db.engine)


def _empty(session: Session, conversation: Conversation, mark: str = ERASED) -> None:
    for item in handoffs_in(session, conversation.id):
        item.words = item.words if item.words in MARKS else mark
        item.about = {}
        for more in attached_to(session, item.id):
            more.words = more.words if more.words in MARKS else mark
            more.about = {}
        if lies_quiet(item):
            _withdraw(session, item)
        # What the clinic's people noted for each other is about the patient too.
        session.execute(delete(Note).where(Note.handoff_id == item.id).execution_options(synchronize_session=False))
    _delete_rows(session, conversation.id)
    conversation.pending = None
    conversation.hold = None
    conversation.subject = None
    conversation.person_name = None
    conversation.reading = None
    conversation.last_seq = 0
    conversation.shown_seq = 0
    conversation.shown_at = None


def _withdraw(session: Session, item: Handoff) -> None:
    """Closes what only lies in the clinic's list, as a withdrawal is written down: nothing is left of it to read. No
    system of the clinic has heard of it, and the conversation's state never hung on it."""
    item.status = WITHDRAWN
    item.closed_at = now(session)
    item.climb_at = None
    item.snoozed_until = None
    item.version += 1
    audit.record(session, clinic=item.clinic, actor=audit.SYSTEM, act="handoff.withdrawn", subject=item.id)


def _erase_in_handoff(item: Handoff, key: str, words: str) -> None:
    if _is_message(item.message_key, key) or item.words == words:
        item.words = ERASED
        item.about = {name: value for name, value in item.about.items() if name not in ("heard", "note")}
    elif item.about.get("note") == words:
        item.about = {**item.about, "note": ERASED}


def _is_message(message_key: str, key: str) -> bool:
    """Whether a handoff's key is this message's: a second alarm of one message has the key with an ending."""
    return message_key == key or message_key.startswith(f"{key}.")


def _delete_rows(session: Session, conversation_id: str) -> None:
    for table in _OF_A_CONVERSATION:
        session.execute(_of(table, conversation_id))


def _of(table: Any, conversation_id: str) -> Any:
    mine = delete(table).where(table.conversation_id == conversation_id)
    return mine.execution_options(synchronize_session=False)


def _rows(session: Session, table: Any, conversation_id: str, order: Any) -> Iterable[Any]:
    return session.execute(select(table).where(table.conversation_id == conversation_id).order_by(order)).scalars()


def _count(session: Session, table: Any, conversation_id: str) -> int:
    mine = select(func.count()).select_from(table).where(table.conversation_id == conversation_id)
    return int(session.execute(mine).scalar_one())


def _handoff(session: Session, item: Handoff) -> dict[str, Any]:
    notices = session.execute(select(Outbox).where(Outbox.handoff_id == item.id).order_by(Outbox.channel)).scalars()
    return {
        "id": item.id,
        "at": _iso(item.created_at),
        "tier": item.tier,
        "category": item.category,
        "rule": item.rule,
        "words": item.words,
        "about": item.about,
        "message_shown": item.message_shown,
        "numbers_shown": item.numbers_shown,
        "status": item.status,
        "outcome": item.outcome,
        "claimed_at": _iso(item.claimed_at),
        "seen_at": _iso(item.seen_at),
        "delivered_at": _iso(item.delivered_at),
        "answered_at": _iso(item.answered_at),
        "exhausted_at": _iso(item.exhausted_at),
        "attached": [{"at": _iso(more.at), "words": more.words} for more in attached_to(session, item.id)],
        "closed_at": _iso(item.closed_at),
        "notices": [
            {"channel": row.channel, "due_at": _iso(row.due_at), "sent_at": _iso(row.sent_at), "attempts": row.attempts}
            for row in notices
        ],
    }


def _audit(session: Session, conversation_id: str, handoff_ids: list[str]) -> list[dict[str, Any]]:
    """The rows that name the conversation or one of its handoffs. Of the clinic's people it says that they are."""
    named = or_(Audit.subject == conversation_id, Audit.subject.in_(handoff_ids))
    found = session.execute(select(Audit).where(named).order_by(Audit.id)).scalars()
    return [
        {
            "at": _iso(row.at),
            "act": row.act,
            "actor": row.actor if row.actor in (BY_PATIENT, BY_TIME) else BY_CLINIC,
            "details": {name: value for name, value in row.details.items() if name not in _OF_THE_CLINIC},
        }
        for row in found
    ]


def _iso(at: Any) -> str | None:
    return at.isoformat() if at is not None else None
