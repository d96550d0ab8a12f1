"""The one channel into Rasa: the web app's messages in, whole replies or an honest failure out.

``POST /webhooks/web/message``, ``GET`` and ``PATCH /webhooks/web/facts`` and ``GET /webhooks/web/health``, for the web
app on the same machine only.
Rasa answers 200 with an empty list when a model, a database or an action server is missing; a frightened
person would then read nothing at all. Here an empty or failed turn is a 503 with the safety text from
``data/messages.yml``.
"""

from __future__ import annotations

import asyncio
import hmac
import json
import logging
import re
from collections import OrderedDict
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from weakref import WeakValueDictionary

import yaml
from rasa.core.channels.channel import InputChannel, UserMessage
from rasa.core.tracker_store import FailSafeTrackerStore
from rasa.shared.exceptions import RasaException
from sanic import Blueprint, Sanic
from sanic.exceptions import PayloadTooLarge
from sanic.request import Request
from sanic.response import HTTPResponse
from sanic.response import json as json_response

from bot.channels.facts import FACTS, FactsUnreadable, change_fact, read_facts
from bot.channels.replies import CHANNEL_NAME, WholeReplies, plain_text
from bot.channels.tracker_store import TrackerStore
from bot.channels.turn import begin_turn
from bot.channels.wordless import describe, keep_words_out_of_logs
from bot.memory import settle

logger = logging.getLogger(__name__)

SECRET_HEADER = "X-PNE-Secret"
BODY_LIMIT = 64 * 1024
"""Room for the longest text in any script, its repaired form, its sentences and their vectors."""
TEXT_LIMIT = 4000
TURN_LIMIT_S = 10.0
ABANDON_AFTER_S = 30.0
"""A turn that outlives its answer may still finish and be saved, but not outlive Rasa's lock of 60 s."""
REMEMBERED_TURNS = 1024
FACT_LIMIT = 100
UNAVAILABLE_KEY = "rasa_unavailable"

_CONVERSATION = re.compile(r"[A-Za-z0-9_-]{8,64}")
_MESSAGE_ID = re.compile(r"[A-Za-z0-9._:-]{1,128}")

Handler = Callable[[UserMessage], Awaitable[Any]]
FactsWork = Callable[[Any, TrackerStore], Awaitable[dict[str, Any]]]


@dataclass(frozen=True)
class Incoming:
    """One checked message of a patient."""

    conversation: str
    message_id: str
    text: str
    metadata: dict[str, Any]


def read_unavailable_text(path: str | None) -> str:
    """Read the safety text for a failed turn: ``rasa_unavailable`` in a YAML file, or below ``messages``.

    Raises `RasaException` where it is missing or has gaps to be filled in: this channel knows no clinic.
    """
    if not path:
        raise RasaException("credentials.yml: the web channel needs unavailable_text: data/messages.yml")
    try:
        data = yaml.safe_load(Path(path).read_text(encoding="utf-8"))
        text = {**data, **(data.get("messages") or {})}[UNAVAILABLE_KEY]
    except (OSError, yaml.YAMLError, KeyError, TypeError, AttributeError) as error:
        raise RasaException(f"{path}: {UNAVAILABLE_KEY} cannot be read ({type(error).__name__})") from None
    if not isinstance(text, str) or not text.strip() or "{" in text:
        raise RasaException(f"{path}: {UNAVAILABLE_KEY} must be a text without {{gaps}}")
    return text.strip()


def read_incoming(body: bytes) -> Incoming:
    """Check the body of a message. Raises `BadMessage` with a sentence for the developer, never the words."""
    data = _read_object(body)
    conversation = _read_conversation(data.get("conversation"))
    message_id, text = data.get("message_id"), data.get("text")
    if not isinstance(message_id, str) or not _MESSAGE_ID.fullmatch(message_id):
        raise BadMessage("bad_message_id", "message_id must be 1 to 128 letters, digits or . _ : -")
    if not isinstance(text, str) or not (cleaned := plain_text(text)):
        raise BadMessage("bad_text", "text must be a string with something to read in it.")
    if len(text) > TEXT_LIMIT:
        raise BadMessage("text_too_long", f"text has more than {TEXT_LIMIT} characters.")
    metadata = {key: data.get(key) for key in ("payload", "reading", "screened", "clinic", "numbers")}
    return Incoming(conversation, message_id, cleaned, {"message_id": message_id, **metadata})


def read_change(body: bytes) -> tuple[str, str, str | None]:
    """Check the body of a changed fact: conversation, fact and value. Raises `BadMessage`."""
    data = _read_object(body)
    conversation, key, value = _read_conversation(data.get("conversation")), data.get("key"), data.get("value")
    if key not in FACTS or (value is not None and (not isinstance(value, str) or not 0 < len(value) <= FACT_LIMIT)):
        raise BadMessage("bad_fact", f"key must be one of {', '.join(FACTS)}, value a short text or null.")
    return conversation, key, value


