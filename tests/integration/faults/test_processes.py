"""kill -9 of every process in turn, under load, with the product's own supervisor to bring it back; and SIGTERM."""

from __future__ import annotations

import asyncio
import signal
import time
from collections.abc import Iterator

import pytest

from tests.support.drills import PLAN, QUESTIONS, RECOVERED_WITHIN, a_ward, busy, recovery
from tests.support.drills_log import check
from tests.support.drills_stack import Supervised, supervised

pytestmark = pytest.mark.rasa


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Supervised]:
    with supervised(tmp_path_factory.mktemp("drill")) as made:
        yield made


@pytest.mark.parametrize("name", ["web", "rasa", "actions"])
async def test_killed_with_signal_9(running: Supervised, name: str) -> None:
    texts = (*QUESTIONS, PLAN) if name == "actions" else QUESTIONS
    async with a_ward(running.stack.url) as ward:
        await ward.begin(reds=5, every=1.0, texts=texts)
        await asyncio.sleep(1)
        pid, killed = running.pid(name), time.monotonic()
        running.kill(name)
        await ward.calm(killed + 2, 90)
        await ward.end()
        running.wait(name)
        assert running.pid(name) != pid
        took = recovery(ward, killed)
        check(f"kill -9 of {name}", ward, running.stack.database(), took)
    assert took < RECOVERED_WITHIN * busy()


async def test_told_to_stop_the_web_app_finishes_its_turns(running: Supervised) -> None:
    """SIGTERM, as a roll-out sends it: what was taken is answered before the process ends or by the next one."""
    async with a_ward(running.stack.url) as ward:
        await ward.begin(reds=3, every=1.0)
        await asyncio.sleep(1)
        stopped = time.monotonic()
        running.kill("web", signal.SIGTERM)
        await ward.calm(stopped + 2, 90)
        await ward.end()
        took = recovery(ward, stopped)
        check("SIGTERM of web", ward, running.stack.database(), took)
    assert any("code 0" in line or "code -15" in line for line in running.said), running.said
    assert took < RECOVERED_WITHIN * busy()
