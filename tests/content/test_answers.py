"""The answers as they stand: how many, what they carry, what they lead to, and how they are told apart."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import pytest

from bot.content.answers import load_answers, load_controls, load_sources
from bot.content.checks import examples
from bot.content.files import DATA, ContentError, bubbles, fill, read_yaml
from bot.understanding.decide import offerable

ANSWERS = load_answers()
# What has to be there, by subject (the first body of content).
NEEDED = {
    "pain": 10,
    "scans": 8,
    "care": 4,
    "movement": 4,
    "flare": 2,
    "life": 2,
    "about": 4,
    "chat": 4,
}


def test_there_are_forty_answers_over_all_subjects() -> None:
    subjects = Counter(answer.subject for answer in ANSWERS.values())
    assert sum(subjects.values()) >= 40
    assert all(subjects[subject] >= least for subject, least in NEEDED.items()), subjects


@pytest.mark.parametrize(
    "answer_id",
    ["about/what_is_this", "about/who_are_you", "about/are_you_human", "about/who_reads", "pain/in_my_head",
     "care/medicines", "care/surgery", "care/diagnosis", "life/sleep", "life/stress", "chat/menu", "chat/bye"],
)  # fmt: skip
def test_what_everybody_asks_is_there(answer_id: str) -> None:
    assert answer_id in ANSWERS


def test_nothing_claims_a_review_that_has_not_been() -> None:
    assert {answer.review for answer in ANSWERS.values()} == {"pending"}


def test_every_answer_can_be_reached_and_goes_on() -> None:
    led_to = {other for answer in ANSWERS.values() for other in answer.next}
    assert led_to <= set(ANSWERS)
    for answer in ANSWERS.values():
        assert answer.next or answer.subject == "chat", answer.id
        assert len(answer.next) == len(set(answer.next)) <= 2 or answer.id == "chat/menu", answer.id


def test_every_label_of_the_examples_is_an_answer_or_something_people_do() -> None:
    intents = {i if isinstance(i, str) else next(iter(i)) for i in read_yaml(DATA.parent / "domain.yml")["intents"]}
    labels = {label for _, label, _ in examples()}
    assert {label for label in labels if "/" in label} == set(ANSWERS)
    assert {label for label in labels if "/" not in label} <= intents
    assert all(offerable(answer.id) for answer in ANSWERS.values() if answer.subject != "chat")


def test_every_scan_answer_says_when_a_check_is_right() -> None:
    for answer in ANSWERS.values():
        if answer.subject == "scans":
            said = " ".join([*answer.bubbles, *answer.more, answer.flare]).lower()
            assert "right" in said or "check" in said or "clinician" in said, answer.id


def test_every_layer_is_written() -> None:
    for answer in ANSWERS.values():
        if answer.subject not in ("about", "chat"):
            assert answer.more and answer.flare and answer.why and answer.sources, answer.id
            assert 2 <= len(answer.bubbles) <= 3, answer.id


def test_sources_are_for_patients_to_read() -> None:
    for source in load_sources().values():
        assert source.mark in ("V", "K"), source.key
        assert len(source.plain.split()) <= 35, source.key
        assert source.cite and "{" not in source.cite


def test_repeated_misses_have_several_wordings_each_its_own() -> None:
    controls = load_controls()
    for action in ("utter_did_you_mean", "utter_not_understood", "utter_out_of_scope"):
        texts = [control.text for control in controls[action]]
        assert len(set(texts)) == len(texts) >= 2, action
    ids = [control.version for variants in controls.values() for control in variants]
    assert len(ids) == len(set(ids))


def test_bubbles_are_parted_by_blank_lines_alone() -> None:
    assert bubbles("\nOne.\nStill one.\n\n\n\nTwo.\n") == ("One.\nStill one.", "Two.")
    assert bubbles(" \n ") == ()


def test_unknown_braces_stay_as_they_are() -> None:
    assert fill("{a} {b} {", {"a": "{b}", "c": "x"}) == "{b} {b} {"


def test_a_file_that_cannot_be_read_is_named(tmp_path: Path) -> None:
    with pytest.raises(ContentError, match=r"no\.yml: cannot be read"):
        read_yaml(tmp_path / "no.yml")
