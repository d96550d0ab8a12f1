"""Train the soft layer from the messages under ``data/safety/learning``. Deterministic: fixed order, fixed folds.

A message that needs help needs it in at least one of its parts, and the others may be ordinary; an ordinary one is
ordinary in every part. So the model is first fitted on messages of one part, then chooses the telling part of each
longer one, and is fitted again on those (multiple-instance learning; Andrews S, et al. NIPS 2002).
"""

from __future__ import annotations

import hashlib
import json
import warnings
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from bot.safety.rules import DATA, RuleSet
from bot.safety.schema import ALARM_TIERS
from bot.safety.screening import HARD_RULE, NO_ALARM, evidence, read
from bot.safety.soft import NET_SHARE, Encode, Head, Net, Part, SoftLayer, features, marks, split, worth_encoding

LEARNING = DATA / "learning"
EXPECT = ("fire", "ask", "none")
KINDS = ("positive", "unclear", "decoy", "ordinary")
RARE = 3
INVERSE_REGULARISATION = 1.0
FOLDS, ROUNDS, SEED = 4, 2, 20
UNITS, EPOCHS = 256, 35
# Of ordinary messages and decoys each head alone may ask about at most so many, on folds not trained on.
MOST_ASKED, MOST_ASKED_OF_CRISIS = 0.047, 0.015


@dataclass(frozen=True)
class Example:
    """One labelled message. ``expect``: fire or ask (needs help), none (ordinary talk or a look-alike)."""

    text: str
    expect: str
    category: str | None
    kind: str

    @property
    def needs_help(self) -> bool:
        return self.expect != "none"


def load_learning(folder: Path | None = None) -> list[Example]:
    """The messages to learn from, in a fixed order. Raises ValueError naming the file and line of a slip."""
    examples: dict[str, Example] = {}
    for path in sorted((folder or LEARNING).glob("*.jsonl")):
        for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), start=1):
            one = _example(line, f"{path.name} line {number}")
            examples.setdefault(one.text.strip().lower(), one)
    return list(examples.values())


def _example(line: str, where: str) -> Example:
    try:
        data = json.loads(line)
    except ValueError as error:
        raise ValueError(f"{where}: not JSON ({error})") from None
    if not isinstance(data, dict) or set(data) - {"text", "expect", "category", "kind", "why"}:
        raise ValueError(f"{where}: expected text, expect, category, kind and why")
    example = Example(str(data.get("text", "")), str(data.get("expect")), data.get("category"), str(data.get("kind")))
    if not example.text.strip() or example.expect not in EXPECT or example.kind not in KINDS:
        raise ValueError(f"{where}: text, expect ({'/'.join(EXPECT)}) or kind ({'/'.join(KINDS)}) missing or wrong")
    if example.needs_help and not example.category:
        raise ValueError(f"{where}: a message that needs help names its category")
    return example


@dataclass(frozen=True)
class _Part:
    message: int
    part: Part
    named: dict[str, float]
    text: str


@dataclass(frozen=True)
class Trained:
    """The model, and for each message (by ``fingerprint``) whether one that had not seen it would ask."""

    layer: SoftLayer
    out_of_fold: dict[str, bool]


def fingerprint(text: str) -> str:
    """A short name for a message that does not hold its words."""
    return hashlib.sha256(text.strip().lower().encode("utf-8", "surrogatepass")).hexdigest()[:16]


