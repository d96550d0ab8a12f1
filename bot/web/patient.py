"""The patient API (docs/api.md): messages, and events as SSE or long poll. Sessions are in sessions.py."""

from __future__ import annotations

import asyncio
import json
import re
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from typing import Any

import structlog
from sqlalchemy.orm import Session
from starlette.requests import Request
from starlette.responses import JSONResponse, Response, StreamingResponse
from starlette.routing import Route

from bot.content import Clinic
from bot.store import events, identities
from bot.store.session import DatabaseUnavailable
from bot.web import bodies, forms, turns
from bot.web.heard import Heard, heard
from bot.web.incoming import Incoming, unsaved, unsaved_words
from bot.web.problems import Problem
from bot.web.services import Services, in_thread
from bot.web.stream import HEARTBEAT, NEW, conversation_topic, frame

log = structlog.get_logger(__name__)
MOST_BYTES = 32_768
MOST_CHARACTERS = 4_000
HEARTBEAT_SECONDS = 15.0
STREAM_SECONDS = 600.0
LONGEST_POLL = 25.0
# Seconds in which a sender hears of a message, whatever the database does.
TOLD_WITHIN = 2.8
_CLIENT_ID = re.compile(r"[A-Za-z0-9_-]{8,64}")
KINDS = ("text", "button", "answer")
# Of an event, as databases count; SQLite cannot even be asked for one far above it.
HIGHEST_NUMBER = 2**31 - 1


def routes() -> list[Route]:
    here = "/v1/conversations/{conversation}"
    return [
        Route(f"{here}/messages", send_message, methods=["POST"]),
        Route(f"{here}/events", read_events, methods=["GET"]),
    ]


async def send_message(request: Request) -> Response:
    """POST …/messages: 202 with the message's number once it is stored."""
    services: Services = request.app.state.services
    asked = await read_json(request)
    titled = asked.get("kind") in ("button", "answer")  # then the text is ours, a button's
    typed = forms.typed_in(asked.get("answers")) if titled else asked.get("text")
    words = typed if isinstance(typed, str) else ""
    with not_swallowed(services, words):
        taking = asyncio.ensure_future(_take(request, services, asked))
        taking.add_done_callback(lambda done: done.cancelled() or done.exception())  # also where nobody waits for it
        await asyncio.wait({taking}, timeout=TOLD_WITHIN)
        if not taking.done():  # it goes on, and the same client_id finds what came of it
            slow = unsaved(services, bodies.notice("slow_to_store", services.clinic(""), services.wording))
            raise Problem("slow", events=alarm_words(services, Incoming("", services.clinic(""), "", words)) or [slow])
        return JSONResponse({"seq": taking.result()}, 202)


async def _take(request: Request, services: Services, asked: dict[str, Any]) -> int:
    """The number of the message that was asked for, once it is stored. Raises Problem."""
    kind = text_of(asked, "kind")
    if kind not in KINDS:
        raise Problem("bad_field", f"kind must be one of {', '.join(KINDS)}.")
    client_id = text_of(asked, "client_id")
    if not _CLIENT_ID.fullmatch(client_id):
        raise Problem("bad_field", "client_id must be 8 to 64 letters, digits, _ or -; a UUID is right.")
    payload = text_of(asked, "payload") if kind != "text" else ""
    text = text_of(asked, "text") if kind == "text" else str(asked.get("text") or "")
    reply_to = asked.get("reply_to")
    if reply_to is not None and (type(reply_to) is not int or not 0 < reply_to <= HIGHEST_NUMBER):
        raise Problem("bad_field", "reply_to must be the number of an event.")
    form = forms.named(payload)
    if form and kind != "answer":
        raise Problem("bad_field", "kind must be answer where payload names a form.")
    if form:
        text = forms.typed_in(asked.get("answers"))
    lately: list[Heard] = []
    clinic, conversation_id = await whose(
        request, services, text, payload, lambda session, conversation: lately.append(heard(session, conversation))
    )
    incoming = Incoming(conversation_id, clinic, client_id, text, payload, reply_to)
    if kind == "text" and not text.strip():
        raise Problem("empty")
    if len(text) > MOST_CHARACTERS or len(payload) > 200:
        raise Problem("too_long", events=alarm_words(services, incoming))
    wait = services.limits.wait(conversation_id, request.client.host if request.client else "")
    if wait:
        shown = alarm_words(services, incoming)
        busy = unsaved(services, bodies.notice("busy", clinic, services.wording))
        raise Problem("too_many", events=shown or [busy], retry_after=wait)
    if form:
        incoming = await _with_answers(services, incoming, form, asked.get("answers"))
    return await turns.receive(services, incoming, *lately)


