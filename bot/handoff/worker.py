"""The outbox worker: leases what is due, sends it outside any transaction, records what came of it.

Each channel, and each chore beside them, has a loop of its own, so that one that hangs holds up no other. In a channel
each row is handled on its own, and each clinic has so many places: a clinic whose receiver hangs holds up no other
clinic. Sending is at least once: a crash between sending and recording sends again, with the same message id.
"""

from __future__ import annotations

import asyncio
import logging
import os
import random
import uuid
from collections import Counter
from collections.abc import Awaitable, Callable, Collection, Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from functools import partial

from sqlalchemy.orm import Session

from bot.handoff import recording
from bot.store import outbox
from bot.store.outbox import Due
from bot.store.session import Database, DatabaseUnavailable, now

logger = logging.getLogger(__name__)

# Sends one notice over one channel; gives what the receiver calls it, where it calls it something. Undeliverable:
# trying again is useless. Any other error: tried again.
Delivery = Callable[[Due], Awaitable[str | None]]
# One pass over something else that falls due; says how much it did.
Pass = Callable[[], Awaitable[int]]
# Hears of every notice that was recorded as sent or dead.
News = Callable[[Due], None]

FIRST_WAIT = timedelta(seconds=2)
# The longest wait between two attempts: for the grave tiers, and for the others.
LONGEST_WAIT = timedelta(minutes=15)
LONGEST_WAIT_OTHERS = timedelta(hours=1)
GRAVE = ("T0", "T1")
# One sending may be several requests, each of which has a shorter limit of its own.
SENDING_LIMIT = timedelta(seconds=40)
# Longer than a sending can take, so that a row is not sent twice while its worker is alive.
LEASE = timedelta(seconds=60)
# At the longest wait this is about a day for the grave tiers, and four for the others: then a person has to look.
MOST_ATTEMPTS = 200
BATCH = 10
CHORES_EVERY = 5.0
FINISH_SECONDS = 8.0
BEAT_EVERY = timedelta(seconds=10)
# A loop that has shown no life for so long has stopped.
STOPPED_AFTER = timedelta(seconds=60)
_LONGEST_CAUSE = 300


class TryLater(Exception):
    """The sending failed for now. `after`: how long the receiver asked us to wait, if it did. The message is a cause
    that a person understands; it holds nothing of what was sent."""

    def __init__(self, cause: str, after: timedelta | None = None) -> None:
        super().__init__(cause)
        self.after = after


class Undeliverable(Exception):
    """The sending failed and would fail again: the notice becomes a dead letter that a person must see. The message is
    as of TryLater."""


@dataclass
class Channel:
    """One channel at work: its delivery, and how many of each clinic's notices are on their way."""

    db: Database
    name: str
    deliver: Delivery
    owner: str
    chance: Callable[[], float] = random.random
    news: News | None = None
    _under_way: Counter[str] = field(default_factory=Counter)
    _tasks: set[asyncio.Task[None]] = field(default_factory=set)

    async def start_due(self) -> int:
        """Leases one batch and begins to send it; says how many. Clinics whose places are taken wait."""
        full = tuple(clinic for clinic, number in self._under_way.items() if number >= BATCH)
        due = await asyncio.to_thread(_lease, self.db, self.name, self.owner, full)
        for notice in due:
            self._under_way[notice.clinic] += 1
            task = asyncio.create_task(self._handle(notice))
            self._tasks.add(task)
            task.add_done_callback(partial(self._done, notice.clinic))
        return len(due)

    async def finish(self, seconds: float | None = None) -> None:
        """Waits for everything that is on its way; after `seconds` it is given up. Then its leases run out, and it is
        sent again by the next worker, with the same message id."""
        if self._tasks:
            _, late = await asyncio.wait(self._tasks, timeout=seconds)
            for task in late:
                task.cancel()
            await asyncio.gather(*late, return_exceptions=True)

    def _done(self, clinic: str, task: asyncio.Task[None]) -> None:
        self._tasks.discard(task)
        self._under_way -= Counter({clinic: 1})
        if not task.cancelled() and (error := task.exception()) is not None:
            # The lease runs out and the row is handled again.
            logger.error("outbox %s: not handled: %s", self.name, type(error).__name__)

    async def _handle(self, notice: Due) -> None:
        record = await self._send(notice)
        try:
            await asyncio.to_thread(record)
        except DatabaseUnavailable as error:
            # The lease runs out and the row is handled again; the receiver knows the message id.
            logger.warning("outbox %s: not recorded: %s", self.name, error)
            return
        if self.news is not None:
            self.news(notice)

    async def _send(self, notice: Due) -> Callable[[], None]:
        """Sends; gives what puts on record what came of it."""
        try:
            receipt = await asyncio.wait_for(self.deliver(notice), SENDING_LIMIT.total_seconds())
        except Undeliverable as error:
            cause = _cause(error)
        except Exception as error:
            cause = _cause(error)
            if notice.attempts < MOST_ATTEMPTS:
                wait = back_off(notice.attempts, self.chance(), notice.tier)
                asked = getattr(error, "after", None)
                if isinstance(asked, timedelta):
                    wait = max(wait, min(asked, longest_wait(notice.tier)))
                logger.warning("outbox %s: attempt %d failed: %s", self.name, notice.attempts, cause)
                return partial(recording.retry, self.db, notice, self.owner, wait, cause)
            cause = f"Given up after {notice.attempts} attempts. The last cause: {cause}"
        else:
            return partial(recording.sent, self.db, notice, receipt)
        logger.error("outbox %s: dead letter for handoff %s: %s", self.name, notice.handoff_id, cause)
        return partial(recording.dead, self.db, notice, self.owner, cause)


