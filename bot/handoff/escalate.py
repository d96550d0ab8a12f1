"""Passing a message on: one transaction with its notices and its audit row, which happens whole or not at all.

Takes a ``Database`` (a transaction of its own) or a ``Session`` (the caller's transaction, to write an event in the
same breath). The conversation is locked first, so that two at once wait for each other.
"""

from __future__ import annotations

import uuid
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy.orm import Session

from bot.content import Clinic
from bot.handoff import notices
from bot.handoff.items import note_act
from bot.handoff.states import TIERS
from bot.handoff.steps import let_go
from bot.store import audit, events
from bot.store.columns import storable_text
from bot.store.conversations import BOT, CLOSED, ensure_conversation, locked_conversation, set_state
from bot.store.conversations import WAITING as CONVERSATION_WAITING
from bot.store.handoffs import (
    HELD,
    OPEN,
    QUIET,
    RAISED,
    WAITING,
    handoff_for_message,
    handoffs_in,
    lies_quiet,
    open_of_family,
)
from bot.store.models import Attached, Handoff
from bot.store.session import Database, insert_once, now, transaction

# Who has neither taken an item nor written for so long may have gone home: a new red flag must not wait for them.
THERE = timedelta(minutes=30)
# The family of a message whose category nobody named.
OTHER = "other"


@dataclass(frozen=True)
class Raised:
    """The handoff of a message: `state` is the conversation's (who answers), `at` when it was raised.

    `created`: by this call. `attached`: the message was put with one of its family that was open; `graver`: and has
    made that one more urgent; `anew`: and the team was told again.
    """

    handoff_id: str
    created: bool
    state: str
    at: datetime
    attached: bool = False
    graver: bool = False
    anew: bool = False


def raise_handoff(
    where: Database | Session,
    *,
    conversation_id: str,
    message_key: str,
    clinic: str,
    clinic_of: Callable[[str], Clinic],
    tier: str,
    category: str | None,
    rule: str | None,
    words: str,
    message_shown: str,
    about: Mapping[str, Any] | None = None,
    numbers_shown: Sequence[str] = (),
    locale: str = "en",
    rules_version: str | None = None,
) -> Raised:
    """Passes one message on: handoff, outbox rows for the first step of the clinic's chain and its systems, audit row
    and state `waiting`, together; the clock towards the next step starts.

    The same conversation and message again finds the first handoff and changes nothing. A message of a family
    (`category`) that has an open handoff attaches to it; if it is graver, that one becomes as grave, and the chain
    begins anew. An unknown conversation is made (Rasa's shell and other channels have none of ours); a known one keeps
    its clinic. While a human holds the conversation it stays theirs, and a new item waits for their claim. A family
    that is read at the next contact (QUIET) only goes into the list: nobody is told, and nobody waits.
    `words` are the patient's own, `message_shown` and `numbers_shown` what the patient was told, `about` whatever else
    explains it (screen answers, scope), `rules_version` the safety rules that raised it. Raises DatabaseUnavailable:
    then nothing was passed on, and the patient must be told so.
    """
    if tier not in TIERS:
        raise ValueError(f"no such tier: {tier}")
    conversation_id, message_key = storable_text(conversation_id), storable_text(message_key)
    # A message without a key cannot be told from another: one handoff too many, never one too few.
    message_key = message_key or str(uuid.uuid4())
    category = category or OTHER
    with transaction(where) as session:
        ensure_conversation(session, conversation_id, clinic=clinic, locale=locale)
        conversation = locked_conversation(session, conversation_id)
        earlier = handoff_for_message(session, conversation_id, message_key)
        if earlier is not None:
            return Raised(earlier.id, False, conversation.state, earlier.created_at)
        own = clinic_of(conversation.clinic)
        still_open = open_of_family(session, conversation_id, category)
        if still_open is not None:
            more = {"rule": rule, "words": words, "about": dict(about or {})}
            graver, anew = _attach(session, still_open, own, message_key, tier, more)
            return Raised(still_open.id, False, conversation.state, still_open.created_at, True, graver, anew)
        at = now(session)
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
            status=RAISED,
            created_at=at,
            version=1,
            rules_version=rules_version,
        )
        session.add(item)
        session.flush()
        notices.begin_chain(session, item, own)
        notices.tell_systems(session, item, own.chain, notices.RAISED)
        note_act(session, item, audit.SYSTEM, "raised", tier=tier, category=category, rule=rule)
        if conversation.state in (BOT, CLOSED) and category not in QUIET:
            set_state(session, conversation_id, CONVERSATION_WAITING)
        session.flush()
        return Raised(item.id, True, conversation.state, item.created_at)


def add_note(where: Database | Session, conversation_id: str, note: str) -> bool:
    """Puts the patient's note with the newest open handoff of the conversation. Says whether there was one."""
    with transaction(where) as session:
        locked_conversation(session, conversation_id)
        found = handoffs_in(session, conversation_id)
        still_open = [item for item in found if item.status in OPEN and not lies_quiet(item)]
        if not still_open:
            return False
        item = still_open[-1]
        item.about = {**item.about, "note": note}
        note_act(session, item, audit.SYSTEM, "note_added")
        session.flush()
        return True


def _attach(
    session: Session, item: Handoff, clinic: Clinic, message_key: str, tier: str, more: Mapping[str, Any]
) -> tuple[bool, bool]:
    """Puts a message with an open handoff. Says whether it made it graver, and whether the team is told anew: because
    it did, because the chain had ended, or because whoever holds it has not been there for a while."""
    insert_once(session, Attached, handoff_id=item.id, message_key=message_key, at=now(session), tier=tier, **more)
    item.version += 1
    graver = tier < item.tier
    note_act(session, item, audit.SYSTEM, "attached", tier=tier, rule=more["rule"], graver=graver)
    if graver:
        item.tier = tier
        item.rule = more["rule"] or item.rule
    flag = more["rule"] is not None
    anew = False
    if item.status in HELD and flag and not _somebody_there(session, item):
        let_go(session, item.conversation_id, item.claimed_by, clinic, audit.SYSTEM)
        anew = True
    elif item.status in WAITING and (graver or (flag and item.exhausted_at is not None)):
        notices.begin_chain(session, item, clinic)
        anew = True
    notices.tell_change(session, item)
    session.flush()
    return graver, anew


def _somebody_there(session: Session, item: Handoff) -> bool:
    """Whether the holder has taken the item, or written to the person, a short while ago."""
    wrote = events.latest_events(session, item.conversation_id, 1, author=events.CLINICIAN)
    last = max([item.claimed_at, *(event.at for event in wrote)])
    return bool(now(session) - last < THERE)
