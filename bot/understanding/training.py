"""Fit the classifier and choose its thresholds by cross-validation. Deterministic: fixed seed, fixed order."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from bot.understanding.classifier import (
    INVERSE_REGULARISATION,
    OUT_OF_SCOPE,
    SEED,
    Classifier,
    ngram_row,
    ngrams,
    prediction,
)
from bot.understanding.encoder import Encode

FOLDS = 3
RARE = 2
RIDGE = 1e-6
TOLERANCE = 1e-3
MOST_STEPS = 300
# Bars for stating an answer outright, measured on folds that the model has not seen.
MOST_WRONG_ANSWERS = 0.07
MOST_OUTSIDE_ANSWERED = 0.04
MOST_OUTSIDE_ASKED = 0.22


def train(texts: Sequence[str], labels: Sequence[str], normalise: Callable[[str], str], encode: Encode) -> Classifier:
    """A classifier from examples. Raises ValueError for fewer than three labels, or two examples of one."""
    few = [label for label, n in Counter(labels).items() if n < 2]
    if few:
        raise ValueError(f"Fewer than two examples for: {', '.join(sorted(few))}. Add examples under data/nlu.")
    if len(set(labels)) < 3:  # with two, the model would hold one row of weights instead of one a label
        raise ValueError("Fewer than three labels. Add examples under data/nlu.")
    cleaned = [normalise(text) for text in texts]
    vectors = encode(cleaned)
    names = tuple(sorted(set(labels)))
    target = np.array([names.index(label) for label in labels])
    vocabulary, idf = _vocabulary(cleaned)
    features = _features(cleaned, vectors, vocabulary, idf)
    gram = np.asarray((features @ features.T).todense(), dtype=np.float64)
    thresholds = _thresholds(names, target, gram, vectors)
    coefficients, bias = _fit(gram, target)
    weights = np.asarray(features.T @ coefficients.T).T
    return Classifier(names, vocabulary, idf, weights.astype(np.float32), bias, vectors, thresholds)


def _vocabulary(texts: Sequence[str]) -> tuple[dict[str, int], np.ndarray]:
    documents: Counter[str] = Counter()
    for text in texts:
        documents.update(set(ngrams(text)))
    kept = sorted(n for n, count in documents.items() if count >= RARE)
    counts = np.array([documents[n] for n in kept], dtype=np.float32)
    return {n: i for i, n in enumerate(kept)}, np.log((1 + len(texts)) / (1 + counts)) + 1


def _features(texts: Sequence[str], vectors: np.ndarray, vocabulary: dict[str, int], idf: np.ndarray) -> Any:
    from scipy import sparse

    rows = [ngram_row(text, vocabulary, idf) for text in texts]
    starts = np.cumsum([0, *(len(index) for index, _ in rows)])
    block = sparse.csr_matrix(
        (np.concatenate([v for _, v in rows]), np.concatenate([i for i, _ in rows]), starts),
        shape=(len(texts), len(vocabulary)),
    )
    return sparse.hstack([sparse.csr_matrix(vectors), block], format="csr")


def _fit(gram: np.ndarray, target: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """L2 logistic regression from inner products only: (dual coefficients (classes, examples), bias (classes,)).

    There are far fewer examples than features, so the model is fitted in the space that the examples span, where
    each step is a small dense product; the weights are the same as those of a fit on all features.
    """
    from scipy.linalg import cholesky, solve_triangular
    from sklearn.linear_model import LogisticRegression

    space = cholesky(gram + RIDGE * np.eye(len(gram)), lower=True)
    model = LogisticRegression(C=INVERSE_REGULARISATION, max_iter=MOST_STEPS, tol=TOLERANCE, random_state=SEED)
    model.fit(space, target)
    return solve_triangular(space, model.coef_.T, lower=True, trans="T").T, model.intercept_


def _thresholds(names: tuple[str, ...], target: np.ndarray, gram: np.ndarray, vectors: np.ndarray) -> dict[str, float]:
    """`answer` and `ask`: at or above the first a message is answered, at or above the second asked about."""
    from sklearn.model_selection import StratifiedKFold

    outside = names.index(OUT_OF_SCOPE) if OUT_OF_SCOPE in names else -1
    rows = []
    for fit_on, held in StratifiedKFold(FOLDS, shuffle=True, random_state=SEED).split(gram, target):
        coefficients, bias = _fit(gram[np.ix_(fit_on, fit_on)], target[fit_on])
        logits = gram[np.ix_(held, fit_on)] @ coefficients.T + bias
        nearest = (vectors[held] @ vectors[fit_on].T).max(axis=1)
        for i, row in enumerate(held):
            guess = prediction(names, logits[i], float(nearest[i]))
            rows.append((guess.score, names.index(guess.label) == target[row], target[row] == outside))
    score, right, beyond = (np.array(column) for column in zip(*rows, strict=True))
    inside = ~beyond.astype(bool)
    right = right.astype(bool)

    def lowest(bad: np.ndarray, total: int, most: float) -> float:
        ranked = np.sort(score[bad])[::-1]
        allowed = int(most * max(total, 1))
        return float(np.nextafter(ranked[allowed], 1.0)) if len(ranked) > allowed else 0.0

    answer = max(
        lowest(inside & ~right, int(inside.sum()), MOST_WRONG_ANSWERS),
        lowest(~inside, int((~inside).sum()), MOST_OUTSIDE_ANSWERED),
    )
    ask = min(answer, lowest(~inside, int((~inside).sum()), MOST_OUTSIDE_ASKED))
    stated = inside & (score >= answer)
    return {
        "answer": answer,
        "ask": ask,
        "cv_top1": float(right[inside].mean()),
        "cv_stated": float(stated.sum() / max(inside.sum(), 1)),
        "cv_stated_right": float(right[stated].mean()) if stated.any() else 0.0,
        "cv_outside_stated": float((score[~inside] >= answer).mean()) if (~inside).any() else 0.0,
    }
