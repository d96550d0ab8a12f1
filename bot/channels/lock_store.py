"""One turn of a conversation at a time, whichever Rasa process it is at.

Rasa's own `RedisLockStore` reads the line of a conversation, changes it and writes it back: two processes that do so at
once let each other's tickets vanish, and both answer. It looks once a second, and a killed process blocks its
conversations for a minute. Here every change is one script inside Redis, waiting takes milliseconds, and whoever holds
the lock renews it: it lapses `LAPSES_AFTER` seconds after its holder died, and never while its holder works.

A holder that could not renew in time (it hung, or Redis lost everything) has lost its place. Its turn is cancelled, and
`still_held` keeps it from being saved. Without Redis no turn begins: the channel answers 503, the patient is told.

Without PNE_REDIS_URL there is one Rasa process, and its locks are in its memory.
"""

from __future__ import annotations

import asyncio
import logging
import secrets
import time
from collections.abc import AsyncGenerator, Awaitable
from contextlib import asynccontextmanager, suppress
from contextvars import ContextVar
from dataclasses import dataclass, field
from typing import Any

import redis.asyncio as redis
from rasa.core.lock import TicketLock
from rasa.core.lock_store import LOCK_LIFETIME, InMemoryLockStore, LockError
from rasa.shared.exceptions import RasaException
from rasa.utils.endpoints import EndpointConfig
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff
from redis.exceptions import RedisError

from bot.channels.turn import report_trouble

logger = logging.getLogger(__name__)

# Seconds.
LAPSES_AFTER = 3.0
RENEW_EVERY = 0.75
ANSWER_SECONDS = 1.0
FIRST_LOOK, LONGEST_LOOK = 0.005, 0.05
LOCK_LOST = "lock_lost"

# A line is two sorted sets: places by their number, and by the time (of Redis, in ms) at which they lapse.
_DROP_LAPSED = """
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
for _, gone in ipairs(redis.call('ZRANGEBYSCORE', KEYS[2], '-inf', now)) do
  redis.call('ZREM', KEYS[1], gone)
  redis.call('ZREM', KEYS[2], gone)
end
"""
_KEEP = """
redis.call('ZADD', KEYS[2], now + ARGV[2], ARGV[1])
redis.call('PEXPIRE', KEYS[1], ARGV[2] * 20)
redis.call('PEXPIRE', KEYS[2], ARGV[2] * 20)
"""
# 1 where it is this one's turn. Asked again it changes nothing but the time at which the place lapses.
_TAKE = f"""{_DROP_LAPSED}
if not redis.call('ZSCORE', KEYS[1], ARGV[1]) then
  local last = redis.call('ZREVRANGE', KEYS[1], 0, 0, 'WITHSCORES')
  redis.call('ZADD', KEYS[1], (last[2] or 0) + 1, ARGV[1])
end
{_KEEP}
return redis.call('ZRANGE', KEYS[1], 0, 0)[1] == ARGV[1] and 1 or 0
"""
# 1 where it is still this one's turn: a place that lapsed is never given back to who had it.
_RENEW = f"""{_DROP_LAPSED}
if redis.call('ZRANGE', KEYS[1], 0, 0)[1] ~= ARGV[1] then return 0 end
{_KEEP}
return 1
"""
_LEAVE = """
redis.call('ZREM', KEYS[2], ARGV[1])
return redis.call('ZREM', KEYS[1], ARGV[1])
"""


@dataclass
class _Place:
    """One turn's place in the line of its conversation. It surely stands until `good_until`, in monotonic seconds."""

    store: LockStore
    conversation: str
    token: str = field(default_factory=lambda: secrets.token_hex(8))
    good_until: float = 0.0
    lost: bool = False


_held: ContextVar[_Place | None] = ContextVar("pne_lock", default=None)


async def still_held() -> bool:
    """Whether the turn that runs in this context may still write: nobody else has had its conversation meanwhile.

    Asks Redis, and where that does not answer, the clock. Always true where locks are in memory."""
    place = _held.get()
    return place is None or await place.store.renew(place)


