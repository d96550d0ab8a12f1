"""Hears a belief in what somebody writes: the nearest of its phrases, and a cue of each list in the same sentence."""

from __future__ import annotations

import re
from functools import lru_cache

import numpy as np

from bot.content.beliefs import load_beliefs, load_telling
from bot.tutor.phrases import vectors_of
from bot.understanding.encoder import load_encoder
from bot.understanding.spelling import fold

# Cosine with the nearest phrase from which a sentence counts. Chosen on lines apart from the phrases (100 tellings, 40
# other remarks, 16 questions; tests/unit/test_tutor_beliefs.py): from 0.45 to 0.65 it changes little.
LEAST_ALIKE = 0.55
# Longer sentences are stories: what is stated in them is found in their parts.
MOST_WORDS = 40
MOST_SENTENCES = 8
_SENTENCE = re.compile(r"[^.!?;\n]+[.!?;\n]*")
_CLAUSE = re.compile(r",| but | and ")


def which(text: str) -> str | None:
    """The belief that a text states as the writer's own (M01 to M25), or None: for none, for a neutral question about
    one, for somebody else's, or for one that is taken back. The same text always gives the same answer."""
    sentences = _stated(text)
    if not sentences:
        return None
    owners, vectors = _phrases()
    alike = load_encoder()(sentences) @ vectors.T
    best: tuple[float, str] | None = None
    for sentence, row in zip(sentences, alike, strict=True):
        found = _nearest(sentence, row, owners)
        if found and (best is None or found[0] > best[0]):
            best = found
    return best[1] if best else None


def warm() -> None:
    """Loads what `which` needs (some 300 phrases, about a second), so that no message waits for it."""
    _phrases()


def _nearest(sentence: str, row: np.ndarray, owners: tuple[str, ...]) -> tuple[float, str] | None:
    """The first phrase by likeness whose belief has its cues in the sentence; none where something else is nearer."""
    beliefs = load_beliefs()
    for place in np.argsort(-row, kind="stable"):
        likeness = float(row[place])
        if likeness < LEAST_ALIKE or not owners[place]:
            return None
        if all(_says(sentence, cues) for cues in beliefs[owners[place]].cues):
            return likeness, owners[place]
    return None


@lru_cache(maxsize=1)
def _phrases() -> tuple[tuple[str, ...], np.ndarray]:
    """Whose phrase it is (empty: nobody's), and its vector, one row each."""
    said = [(belief.id, fold(phrase)) for belief in load_beliefs().values() for phrase in belief.phrases]
    said += [("", fold(phrase)) for phrase in load_telling().others]
    return tuple(owner for owner, _ in said), vectors_of([phrase for _, phrase in said], load_encoder())


def _stated(text: str) -> list[str]:
    """The sentences that state something of the writer's own, folded; a long one by its parts."""
    telling = load_telling()
    found: list[str] = []
    for sentence in _SENTENCE.findall(text[:2000].lower().replace("’", "'")):
        asked = "?" in sentence
        plain = fold(sentence.strip(" .!?;\n"))
        if not plain or any(f" {one} " in f" {plain} " for one in telling.turned):
            continue
        clauses = [clause.strip() for clause in _CLAUSE.split(plain)]
        if _asks(plain, asked, telling.asks):
            # "my disc has slipped, is that bad?" states its first part
            plain = "" if _asks(clauses[0], len(clauses) == 1, telling.asks) else clauses[0]
        if len(plain.split()) > MOST_WORDS:
            found += [clause for clause in clauses if clause]
        elif plain:
            found.append(plain)
    return found[:MOST_SENTENCES]


def _asks(plain: str, marked: bool, beginnings: tuple[str, ...]) -> bool:
    """A question; one that begins like a statement ("so it is all in my head?") states something."""
    begins = any(plain == one or plain.startswith(f"{one} ") for one in beginnings)
    return begins or (marked and not plain.startswith(("so ", "you ", "you're ", "then ", "but ")))


def _says(sentence: str, cues: tuple[str, ...]) -> bool:
    """Whether one of the cues begins a word of the sentence."""
    return any(f" {cue}" in f" {sentence}" for cue in cues)
