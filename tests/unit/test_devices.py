"""Browsers: a short name, and the mark by which one is known again."""

from __future__ import annotations

import pytest

from bot.web.people import devices

KEYS = "k" * 40


@pytest.mark.parametrize(
    ("agent", "name"),
    [
        ("Mozilla/5.0 (Windows NT 10.0) AppleWebKit/537.36 Chrome/129.0 Safari/537.36 Edg/129.0", "Edge, Windows"),
        ("Mozilla/5.0 (X11; Linux x86_64; rv:130.0) Gecko/20100101 Firefox/130.0", "Firefox, Linux"),
        ("Mozilla/5.0 (Linux; Android 14) AppleWebKit/537.36 Chrome/129.0 Mobile Safari/537.36", "Chrome, Android"),
        ("Mozilla/5.0 (iPhone; CPU iPhone OS 18_0 like Mac OS X) Version/18.0 Safari/604.1", "Safari, iPhone"),
        ("curl/8", ""),
        ("<script>alert(1)</script>", ""),
        ("", ""),
    ],
)
def test_a_browser_has_a_short_name(agent: str, name: str) -> None:
    assert devices.named(agent) == name


def test_a_mark_is_known_again_by_this_installation_alone() -> None:
    mark = devices.new_mark(KEYS, "lee")
    assert mark is not None and "lee" not in mark
    assert devices.device(KEYS, "", mark).known_to == "lee"
    for keys, wrong in [("j" * 40, mark), (KEYS, mark[:-4] + "AAAA"), (KEYS, ""), (KEYS, "x" * 5_000), ("", mark)]:
        assert devices.device(keys, "", wrong).known_to is None
    assert devices.new_mark("", "lee") is None


def test_a_known_browser_is_counted_by_itself_and_a_stranger_is_nobody() -> None:
    first, second = devices.new_mark(KEYS, "lee"), devices.new_mark(KEYS, "lee")
    assert first is not None and second is not None
    assert [devices.known(KEYS, mark) for mark in ("", "forged")] == [None, None]
    (one, its_own), (other, another) = (devices.known(KEYS, mark) for mark in (first, second))  # type: ignore[misc]
    assert (one, other) == ("lee", "lee") and its_own != another