async def _with_answers(services: Services, incoming: Incoming, form: str, answers: Any) -> Incoming:
    """The message with its checked answers to a questionnaire. Raises Problem, with safety words if they are due."""

    def read() -> forms.Filled:
        with services.db.read() as session:
            return forms.read_filled(session, incoming.conversation_id, incoming.reply_to, form, answers)

    try:
        filled = await in_thread(read)
    except forms.NotAsked:
        raise Problem("not_offered", events=alarm_words(services, incoming)) from None
    except forms.WrongAnswer as error:
        raise Problem("bad_field", str(error), alarm_words(services, incoming)) from None
    except DatabaseUnavailable:
        screening = turns.screen(incoming)
        raise Problem("not_stored", events=unsaved_words(services, incoming.clinic, screening)) from None
    return replace(incoming, text=filled.words, filled=filled)


def alarm_words(services: Services, incoming: Incoming) -> list[dict[str, Any]]:
    """Safety words for a message that is refused: a refusal must not swallow a red flag."""
    screening = turns.screen(incoming)
    if screening.worst is None or screening.tier in (None, "T4"):
        return []
    return unsaved_words(services, incoming.clinic, screening)


@contextmanager
def not_swallowed(services: Services, text: str) -> Iterator[None]:
    """Whatever is wrong with a request, a red flag in the words that came with it brings the safety words."""
    try:
        yield
    except Problem as problem:
        problem.events = problem.events or alarm_words(services, Incoming("", services.clinic(""), "", text))
        raise


async def read_events(request: Request) -> Response:
    """GET …/events: SSE, or JSON with `wait` (seconds, 25 at most)."""
    services: Services = request.app.state.services
    _, conversation_id = await whose(request, services)
    token = bearer(request)
    after = whole_number(request.headers.get("last-event-id") or request.query_params.get("after") or "0")
    if "wait" in request.query_params:
        wait = min(float(whole_number(request.query_params["wait"])), LONGEST_POLL)
        try:
            return JSONResponse({"events": await _poll(services, conversation_id, after, wait, token)})
        except DatabaseUnavailable:
            raise Problem("not_stored", "The conversation cannot be read just now. Ask again.") from None
    return StreamingResponse(
        _stream(services, conversation_id, after, token),
        media_type="text/event-stream",
        headers={"Cache-Control": "no-store", "X-Accel-Buffering": "no"},
    )


async def _poll(
    services: Services, conversation_id: str, after: int, wait: float, token: str
) -> list[dict[str, Any]]:
    with services.hub.listen(conversation_topic(conversation_id)) as queue:
        found = await _after(services, conversation_id, after)
        loop = asyncio.get_running_loop()
        until = loop.time() + wait
        while not found and loop.time() < until and not services.stopping.is_set():
            try:
                item = await asyncio.wait_for(queue.get(), min(1.0, until - loop.time()))
            except asyncio.TimeoutError:
                continue
            if "unsaved" in item:
                return [item["unsaved"]]
            if is_sign(item):
                continue
            found = await _after(services, conversation_id, after, token)
        return found


async def _stream(services: Services, conversation_id: str, after: int, token: str = "") -> AsyncIterator[str]:
    """Events from the log, then wake-ups. Ends by itself after ten minutes: the page resumes where it was. Ends at the
    first wake-up after `token` was revoked: somebody else may sit at that screen now."""
    loop = asyncio.get_running_loop()
    until = loop.time() + STREAM_SECONDS
    with services.hub.listen(conversation_topic(conversation_id)) as queue:
        yield "retry: 1000\n\n"
        item: dict[str, Any] = {"new": True}
        quiet, missed = 0.0, False
        while loop.time() < until and not services.stopping.is_set():
            if "status" in item:
                yield frame(item["status"], event="status")
            elif "unsaved" in item:
                yield frame(item["unsaved"])
            elif item and not is_sign(item):
                try:
                    before = after
                    while found := await _after(services, conversation_id, after, token):  # so many at a time
                        for event in found:
                            after = event["seq"]
                            yield frame(event, id=after)
                except Problem:
                    return
                except DatabaseUnavailable:
                    missed = True  # perhaps nothing else wakes this stream for minutes: it looks again by itself
                else:
                    missed = False
                    # What was being written may be what has just come.
                    if after == before and (who := person_writing(item)):
                        yield frame({"name": who}, event="typing")
            try:
                item = await asyncio.wait_for(queue.get(), 1.0)
                quiet = 0.0
            except asyncio.TimeoutError:
                item, quiet = (NEW if missed else {}), quiet + 1.0
                if quiet >= HEARTBEAT_SECONDS:
                    yield HEARTBEAT
                    quiet = 0.0


