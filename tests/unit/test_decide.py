"""The decision bands, with a scripted classifier: every text has its prediction."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pytest

from bot.understanding.classifier import OUT_OF_SCOPE, Prediction
from bot.understanding.decide import (
    ANSWER,
    DID_YOU_MEAN,
    FINDING,
    MOST_CHOICES,
    NOT_UNDERSTOOD,
    TALK_TO_PERSON,
    Decision,
    decide,
    offerable,
    with_report_word,
)
from bot.understanding.reading import Reading


@dataclass
class Scripted:
    """Answers at a score of 0.6, asks at 0.3."""

    predictions: dict[str, Prediction]
    thresholds: dict[str, float] = field(default_factory=lambda: {"answer": 0.6, "ask": 0.3})
    exact: dict[str, str] = field(default_factory=dict)

    def predict(self, texts: Sequence[str], vectors: np.ndarray) -> list[Prediction]:
        return [self.predictions[text] for text in texts]


def heard(score: float, *labels: str, outside: float = 0.0, nearest: float = 0.8) -> Prediction:
    """`labels` best first, with falling probabilities."""
    ranking = tuple((label, 0.5 / 2**place) for place, label in enumerate(labels))
    return Prediction(ranking, outside, nearest, score)


def decided(*predictions: Prediction) -> Decision:
    """The decision about a message whose whole is the first prediction, and whose sentences are the others."""
    texts = tuple(f"text {n}" for n in range(len(predictions)))
    classifier: Any = Scripted(dict(zip(texts, predictions, strict=True)))
    return decide(Reading(texts, np.zeros((len(texts), 2), np.float32)), classifier)


@pytest.mark.parametrize(
    ("score", "kind"), [(0.9, ANSWER), (0.6, ANSWER), (0.59, DID_YOU_MEAN), (0.3, DID_YOU_MEAN), (0.29, NOT_UNDERSTOOD)]
)
def test_the_bands(score: float, kind: str) -> None:
    assert decided(heard(score, "pain/alarm", "pain/is_real")).kind == kind


def test_an_answer_has_one_choice() -> None:
    assert decided(heard(0.9, "pain/alarm", "pain/is_real")).choices == ("pain/alarm",)


def test_asking_offers_the_likely_ones_best_first_and_not_many() -> None:
    labels = [f"pain/{name}" for name in "abcdef"]
    assert decided(heard(0.4, *labels)).choices == tuple(labels[:MOST_CHOICES])


def test_unlikely_answers_are_not_offered_beyond_the_two_that_a_choice_needs() -> None:
    ranking = (("pain/alarm", 0.9), ("affirm", 0.05), ("life/sleep", 0.03), ("flare/what_is_it", 0.01))
    assert decided(Prediction(ranking, 0.0, 0.8, 0.4)).choices == ("pain/alarm", "life/sleep")


def test_small_talk_stands_on_no_button() -> None:
    assert decided(heard(0.4, "pain/alarm", "chat/greet", "life/sleep")).choices == ("pain/alarm", "life/sleep")
    assert decided(heard(0.9, "chat/greet")).choices == ("chat/greet",)


@pytest.mark.parametrize("plain", ["affirm", "deny", "repeat", "tell_more", "why", "none_of_these"])
def test_a_plain_intent_never_stands_on_a_button(plain: str) -> None:
    assert not offerable(plain)
    asked = decided(heard(0.4, plain, "pain/alarm"))
    assert (asked.kind, asked.choices) == (DID_YOU_MEAN, ("pain/alarm",))
    assert decided(heard(0.4, plain)).kind == NOT_UNDERSTOOD


def test_a_plain_intent_said_clearly_is_done() -> None:
    assert decided(heard(0.9, "affirm")).choices == ("affirm",)


def test_a_person_can_stand_on_a_button() -> None:
    assert decided(heard(0.4, TALK_TO_PERSON, "pain/alarm")).choices == (TALK_TO_PERSON, "pain/alarm")


def spoken(label: str, p: float, *others: str, nearest: float = 1.0, outside: float = 0.0) -> Prediction:
    """A prediction whose score is what the classifier would make of it."""
    ranking = ((label, p), *((other, (1 - p) / max(len(others), 1)) for other in others))
    return Prediction(ranking, outside, nearest, p * nearest * (1 - outside))


def test_a_long_message_gets_its_own_worry_and_is_offered_the_second() -> None:
    whole = spoken("movement/is_it_safe", 0.9, "life/sleep")
    parts = [spoken("life/sleep", 0.7), spoken("movement/is_it_safe", 0.95), spoken("flare/what_is_it", 0.65)]
    answer = decided(whole, *parts)
    assert (answer.kind, answer.choices) == (ANSWER, ("movement/is_it_safe", "life/sleep"))


def test_one_line_of_a_story_is_not_its_worry() -> None:
    """ "Seventy in June ..." alone is like a question about age; the message asks about a torn cuff."""
    story = decided(
        spoken("joints/cuff", 0.9, "joints/old_age"), spoken("joints/old_age", 0.99), spoken("joints/cuff", 0.6)
    )
    assert story.choices[0] == "joints/cuff"


def test_a_sentence_lifts_what_the_whole_leaves_open() -> None:
    whole = spoken("life/sleep", 0.45, "flare/what_is_it")
    assert (
        decided(whole, spoken("flare/what_is_it", 0.99), spoken("flare/what_is_it", 0.9)).choices[0]
        == "flare/what_is_it"
    )


def test_two_sentences_about_one_worry_are_one_worry() -> None:
    same = decided(spoken("life/sleep", 0.7), spoken("life/sleep", 0.8), spoken("life/sleep", 0.9))
    assert same.choices == ("life/sleep",)


def test_a_greeting_inside_a_long_message_is_not_its_worry() -> None:
    long = decided(spoken("life/sleep", 0.9), spoken("affirm", 0.99), spoken("life/sleep", 0.7))
    assert long.choices == ("life/sleep",)


def test_an_unclear_long_message_is_asked_about_with_the_worries_of_its_parts() -> None:
    asked = decided(spoken("pain/alarm", 0.5), spoken("life/sleep", 0.5), spoken("flare/what_is_it", 0.4))
    assert asked.kind == DID_YOU_MEAN
    assert set(asked.choices) == {"life/sleep", "flare/what_is_it", "pain/alarm"}


def test_a_hello_is_answered_without_being_sure() -> None:
    assert decided(heard(0.4, "chat/greet", "pain/alarm")).choices == ("chat/greet",)
    assert decided(heard(0.2, "chat/greet", "pain/alarm")).kind == NOT_UNDERSTOOD


# Words of scan reports


def test_a_named_word_has_its_card_where_a_report_is_asked_about() -> None:
    asked = with_report_word(decided(heard(0.9, "scans/report_words")), "disc_bulge")
    assert (asked.kind, asked.choices) == (ANSWER, (FINDING, "scans/report_words"))


def test_beside_another_answer_the_card_is_offered() -> None:
    answer = with_report_word(decided(heard(0.9, "scans/shows_damage")), "disc_bulge")
    assert answer.choices == ("scans/shows_damage", "finding/disc_bulge")


def test_a_second_worry_keeps_its_place() -> None:
    two = decided(spoken("life/sleep", 0.9), spoken("life/sleep", 0.9), spoken("flare/what_is_it", 0.8))
    assert with_report_word(two, "disc_bulge").choices == ("life/sleep", "flare/what_is_it")


def test_where_nothing_is_clear_the_card_is_one_of_the_choices() -> None:
    unclear = with_report_word(decided(heard(0.1, "life/sleep", "pain/alarm")), "disc_bulge")
    assert (unclear.kind, unclear.choices[0]) == (DID_YOU_MEAN, "finding/disc_bulge")


def test_without_a_word_nothing_changes() -> None:
    one = decided(heard(0.9, "life/sleep"))
    assert with_report_word(one, None) is one


def test_what_is_surely_outside_is_said_so() -> None:
    assert decided(heard(0.1, "pain/alarm", outside=0.9)).kind == OUT_OF_SCOPE
    assert decided(heard(0.4, "pain/alarm", outside=0.6)).kind == OUT_OF_SCOPE


def test_gibberish_is_not_understood_rather_than_outside() -> None:
    nothing = decided(heard(0.01, "pain/alarm", outside=0.9, nearest=0.2))
    assert (nothing.kind, nothing.choices) == (NOT_UNDERSTOOD, ())
