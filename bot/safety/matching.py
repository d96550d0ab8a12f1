"""Find families of words in a text and join them into frames.

A tree of words finds the phrases (docs/decisions/015 says why it is not spaCy's PhraseMatcher); frames are joined from
its finds by position.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from heapq import heapify, heappop, heappush
from operator import itemgetter
from typing import NamedTuple

from bot.safety.frames import NEAR, Chunk, Frame, Step, literal
from bot.safety.normalise import Tokens

Span = tuple[int, int]
_MOST_SPANS = 200
_NOTHING: frozenset[int] = frozenset()
_NUMBERS_ARE_COMMON = 50


@dataclass(frozen=True)
class Found:
    """Which families stand in one text, and where: content-word positions, end exclusive, in the order of the text.

    Most families are words written straight into frames and never asked for, so places are looked up when they are:
    ``groups`` has those of each group of phrases, ``groups_of`` the groups that a family shares. ``gaps``: for places
    of families that are made of families, the words in between that belong to no part.
    """

    tokens: Tokens
    families: set[str]
    groups: Mapping[int, list[Span]] = field(default_factory=dict)
    groups_of: Mapping[str, frozenset[int]] = field(default_factory=dict)
    places: dict[str, Sequence[Span]] = field(default_factory=dict)
    gaps: dict[tuple[str, Span], frozenset[int]] = field(default_factory=dict)

    def of(self, family: str) -> Sequence[Span]:
        """The places of a family; none where it does not stand in the text."""
        if family not in self.families:
            return ()
        if family not in self.places:
            here = self.groups_of[family].intersection(self.groups)
            spans = [span for group in here for span in self.groups[group]]
            self.places[family] = _in_order(spans) if len(spans) > 1 else spans
        return self.places[family]


class Hit(NamedTuple):
    """One place where a chunk's steps all stand together. ``between``: words inside its parts that belong to none."""

    span: Span
    parts: tuple[Span, ...]
    between: frozenset[int] = _NOTHING


@dataclass(frozen=True)
class Recipe:
    """One way to make a family of others: all that must stand in the text, and how."""

    family: str
    needs: frozenset[str]
    chunk: Chunk


# A word leads to what may follow it, or straight to the group of a phrase that ends there and that no longer one begins
# with. The group of a phrase that longer ones begin with stands under the empty word.
Tree = dict[str, "Tree | int"]
_ENDS = ""


