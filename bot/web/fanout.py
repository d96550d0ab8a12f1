"""Wake-ups from one web process to the others, over one channel of Redis. What is said in them is in the event log, or
is worth nothing later (somebody writes, words that could not be kept): nobody waits for them, and any may be lost.

Each process hears its own heartbeat through Redis, so it knows that both ways are open. While they are not, and while
another process has fallen silent, its streams read the log again every few seconds. Whoever comes back has all others
look once. Redis down costs a patient two seconds of waiting for a clinician's reply, and nothing else.

A wake-up may hold words of ours and the name of a clinician who writes; never what a patient wrote. Nothing is stored.
"""

from __future__ import annotations

import asyncio
import hashlib
import json
import random
import secrets
from collections.abc import Sequence
from contextlib import suppress
from functools import partial
from typing import Any

import redis.asyncio as redis
import structlog
from redis.backoff import NoBackoff

from bot.settings import SettingsError
from bot.web.limits import Limits
from bot.web.stream import NEW, Hub

log = structlog.get_logger(__name__)
# Seconds. A line is lost when no heartbeat has come back for LOST_AFTER.
STEP, BEAT_EVERY, LOST_AFTER = 0.25, 0.5, 1.5
# How often streams look at the log while this process is cut off, and while another one may be.
LOOK_EVERY, LOOK_EVERY_FOR_OTHERS = 2.0, 5.0
# Another process is worried about when it has been silent for so long, and forgotten after so long.
OTHER_SILENT, OTHER_FORGOTTEN = 4.0, 300.0
SHORTEST_PAUSE, LONGEST_PAUSE = 0.1, 2.0
ANSWER_SECONDS = 1.0
WAITING, BATCH = 1000, 200
LARGEST = 65_536