def is_sign(item: dict[str, Any]) -> bool:
    """Whether a wake-up is a sign of the patient's own pages (bot/web/signs.py), which tells them nothing."""
    return "shown" in item or ("typing" in item and not person_writing(item))


def person_writing(item: dict[str, Any]) -> str:
    """The name of the clinician who is writing, if that is what a wake-up says."""
    typing = item.get("typing")
    return str(typing.get("name") or "") if isinstance(typing, dict) else ""


async def _after(services: Services, conversation_id: str, after: int, token: str = "") -> list[dict[str, Any]]:
    """Events of a conversation after a number. Raises Problem where `token`, if one is given, is no longer good."""

    def read() -> list[dict[str, Any]]:
        with services.db.read() as session:
            if token and identities.known(session, token) is None:
                raise Problem("no_session")
            return [event.as_dict() for event in events.events_after(session, conversation_id, after)]

    return await in_thread(read)


async def whose(
    request: Request,
    services: Services,
    text: str = "",
    payload: str = "",
    also: Callable[[Session, str], None] | None = None,
) -> tuple[Any, str]:
    """The clinic and conversation of the request's session. `also` reads more of the conversation in the same go; if it
    cannot, the request goes on without. Raises Problem, with safety words if they are due."""
    token = bearer(request)
    asked = request.path_params["conversation"]

    def find() -> identities.Known | None:
        with services.db.read() as session:
            found = identities.known(session, token)
            if also is not None and found is not None and found.conversation.id == asked:
                try:
                    also(session, asked)
                except Exception as error:
                    log.error("history_not_read", cause=type(error.__cause__ or error).__name__)
            return found

    unread = Incoming("", services.clinic(""), "", text, payload)
    looking = asyncio.create_task(in_thread(find))
    looking.add_done_callback(lambda done: done.cancelled() or done.exception())  # also where nobody waits for it
    await asyncio.wait({looking}, timeout=turns.PATIENCE if text or payload else None)
    if not looking.done() and alarm_words(services, unread):
        # A database that hangs, not one that is down: it may be long, and safety words do not wait for it.
        raise Problem("not_stored", events=alarm_words(services, unread))
    try:
        found = await looking
    except DatabaseUnavailable:
        shown = unsaved_words(services, unread.clinic, turns.screen(unread))
        raise Problem("not_stored", events=shown) from None
    clinic = services.clinic(found.conversation.clinic if found is not None else "")
    if found is None or (found.conversation.subject is None and only_signed_in(clinic)):
        # An expired session must not swallow a red flag: the words come with the refusal.
        raise Problem("no_session", events=alarm_words(services, unread))
    if found.conversation.id != asked:
        raise Problem("not_yours")
    if found.due(services.db.clock()):
        services.aside(_extend(services, token, found))
    return clinic, found.conversation.id


def only_signed_in(clinic: Clinic) -> bool:
    """Whether the clinic's chat is for patients alone whom it has signed in."""
    return clinic.identity is not None and clinic.identity.required


async def _extend(services: Services, token: str, found: identities.Known) -> None:
    """Keeps a session good that is in use. Nobody waits for it, and the next use tries again."""

    def write() -> None:
        with services.db.begin() as session:
            identities.slide(session, token, found.slides or 0)

    try:
        await in_thread(write)
    except Exception as error:
        log.warning("session_not_extended", cause=type(error).__name__)


def bearer(request: Request) -> str:
    """The session token of the Authorization header: of no other place. Raises Problem."""
    scheme, _, token = request.headers.get("authorization", "").partition(" ")
    if scheme.lower() != "bearer" or not token:
        raise Problem("no_session")
    return token


async def read_json(request: Request) -> dict[str, Any]:
    """The request's JSON object. Stops reading at the size limit, whatever the length header says."""
    raw = b""
    async for chunk in request.stream():
        raw += chunk
        if len(raw) > MOST_BYTES:
            raise Problem("too_large")
    try:
        value = json.loads(raw.decode("utf-8"), parse_constant=_no_number)
    except (ValueError, RecursionError):
        raise Problem("not_json") from None
    if not isinstance(value, dict):
        raise Problem("not_json")
    return value


def _no_number(name: str) -> None:
    raise ValueError(f"{name} is no JSON")


def text_of(asked: dict[str, Any], name: str) -> str:
    """A field of the request that must be text. Raises Problem."""
    value = asked.get(name)
    if not isinstance(value, str):
        raise Problem("bad_field", f"{name} must be text.")
    return value


def whole_number(text: str) -> int:
    """A non-negative whole number of the request. Raises Problem."""
    if not text.isascii() or not text.isdigit() or len(text) > 15:
        raise Problem("bad_field", "after and wait must be whole numbers.")
    return int(text)
