"""Key points heard in own words: what lands, what must not, and what happens without the encoder."""

from __future__ import annotations

import dataclasses

import pytest

from bot.content import lessons
from bot.content.lessons import Lesson, load_lessons
from bot.tutor import teach_back
from bot.tutor.teach_back import agree, by_cues, is_question, landed, split
from tests.support.course import FOLDER
from tests.support.teach_back import evaluate

LESSONS = load_lessons(FOLDER)
ALARM = LESSONS["alarm"]
# Lines that stand in no lesson.
SAID = [
    ("alarm", "I'd say pain is kind of a guard, it tries to keep you safe", ["protects"]),
    ("alarm", "The alarm has got too sensitive so it goes off for tiny things", ["too_high"]),
    ("alarm", "It protects you. But it can go off when nothing is damaged.", ["protects", "too_high"]),
    ("alarm", "it doesnt always mean damage", ["too_high"]),
    ("moving", "If you're scared you do less and then you stiffen up", ["loop"]),
    ("moving", "begin slowly, just a little every day", ["small"]),
    ("sleep_stress", "after a bad night everything hurts more", ["nights"]),
    ("sleep_stress", "stress on top of work adds up", ["load"]),
]
OPPOSITE = [
    ("alarm", "pain means damage"),
    ("alarm", "more pain means more damage"),
    ("alarm", "it doesn't protect you"),
    ("alarm", "the alarm is not too sensitive"),
    ("moving", "don't start small, go all out"),
    ("sleep_stress", "sleep and stress have nothing to do with it"),
    ("sleep_stress", "bad sleep doesn't make it worse"),
]


def found(lesson: str, text: str) -> list[str]:
    return landed(LESSONS[lesson], text)[0]


def test_what_is_said_in_other_words_lands() -> None:
    all_ = evaluate([{"lesson": one, "text": text, "points": points} for one, text, points in SAID], LESSONS)["all"]
    assert all_.recall >= 0.8 and all_.precision >= 0.8


@pytest.mark.parametrize(("lesson", "text"), OPPOSITE)
def test_the_opposite_does_not_land(lesson: str, text: str) -> None:
    assert found(lesson, text) == []


@pytest.mark.parametrize("text", ["ok", "hello there", "my dog is called Rex", "the bus was late again", "???", ""])
def test_other_things_do_not_land(text: str) -> None:
    assert [found(lesson, text) for lesson in LESSONS] == [[]] * len(LESSONS)


def test_found_and_missing_are_all_points_in_their_order() -> None:
    heard, missing = landed(ALARM, "it can ring when there is no fire, and it is there to protect you")
    assert heard == ["protects", "too_high"] and missing == []
    assert landed(ALARM, "x") == ([], ["protects", "too_high"])


def test_without_the_encoder_the_cues_are_heard(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(teach_back, "_encoder", lambda: None)
    assert found("alarm", "my pain guards me") == ["protects"]
    assert found("alarm", "it looks after you") == []


def test_cues_are_heard_in_any_regular_form_and_not_behind_a_not() -> None:
    point = ALARM.points[0]
    assert by_cues(point, split("Pains warned me of it"))
    assert not by_cues(point, split("pain does not protect me at all"))
    assert by_cues(point, split("it is not nice, but pain warns me"))
    assert not by_cues(point, split("pain is bad. something else protects"))


def test_a_not_that_is_a_cue_is_part_of_what_is_meant() -> None:
    point = dataclasses.replace(ALARM.points[0], cues=(("pain",), ("not", "n't"), ("damage",)))
    assert by_cues(point, split("pain is not the same as damage"))
    assert not by_cues(point, split("pain is damage"))


def test_one_word_does_not_count_for_two_lists() -> None:
    point = dataclasses.replace(ALARM.points[0], cues=(("alarm", "ring"), ("ring", "dog")))
    assert not by_cues(point, split("let it ring today"))
    assert by_cues(point, split("let the alarm ring today"))


@pytest.mark.parametrize(("said", "phrase", "same"), [
    ("pain means damage", "pain doesn't always mean damage", False),
    ("pain isn't damage", "pain doesn't always mean damage", True),
    ("pain is different from damage", "pain is not damage", True),
    ("pain means harm", "pain is there to protect", False),
    ("it turns the pain up", "it turns the pain down", False),
    ("it turns the pain up", "it makes the pain louder", True),
])  # fmt: skip
def test_the_same_way_round(said: str, phrase: str, same: bool) -> None:
    assert agree(said, phrase) is same


@pytest.mark.parametrize(("text", "asks"), [
    ("is it safe to bend", True), ("What is that", True), ("it is an alarm, right?", True), ("why me", True),
    ("pain is an alarm", False), ("whatever, it rings", False), ("when it rings it is too early", False), ("", False),
])  # fmt: skip
def test_questions(text: str, asks: bool) -> None:
    assert is_question(text) is asks


def test_a_very_long_text_is_heard_in_part_and_quickly() -> None:
    assert len(split("the alarm rings too soon, and then again. " * 400)) <= teach_back.MOST_PARTS


def test_warming_up_encodes_the_phrases_of_all_lessons(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lessons, "FOLDER", FOLDER)
    teach_back.phrase_vectors.cache_clear()
    teach_back.warm()
    assert teach_back.phrase_vectors.cache_info().currsize == len(LESSONS) + 1  # and the other views
    monkeypatch.setattr(teach_back, "_encoder", lambda: None)
    teach_back.warm()


def test_a_lesson_with_one_point_works() -> None:
    lesson: Lesson = dataclasses.replace(ALARM, points=ALARM.points[:1])
    assert landed(lesson, "pain is a warning to keep me safe")[0] == ["protects"]