def _read_object(body: bytes) -> dict[str, Any]:
    try:
        data = json.loads(body)
    except (ValueError, RecursionError):
        raise BadMessage("bad_json", "The body is not JSON.") from None
    if not isinstance(data, dict):
        raise BadMessage("bad_json", "The body is not a JSON object.")
    return data


def _read_conversation(given: Any) -> str:
    if not isinstance(given, str) or not _CONVERSATION.fullmatch(given):
        raise BadMessage("bad_conversation", "conversation must be 8 to 64 letters, digits, _ or -.")
    return given


class BadMessage(Exception):
    """A request that breaks the channel's contract."""

    def __init__(self, code: str, detail: str) -> None:
        super().__init__(detail)
        self.code = code
        self.detail = detail


class TurnFailed(Exception):
    """A turn that gave no answer fit to be shown; the code says why."""

    def __init__(self, code: str) -> None:
        super().__init__(code)
        self.code = code


class Turns:
    """Runs each message once, one after the other within a conversation, and remembers its answer."""

    def __init__(self, handler: Handler, limit_s: float = TURN_LIMIT_S) -> None:
        self._handler = handler
        self._limit_s = limit_s
        self._tasks: OrderedDict[tuple[str, str], asyncio.Task[list[dict[str, Any]]]] = OrderedDict()
        # Rasa's own lock asks again once a second; waiting here in line takes no longer than the turn ahead.
        self._lines: WeakValueDictionary[str, asyncio.Lock] = WeakValueDictionary()

    async def answer(self, incoming: Incoming) -> list[dict[str, Any]]:
        """Return the replies to a message, the same ones for the same message id. Raises `TurnFailed`.

        A turn that is too slow goes on behind the failure, so that the dialogue knows what was said and
        asking again with the same id finds the answer. A turn that failed runs again when asked again.
        """
        key = (incoming.conversation, incoming.message_id)
        task = self._tasks.get(key)
        if task is None:
            task = asyncio.create_task(self._run(incoming))
            self._tasks[key] = task
            task.add_done_callback(lambda done: self._forget_failed(key, done))
            self._trim()
        try:
            return await asyncio.wait_for(asyncio.shield(task), self._limit_s)
        except asyncio.TimeoutError:
            raise TurnFailed("timeout") from None

    def line(self, conversation: str) -> asyncio.Lock:
        """Held by whoever works on the conversation: a turn, or what must wait for turns."""
        return self._lines.setdefault(conversation, asyncio.Lock())

    async def _run(self, incoming: Incoming) -> list[dict[str, Any]]:
        line = self.line(incoming.conversation)
        turn, output = begin_turn(), WholeReplies()
        message = UserMessage(
            incoming.text,
            output,
            incoming.conversation,
            input_channel=CHANNEL_NAME,
            message_id=incoming.message_id,
            metadata=incoming.metadata,
        )
        try:
            async with line:
                await asyncio.wait_for(self._handler(message), ABANDON_AFTER_S)
        except asyncio.TimeoutError:
            raise TurnFailed("timeout") from None
        except Exception as error:
            # Without the error's own text, which may quote the patient.
            logger.error("A turn failed inside Rasa: %s", describe(error))
            raise TurnFailed("failed") from None
        if turn.troubles:
            raise TurnFailed(turn.troubles[0])
        if not output.replies:
            raise TurnFailed("empty")
        return output.replies

    def _forget_failed(self, key: tuple[str, str], done: asyncio.Task[Any]) -> None:
        # Asking for the exception also keeps asyncio from logging one that nobody waited for.
        if done.cancelled() or done.exception() is not None:
            self._tasks.pop(key, None)

    def _trim(self) -> None:
        while len(self._tasks) > REMEMBERED_TURNS:
            oldest = next(iter(self._tasks))
            if not self._tasks[oldest].done():
                return
            del self._tasks[oldest]


