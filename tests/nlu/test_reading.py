"""One message read once: its sentences, and the form in which the reading travels to Rasa."""

from __future__ import annotations

import base64
from collections.abc import Sequence

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from bot.understanding.encoder import DIMENSIONS
from bot.understanding.reading import MOST_PARTS, Reading, read, split, unpack

LONG = (
    "I have had this for six years now. Nobody at work believes me any more. "
    "Is it safe to go back to the gym? I also cannot sleep at night."
)
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(["texts", "vectors", "x"]), inner),
    max_leaves=8,
)


def encode(texts: Sequence[str]) -> np.ndarray:
    """A vector for each text, made from its length."""
    vectors = np.array([np.random.default_rng(len(text)).normal(size=DIMENSIONS) for text in texts])
    return (vectors / np.linalg.norm(vectors, axis=1, keepdims=True)).astype(np.float32)


def test_a_short_message_is_one_text() -> None:
    assert split("It hurts. Why?", str.lower) == ("it hurts. why?",)


def test_a_long_message_is_heard_as_a_whole_and_sentence_by_sentence() -> None:
    whole, *parts = split(LONG, str.lower)
    assert whole == LONG.lower()
    assert parts == [
        "i have had this for six years now.",
        "nobody at work believes me any more.",
        "is it safe to go back to the gym?",
        "i also cannot sleep at night.",
    ]


def test_one_long_sentence_has_no_parts_and_many_sentences_have_few() -> None:
    assert len(split("and then " * 30, str)) == 1
    assert len(split("this hurts a lot. " * 30 + "a b c d. " * 3, lambda text: text)) <= MOST_PARTS + 1


def test_a_reading_travels_as_json_and_comes_back() -> None:
    sent = read(LONG, str.lower, encode)
    got = unpack(sent.pack())
    assert got is not None
    assert got.texts == sent.texts
    assert np.allclose(got.vectors, sent.vectors, atol=1e-3)
    assert np.allclose(np.linalg.norm(got.vectors, axis=1), 1.0, atol=1e-6)


def packed(vectors: np.ndarray, texts: object = ("one",)) -> dict[str, object]:
    return {"texts": texts, "vectors": base64.b64encode(vectors.astype("<f2").tobytes()).decode()}


@pytest.mark.parametrize(
    "value",
    [
        None,
        "text",
        {},
        {"texts": ["one"]},
        {"texts": [], "vectors": ""},
        {"texts": ["one"], "vectors": "not base64"},
        {"texts": ["one"], "vectors": "é"},
        packed(np.ones((2, DIMENSIONS))),
        packed(np.ones((1, DIMENSIONS - 1))),
        packed(np.zeros((1, DIMENSIONS))),
        packed(np.full((1, DIMENSIONS), np.nan)),
        packed(np.full((1, DIMENSIONS), np.inf)),
        packed(np.ones((1, DIMENSIONS)), texts=None),
    ],
)
def test_what_is_no_reading_is_refused(value: object) -> None:
    assert unpack(value) is None


@given(JSON)
def test_no_value_can_break_the_unpacking(value: object) -> None:
    assert unpack(value) is None or isinstance(unpack(value), Reading)
