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
    plain,
    prediction,
)
from bot.understanding.encoder import Encode

FOLDS = 3
RARE = 2
# The n-grams enter the fit through their first latent dimensions: a tenth of the time, and no accuracy lost.
LATENT = 256
MOST_STEPS = 40
TOLERANCE = 1e-3
MOST_EXACT_WORDS = 4
# Bars for stating an answer outright, measured on folds that the model has not seen.
MOST_WRONG_ANSWERS = 0.045
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
    features = _features(cleaned, vocabulary, idf)
    latent = _latent(features)
    space = np.hstack([vectors, features @ latent.T]).astype(np.float32)
    thresholds = _thresholds(names, target, space, vectors)
    coefficients, bias = _fit(space, target)
    dense = vectors.shape[1]
    words = np.ascontiguousarray((coefficients[:, dense:] @ latent).T, dtype=np.float16)
    exact = _exact(cleaned, labels)
    sentence = coefficients[:, :dense].astype(np.float32)
    return Classifier(names, vocabulary, idf, sentence, words, bias, vectors, thresholds, exact)


def _exact(texts: Sequence[str], labels: Sequence[str]) -> dict[str, str]:
    """Examples of a few words and one label; what stands under two labels is left to the model."""
    found: dict[str, set[str]] = {}
    for text, label in zip(texts, labels, strict=True):
        words = plain(text)
        if words and len(words.split()) <= MOST_EXACT_WORDS and label != OUT_OF_SCOPE:
            found.setdefault(words, set()).add(label)
    return {words: next(iter(names)) for words, names in sorted(found.items()) if len(names) == 1}


def _vocabulary(texts: Sequence[str]) -> tuple[dict[str, int], np.ndarray]:
    documents: Counter[str] = Counter()
    for text in texts:
        documents.update(set(ngrams(text)))
    kept = sorted(n for n, count in documents.items() if count >= RARE)
    counts = np.array([documents[n] for n in kept], dtype=np.float32)
    return {n: i for i, n in enumerate(kept)}, np.log((1 + len(texts)) / (1 + counts)) + 1


def _features(texts: Sequence[str], vocabulary: dict[str, int], idf: np.ndarray) -> Any:
    from scipy import sparse

    rows = [ngram_row(text, vocabulary, idf) for text in texts]
    starts = np.cumsum([0, *(len(index) for index, _ in rows)])
    return sparse.csr_matrix(
        (np.concatenate([v for _, v in rows]), np.concatenate([i for i, _ in rows]), starts),
        shape=(len(texts), len(vocabulary)),
    )


def _latent(features: Any) -> np.ndarray:
    """The directions (latent, vocabulary) that hold most of the n-gram features."""
    from sklearn.utils.extmath import randomized_svd

    size = min(LATENT, min(features.shape) - 1)
    return randomized_svd(features, size, n_iter=3, random_state=SEED)[2].astype(np.float32)


def _fit(space: np.ndarray, target: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """L2 logistic regression: (coefficients (classes, columns), bias (classes,)).

    Stopped early on purpose: the last digits of the weights cost most of the time and change no ranking.
    """
    import warnings

    from sklearn.exceptions import ConvergenceWarning
    from sklearn.linear_model import LogisticRegression

    model = LogisticRegression(C=INVERSE_REGULARISATION, max_iter=MOST_STEPS, tol=TOLERANCE, random_state=SEED)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        model.fit(space, target)
    return model.coef_, model.intercept_


def _thresholds(names: tuple[str, ...], target: np.ndarray, space: np.ndarray, vectors: np.ndarray) -> dict[str, float]:
    """`answer` and `ask`: at or above the first a message is answered, at or above the second asked about."""
    from sklearn.model_selection import StratifiedKFold

    outside = names.index(OUT_OF_SCOPE) if OUT_OF_SCOPE in names else -1
    rows = []
    for fit_on, held in StratifiedKFold(FOLDS, shuffle=True, random_state=SEED).split(space, target):
        coefficients, bias = _fit(space[fit_on], target[fit_on])
        logits = space[held] @ coefficients.T + bias
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
