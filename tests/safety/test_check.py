"""The safety check: its data, its flow (every path ends, no yes is dropped), and what a slip in the file says."""

from __future__ import annotations

import itertools
import random
import re
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from bot import safety
from bot.content import load_clinics, load_wording
from bot.safety import check as flow
from bot.safety.check import (
    ALL_NO,
    ANSWERS,
    CHECK_FILE,
    CLOSED,
    NO,
    NOT_SURE,
    SKIP,
    SKIPPED,
    SOME,
    STOP,
    STOPPED,
    YES,
    Step,
    first_step,
    load_check,
    next_step,
    typed_answer,
)
from tests.safety.test_words import BANNED, _grade

CHECK = load_check()
IDS = [question.id for question in CHECK.questions]
NUMBERS = load_clinics()["demo"].numbers


def walk(answer: Callable[[str], str]) -> Iterator[tuple[str, str, Step]]:
    """The check as a patient goes through it: (question, answer, what followed)."""
    step = first_step(CHECK)
    while step.question is not None:
        said = answer(step.question.id)
        asked = step.question.id
        step = next_step(CHECK, asked, said, step.so_far)
        yield asked, said, step


def test_the_order_is_the_most_urgent_first() -> None:
    assert IDS == ["life", "home", "heart_head", "saddle", "legs", "limb", "fever", "fall", "cancer", "pregnancy"]
    by_id = {question.id: (question.category, question.tier) for question in CHECK.questions}
    assert by_id["life"] == ("RF34", "T0") and by_id["home"][0] == "RF38" and by_id["saddle"] == ("RF01", "T1")


@pytest.mark.parametrize("question", CHECK.questions, ids=IDS)
def test_questions_are_easy_and_short_and_each_yes_has_words(question: flow.CheckQuestion) -> None:
    assert _grade(question.text) <= 5, round(_grade(question.text), 1)
    assert len(question.text.split()) <= 30 and question.text.endswith(("?", "."))
    stated = question.text.lower().replace("do you have a ", "").replace("did you have a ", "")  # asked, not claimed
    assert not [banned for banned in BANNED if banned.lower() in stated]
    assert question.review == "pending"
    words = safety.words_of(flow.found(question), NUMBERS)
    assert words.id.startswith(
        f"safety/{'common' if question.words == 'shared' else question.category}.{question.tier}"
    )
    assert any(re.search(r"\d{3}", bubble) for bubble in words.bubbles)


def test_the_words_around_the_questions_are_easy_too() -> None:
    wording = load_wording()
    for key in wording.messages:
        if key.startswith(("check_", "safety_refused")):
            for line in (line for bubble in wording.bubbles(key, **NUMBERS) for line in bubble.splitlines()):
                assert _grade(line.replace("genitals", "parts") + ".") <= 5, (key, line)
                assert not [banned for banned in BANNED if banned.lower() in line.lower()], line


def test_with_no_everywhere_all_questions_come_once_and_it_ends() -> None:
    steps = list(walk(lambda _question: NO))
    assert [asked for asked, _, _ in steps] == IDS
    assert (steps[-1][2].ending, steps[-1][2].so_far) == (CLOSED, ALL_NO)


@pytest.mark.parametrize("said", [YES, NOT_SURE])
@pytest.mark.parametrize("place", range(len(IDS)))
def test_a_yes_is_a_finding_at_once_and_a_grave_one_ends_the_check(place: int, said: str) -> None:
    steps = list(walk(lambda question: said if question == IDS[place] else NO))
    asked, _, step = steps[place]
    question = CHECK.questions[place]
    assert asked == question.id and step.finding is not None
    assert (step.finding.category, step.finding.tier) == (question.category, question.tier)
    assert step.so_far == SOME
    if question.tier in ("T0", "T1"):
        assert len(steps) == place + 1 and step.question is None and not step.ending
    else:
        assert len(steps) == len(IDS)
        assert (steps[-1][2].ending, steps[-1][2].so_far) == (CLOSED, SOME)


def test_every_path_ends_and_no_yes_is_dropped() -> None:
    chance = random.Random(7)
    paths = [itertools.cycle(pair) for pair in itertools.product(ANSWERS, repeat=2)]
    paths += [iter(chance.choices(ANSWERS, weights=(1, 4, 1, 2, 0.3), k=20)) for _ in range(2000)]
    for path in paths:
        steps = list(walk(lambda _question, path=path: next(path)))
        assert 1 <= len(steps) <= len(IDS)
        assert [asked for asked, _, _ in steps] == IDS[: len(steps)]
        for asked, said, step in steps:
            assert (step.finding is not None) == (said in (YES, NOT_SURE))
            assert step.finding is None or step.finding.rule == f"check.{asked}"
        last = steps[-1][2]
        said_yes = any(said in (YES, NOT_SURE) for _, said, _ in steps)
        assert (last.so_far == SOME) == said_yes
        grave = last.finding is not None and last.finding.tier in ("T0", "T1")
        assert grave or last.ending == (STOPPED if steps[-1][1] == STOP else CLOSED)


