"""The load generator: talkers for three lines (stock's REST, our Rasa channel, our patient API), clients to drive them.

All talkers answer the same question, "how long until the first reply is here?", and open a new conversation
every ten messages, so that no line has the advantage of shorter histories.
"""

from __future__ import annotations

import asyncio
import json
import random
import time
import uuid
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol

import aiohttp
import yaml

from bot import safety

QUESTIONS = Path("tests/nlu/heldout.yml")
MESSAGES_PER_CONVERSATION = 10
TURN_SECONDS = 60.0
SEED = 20
CLINIC = "demo"
REST_PATH = "/webhooks/rest/webhook"
CHANNEL_PATH = "/webhooks/web/message"
SECRET_HEADER = "X-PNE-Secret"
# Clients begin at different questions, so that they do not all ask the same thing at the same time.
_STRIDE = 37


class Talker(Protocol):
    """One client's line to an assistant."""

    async def open(self) -> None:
        """Begin a new conversation."""

    async def ask(self, text: str) -> float:
        """Seconds until the first reply to `text`. Raises NoReply."""

    async def close(self) -> None:
        """Give back what the conversation holds."""


class NoReply(Exception):
    """A turn without an answer: a status other than the right one, or an empty one."""


@dataclass
class Load:
    """What one drive saw: seconds of each answered turn, how long all took, and what was not answered."""

    seconds: list[float] = field(default_factory=list)
    wall: float = 0.0
    failures: list[str] = field(default_factory=list)

    def percentile_ms(self, percent: float) -> float:
        """The nearest-rank percentile of the answered turns, in milliseconds."""
        ordered = sorted(self.seconds)
        return 1000 * ordered[min(len(ordered) - 1, int(len(ordered) * percent / 100))]

    def per_second(self) -> float:
        return len(self.seconds) / self.wall


def questions(root: Path) -> list[str]:
    """The held-out questions that ask for an answer and raise no red flag: both sides are asked these."""
    data = yaml.safe_load((root / QUESTIONS).read_text(encoding="utf-8"))["questions"]
    texts = [str(item["text"]) for item in data if "/" in item["answer"]]
    calm = [text for text in texts if not (found := safety.screen(text)).ask and found.tier in (None, "T4")]
    random.Random(SEED).shuffle(calm)
    return calm