class Fanout:
    """The line of one process. `sent`, `heard`, `dropped` and `lost` count wake-ups and broken lines, for metrics."""

    def __init__(self, hub: Hub, url: str, secret: str = "") -> None:
        """`secret` hides what `share` counts by. Raises SettingsError for an address that is none."""
        self.hub = hub
        self.me = secrets.token_hex(8)
        self.up = False
        self.sent = self.heard = self.dropped = self.lost = 0
        self._secret = secret.encode()[:64]
        try:
            self._redis = redis.Redis.from_url(
                url,
                socket_timeout=ANSWER_SECONDS,
                socket_connect_timeout=ANSWER_SECONDS,
                retry=redis.retry.Retry(NoBackoff(), 1),  # a connection that had gone stale is no outage
                retry_on_error=[redis.ConnectionError],
            )
        except ValueError:
            raise SettingsError("PNE_REDIS_URL must look like redis://host:6379/0 or rediss://…") from None
        # Channels are the same for all databases of a server: the database's number keeps installations apart.
        self._channel = f"pne:{self._redis.connection_pool.connection_kwargs.get('db') or 0}:wake"
        self._out: asyncio.Queue[dict[str, Any]] = asyncio.Queue(WAITING)
        self._shared: dict[str, Limits] = {}
        self._others: dict[str, float] = {}
        self._subscribed = self._owes_a_look = self._said_down = False
        self._quiet = 0.0
        self._tasks: list[asyncio.Task[None]] = []
        self._looking: asyncio.Task[None] | None = None
        self._looks = 0

    def share(self, name: str, limits: Limits) -> None:
        """Count together with the other processes. Addresses travel as keyed hashes."""
        self._shared[name] = limits
        limits.hide = self._hidden
        limits.tell = partial(self._count, name)

    def start(self) -> None:
        """Begin, in the running loop. Waits for nothing: without Redis the streams look at the log."""
        self.hub.abroad = self._abroad
        self._tasks = [asyncio.create_task(work) for work in (self._hear(), self._send(), self._watch())]

    async def stop(self) -> None:
        """Say goodbye, so that nobody worries, and close the line."""
        self.hub.abroad = None
        left = set(self._tasks)
        while left:  # before Python 3.11 a timeout in the same moment can swallow a cancellation
            for task in left:
                task.cancel()
            _, left = await asyncio.wait(left, timeout=0.2)
        with suppress(Exception):
            await self._publish([{"gone": True}])
        with suppress(Exception):
            await self._redis.aclose()

    def _abroad(self, topic: str, item: dict[str, Any]) -> None:
        self._put({"topic": topic, "item": item})

    def _count(self, name: str, keys: Sequence[str]) -> None:
        self._put({"count": name, "keys": list(keys)})

    def _hidden(self, key: str) -> str:
        return hashlib.blake2b(key.encode("utf-8", "replace"), digest_size=12, key=self._secret).hexdigest()

    def _put(self, message: dict[str, Any]) -> None:
        if self.up and not self._out.full():
            self._out.put_nowait(message)
        else:
            self.dropped += 1
            self._owes_a_look = True

    def _beat(self) -> None:
        if not self._out.full():
            self._out.put_nowait({"beat": True})

    async def _send(self) -> None:
        while True:
            batch = [await self._out.get()]
            while len(batch) < BATCH and not self._out.empty():
                batch.append(self._out.get_nowait())
            if self._owes_a_look and self.up and self._out.empty():
                self._owes_a_look = False
                batch.append({"look": True})
            batch = _without_repeats(batch)
            try:
                await self._publish(batch)
                self.sent += len(batch)
            except Exception as error:
                self.dropped += len(batch)
                self._owes_a_look = True
                self._down(error)

    async def _publish(self, batch: Sequence[dict[str, Any]]) -> None:
        async with self._redis.pipeline(transaction=False) as line:
            for message in batch:
                line.publish(self._channel, json.dumps({"by": self.me, **message}))
            await line.execute()

    async def _hear(self) -> None:
        tries = 0
        while True:
            try:
                async with self._redis.pubsub(ignore_subscribe_messages=True) as line:
                    await line.subscribe(self._channel)
                    self._subscribed, self._quiet, tries = True, 0.0, 0
                    self._beat()
                    while self._quiet < LOST_AFTER:
                        message = await line.get_message(timeout=STEP)
                        if message is not None:
                            self._take(message["data"])
                    raise TimeoutError
            except Exception as error:
                self._subscribed = False
                self._down(error)
            # Full jitter: a hundred processes do not all come back in the same moment.
            await asyncio.sleep(random.uniform(0, min(LONGEST_PAUSE, SHORTEST_PAUSE * 2**tries)))
            tries = min(tries + 1, 10)

    def _take(self, data: bytes) -> None:
        """One message off the channel. What is no message of ours is let pass."""
        try:
            message = json.loads(data) if len(data) <= LARGEST else {}
            by = str(message["by"])
        except (ValueError, KeyError, TypeError):
            return
        if by == self.me:
            self._quiet = 0.0
            if not self.up:
                self._back()
            return
        self._others[by] = 0.0
        topic, item, keys = message.get("topic"), message.get("item"), message.get("keys")
        if isinstance(topic, str) and isinstance(item, dict):
            self.heard += 1
            self.hub.deliver(topic, item)
        elif isinstance(keys, list) and message.get("count") in self._shared:
            self._shared[message["count"]].heard([str(key) for key in keys])
        elif "look" in message:
            self._look(LOOK_EVERY / 2)
        elif "gone" in message:
            self._others.pop(by, None)

    async def _watch(self) -> None:
        loop = asyncio.get_running_loop()
        before, beat, looked = loop.time(), 0.0, 0.0
        while True:
            await asyncio.sleep(STEP)
            now = loop.time()
            # A loop that was held up has not listened meanwhile: only what it could have heard counts as silence.
            passed, before = min(now - before, 2 * STEP), now
            self._quiet += passed
            self._others = {by: quiet + passed for by, quiet in self._others.items() if quiet < OTHER_FORGOTTEN}
            if self._subscribed and now - beat >= BEAT_EVERY:
                beat = now
                self._beat()
            worried = any(quiet > OTHER_SILENT for quiet in self._others.values())
            if not self.up or worried:
                every = LOOK_EVERY_FOR_OTHERS if self.up else LOOK_EVERY
                if now - looked >= every:
                    looked = now
                    self._look(every / 2)

    def _down(self, error: Exception) -> None:
        if self.up:
            self.lost += 1
        if not self._said_down:  # once for each outage
            self._said_down = True
            log.warning("fanout_down", cause=type(error).__name__)
        self.up = False

    def _back(self) -> None:
        self.up, self._said_down, self._owes_a_look = True, False, True
        log.info("fanout_up", dropped=self.dropped)
        self._look(LOOK_EVERY / 2)  # something may have been missed meanwhile

    def _look(self, within: float) -> None:
        """Wake every stream, spread over a time, so that they do not all read at once. Asked again meanwhile, it is
        done again: what was woken first may have missed what came since."""
        self._looks += 1
        if self._looking is None or self._looking.done():
            self._looking = asyncio.create_task(self._look_again(within))

    async def _look_again(self, within: float) -> None:
        done, steps = 0, 10
        while done < self._looks:
            done, topics = self._looks, self.hub.topics()
            for step in range(steps):
                for topic in topics[step::steps]:
                    self.hub.look_again(topic)
                await asyncio.sleep(within / steps)
        self._looks = 0


def _without_repeats(batch: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
    """Of several plain wake-ups of one topic the last is enough."""
    kept: list[dict[str, Any]] = []
    seen: set[str] = set()
    for message in reversed(batch):
        if message.get("item") == NEW:
            if message["topic"] in seen:
                continue
            seen.add(message["topic"])
        kept.append(message)
    return kept[::-1]
