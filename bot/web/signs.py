"""Signs from a patient's page to the person who holds the conversation: something is being written, and which message
has been on the screen. What is being written is not sent; that something is, is neither stored nor logged."""

from __future__ import annotations

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from bot.store import conversations
from bot.store.session import DatabaseUnavailable
from bot.web.patient import HIGHEST_NUMBER, read_json, whose
from bot.web.problems import Problem
from bot.web.services import Services, in_thread
from bot.web.stream import conversation_topic

# Wake-ups of a conversation's topic that are no event: who is writing, and that something was shown.
TYPING, SHOWN = "typing", "shown"
PATIENT_TYPES = {TYPING: {"by": "patient"}}


def routes() -> list[Route]:
    return [Route("/v1/conversations/{conversation}/signs", take, methods=["POST"])]


async def take(request: Request) -> Response:
    """POST …/signs {typing: true} or {shown: number}: 204. While nobody of the clinic holds the conversation, typing
    is nobody's business and goes nowhere."""
    services: Services = request.app.state.services
    asked = await read_json(request)
    typing, shown = asked.get(TYPING), asked.get(SHOWN)
    if (typing is not None and typing is not True) or (shown is None) is (typing is None):
        raise Problem("bad_field", "Send typing: true, or shown: the number of an event.")
    if shown is not None and (type(shown) is not int or not 0 < shown <= HIGHEST_NUMBER):
        raise Problem("bad_field", "shown must be the number of an event.")
    _, conversation_id = await whose(request, services)
    # Counted apart from messages: signs must never be why a message has to wait.
    wait = services.sign_limits.wait(conversation_id, request.client.host if request.client else "")
    if wait:
        raise Problem("too_many", retry_after=wait)
    topic = conversation_topic(conversation_id)
    try:
        if shown is not None:
            if await in_thread(_note_shown, services, conversation_id, shown):
                services.hub.wake(topic, {SHOWN: shown})
        elif await in_thread(_is_held, services, conversation_id):
            services.hub.wake(topic, PATIENT_TYPES)
    except DatabaseUnavailable:
        raise Problem("not_stored", "The sign was not noted.") from None
    return Response(status_code=204)


def _note_shown(services: Services, conversation_id: str, seq: int) -> bool:
    """Whether this is further than what was noted before. Raises Problem where there is no such event."""
    with services.db.begin() as session:
        if conversations.note_shown(session, conversation_id, seq):
            return True
        if seq > conversations.conversation_with(session, conversation_id).last_seq:
            raise Problem("bad_field", "There is no event with this number.")
        return False


def _is_held(services: Services, conversation_id: str) -> bool:
    with services.db.read() as session:
        return bool(conversations.conversation_with(session, conversation_id).state == conversations.HUMAN)
