"""A circuit breaker: what keeps failing is not asked again for a while, so that nobody waits for what will not come.

closed   asked as ever
open     not asked at all, until it has said that it is well
trial    asked again; the first answer closes it, the first failure opens it for twice as long
"""

from __future__ import annotations

import asyncio
import random
from collections.abc import Awaitable, Callable

import structlog

log = structlog.get_logger(__name__)
CLOSED, OPEN, TRIAL = "closed", "open", "trial"
# So many different conversations must fail, one after the other, with no success between them: one patient whose words
# are too much for it does not keep everybody else from it.
FAILURES = 3
# Seconds: how long it stays open at least, from the first time to the most; and between two questions how it is.
SHORTEST_PAUSE, LONGEST_PAUSE, ASK_EVERY = 0.5, 5.0, 1.0


class Breaker:
    """`probe` says whether it is well, within a second or two; it must not raise. `opened` counts, for metrics."""

    def __init__(self, name: str, probe: Callable[[], Awaitable[bool]]) -> None:
        self.name = name
        self.state = CLOSED
        self.opened = 0
        self._probe = probe
        self._failed: set[str] = set()
        self._pause = SHORTEST_PAUSE
        self._looking: asyncio.Task[None] | None = None
        self._recovering: asyncio.Task[None] | None = None

    @property
    def lets_through(self) -> bool:
        return self.state != OPEN

    @property
    def failures(self) -> int:
        """How many conversations have failed since the last success."""
        return len(self._failed)

    def succeeded(self) -> None:
        """An answer, perhaps to what was asked before it opened."""
        self._failed.clear()
        if self.state != CLOSED:
            self.state, self._pause = CLOSED, SHORTEST_PAUSE
            if self._recovering is not None:
                self._recovering.cancel()
            log.info("breaker_closed", name=self.name)

    def failed(self, whose: str) -> None:
        """A failure for the conversation `whose`. One is enough where it does not say either that it is well."""
        if self.state == OPEN:
            return
        self._failed.add(whose)
        if self.state == TRIAL:
            self._pause = min(2 * self._pause, LONGEST_PAUSE)
            self.open("trial")
        elif len(self._failed) >= FAILURES:
            self.open("failures")
        else:
            self.suspect()

    def suspect(self) -> None:
        """Ask whether it is well, and open if it is not."""
        if self.state != OPEN and (self._looking is None or self._looking.done()):
            self._looking = asyncio.create_task(self._look())

    def open(self, cause: str) -> None:
        if self.state == OPEN:
            return
        self.state = OPEN
        self.opened += 1
        log.warning("breaker_opened", name=self.name, cause=cause)
        self._recovering = asyncio.create_task(self._recover())

    async def stop(self) -> None:
        for task in (self._looking, self._recovering):
            if task is not None:
                task.cancel()
                await asyncio.wait({task})

    async def _look(self) -> None:
        if not await self._probe():
            self.open("not well")

    async def _recover(self) -> None:
        await asyncio.sleep(self._pause * random.uniform(0.75, 1.25))
        while not await self._probe():
            await asyncio.sleep(ASK_EVERY * random.uniform(0.75, 1.25))
        self._failed.clear()
        self.state = TRIAL
