"""The load generator: clients that ask, wait for their answer and ask again; what one drive of them saw.

It runs on the cores that it measures, so it is kept lean, and its own share of them is measured beside the others.
"""

from __future__ import annotations

import asyncio
import random
import statistics
import time
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol

import aiohttp
import yaml

from benchmarks.stats import percentile

QUESTIONS = Path("tests/nlu/heldout.yml")
MESSAGES_PER_CONVERSATION = 10
TURN_SECONDS = 30.0
SEED = 20
# Said before a question when the list begins again: no process is asked the same text twice, as in life.
OPENINGS = ("", "hello,", "ok,", "so,", "well,", "please,", "hi,", "um,", "right,", "also,", "sorry,", "thanks,", "and")


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
    """What one drive saw: seconds of each answered turn and of each opening of a chat, how long all took, and what was
    not answered."""

    seconds: list[float] = field(default_factory=list)
    opening: list[float] = field(default_factory=list)
    wall: float = 0.0
    failures: list[str] = field(default_factory=list)

    def percentile_ms(self, percent: float) -> float:
        """The nearest-rank percentile of the answered turns, in milliseconds."""
        return 1000 * percentile(self.seconds, percent)

    def per_second(self) -> float:
        """Answered turns a second; opening the chats is in the time."""
        return len(self.seconds) / self.wall

    def opening_ms(self) -> float:
        return 1000 * statistics.median(self.opening)


def questions(root: Path, calm: Callable[[str], bool]) -> list[str]:
    """The held-out questions that ask for an answer, and for which the screening puts none first: both sides are asked
    these, in an order of their own."""
    data = yaml.safe_load((root / QUESTIONS).read_text(encoding="utf-8"))["questions"]
    texts = [str(item["text"]) for item in data if "/" in item["answer"] and calm(str(item["text"]))]
    random.Random(SEED).shuffle(texts)
    return texts


def fresh(texts: Sequence[str], first: int, count: int) -> list[str]:
    """So many texts from number `first` on of a list that goes on after its end with openings before each."""
    found = []
    for number in range(first, first + count):
        lap, place = divmod(number, len(texts))
        found.append(f"{OPENINGS[lap % len(OPENINGS)]} {texts[place]}".strip())
    return found


async def drive(
    make: Callable[[], Talker], texts: Sequence[str], clients: int, turns: int, most_failures: int
) -> Load:
    """`turns` turns by `clients` clients at once, each waiting for its answer before it asks again; every client has
    its own stretch of `texts`.

    Every client opens a new conversation every ten messages, so that no line has the advantage of shorter histories.
    Ends early where more turns fail than `most_failures`.
    """
    load = Load()

    async def client(number: int) -> None:
        talker = make()
        opened = False
        for turn in range(turns // clients):
            if len(load.failures) > most_failures:
                break
            try:
                if turn % MESSAGES_PER_CONVERSATION == 0 or not opened:
                    await talker.close()
                    began, opened = time.perf_counter(), False
                    await talker.open()
                    load.opening.append(time.perf_counter() - began)
                    opened = True
                load.seconds.append(await talker.ask(texts[(number * (turns // clients) + turn) % len(texts)]))
            except (NoReply, aiohttp.ClientError, asyncio.TimeoutError) as error:
                load.failures.append(f"{type(error).__name__}: {error}")
        await talker.close()

    began = time.perf_counter()
    await asyncio.gather(*(client(number) for number in range(clients)))
    load.wall = time.perf_counter() - began
    return load


def with_http(work: Callable[[aiohttp.ClientSession], Awaitable[Any]]) -> Any:
    """Run `work` with an HTTP client that keeps its connections."""

    async def run() -> Any:
        timeout = aiohttp.ClientTimeout(total=None, sock_read=TURN_SECONDS)
        async with aiohttp.ClientSession(timeout=timeout, connector=aiohttp.TCPConnector(limit=0)) as http:
            return await work(http)

    return asyncio.run(run())