async def drive(make: Callable[[], Talker], texts: Sequence[str], clients: int, turns: int) -> Load:
    """`turns` turns by `clients` clients at once, each waiting for its answer before it asks again."""
    load = Load()

    async def client(number: int) -> None:
        talker = make()
        for turn in range(turns // clients):
            if turn % MESSAGES_PER_CONVERSATION == 0:
                await talker.close()
                await talker.open()
            try:
                load.seconds.append(await talker.ask(texts[(number * _STRIDE + turn) % len(texts)]))
            except (NoReply, aiohttp.ClientError, asyncio.TimeoutError) as error:
                load.failures.append(f"{type(error).__name__}: {error}")
        await talker.close()

    began = time.perf_counter()
    await asyncio.gather(*(client(number) for number in range(clients)))
    load.wall = time.perf_counter() - began
    return load


def message(conversation: str, text: str, reading: dict[str, Any]) -> dict[str, Any]:
    """The body of one message into our Rasa channel, as the web app sends it."""
    return {
        "conversation": conversation,
        "message_id": uuid.uuid4().hex,
        "text": text,
        "clinic": CLINIC,
        "payload": "",
        "denied": [],
        "reading": reading,
    }


def with_http(work: Callable[[aiohttp.ClientSession], Awaitable[Any]]) -> Any:
    """Run `work` with an HTTP client that keeps its connections."""

    async def run() -> Any:
        timeout = aiohttp.ClientTimeout(total=None, sock_read=TURN_SECONDS)
        async with aiohttp.ClientSession(timeout=timeout, connector=aiohttp.TCPConnector(limit=0)) as http:
            return await work(http)

    return asyncio.run(run())


@dataclass
class Rest:
    """Stock Rasa's REST channel."""

    http: aiohttp.ClientSession
    url: str
    sender: str = ""

    async def open(self) -> None:
        self.sender = uuid.uuid4().hex

    async def ask(self, text: str) -> float:
        began = time.perf_counter()
        async with self.http.post(
            f"{self.url}{REST_PATH}", json={"sender": self.sender, "message": text}
        ) as response:
            replies = await response.json()
            took = time.perf_counter() - began
        if response.status != 200:
            raise NoReply(f"status {response.status}")
        if not replies:
            raise NoReply("empty")
        return took

    async def close(self) -> None:
        return None


@dataclass
class Channel:
    """Our channel into Rasa, spoken to as the web app does: with the reading. `said` is the last answer."""

    http: aiohttp.ClientSession
    url: str
    secret: str
    readings: dict[str, dict[str, Any]]
    conversation: str = ""
    said: list[dict[str, Any]] = field(default_factory=list)

    async def open(self) -> None:
        self.conversation = uuid.uuid4().hex

    async def ask(self, text: str) -> float:
        body = message(self.conversation, text, self.readings[text])
        began = time.perf_counter()
        async with self.http.post(
            f"{self.url}{CHANNEL_PATH}", json=body, headers={SECRET_HEADER: self.secret}
        ) as response:
            answer = await response.json()
            took = time.perf_counter() - began
        if response.status != 200:
            raise NoReply(f"status {response.status} {answer.get('code')}")
        self.said = answer["replies"]
        return took

    async def close(self) -> None:
        return None


@dataclass
class Patient:
    """A patient's page: the public API, with the conversation's events as Server-Sent Events."""

    http: aiohttp.ClientSession
    url: str
    _headers: dict[str, str] = field(default_factory=dict)
    _here: str = ""
    _events: asyncio.Queue[tuple[float, dict[str, Any]]] = field(default_factory=asyncio.Queue)
    _reader: asyncio.Task[None] | None = None

    async def open(self) -> None:
        async with self.http.post(f"{self.url}/v1/session", json={"clinic": CLINIC}) as response:
            made = await response.json()
        self._headers = {"Authorization": f"Bearer {made['session']}"}
        self._here = f"{self.url}/v1/conversations/{made['conversation']}"
        self._events = asyncio.Queue()
        self._reader = asyncio.create_task(self._listen(self._events))
        await self._send({"kind": "button", "payload": "consent:accept", "text": "button"})

    async def ask(self, text: str) -> float:
        return await self._send({"kind": "text", "text": text})

    async def close(self) -> None:
        if self._reader is not None:
            self._reader.cancel()
            await asyncio.gather(self._reader, return_exceptions=True)
            self._reader = None

    async def _send(self, body: dict[str, str]) -> float:
        began = time.perf_counter()
        async with self.http.post(
            f"{self._here}/messages", json={"client_id": str(uuid.uuid4()), **body}, headers=self._headers
        ) as response:
            answer = await response.json()
        if response.status != 202:
            raise NoReply(f"status {response.status} {answer.get('code')}")
        while True:
            at, event = await asyncio.wait_for(self._events.get(), TURN_SECONDS)
            if event["seq"] is None:
                raise NoReply("not stored")
            if event["author"] != "patient" and event["seq"] > answer["seq"]:
                if str(event["body"].get("answer_id", "")).endswith("cannot_answer"):
                    raise NoReply("the assistant was not available")
                return at - began

    async def _listen(self, events: asyncio.Queue[tuple[float, dict[str, Any]]]) -> None:
        async with self.http.get(f"{self._here}/events", headers=self._headers) as response:
            kind = ""
            async for raw in response.content:
                line = raw.decode("utf-8").rstrip("\n")
                if line.startswith("event: "):
                    kind = line.removeprefix("event: ")
                elif line.startswith("data: ") and not kind:
                    events.put_nowait((time.perf_counter(), json.loads(line.removeprefix("data: "))))
                elif not line:
                    kind = ""
