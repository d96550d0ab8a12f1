"""The outbox worker: leases what is due, sends it outside any transaction, records what came of it.

Each channel, and each chore beside them, has a loop of its own, so that one that hangs holds up no other, and
each row is handled on its own, so that a bad one stops none. Sending is at least once: a crash between sending
and recording sends again, with the same message id.
"""

from __future__ import annotations

import asyncio
import logging
import os
import random
import uuid
from collections.abc import Awaitable, Callable, Collection, Mapping
from contextlib import suppress
from datetime import datetime, timedelta
from functools import partial

from bot.store import outbox
from bot.store.outbox import Due
from bot.store.session import Database, DatabaseUnavailable

logger = logging.getLogger(__name__)

# Sends one notice over one channel. Undeliverable: trying again is useless. Any other error: tried again.
Delivery = Callable[[Due], Awaitable[None]]
# One pass over something else that falls due; says how much it did.
Pass = Callable[[], Awaitable[int]]

FIRST_WAIT = timedelta(seconds=2)
LONGEST_WAIT = timedelta(minutes=15)
SENDING_LIMIT = timedelta(seconds=20)
# Longer than a sending can take, so that a row is not sent twice while its worker is alive.
LEASE = timedelta(seconds=60)
# At the longest wait this is about a day: after that a person has to look.
MOST_ATTEMPTS = 200
BATCH = 10
CHORES_EVERY = 5.0
BEAT_EVERY = timedelta(seconds=10)
_LONGEST_CAUSE = 300


class TryLater(Exception):
    """The sending failed for now. `after`: how long the receiver asked us to wait, if it did."""

    def __init__(self, cause: str, after: timedelta | None = None) -> None:
        super().__init__(cause)
        self.after = after


class Undeliverable(Exception):
    """The sending failed and would fail again: the notice becomes a dead letter that a person must see."""


def back_off(attempt: int, chance: float) -> timedelta:
    """How long to wait after failed attempt number `attempt` (from 1); `chance` is random in [0, 1).

    Full jitter: anything up to a ceiling that doubles from 2 seconds to 15 minutes, so that many rows that
    failed together do not come back together.
    """
    ceiling = min(LONGEST_WAIT, FIRST_WAIT * 2 ** min(attempt - 1, 20))
    return ceiling * chance


def heartbeat_name(channel: str) -> str:
    """The name under which the loop of a channel or a chore shows that it is alive."""
    return f"outbox.{channel}"


def alive(db: Database, channels: Collection[str], within: timedelta = timedelta(seconds=60)) -> bool:
    """Whether every channel's loop has shown life lately. False too where the database cannot say."""
    try:
        with db.read() as session:
            beats = [outbox.last_beat(session, heartbeat_name(channel)) for channel in channels]
    except DatabaseUnavailable:
        return False
    oldest = db.clock() - within
    return all(beat is not None and beat >= oldest for beat in beats)


async def run(
    db: Database,
    deliveries: Mapping[str, Delivery],
    stop: asyncio.Event,
    *,
    chores: Mapping[str, Pass] | None = None,
    every: float = 1.0,
    chores_every: float = CHORES_EVERY,
    chance: Callable[[], float] = random.random,
) -> None:
    """Works until `stop` is set; then finishes what is being sent and returns. Never raises for one row or a
    database that is away."""
    owner = f"{os.getpid()}.{uuid.uuid4().hex[:8]}"
    try:
        await asyncio.to_thread(_bury, db, tuple(deliveries))
    except DatabaseUnavailable as error:
        logger.warning("outbox: the database is away: %s", error)
    loops = [
        _loop(db, channel, partial(send_due, db, channel, deliver, owner, chance), stop, every)
        for channel, deliver in deliveries.items()
    ]
    loops += [_loop(db, name, work, stop, chores_every) for name, work in (chores or {}).items()]
    await asyncio.gather(*loops)


async def send_due(
    db: Database,
    channel: str,
    deliver: Delivery,
    owner: str,
    chance: Callable[[], float] = random.random,
) -> int:
    """One pass over a channel: leases one batch of due rows and handles them side by side. Says how many."""
    due = await asyncio.to_thread(_lease, db, channel, owner)
    await asyncio.gather(*(_handle(db, notice, deliver, owner, chance) for notice in due))
    return len(due)


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


async def _handle(
    db: Database, notice: Due, deliver: Delivery, owner: str, chance: Callable[[], float]
) -> None:
    try:
        await asyncio.wait_for(deliver(notice), SENDING_LIMIT.total_seconds())
    except Undeliverable as error:
        record = _dead(db, notice, owner, _cause(error))
    except Exception as error:
        if notice.attempts >= MOST_ATTEMPTS:
            record = _dead(db, notice, owner, f"gave up after {notice.attempts} attempts: {_cause(error)}")
        else:
            record = _retry(db, notice, owner, error, chance())
    else:
        record = _sent(db, notice)
    try:
        await asyncio.to_thread(record)
    except DatabaseUnavailable as error:
        # The lease runs out and the row is handled again; the receiver knows the message id.
        logger.warning("outbox %s: not recorded: %s", notice.channel, error)


def _sent(db: Database, notice: Due) -> Callable[[], None]:
    def record() -> None:
        with db.begin() as session:
            outbox.record_sent(session, notice.id)

    return record


def _retry(db: Database, notice: Due, owner: str, error: Exception, chance: float) -> Callable[[], None]:
    wait = back_off(notice.attempts, chance)
    asked = getattr(error, "after", None)
    if isinstance(asked, timedelta):
        wait = max(wait, min(asked, LONGEST_WAIT))
    cause = _cause(error)

    def record() -> None:
        logger.warning("outbox %s: attempt %d failed: %s", notice.channel, notice.attempts, cause)
        with db.begin() as session:
            outbox.record_retry(session, notice.id, owner, db.clock() + wait, cause)

    return record


def _dead(db: Database, notice: Due, owner: str, cause: str) -> Callable[[], None]:
    def record() -> None:
        logger.error("outbox %s: dead letter for handoff %s: %s", notice.channel, notice.handoff_id, cause)
        with db.begin() as session:
            outbox.record_dead(session, notice.id, owner, cause)

    return record


def _lease(db: Database, channel: str, owner: str) -> list[Due]:
    with db.read() as session:
        if not outbox.anything_due(session, channel):
            return []
    with db.begin() as session:
        return outbox.lease(session, channel, owner, LEASE, BATCH)


def _beat(db: Database, channel: str) -> None:
    with db.begin() as session:
        outbox.beat(session, heartbeat_name(channel))


def _bury(db: Database, channels: tuple[str, ...]) -> None:
    with db.begin() as session:
        buried = outbox.bury_unknown_channels(session, channels)
    if buried:
        logger.error("outbox: %d notices are for channels that have no delivery", buried)


def _cause(error: Exception) -> str:
    text = f"{type(error).__name__}: {error}" if str(error) else type(error).__name__
    return text[:_LONGEST_CAUSE]