class WebInput(InputChannel):
    """Rasa's side of the web app's line. Named ``bot.channels.web.WebInput`` in ``credentials.yml``."""

    def __init__(self, secret: str, unavailable_text: str, limit_s: float = TURN_LIMIT_S) -> None:
        self._secret = secret.encode("utf-8")
        self._unavailable_text = unavailable_text
        self._limit_s = limit_s

    @classmethod
    def name(cls) -> str:
        """Name of the channel and of its path below ``/webhooks/``."""
        return CHANNEL_NAME

    @classmethod
    def from_credentials(cls, credentials: dict[str, Any] | None) -> WebInput:
        """Build the channel from ``credentials.yml``. Raises `RasaException` without secret or text."""
        given = credentials or {}
        secret = str(given.get("secret") or "").strip()
        if not secret or secret.startswith("$"):
            raise RasaException("credentials.yml: the web channel needs a secret; set PNE_RASA_SECRET")
        text = read_unavailable_text(given.get("unavailable_text"))
        return cls(secret, text, float(given.get("turn_limit_seconds") or TURN_LIMIT_S))

    def blueprint(self, on_new_message: Handler) -> Blueprint:
        """Return the channel's routes and the checks of its start."""
        routes = Blueprint("pne_web_channel")
        turns: list[Turns] = []

        @routes.listener("before_server_start")
        async def prepare(app: Sanic, _loop: Any) -> None:
            app.config.REQUEST_MAX_SIZE = BODY_LIMIT
            turns.append(Turns(on_new_message, self._limit_s))

        @routes.listener("after_server_start")
        async def check(app: Sanic, _loop: Any) -> None:
            refuse_unready(getattr(app.ctx, "agent", None))
            # Only now, because errors of the start quote files, not patients.
            keep_words_out_of_logs()
            settle()

        @routes.exception(PayloadTooLarge)
        async def too_large(_request: Request, _error: PayloadTooLarge) -> HTTPResponse:
            return _failure(413, "too_large", f"The body is larger than {BODY_LIMIT} bytes.")

        @routes.post("/message")
        async def message(request: Request) -> HTTPResponse:
            if not self._knows(request):
                return _failure(401, "wrong_secret", f"The header {SECRET_HEADER} is missing or wrong.")
            try:
                incoming = read_incoming(request.body)
            except BadMessage as error:
                return _failure(400, error.code, error.detail)
            try:
                agent = getattr(request.app.ctx, "agent", None)
                if agent is None or not agent.is_ready():
                    raise TurnFailed("not_ready")
                return json_response({"replies": await turns[0].answer(incoming)})
            except TurnFailed as error:
                logger.error("No answer in conversation %s: %s", incoming.conversation, error.code)
                return _failure(503, error.code, self._unavailable_text)
            except Exception as error:
                logger.error("No answer in conversation %s: %s", incoming.conversation, describe(error))
                return _failure(503, "failed", self._unavailable_text)

        @routes.get("/facts")
        async def facts(request: Request) -> HTTPResponse:
            async def read(agent: Any, store: TrackerStore) -> dict[str, Any]:
                conversation = _read_conversation(request.args.get("conversation"))
                async with turns[0].line(conversation):
                    return {"facts": await read_facts(store, agent.lock_store, conversation)}

            return await self._about_facts(request, read)

        @routes.patch("/facts")
        async def change(request: Request) -> HTTPResponse:
            async def write(agent: Any, store: TrackerStore) -> dict[str, Any]:
                conversation, key, value = read_change(request.body)
                async with turns[0].line(conversation):
                    await change_fact(store, agent.lock_store, conversation, key, value)
                return {}

            return await self._about_facts(request, write)

        @routes.get("/health")
        async def health(request: Request) -> HTTPResponse:
            agent: Any = getattr(request.app.ctx, "agent", None)
            try:
                store = refuse_unready(agent)
            except RasaException as error:
                return json_response({"status": "down", "code": "not_ready", "text": str(error)}, 503)
            if not await store.healthy():
                return json_response({"status": "down", "code": "tracker_store", "text": "No database."}, 503)
            return json_response({"status": "ok", "model": agent.model_id})

        return routes


    def _knows(self, request: Request) -> bool:
        """Whether the request carries the web app's secret."""
        given = request.headers.get(SECRET_HEADER, "").encode("utf-8", "surrogateescape")
        return hmac.compare_digest(given, self._secret)

    async def _about_facts(self, request: Request, work: FactsWork) -> HTTPResponse:
        """Answers a request about what is noted: 200, or why not. Errors may quote the patient, so only kinds are
        logged."""
        if not self._knows(request):
            return _failure(401, "wrong_secret", f"The header {SECRET_HEADER} is missing or wrong.")
        try:
            agent = getattr(request.app.ctx, "agent", None)
            return json_response(await asyncio.wait_for(work(agent, refuse_unready(agent)), self._limit_s))
        except BadMessage as error:
            return _failure(400, error.code, error.detail)
        except FactsUnreadable as error:
            logger.error("What is noted could not be read or changed: %s", error)
            return _failure(503, "failed", self._unavailable_text)
        except Exception as error:
            logger.error("What is noted could not be read or changed: %s", describe(error))
            return _failure(503, "failed", self._unavailable_text)


def refuse_unready(agent: Any) -> TrackerStore:
    """Return the agent's tracker store.

    Raises `RasaException` where a model is missing or the store is not ours: Rasa goes on without a model,
    and in memory where ``endpoints.yml`` names a store that it cannot import.
    """
    if agent is None or not agent.is_ready():
        raise RasaException("No model could be loaded. Train one with: pne rasa train")
    store = agent.tracker_store
    if isinstance(store, FailSafeTrackerStore):
        store = store._tracker_store
    if not isinstance(store, TrackerStore):
        raise RasaException(
            f"The tracker store is {type(store).__name__}, not bot.channels.tracker_store.TrackerStore. "
            "Conversations would be lost at the next restart. Check tracker_store in endpoints.yml."
        )
    return store


def _failure(status: int, code: str, text: str) -> HTTPResponse:
    return json_response({"code": code, "text": text}, status)
