"""The soft layer: a small calibrated model that may raise one question, never an alarm, and lowers nothing.

It reads a message part by part (a red flag is often one clause of a long post) and sees of each part: the families
of the rules with their scope, what the rules found and the words (linear), and a sentence vector from an encoder that
is handed in (linear, and through a small network: 1.5 in 100 more of the clear signs heard at as many questions).
Trained by ``bot.safety.learning``; the model is plain arrays and JSON. Deterministic.
"""

from __future__ import annotations

import json
from bisect import bisect_left, bisect_right
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from bot.safety.frames import literal
from bot.safety.matching import Found, Span
from bot.safety.normalise import LINE, Tokens

if TYPE_CHECKING:
    from bot.safety.scope import ScopeReader
    from bot.safety.screening import Finding

# Unit vectors, shape (texts, dimensions), float32; the same text always gives the same vector.
Encode = Callable[[Sequence[str]], np.ndarray]

# What stands at some content words of a message: names of features.
Mark = tuple[Span, tuple[str, ...]]

# Content words of a part: a shorter sentence is joined to its neighbour, a longer one is read in overlapping pieces.
SHORTEST_PART, LONGEST_PART, OVERLAP = 3, 18, 6
# Of a long message only the most telling parts are encoded, as many as fit into about 15 ms: to encode takes so long
# as ENCODING_COSTS words whatever the length, and then each word its time.
MOST_ENCODED_WORDS, ENCODING_COSTS = 24, 6
_FAMILY_WEIGHT, _WORD_WEIGHT = 0.25, 1.0
# How much of the network's log odds joins the linear score: more changed nothing in cross-validation.
NET_SHARE = 0.3
_MOST_SPANS = 6
_HELP, _CRISIS = "help", "crisis"


@dataclass(frozen=True)
class Part:
    """Some sentences of a message: content words ``first`` to ``last`` (exclusive), and the characters they span."""

    first: int
    last: int
    span: Span


@dataclass(frozen=True)
class Heard:
    """What the soft layer makes of a message: whether to ask, how sure it is, in which part, and of which category."""

    asks: bool
    probability: float
    category: str
    span: Span


@dataclass(frozen=True)
class Net:
    """A small network on the sentence vector alone: one hidden layer (rectified), and a score as log odds."""

    hidden: np.ndarray
    hidden_bias: np.ndarray
    out: np.ndarray
    bias: float

    def score(self, vectors: np.ndarray) -> np.ndarray:
        """Log odds, shape (texts,), for vectors of shape (texts, dimensions)."""
        found: np.ndarray = np.maximum(vectors @ self.hidden + self.hidden_bias, 0) @ self.out + self.bias
        return found


@dataclass(frozen=True)
class Head:
    """One yes-or-no about a part of a message: weights by feature name, ``dense`` and ``net`` for the sentence vector.

    ``calibration`` is (slope, offset) from the raw score of the most telling part to the probability; ``threshold`` is
    the probability from which one question is put.
    """

    weights: np.ndarray
    dense: np.ndarray
    net: Net
    bias: float
    calibration: tuple[float, float]
    threshold: float

    def of_vector(self, vector: np.ndarray) -> float:
        """What the sentence vector adds to the score of the words."""
        return float(self.dense @ vector + NET_SHARE * self.net.score(vector[None])[0])

    def probability(self, score: float) -> float:
        slope, offset = self.calibration
        return float(1.0 / (1.0 + np.exp(-(slope * score + offset))))


