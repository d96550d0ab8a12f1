"""How a patient wants to read: PATCH …/settings. Kept with the conversation, so that the next answer comes that way."""

from __future__ import annotations

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from bot.store import conversations
from bot.store.session import DatabaseUnavailable
from bot.web.bodies import FLARE, FULL, PLAIN
from bot.web.patient import read_json, whose
from bot.web.problems import Problem
from bot.web.services import Services, in_thread


def routes() -> list[Route]:
    return [Route("/v1/conversations/{conversation}/settings", change, methods=["PATCH"])]


async def change(request: Request) -> Response:
    """PATCH …/settings {reading: full|plain|flare}: 204."""
    services: Services = request.app.state.services
    asked = await read_json(request)
    _, conversation_id = await whose(request, services)
    reading = asked.get("reading")
    if reading not in (FULL, PLAIN, FLARE):
        raise Problem("bad_field", f"reading must be {FULL}, {PLAIN} or {FLARE}.")

    def write() -> None:
        with services.db.begin() as session:
            conversations.locked_conversation(session, conversation_id).reading = reading

    try:
        await in_thread(write)
    except DatabaseUnavailable:
        raise Problem("not_stored", "The choice could not be kept. Try again in a minute.") from None
    return Response(status_code=204)
