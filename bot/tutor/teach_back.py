"""Key points of a lesson, heard in somebody's own words.

A point counts as heard in a sentence of theirs, or in a part of one, where

- the part is more like this point's phrases than like those of the lesson's other points (mean cosine of the three
  nearest phrases, by at least `MARGIN`), is like them at all (`FLOOR`), and the nearest phrase says it the same way
  round; or
- it holds a word of each list of the point's cues, in any regular form (spaCy's matcher), with no "not" before it.

A part that is more like a common other view (``other_views`` in ``data/tutor/course.yml``) is not looked at.

"The same way round": a part with a "not" is only like a phrase with one, a part without only like a phrase without,
and words that say opposite things ("damage" for "protect") do not stand in for each other.

What it cannot do: it does not understand. Irony, a "not" two clauses away, opposites that no list names, and a
mistaken view in words close to a phrase can be heard as the point; and a point in quite other words is missed. That is
why nothing hangs on it: no score, no "wrong"; what was heard is named and one missing piece is offered. docs/course.md
has what was measured.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING, Any

import numpy as np

from bot.content.lessons import Lesson, Point, load_lessons
from bot.content.tutor import load_lines
from bot.safety.frames import expand
from bot.tutor.phrases import vectors_of
from bot.understanding.encoder import Encode, EncoderError, load_encoder
from bot.understanding.spelling import fold

if TYPE_CHECKING:
    from spacy.language import Language
    from spacy.matcher import PhraseMatcher
    from spacy.tokens import Doc

# Chosen on the lessons' own phrases, each heard without itself (docs/course.md).
NEAREST = 3
FLOOR = 0.35
MARGIN = 0.02
# Parts of fewer words are like everything.
FEWEST_WORDS = 3
MOST_PARTS = 24
# A "not" turns round what follows it within so many words.
REACH = 5
_SENTENCE = re.compile(r"[.!?;\n]+")
_CLAUSE = re.compile(r",|;|:| - |\b(?:but|because|cos|although|though|so|and|then|while|whereas)\b")
_WORD = re.compile(r"[a-z]+(?:'[a-z]+)?")


@dataclass(frozen=True)
class Speech:
    """What turns statements round in English, from ``data/tutor/course.yml``."""

    negations: frozenset[str]
    contrasts: frozenset[str]
    opposites: tuple[tuple[frozenset[str], frozenset[str]], ...]
    questions: tuple[str, ...]
    other_views: tuple[str, ...]


def landed(lesson: Lesson, text: str, encode: Encode | None = None) -> tuple[list[str], list[str]]:
    """(found, missing): ids of the lesson's key points heard in `text`, in the lesson's order. `encode`: the sentence
    encoder, loaded where none is given; without one (its files are missing) the cues alone are heard."""
    encode = encode or _encoder()
    heard = split(text)
    found = set()
    if encode and heard:
        heard = without_other_views(lesson.points, heard, encode)
        found = by_phrases(lesson.points, heard, encode)
    found |= {point.id for point in lesson.points if by_cues(point, heard)}
    ids = [point.id for point in lesson.points]
    return [id for id in ids if id in found], [id for id in ids if id not in found]


def by_phrases(points: Sequence[Point], parts: Sequence[str], encode: Encode) -> set[str]:
    """The points whose phrases a part of a text is like."""
    if not parts:
        return set()
    vectors = encode(parts)
    near = [vectors @ rows.T for rows in _rows(points, encode)]  # per point: (parts, phrases)
    likeness = np.stack([np.sort(cosines, axis=1)[:, -NEAREST:].mean(axis=1) for cosines in near], axis=1)
    found = set()
    for place, point in enumerate(points):
        others = np.delete(likeness, place, axis=1)
        margin = likeness[:, place] - (others.max(axis=1) if others.shape[1] else 0.0)
        for part in np.flatnonzero((likeness[:, place] >= FLOOR) & (margin >= MARGIN)):
            if agree(parts[part], point.phrases[int(near[place][part].argmax())]):
                found.add(point.id)
                break
    return found


def without_other_views(points: Sequence[Point], parts: Sequence[str], encode: Encode) -> list[str]:
    """The parts but those that are more like a common other view ("more pain means more damage") than like any of the
    lesson's phrases, and say it the same way round."""
    views = load_speech().other_views
    vectors = encode(parts)
    own = np.max([(vectors @ rows.T).max(axis=1) for rows in _rows(points, encode)], axis=0)
    likeness = vectors @ phrase_vectors((views,), encode)[0].T  # type: ignore[arg-type]
    return [
        part
        for part, mine, others in zip(parts, own, likeness, strict=True)
        if others.max() < max(mine, FLOOR) or not agree(part, views[int(others.argmax())])
    ]


def by_cues(point: Point, parts: Sequence[str]) -> bool:
    """Whether a part of a text holds a word of each list of a point's cues, none of them turned round."""
    if not point.cues:
        return False
    language, matcher = _matcher(point.cues)
    return any(_has_cues(point, language(part), matcher) for part in parts)


