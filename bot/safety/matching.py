"""Find families of words in a text and join them into frames.

spaCy's PhraseMatcher finds the phrases; frames are joined from its finds by position. Words that no phrase
uses all become one placeholder before spaCy sees them, so patients' words never collect in its string store.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from bot.safety.frames import NEAR, Chunk, Frame, Step, literal
from bot.safety.normalise import STOP, Tokens

Span = tuple[int, int]
# How a family is made of others: the first family of the chunk, all that it needs, the chunk itself.
Recipe = tuple[str, frozenset[str], Chunk]
_UNKNOWN = "_"
_MOST_SPANS = 200
_NUMBERS_ARE_COMMON = 50


@dataclass(frozen=True)
class Found:
    """Where each family stands in one text (content-word positions, end exclusive).

    ``gaps``: for places of families that are made of families, the words in between that belong to no part.
    """

    tokens: Tokens
    spans: Mapping[str, tuple[Span, ...]]
    gaps: Mapping[tuple[str, Span], frozenset[int]] = field(default_factory=dict)

    def of(self, family: str) -> tuple[Span, ...]:
        return self.spans.get(family, ())


@dataclass(frozen=True)
class Hit:
    """One place where a chunk's steps all stand together. ``between``: words inside its parts that belong to none."""

    span: Span
    parts: tuple[Span, ...]
    between: frozenset[int] = frozenset()


@dataclass(frozen=True)
class PhraseFinder:
    """All phrases of all families behind one PhraseMatcher."""

    matcher: Any
    vocabulary: Any
    words: frozenset[str]
    names: Mapping[int, tuple[str, ...]]  # the families that share a group of phrases
    numbers: Mapping[str, tuple[tuple[float, float], ...]]
    derived: tuple[tuple[str, tuple[Recipe, ...]], ...]
    blockers: frozenset[str] = field(default_factory=frozenset)
    sizes: Mapping[str, int] = field(default_factory=dict)  # phrases a family has: how common it may be

    def find(self, tokens: Tokens) -> Found:
        """Find every family in the text."""
        spans: dict[str, list[Span]] = {}
        if tokens.words:
            from spacy.tokens import Doc

            seen = [word if word in self.words else _UNKNOWN for word in tokens.words]
            for key, start, end in self.matcher(Doc(self.vocabulary, words=seen)):
                if end - start == 1 or not _broken(tokens, start + 1, end):
                    place = (start, end)
                    for name in self.names[key]:
                        spans.setdefault(name, []).append(place)
            for number, word in enumerate(tokens.words):
                if word[0].isdigit():
                    for family in self._number_families(word):
                        spans.setdefault(family, []).append((number, number + 1))
        ordered = {name: _in_order(places) if len(places) > 1 else (places[0],) for name, places in spans.items()}
        gaps: dict[tuple[str, Span], frozenset[int]] = {}
        found = Found(tokens, ordered, gaps)
        present = ordered.keys()
        for name, recipes in self.derived:
            here = [chunk for first, needs, chunk in recipes if first in ordered and needs <= present]
            if not here:
                continue
            more: set[Span] = set()
            for hit in (hit for chunk in here for hit in chunk_hits(found, chunk, self.blockers)):
                more.add(hit.span)
                inside = {place for part in hit.parts for place in range(*part)}
                between = frozenset(place for place in range(*hit.span) if place not in inside)
                # The same place found in two ways: only what lies between in both of them counts.
                gaps[name, hit.span] = gaps.get((name, hit.span), between) & between
            if more:
                ordered[name] = _in_order(more.union(ordered.get(name, ())))
        return found

    def _number_families(self, word: str) -> Iterator[str]:
        try:
            value = float(word)
        except ValueError:
            return
        for family, ranges in self.numbers.items():
            if any(low <= value <= high for low, high in ranges):
                yield family


