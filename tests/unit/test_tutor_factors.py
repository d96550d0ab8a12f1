"""Hearing factors: who, whether, how surely, and that the model is the one of the lines beside it."""

from __future__ import annotations

import json
import time
from collections import Counter
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bot.content.factors import CALM, UP, fingerprint, load_factors, load_lines_to_learn, load_model, load_told
from bot.settings import ROOT
from bot.tutor.factors import heard_in, units_of
from bot.understanding.spelling import fold, load_normaliser

OWN = ROOT / "tests" / "nlu" / "held_out" / "factors_own.jsonl"
IDS = [
    "sleep", "load_stress", "guarding", "fear_of_moving", "on_watch", "worry_spiral", "past_injury", "work", "people",
    "words_heard", "calm_moving", "calm_rest", "calm_people", "calm_breath", "calm_outdoors", "calm_doing",
    "calm_knowing",
]  # fmt: skip


def ids(text: str) -> list[str]:
    return [hit.factor for hit in heard_in(text)]


def test_there_are_ten_and_seven_in_order() -> None:
    factors = load_factors()
    assert list(factors.by_id) == IDS
    assert len(factors.side(UP)) == 10 and len(factors.side(CALM)) == 7


def test_the_model_was_fitted_on_these_lines_and_patterns() -> None:
    """After a change: python -m bot.tutor.factors_fit"""
    model = load_model()
    assert model.learned == fingerprint() and list(model.factors) == IDS
    assert len(model.weights) == len(IDS) and np.isfinite(model.weights).all()


def test_there_is_enough_to_learn_from_and_none_of_it_is_measured_by() -> None:
    lines = load_lines_to_learn()
    told = Counter(factor for line in lines for factor in line.factors)
    assert all(told[factor] >= 60 for factor in IDS)
    assert sum(not line.factors for line in lines) >= 300
    texts = [fold(line.text) for line in lines]
    assert len(set(texts)) == len(texts)
    held_out = [fold(line.text) for path in OWN.parent.glob("factors*.jsonl") for line in load_told(path)]
    assert not set(texts) & set(held_out)


@pytest.mark.parametrize("text, expected", [
    ("I can't sleep because of my back", ["sleep"]),
    ("I sleep fine but I'm very stressed", ["load_stress"]),
    ("not sleeping with all the stress of the move", ["sleep", "load_stress"]),
    ("my boss doesn't believe me", ["work", "people"]),
    ("rest doesn't help but walking does", ["calm_moving"]),
    ("a warm bath helps", ["calm_rest"]),
    ("my husband can't sleep", []),
    ("does sleep matter?", []),
    ("I could do it in my sleep", []),
    ("walking makes it worse", []),
    ("what if it rains", []),
    ("the tablets don't work", []),
    ("hello", []), ("", []), ("?!", []), ("🙂", []),
])  # fmt: skip
def test_what_is_heard(text: str, expected: list[str]) -> None:
    assert ids(text) == expected


def test_the_words_are_the_persons_own_and_their_clause() -> None:
    (hit,) = heard_in("My Husband sleeps fine, but I'm awake   half the night.")
    assert hit.factor == "sleep" and hit.words == "I'm awake   half the night."


def test_what_was_encoded_is_not_encoded_again(monkeypatch: pytest.MonkeyPatch) -> None:
    from bot.understanding import encoder

    text = "a warm bath helps"
    vector = encoder.load_encoder()([text])[0]
    monkeypatch.setattr(encoder, "load_encoder", lambda: pytest.fail("it was encoded again"))
    assert [hit.factor for hit in heard_in(text, {text: vector})] == ["calm_rest"]


def test_it_costs_little_beside_the_encoder() -> None:
    """5 ms a message; the best of several tries, as other things run beside it."""
    text = "I sleep badly, my boss is on my back and I worry, but a walk in the garden with my sister eases it a lot."
    heard_in(text)  # encodes
    tries = []
    for _ in range(20):
        start = time.perf_counter()
        heard_in(text)
        tries.append(time.perf_counter() - start)
    assert min(tries) < 0.005


@settings(max_examples=60, deadline=None)
@given(st.text(max_size=200))
def test_any_text_is_taken_and_its_words_stand_in_it(text: str) -> None:
    first = heard_in(text)
    assert first == heard_in(text)
    for hit in first:
        assert hit.words and hit.words in text and hit.factor in IDS
    for unit in units_of(text, load_normaliser(), load_factors()):
        assert 0 <= unit.start < unit.end <= len(text)


def measured(path: Path) -> dict[str, tuple[float, float]]:
    """Of each factor: the share of its lines that are heard, and the share of all others that are heard falsely."""
    lines = load_told(path)
    heard = [{hit.factor for hit in heard_in(line.text)} for line in lines]
    found = {}
    for factor in IDS:
        yes = [factor in told for line, told in zip(lines, heard, strict=True) if factor in line.factors]
        no = [factor in told for line, told in zip(lines, heard, strict=True) if factor not in line.factors]
        found[factor] = (sum(yes) / len(yes), sum(no) / len(no))
    return found


def test_lines_set_apart_before_any_pattern_was_written() -> None:
    found = measured(OWN)
    assert sum(recall for recall, _ in found.values()) / len(found) >= 0.85, found
    assert max(false for _, false in found.values()) <= 0.05, found


def test_the_lines_set_apart_are_well_formed() -> None:
    rows = [json.loads(line) for line in OWN.read_text(encoding="utf-8").splitlines()]
    assert len(rows) >= 400 and all(set(row) == {"text", "factors"} for row in rows)
