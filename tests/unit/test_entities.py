"""Facts heard in a message, and the places they stand at."""

from __future__ import annotations

import time
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bot.understanding.entities import find_entities, load_ruler


@pytest.mark.parametrize(
    ("text", "kind", "value"),
    [
        ("my Lower Back hurts", "body_part", "lower_back"),
        ("L5/S1 is worn", "body_part", "lower_back"),
        ("both sides", "side", "both"),
        ("they found a slipped disc", "finding", "disc_herniation"),
        ("it is bone on bone", "finding", "bone_on_bone"),
        ("I am 52", "age", "52"),
        ("aged 47 now", "age", "47"),
        ("a 63 year old man", "age", "63"),
        ("for 3 months", "duration", "3 months"),
        ("it is several months now", "duration", "several months"),
        ("it is 7/10 today", "score", "7"),
        ("maybe 8 out of 10", "score", "8"),
    ],
)
def test_what_is_heard(text: str, kind: str, value: str) -> None:
    found = [(entity.kind, entity.value) for entity in find_entities(text, load_ruler())]
    assert (kind, value) in found


def test_places_are_those_of_the_text_as_it_was_typed() -> None:
    text = "My KNEES, my Neck"
    assert [text[e.start : e.end] for e in find_entities(text, load_ruler())] == ["KNEES", "Neck"]


def test_nothing_is_heard_in_nothing() -> None:
    assert find_entities("", load_ruler()) == []


@settings(max_examples=60, deadline=None)
@given(st.text(alphabet=st.characters(exclude_categories=()), max_size=60))
def test_any_text_can_be_heard(text: str) -> None:
    for entity in find_entities(text, load_ruler()):
        assert 0 <= entity.start < entity.end <= len(text)


@pytest.mark.parametrize("text", ["(" * 2000 + ")" * 2000, "😀" * 2000, "(" * 3900 + " lower back"])
def test_rows_of_signs_take_no_time(text: str) -> None:
    """It was 1.7 s of work for the first, in which nobody else was answered."""
    ruler = load_ruler()
    began = time.process_time()
    found = find_entities(text, ruler)
    assert time.process_time() - began < 0.2
    assert [text[one.start : one.end] for one in found] == (["lower back"] if "back" in text else [])


def test_a_malformed_pattern_is_refused(tmp_path: Path) -> None:
    (tmp_path / "entities.yml").write_text("age:\n  tokens: [[{NO_SUCH_ATTRIBUTE: 1}]]\n")
    with pytest.raises(ValueError, match="NO_SUCH_ATTRIBUTE"):
        load_ruler.__wrapped__(tmp_path / "entities.yml")
