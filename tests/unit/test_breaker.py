"""The circuit breaker: what opens it, what closes it, and that nobody waits meanwhile."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Callable

import pytest

from bot.web import breaker as breaker_module
from bot.web.breaker import CLOSED, OPEN, TRIAL, Breaker


class Patient:
    """What is asked how it is, and says so."""

    def __init__(self) -> None:
        self.well, self.asked = True, 0

    async def __call__(self) -> bool:
        self.asked += 1
        return self.well


@pytest.fixture
def probe() -> Patient:
    return Patient()


@pytest.fixture
async def breaker(probe: Patient, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Breaker]:
    for name in ("SHORTEST_PAUSE", "LONGEST_PAUSE", "ASK_EVERY"):
        monkeypatch.setattr(breaker_module, name, getattr(breaker_module, name) / 20)
    made = Breaker("rasa:5055", probe)
    yield made
    await made.stop()


async def until(true: Callable[[], bool], seconds: float = 3.0) -> None:
    end = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < end, "not in time"
        await asyncio.sleep(0.002)


async def test_several_conversations_that_fail_in_a_row_open_it(breaker: Breaker) -> None:
    for who in ("a", "b"):
        breaker.failed(who)
    assert breaker.state == CLOSED and breaker.failures == 2
    breaker.succeeded()
    for who in ("c", "d"):
        breaker.failed(who)
    assert breaker.lets_through
    breaker.failed("e")
    assert not breaker.lets_through and breaker.opened == 1


async def test_one_patient_cannot_open_it_for_the_others(breaker: Breaker, probe: Patient) -> None:
    for _ in range(50):
        breaker.failed("a")
        await asyncio.sleep(0)
    await until(lambda: probe.asked > 0)
    assert breaker.state == CLOSED


async def test_one_failure_is_enough_where_it_is_not_well(breaker: Breaker, probe: Patient) -> None:
    probe.well = False
    breaker.failed("a")
    await until(lambda: breaker.state == OPEN)
    asked = probe.asked
    await until(lambda: probe.asked > asked + 1)
    assert breaker.state == OPEN
    probe.well = True
    await until(lambda: breaker.state == TRIAL)
    assert breaker.lets_through
    breaker.succeeded()
    assert breaker.state == CLOSED


async def test_a_trial_that_fails_opens_it_again_for_longer(breaker: Breaker) -> None:
    breaker.open("test")
    pauses = []
    for _ in range(6):
        began = time.monotonic()
        await until(lambda: breaker.state == TRIAL)
        pauses.append(time.monotonic() - began)
        breaker.failed("a")
        assert breaker.state == OPEN
    assert pauses[2] > pauses[0] * 1.5 and max(pauses) < breaker_module.LONGEST_PAUSE * 3


async def test_a_late_answer_closes_it_for_good(breaker: Breaker, probe: Patient) -> None:
    breaker.open("test")
    breaker.succeeded()
    assert breaker.state == CLOSED
    await asyncio.sleep(breaker_module.SHORTEST_PAUSE * 2)
    assert breaker.state == CLOSED and probe.asked == 0


async def test_failures_that_come_in_while_it_is_open_change_nothing(breaker: Breaker) -> None:
    breaker.open("test")
    for who in "abcdef":
        breaker.failed(who)
        breaker.suspect()
    assert breaker.opened == 1 and breaker.failures == 0
