"""The steps of a handoff. Each is one transaction with its audit row, and either happens whole or not at all.

Every function takes a ``Database`` (a transaction of its own) or a ``Session`` (the caller's transaction, to
write an event in the same breath). All of them lock the conversation first, so that two at once wait for each
other.
"""

from __future__ import annotations

import uuid
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import select
from sqlalchemy.orm import Session

from bot.handoff.states import CLAIM, CLOSE, HAND_BACK, OUTCOMES, TIERS, conversation_after, next_status
from bot.store import audit, outbox
from bot.store.conversations import BOT, CLOSED, HUMAN, ensure_conversation, locked_conversation, set_state
from bot.store.conversations import WAITING as CONVERSATION_WAITING
from bot.store.handoffs import CLAIMED, OPEN, WAITING, handoff_for_message, handoffs_in
from bot.store.models import Clinician, Conversation, Handoff, storable_text
from bot.store.session import Database, now, transaction

EMAIL = "email"


class UnknownHandoff(LookupError):
    """This clinic has no such handoff."""


class StaleVersion(ValueError):
    """The handoff has changed since the page was made: show it again."""


class NotYours(ValueError):
    """Another clinician holds this handoff; `by` is their id."""

    def __init__(self, by: str) -> None:
        super().__init__("another clinician holds this handoff")
        self.by = by


@dataclass(frozen=True)
class Raised:
    """The handoff of a message: `state` is the conversation's (who answers), `at` when it was raised."""

    handoff_id: str
    created: bool
    state: str
    at: datetime


@dataclass(frozen=True)
class Claimed:
    """This clinician holds the handoff; `first` is False where they already did (a double click)."""

    handoff: Handoff
    first: bool


@dataclass(frozen=True)
class AlreadyClaimed:
    """Somebody else was first."""

    by: str
    name: str
    at: datetime | None


@dataclass(frozen=True)
class Stepped:
    """A handoff after a step, and who answers the patient now."""

    handoff: Handoff
    state: str


def raise_handoff(
    where: Database | Session,
    *,
    conversation_id: str,
    message_key: str,
    clinic: str,
    tier: str,
    category: str | None,
    rule: str | None,
    words: str,
    message_shown: str,
    about: Mapping[str, Any] | None = None,
    numbers_shown: Sequence[str] = (),
    locale: str = "en",
    channels: Sequence[str] = (EMAIL,),
) -> Raised:
    """Passes one message on: handoff, one outbox row per channel, audit row and state `waiting`, together.

    The same conversation and message again finds the first handoff and changes nothing. An unknown
    conversation is made (Rasa's shell and other channels have none of ours); a known one keeps its clinic.
    While a human holds the conversation it stays theirs, and the new item waits for their claim.
    `words` are the patient's own, `message_shown` and `numbers_shown` what the patient was told, `about`
    whatever else explains it (screen answers, scope, rule version). Raises DatabaseUnavailable: then nothing
    was passed on, and the patient must be told so.
    """
    if tier not in TIERS:
        raise ValueError(f"no such tier: {tier}")
    conversation_id, message_key = storable_text(conversation_id), storable_text(message_key)
    # A message without a key cannot be told from another: one handoff too many, never one too few.
    message_key = message_key or str(uuid.uuid4())
    with transaction(where) as session:
        ensure_conversation(session, conversation_id, clinic=clinic, locale=locale)
        conversation = locked_conversation(session, conversation_id)
        earlier = handoff_for_message(session, conversation_id, message_key)
        if earlier is not None:
            return Raised(earlier.id, False, conversation.state, earlier.created_at)
        item = Handoff(
            id=str(uuid.uuid4()),
            conversation_id=conversation_id,
            message_key=message_key,
            clinic=conversation.clinic,
            tier=tier,
            category=category,
            rule=rule,
            words=words,
            about=dict(about or {}),
            message_shown=message_shown,
            numbers_shown=list(numbers_shown),
            status=WAITING,
            created_at=now(session),
            version=1,
        )
        session.add(item)
        session.flush()
        for channel in channels:
            outbox.enqueue(session, item.id, channel)
        _audit(session, item, audit.SYSTEM, "raised", tier=tier, category=category, rule=rule)
        if conversation.state in (BOT, CLOSED):
            set_state(session, conversation_id, CONVERSATION_WAITING)
        session.flush()
        return Raised(item.id, True, conversation.state, item.created_at)


def add_note(where: Database | Session, conversation_id: str, note: str) -> bool:
    """Puts the patient's note with the newest open handoff of the conversation. Says whether there was one."""
    with transaction(where) as session:
        locked_conversation(session, conversation_id)
        still_open = [item for item in handoffs_in(session, conversation_id) if item.status in OPEN]
        if not still_open:
            return False
        item = still_open[-1]
        item.about = {**item.about, "note": note}
        _audit(session, item, audit.SYSTEM, "note_added")
        session.flush()
        return True


def mark_seen(where: Database | Session, handoff_id: str, clinician: Clinician) -> Handoff:
    """The clinician has opened the item: every view is audited, the first sets `seen_at`."""
    with transaction(where) as session:
        item, _conversation = _locked(session, handoff_id, clinician)
        if item.seen_at is None:
            item.seen_at = now(session)
        _audit(session, item, clinician.id, "seen")
        session.flush()
        return item