class LockStore(InMemoryLockStore):
    """Named in ``endpoints.yml``, with ``url: ${PNE_REDIS_URL}``."""

    def __init__(self, endpoint_config: EndpointConfig | None = None) -> None:
        """Raises RasaException for an address that is none. Redis may be away: turns fail until it is back."""
        super().__init__()
        url = (endpoint_config.url or "").strip() if endpoint_config is not None else ""
        self._redis: Any = None
        self._away = False
        if not url:
            return
        try:
            self._redis = redis.Redis.from_url(
                url,
                socket_timeout=ANSWER_SECONDS,
                socket_connect_timeout=ANSWER_SECONDS,
                retry=Retry(NoBackoff(), 1),  # a connection that had gone stale; every script may run twice
                retry_on_error=[redis.ConnectionError],
            )
        except ValueError:
            raise RasaException("PNE_REDIS_URL must look like redis://host:6379/0 or rediss://…") from None
        self._take, self._renew, self._leave = (self._redis.register_script(each) for each in (_TAKE, _RENEW, _LEAVE))

    @asynccontextmanager
    async def lock(
        self, conversation_id: str, lock_lifetime: float = LOCK_LIFETIME, wait_time_in_seconds: float = LONGEST_LOOK
    ) -> AsyncGenerator[TicketLock, None]:
        """Wait in line, then hold the conversation for the block, at most `lock_lifetime` seconds for each.

        Raises LockError where Redis is away, the wait is too long, or the place was lost during the block."""
        if self._redis is None:
            async with super().lock(conversation_id, lock_lifetime, min(wait_time_in_seconds, LONGEST_LOOK)) as held:
                yield held
            return
        place = _Place(self, conversation_id)
        keeping: asyncio.Task[None] | None = None
        try:
            await self._wait(place, lock_lifetime, wait_time_in_seconds)
            _held.set(place)
            keeping = asyncio.create_task(self._keep(place, asyncio.current_task(), lock_lifetime))
            yield TicketLock(conversation_id)
        except asyncio.CancelledError:
            if place.lost:
                raise LockError("The conversation's lock was lost; its turn was given up.") from None
            raise
        finally:
            if keeping is not None:
                keeping.cancel()
            _held.set(None)
            await self._release(place)

    async def healthy(self) -> bool:
        """Whether a turn could begin now: Redis answers, or none is needed."""
        try:
            return self._redis is None or bool(await self._ask(self._redis.ping()))
        except LockError:
            return False

    async def renew(self, place: _Place) -> bool:
        """Whether the place is still the first of its line; then it stands for another while."""
        before = time.monotonic()
        try:
            held = not place.lost and bool(await self._ask(self._run(self._renew, place)))
        except LockError:  # nobody can have been let in as long as ours has not lapsed
            return not place.lost and time.monotonic() < place.good_until
        if held:
            place.good_until = before + LAPSES_AFTER
        else:
            place.lost = True
            report_trouble(LOCK_LOST)
        return held

    async def _wait(self, place: _Place, longest: float, look_every: float) -> None:
        began, pause = time.monotonic(), FIRST_LOOK
        while True:
            place.good_until = time.monotonic() + LAPSES_AFTER
            if await self._ask(self._run(self._take, place)):
                return
            if time.monotonic() - began > longest:
                raise LockError("The turns before this one took too long.")
            await asyncio.sleep(pause)
            pause = min(pause * 1.5, look_every, LONGEST_LOOK)

    async def _keep(self, place: _Place, turn: asyncio.Task[Any] | None, longest: float) -> None:
        """Renew until told to stop. What has lost its place, or holds it for too long, must not go on."""
        until = time.monotonic() + longest
        await asyncio.sleep(RENEW_EVERY)
        while time.monotonic() < until and await self.renew(place):
            await asyncio.sleep(RENEW_EVERY)
        place.lost = True
        logger.error("A turn was given up: it lost its lock, or held it for more than %d s.", longest)
        if turn is not None:
            turn.cancel()

    async def _release(self, place: _Place) -> None:
        """Let the next one in. Where Redis is away the place lapses by itself."""
        kept = time.monotonic() < place.good_until
        if not self._away:
            with suppress(LockError):
                kept = bool(await self._ask(self._run(self._leave, place)))
        if not kept:
            report_trouble(LOCK_LOST)

    async def _run(self, script: Any, place: _Place) -> Any:
        # In braces, so that a cluster keeps both sets of a line together.
        keys = [f"pne:line:{{{place.conversation}}}", f"pne:lapse:{{{place.conversation}}}"]
        return await script(keys=keys, args=[place.token, int(LAPSES_AFTER * 1000)])

    async def _ask(self, asked: Awaitable[Any]) -> Any:
        """Redis' answer. Raises LockError where there is none; logs that once.

        In a task of its own: before Python 3.11 the client can swallow that it is cancelled, and stays in line."""
        asking = asyncio.ensure_future(asked)
        asking.add_done_callback(lambda done: done.cancelled() or done.exception())  # also where nobody waits for it
        try:
            answer = await asyncio.shield(asking)
        except (RedisError, OSError, asyncio.TimeoutError) as error:
            if not self._away:
                self._away = True
                logger.error("Redis does not answer (%s): no turn can begin.", type(error).__name__)
            raise LockError(f"Redis does not answer: {type(error).__name__}") from None
        if self._away:
            self._away = False
            logger.warning("Redis answers again.")
        return answer
