"""The gate for ``data/``: the real content passes, and each rule finds its fault in a small copy."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from bot import safety
from bot.content.checks import BANNED, FEWEST_EXAMPLES, FEWEST_OUTSIDE, check_all
from tests.support.small_content import change, small_content

REAL_RULES = safety.load_rules


@pytest.fixture
def data(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    # Safety rules have tests of their own, and compiling them again for every fault takes seconds.
    monkeypatch.setattr(safety, "load_rules", lambda folder=None: SimpleNamespace(compiled=None))
    return small_content(tmp_path)


def faults(data: Path) -> str:
    return "\n".join(map(str, check_all(data)))


def edit_answer(data: Path, edit: Callable[[dict[str, Any]], object]) -> None:
    """Changes the first answer."""
    change(data / "responses" / "pain.yml", lambda file: edit(file["responses"]["utter_pain/alarm"][0]))


def with_metadata(data: Path, **fields: Any) -> str:
    """The faults once the first answer's metadata has these fields."""
    edit_answer(data, lambda variant: variant["metadata"].update(fields))
    return faults(data)


def test_the_real_content_has_no_faults() -> None:
    assert [str(fault) for fault in check_all()] == []


def test_the_small_content_has_no_faults(data: Path) -> None:
    assert faults(data) == ""


# What stops an answer from being loaded


@pytest.mark.parametrize(
    ("edit", "what"),
    [
        (lambda v: v.update(id="pain/other.v1"), "must be pain/alarm.v1"),
        (lambda v: v.pop("id"), "must be pain/alarm.v1"),
        (lambda v: v["metadata"].pop("why"), "missing ['why']"),
        (lambda v: v["metadata"].update(extra=1), "unknown ['extra']"),
        (lambda v: v["metadata"].update(certainty="sure"), "certainty 'sure'"),
        (lambda v: v.pop("text"), "text"),
        (lambda v: v["metadata"].update(review="pending"), "AttributeError"),
    ],
)
def test_an_answer_that_is_not_whole(data: Path, edit: Callable[[dict[str, Any]], object], what: str) -> None:
    edit_answer(data, edit)
    assert what in faults(data)


def test_an_answer_with_two_wordings(data: Path) -> None:
    change(data / "responses" / "pain.yml", lambda f: f["responses"]["utter_pain/alarm"].append({"text": "x"}))
    assert "exactly one wording, this has 2" in faults(data)


def test_an_answer_in_two_files(data: Path) -> None:
    text = (data / "responses" / "pain.yml").read_text()
    (data / "responses" / "scans.yml").write_text(text)
    assert "defined twice" in faults(data)


def test_a_control_wording_without_an_id(data: Path) -> None:
    change(data / "responses" / "pain.yml", lambda f: f["responses"]["utter_sorry"][0].pop("id"))
    assert "needs an id" in faults(data)


def test_a_file_that_is_not_yaml_is_named_with_its_line(data: Path) -> None:
    (data / "responses" / "pain.yml").write_text("responses: [")
    found = faults(data)
    assert "pain.yml: cannot be read" in found
    assert ", line " in found


def test_a_source_that_is_not_whole_or_is_two_things(data: Path) -> None:
    change(data / "sources" / "pain.yml", lambda f: f["smith_2020"].pop("cite"))
    assert "smith_2020" in faults(data)


def test_a_source_that_differs_between_files(data: Path) -> None:
    text = (data / "sources" / "pain.yml").read_text()
    (data / "sources" / "scans.yml").write_text(text.replace("A study.", "Another study."))
    assert "differs from the same key in another file" in faults(data)


@pytest.mark.parametrize("file", ["messages.yml", "interface/en.yml", "inbox/common.yml"])
def test_wording_that_is_not_text(data: Path, file: str) -> None:
    change(data / file, lambda f: (f["messages"] if file == "messages.yml" else f).update(odd=7))
    assert "odd must be text" in faults(data)


def test_a_clinic_without_its_numbers(data: Path) -> None:
    change(data / "numbers.yml", lambda f: f["GB"].pop("crisis"))
    assert "no crisis number for country GB" in faults(data)


