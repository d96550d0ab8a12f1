"""The patient API (docs/api.md): sessions, messages, events as SSE or long poll, the patient's own data."""

from __future__ import annotations

import asyncio
import json
import re
from collections.abc import AsyncIterator
from datetime import timedelta
from typing import Any

from starlette.requests import Request
from starlette.responses import JSONResponse, Response, StreamingResponse
from starlette.routing import Route

from bot.store import conversations, events
from bot.store.session import DatabaseUnavailable
from bot.web import bodies, turns
from bot.web.problems import Problem
from bot.web.services import Services, in_thread
from bot.web.stream import HEARTBEAT, conversation_topic, frame

MOST_BYTES = 32_768
MOST_CHARACTERS = 4_000
HEARTBEAT_SECONDS = 15.0
STREAM_SECONDS = 600.0
LONGEST_POLL = 25.0
_CLIENT_ID = re.compile(r"[A-Za-z0-9_-]{8,64}")
KINDS = ("text", "button", "answer")


def routes() -> list[Route]:
    here = "/v1/conversations/{conversation}"
    return [
        Route("/v1/session", open_session, methods=["POST"]),
        Route(f"{here}/messages", send_message, methods=["POST"]),
        Route(f"{here}/events", read_events, methods=["GET"]),
    ]


async def open_session(request: Request) -> Response:
    """POST /v1/session: a new conversation, or the one that `token` still opens."""
    services: Services = request.app.state.services
    asked = await read_json(request)
    clinic_id = _text(asked, "clinic")
    clinic = services.clinics.get(clinic_id)
    if clinic is None:
        raise Problem("unknown_clinic")
    token = asked.get("token")
    if token is not None and not isinstance(token, str):
        raise Problem("bad_field", "token must be text.")
    lifetime = timedelta(days=services.settings.session_days)

    def open_it() -> tuple[str, str, Any, bool]:
        with services.db.begin() as session:
            if token:
                known = conversations.conversation_for_token(session, token)
                if known is not None and known.clinic == clinic.id:
                    conversations.extend_token(session, token, lifetime)
                    return token, known.id, services.db.clock() + lifetime, False
            locale = str(asked.get("locale") or "en")[:20]
            opened = conversations.open_conversation(session, clinic=clinic.id, locale=locale, lifetime=lifetime)
            events.append_event(
                session,
                opened.conversation.id,
                type=events.MESSAGE,
                author=events.SYSTEM,
                body=bodies.consent(clinic, services.wording),
            )
            return opened.token, opened.conversation.id, opened.session.expires_at, True

    try:
        session_token, conversation_id, expires_at, created = await in_thread(open_it)
    except DatabaseUnavailable:
        raise Problem("not_stored", "No conversation can be opened just now.") from None
    consent = bodies.consent(clinic, services.wording)
    return JSONResponse(
        {
            "session": session_token,
            "conversation": conversation_id,
            "expires_at": expires_at.isoformat(timespec="seconds"),
            "clinic": clinic.public(),
            "consent": {
                "version": consent["version"],
                "text": consent["fallback_text"],
                "bubbles": consent["bubbles"],
                "accept": consent["buttons"][0]["title"],
            },
            "interface": services.wording.interface,
        },
        201 if created else 200,
    )


async def send_message(request: Request) -> Response:
    """POST …/messages: 202 with the message's number once it is stored."""
    services: Services = request.app.state.services
    asked = await read_json(request)
    kind = _text(asked, "kind")
    if kind not in KINDS:
        raise Problem("bad_field", f"kind must be one of {', '.join(KINDS)}.")
    client_id = _text(asked, "client_id")
    if not _CLIENT_ID.fullmatch(client_id):
        raise Problem("bad_field", "client_id must be 8 to 64 letters, digits, _ or -; a UUID is right.")
    payload = _text(asked, "payload") if kind != "text" else ""
    text = _text(asked, "text") if kind == "text" else str(asked.get("text") or "")
    reply_to = asked.get("reply_to")
    if reply_to is not None and (isinstance(reply_to, bool) or not isinstance(reply_to, int)):
        raise Problem("bad_field", "reply_to must be the number of an event.")
    clinic, conversation_id = await whose(request, services, text, payload)
    incoming = turns.Incoming(conversation_id, clinic, client_id, text, payload, reply_to)
    if kind == "text" and not text.strip():
        raise Problem("empty")
    if len(text) > MOST_CHARACTERS or len(payload) > 200:
        raise Problem("too_long", events=_alarm_words(services, incoming))
    wait = services.limits.wait(conversation_id, request.client.host if request.client else "")
    if wait:
        shown = _alarm_words(services, incoming)
        busy = turns.unsaved(services, bodies.notice("busy", clinic, services.wording))
        raise Problem("too_many", events=shown or [busy], retry_after=wait)
    return JSONResponse({"seq": await turns.receive(services, incoming)}, 202)


def _alarm_words(services: Services, incoming: turns.Incoming) -> list[dict[str, Any]]:
    """Safety words for a message that is refused: a refusal must not swallow a red flag."""
    screening = turns.screen(incoming)
    if screening.worst is None or screening.tier in (None, "T4"):
        return []
    return turns.unsaved_words(services, incoming.clinic, screening)