@dataclass(frozen=True)
class PhraseFinder:
    """All phrases of all families in one tree of words."""

    tree: Tree
    words: frozenset[str]
    names: tuple[frozenset[str], ...]  # by group of phrases, the families that share it
    groups_of: Mapping[str, frozenset[int]]  # the same the other way round
    numbers: Mapping[str, tuple[tuple[float, float], ...]]
    recipes: tuple[Recipe, ...]  # those of one family together, after the ones of the families they need
    recipes_by_family: Mapping[str, tuple[int, ...]]  # each recipe under the rarest family that it needs
    recipes_after: Mapping[str, tuple[int, ...]]  # the recipes that need a family which is itself made of others
    starting: frozenset[str]  # the families under which there are recipes
    blockers: frozenset[str] = field(default_factory=frozenset)
    sizes: Mapping[str, int] = field(default_factory=dict)  # phrases a family has: how common it may be

    def find(self, tokens: Tokens) -> Found:
        """Find every family in the text."""
        groups: dict[int, list[Span]] = {}
        for group, start, end in phrase_hits(self.tree, tokens.words):
            if end - start == 1 or not tokens.stop_within(start + 1, end):
                groups.setdefault(group, []).append((start, end))
        families: set[str] = set().union(*map(self.names.__getitem__, groups))
        found = Found(tokens, families, groups, self.groups_of)
        self._add_numbers(found)
        self._derive(found)
        return found

    def _add_numbers(self, found: Found) -> None:
        for place, word in enumerate(found.tokens.words):
            if word[0].isdigit():
                for family in self._number_families(word):
                    _add(found, family, [(place, place + 1)])

    def _derive(self, found: Found) -> None:
        """Add the families that are made of families, each after the ones it is made of."""
        recipes, families = self.recipes, found.families
        tries = (place for family in families & self.starting for place in self.recipes_by_family[family])
        waiting = [place for place in tries if recipes[place].needs <= families]
        heapify(waiting)
        while waiting:
            last = waiting[0]
            name = recipes[last].family
            made: dict[Span, frozenset[int]] = {}
            while waiting and recipes[waiting[0]].family == name:
                last = heappop(waiting)
                for hit in chunk_hits(found, recipes[last].chunk, self.blockers):
                    between = _between(hit)
                    # The same place found in two ways: only what lies between in both of them counts.
                    made[hit.span] = made.get(hit.span, between) & between
            if made:
                new = name not in families
                _add(found, name, made)
                found.gaps.update({(name, span): between for span, between in made.items() if between})
                for place in self.recipes_after.get(name, ()) if new else ():
                    if place > last and recipes[place].needs <= families and place not in waiting:
                        heappush(waiting, place)

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
    # Families share many phrases: each is matched once, under the number of all families that have it.
    sharers: dict[tuple[str, ...], list[str]] = {}
    for name in sorted(phrases):
        for phrase in dict.fromkeys(map(tuple, phrases[name])):
            sharers.setdefault(phrase, []).append(name)
    groups: dict[tuple[str, ...], int] = {}
    tree: Tree = {}
    for phrase, sharing in sharers.items():
        add_phrase(tree, phrase, groups.setdefault(tuple(sharing), len(groups)))
    groups_of: dict[str, set[int]] = {}
    for sharing_families, group in groups.items():
        for name in sharing_families:
            groups_of.setdefault(name, set()).add(group)
    words = {word for phrase in sharers for word in phrase}
    sizes = {name: len(list(phrases[name])) for name in phrases}
    for name in numbers:
        sizes[name] = sizes.get(name, 0) + _NUMBERS_ARE_COMMON
    for name, frames in derived:
        made_of = sum(min(sizes[step.family] for step in frame.chunks[0].steps) for frame in frames)
        sizes[name] = sizes.get(name, 0) + made_of
    recipes = tuple(Recipe(name, frame.needs, frame.chunks[0]) for name, frames in derived for frame in frames)
    by_family: dict[str, list[int]] = {}
    for place, recipe in enumerate(recipes):
        by_family.setdefault(min(recipe.needs, key=lambda family: (sizes[family], family)), []).append(place)
    made_of_others = {recipe.family for recipe in recipes}
    after: dict[str, list[int]] = {}
    for place, recipe in enumerate(recipes):
        for family in recipe.needs & made_of_others:
            after.setdefault(family, []).append(place)
    tries = {family: tuple(places) for family, places in by_family.items()}
    shared = {name: frozenset(its) for name, its in groups_of.items()}
    return PhraseFinder(
        tree,
        frozenset(words),
        tuple(map(frozenset, groups)),
        shared,
        numbers,
        recipes,
        tries,
        {family: tuple(places) for family, places in after.items()},
        frozenset(tries),
        blockers,
        sizes,
    )


def add_phrase(tree: Tree, phrase: Sequence[str], group: int) -> None:
    """Put a phrase (content words) into the tree under the number of its group. Each phrase has one group."""
    *before, last = phrase
    for word in before:
        further = tree.setdefault(word, {})
        if isinstance(further, int):
            further = tree[word] = {_ENDS: further}
        tree = further
    there = tree.setdefault(last, group)
    if isinstance(there, dict):
        there[_ENDS] = group


def phrase_hits(tree: Tree, words: Sequence[str]) -> Iterator[tuple[int, int, int]]:
    """Every phrase of the tree that stands in these words: its group, first word and the one behind its last."""
    for start in range(len(words)):
        further: Tree | int | None = tree
        for end in range(start, len(words)):
            assert isinstance(further, dict)
            further = further.get(words[end])
            if further is None:
                break
            if isinstance(further, int):
                yield further, start, end + 1
                break
            group = further.get(_ENDS)
            if isinstance(group, int):
                yield group, start, end + 1


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
    return sorted(hits, key=itemgetter(0, 1)) if len(hits) > 1 else hits


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
            between = hit.between | found.gaps.get((step.family, (other_start, other_end)), _NOTHING)
            joined[parts] = Hit((min(start, other_start), max(end, other_end)), parts, between)
            if len(joined) >= _MOST_SPANS:
                return list(joined.values())
    return list(joined.values())


def _closed(tokens: Tokens, gap: Span, blockers: frozenset[str]) -> bool:
    """A sentence end, or a word like "but", stands in the gap."""
    if tokens.stop_within(gap[0], gap[1] + 1):
        return True
    return gap[0] < gap[1] and not blockers.isdisjoint(tokens.words[gap[0] : gap[1]])


def _between(hit: Hit) -> frozenset[int]:
    """The words of a place that belong to none of its parts."""
    if len(hit.parts) == 1:
        return _NOTHING
    return frozenset(range(*hit.span)).difference(*(range(*part) for part in hit.parts))


def _add(found: Found, family: str, spans: Iterable[Span]) -> None:
    found.places[family] = _in_order([*found.of(family), *spans])
    found.families.add(family)


def _in_order(spans: Iterable[Span]) -> tuple[Span, ...]:
    return tuple(sorted(set(spans))[:_MOST_SPANS])
