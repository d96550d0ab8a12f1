"""The lock of a conversation: several stores stand for several Rasa processes, over a real Redis."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any

import pytest

from bot.rasa_light import activate
from tests.support import valkey as servers
from tests.support.valkey import Valkey

activate()
from rasa.core.lock_store import InMemoryLockStore, LockError, RedisLockStore  # noqa: E402
from rasa.core.lock_store import LockStore as RasaLockStore  # noqa: E402
from rasa.shared.exceptions import RasaException  # noqa: E402
from rasa.utils.endpoints import EndpointConfig, read_endpoint_config  # noqa: E402

from bot.channels import lock_store as lock_store_module  # noqa: E402
from bot.channels.lock_store import LOCK_LOST, LockStore, still_held  # noqa: E402
from bot.channels.turn import begin_turn  # noqa: E402

pytestmark = pytest.mark.rasa
valkey = servers.valkey
LAPSES, RENEW = 0.6, 0.15


@pytest.fixture
async def stores(valkey: Valkey, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[list[LockStore]]:
    """Two processes' stores, five times as impatient as the real ones."""
    if valkey.process is None:
        valkey.start()
    monkeypatch.setattr(lock_store_module, "LAPSES_AFTER", LAPSES)
    monkeypatch.setattr(lock_store_module, "RENEW_EVERY", RENEW)
    made = [LockStore(EndpointConfig(url=valkey.url)) for _ in range(2)]
    await made[0]._redis.flushall()
    yield made
    for one in made:
        await one._redis.aclose()


async def turns(stores: list[Any], number: int, work: Callable[[int], Awaitable[None]], conversation: str) -> None:
    async def one(place: int) -> None:
        async with stores[place % len(stores)].lock(conversation):
            await work(place)

    await asyncio.gather(*(one(place) for place in range(number)))


class Tracker:
    """Read, a pause, written back: what goes wrong where two do it at once."""

    def __init__(self) -> None:
        self.events: list[int] = []
        self.inside = self.most_inside = 0

    async def work(self, place: int) -> None:
        self.inside += 1
        self.most_inside = max(self.most_inside, self.inside)
        read = list(self.events)
        await asyncio.sleep(0.002)
        self.events = [*read, place]
        self.inside -= 1


async def test_one_at_a_time_and_nobody_is_lost(stores: list[LockStore]) -> None:
    trackers = {name: Tracker() for name in ("a", "b", "c", "d")}
    await asyncio.gather(*(turns(stores, 20, tracker.work, name) for name, tracker in trackers.items()))
    for tracker in trackers.values():
        assert sorted(tracker.events) == list(range(20)) and tracker.most_inside == 1
    assert await stores[0]._redis.keys("*") == []


async def test_in_the_order_in_which_they_came(stores: list[LockStore]) -> None:
    order: list[int] = []
    waiting = []

    async def one(place: int) -> None:
        async with stores[place % 2].lock("c"):
            order.append(place)

    async with stores[0].lock("c"):
        for place in range(6):
            waiting.append(asyncio.create_task(one(place)))
            line = "pne:line:{c}"
            while await stores[0]._redis.zcard(line) < place + 2:
                await asyncio.sleep(0.001)
    await asyncio.gather(*waiting)
    assert order == list(range(6))


async def test_the_next_one_is_let_in_within_milliseconds(stores: list[LockStore]) -> None:
    async def entered() -> float:
        async with stores[1].lock("c"):
            return time.monotonic()

    waits = []
    for _ in range(20):
        async with stores[0].lock("c"):
            waiting = asyncio.create_task(entered())
            await asyncio.sleep(0.03)
            left = time.monotonic()
        waits.append(await waiting - left)
    assert sorted(waits)[10] < 0.05 and max(waits) < 0.2


async def test_a_slow_turn_is_not_overtaken_as_long_as_it_works(stores: list[LockStore]) -> None:
    turn = begin_turn()
    async with stores[0].lock("c"):
        other = asyncio.create_task(turns([stores[1]], 1, Tracker().work, "c"))
        await asyncio.sleep(LAPSES * 3)
        assert not other.done() and await still_held()
    await asyncio.wait_for(other, 1)
    assert turn.troubles == []


async def test_a_killed_process_blocks_its_conversation_for_seconds_only(stores: list[LockStore]) -> None:
    dead, alive = stores
    place = lock_store_module._Place(dead, "c")
    await dead._wait(place, 1, 0.05)  # and never again
    began = time.monotonic()
    await asyncio.wait_for(turns([alive], 1, Tracker().work, "c"), 5)
    assert LAPSES * 0.5 < time.monotonic() - began < LAPSES * 2
    assert not await dead.renew(place)  # should it come back


async def test_one_that_dies_while_it_waits_holds_nobody_up(stores: list[LockStore]) -> None:
    dead, alive = stores
    async with alive.lock("c"):
        await dead._ask(dead._run(dead._take, lock_store_module._Place(dead, "c")))
        await asyncio.sleep(LAPSES * 1.5)
    await asyncio.wait_for(turns([alive], 1, Tracker().work, "c"), LAPSES / 2)