def split(text: str) -> list[str]:
    """A text's sentences and, where one has several, its clauses; in plain lower case."""
    parts: dict[str, None] = {}
    for sentence in _SENTENCE.split(fold_lines(text)):
        for part in (sentence, *_CLAUSE.split(sentence)):
            if len(_WORD.findall(part)) >= FEWEST_WORDS:
                parts[" ".join(part.split())] = None
    return list(parts)[:MOST_PARTS]


def fold_lines(text: str) -> str:
    """The text in plain lower case, its lines still apart."""
    return "\n".join(fold(line) for line in text.splitlines())


def agree(part: str, phrase: str) -> bool:
    """Whether two similar statements say the same way round what they say."""
    speech = load_speech()
    said, meant = _words(part), _words(phrase)
    if bool(said & speech.negations) != bool(meant & speech.negations):
        # "different from" does what a "not" does.
        turned = [bool(words & (speech.negations | speech.contrasts)) for words in (said, meant)]
        return all(turned)
    if said & speech.negations:
        return True
    return not any(
        (said & one and not said & other and meant & other and not meant & one)
        for pair in speech.opposites
        for one, other in (pair, pair[::-1])
    )


def warm() -> None:
    """Encodes the phrases of all lessons (a few seconds, about 1.5 MB), so that nobody waits for it later. For a
    process's start, beside everything else; without the encoder's files it does nothing."""
    encode = _encoder()
    for lesson in load_lessons().values() if encode else ():
        without_other_views(lesson.points, [lesson.idea], encode)  # type: ignore[arg-type]


def is_question(text: str) -> bool:
    """Whether these words ask something, rather than tell it."""
    plain = fold(text)
    if plain.endswith("?"):
        return True
    first = " ".join(_WORD.findall(plain)[:3]) + " "
    return any(first.startswith(f"{start} ") for start in load_speech().questions)


@lru_cache(maxsize=64)
def phrase_vectors(phrases: tuple[tuple[str, ...], ...], encode: Encode) -> tuple[np.ndarray, ...]:
    """Unit vectors of a lesson's phrases, by point. Kept (about 80 KB a lesson): they are the same in every chat."""
    vectors = vectors_of([fold(phrase) for of_point in phrases for phrase in of_point], encode)
    ends = np.cumsum([len(of_point) for of_point in phrases])[:-1]
    return tuple(np.split(vectors, ends))


def _rows(points: Sequence[Point], encode: Encode) -> tuple[np.ndarray, ...]:
    # An encoder is kept as long as the process, so that it can stand for its vectors.
    return phrase_vectors(tuple(point.phrases for point in points), encode)  # type: ignore[arg-type]


@lru_cache(maxsize=1)
def load_speech() -> Speech:
    """The words of ``data/tutor/course.yml`` that turn statements round."""
    said: dict[str, Any] = load_lines("course").rest["said"]
    return Speech(
        frozenset(said["negations"]),
        frozenset(said["contrasts"]),
        tuple((frozenset(one), frozenset(other)) for one, other in said["opposites"]),
        tuple(said["questions"]),
        tuple(said["other_views"]),
    )


def _words(text: str) -> set[str]:
    """The words of a text; "isn't" gives "n't" too."""
    words = set(_WORD.findall(text.lower()))
    return words | {"n't" for word in words if word.endswith("n't")}


def _has_cues(point: Point, doc: Doc, matcher: PhraseMatcher) -> bool:
    """Whether each list has a word here, in a place of its own, that no "not" turns round."""
    places: dict[int, set[int]] = {}
    for key, start, end in matcher(doc):
        if not _turned(doc, start, point):
            places.setdefault(int(doc.vocab.strings[key]), set()).update(range(start, end))
    # A word that stands in two lists must not count for both.
    return len(places) == len(point.cues) and len(set().union(*places.values())) >= len(point.cues)


def _turned(doc: Doc, place: int, point: Point) -> bool:
    """Whether a "not" stands before a place in its clause. A "not" that is itself a cue is part of what is meant."""
    speech = load_speech()
    own = {word for list_ in point.cues for word in list_}
    if own & speech.negations:
        return False
    for token in reversed(doc[max(0, place - REACH) : place]):
        if token.is_punct or _CLAUSE.fullmatch(token.text):
            return False
        if token.text in speech.negations:
            return True
    return False


@lru_cache(maxsize=128)
def _matcher(cues: tuple[tuple[str, ...], ...]) -> tuple[Language, PhraseMatcher]:
    from spacy.matcher import PhraseMatcher

    language = _language()
    matcher = PhraseMatcher(language.vocab, attr="LOWER")
    for place, list_ in enumerate(cues):
        spelled = {form for word in list_ for form in expand(f"{word.lower()}~")}
        matcher.add(str(place), [language.make_doc(form) for form in sorted(spelled)])
    return language, matcher


@lru_cache(maxsize=1)
def _language() -> Language:
    import spacy

    return spacy.blank("en")


def _encoder() -> Encode | None:
    try:
        return load_encoder()
    except EncoderError:
        return None
