"""A handoff as it is at this moment, with everything that a clinic's own systems may be told of it.

It is read when a notice is sent, not when it was put into the outbox: so the order in which notices arrive does not
matter, and words that were erased in between are never sent.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import select
from sqlalchemy.orm import Session

from bot.content.forms import SURVEY
from bot.handoff.worker import Undeliverable
from bot.store.handoffs import attached_to
from bot.store.models import Conversation, Handoff, Survey
from bot.store.rights import MARKS
from bot.store.session import Database


@dataclass(frozen=True)
class Said:
    """One message of the patient, word for word. `key` names it within its conversation."""

    key: str
    at: datetime
    words: str


@dataclass(frozen=True)
class Answered:
    """A patient's answers to one form, by item; `number` is its event's in the conversation."""

    conversation_id: str
    number: int
    form: str
    at: datetime
    answers: Mapping[str, Any]


@dataclass(frozen=True)
class Current:
    """`said`: the message that raised it and those put with it; `subject`: the clinic's own pseudonym of a signed-in
    patient."""

    id: str
    clinic: str
    tier: str
    category: str
    rule: str | None
    rules_version: str | None
    status: str
    outcome: str | None
    created_at: datetime
    climb_at: datetime | None
    claimed_at: datetime | None
    closed_at: datetime | None
    exhausted_at: datetime | None
    subject: str | None
    said: tuple[Said, ...]
    measures: tuple[Answered, ...] = ()


def read_current(db: Database, handoff_id: str, clinic: str, measures: bool = False) -> Current:
    """The clinic's handoff as it is now; `measures`: with the patient's answers to forms. Raises Undeliverable where it
    is gone, DatabaseUnavailable."""
    with db.read() as session:
        item = session.execute(
            select(Handoff).where(Handoff.id == handoff_id, Handoff.clinic == clinic)
        ).scalar_one_or_none()
        if item is None:
            raise Undeliverable("The item is no longer kept here.")
        conversation = session.get(Conversation, item.conversation_id)
        return Current(
            id=item.id,
            clinic=item.clinic,
            tier=item.tier,
            category=item.category,
            rule=item.rule,
            rules_version=item.rules_version,
            status=item.status,
            outcome=item.outcome,
            created_at=item.created_at,
            climb_at=item.climb_at,
            claimed_at=item.claimed_at,
            closed_at=item.closed_at,
            exhausted_at=item.exhausted_at,
            subject=conversation.subject,
            said=_said(session, item),
            measures=_measures(session, item.conversation_id) if measures else (),
        )


def _said(session: Session, item: Handoff) -> tuple[Said, ...]:
    first = Said(item.message_key, item.created_at, item.words)
    more = [Said(one.message_key, one.at, one.words) for one in attached_to(session, item.id)]
    return tuple(one for one in (first, *more) if one.words.strip() and one.words not in MARKS)


def _measures(session: Session, conversation_id: str) -> tuple[Answered, ...]:
    """The newest answers to every form but the survey at a chat's end: that one is about the chat, and nobody told the
    person that it would go into their record."""
    rows = session.execute(
        select(Survey).where(Survey.conversation_id == conversation_id, Survey.form != SURVEY).order_by(Survey.seq)
    ).scalars()
    newest = {row.form: row for row in rows}
    return tuple(Answered(row.conversation_id, row.seq, row.form, row.at, row.answers) for row in newest.values())
