"""The patient's own data over the API: see it, erase it, and say what a reply was worth."""

from __future__ import annotations

from typing import Any

from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from bot.store import rights
from bot.store.session import DatabaseUnavailable
from bot.web.patient import read_json, whole_number, whose
from bot.web.problems import Problem
from bot.web.services import Services, in_thread

LONGEST_REASON = 500


def routes() -> list[Route]:
    here = "/v1/conversations/{conversation}"
    return [
        Route(f"{here}/data", see, methods=["GET"]),
        Route(f"{here}/data", erase, methods=["DELETE"]),
        Route(f"{here}/feedback", feedback, methods=["POST"]),
    ]


async def see(request: Request) -> Response:
    """GET …/data: everything that is kept of this conversation."""
    services: Services = request.app.state.services
    _, conversation_id = await whose(request, services)

    def read() -> dict[str, Any]:
        with services.db.read() as session:
            return rights.kept(session, conversation_id)

    try:
        return JSONResponse(await in_thread(read), headers={"Cache-Control": "no-store"})
    except DatabaseUnavailable:
        raise Problem("not_stored", "Your data cannot be read just now.") from None


async def erase(request: Request) -> Response:
    """DELETE …/data: erases words, dialogue state and tokens. 409 while a message is with the clinic's people."""
    services: Services = request.app.state.services
    clinic, conversation_id = await whose(request, services)

    def remove() -> None:
        # The dialogue first: if that fails nothing is erased, and the patient is told so.
        with services.db.begin() as session:
            rights.erase(session, conversation_id)
            rights.erase_dialogue(services.settings.tracker_url, conversation_id)

    try:
        await in_thread(remove)
    except rights.OpenHandoff:
        raise Problem("open_handoff") from None
    except DatabaseUnavailable:
        raise Problem("not_stored", "Nothing was erased. Try again in a few minutes.") from None
    services.news(conversation_id, clinic.id)
    return Response(status_code=204)


async def feedback(request: Request) -> Response:
    """POST …/feedback {seq, value: up|down, reason?}: 204."""
    services: Services = request.app.state.services
    asked = await read_json(request)
    _, conversation_id = await whose(request, services)
    seq = whole_number(str(asked.get("seq", "")))
    value, reason = asked.get("value"), asked.get("reason")
    if value not in (rights.UP, rights.DOWN):
        raise Problem("bad_field", "value must be up or down.")
    if reason is not None and (not isinstance(reason, str) or len(reason) > LONGEST_REASON):
        raise Problem("bad_field", f"reason must be text of at most {LONGEST_REASON} characters.")

    def write() -> bool:
        with services.db.begin() as session:
            return rights.record_feedback(session, conversation_id, seq, value, reason)

    try:
        found = await in_thread(write)
    except DatabaseUnavailable:
        raise Problem("not_stored") from None
    if not found:
        raise Problem("bad_field", "seq must be the number of a reply.")
    return Response(status_code=204)
