"""Patients at their pages while something breaks: a client that behaves as the widget does, and what it saw.

It sends again under the same client_id until it is told that its message is kept, opens its stream again where it was,
and notes when it was told what. `bot` and its processes are not touched from here, nor is anything in them.
"""

from __future__ import annotations

import asyncio
import json
import os
import random
import time
import uuid
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from typing import Any

import httpx

from bot.web.bodies import CONSENT

QUESTIONS = (
    "why does my back still hurt after two years",
    "how does sleep change pain",
    "is it safe to move when it hurts",
)
PLAN = "show me my plan"  # takes the action server
RED = "since this morning I can't pee and I am numb between my legs"
# What is said in place of an answer.
NO_ANSWER = ("notice/cannot_answer", "notice/too_busy")
# As widget/transport.js and widget/live.js have them, in seconds.
SEND_SECONDS, FIRST_BYTE_SECONDS = 20.0, 5.0
# The bars of the product. A machine that others keep busy is given more, by how busy it is.
RECOVERED_WITHIN, TOLD_WITHIN = 10.0, 3.0


def busy() -> float:
    """How many times slower this machine may be just now than a quiet one."""
    return max(1.0, os.getloadavg()[0] / (os.cpu_count() or 1))


@dataclass
class Said:
    """One message and what came of it; times are monotonic seconds."""

    key: str
    text: str
    sent: float
    kept: float = 0.0
    seq: int = 0
    refused: str = ""
    tries: int = 0
    # What the page was told before there was an answer: (when, what).
    told: list[tuple[float, str]] = field(default_factory=list)
    # The first thing in the log that answers it: when the page saw it, and its answer_id or kind.
    answered: float = 0.0
    answer: str = ""

    @property
    def silence(self) -> float:
        """Seconds from sending to the first word of any kind."""
        return min([at for at, _ in self.told] + ([self.answered] if self.answered else [])) - self.sent

    @property
    def good(self) -> bool:
        return bool(self.answered) and self.answer not in NO_ANSWER

    def first_word(self) -> str:
        words = sorted([*self.told, *([(self.answered, self.answer)] if self.answered else [])])
        return words[0][1] if words else "nothing"


