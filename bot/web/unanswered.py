"""Messages that a process took in and died before it answered them: another one answers them, or this one once it is
back. The page that sent them has its receipt and would wait for ever."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from datetime import timedelta

import structlog

from bot.safety import Screening
from bot.store import conversations, events
from bot.store.models import Event
from bot.web import plan as planning
from bot.web.conversing import answer_later
from bot.web.heard import heard_in
from bot.web.incoming import Incoming
from bot.web.plan import Plan
from bot.web.services import Services, in_thread
from bot.web.turns import screen

log = structlog.get_logger(__name__)
# The chore's name, under which its heartbeat is kept.
UNANSWERED = "unanswered"
# A turn is over after so long, whoever works on it: a living process has answered or said that it cannot.
GRACE = timedelta(seconds=15)
# Older ones are left: an answer out of nowhere would puzzle more than it helps.
OLDEST = timedelta(minutes=10)
MOST = 100


def unanswered_watch(services: Services) -> Callable[[], Awaitable[int]]:
    """One look for the worker. The first one, right after a start, waits for nothing: those turns died with the process
    before this one."""
    tried: set[tuple[str, int]] = set()
    grace = timedelta(0)

    async def look() -> int:
        nonlocal grace
        if not await services.assistant.ready():
            return 0  # soon: nothing is gained by an excuse now
        waiting, grace = await in_thread(_waiting, services, grace), GRACE
        for event, incoming, screening in waiting:
            if (event.conversation_id, event.seq) in tried or services.busy(event.conversation_id):
                continue
            tried.add((event.conversation_id, event.seq))
            log.warning("answered_late", conversation=event.conversation_id)
            answer_later(services, incoming, Plan(planning.CONVERSE, text=incoming.text), screening)
        return len(waiting)

    return look


def _waiting(services: Services, grace: timedelta) -> list[tuple[Event, Incoming, Screening]]:
    """The last messages of their conversations that nobody has answered, with what the screening says of them."""
    at = services.db.clock()
    found = []
    with services.db.read() as session:
        for conversation, event in conversations.unanswered(session, services.clinics, at - OLDEST, at - grace, MOST):
            if event.body.get("erased"):
                continue
            log_ = events.latest_events(session, conversation.id, 80, before=event.seq)
            clinic, body = services.clinic(conversation.clinic), event.body
            incoming = Incoming(
                conversation.id, clinic, str(event.client_id), str(body["text"]), str(body.get("payload") or "")
            )
            found.append((event, incoming, screen(incoming, heard_in(log_))))
    return found
