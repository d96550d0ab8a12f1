"""Wake-ups between processes: two hubs over a real Redis that is killed, hung and brought back."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import AsyncIterator, Callable
from typing import Any

import pytest
import redis
from structlog.testing import capture_logs

from bot.settings import SettingsError
from bot.web import fanout as fanout_module
from bot.web.fanout import Fanout
from bot.web.limits import Limits
from bot.web.stream import NEW, Hub
from tests.support import valkey as servers
from tests.support.logs import catchable
from tests.support.valkey import Valkey

valkey = servers.valkey
TOPIC = "conversation:one"


async def until(true: Callable[[], bool], seconds: float = 5.0) -> None:
    end = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < end, "not in time"
        await asyncio.sleep(0.01)


@pytest.fixture
async def pair(valkey: Valkey, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[list[Fanout]]:
    """Two processes' lines, both open. Five times as impatient as the real ones (tests/integration/scale)."""
    for name in ("STEP", "BEAT_EVERY", "LOOK_EVERY", "LONGEST_PAUSE", "LOST_AFTER"):
        monkeypatch.setattr(fanout_module, name, getattr(fanout_module, name) / 5)
    if valkey.process is None:
        valkey.start()
    made = [Fanout(Hub(), valkey.url, "a secret of all processes") for _ in range(2)]
    for one in made:
        one.start()
    await until(lambda: all(one.up and not looking(one) for one in made))
    yield made
    for one in made:
        await one.stop()


def looking(line: Fanout) -> bool:
    return line._looking is not None and not line._looking.done()


async def test_a_wake_up_reaches_the_other_process_and_its_own_only_once(pair: list[Fanout]) -> None:
    here, there = pair
    with here.hub.listen(TOPIC) as mine, there.hub.listen(TOPIC) as theirs, there.hub.listen("other") as others:
        await until(lambda: not (looking(here) or looking(there)))
        for queue in (mine, theirs, others):
            while not queue.empty():
                queue.get_nowait()
        item = {"unsaved": {"seq": None, "body": {"kind": "safety", "bubbles": ["…"]}}}
        here.hub.wake(TOPIC, item)
        assert await asyncio.wait_for(theirs.get(), 2) == item
        there.hub.wake(TOPIC, {"status": {"open": True}})  # by now its own has come back, if it does
        assert await asyncio.wait_for(mine.get(), 2) == item
        assert await asyncio.wait_for(mine.get(), 2) == {"status": {"open": True}}
        assert mine.empty() and others.empty()


async def test_plain_wake_ups_in_one_batch_are_one() -> None:
    word = {"topic": TOPIC, "item": {"unsaved": {}}}
    batch: list[dict[str, Any]] = [{"topic": TOPIC, "item": NEW}, word, {"topic": TOPIC, "item": NEW}, word]
    batch.append({"topic": "b", "item": NEW})
    assert fanout_module._without_repeats(batch) == [word, batch[2], word, batch[4]]


