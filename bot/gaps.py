"""``pne gaps``: what was asked and not answered, in clusters, so that new answers are written where they are missed.

Works on what the gap log keeps: a few words of each question in alphabetical order, its class, the nearest answer. A
cluster is shown from three questions on, and of its words only those that three questions share, so that nobody can be
told by what they asked.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

FEWEST = 3
MOST_WORDS = 8
# Questions whose words differ more than this (cosine) are different questions.
FARTHEST = 0.72


@dataclass(frozen=True)
class Asked:
    """One question that found no answer: its words, its class, and the answer that came nearest."""

    words: tuple[str, ...]
    kind: str
    nearest: str


@dataclass(frozen=True)
class Cluster:
    """`count` questions that share `words` (the most frequent first); `kinds` and `nearest` with how often."""

    count: int
    words: tuple[str, ...]
    kinds: dict[str, int]
    nearest: dict[str, int]


def clusters(asked: Sequence[Asked], fewest: int = FEWEST) -> list[Cluster]:
    """The clusters of at least `fewest` questions, the largest first."""
    known = [a for a in asked if a.words]
    if len(known) < fewest:
        return []
    return sorted(
        (found for members in _groups(known) if (found := _cluster(members, fewest))),
        key=lambda c: (-c.count, c.words),
    )


def _groups(asked: Sequence[Asked]) -> list[list[Asked]]:
    from sklearn.cluster import AgglomerativeClustering

    places = {word: i for i, word in enumerate(sorted({word for a in asked for word in a.words}))}
    rows = np.zeros((len(asked), len(places)))
    for row, a in zip(rows, asked, strict=True):
        row[[places[word] for word in a.words]] = 1.0
    rows *= np.log(1 + len(asked) / rows.sum(axis=0))
    rows /= np.linalg.norm(rows, axis=1, keepdims=True)
    labels = AgglomerativeClustering(
        n_clusters=None, distance_threshold=FARTHEST, metric="cosine", linkage="average"
    ).fit_predict(rows)
    groups: dict[int, list[Asked]] = {}
    for label, a in zip(labels, asked, strict=True):
        groups.setdefault(int(label), []).append(a)
    return list(groups.values())


def _cluster(members: Sequence[Asked], fewest: int) -> Cluster | None:
    shared = [w for w, n in Counter(w for a in members for w in a.words).most_common() if n >= fewest]
    if len(members) < fewest or not shared:
        return None
    kinds, nearest = Counter(a.kind for a in members), Counter(a.nearest for a in members if a.nearest)
    return Cluster(len(members), tuple(shared[:MOST_WORDS]), dict(kinds), dict(nearest.most_common(3)))
