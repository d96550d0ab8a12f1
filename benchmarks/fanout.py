"""A thousand open chats: what the web process takes for them, and how soon a patient sees a clinician's reply.

The replies go the whole way: a signed-in clinician's browser posts the form of the inbox, the patient's page hears the
event on its stream.
"""

from __future__ import annotations

import asyncio
import re
import time
import uuid
from dataclasses import dataclass, field
from functools import partial
from urllib.parse import urlsplit

import aiohttp
from sqlalchemy import select

from benchmarks.bench import Bench
from benchmarks.load import with_http
from benchmarks.ours import Ours
from benchmarks.process import BenchmarkFailed, Server, many_files, metered
from benchmarks.results import WHOLE, Part
from benchmarks.stats import percentile
from benchmarks.talkers import CLINIC, Patient
from bot.store import clinicians
from bot.store.models import Handoff
from bot.web.bodies import PERSON
from bot.web.people import auth

NAME = "sse"
EMAIL, PASSWORD = "bench@demo.invalid", "a good long password for measuring"
OPEN_AT_ONCE = 16
WAITING_CHATS = 20
IDLE_SECONDS = 5.0
HEARD_SECONDS = 20.0


def measure(bench: Bench) -> Part:
    """Rounds with a web process and a database of their own; Rasa runs throughout, the patients who wait hear it."""
    many_files(4 * bench.plan.chats + 500)
    part = Part(NAME, rounds=bench.plan.rounds, about={"chats": bench.plan.chats, "replies": bench.plan.replies})
    for number in range(1, bench.plan.rounds + 1):
        bench.say(f"open chats: round {number} of {bench.plan.rounds}")
        with bench.product() as product:
            product.start("web", "rasa", "actions")
            product.wait_ready()
            add_clinician(product)
            with_http(partial(_round, bench, part, product))
    return part


async def _round(bench: Bench, part: Part, product: Ours, http: aiohttp.ClientSession) -> None:
    plan, web = bench.plan, product.servers["web"]
    waiting = [await _who_waits(product, http) for _ in range(min(WAITING_CHATS, plan.replies))]
    before = web.memory_mb()
    crowd = Crowd(product.urls["web"])
    for chat in await _sessions(product, http, plan.chats - len(waiting)):
        await crowd.join(chat)
    for chat in waiting:
        await crowd.join(chat)
    await asyncio.sleep(1.0)
    if crowd.open != plan.chats:
        raise BenchmarkFailed(f"{crowd.open} of {plan.chats} chats are open:\n{web.tail()}")
    idle = await _idle(web)
    seconds = await _replies(product, http, crowd, waiting, plan.replies)
    part.samples.add(
        WHOLE,
        chats_web_before_mb=before,
        chats_web_mb=web.memory_mb(),
        chats_idle_core_percent=100 * idle,
        **{f"chats_reply_p{percent}_ms": 1000 * percentile(seconds, percent) for percent in (50, 95, 99)},
    )
    crowd.leave()


async def _sessions(product: Ours, http: aiohttp.ClientSession, count: int) -> list[Patient]:
    """New chats, some at a time."""
    turnstile, made = asyncio.Semaphore(OPEN_AT_ONCE), []

    async def one() -> None:
        async with turnstile:
            patient = product.patient(http)
            await patient.begin()
            made.append(patient)

    await asyncio.gather(*(one() for _ in range(count)))
    return made


async def _who_waits(product: Ours, http: aiohttp.ClientSession) -> Patient:
    """A chat whose patient has asked for a person."""
    patient = product.patient(http)
    await patient.open()
    await patient.send({"kind": "button", "payload": PERSON, "text": "a person"})
    await patient.close()
    return patient


async def _idle(web: Server) -> float:
    """How many cores the web process keeps busy while nobody says anything."""
    with metered({"web": web.pids}) as used:
        await asyncio.sleep(IDLE_SECONDS)
    return used.cores("web")


async def _replies(
    product: Ours, http: aiohttp.ClientSession, crowd: Crowd, waiting: list[Patient], count: int
) -> list[float]:
    """Seconds from the sending of each reply until its patient's stream holds it."""
    desk = await Desk.enter(product.urls["web"])
    try:
        items = _items(product)
        for chat in waiting:
            await desk.claim(items[chat.conversation])
        found = []
        for number in range(count):
            chat, words = waiting[number % len(waiting)], f"reply-{uuid.uuid4().hex}"
            heard = crowd.wait_for(chat.conversation, words)
            began = time.perf_counter()
            await desk.reply(items[chat.conversation], words)
            found.append(await asyncio.wait_for(heard, HEARD_SECONDS) - began)
        return found
    except asyncio.TimeoutError:
        raise BenchmarkFailed(f"a reply did not come within {HEARD_SECONDS:.0f} s") from None
    finally:
        await desk.http.close()