def claim(
    where: Database | Session, handoff_id: str, clinician: Clinician, expected_version: int
) -> Claimed | AlreadyClaimed:
    """Takes the conversation: this handoff and any other of it that waits. Of two at once one wins.

    A clinician who comes second, also with another item of the same conversation, gets AlreadyClaimed.
    Raises UnknownHandoff, NotAllowed (handed back or closed), StaleVersion (changed since the page was made).
    """
    with transaction(where) as session:
        item, conversation = _locked(session, handoff_id, clinician)
        if item.status != CLAIMED:
            next_status(item.status, CLAIM)
        holder = item.claimed_by if item.status == CLAIMED else conversation.holder
        if holder is not None and holder != clinician.id:
            return AlreadyClaimed(holder, session.get(Clinician, holder).name, item.claimed_at)
        if item.status == CLAIMED:
            return Claimed(item, first=False)
        if item.version != expected_version:
            raise StaleVersion(f"version {item.version}, not {expected_version}")
        for waiting in [h for h in handoffs_in(session, conversation.id) if h.status == WAITING]:
            waiting.status = next_status(waiting.status, CLAIM)
            waiting.claimed_by = clinician.id
            waiting.claimed_at = now(session)
            waiting.version += 1
            _audit(session, waiting, clinician.id, "claimed")
        set_state(session, conversation.id, HUMAN, holder=clinician.id)
        session.flush()
        return Claimed(item, first=True)


def hand_back(
    where: Database | Session, handoff_id: str, clinician: Clinician, lift_hold: bool = True
) -> Stepped:
    """Gives the conversation back to the assistant: everything this clinician holds of it.

    A new item that nobody has claimed keeps it `waiting`. `lift_hold`: the clinician has been with the
    person, so education opens again. Raises UnknownHandoff, NotAllowed, NotYours.
    """
    with transaction(where) as session:
        item, conversation = _locked(session, handoff_id, clinician)
        next_status(item.status, HAND_BACK)
        _only_holder(item, clinician)
        everything = handoffs_in(session, conversation.id)
        for held in [h for h in everything if h.status == CLAIMED and h.claimed_by == clinician.id]:
            held.status = next_status(held.status, HAND_BACK)
            held.version += 1
            _audit(session, held, clinician.id, "handed_back")
        others = [h.status for h in everything if h is not item]
        after = conversation_after(conversation.state, HAND_BACK, CLAIMED, others)
        _pass_on(session, conversation, after)
        if lift_hold and after == BOT:
            conversation.hold = None
        session.flush()
        return Stepped(item, conversation.state)


def close(where: Database | Session, handoff_id: str, clinician: Clinician, outcome: str) -> Stepped:
    """Closes one handoff with its outcome. The last one that its holder closes ends the conversation.

    One that waits or was handed back may be closed by anybody of the clinic, a claimed one by its holder.
    Raises UnknownHandoff, NotAllowed, NotYours, and ValueError for an outcome that is none of OUTCOMES.
    """
    if outcome not in OUTCOMES:
        raise ValueError(f"no such outcome: {outcome}")
    with transaction(where) as session:
        item, conversation = _locked(session, handoff_id, clinician)
        before = item.status
        after = next_status(before, CLOSE)
        if before == CLAIMED:
            _only_holder(item, clinician)
        others = [h.status for h in handoffs_in(session, conversation.id) if h is not item]
        item.status = after
        item.closed_at = now(session)
        item.outcome = outcome
        item.version += 1
        _audit(session, item, clinician.id, "closed", outcome=outcome)
        _pass_on(session, conversation, conversation_after(conversation.state, CLOSE, before, others))
        session.flush()
        return Stepped(item, conversation.state)


def _locked(session: Session, handoff_id: str, clinician: Clinician) -> tuple[Handoff, Conversation]:
    """The clinic's handoff, read after its conversation was locked."""
    mine = (Handoff.id == handoff_id, Handoff.clinic == clinician.clinic)
    conversation_id = session.execute(select(Handoff.conversation_id).where(*mine)).scalar_one_or_none()
    if conversation_id is None:
        raise UnknownHandoff
    conversation = locked_conversation(session, conversation_id)
    item = session.execute(
        select(Handoff).where(*mine).execution_options(populate_existing=True)
    ).scalar_one()
    return item, conversation


def _only_holder(item: Handoff, clinician: Clinician) -> None:
    if item.claimed_by is not None and item.claimed_by != clinician.id:
        raise NotYours(item.claimed_by)


def _pass_on(session: Session, conversation: Conversation, state: str) -> None:
    """Sets who answers now; a human who keeps the conversation stays its holder."""
    set_state(session, conversation.id, state, holder=conversation.holder if state == HUMAN else None)


def _audit(session: Session, item: Handoff, actor: str, step: str, **details: Any) -> None:
    audit.record(
        session, clinic=item.clinic, actor=actor, act=f"handoff.{step}", subject=item.id, details=details
    )