@dataclass
class Page:
    """One patient."""

    client: httpx.AsyncClient
    base: Callable[[], str]
    conversation: str = ""
    token: str = ""
    seen: list[tuple[float, dict[str, Any]]] = field(default_factory=list)
    said: list[Said] = field(default_factory=list)
    breaks: list[float] = field(default_factory=list)
    _news: asyncio.Event = field(default_factory=asyncio.Event)
    # Set while there is a line; what waits to be sent again goes out as soon as there is one (widget/chat.js).
    _line: asyncio.Event = field(default_factory=asyncio.Event)
    _listening: asyncio.Task[None] | None = None

    @property
    def headers(self) -> dict[str, str]:
        return {"Authorization": f"Bearer {self.token}"}

    @property
    def last(self) -> int:
        return max((event["seq"] for _, event in self.seen if event["seq"]), default=0)

    def path(self, what: str) -> str:
        return f"{self.base()}/v1/conversations/{self.conversation}/{what}"

    async def open(self) -> None:
        for failures in range(20):
            with suppress(httpx.HTTPError):
                made = await self.client.post(f"{self.base()}/v1/session", json={"clinic": "demo"})
                if made.status_code == 201:
                    self.conversation, self.token = made.json()["conversation"], made.json()["session"]
                    break
            await asyncio.sleep(backoff(failures))
        self._listening = asyncio.create_task(self._listen())
        accepted = await self.say("I agree", payload=CONSENT)
        await self.answer_to(accepted)

    async def close(self) -> None:
        if self._listening is not None:
            self._listening.cancel()
            await asyncio.wait({self._listening})

    async def _listen(self) -> None:
        failures = 0
        while True:
            began = time.monotonic()
            try:
                await self._stream()
                failures = 0 if time.monotonic() - began > 2 else failures + 1
            except (httpx.HTTPError, OSError):
                self._line.clear()
                failures = 1 if time.monotonic() - began > 2 else failures + 1
                if failures > 1:  # the page says that there is no line
                    self.breaks.append(time.monotonic())
                    self._news.set()
            await asyncio.sleep(backoff(failures - 1) if failures else random.uniform(0, 0.5))

    async def _stream(self) -> None:
        headers = {**self.headers, "Last-Event-ID": str(self.last)}
        times = httpx.Timeout(FIRST_BYTE_SECONDS, read=45.0)
        async with self.client.stream("GET", self.path("events"), headers=headers, timeout=times) as response:
            response.raise_for_status()
            named = False
            async for line in response.aiter_lines():
                self._line.set()
                if line.startswith("event: "):
                    named = True
                elif line.startswith("data: ") and not named:
                    self.seen.append((time.monotonic(), json.loads(line[6:])))
                    self._news.set()
                elif not line:
                    named = False

    async def say(self, text: str, payload: str = "", seconds: float = 60.0, key: str = "") -> Said:
        """Sends until it is kept or refused for good. Later ones of the same page wait in the widget's line."""
        said = Said(key or str(uuid.uuid4()), text, time.monotonic())
        self.said.append(said)
        body = {"client_id": said.key, "kind": "button" if payload else "text", "text": text}
        body |= {"payload": payload} if payload else {}
        failures = 0
        while time.monotonic() - said.sent < seconds:
            said.tries += 1
            try:
                # As JavaScript writes it: half a character travels as an escape.
                content = json.dumps(body)
                got = await self.client.post(
                    self.path("messages"), content=content, headers=self.headers, timeout=SEND_SECONDS
                )
            except httpx.HTTPError:
                said.told.append((time.monotonic(), "page/not_sent"))
            else:
                if got.status_code == 202:
                    said.kept, said.seq = time.monotonic(), got.json()["seq"]
                    return said
                problem = got.json()
                words = ",".join(str(event["body"]["answer_id"]) for event in problem.get("events", ()))
                said.told.append((time.monotonic(), f"{got.status_code}/{problem.get('code')} {words}".strip()))
                if got.status_code < 500 and got.status_code != 429:
                    said.refused = str(problem.get("code"))
                    return said
            await self._pause(backoff(failures))
            failures += 1
        raise AssertionError(f"not kept in {seconds:.0f} s: {said.told}")

    async def _pause(self, seconds: float) -> None:
        """Until it is time to send again, or there is a line again."""
        if self._line.is_set():
            await asyncio.sleep(seconds)
            return
        with suppress(asyncio.TimeoutError):
            await asyncio.wait_for(self._line.wait(), seconds)

    async def answer_to(self, said: Said, seconds: float = 60.0) -> Said:
        """Waits until the log has something after it that is not the patient's, and the page has seen it."""
        until = time.monotonic() + seconds
        while not said.refused:
            self.settle(said)
            if said.answered:
                break
            self._news.clear()
            with suppress(asyncio.TimeoutError):
                await asyncio.wait_for(self._news.wait(), max(0.01, min(1.0, until - time.monotonic())))
            if time.monotonic() > until:
                raise AssertionError(f"no answer in {seconds:.0f} s to {said}; breaks {len(self.breaks)}")
        return said

    def settle(self, said: Said) -> None:
        """Notes what the page has seen since the message was sent."""
        if said.answered or not said.kept:
            return
        told = [(at, "page/no_line") for at in self.breaks if at >= said.sent]
        for at, event in self.seen:
            if event["seq"] is None and at >= said.sent:
                told.append((at, str(event["body"].get("answer_id"))))
            elif event["author"] != "patient" and (event["seq"] or 0) > said.seq:
                said.answered, said.answer = at, str(event["body"].get("answer_id") or event["body"]["kind"])
                break
        said.told = sorted({*said.told, *told})

    async def ask(self, text: str, seconds: float = 60.0) -> Said:
        return await self.answer_to(await self.say(text, seconds=seconds), seconds)


def backoff(failures: int, cap: float = 30.0) -> float:
    """Seconds, as in widget/live.js."""
    top = min(cap, 2.0 ** min(failures, 10))
    return random.uniform(top / 2, top)


