"""What every step of a handoff shares: the lock, the refusals, the audit row."""

from __future__ import annotations

from typing import Any

from sqlalchemy import select
from sqlalchemy.orm import Session

from bot.store import audit
from bot.store.conversations import locked_conversation
from bot.store.models import Clinician, Conversation, Handoff


class UnknownHandoff(LookupError):
    """This clinic has no such handoff."""


class StaleVersion(ValueError):
    """The handoff has changed since the page was made: show it again."""


class NotYours(ValueError):
    """Another clinician holds this handoff; `by` is their id."""

    def __init__(self, by: str) -> None:
        super().__init__("another clinician holds this handoff")
        self.by = by


def locked_item(session: Session, handoff_id: str, clinician: Clinician) -> tuple[Handoff, Conversation]:
    """The handoff of this person's clinic, read after its conversation was locked. Raises UnknownHandoff."""
    mine = (Handoff.id == handoff_id, Handoff.clinic == clinician.clinic)
    conversation_id = session.execute(select(Handoff.conversation_id).where(*mine)).scalar_one_or_none()
    if conversation_id is None:
        raise UnknownHandoff
    conversation = locked_conversation(session, conversation_id)
    item = session.execute(select(Handoff).where(*mine).execution_options(populate_existing=True)).scalar_one()
    return item, conversation


def note_act(session: Session, item: Handoff, actor: str, act: str, **details: Any) -> None:
    """The audit row of a step."""
    audit.record(session, clinic=item.clinic, actor=actor, act=f"handoff.{act}", subject=item.id, details=details)