def test_a_skip_is_remembered_and_a_stop_ends_it() -> None:
    steps = list(walk(lambda question: SKIP if question == "fever" else NO))
    assert (steps[-1][2].ending, steps[-1][2].so_far) == (CLOSED, SKIPPED)
    assert next_step(CHECK, "legs", STOP, SOME) == Step(SOME, ending=STOPPED)


def test_unknown_questions_and_answers_are_refused() -> None:
    with pytest.raises(KeyError):
        next_step(CHECK, "no_such", NO)
    for answer, so_far in (("maybe", ALL_NO), (NO, "everything")):
        with pytest.raises(ValueError, match="no such answer"):
            next_step(CHECK, "life", answer, so_far)


@pytest.mark.parametrize(
    ("text", "answer"),
    [
        ("yes", YES),
        ("Yeah.", YES),
        ("no", NO),
        ("Nope, thanks", NO),
        ("not sure", NOT_SURE),
        ("I’m not sure", NOT_SURE),
        ("a bit", NOT_SURE),
        ("I don't think so", NOT_SURE),
        ("skip this one", SKIP),
        ("Stop.", STOP),
        ("what does that mean", ""),
        ("no but my leg is numb", ""),
        ("yes my leg is numb", ""),
        ("", ""),
    ],
)
def test_a_typed_answer_is_the_whole_message_or_none(text: str, answer: str) -> None:
    assert typed_answer(text) == answer


def test_a_finding_in_words_keeps_its_own_words() -> None:
    worst = safety.screen("my husband has chest pain").worst
    assert worst is not None and safety.words_of(worst, NUMBERS) == safety.words_for(worst, worst.tier, NUMBERS)
    assert flow.shares_words("check.gone") and not flow.shares_words("RF11.hard.1")


@pytest.mark.parametrize(
    ("old", "new", "says"),
    [
        ("id: saddle", "id: life", "life: this question is defined twice"),
        ("id: saddle", "id: Saddle", "Saddle: an id is small letters"),
        ("category: RF01", "category: RF1", "saddle: category 'RF1'"),
        ("category: RF01\n    tier: T1", "category: RF01\n    tier: T3", "saddle: RF01 has no words of its own for T3"),
        ("category: RF16\n    tier: T1", "category: RF16\n    tier: T4", "limb: tier 'T4'"),
        ("words: shared\n    text", "words: borrowed\n    text", "heart_head: words 'borrowed'"),
        ("review: {state: pending}", "review: {state: signed}", "life: review.state"),
        ('{place} of {count}"', '{place}"', "progress"),
        ("Or new trouble with pee", "Or new trouble with {urgent_line} pee", "saddle: 30 words at most"),
        ("questions:\n", "questions: []\nmore:\n", "more"),
        ("  stop: [stop", "  halt: [stop", "typed: unknown key halt"),
        ("did_you_mean_below: 0.1", "did_you_mean_below: 10", "did_you_mean_below"),
        ("progress:", "progress: [", "not valid YAML"),
        ("[cannot_feel, ", "[cannot_fell, ", "symptom: data/safety has no family cannot_fell"),
        ("- id: wait", "- id: go", "refusals go: defined twice"),
        ("no {place}", "no {plaice}", "no {plaice}.*plaice"),
        ('"sleep on it"', '"the an a"', "the an a.*filler"),
        (
            '"You still want to wait. It is your choice to make."',
            '"A.", "B."',
            "refusals wait: heard must have two texts",
        ),
    ],
)
def test_a_slip_in_the_file_is_named(tmp_path: Path, old: str, new: str, says: str) -> None:
    whole = CHECK_FILE.read_text(encoding="utf-8")
    changed = whole.replace(old, new, 1)
    assert changed != whole
    path = tmp_path / "safety_check.yml"
    path.write_text(changed, encoding="utf-8")
    with pytest.raises(ValueError, match=f"(?s)safety_check.yml.*{says}"):
        safety.load_cues(load_check(path))


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"safety_check\.yml: cannot be read"):
        load_check(tmp_path / "safety_check.yml")
