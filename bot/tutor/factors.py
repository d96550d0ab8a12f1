"""Hearing what turns a person's alarm up and what calms it, in what they write.

A message is cut into sentences and clauses. Rules say of each clause which factors it cannot be telling: it is about
somebody else, asks, supposes, denies, or says that something does not help. Of what is left, a logistic regression for
each factor judges the sentence vector, the words (with what a "not" before them makes of them) and the factor's own
patterns. Made by ``factors_fit.py``; nothing here is learned from patients.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import NamedTuple

import numpy as np

from bot.content.factors import CALM, Factor, Factors, HearingModel, load_factors, load_model

# Of a long message the first clauses are heard, as many as can be encoded in the time of a reply.
MOST_UNITS = 12
# A clause of fewer words is heard within its sentence alone, unless a factor's own words stand in it.
FEWEST_WORDS = 3
_ENDS = re.compile(r"(?<=[.?!;])\s+|\n+|\s+[-–—]+\s+|\.{2,}\s*")
_CUTS = re.compile(
    r"(?i)[,:]?\s+(?:but|though|although|however|yet|whereas|while|then)\s+"
    r"|,\s+(?=\S+\s+\S+)"
    r"|\s+(?:and|so|because|cos)\s+(?=(?:i|i'm|im|i've|my|it|the|then|when|if|work|she|he|they|we|no|nobody|"
    r"a|some|walking|swimming|talking|rest|heat)\b)"
)
_WORD = re.compile(r"[a-z0-9']+")
_NOT = frozenset(
    ("not", "no", "never", "without", "nobody", "nothing", "none", "nor", "hardly", "don't", "doesn't", "didn't",
     "isn't", "aren't", "can't", "cannot", "won't", "wasn't", "haven't", "hasn't", "couldn't", "wouldn't", "daren't")
)
_NOT_REACHES = 3
_STEM = 5
# What may well be told of another person: what they say or do is what weighs, or what calms.
_OF_OTHERS = frozenset({"people", "work", "words_heard", "calm_people"})
# "Used to" does not end these; "what if" is how worry speaks.
_OF_THE_PAST = frozenset({"past_injury", "words_heard", "sleep", "fear_of_moving"})


class Hit(NamedTuple):
    """A factor that was heard, and the person's words that said it."""

    factor: str
    words: str


@dataclass(frozen=True)
class Unit:
    """A sentence or a clause: its repaired text, its characters in the message, and what its scope tells."""

    text: str
    start: int
    end: int
    scope: frozenset[str]
    sentence: int
    whole: bool


def heard_in(text: str, vectors: Mapping[str, np.ndarray] | None = None) -> tuple[Hit, ...]:
    """The factors that a message tells of its writer, in the order of the map. Never raises; empty for no words.

    `vectors`: unit vectors by repaired text, for what has been encoded already."""
    from bot.understanding.encoder import load_encoder
    from bot.understanding.spelling import load_normaliser

    factors, model = load_factors(), load_model()
    units = units_of(text, load_normaliser(), factors)
    if not units:
        return ()
    known = vectors or {}
    new = [unit.text for unit in units if unit.text not in known]
    encoded = {**known, **dict(zip(new, load_encoder()(new), strict=True))} if new else known
    dense = np.stack([encoded[unit.text] for unit in units])
    scores = scored(units, features(units, dense, model, factors), model, factors)
    best, found = scores.argmax(axis=0), scores.max(axis=0)
    return tuple(
        Hit(factor, text[units[best[place]].start : units[best[place]].end].strip(" ,;:-–—"))
        for place, factor in enumerate(model.factors)
        if found[place] >= model.thresholds[place]
    )


def scored(units: Sequence[Unit], rows: np.ndarray, model: HearingModel, factors: Factors) -> np.ndarray:
    """The probability that each unit tells each factor, shape (units, factors); 0 where the rules bar it."""
    odds = rows @ model.weights.T + model.bias
    told: np.ndarray = 1.0 / (1.0 + np.exp(-odds)) * ~barred(units, factors)
    return told


def units_of(text: str, normalise: object, factors: Factors) -> list[Unit]:
    """The sentences of a message, and the clauses of those that have several."""
    assert callable(normalise)
    units: list[Unit] = []
    for number, (start, end) in enumerate(_between(_ENDS, text, 0, len(text))):
        about_other = False
        clauses: list[Unit] = []
        for first, last in _between(_CUTS, text, start, end):
            plain = normalise(text[first:last])
            if _WORD.search(plain) and ((first, last) == (start, end) or _says_something(plain, factors)):
                scope = scope_of(plain, factors, about_other, text[first:end])
                about_other = "other" in scope
                clauses.append(Unit(plain, first, last, scope, number, False))
        if len(clauses) > 1:
            plain = normalise(text[start:end])
            units.append(Unit(plain, start, end, scope_of(plain, factors, False, text[start:end]), number, True))
        units.extend(clauses)
    return units[:MOST_UNITS]


