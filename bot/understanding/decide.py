"""From predictions to what happens: answer, ask "did you mean", say that it was not understood, or out of scope."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from bot.understanding.classifier import OUT_OF_SCOPE, Classifier, Prediction, plain
from bot.understanding.details import FINDING, detail, load_word_lists
from bot.understanding.entities import Entity
from bot.understanding.reading import Reading

ANSWER, DID_YOU_MEAN, NOT_UNDERSTOOD = "answer", "did_you_mean", "not_understood"
TALK_TO_PERSON = "talk_to_person"
SMALL_TALK = "chat/"
# Questions about a report in general: where its word is named, the word's own card says more.
ABOUT_A_REPORT = ("scans/report_words", "scans/common_without_pain")
MOST_CHOICES = 3
FEWEST_CHOICES = 2
LEAST_CHOICE = 0.02
WHOLE = 0.7
LIKELY_TALK = 0.45
MOST_TALK_WORDS = 6
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


def decide_message(text: str, facts: Sequence[Entity], reading: Reading | None, classifier: Classifier) -> Decision:
    """Decide for one typed message: a fact told alone is what it is; a named word of a report offers its card."""
    fact = detail(text, facts, load_word_lists())
    if fact:
        return told(fact)
    if reading is None or not reading.texts[0]:
        return Decision(NOT_UNDERSTOOD, (), 0.0, 0.0, ())
    return with_report_word(decide(reading, classifier), next((e.value for e in facts if e.kind == FINDING), None))


def told(label: str) -> Decision:
    """The decision where nothing is left to guess: a button of ours, or a fact told alone."""
    return Decision(ANSWER, (label,), 1.0, 0.0, ((label, 1.0),))


def decide(reading: Reading, classifier: Classifier) -> Decision:
    """Decide for one message. A long one is heard as a whole; its sentences count too, and may hold a second worry."""
    whole, *parts = classifier.predict(reading.texts, reading.vectors)
    heard = together(whole, parts) if parts else whole
    exact = classifier.exact.get(plain(reading.texts[0]))
    if exact is not None:
        return _decision(ANSWER, (exact,), replace(heard, score=1.0, out_of_scope=0.0))
    answer, ask = classifier.thresholds["answer"], classifier.thresholds["ask"]
    likely = heard.ranking[0][1] >= LIKELY_TALK and len(reading.texts[0].split()) <= MOST_TALK_WORDS
    if heard.label.startswith(SMALL_TALK) and heard.score >= ask and likely:
        return _decision(ANSWER, (heard.label,), heard)  # a hello too many costs nobody anything
    if heard.score >= answer:
        others = [p for p in parts if p.score >= answer and p.label != heard.label and offerable(p.label)]
        second = sorted(others, key=lambda p: -p.score)[:1]
        return _decision(ANSWER, (heard.label, *(p.label for p in second)), heard)
    choices = _choices(heard, parts)
    if heard.score >= ask and heard.out_of_scope < SURELY_OUTSIDE and choices:
        return _decision(DID_YOU_MEAN, choices, heard)
    outside = heard.out_of_scope >= SURELY_OUTSIDE and heard.nearest >= LIKE_ANYTHING
    return _decision(OUT_OF_SCOPE if outside else NOT_UNDERSTOOD, (), heard)


def together(whole: Prediction, parts: Sequence[Prediction]) -> Prediction:
    """One prediction of a message and its sentences: the whole counts most, an answer's best sentence the rest.

    The best sentence alone misleads: people tell a story first, and one line of it ("seventy in June") is often like
    an example of something else.
    """
    best: dict[str, float] = {}
    for part in parts:
        for label, p in part.ranking:
            best[label] = max(best.get(label, 0.0), p * part.nearest)
    mixed = [(label, WHOLE * p * whole.nearest + (1 - WHOLE) * best.get(label, 0.0)) for label, p in whole.ranking]
    mixed.sort(key=lambda item: -item[1])
    outside = WHOLE * whole.out_of_scope + (1 - WHOLE) * sum(p.out_of_scope for p in parts) / len(parts)
    return Prediction(tuple(mixed), outside, whole.nearest, mixed[0][1] * (1.0 - outside))


def with_report_word(decision: Decision, word: str | None) -> Decision:
    """The decision where the message names a word of a scan report: its card, or the card offered beside an answer."""
    if word is None or (decision.kind == ANSWER and decision.choices[0] == FINDING):
        return decision
    card = f"{FINDING}/{word}"
    likely = {label for label, _ in decision.ranking[:MOST_CHOICES]}
    asked = not likely.isdisjoint((FINDING, *ABOUT_A_REPORT))
    if decision.kind == ANSWER:
        if decision.choices[0] in ABOUT_A_REPORT:
            return replace(decision, choices=(FINDING, decision.choices[0]))
        if "/" not in decision.choices[0] or len(decision.choices) > 1:
            return decision
        return replace(decision, choices=(decision.choices[0], card))
    if asked:
        return replace(decision, kind=ANSWER, choices=(FINDING,))
    others = tuple(choice for choice in decision.choices if choice != card)
    return replace(decision, kind=DID_YOU_MEAN, choices=(card, *others)[:MOST_CHOICES])


def _choices(heard: Prediction, parts: Sequence[Prediction]) -> tuple[str, ...]:
    """What to offer: the likely answers of the message, then the best of its sentences."""
    ranked = [(label, p) for label, p in heard.ranking if offerable(label)]
    likely = [label for place, (label, p) in enumerate(ranked) if p >= LEAST_CHOICE or place < FEWEST_CHOICES]
    likely += [p.label for p in sorted(parts, key=lambda p: -p.score) if offerable(p.label)]
    return tuple(dict.fromkeys(likely))[:MOST_CHOICES]


def offerable(label: str) -> bool:
    """Whether a label can stand on a button: answers (but small talk) and the way to a person."""
    return ("/" in label and not label.startswith(SMALL_TALK)) or label == TALK_TO_PERSON


def _decision(kind: str, choices: tuple[str, ...], by: Prediction) -> Decision:
    return Decision(kind, choices, by.score, by.out_of_scope, by.ranking)