async def read_events(request: Request) -> Response:
    """GET …/events: SSE, or JSON with `wait` (seconds, 25 at most)."""
    services: Services = request.app.state.services
    _, conversation_id = await whose(request, services)
    after = whole_number(request.headers.get("last-event-id") or request.query_params.get("after") or "0")
    if "wait" in request.query_params:
        wait = min(float(whole_number(request.query_params["wait"])), LONGEST_POLL)
        try:
            return JSONResponse({"events": await _poll(services, conversation_id, after, wait)})
        except DatabaseUnavailable:
            raise Problem("not_stored", "The conversation cannot be read just now. Ask again.") from None
    return StreamingResponse(
        _stream(services, conversation_id, after),
        media_type="text/event-stream",
        headers={"Cache-Control": "no-store", "X-Accel-Buffering": "no"},
    )


async def _poll(services: Services, conversation_id: str, after: int, wait: float) -> list[dict[str, Any]]:
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
            found = await _after(services, conversation_id, after)
        return found


async def _stream(services: Services, conversation_id: str, after: int) -> AsyncIterator[str]:
    """Events from the log, then wake-ups. Ends by itself after ten minutes: the page resumes where it was."""
    loop = asyncio.get_running_loop()
    until = loop.time() + STREAM_SECONDS
    with services.hub.listen(conversation_topic(conversation_id)) as queue:
        yield "retry: 1000\n\n"
        item: dict[str, Any] = {"new": True}
        quiet = 0.0
        while loop.time() < until and not services.stopping.is_set():
            if "status" in item:
                yield frame(item["status"], event="status")
            elif "unsaved" in item:
                yield frame(item["unsaved"])
            elif item:
                try:
                    for event in await _after(services, conversation_id, after):
                        after = event["seq"]
                        yield frame(event, id=after)
                except DatabaseUnavailable:
                    pass  # the next wake-up or reconnect reads the log again
            try:
                item = await asyncio.wait_for(queue.get(), 1.0)
                quiet = 0.0
            except asyncio.TimeoutError:
                item, quiet = {}, quiet + 1.0
                if quiet >= HEARTBEAT_SECONDS:
                    yield HEARTBEAT
                    quiet = 0.0


async def _after(services: Services, conversation_id: str, after: int) -> list[dict[str, Any]]:
    def read() -> list[dict[str, Any]]:
        with services.db.read() as session:
            return [event.as_dict() for event in events.events_after(session, conversation_id, after)]

    return await in_thread(read)


async def whose(request: Request, services: Services, text: str = "", payload: str = "") -> tuple[Any, str]:
    """The clinic and conversation of the request's session. Raises Problem, with safety words if they are due."""
    scheme, _, token = request.headers.get("authorization", "").partition(" ")
    if scheme.lower() != "bearer" or not token:
        raise Problem("no_session")
    asked = request.path_params["conversation"]

    def find() -> tuple[str, str] | None:
        with services.db.read() as session:
            found = conversations.conversation_for_token(session, token)
            return (found.clinic, found.id) if found is not None else None

    unread = turns.Incoming("", services.clinic(""), "", text, payload)
    looking = asyncio.create_task(in_thread(find))
    looking.add_done_callback(lambda done: done.cancelled() or done.exception())  # also where nobody waits for it
    await asyncio.wait({looking}, timeout=turns.PATIENCE if text or payload else None)
    if not looking.done() and _alarm_words(services, unread):
        # A database that hangs, not one that is down: it may be long, and safety words do not wait for it.
        raise Problem("not_stored", events=_alarm_words(services, unread))
    try:
        found = await looking
    except DatabaseUnavailable:
        shown = turns.unsaved_words(services, unread.clinic, turns.screen(unread))
        raise Problem("not_stored", events=shown) from None
    if found is None:
        # An expired session must not swallow a red flag: the words come with the refusal.
        raise Problem("no_session", events=_alarm_words(services, unread))
    if found[1] != asked:
        raise Problem("not_yours")
    return services.clinic(found[0]), found[1]


async def read_json(request: Request) -> dict[str, Any]:
    """The request's JSON object. Stops reading at the size limit, whatever the length header says."""
    raw = b""
    async for chunk in request.stream():
        raw += chunk
        if len(raw) > MOST_BYTES:
            raise Problem("too_large")
    try:
        value = json.loads(raw.decode("utf-8"))
    except (ValueError, RecursionError):
        raise Problem("not_json") from None
    if not isinstance(value, dict):
        raise Problem("not_json")
    return value


def _text(asked: dict[str, Any], name: str) -> str:
    value = asked.get(name)
    if not isinstance(value, str):
        raise Problem("bad_field", f"{name} must be text.")
    return value


def whole_number(text: str) -> int:
    """A non-negative whole number of the request. Raises Problem."""
    if not text.isascii() or not text.isdigit() or len(text) > 15:
        raise Problem("bad_field", "after and wait must be whole numbers.")
    return int(text)