@dataclass
class Ward:
    """Patients who write: some ask and ask, others raise an alarm once."""

    base: Callable[[], str]
    client: httpx.AsyncClient
    askers: list[Page] = field(default_factory=list)
    reds: list[Page] = field(default_factory=list)
    others: list[Page] = field(default_factory=list)
    _stop: asyncio.Event = field(default_factory=asyncio.Event)
    _work: list[asyncio.Task[None]] = field(default_factory=list)

    @property
    def pages(self) -> list[Page]:
        return [*self.askers, *self.reds, *self.others]

    @property
    def said(self) -> list[Said]:
        return sorted((said for page in self.pages for said in page.said), key=lambda said: said.sent)

    async def new_page(self) -> Page:
        page = Page(self.client, self.base)
        await page.open()
        self.others.append(page)
        return page

    async def begin(self, askers: int = 4, reds: int = 4, every: float = 3.0, texts: Sequence[str] = QUESTIONS) -> None:
        """Opens all pages, and has them write until `end`: the askers one message after the other, and one alarm every
        so many seconds."""
        made = [Page(self.client, self.base) for _ in range(askers + reds)]
        await asyncio.gather(*(page.open() for page in made))
        self.askers, self.reds = made[:askers], made[askers:]
        self._work = [asyncio.create_task(self._ask_on(page, texts, place)) for place, page in enumerate(self.askers)]
        self._work.append(asyncio.create_task(self._raise_alarms(every)))

    async def _ask_on(self, page: Page, texts: Sequence[str], place: int) -> None:
        while not self._stop.is_set():
            await page.ask(texts[(place + len(page.said)) % len(texts)])
            with suppress(asyncio.TimeoutError):
                await asyncio.wait_for(self._stop.wait(), 0.5)

    async def _raise_alarms(self, every: float) -> None:
        raised = []
        for page in self.reds:
            raised.append(asyncio.create_task(page.ask(RED)))
            with suppress(asyncio.TimeoutError):
                await asyncio.wait_for(self._stop.wait(), every)
        await asyncio.gather(*raised)

    async def calm(self, since: float, seconds: float = 60.0) -> float:
        """Waits until every asker got a good answer, in time, to something sent after `since`, and gives when that
        was."""
        until = time.monotonic() + seconds
        while time.monotonic() < until:
            firsts = []
            for page in self.askers:
                later = [one for one in page.said if one.sent > since and one.good]
                good = [one.answered for one in later if one.answered - one.sent < 3 * busy()]
                firsts.append(min(good, default=0.0))
            if all(firsts):
                return max(firsts)
            for work in self._work:
                if work.done() and not work.cancelled() and work.exception() is not None:
                    await work
            await asyncio.sleep(0.1)
        raise AssertionError(f"not calm after {seconds:.0f} s")

    async def end(self) -> None:
        """Everybody's last message is answered; then the pages are closed."""
        self._stop.set()
        await asyncio.gather(*self._work)
        await asyncio.sleep(0.5)

    async def close(self) -> None:
        for work in self._work:
            work.cancel()
        await asyncio.gather(*(page.close() for page in self.pages), *self._work, return_exceptions=True)


@asynccontextmanager
async def a_ward(base: str | Callable[[], str]) -> AsyncIterator[Ward]:
    """An empty ward before the web app at `base`."""
    limits = httpx.Limits(max_connections=None, max_keepalive_connections=100, keepalive_expiry=4.0)
    async with httpx.AsyncClient(limits=limits, verify=False, trust_env=False, timeout=SEND_SECONDS) as client:
        ward = Ward(base if callable(base) else lambda: base, client)
        try:
            yield ward
        finally:
            await ward.close()


def recovery(ward: Ward, since: float, until: float = float("inf")) -> float:
    """Seconds from `since` until the last message that it harmed was answered well, or the next one of its patient."""
    last = since
    for page in ward.askers:
        for place, said in enumerate(page.said):
            harmed = said.told or not said.good
            if harmed and (said.answered or until) > since and said.sent < until:
                good = [one.answered for one in page.said[place:] if one.good]
                last = max(last, good[0] if good else until)
    return last - since