def add_clinician(product: Ours) -> None:
    """Somebody who can sign in with EMAIL and PASSWORD."""
    db = product.database()
    with db.begin() as session:
        person = {"clinic": CLINIC, "email": EMAIL, "name": "Dr Bench", "role": "clinician"}
        clinicians.add_clinician(session, **person, password_hash=auth.hash_password(PASSWORD))
    db.close()


def _items(product: Ours) -> dict[str, str]:
    """The open item of each conversation."""
    db = product.database()
    with db.read() as session:
        found = {str(row[0]): str(row[1]) for row in session.execute(select(Handoff.conversation_id, Handoff.id))}
    db.close()
    return found


@dataclass
class Desk:
    """A signed-in clinician's browser at the inbox."""

    http: aiohttp.ClientSession
    url: str
    csrf: str = ""

    @classmethod
    async def enter(cls, url: str) -> Desk:
        """Sign in with the form. Raises BenchmarkFailed."""
        desk = cls(aiohttp.ClientSession(cookie_jar=aiohttp.CookieJar(unsafe=True)), f"{url}/inbox")
        fields = {"csrf": await desk.hidden("sign-in", "csrf"), "email": EMAIL, "password": PASSWORD, "next": "/inbox"}
        await desk.post("sign-in", fields)
        return desk

    async def page(self, path: str = "") -> str:
        """A page's text. Raises BenchmarkFailed where it is not shown."""
        here = f"{self.url}/{path}" if path and not path.startswith("?") else f"{self.url}{path}"
        async with self.http.get(here, allow_redirects=False) as response:
            if response.status != 200:
                raise BenchmarkFailed(f"the inbox answered {response.status} for {path or 'the queue'}")
            return await response.text()

    async def hidden(self, path: str, name: str, page: str = "") -> str:
        """The value of a hidden field."""
        found = re.search(rf'name="{name}" value="([^"]*)"', page or await self.page(path))
        if found is None:
            raise BenchmarkFailed(f"no {name} on {path}")
        return found[1]

    async def post(self, path: str, fields: dict[str, str]) -> None:
        async with self.http.post(f"{self.url}/{path}", data=fields, allow_redirects=False) as response:
            if response.status != 303:
                raise BenchmarkFailed(f"the inbox answered {response.status} to {path}")

    async def claim(self, item: str) -> None:
        page = await self.page(item)
        fields = {name: await self.hidden(item, name, page) for name in ("csrf", "version")}
        await self.post(f"{item}/claim", fields)
        self.csrf = fields["csrf"]

    async def reply(self, item: str, words: str) -> None:
        await self.post(f"{item}/reply", {"csrf": self.csrf, "text": words, "client_id": uuid.uuid4().hex})


@dataclass
class Crowd:
    """Many patients' streams on bare connections, so that a thousand of them cost next to nothing here."""

    url: str
    lines: list[Line] = field(default_factory=list)
    awaited: dict[str, tuple[bytes, asyncio.Future[float]]] = field(default_factory=dict)

    @property
    def open(self) -> int:
        """Streams that have begun and not ended."""
        return sum(line.begun and not line.ended for line in self.lines)

    async def join(self, chat: Patient) -> None:
        """One more open chat."""
        address = urlsplit(self.url)
        assert address.hostname is not None and address.port is not None
        loop = asyncio.get_running_loop()
        _, line = await loop.create_connection(lambda: Line(self, chat), address.hostname, address.port)
        self.lines.append(line)

    def wait_for(self, conversation: str, words: str) -> asyncio.Future[float]:
        """The moment at which the conversation's stream holds these words."""
        future: asyncio.Future[float] = asyncio.get_running_loop().create_future()
        self.awaited[conversation] = words.encode(), future
        return future

    def leave(self) -> None:
        for line in self.lines:
            line.transport.close()


class Line(asyncio.Protocol):
    """One stream."""

    transport: asyncio.Transport

    def __init__(self, crowd: Crowd, chat: Patient) -> None:
        self.crowd = crowd
        self.conversation = chat.conversation
        self.request = chat.stream_request()
        self.begun = self.ended = False

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self.transport = transport
        transport.write(self.request)

    def data_received(self, data: bytes) -> None:
        at = time.perf_counter()
        self.begun = self.begun or data.startswith(b"HTTP/1.1 200")
        words, future = self.crowd.awaited.get(self.conversation, (b"", None))
        if future is not None and not future.done() and words in data:
            future.set_result(at)

    def connection_lost(self, _error: Exception | None) -> None:
        self.ended = True
