"""The decision bands, with a scripted classifier: every text has its prediction."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pytest

from bot.understanding.classifier import OUT_OF_SCOPE, Prediction
from bot.understanding.decide import (
    ANSWER,
    DID_YOU_MEAN,
    MOST_CHOICES,
    NOT_UNDERSTOOD,
    TALK_TO_PERSON,
    Decision,
    decide,
    offerable,
)
from bot.understanding.reading import Reading


@dataclass
class Scripted:
    """Answers at a score of 0.6, asks at 0.3."""

    predictions: dict[str, Prediction]
    thresholds: dict[str, float] = field(default_factory=lambda: {"answer": 0.6, "ask": 0.3})

    def predict(self, text: str, vector: np.ndarray) -> Prediction:
        return self.predictions[text]


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
    ranking = (("pain/alarm", 0.9), ("affirm", 0.05), ("life/sleep", 0.03), ("flare/what_is_it", 0.02))
    assert decided(Prediction(ranking, 0.0, 0.8, 0.4)).choices == ("pain/alarm", "life/sleep")


def test_small_talk_stands_on_no_button() -> None:
    assert decided(heard(0.4, "chat/greet", "pain/alarm", "life/sleep")).choices == ("pain/alarm", "life/sleep")
    assert decided(heard(0.9, "pain/alarm"), heard(0.7, "chat/thanks")).choices == ("pain/alarm",)
    assert decided(heard(0.9, "chat/greet")).choices == ("chat/greet",)


@pytest.mark.parametrize("plain", ["affirm", "deny", "repeat", "tell_more", "why", "none_of_these"])
def test_a_plain_intent_never_stands_on_a_button(plain: str) -> None:
    assert not offerable(plain)
    asked = decided(heard(0.4, plain, "pain/alarm"))
    assert (asked.kind, asked.choices) == (DID_YOU_MEAN, ("pain/alarm",))
    assert decided(heard(0.4, plain)).kind == NOT_UNDERSTOOD
    two = decided(heard(0.7, plain), heard(0.9, "pain/alarm"), heard(0.1, "pain/alarm"))
    assert two.choices == ("pain/alarm",)


def test_a_plain_intent_said_clearly_is_done() -> None:
    assert decided(heard(0.9, "affirm")).choices == ("affirm",)


def test_a_person_can_stand_on_a_button() -> None:
    assert decided(heard(0.4, TALK_TO_PERSON, "pain/alarm")).choices == (TALK_TO_PERSON, "pain/alarm")


def test_a_long_message_gets_its_clearest_worry_and_is_offered_the_second() -> None:
    whole = heard(0.35, "pain/why_it_persists")
    parts = [heard(0.7, "life/sleep"), heard(0.95, "movement/is_it_safe"), heard(0.65, "flare/what_is_it")]
    answer = decided(whole, *parts)
    assert (answer.kind, answer.choices) == (ANSWER, ("movement/is_it_safe", "life/sleep"))
    assert answer.score == 0.95


def test_two_sentences_about_one_worry_are_one_worry() -> None:
    same = decided(heard(0.7, "life/sleep"), heard(0.8, "life/sleep"), heard(0.9, "life/sleep"))
    assert same.choices == ("life/sleep",)


def test_a_greeting_inside_a_long_message_is_not_its_worry() -> None:
    long = decided(heard(0.1, "life/sleep"), heard(0.99, "affirm"), heard(0.7, "life/sleep"))
    assert long.choices == ("life/sleep",)


def test_an_unclear_long_message_is_asked_about_with_the_worries_of_its_parts() -> None:
    asked = decided(heard(0.2, "pain/alarm"), heard(0.5, "life/sleep"), heard(0.4, "flare/what_is_it"))
    assert (asked.kind, asked.choices) == (DID_YOU_MEAN, ("life/sleep", "flare/what_is_it", "pain/alarm"))


def test_what_is_surely_outside_is_said_so() -> None:
    assert decided(heard(0.1, "pain/alarm", outside=0.9)).kind == OUT_OF_SCOPE
    assert decided(heard(0.4, "pain/alarm", outside=0.6)).kind == OUT_OF_SCOPE


def test_gibberish_is_not_understood_rather_than_outside() -> None:
    nothing = decided(heard(0.01, "pain/alarm", outside=0.9, nearest=0.2))
    assert (nothing.kind, nothing.choices) == (NOT_UNDERSTOOD, ())