@dataclass(frozen=True)
class SoftLayer:
    """Two heads on the same features, ``help`` (it needs help) and ``crisis`` (wish to die, harm to others: the words
    are quieter, and a miss weighs more), and a linear model for the category. ``crisis_categories``: what the second
    one may be about. ``encode`` is None where no encoder could be loaded: the rest of the model goes on without it.
    """

    names: Mapping[str, int]
    help: Head
    crisis: Head
    categories: tuple[str, ...]
    crisis_categories: tuple[str, ...]
    category_weights: np.ndarray
    category_dense: np.ndarray
    category_bias: np.ndarray
    about: Mapping[str, Any] = field(default_factory=dict)
    encode: Encode | None = None

    def hear(self, text: str, found: Found, reader: ScopeReader, findings: Sequence[Finding]) -> Heard | None:
        """What this message tells. None for a message without a single content word."""
        parts = split(text, found.tokens)
        if not parts:
            return None
        made = marks(found, reader, findings)
        rows = [self._row(features(found.tokens, made, part)) for part in parts]
        scores = self._by_words(self.help, rows)
        vectors = self._vectors(text, parts, scores)
        help = self._heard(self.help, scores, rows, vectors, parts)
        crisis = self._heard(self.crisis, self._by_words(self.crisis, rows), rows, vectors, parts)
        surer = not help.asks or crisis.probability > help.probability
        return crisis if crisis.asks and surer else help

    def _heard(
        self,
        head: Head,
        scores: np.ndarray,
        rows: Sequence[tuple[np.ndarray, np.ndarray]],
        vectors: Mapping[int, np.ndarray],
        parts: Sequence[Part],
    ) -> Heard:
        """What one head makes of the most telling part."""
        whole = {place: float(scores[place]) + head.of_vector(vector) for place, vector in vectors.items()}
        score = whole or dict(enumerate(scores.tolist()))
        best = max(score, key=lambda place: (score[place], -place))
        probability = head.probability(score[best])
        index, value = rows[best]
        by_category = self.category_weights[:, index] @ value + self.category_bias
        if best in vectors:
            by_category = by_category + self.category_dense @ vectors[best]
        if head is self.crisis:
            by_category = np.where(np.isin(self.categories, self.crisis_categories), by_category, -np.inf)
        category = self.categories[int(np.argmax(by_category))]
        return Heard(probability >= head.threshold, probability, category, parts[best].span)

    def _by_words(self, head: Head, rows: Sequence[tuple[np.ndarray, np.ndarray]]) -> np.ndarray:
        return np.array([head.weights[index] @ value for index, value in rows]) + head.bias

    def _row(self, named: Mapping[str, float]) -> tuple[np.ndarray, np.ndarray]:
        known = [(self.names[name], value) for name, value in named.items() if name in self.names]
        return np.array([i for i, _ in known], dtype=np.int64), np.array([v for _, v in known], dtype=np.float32)

    def _vectors(self, text: str, parts: Sequence[Part], scores: np.ndarray) -> dict[int, np.ndarray]:
        """Sentence vectors of the parts that tell most by their words alone, as many as there is time for."""
        if self.encode is None:
            return {}
        chosen = worth_encoding(parts, scores)
        texts = [text[slice(*parts[place].span)] for place in chosen]
        return dict(zip(chosen, self.encode(texts), strict=True))

    def save(self, folder: Path) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        heads = {_HELP: self.help, _CRISIS: self.crisis}
        np.savez_compressed(
            folder / "soft.npz",
            category_weights=self.category_weights.astype(np.float16),
            category_dense=self.category_dense.astype(np.float16),
            category_bias=self.category_bias.astype(np.float32),
            **{f"{name}_weights": head.weights.astype(np.float32) for name, head in heads.items()},
            **{f"{name}_dense": head.dense.astype(np.float32) for name, head in heads.items()},
            **{f"{name}_net_hidden": head.net.hidden.astype(np.float16) for name, head in heads.items()},
            **{f"{name}_net_hidden_bias": head.net.hidden_bias.astype(np.float32) for name, head in heads.items()},
            **{f"{name}_net_out": head.net.out.astype(np.float32) for name, head in heads.items()},
        )
        about = {
            "names": sorted(self.names, key=self.names.__getitem__),
            "categories": self.categories,
            "crisis_categories": self.crisis_categories,
            "heads": {
                name: {
                    "bias": head.bias,
                    "net_bias": head.net.bias,
                    "calibration": head.calibration,
                    "threshold": head.threshold,
                }
                for name, head in heads.items()
            },
            "about": dict(self.about),
        }
        (folder / "soft.json").write_text(json.dumps(about))