async def test_a_holder_that_hung_is_overtaken_and_may_not_write(stores: list[LockStore]) -> None:
    """Time passes without a renewal, as for a process that was stopped; then it goes on."""
    hung, other = stores
    reached, written = asyncio.Event(), []

    async def stopped() -> None:
        async with hung.lock("c"):
            hung._renew = never
            reached.set()
            await asyncio.sleep(LAPSES * 1.5)
            hung._renew = renew
            if await still_held():
                written.append("hung")

    async def never(**_: Any) -> int:
        await asyncio.sleep(60)
        return 0

    renew = hung._renew
    turn = begin_turn()
    working = asyncio.create_task(stopped())
    await reached.wait()

    async def write(_: int) -> None:
        written.append("other")

    await asyncio.wait_for(turns([other], 1, write, "c"), 5)
    await working
    assert written == ["other"] and LOCK_LOST in turn.troubles


async def test_a_turn_whose_lock_is_gone_is_given_up(stores: list[LockStore], valkey: Valkey) -> None:
    """Redis was restarted and has forgotten everybody."""
    turn = begin_turn()
    with pytest.raises(LockError):
        async with stores[0].lock("c"):
            await stores[0]._redis.flushall()
            await asyncio.sleep(60)
    assert turn.troubles[0] == LOCK_LOST
    await turns(stores, 2, Tracker().work, "c")  # and the store goes on


async def test_a_turn_that_ends_without_its_lock_says_so(stores: list[LockStore]) -> None:
    turn = begin_turn()
    async with stores[0].lock("c"):
        await stores[0]._redis.flushall()
    assert turn.troubles == [LOCK_LOST]


async def test_a_turn_that_holds_it_for_too_long_is_given_up(stores: list[LockStore]) -> None:
    with pytest.raises(LockError):
        async with stores[0].lock("c", lock_lifetime=0.3):
            await asyncio.sleep(60)


async def test_whoever_is_cancelled_leaves_the_line(stores: list[LockStore]) -> None:
    async with stores[0].lock("c"):
        waiting = asyncio.create_task(turns([stores[1]], 1, Tracker().work, "c"))
        await asyncio.sleep(0.05)
        waiting.cancel()
        with pytest.raises(asyncio.CancelledError):
            await waiting
        with pytest.raises(LockError):
            async with stores[1].lock("c", lock_lifetime=0.1):
                raise AssertionError("was let in")
    assert await stores[0]._redis.keys("*") == []


@pytest.mark.parametrize("away", ["kill", "hang"])
async def test_without_redis_no_turn_begins_and_it_is_said_once(
    stores: list[LockStore], valkey: Valkey, away: str, caplog: pytest.LogCaptureFixture
) -> None:
    async with stores[0].lock("c"):
        pass
    getattr(valkey, away)()
    try:
        for _ in range(3):
            began = time.monotonic()
            with pytest.raises(LockError):
                async with stores[0].lock("c"):
                    raise AssertionError("began without a lock")
            assert time.monotonic() - began < 2.0
        assert not await stores[0].healthy()
    finally:
        valkey.wake() if away == "hang" else valkey.start()
    async with stores[0].lock("c"):
        assert await stores[0].healthy() and await still_held()
    said = [record.getMessage() for record in caplog.records if record.name == lock_store_module.__name__]
    assert len(said) == 2, said


async def test_redis_away_for_a_moment_does_not_end_a_turn(stores: list[LockStore], valkey: Valkey) -> None:
    turn = begin_turn()
    async with stores[0].lock("c"):
        valkey.hang()
        try:
            await asyncio.sleep(LAPSES / 3)
        finally:
            valkey.wake()
        await asyncio.sleep(RENEW * 2)
        assert await still_held()
    assert turn.troubles == []


async def test_without_an_address_the_locks_are_in_memory() -> None:
    for made in (LockStore(EndpointConfig(url="")), LockStore()):
        assert isinstance(made, InMemoryLockStore)
        tracker = Tracker()
        await turns([made], 10, tracker.work, "c")
        assert sorted(tracker.events) == list(range(10)) and tracker.most_inside == 1
        assert await made.healthy() and await still_held()


def test_rasa_makes_it_from_endpoints_yml(monkeypatch: pytest.MonkeyPatch) -> None:
    for url in ("", "redis://127.0.0.1:1/0"):
        monkeypatch.setenv("PNE_REDIS_URL", url)
        for name in ("PNE_ACTIONS_URL", "PNE_TRACKER_URL"):
            monkeypatch.setenv(name, "x")
        made = RasaLockStore.create(read_endpoint_config("endpoints.yml", "lock_store"))
        assert isinstance(made, LockStore) and (made._redis is not None) == bool(url)
    with pytest.raises(RasaException):
        LockStore(EndpointConfig(url="localhost:6379"))


async def test_the_stock_store_would_fail_these_tests(valkey: Valkey) -> None:
    """Rasa's own, on the same work: tickets vanish, several are inside at once, or somebody is turned away."""
    made: list[Any] = [RedisLockStore(port=valkey.port) for _ in range(2)]
    tracker, wrong = Tracker(), 0

    async def one(place: int) -> None:
        nonlocal wrong
        # As two processes would: between reading the line and writing it back the other one comes.
        try:
            lock = await asyncio.to_thread(made[place % 2].issue_ticket, "c")
        except LockError:
            wrong += 1
        else:
            tickets.append(lock)

    tickets: list[int] = []
    await asyncio.gather(*(one(place) for place in range(40)))
    assert wrong or len(set(tickets)) < 40, tracker