def train_soft(examples: Sequence[Example], rules: RuleSet, encode: Encode) -> Trained:
    """Fit the model and choose its thresholds by cross-validation over whole messages."""
    parts: list[_Part] = []
    alarmed: list[bool] = []
    for number, example in enumerate(examples):
        found, more = _parts(number, example.text, rules)
        parts.extend(more)
        alarmed.append(found)
    names = _names(parts)
    helped = np.array([example.needs_help for example in examples])
    parts = _worth_encoding(parts, _matrix(parts, names), helped)
    vectors = encode([part.text for part in parts])
    from scipy import sparse

    block = sparse.hstack([sparse.csr_matrix(vectors), _matrix(parts, names)], format="csr")
    message = np.array([part.message for part in parts])
    crisis = tuple(category.id for category in rules.categories if category.tier == ALARM_TIERS[0])
    in_crisis = np.array([example.needs_help and example.category in crisis for example in examples])
    quiet = ~helped & ~np.array(alarmed)
    dense, most = vectors.shape[1], int((~helped).sum())
    needs_help, asked = _head(block, vectors, message, helped, quiet, int(MOST_ASKED * most))
    is_crisis, asked_too = _head(block, vectors, message, in_crisis, quiet, int(MOST_ASKED_OF_CRISIS * most))
    asked = asked | asked_too
    of_parts = block @ np.concatenate([needs_help.dense, needs_help.weights])
    of_parts = of_parts + NET_SHARE * needs_help.net.score(vectors)
    telling = _telling(of_parts, message, len(helped))
    labels = [examples[number].category for number in np.flatnonzero(helped)]
    categories, by_category, category_bias = _fit_categories(block[telling[helped]], labels)
    layer = SoftLayer(
        names=names,
        help=needs_help,
        crisis=is_crisis,
        categories=categories,
        crisis_categories=crisis,
        category_weights=by_category[:, dense:].astype(np.float32),
        category_dense=by_category[:, :dense].astype(np.float32),
        category_bias=category_bias.astype(np.float32),
        about={
            "messages": len(examples),
            "need_help": int(helped.sum()),
            "cv_heard": float(asked[helped].mean()),
            "cv_asked_of_ordinary": float(asked[~helped].mean()),
        },
        encode=encode,
    )
    return Trained(layer, {fingerprint(one.text): bool(heard) for one, heard in zip(examples, asked, strict=True)})


@dataclass(frozen=True)
class _Fitted:
    weights: np.ndarray
    bias: float
    net: Net

    def scores(self, block: Any, vectors: np.ndarray) -> np.ndarray:
        found: np.ndarray = block @ self.weights + self.bias + NET_SHARE * self.net.score(vectors)
        return found


def _head(
    block: Any, vectors: np.ndarray, message: np.ndarray, target: np.ndarray, quiet: np.ndarray, allowed: int
) -> tuple[Head, np.ndarray]:
    """A head for ``target`` that asks about at most ``allowed`` of the ``quiet`` ones, and what it asks out of fold."""
    scores = _out_of_fold(block, vectors, message, target)
    calibration = _calibrate(scores, target)
    fitted = _fit_with_net(block, vectors, message, target, np.arange(len(target)))
    threshold = _threshold(scores[quiet], allowed, calibration)
    dense = vectors.shape[1]
    head = Head(
        weights=fitted.weights[dense:].astype(np.float32),
        dense=fitted.weights[:dense].astype(np.float32),
        net=fitted.net,
        bias=fitted.bias,
        calibration=calibration,
        threshold=threshold,
    )
    return head, np.array([head.probability(score) >= threshold for score in scores])


def _worth_encoding(parts: Sequence[_Part], matrix: Any, helped: np.ndarray) -> list[_Part]:
    """The parts that would be encoded when a message is heard, by a first model without sentence vectors."""
    message = np.array([part.message for part in parts])
    weights, bias = _fit(matrix, message, helped, np.arange(len(helped)))
    scores = matrix @ weights + bias
    rows_of: list[list[int]] = [[] for _ in helped]
    for row, part in enumerate(parts):
        rows_of[part.message].append(row)
    chosen: list[_Part] = []
    for rows in rows_of:
        places = worth_encoding([parts[row].part for row in rows], scores[rows])
        chosen.extend(parts[rows[place]] for place in sorted(places))
    return chosen


def _parts(number: int, text: str, rules: RuleSet) -> tuple[bool, list[_Part]]:
    reading = read(text, rules)
    findings = evidence(reading, rules)
    alarm = any(one.raised_by == HARD_RULE and one.tier != NO_ALARM for one in findings)
    made = marks(reading.found, reading.reader, findings)
    tokens = reading.found.tokens
    return alarm, [
        _Part(number, part, features(tokens, made, part), text[slice(*part.span)])
        for part in split(text, tokens) or [Part(0, 0, (0, len(text)))]
    ]


def _names(parts: Iterable[_Part]) -> dict[str, int]:
    counts = Counter(name for part in parts for name in part.named)
    return {name: place for place, name in enumerate(sorted(name for name, n in counts.items() if n >= RARE))}


def _matrix(parts: Sequence[_Part], names: dict[str, int]) -> Any:
    from scipy import sparse

    rows, columns, values = [], [], []
    for row, part in enumerate(parts):
        for name, value in part.named.items():
            if name in names:
                rows.append(row)
                columns.append(names[name])
                values.append(value)
    return sparse.csr_matrix((values, (rows, columns)), shape=(len(parts), len(names)), dtype=np.float32)


