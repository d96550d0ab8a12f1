"""PostgreSQL and Redis killed, slow, locked and short of connections, under load."""

from __future__ import annotations

import asyncio
import tempfile
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from tests.support.drills import QUESTIONS, RECOVERED_WITHIN, Ward, a_ward, busy, recovery
from tests.support.drills_log import check
from tests.support.drills_postgres import Postgres, new_postgres
from tests.support.drills_stack import Supervised, supervised
from tests.support.valkey import Valkey, new_valkey

pytestmark = pytest.mark.rasa


@pytest.fixture(scope="module")
def postgres() -> Iterator[Postgres]:
    with new_postgres() as made:
        yield made


@pytest.fixture(scope="module")
def redis() -> Iterator[Valkey]:
    with tempfile.TemporaryDirectory(prefix="valkey") as folder:
        made = new_valkey(Path(folder))
        try:
            yield made
        finally:
            made.kill()


@pytest.fixture(scope="module")
def running(
    tmp_path_factory: pytest.TempPathFactory, postgres: Postgres, redis: Valkey
) -> Iterator[Supervised]:
    options = {"PNE_DATABASE_URL": postgres.events, "PNE_TRACKER_URL": postgres.dialogues, "PNE_REDIS_URL": redis.url}
    with supervised(tmp_path_factory.mktemp("drill"), **options) as made:
        yield made


@asynccontextmanager
async def under_load(running: Supervised, name: str, reds: int = 5, **more: Any) -> AsyncIterator[Ward]:
    """Patients write all the while, and a second before; then it must become as it was, and the bars must hold. What
    breaks is over when the block ends."""
    async with a_ward(running.stack.url) as ward:
        await ward.begin(reds=reds, every=1.0)
        await asyncio.sleep(1)
        yield ward
        over = time.monotonic()
        await ward.calm(over)
        await ward.end()
        took = recovery(ward, over)
        check(name, ward, running.stack.database(), took, **more)
        assert took < RECOVERED_WITHIN * busy()


async def test_postgres_is_killed(running: Supervised, postgres: Postgres) -> None:
    async with under_load(running, "kill -9 of PostgreSQL, back after 2 s"):
        await asyncio.to_thread(postgres.kill)
        await asyncio.sleep(2)
        await asyncio.to_thread(postgres.start)


async def test_redis_is_killed(running: Supervised, redis: Valkey) -> None:
    async with under_load(running, "kill -9 of Redis, back after 3 s"):
        await asyncio.to_thread(redis.kill)
        await asyncio.sleep(3)
        await asyncio.to_thread(redis.start)


async def test_redis_hangs(running: Supervised, redis: Valkey) -> None:
    async with under_load(running, "Redis hangs for 5 s"):
        redis.hang()
        await asyncio.sleep(5)
        redis.wake()


async def test_postgres_takes_five_seconds_for_each_insert(running: Supervised, postgres: Postgres) -> None:
    postgres.takes(0, first=True)
    async with under_load(running, "PostgreSQL takes 5 s for each insert, for 8 s"):
        await asyncio.to_thread(postgres.takes, 5)
        await asyncio.sleep(8)
        await asyncio.to_thread(postgres.takes, 0)


async def test_the_logs_are_locked(running: Supervised, postgres: Postgres) -> None:
    async with under_load(running, "both tables of PostgreSQL locked for 6 s"):
        with postgres.locked():
            await asyncio.sleep(6)


async def test_too_few_connections(running: Supervised, postgres: Postgres) -> None:
    """52 messages at once, beside the load. The last one here: the server is restarted for it."""
    async with a_ward(running.stack.url) as ward:
        await ward.begin(askers=4, reds=0)
        pages = [await ward.new_page() for _ in range(26)]
        await asyncio.to_thread(postgres.at_most, 12)
        began = time.monotonic()
        await asyncio.gather(*(page.ask(QUESTIONS[place % 3], 90) for place, page in enumerate(pages * 2)))
        await ward.calm(time.monotonic(), 90)
        await ward.end()
        await asyncio.to_thread(postgres.at_most, 100)  # room for us to look
        print(f"56 clients with 12 connections: all answered after {time.monotonic() - began:.1f} s")
        check("56 clients, 12 connections", ward, running.stack.database())