def _says_something(plain: str, factors: Factors) -> bool:
    named = any(one.said.search(plain) for one in factors.by_id.values())
    return named or len(_WORD.findall(plain)) >= FEWEST_WORDS


def scope_of(plain: str, factors: Factors, after_other: bool, rest: str) -> frozenset[str]:
    """Who and whether: the names of the scope's patterns that hold, ``other`` for somebody else's, ``asks``."""
    found = {key for key, pattern in factors.scope.items() if pattern.search(plain)}
    own = bool(found & {"self", "own"})
    if own:
        found.discard("other")
    elif "others" in found or after_other:
        found.add("other")
    asked = "?" in rest and not own
    if (asked or "question" in found) and "assumed" not in found:
        found.add("asks")
    return frozenset(found)


def barred(units: Sequence[Unit], factors: Factors) -> np.ndarray:
    """Where the rules say that a unit cannot tell a factor, shape (units, factors)."""
    found = np.array([[_bars(unit, one) for one in factors.by_id.values()] for unit in units], dtype=bool)
    # A sentence does not tell as a whole what one of its clauses denies.
    for place, unit in enumerate(units):
        if unit.whole:
            parts = [i for i, other in enumerate(units) if other.sentence == unit.sentence and not other.whole]
            if parts:
                found[place] |= found[parts].any(axis=0)
    return found


def _bars(unit: Unit, factor: Factor) -> bool:
    scope, text = unit.scope, unit.text
    if "asks" in scope or "supposed" in scope:
        return factor.id != "worry_spiral" or "what if" not in text
    if factor.side == CALM:
        if "not_calmed" in scope:
            return "except" not in scope
        told_of = {"others", "other"} <= scope
        return told_of or "before" in scope or {"advised", "calmed"} & scope == {"advised"}
    if "other" in scope and factor.id not in _OF_OTHERS:
        return True
    if ("before" in scope and factor.id not in _OF_THE_PAST) or "over" in scope or "denied" in scope:
        return True
    if factor.denied is not None and factor.denied.search(text):
        return True
    if factor.not_about is not None and factor.not_about.search(text):
        return not factor.said.search(factor.not_about.sub(" ", text))
    return False


def features(units: Sequence[Unit], dense: np.ndarray, model: HearingModel, factors: Factors) -> np.ndarray:
    """What the model sees of each unit, shape (units, features)."""
    return rows_of(units, dense, model.vocabulary, model.idf, factors)


def rows_of(
    units: Sequence[Unit], dense: np.ndarray, vocabulary: Mapping[str, int], idf: np.ndarray, factors: Factors
) -> np.ndarray:
    """Sentence vectors, n-grams (tf-idf, length 1) and marks, side by side."""
    sparse = np.zeros((len(units), len(vocabulary)), dtype=np.float32)
    marks = np.array([marks_of(unit, factors) for unit in units], dtype=np.float32)
    for place, unit in enumerate(units):
        columns = sorted(vocabulary[gram] for gram in grams(unit.text) if gram in vocabulary)
        if columns:
            sparse[place, columns] = idf[columns] / np.linalg.norm(idf[columns])
    return np.hstack([dense.astype(np.float32), sparse, marks])


MARK_WEIGHT = 0.8


def marks_of(unit: Unit, factors: Factors) -> list[float]:
    """Which factors' patterns stand in a unit, alone and beside words that something calms; and its scope."""
    said = [bool(one.said.search(unit.text)) for one in factors.by_id.values()]
    calmed = "calmed" in unit.scope and "not_calmed" not in unit.scope
    scope = [key in unit.scope for key in ("calmed", "not_calmed", "advised", "other", "self")]
    return [MARK_WEIGHT * one for one in (*said, *(one and calmed for one in said), *scope)]


def grams(text: str) -> set[str]:
    """The words of a repaired text, pairs of them, their beginnings, and words that a "not" just before turns round."""
    words = _WORD.findall(text)
    found = set(words) | {f"{one} {two}" for one, two in pairwise(words)}
    found |= {f"#{word[:_STEM]}" for word in words if len(word) >= _STEM}
    reach = 0
    for word in words:
        if reach > 0:
            found.add(f"not {word[:_STEM]}_")
        reach = _NOT_REACHES if word in _NOT else reach - 1
    return found


def _between(cuts: re.Pattern[str], text: str, start: int, end: int) -> list[tuple[int, int]]:
    """The stretches of ``text[start:end]`` between cuts that have a letter or digit in them."""
    found, first = [], start
    for cut in cuts.finditer(text, start, end):
        found.append((first, cut.start()))
        first = cut.end()
    found.append((first, end))
    return [(one, two) for one, two in found if any(sign.isalnum() for sign in text[one:two])]