def build_finder(
    phrases: Mapping[str, Iterable[Sequence[str]]],
    numbers: Mapping[str, tuple[tuple[float, float], ...]],
    derived: Sequence[tuple[str, tuple[Frame, ...]]],
    blockers: frozenset[str],
) -> PhraseFinder:
    """Compile families (name to lists of content words) into one matcher."""
    from spacy.matcher import PhraseMatcher
    from spacy.tokens import Doc
    from spacy.vocab import Vocab

    vocabulary = Vocab()
    matcher = PhraseMatcher(vocabulary, attr="ORTH")
    # Families share many phrases: each is matched once, under the name of all families that have it.
    sharers: dict[tuple[str, ...], list[str]] = {}
    for name in sorted(phrases):
        for phrase in dict.fromkeys(map(tuple, phrases[name])):
            sharers.setdefault(phrase, []).append(name)
    groups: dict[tuple[str, ...], list[Any]] = {}
    for phrase, sharing in sharers.items():
        groups.setdefault(tuple(sharing), []).append(Doc(vocabulary, words=list(phrase)))
    names: dict[int, tuple[str, ...]] = {}
    for place, (sharing_families, docs) in enumerate(groups.items()):
        matcher.add(f"group {place}", docs)
        names[vocabulary.strings[f"group {place}"]] = sharing_families
    words = {word for phrase in sharers for word in phrase}
    sizes = {name: len(list(phrases[name])) for name in phrases}
    for name in numbers:
        sizes[name] = sizes.get(name, 0) + _NUMBERS_ARE_COMMON
    for name, frames in derived:
        made_of = sum(min(sizes[step.family] for step in frame.chunks[0].steps) for frame in frames)
        sizes[name] = sizes.get(name, 0) + made_of
    recipes = tuple(
        (name, tuple((frame.chunks[0].steps[0].family, frame.needs, frame.chunks[0]) for frame in frames))
        for name, frames in derived
    )
    return PhraseFinder(matcher, vocabulary, frozenset(words), names, numbers, recipes, blockers, sizes)


def literals(frames: Iterable[Frame]) -> dict[str, str]:
    """Families that were written straight into frames: name to words."""
    found: dict[str, str] = {}
    for frame in frames:
        for chunk in frame.chunks:
            for step in chunk.steps:
                words = literal(step.family)
                if words is not None:
                    found[step.family] = words
    return found


def chunk_hits(found: Found, chunk: Chunk, blockers: frozenset[str]) -> list[Hit]:
    """All places where the chunk's families stand within their gaps, first in the text first."""
    first = chunk.steps[0].family
    hits = [Hit(span, (span,), found.gaps.get((first, span), frozenset())) for span in found.of(first)]
    for step in chunk.steps[1:]:
        if not hits:
            return []
        hits = _extended(found, hits, step, blockers)
    return sorted(hits, key=lambda hit: (hit.span, hit.parts))


def _extended(found: Found, hits: list[Hit], step: Step, blockers: frozenset[str]) -> list[Hit]:
    joined: dict[tuple[Span, ...], Hit] = {}
    for hit in hits:
        start, end = hit.span
        for other_start, other_end in found.of(step.family):
            if other_start >= end:
                gap = (end, other_start)
            elif step.how == NEAR and other_end <= start:
                gap = (other_end, start)
            else:
                continue
            if gap[1] - gap[0] > step.gap or _closed(found.tokens, gap, blockers):
                continue
            parts = (*hit.parts, (other_start, other_end))
            between = hit.between | found.gaps.get((step.family, (other_start, other_end)), frozenset())
            joined[parts] = Hit((min(start, other_start), max(end, other_end)), parts, between)
            if len(joined) >= _MOST_SPANS:
                return list(joined.values())
    return list(joined.values())


def _closed(tokens: Tokens, gap: Span, blockers: frozenset[str]) -> bool:
    """A sentence end, or a word like "but", stands in the gap."""
    return _broken(tokens, gap[0], gap[1] + 1) or any(word in blockers for word in tokens.words[gap[0] : gap[1]])


def _broken(tokens: Tokens, first: int, last: int) -> bool:
    return any(kind >= STOP for kind in tokens.breaks[first:last])


def _in_order(spans: Iterable[Span]) -> tuple[Span, ...]:
    return tuple(sorted(set(spans))[:_MOST_SPANS])