def load_soft(folder: Path, encode: Encode | None) -> SoftLayer:
    """The soft layer saved in ``folder``. Raises OSError, KeyError or ValueError where it is missing or broken."""
    about = json.loads((folder / "soft.json").read_text())
    with np.load(folder / "soft.npz", allow_pickle=False) as arrays:

        def head(name: str) -> Head:
            kept = about["heads"][name]
            return Head(
                weights=arrays[f"{name}_weights"],
                dense=arrays[f"{name}_dense"],
                net=Net(
                    hidden=arrays[f"{name}_net_hidden"].astype(np.float32),
                    hidden_bias=arrays[f"{name}_net_hidden_bias"],
                    out=arrays[f"{name}_net_out"],
                    bias=kept["net_bias"],
                ),
                bias=kept["bias"],
                calibration=tuple(kept["calibration"]),
                threshold=kept["threshold"],
            )

        return SoftLayer(
            names={name: place for place, name in enumerate(about["names"])},
            help=head(_HELP),
            crisis=head(_CRISIS),
            categories=tuple(about["categories"]),
            crisis_categories=tuple(about["crisis_categories"]),
            category_weights=arrays["category_weights"].astype(np.float32),
            category_dense=arrays["category_dense"].astype(np.float32),
            category_bias=arrays["category_bias"],
            about=about["about"],
            encode=encode,
        )


def worth_encoding(parts: Sequence[Part], scores: Sequence[float] | np.ndarray) -> list[int]:
    """The places of the parts that tell most by their words alone, as many as there is time to encode."""
    chosen: list[int] = []
    budget = MOST_ENCODED_WORDS
    for place in sorted(range(len(parts)), key=lambda place: (-scores[place], place)):
        size = parts[place].last - parts[place].first + ENCODING_COSTS
        if chosen and size > budget:
            continue
        chosen.append(place)
        budget -= size
    return chosen


def split(text: str, tokens: Tokens) -> list[Part]:
    """The parts of a message: its sentences (very short ones joined, long ones in pieces), and neighbours in pairs.

    A sign is often one sentence of many, which the others would drown; and sometimes it takes two to tell it.
    """
    bounds: list[Span] = []
    first = 0
    for place in range(1, len(tokens) + 1):
        size = place - first
        ends = place == len(tokens) or (tokens.breaks[place] >= LINE and size >= SHORTEST_PART)
        if ends or size >= LONGEST_PART:
            bounds.append((first, place))
            first = place if ends else place - OVERLAP
    if len(bounds) > 1 and bounds[-1][1] - bounds[-1][0] < SHORTEST_PART:  # a short rest belongs to the one before
        bounds[-2:] = [(bounds[-2][0], bounds[-1][1])]
    pairs = [(one[0], two[1]) for one, two in pairwise(bounds) if two[1] - one[0] <= LONGEST_PART]
    return [_part(text, tokens, first, last) for first, last in (*bounds, *pairs)]


def _part(text: str, tokens: Tokens, first: int, last: int) -> Part:
    start = 0 if first == 0 else tokens.starts[first]
    end = len(text) if last == len(tokens) else max(tokens.ends[first:last])
    return Part(first, last, (start, end))


def marks(found: Found, reader: ScopeReader, findings: Sequence[Finding]) -> list[Mark]:
    """What stands where in a message: families with their scope, and what the rules found, in the order of the text."""
    made: list[Mark] = []
    # Words written straight into frames are among the words anyway.
    for family in sorted(family for family in found.families if literal(family) is None):
        cue = family.startswith("cue_")
        for span in found.of(family)[:_MOST_SPANS]:
            if cue:
                made.append((span, (family,)))
            else:
                read = reader.scope_of(span)
                made.append((span, (f"{family}@{read}", f"any@{read}")))
    starts = found.tokens.starts
    for finding in findings:
        place = bisect_right(starts, finding.span[0]) - 1
        how = f"{finding.raised_by}:{finding.scope}"
        made.append(((place, place + 1), (f"{finding.category}:{how}", f"found:{how}")))
    return sorted(made)


def features(tokens: Tokens, made: Sequence[Mark], part: Part) -> dict[str, float]:
    """Named features of one part of a message: what stands in it (``marks``), whose it is, and its words."""
    first, last = part.first, part.last
    named: dict[str, float] = {}
    for place in range(bisect_left(made, ((first, 0), ())), len(made)):
        (start, end), names = made[place]
        if start >= last:
            break
        if end <= last:
            for name in names:
                named[name] = _FAMILY_WEIGHT
    for owner in {owner for owner in tokens.owners[first:last] if owner}:
        named[f"owner:{owner}"] = _FAMILY_WEIGHT
    words = tokens.words[first:last]
    grams = {"w:" + word for word in words} | {f"w:{one} {two}" for one, two in pairwise(words)}
    each = _WORD_WEIGHT / len(grams) ** 0.5 if grams else 0.0
    named.update(dict.fromkeys(sorted(grams), each))
    return named