def longest_wait(tier: str) -> timedelta:
    """The longest wait between two attempts for this tier."""
    return LONGEST_WAIT if tier in GRAVE else LONGEST_WAIT_OTHERS


def back_off(attempt: int, chance: float, tier: str = "T0") -> timedelta:
    """How long to wait after failed attempt number `attempt` (from 1); `chance` is random in [0, 1).

    Full jitter: anything up to a ceiling that doubles from 2 seconds to the tier's longest wait, so that many rows that
    failed together do not come back together.
    """
    ceiling = min(longest_wait(tier), FIRST_WAIT * 2 ** min(attempt - 1, 20))
    return ceiling * chance


def heartbeat_name(part: str) -> str:
    """The name under which the loop of a channel or a chore shows that it is alive."""
    return f"outbox.{part}"


def stopped(session: Session, parts: Iterable[str], within: timedelta = STOPPED_AFTER) -> list[str]:
    """Those of these channels and chores whose loop has shown no life lately: an alarm, because then nobody is told."""
    oldest = now(session) - within
    beats = {part: outbox.last_beat(session, heartbeat_name(part)) for part in parts}
    return [part for part, beat in beats.items() if beat is None or beat < oldest]


def alive(db: Database, parts: Collection[str], within: timedelta = STOPPED_AFTER) -> bool:
    """Whether all of these loops have shown life lately. False too where the database cannot say."""
    try:
        with db.read() as session:
            return not stopped(session, parts, within)
    except DatabaseUnavailable:
        return False


async def run(
    db: Database,
    deliveries: Mapping[str, Delivery],
    stop: asyncio.Event,
    *,
    chores: Mapping[str, Pass] | None = None,
    every: float = 1.0,
    chores_every: float = CHORES_EVERY,
    chance: Callable[[], float] = random.random,
    news: News | None = None,
) -> None:
    """Works until `stop` is set; then finishes what is being sent, within FINISH_SECONDS, and returns. Never raises for
    one row or a database that is away. `news` hears of what was sent or could not be."""
    owner = f"{os.getpid()}.{uuid.uuid4().hex[:8]}"
    try:
        await asyncio.to_thread(_bury, db, tuple(deliveries))
    except DatabaseUnavailable as error:
        logger.warning("outbox: the database is away: %s", error)
    channels = [Channel(db, name, deliver, owner, chance, news) for name, deliver in deliveries.items()]
    loops = [_loop(db, channel.name, channel.start_due, stop, every) for channel in channels]
    loops += [_loop(db, name, work, stop, chores_every) for name, work in (chores or {}).items()]
    await asyncio.gather(*loops)
    await asyncio.gather(*(channel.finish(FINISH_SECONDS) for channel in channels))


async def send_due(
    db: Database,
    channel: str,
    deliver: Delivery,
    owner: str,
    chance: Callable[[], float] = random.random,
) -> int:
    """One pass over a channel: leases one batch of due rows and handles them side by side. Says how many."""
    one = Channel(db, channel, deliver, owner, chance)
    number = await one.start_due()
    await one.finish()
    return number


async def _loop(db: Database, name: str, work: Pass, stop: asyncio.Event, every: float) -> None:
    last_beat: datetime | None = None
    while not stop.is_set():
        handled = 0
        try:
            at = db.clock()
            if last_beat is None or at - last_beat >= BEAT_EVERY:
                await asyncio.to_thread(_beat, db, name)
                last_beat = at
            handled = await work()
        except DatabaseUnavailable as error:
            logger.warning("outbox %s: the database is away: %s", name, error)
        except Exception as error:
            # This loop is the last to give up: whatever went wrong, the next pass may be right.
            logger.error("outbox %s: pass failed: %s", name, type(error).__name__)
        if handled < BATCH:
            with suppress(asyncio.TimeoutError):
                await asyncio.wait_for(stop.wait(), every)


def _lease(db: Database, channel: str, owner: str, without: tuple[str, ...]) -> list[Due]:
    with db.read() as session:
        if not outbox.anything_due(session, channel, without):
            return []
    with db.begin() as session:
        return outbox.lease(session, channel, owner, LEASE, BATCH, without)


def _beat(db: Database, part: str) -> None:
    with db.begin() as session:
        outbox.beat(session, heartbeat_name(part))


def _bury(db: Database, channels: tuple[str, ...]) -> None:
    with db.begin() as session:
        buried = outbox.bury_unknown_channels(session, channels)
    if buried:
        logger.error("outbox: %d notices are for channels that have no delivery", buried)


def _cause(error: Exception) -> str:
    """The cause in words of ours; of an error that is not ours only its kind: its text may hold what was being sent."""
    if isinstance(error, asyncio.TimeoutError):
        return f"It took longer than {SENDING_LIMIT.total_seconds():g} seconds."
    ours = isinstance(error, (TryLater, Undeliverable)) and str(error)
    return (str(error) if ours else type(error).__name__)[:_LONGEST_CAUSE]
