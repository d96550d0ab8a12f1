"""Fits the model that hears the factors of the alarm map, from lines of our own (``factors_learning.jsonl``).

``python -m bot.tutor.factors_fit`` writes ``data/tutor/factors_model.npz`` and prints what cross-validation says.
Deterministic: fixed order and folds. A message tells a factor in at least one of its clauses and the others may be
about anything: the model is fitted on messages of one clause, then chooses the telling clause of each longer one, and
is fitted again (multiple-instance learning; Andrews S, et al. NIPS 2002).
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from bot.content.factors import HearingModel, Line, fingerprint, load_factors, load_lines_to_learn, save_model
from bot.tutor.factors import Unit, barred, grams, rows_of, units_of

INVERSE_REGULARISATION = 8.0
# A line that tells a factor counts as much as so many that do not: one misses more than one hears falsely.
POSITIVE_WEIGHT = 3.0
FOLDS, SEED = 5, 20
RARE = 2
# Of the lines of our own that do not tell a factor, so many may be heard falsely on folds not trained on.
MOST_FALSE = 0.03
FALSE_COSTS, LOWEST = 2.5, 0.05


@dataclass(frozen=True)
class _Data:
    """All lines as units: `line` is each unit's line, `told` (lines, factors), `bars` (units, factors)."""

    units: list[Unit]
    line: np.ndarray
    dense: np.ndarray
    told: np.ndarray
    bars: np.ndarray


def fit() -> tuple[HearingModel, np.ndarray, np.ndarray]:
    """The model; what folds that were not trained on a line say of it, shape (lines, factors); and the truth."""
    factors = load_factors()
    data = prepared(load_lines_to_learn())
    held = np.zeros(data.told.shape)
    fold_of = np.random.default_rng(SEED).permutation(len(data.told)) % FOLDS
    for fold in range(FOLDS):
        weights, bias, vocabulary, idf = _fitted(data, fold_of != fold)
        chosen = np.flatnonzero(fold_of[data.line] == fold)
        rows = rows_of([data.units[i] for i in chosen], data.dense[chosen], vocabulary, idf, factors)
        told = 1.0 / (1.0 + np.exp(-(rows @ weights.T + bias))) * ~data.bars[chosen]
        np.maximum.at(held, data.line[chosen], told)
    thresholds = np.array([threshold(held[:, j], data.told[:, j]) for j in range(held.shape[1])])
    weights, bias, vocabulary, idf = _fitted(data, np.ones(len(data.told), dtype=bool))
    ids = tuple(factors.by_id)
    return HearingModel(ids, vocabulary, idf, weights, bias, thresholds, fingerprint()), held, data.told


def prepared(lines: Sequence[Line]) -> _Data:
    """Lines cut into units and encoded."""
    from bot.understanding.encoder import load_encoder
    from bot.understanding.spelling import load_normaliser

    factors, normalise = load_factors(), load_normaliser()
    cut = [units_of(line.text, normalise, factors) for line in lines]
    units = [unit for one in cut for unit in one]
    line = np.array([place for place, one in enumerate(cut) for _ in one])
    told = np.array([[key in one.factors for key in factors.by_id] for one in lines], dtype=bool)
    bars = np.concatenate([barred(one, factors) for one in cut if one])
    return _Data(units, line, load_encoder()([unit.text for unit in units]), told, bars)


def threshold(held: np.ndarray, told: np.ndarray) -> float:
    """The probability that hears most for what it hears falsely: each false share costs FALSE_COSTS times what a missed
    one does, and no more than MOST_FALSE of the lines without the factor are heard."""
    tries = np.linspace(LOWEST, 0.6, 56)
    false = np.array([(held[~told] >= at).mean() for at in tries])
    recall = np.array([(held[told] >= at).mean() for at in tries])
    worth = np.where(false <= MOST_FALSE, recall - FALSE_COSTS * false, -np.inf)
    return float(tries[worth.argmax()])


def _fitted(data: _Data, lines: np.ndarray) -> tuple[np.ndarray, np.ndarray, dict[str, int], np.ndarray]:
    """Weights, bias, vocabulary and its idf from the lines that are marked."""
    from scipy.sparse import csr_matrix

    chosen = np.flatnonzero(lines[data.line])
    units = [data.units[i] for i in chosen]
    counts = Counter(gram for unit in units for gram in grams(unit.text))
    vocabulary = {gram: i for i, gram in enumerate(sorted(g for g, n in counts.items() if n >= RARE))}
    idf = np.array([math.log(len(units) / counts[gram]) for gram in vocabulary], dtype=np.float32)
    rows = rows_of(units, data.dense[chosen], vocabulary, idf, load_factors())
    line, bars, told = data.line[chosen], data.bars[chosen], data.told[data.line[chosen]]
    single = np.bincount(line, minlength=len(data.told))[line] == 1
    sparse = csr_matrix(rows)
    weights, biases = [], []
    for j in range(data.told.shape[1]):
        first = _regress(sparse, told[:, j], (single | ~told[:, j]) & ~bars[:, j])
        scores = np.where(bars[:, j], -np.inf, rows @ first[0] + first[1])
        best = np.zeros(len(units), dtype=bool)
        for place in np.unique(line[told[:, j]]):
            mine = np.flatnonzero(line == place)
            if np.isfinite(scores[mine]).any():
                best[mine[scores[mine].argmax()]] = True
        weight, bias = _regress(sparse, told[:, j], (best | ~told[:, j]) & ~bars[:, j])
        weights.append(weight)
        biases.append(bias)
    return np.array(weights, dtype=np.float32), np.array(biases, dtype=np.float32), vocabulary, idf


def _regress(rows: object, told: np.ndarray, use: np.ndarray) -> tuple[np.ndarray, float]:
    from sklearn.linear_model import LogisticRegression

    model = LogisticRegression(
        C=INVERSE_REGULARISATION, class_weight={False: 1.0, True: POSITIVE_WEIGHT}, solver="liblinear",
        random_state=SEED, max_iter=500,
    )  # fmt: skip
    model.fit(rows[np.flatnonzero(use)], told[use])  # type: ignore[index]
    return model.coef_[0], float(model.intercept_[0])


def main() -> None:
    """Fit, save, and print recall and false tags of each factor on folds not trained on."""
    model, held, told = fit()
    for place, factor in enumerate(model.factors):
        heard = held[:, place] >= model.thresholds[place]
        yes = told[:, place]
        print(
            f"{factor:16} recall {heard[yes].mean():.3f}  false {heard[~yes].mean():.3f}  "
            f"at {model.thresholds[place]:.2f}"
        )
    print(save_model(model))


if __name__ == "__main__":
    main()