def test_safety_rules_that_cannot_be_loaded(data: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(safety, "load_rules", REAL_RULES)
    assert "common.yml" in faults(data)


# The shape of an answer


@pytest.mark.parametrize("text", ["", "a\n\nb\n\nc\n\nd"])
def test_too_many_or_no_bubbles(data: Path, text: str) -> None:
    edit_answer(data, lambda variant: variant.update(text=text))
    assert "bubbles; write 1 to 3" in faults(data)


def test_a_bubble_with_too_many_words(data: Path) -> None:
    edit_answer(data, lambda variant: variant.update(text="word " * 61))
    assert "text has 61 words in one bubble; 60 at most" in faults(data)


@pytest.mark.parametrize(("part", "most"), [("more", 60), ("flare", 25), ("why", 75)])
def test_a_layer_with_too_many_words(data: Path, part: str, most: int) -> None:
    assert f"{part} has {most + 1} words" in with_metadata(data, **{part: "word " * (most + 1)})


def test_list_marks_are_not_words(data: Path) -> None:
    assert with_metadata(data, flare="- one\n" * 25) == ""


def test_a_title_that_does_not_fit_on_a_button(data: Path) -> None:
    assert "title has 41 characters" in with_metadata(data, title="t" * 41)


def test_a_review_state_that_nobody_knows(data: Path) -> None:
    assert "review.state must be" in with_metadata(data, review={"state": "fine"})


# Where an answer leads, and where it comes from


@pytest.mark.parametrize("other", ["pain/no_such", "pain/alarm"])
def test_a_next_question_that_is_not_another_answer(data: Path, other: str) -> None:
    assert f"next: {other} is not another answer" in with_metadata(data, next=[other])


def test_a_source_that_is_not_there(data: Path) -> None:
    assert "source jones_1999 is not in data/sources" in with_metadata(data, sources=["smith_2020", "jones_1999"])


def test_a_source_that_nobody_is_sure_of(data: Path) -> None:
    change(data / "sources" / "pain.yml", lambda f: f["smith_2020"].update(mark="U"))
    assert "mark must be V or K" in faults(data)


def test_an_answer_without_a_source(data: Path) -> None:
    assert "no source; every answer" in with_metadata(data, sources=[])


def test_a_source_that_no_answer_uses(data: Path) -> None:
    change(data / "sources" / "pain.yml", lambda f: f.update(jones_1999=dict(f["smith_2020"])))
    assert "jones_1999: no answer, figure or fact uses this source" in faults(data)


# What no answer may say


SAID = {
    "dismisses the pain": ["It is all in your head.", "You are making it up.", "This is psychosomatic."],
    "claims what it cannot know": ["Nothing is wrong with you.", "There is no damage.", "Your tissues have healed."],
    "decides on a scan, an operation or a medicine": ["You don't need a scan.", "You do not need surgery.",
        "Stop your tablets.", "You should have the operation."],
    "labels the person": ["You are catastrophising.", "This is kinesiophobia."],
    "blames the brain": ["Pain is an output of the brain.", "Your brain makes pain."],
    "says that pain never warns": ["Pain is never a sign of harm.", "Hurt does not equal harm."],
    "names a diagnosis": ["You have fibromyalgia.", "Your pain is nociplastic."],
    "blames others": ["Your doctor was wrong.", "This is your own fault."],
    "asks for what was done to them": ["Tell me more about the abuse.", "Tell me what happened to you."],
    "compares with the healthy": ["Normal people bend all day."],
    "corrects from above": ["Actually, discs do not slip."],
    "pushes": ["Push through it.", "Just relax.", "No pain, no gain."],
    "claims to feel": ["I understand how you feel.", "Don't worry."],
    "promises": ["This will cure you.", "We guarantee it."],
    "shouts": ["You can do it!"],
}


def test_every_banned_kind_is_tried() -> None:
    assert set(SAID) == set(BANNED)


@pytest.mark.parametrize(("why", "text"), [(why, text) for why, texts in SAID.items() for text in texts])
def test_banned_words_are_found_in_every_layer(data: Path, why: str, text: str) -> None:
    edit_answer(data, lambda variant: variant.update(text=text))
    found = with_metadata(data, more=text, flare=text.replace("'", "’"), why=text)
    assert all(f"{part} {why}" in found for part in ("text", "more", "flare", "why"))


@pytest.mark.parametrize(
    "text",
    [
        "I did not mean that it is \"all in your head\".", "None of this is your fault.",
        "Hurt does not always mean harm.",
        "Do not stop opioids all at once.", "Ask first. Then you can start a new tablet.",
        "There is no cure that fits all.",
        "Your report may say \"wear and tear\".", "Ask what the operation can and cannot do.",
    ],
)  # fmt: skip
def test_the_same_words_in_the_right_context_may_stand(data: Path, text: str) -> None:
    assert with_metadata(data, more=text) == ""


def test_a_word_to_avoid_stands_in_quotes_only(data: Path) -> None:
    assert "uses a word to avoid" in with_metadata(data, more="You have wear and tear.")


def test_a_title_may_say_what_people_ask(data: Path) -> None:
    assert with_metadata(data, title="Is it all in your head?") == ""


@pytest.mark.parametrize("number", ["999", "911", "112", "988", "116 123"])
def test_a_phone_number_in_the_text(data: Path, number: str) -> None:
    assert "a phone number in the text" in with_metadata(data, flare=f"Call {number} now.")


def test_a_placeholder_that_nothing_fills(data: Path) -> None:
    found = with_metadata(data, flare="Call {ambulance} now.", why="Call {emergency_number} now.")
    assert "unknown placeholder {ambulance}" in found
    assert "emergency_number" not in found


# Training examples


def edit_examples(data: Path, edit: Callable[[list[dict[str, Any]]], object]) -> None:
    change(data / "nlu" / "pain.yml", lambda file: edit(file["nlu"]))


def test_the_same_example_under_two_answers(data: Path) -> None:
    edit_examples(data, lambda blocks: blocks[1].update(examples=blocks[1]["examples"] + "- Pain alarm: ONE?\n"))
    assert "stands under pain/alarm too" in faults(data)


def test_examples_of_an_answer_that_is_not_there(data: Path) -> None:
    edit_examples(data, lambda blocks: blocks.append({"intent": "pain/ghost", "examples": "- boo\n"}))
    assert "pain/ghost: there is no such answer" in faults(data)


def test_an_answer_with_too_few_examples(data: Path) -> None:
    edit_examples(data, lambda blocks: blocks[0].update(examples="- only one\n"))
    assert f"pain/alarm: 1 examples; {FEWEST_EXAMPLES} at least" in faults(data)


def test_too_little_that_is_outside(data: Path) -> None:
    edit_examples(data, lambda blocks: blocks.pop())
    assert f"out_of_scope: 0 examples; {FEWEST_OUTSIDE} at least" in faults(data)


@pytest.mark.parametrize("block", [{"intent": "pain/alarm"}, {"synonym": "x", "examples": "- y\n"}])
def test_a_block_of_another_form_is_a_fault_and_no_crash(data: Path, block: dict[str, str]) -> None:
    edit_examples(data, lambda blocks: blocks.append(block))
    assert "KeyError" in faults(data)


# Rules and dates


def test_a_rule_for_an_intent_that_is_not_there(data: Path) -> None:
    change(data / "rules" / "pain.yml", lambda f: f["rules"][0]["steps"].insert(0, {"intent": "ghost"}))
    assert "intent ghost is not in domain.yml" in faults(data)


def test_a_rule_with_an_action_that_is_not_there(data: Path) -> None:
    change(data / "rules" / "pain.yml", lambda f: f["rules"][1]["steps"].append({"action": "utter_ghost"}))
    assert "utter_ghost is neither a response nor an action" in faults(data)


def test_an_intent_that_nothing_answers(data: Path) -> None:
    change(data / "rules" / "pain.yml", lambda f: f["rules"].pop())
    assert "out_of_scope: no rule answers this intent" in faults(data)


@pytest.mark.parametrize("file", ["numbers.yml", "responses/pain.yml", "clinics/demo.yml"])
def test_a_date_without_quotes(data: Path, file: str) -> None:
    path = data / file
    if file.startswith("responses"):
        edit_answer(data, lambda variant: variant["metadata"]["review"].update(on="DATE"))
    else:
        change(path, lambda f: (f["GB"] if file == "numbers.yml" else f).update(checked="DATE"))
    path.write_text(path.read_text().replace("DATE", "2026-01-02"))
    assert f"{path}: dates: a date without quotes" in faults(data)