def _fit(block: Any, message: np.ndarray, helped: np.ndarray, chosen: np.ndarray) -> tuple[np.ndarray, float]:
    """Weights and bias from the chosen messages: all parts of ordinary ones, the telling part of the others."""
    from sklearn.linear_model import LogisticRegression

    inside = np.isin(message, chosen)
    counts = np.bincount(message)
    use = inside & (~helped[message] | (counts[message] == 1))
    for last in range(ROUNDS):
        model = LogisticRegression(
            C=INVERSE_REGULARISATION, class_weight="balanced", random_state=SEED, solver="liblinear", dual=True
        )
        model.fit(block[use], helped[message][use])
        if last < ROUNDS - 1:
            telling = _telling(block @ model.coef_[0], message, len(helped))
            use = inside & ~helped[message]
            use[telling[np.intersect1d(chosen, np.flatnonzero(helped))]] = True
    return model.coef_[0], float(model.intercept_[0])


def _telling(scores: np.ndarray, message: np.ndarray, messages: int) -> np.ndarray:
    """For each message the row of its part with the highest score."""
    order = np.lexsort((scores, message))
    best = np.zeros(messages, dtype=np.int64)
    best[message[order]] = order  # the last of each message wins
    return best


def _fit_with_net(
    block: Any, vectors: np.ndarray, message: np.ndarray, target: np.ndarray, chosen: np.ndarray
) -> _Fitted:
    """The linear model, and a network on the sentence vectors of the parts that it was fitted on in the end."""
    from sklearn.exceptions import ConvergenceWarning
    from sklearn.neural_network import MLPClassifier

    weights, bias = _fit(block, message, target, chosen)
    telling = _telling(block @ weights, message, len(target))
    use = np.isin(message, chosen) & ~target[message]
    use[telling[np.intersect1d(chosen, np.flatnonzero(target))]] = True
    model = MLPClassifier((UNITS,), alpha=0.01, batch_size=256, max_iter=EPOCHS, random_state=SEED)
    with warnings.catch_warnings():  # stopping early is meant: it keeps the network from learning by heart
        warnings.simplefilter("ignore", ConvergenceWarning)
        model.fit(vectors[use], target[message][use])
    (hidden, out), (hidden_bias, out_bias) = model.coefs_, model.intercepts_
    return _Fitted(weights, bias, Net(hidden, hidden_bias, out[:, 0], float(out_bias[0])))


def _out_of_fold(block: Any, vectors: np.ndarray, message: np.ndarray, target: np.ndarray) -> np.ndarray:
    """The score of each message's telling part from a model that has not seen the message."""
    from sklearn.model_selection import StratifiedKFold

    scores = np.zeros(len(target))
    for fit_on, held in StratifiedKFold(FOLDS, shuffle=True, random_state=SEED).split(target, target):
        of_parts = _fit_with_net(block, vectors, message, target, fit_on).scores(block, vectors)
        scores[held] = of_parts[_telling(of_parts, message, len(target))][held]
    return scores


def _calibrate(scores: np.ndarray, helped: np.ndarray) -> tuple[float, float]:
    """Platt scaling on scores out of fold (Platt J. Advances in Large Margin Classifiers 1999)."""
    from sklearn.linear_model import LogisticRegression

    model = LogisticRegression(C=1e6, random_state=SEED).fit(scores[:, None], helped)
    return float(model.coef_[0][0]), float(model.intercept_[0])


def _threshold(scores: np.ndarray, allowed: int, calibration: tuple[float, float]) -> float:
    """The lowest probability at which at most ``allowed`` of these ordinary messages are asked about."""
    ranked = np.sort(scores)[::-1]
    lowest = ranked[min(allowed, len(ranked) - 1)]
    return float(np.nextafter(1.0 / (1.0 + np.exp(-(calibration[0] * lowest + calibration[1]))), 1.0))


def _fit_categories(block: Any, labels: Sequence[str | None]) -> tuple[tuple[str, ...], np.ndarray, np.ndarray]:
    from sklearn.svm import LinearSVC

    names = tuple(sorted({str(label) for label in labels}))
    target = np.array([names.index(str(label)) for label in labels])
    model = LinearSVC(C=INVERSE_REGULARISATION, random_state=SEED).fit(block, target)
    return names, model.coef_, model.intercept_