@pytest.mark.parametrize("away", ["kill", "hang"])
async def test_without_redis_streams_look_at_the_log_and_nothing_waits(
    pair: list[Fanout], valkey: Valkey, away: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    catchable(monkeypatch)
    here, there = pair
    with there.hub.listen(TOPIC) as theirs, capture_logs() as logged:
        while not theirs.empty():
            theirs.get_nowait()
        try:
            began = time.monotonic()
            getattr(valkey, away)()
            for _ in range(5000):
                here.hub.wake(TOPIC, {"typing": {"by": "patient"}})
            assert time.monotonic() - began < 5.0
            assert await asyncio.wait_for(theirs.get(), 20) == NEW
            await until(lambda: not here.up and not there.up, 30)
            assert await asyncio.wait_for(theirs.get(), 20) == NEW
        finally:
            valkey.wake() if away == "hang" else valkey.start()
        await until(lambda: here.up and there.up, 30)
        assert here.dropped >= 5000 - fanout_module.WAITING and (here.lost, there.lost) >= (1, 1)
        await until(lambda: not looking(there), 30)
        while not theirs.empty():
            theirs.get_nowait()
        here.hub.wake(TOPIC, {"shown": 1})
        assert await asyncio.wait_for(theirs.get(), 20) in ({"shown": 1}, NEW)
        assert [line["event"] for line in logged].count("fanout_down") == 2


async def test_who_comes_back_has_the_others_look(pair: list[Fanout]) -> None:
    """What it could not say meanwhile is in the log."""
    here, there = pair
    with there.hub.listen(TOPIC) as theirs:
        while not theirs.empty():
            theirs.get_nowait()
        here.up = False
        here.hub.wake(TOPIC, NEW)
        assert here.dropped and theirs.empty()
        assert await asyncio.wait_for(theirs.get(), 5) == NEW  # its next heartbeat brings it up again


async def test_a_look_that_is_asked_for_during_another_is_not_lost(pair: list[Fanout]) -> None:
    here, _ = pair
    with here.hub.listen(TOPIC) as mine:
        await until(lambda: not looking(here))
        while not mine.empty():
            mine.get_nowait()
        here._look(0.3)
        await asyncio.sleep(0)
        assert await asyncio.wait_for(mine.get(), 1) == NEW
        here._look(0.3)  # the one under way has been to this topic already
        assert await asyncio.wait_for(mine.get(), 1) == NEW


async def test_more_than_fits_is_dropped_counted_and_made_good(pair: list[Fanout]) -> None:
    here, there = pair
    before = here.dropped
    with there.hub.listen("last") as theirs:
        for number in range(fanout_module.WAITING + 500):
            here.hub.wake(f"t{number}", NEW)
        here.hub.wake("last", NEW)
        assert 500 <= here.dropped - before <= 510
        assert await asyncio.wait_for(theirs.get(), 5) == NEW


async def test_another_process_that_falls_silent_is_looked_after_and_one_that_says_goodbye_is_not(
    pair: list[Fanout], valkey: Valkey, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(fanout_module, "OTHER_SILENT", 0.3)
    monkeypatch.setattr(fanout_module, "LOOK_EVERY_FOR_OTHERS", 0.3)
    here, there = pair
    with redis.Redis.from_url(valkey.url) as line, here.hub.listen(TOPIC) as mine:
        await until(lambda: not looking(here))
        while not mine.empty():
            mine.get_nowait()
        await there.stop()
        line.publish(here._channel, json.dumps({"by": "cut off", "beat": True}))
        for _ in range(2):
            assert await asyncio.wait_for(mine.get(), 3) == NEW
        line.publish(here._channel, json.dumps({"by": "cut off", "gone": True}))
        await until(lambda: not here._others and not looking(here))
        while not mine.empty():
            mine.get_nowait()
        with pytest.raises(asyncio.TimeoutError):
            await asyncio.wait_for(mine.get(), 1.0)


async def test_what_is_no_message_of_ours_harms_nothing(pair: list[Fanout], valkey: Valkey) -> None:
    here, _ = pair
    with redis.Redis.from_url(valkey.url) as line, here.hub.listen(TOPIC) as mine:
        await until(lambda: not looking(here))
        while not mine.empty():
            mine.get_nowait()
        big = json.dumps({"by": "x", "topic": TOPIC, "item": {"unsaved": "y" * fanout_module.LARGEST}})
        odd = ("null", "[]", "7", '{"by": 1, "topic": 2}', '{"topic": "x"}', '{"by": "x", "count": "?", "keys": [1]}')
        for data in (b"\xff", big, *odd):
            line.publish(here._channel, data)
        line.publish(here._channel, json.dumps({"by": "x", "topic": TOPIC, "item": {"shown": 2}}))
        assert await asyncio.wait_for(mine.get(), 2) == {"shown": 2}


async def test_limits_are_counted_together_and_addresses_travel_hidden(pair: list[Fanout], valkey: Valkey) -> None:
    limits = [Limits(2, 3) for _ in pair]
    with redis.Redis.from_url(valkey.url) as line:
        overheard = line.pubsub(ignore_subscribe_messages=True)
        overheard.subscribe(pair[0]._channel)
        for one, shared in zip(pair, limits, strict=True):
            one.share("messages", shared)
        assert limits[0].wait("c1", "192.0.2.7") == limits[0].wait("c2", "192.0.2.7") == 0
        await until(lambda: len(limits[1]._seen) == 3)
        assert limits[1].wait("c3", "192.0.2.7") == 0
        assert limits[1].wait("c4", "192.0.2.7") > 0
        await until(lambda: len(limits[0]._seen) == 4)
        assert limits[0].wait("c5", "192.0.2.7") > 0 and limits[0].wait("c5", "192.0.2.8") == 0
        said = [message["data"] for _ in range(50) if (message := overheard.get_message(timeout=0.02))]
        assert any(b"count" in data for data in said) and not any(b"192.0.2" in data for data in said)


async def test_limits_count_for_themselves_while_redis_is_away() -> None:
    alone = Fanout(Hub(), "redis://127.0.0.1:1/0", "secret")
    limits = Limits(1, 1)
    alone.share("messages", limits)
    assert limits.wait("c", "a") == 0 and limits.wait("d", "a") > 0


def test_an_address_that_is_none_stops_the_start() -> None:
    with pytest.raises(SettingsError):
        Fanout(Hub(), "localhost:6379")
