"""The patient's own data over the API: see it, take it home, correct what was noted, erase a message or everything."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import suppress
from functools import partial
from typing import Any

import structlog
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from bot.content.kept import WrongFact, load_kept_words
from bot.store import audit, rights
from bot.store.session import Database, DatabaseUnavailable
from bot.web import export, feedback
from bot.web.assistant import Assistant, AssistantAway, AssistantUnavailable
from bot.web.patient import read_json, whole_number, whose
from bot.web.problems import Problem
from bot.web.services import Services, in_thread

log = structlog.get_logger(__name__)
# How long the facts may keep the rest waiting: a turn that is under way is waited for.
FACTS_SECONDS = 5.0
# How long an erasing waits for the turns under way. After that it goes ahead, and looks again when they have ended.
SETTLE_SECONDS = 8.0
NO_STORE = {"Cache-Control": "no-store"}


def routes() -> list[Route]:
    here = "/v1/conversations/{conversation}/data"
    return [
        Route(here, see, methods=["GET"]),
        Route(here, erase, methods=["DELETE"]),
        Route(f"{here}/facts", change_fact, methods=["PATCH"]),
        Route(f"{here}/messages/{{seq}}", erase_message, methods=["DELETE"]),
        *feedback.routes(),
    ]


async def see(request: Request) -> Response:
    """GET …/data: everything that is kept of this conversation, as JSON or (``?format=html``) as a document."""
    services: Services = request.app.state.services
    clinic, conversation_id = await whose(request, services)
    shown = request.query_params.get("format", "json")
    if shown not in ("json", "html"):
        raise Problem("bad_field", "format must be json or html.")
    try:
        found = await everything(services.db, services.assistant, conversation_id)
    except DatabaseUnavailable:
        raise Problem("not_stored", "Your data cannot be read just now.") from None
    if shown == "json":
        return JSONResponse(found, headers=NO_STORE)
    document = await in_thread(export.document, found, clinic.name, services.db.clock())
    return Response(document, media_type="text/html", headers={**NO_STORE, **export.HEADERS})


async def everything(db: Database, assistant: Assistant, conversation_id: str) -> dict[str, Any]:
    """What the database and the dialogue keep. `facts` is None where Rasa cannot be asked. Raises DatabaseUnavailable,
    UnknownConversation."""

    def read() -> dict[str, Any]:
        with db.read() as session:
            return rights.kept(session, conversation_id)

    found = await in_thread(read)
    try:
        noted = await asyncio.wait_for(assistant.facts(conversation_id), FACTS_SECONDS)
    except Exception as error:  # whatever it was, the rest is shown
        log.warning("facts_not_read", cause=_cause(error))
        return {**found, "facts": None}
    return {**found, "facts": (await in_thread(load_kept_words)).facts_in(noted)}


async def change_fact(request: Request) -> Response:
    """PATCH …/data/facts {key: body_part|finding|age, value}: 204. A value of null forgets it."""
    services: Services = request.app.state.services
    asked = await read_json(request)
    clinic, conversation_id = await whose(request, services)
    words = await in_thread(load_kept_words)
    if "value" not in asked:
        raise Problem("bad_field", "value is missing; null forgets what was noted.")
    try:
        key, value = asked.get("key"), words.checked(asked.get("key"), asked["value"])
    except WrongFact as error:
        raise Problem("bad_field", str(error)) from None

    def note() -> None:
        with services.db.begin() as session:
            act = "fact.forgotten" if value is None else "fact.changed"
            details = {"key": key}
            audit.record(session, clinic=clinic.id, actor="patient", act=act, subject=conversation_id, details=details)

    try:
        await services.assistant.change_fact(conversation_id, str(key), value)
        await in_thread(note)
    except (AssistantUnavailable, DatabaseUnavailable) as error:
        log.error("fact_not_changed", cause=_cause(error))
        raise Problem("not_stored", "It could not be changed. Try again in a few minutes.") from None
    return Response(status_code=204)


async def erase(request: Request) -> Response:
    """DELETE …/data: erases words, dialogue state and tokens. 409 while a message is with the clinic's people."""
    services: Services = request.app.state.services
    clinic, conversation_id = await whose(request, services)
    await _alone(services, conversation_id, partial(_erase_all, services, conversation_id))
    services.news(conversation_id, clinic.id)
    return Response(status_code=204)


