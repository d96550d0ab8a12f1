"""What a patient and the clinic get when a safety question stays unanswered: the same as for an alarm in words."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

from sqlalchemy.orm import Session

from bot.content.silence import load_silence
from bot.handoff.silence import settle_overdue
from bot.store.conversations import ASKED_AT
from bot.store.models import Conversation
from bot.web import plan as planning
from bot.web.alarms import alarm
from bot.web.incoming import Incoming
from bot.web.services import Services

# The chore's name, under which its heartbeat is kept.
SILENCE = "silence"


def silence_watch(services: Services) -> Callable[[], Awaitable[int]]:
    """One pass over the questions that wait too long, for the worker. Raises ContentError where the times are wrong."""
    times = load_silence()

    def answer(session: Session, conversation: Conversation) -> None:
        count_as_yes(services, session, conversation)

    return lambda: settle_overdue(services.db, times, answer, services.news)


def count_as_yes(services: Services, session: Session, conversation: Conversation) -> None:
    """The open question answered with yes, in the caller's transaction. The conversation must be locked."""
    finding = planning.pending_finding(conversation.pending)
    if finding is None:
        return
    kept = conversation.pending
    incoming = Incoming(
        conversation.id,
        services.clinic(conversation.clinic),
        # The item has the words of the message that led to the question, but a key of its own: that message may have
        # raised something else already.
        f"{kept.get('key') or kept.get(ASKED_AT)}.unanswered",
        kept["text"],
    )
    alarm(services, session, incoming, finding, unanswered=True)
