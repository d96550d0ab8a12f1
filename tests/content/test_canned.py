"""Ready replies: ours are whole and plain, a clinic's changes go over them, and what is wrong is said."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest

from bot.content import load_clinics
from bot.content.canned import LONGEST_TEXT, MOST, checked, load_canned, merge
from bot.content.files import ContentError
from bot.content.readability import flesch_kincaid

CLINICS = load_clinics()


@pytest.mark.parametrize("clinic", CLINICS.values(), ids=CLINICS.keys())
def test_every_placeholder_is_filled_in(clinic: Any) -> None:
    for one in load_canned():
        filled = one.filled(clinic, "Dr Lee")
        assert not re.search(r"[{}]", filled), one.id


def test_patients_can_read_them() -> None:
    for one in load_canned():
        filled = one.filled(CLINICS["demo"], "Dr Lee")
        assert flesch_kincaid(filled) <= 6, (one.id, flesch_kincaid(filled))


def test_a_clinics_changes_go_over_ours() -> None:
    ours = load_canned()
    own = {"goodbye": None, "hello": {"title": "Ours", "text": "Words"}, "parking": {"title": "Parking", "text": "P"}}
    made = {one.id: one for one in merge(own)}
    assert set(made) == {one.id for one in ours} - {"goodbye"} | {"parking"}
    assert (made["hello"].title, made["hello"].own, made["visit"].own) == ("Ours", True, False)
    assert next(iter(made)) == "hello" and list(made)[-1] == "parking"
    assert merge(None) == merge({}) == ours


@pytest.mark.parametrize(
    "setting",
    [
        ["x"],
        {"Not an id": {"title": "a", "text": "b"}},
        {"a": "text"},
        {"a": {"title": "a"}},
        {"a": {"title": "a", "text": "b", "send": True}},
        {"a": {"title": " ", "text": "b"}},
        {"a": {"title": "two\nlines", "text": "b"}},
        {"a": {"title": "a", "text": "x" * (LONGEST_TEXT + 1)}},
        {f"a{number}": None for number in range(MOST + 1)},
    ],
)
def test_what_is_wrong_is_said_in_a_sentence(setting: Any) -> None:
    with pytest.raises(ValueError, match=r"\.$"):
        checked(setting)


def test_a_file_that_is_wrong_names_itself(tmp_path: Path) -> None:
    (tmp_path / "canned_replies.yml").write_text("review: {state: pending}\nreplies: {a: {title: x}}\n")
    with pytest.raises(ContentError, match=r"canned_replies\.yml: a: "):
        load_canned(tmp_path)
