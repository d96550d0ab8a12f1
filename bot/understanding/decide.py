"""From predictions to what happens: answer, ask "did you mean", say that it was not understood, or out of scope."""

from __future__ import annotations

from dataclasses import dataclass

from bot.understanding.classifier import OUT_OF_SCOPE, Classifier, Prediction
from bot.understanding.reading import Reading

ANSWER, DID_YOU_MEAN, NOT_UNDERSTOOD = "answer", "did_you_mean", "not_understood"
TALK_TO_PERSON = "talk_to_person"
SMALL_TALK = "chat/"
MOST_CHOICES = 3
FEWEST_CHOICES = 2
LEAST_CHOICE = 0.04
SURELY_OUTSIDE = 0.5
# Below this cosine a text is like nothing we have ever read: gibberish is not understood, rather than out of scope.
LIKE_ANYTHING = 0.35


@dataclass(frozen=True)
class Decision:
    """`kind` is answer, did_you_mean, not_understood or out_of_scope. `choices` are labels, best first:
    for an answer the answer itself and then a second worry of the same message, if one was heard."""

    kind: str
    choices: tuple[str, ...]
    score: float
    out_of_scope: float
    ranking: tuple[tuple[str, float], ...]


def decide(reading: Reading, classifier: Classifier) -> Decision:
    """Decide for one message. A long message is heard as a whole and sentence by sentence."""
    whole, *parts = (
        classifier.predict(text, vector) for text, vector in zip(reading.texts, reading.vectors, strict=True)
    )
    heard = [whole, *(part for part in parts if offerable(part.label))]
    best = max(heard, key=lambda p: p.score)
    answer, ask = classifier.thresholds["answer"], classifier.thresholds["ask"]
    if best.score >= answer:
        others = [p for p in heard if p.score >= answer and p.label != best.label and offerable(p.label)]
        second = sorted(others, key=lambda p: -p.score)[:1]
        return _decision(ANSWER, (best.label, *(p.label for p in second)), best)
    choices = _choices(heard, best)
    if best.score >= ask and best.out_of_scope < SURELY_OUTSIDE and choices:
        return _decision(DID_YOU_MEAN, choices, best)
    outside = whole.out_of_scope >= SURELY_OUTSIDE and whole.nearest >= LIKE_ANYTHING
    return _decision(OUT_OF_SCOPE if outside else NOT_UNDERSTOOD, (), whole)


def _choices(heard: list[Prediction], best: Prediction) -> tuple[str, ...]:
    """What to offer: the likely answers of the best-heard part, then the best of the other parts."""
    ranked = [(label, p) for label, p in best.ranking if offerable(label)]
    likely = [label for place, (label, p) in enumerate(ranked) if p >= LEAST_CHOICE or place < FEWEST_CHOICES]
    likely += [p.label for p in sorted(heard, key=lambda p: -p.score) if offerable(p.label)]
    return tuple(dict.fromkeys(likely))[:MOST_CHOICES]


def offerable(label: str) -> bool:
    """Whether a label can stand on a button: answers (but small talk) and the way to a person."""
    return ("/" in label and not label.startswith(SMALL_TALK)) or label == TALK_TO_PERSON


def _decision(kind: str, choices: tuple[str, ...], by: Prediction) -> Decision:
    return Decision(kind, choices, by.score, by.out_of_scope, by.ranking)
