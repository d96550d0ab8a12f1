"""Spelling repair: helps slips of the finger, keeps this product's words, never fails."""

from __future__ import annotations

import unicodedata
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bot.understanding.spelling import fold, load_normaliser, vocabulary_words


@pytest.mark.parametrize(
    ("typed", "repaired"),
    [
        ("my sholder hurts", "my shoulder hurts"),
        ("I dont want surgry", "i don't want surgery"),
        ("Im scared, cant sleep", "i'm scared, can't sleep"),
        ("WHY DOES IT HURT", "why does it hurt"),
        ("it   hurts\n\nso much", "it hurts so much"),
        ("sooooo painful", "soo painful"),
        ("can’t move", "can't move"),
        ("u said its wear", "you said its wear"),
    ],
)
def test_what_people_type_becomes_words(typed: str, repaired: str) -> None:
    assert load_normaliser()(typed) == repaired


@pytest.mark.parametrize("word", ["mri", "sciatica", "physio", "flare", "labrum", "gp", "l5", "naproxen"])
def test_words_of_this_subject_are_left_alone(word: str) -> None:
    assert load_normaliser()(word) == word


def test_a_slip_that_is_made_once_in_the_examples_does_not_become_a_word(tmp_path: Path) -> None:
    (tmp_path / "pain.yml").write_text(
        "nlu:\n- intent: pain/alarm\n  examples: |\n"
        "    - my sacroiliac hurts\n    - sacroiliac joint\n    - my kneee hurts\n"
    )
    words = vocabulary_words(tmp_path)
    assert {"sacroiliac", "hurts"} <= set(words)
    assert not set(words) & {"kneee", "intent", "pain"}


def test_words_that_an_apostrophe_parts_are_not_mended() -> None:
    assert load_normaliser()("shan't") == "shan't"


@settings(max_examples=80, deadline=None)
@given(st.text(alphabet=st.characters(exclude_categories=()), max_size=200))
def test_any_text_is_folded_to_clean_lower_case(text: str) -> None:
    folded = fold(text)
    assert not [c for c in folded if unicodedata.category(c) in ("Cc", "Cs", "Cf")]
    assert folded == folded.strip()
    assert "  " not in folded
    load_normaliser()(text)


def test_a_slip_that_many_make_is_still_a_slip(tmp_path: Path) -> None:
    lines = ["my shoulder hurts"] * 20 + ["my sholder hurts"] * 2 + ["gabapentin helps"] * 2
    examples = "".join(f"    - {line}\n" for line in lines)
    (tmp_path / "pain.yml").write_text(f"nlu:\n- intent: x\n  examples: |\n{examples}")
    repair = load_normaliser.__wrapped__(tmp_path)
    assert repair("my sholder and gabapentin") == "my shoulder and gabapentin"
