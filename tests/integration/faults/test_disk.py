"""A full disk, a disk that is busy with somebody else's writing: both SQLite files, under load."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.drills import RECOVERED_WITHIN, a_ward, busy, recovery
from tests.support.drills_disk import Disk, held, small_disk, sound
from tests.support.drills_log import check
from tests.support.drills_stack import Supervised, supervised

pytestmark = pytest.mark.rasa
FILES = ("pne.db", "tracker.db")


@pytest.fixture(scope="module")
def disk(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Disk]:
    with small_disk(tmp_path_factory.mktemp("small")) as made:
        yield made


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory, disk: Disk) -> Iterator[Supervised]:
    urls = [f"sqlite:///{disk.folder / name}" for name in FILES]
    options = {"PNE_DATABASE_URL": urls[0], "PNE_TRACKER_URL": urls[1]}
    with supervised(tmp_path_factory.mktemp("drill"), **options) as made:
        yield made


async def test_a_full_disk(running: Supervised, disk: Disk) -> None:
    async with a_ward(running.stack.url) as ward:
        await ward.begin(reds=6, every=1.0)
        await asyncio.sleep(1)
        await asyncio.to_thread(disk.fill)
        await asyncio.sleep(6)
        await asyncio.to_thread(disk.free)
        freed = time.monotonic()
        await ward.calm(freed)
        await ward.end()
        took = recovery(ward, freed)
        result = check("full disk for 6 s", ward, running.stack.database(), took)
    assert running.said == [], "nothing died of it"
    assert all(sound(disk.folder / name) for name in FILES)
    assert any(what.startswith("503") for what in result.told), "the disk was not full"
    alarms = [words for what in result.told for words in [what] if "handoff/not_stored_safety" in words]
    assert alarms, "no safety words for the alarms that could not be kept"
    assert took < RECOVERED_WITHIN * busy()


async def test_somebody_else_writes_for_five_seconds(running: Supervised, disk: Disk) -> None:
    async with a_ward(running.stack.url) as ward:
        await ward.begin(reds=5, every=1.0)
        await asyncio.sleep(1)
        with held(*(Path(disk.folder) / name for name in FILES)):
            await asyncio.sleep(5)
        over = time.monotonic()
        await ward.calm(over)
        await ward.end()
        took = recovery(ward, over)
        check("SQLite files held for 5 s by another process", ward, running.stack.database(), took)
    assert took < RECOVERED_WITHIN * busy()
