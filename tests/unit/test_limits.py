"""Rate limits: one minute, sliding, per conversation and per address."""

from __future__ import annotations

import pytest

from bot.web import limits as limits_module
from bot.web.limits import MINUTE, Limits


class Seconds:
    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Seconds:
    return Seconds()


def test_so_many_a_minute_and_then_the_time_to_wait(clock: Seconds) -> None:
    limits = Limits(2, 100, clock)
    assert [limits.wait("c", "a"), limits.wait("c", "a")] == [0, 0]
    clock.now += 20
    assert limits.wait("c", "a") == 41
    clock.now += 40
    assert limits.wait("c", "a") == 0


def test_a_refused_message_is_not_counted(clock: Seconds) -> None:
    limits = Limits(1, 100, clock)
    limits.wait("c", "a")
    for _ in range(5):
        assert limits.wait("c", "a") > 0
    clock.now += MINUTE
    assert limits.wait("c", "a") == 0


def test_conversations_have_their_own_windows_and_an_address_one_for_all(clock: Seconds) -> None:
    limits = Limits(1, 3, clock)
    assert [limits.wait(name, "home") for name in ("c1", "c2", "c3", "c4")] == [0, 0, 0, 61]
    assert limits.wait("c4", "elsewhere") == 0


def test_the_wait_is_never_less_than_a_second(clock: Seconds) -> None:
    limits = Limits(1, 1, clock)
    limits.wait("c", "a")
    clock.now += MINUTE - 0.001
    assert limits.wait("c", "a") >= 1


def test_memory_is_bounded_and_the_oldest_go(clock: Seconds, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(limits_module, "MOST_KEYS", 10)
    limits = Limits(1, 1, clock)
    for number in range(50):
        assert limits.wait(f"c{number}", f"a{number}") == 0
    assert len(limits._seen) <= 10
    assert limits.wait("c49", "other") > 0


def test_what_an_address_may_not_ask_leaves_no_trace_and_empties_nothing(
    clock: Seconds, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whoever asks in ever new names from one place must not push others' windows out."""
    monkeypatch.setattr(limits_module, "MOST_KEYS", 10)
    limits = Limits(1, 3, clock)
    assert limits.wait("guessed", "home") == 0
    for number in range(50):
        limits.wait(f"c{number}", "flood")
    assert len(limits._seen) == 2 + 3 + 1
    assert limits.wait("guessed", "elsewhere") > 0


def test_without_an_address_the_name_alone_counts(clock: Seconds) -> None:
    limits = Limits(2, 1, clock)
    assert [limits.wait("lee", None) for _ in range(3)] == [0, 0, 61]
    assert [limits.wait("kim", None), limits.wait("kim", "home")] == [0, 0]
    assert limits.wait("lee", "elsewhere") == 61
