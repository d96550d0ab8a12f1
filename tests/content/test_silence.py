"""How long a safety question waits: short, graver first, and a slip in the file is named."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from bot.content.checks import check_all
from bot.content.files import ContentError
from bot.content.silence import load_silence
from tests.support.small_content import change, small_content


@pytest.fixture
def data(tmp_path: Path) -> Path:
    return small_content(tmp_path)


def test_a_crisis_waits_minutes_and_the_least_an_hour() -> None:
    minutes = [time / timedelta(minutes=1) for time in load_silence().values()]
    assert minutes == [3, 5, 15, 60]


@pytest.mark.parametrize(
    ("slip", "message"),
    [
        (lambda file: file["minutes"].pop("T1"), "one number for each of T0, T1, T2, T3"),
        (lambda file: file["minutes"].update(T4=9), "one number for each of T0, T1, T2, T3"),
        (lambda file: file.update(minutes=[3, 5]), "one number for each of T0, T1, T2, T3"),
        (lambda file: file["minutes"].update(T0=0), "T0: 0 must be a number from 1"),
        (lambda file: file["minutes"].update(T0="3"), "T0: '3' must be a number from 1"),
        (lambda file: file["minutes"].update(T2=True), "T2: True must be a number from 1"),
        (lambda file: file["minutes"].update(T3=float("nan")), "T3: nan must be a number from 1"),
        (lambda file: file["minutes"].update(T1=2), "T1: 2 is less than the time of a graver tier"),
        (lambda file: file.update(hours={}), "write `review` and `minutes`, and nothing else"),
        (lambda file: file["review"].update(state="fine"), "state must be one of pending, signed"),
        (lambda file: file.pop("review"), "write `review` and `minutes`"),
    ],
)
def test_a_slip_is_named(data: Path, slip: Any, message: str) -> None:
    change(data / "silence.yml", slip)
    with pytest.raises(ContentError, match=message) as caught:
        load_silence(data)
    assert "silence.yml" in str(caught.value)
    assert any(message in str(fault) for fault in check_all(data))
