"""Talkers for three lines: stock's REST channel, our Rasa channel, our patient API.

All of them answer the same question: how long until the first reply is here?
"""

from __future__ import annotations

import asyncio
import json
import time
import uuid
import zlib
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import aiohttp

from benchmarks.load import TURN_SECONDS, NoReply

CLINIC = "demo"
REST_PATH = "/webhooks/rest/webhook"
CHANNEL_PATH = "/webhooks/web/message"
SECRET_HEADER = "X-PNE-Secret"
PATIENT = "patient"
# What the page is told where an answer takes long, and what is said where there is none.
STILL_WORKING = "notice/still_working"
NO_ANSWERS = ("notice/cannot_answer", "notice/too_busy", "notice/not_stored")


def message(conversation: str, text: str, told: dict[str, Any]) -> dict[str, Any]:
    """The body of one message into our Rasa channel, as the web app sends it: with its reading and its screening."""
    return {
        "conversation": conversation,
        "message_id": uuid.uuid4().hex,
        "text": text,
        "clinic": CLINIC,
        "payload": "",
        **told,
    }


def of_conversation(conversation: str, urls: Sequence[str]) -> str:
    """The web process of a conversation: the same for all its messages, as the proxy in front does it."""
    return urls[zlib.crc32(conversation.encode()) % len(urls)]


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
    """Our channel into Rasa, spoken to as by the web app. `told`: what goes with each text; `said`: the last answer."""

    http: aiohttp.ClientSession
    url: str
    secret: str
    told: dict[str, dict[str, Any]]
    conversation: str = ""
    said: list[dict[str, Any]] = field(default_factory=list)

    async def open(self) -> None:
        self.conversation = uuid.uuid4().hex

    async def ask(self, text: str) -> float:
        body = message(self.conversation, text, self.told[text])
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
    """A patient's page: the public API, with the conversation's events as Server-Sent Events.

    Of several web processes (`urls`) the conversation's own is spoken to, once the conversation is known.
    """

    http: aiohttp.ClientSession
    urls: Sequence[str]
    conversation: str = ""
    _headers: dict[str, str] = field(default_factory=dict)
    _here: str = ""
    _events: asyncio.Queue[tuple[float, dict[str, Any]]] = field(default_factory=asyncio.Queue)
    _reader: asyncio.Task[None] | None = None

    async def open(self) -> None:
        await self.begin()
        await self.listen()
        await self.send({"kind": "button", "payload": "consent:accept", "text": "button"})

    async def begin(self) -> None:
        """A new session, without its stream."""
        anywhere = of_conversation(uuid.uuid4().hex, self.urls)
        async with self.http.post(f"{anywhere}/v1/session", json={"clinic": CLINIC}) as response:
            made = await response.json()
        if response.status != 201:
            raise NoReply(f"no session: status {response.status} {made.get('code')}")
        self.conversation = made["conversation"]
        self._headers = {"Authorization": f"Bearer {made['session']}"}
        self._here = f"{of_conversation(self.conversation, self.urls)}/v1/conversations/{self.conversation}"

    async def listen(self, after: int = 0) -> None:
        """Open the stream of events after a number."""
        self._events = asyncio.Queue()
        self._reader = asyncio.create_task(self._listen(self._events, after))

    async def ask(self, text: str) -> float:
        return await self.send({"kind": "text", "text": text})

    async def read(self, after: int) -> list[dict[str, Any]]:
        """The events after a number, as JSON."""
        address = f"{self._here}/events?after={after}&wait=0"
        async with self.http.get(address, headers=self._headers) as response:
            answer = await response.json()
        if response.status != 200:
            raise NoReply(f"events: status {response.status}")
        return list(answer["events"])

    def stream_request(self) -> bytes:
        """The request for the stream of events as it goes over the wire, for a client without a library."""
        path = self._here.partition("//")[2].partition("/")[2]
        head = [f"GET /{path}/events HTTP/1.1", "Host: localhost", "Accept: text/event-stream"]
        head += [f"{name}: {value}" for name, value in self._headers.items()]
        return "\r\n".join([*head, "", ""]).encode()

    async def close(self) -> None:
        if self._reader is not None:
            self._reader.cancel()
            await asyncio.gather(self._reader, return_exceptions=True)
            self._reader = None

    async def send(self, body: dict[str, str]) -> float:
        """Seconds until the first reply to a message of any kind. Raises NoReply."""
        began = time.perf_counter()
        async with self.http.post(
            f"{self._here}/messages", json={"client_id": str(uuid.uuid4()), **body}, headers=self._headers
        ) as response:
            answer = await response.json()
        if response.status != 202:
            raise NoReply(f"status {response.status} {answer.get('code')}")
        while True:
            at, event = await asyncio.wait_for(self._events.get(), TURN_SECONDS)
            answer_id = str(event["body"].get("answer_id", ""))
            if answer_id == STILL_WORKING:
                continue
            if answer_id in NO_ANSWERS or event["seq"] is None:
                raise NoReply(f"instead of an answer: {answer_id}")
            if event["author"] != PATIENT and event["seq"] > answer["seq"]:
                return at - began

    async def _listen(self, events: asyncio.Queue[tuple[float, dict[str, Any]]], after: int) -> None:
        address = f"{self._here}/events" + (f"?after={after}" if after else "")
        rest = b""
        async with self.http.get(address, headers=self._headers) as response:
            async for chunk in response.content.iter_any():
                at = time.perf_counter()
                *frames, rest = (rest + chunk).split(b"\n\n")
                for frame in frames:
                    said = message_in(frame)
                    if said is not None:
                        events.put_nowait((at, said))


def message_in(frame: bytes) -> dict[str, Any] | None:
    """The message of one frame of a stream; None for signs, heartbeats and the like."""
    found = None
    for line in frame.split(b"\n"):
        if line.startswith(b"event:"):
            return None
        if line.startswith(b"data:"):
            found = json.loads(line[5:])
    return found
