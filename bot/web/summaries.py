"""A person's summary for the next visit, on its way to the clinic's inbox."""

from __future__ import annotations

from sqlalchemy.orm import Session

from bot.handoff.escalate import raise_handoff
from bot.store.models import Conversation
from bot.web import handoffs
from bot.web.incoming import Incoming
from bot.web.services import Services

# As it is called in the inbox; it is read at the next contact (clinical rule 3.2, T4).
CATEGORY, TIER = "summary", "T4"


def send(
    services: Services, session: Session, conversation: Conversation, incoming: Incoming, words: str
) -> None:
    """Puts the approved words into the inbox, and says truthfully that they are there."""
    raised = raise_handoff(
        session,
        conversation_id=conversation.id,
        message_key=incoming.key,
        clinic=incoming.clinic.id,
        clinic_of=services.clinic,
        tier=TIER,
        category=CATEGORY,
        rule=None,
        words=words,
        message_shown="",
        numbers_shown=[],
        about={},
        rules_version=services.rules_version or None,
    )
    handoffs.tell_raised(services, session, incoming.clinic, raised, person=True)