async def erase_message(request: Request) -> Response:
    """DELETE …/data/messages/{seq}: erases the words of one message of the patient, wherever they stand. 204."""
    services: Services = request.app.state.services
    clinic, conversation_id = await whose(request, services)
    seq = whole_number(request.path_params["seq"])
    await _alone(services, conversation_id, partial(_erase_one, services, conversation_id, seq))
    services.news(conversation_id, clinic.id)
    return Response(status_code=204)


async def _erase_all(services: Services, conversation_id: str, alone: bool) -> None:
    settled = await settle(services.assistant, conversation_id) and alone
    await in_thread(erase_everything, services.db, services.settings.tracker_url, conversation_id)
    if not settled:
        services.in_order(conversation_id, _once_more(services, conversation_id))


async def _once_more(services: Services, conversation_id: str) -> None:
    """After a turn that outlived its erasing: what it wrote goes too."""
    await settle(services.assistant, conversation_id)
    await in_thread(erase_left_over, services.db, services.settings.tracker_url, conversation_id)


async def _erase_one(services: Services, conversation_id: str, seq: int, alone: bool) -> None:
    settled = await settle(services.assistant, conversation_id) and alone
    shown = services.wording.messages["message_erased"]
    tracker_url = services.settings.tracker_url

    def remove() -> tuple[str, str]:
        # The dialogue before the end of the transaction: if that fails nothing is erased, and the patient is told so.
        with services.db.begin() as session:
            key, words = rights.erase_message(session, conversation_id, seq, shown)
            rights.erase_words(tracker_url, conversation_id, key, words)
        rights.clean_files(services.db)
        return key, words

    async def once_more() -> None:
        await settle(services.assistant, conversation_id)
        await in_thread(rights.erase_words, tracker_url, conversation_id, key, words)

    key, words = await in_thread(remove)
    if not settled:
        services.in_order(conversation_id, once_more())


def erase_everything(db: Database, tracker_url: str, conversation_id: str, actor: str = rights.BY_PATIENT) -> None:
    """Erases a conversation in the database and in the dialogue, both or none. Raises OpenHandoff, UnknownConversation,
    DatabaseUnavailable."""
    with db.begin() as session:
        rights.erase(session, conversation_id, actor)
        rights.erase_dialogue(tracker_url, conversation_id)
    rights.clean_files(db)


def erase_left_over(db: Database, tracker_url: str, conversation_id: str) -> None:
    """Once more, for what was written while it was erased. Raises DatabaseUnavailable."""
    with db.begin() as session:
        rights.erase_left_over(session, conversation_id)
        rights.erase_dialogue(tracker_url, conversation_id)
    rights.clean_files(db)


async def settle(assistant: Assistant, conversation_id: str) -> bool:
    """Waits until no turn of the conversation is under way inside Rasa; False where that cannot be known.

    Asking for the facts is the way to wait: Rasa answers under the conversation's lock.
    """
    try:
        await asyncio.wait_for(assistant.facts(conversation_id), SETTLE_SECONDS)
    except AssistantAway:
        return True
    except Exception as error:
        log.warning("dialogue_not_settled", cause=_cause(error))
        return False
    return True


async def _alone(services: Services, conversation_id: str, work: Callable[[bool], Awaitable[None]]) -> None:
    """Does the work in the conversation's line, after the turns that are in it and before later ones: none of them
    can write again what is erased. Waits so long at most, then goes ahead; the work is told whether its turn has come.

    Raises Problem.
    """
    turn, done = asyncio.Event(), asyncio.Event()

    async def hold_line() -> None:
        turn.set()
        await done.wait()

    services.in_order(conversation_id, hold_line())
    try:
        with suppress(asyncio.TimeoutError):
            await asyncio.wait_for(turn.wait(), SETTLE_SECONDS)
        await work(turn.is_set())
    except rights.OpenHandoff:
        raise Problem("open_handoff") from None
    except rights.NotTheirs:
        raise Problem("not_found") from None
    except DatabaseUnavailable:
        raise Problem("not_stored", "Nothing was erased. Try again in a few minutes.") from None
    finally:
        done.set()


def _cause(error: Exception) -> str:
    return str(error) if isinstance(error, AssistantUnavailable) else type(error).__name__
