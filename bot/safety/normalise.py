"""Turn what somebody typed into plain tokens, keeping the way back to the original characters.

Lower case, NFKD without accents, curly and missing apostrophes, long drawn-out letters, emoji and
invisible characters dropped, shorthand spelled out, and spelling repair of words that are in no list.
Ordinary English words are never changed: a repair that turns one word into another can hide a red flag.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property, lru_cache
from importlib.util import find_spec
from itertools import accumulate
from pathlib import Path

NONE, COMMA, LINE, STOP, QUESTION = 0, 1, 2, 3, 4
SELF, OTHER = "self", "other"

_APOSTROPHES = dict.fromkeys("‘’‛ʼ´`＇", "'")
_PIECE = re.compile(
    r"(?P<number>\d{1,6}(?:\.\d{1,3})?(?=[cf]?(?![a-z0-9])))"
    r"|(?P<word>[a-z0-9]+(?:'[a-z]+)*)"
    r"|(?P<ignored>\.{2,}|(?<=[a-z])-(?=[a-z]))"
    r"|(?P<and>&)|(?P<line>\n)|(?P<question>\?)|(?P<stop>[.!;])|(?P<comma>[,:()/\-\u2013\u2014])"
)
_LONG_RUN = re.compile(r"(.)\1{2,}")
_PLAIN = re.compile(r"[a-z]+")
_DOUBLE = re.compile(r"(.)\1")
_SUFFIXES = {"'ll": "will", "'re": "are", "'ve": "have", "'d": "would", "'m": "am"}
_BEFORE_NOT = {
    "do": "dont",
    "does": "doesnt",
    "did": "didnt",
    "have": "havent",
    "has": "hasnt",
    "had": "hadnt",
    "is": "isnt",
    "are": "arent",
    "was": "wasnt",
    "were": "werent",
    "could": "couldnt",
    "would": "wouldnt",
    "should": "shouldnt",
    "will": "wont",
    "can": "cannot",
}
_CANNOT = {"cant": "cannot", "carnt": "cannot", "cnt": "cannot", "canot": "cannot", "cannt": "cannot"}
# The keys around each key: on a phone, one of them is the likeliest wrong letter.
_ROWS = ("qwertyuiop", "asdfghjkl", "zxcvbnm")
_BESIDE = {
    key: "".join(
        other
        for line, letters in enumerate(_ROWS)
        for column, other in enumerate(letters)
        if other != key and abs(line - row) <= 1 and abs((column + line / 2) - (place + row / 2)) <= 1
    )
    for row, keys in enumerate(_ROWS)
    for place, key in enumerate(keys)
}
_AFTER_HAS = frozenset({"got", "been", "had", "gone", "lost", "started"})
_ASKED_FIRST = frozenset({"cannot", "couldnt", "dont", "didnt", "wont", "havent"})
_SHORTEST_REPAIR = 5


@dataclass(frozen=True)
class Tokens:
    """The content words of a text with, for each word, what stood just before it and where it came from."""

    words: tuple[str, ...]
    starts: tuple[int, ...]
    ends: tuple[int, ...]
    breaks: tuple[int, ...]  # strongest punctuation before word i; one extra entry for the end
    owners: tuple[str | None, ...]  # "my" or "his/her" just before word i
    verbs: tuple[bool, ...]  # a dropped "is/are/was" stood just before word i
    narrated: tuple[bool, ...]  # ... and it was "was" or "were"

    def __len__(self) -> int:
        return len(self.words)

    def stop_within(self, first: int, last: int) -> bool:
        """Whether a sentence ends at one of the breaks ``first`` to ``last`` (exclusive)."""
        return self._stops_before[last] > self._stops_before[first]

    @cached_property
    def _stops_before(self) -> tuple[int, ...]:
        return (0, *accumulate(kind >= STOP for kind in self.breaks))

    @cached_property
    def sentence_starts(self) -> tuple[int, ...]:
        """For each word the first word of its sentence or line."""
        starts: list[int] = []
        for place in range(len(self)):
            starts.append(place if place == 0 or self.breaks[place] >= LINE else starts[-1])
        return tuple(starts)

    @cached_property
    def sentence_ends(self) -> tuple[int, ...]:
        """For each break, the next one (itself too) at which a sentence or line ends."""
        ends = [len(self)]
        for place in range(len(self) - 1, -1, -1):
            ends.append(place if self.breaks[place] >= LINE else ends[-1])
        return tuple(reversed(ends))


@dataclass(frozen=True)
class Language:
    """Small word lists from ``data/safety/common.yml`` that the normaliser works with."""

    fillers: frozenset[str]
    be_verbs: frozenset[str]
    be_past: frozenset[str]
    own: frozenset[str]
    others: frozenset[str]
    not_owned: frozenset[str]
    shorthand: Mapping[str, str]
    kept_before: Mapping[str, frozenset[str]]

    @cached_property
    def special(self) -> frozenset[str]:
        """Words whose reading depends on their neighbours, or that stand for other words."""
        return frozenset({"not", "i", *self.others, *self.shorthand, *self.kept_before, *_CANNOT})


@dataclass(frozen=True)
class Speller:
    """Edit-distance-1 repair towards ``targets`` for words that are neither English nor ours."""

    known: frozenset[str]
    deletes: Mapping[str, tuple[str, ...]]
    ranks: Mapping[str, int]  # of English words: the lower, the commoner

    def repair(self, word: str) -> str:
        """Return the one best repair of an unknown word, or the word itself."""
        if word in self.known or not word.isalpha():
            return word
        short = _LONG_RUN.sub(r"\1\1", word)
        if short != word:
            for form in (short, _LONG_RUN.sub(r"\1", word)):
                if form in self.known:
                    return form
            word = short
        if len(word) < _SHORTEST_REPAIR - 1 or len(word) > 24:
            return word
        found = set(self.deletes.get(word, ()))
        if len(word) >= _SHORTEST_REPAIR:  # a word of four letters is only mended where one was left out
            for shorter in _shortened(word):
                found.update(self.deletes.get(shorter, ()))
        rare = len(self.ranks)
        close = [form for form in found if _one_edit_apart(word, form)]
        return min(close, key=lambda form: (*_unlikeliness(word, form), self.ranks.get(form, rare), form), default=word)


def make_speller(targets: Iterable[str], english: Mapping[str, int], ours: frozenset[str]) -> Speller:
    """Build the repair index. ``targets``: what a repair may lead to; ``english`` (ranked), ``ours``: left alone."""
    wanted = {word for word in targets if word.isalpha()}
    index: dict[str, set[str]] = {}
    for word in wanted:
        if len(word) >= _SHORTEST_REPAIR:
            for form in (word, *_shortened(word)):
                index.setdefault(form, set()).add(word)
    deletes = {form: tuple(sorted(words)) for form, words in index.items()}
    return Speller(frozenset(english) | wanted | ours, deletes, english)


@lru_cache(maxsize=1)
def english_words() -> Mapping[str, int]:
    """The 82,765 words of SymSpell's frequency dictionary, commonest first, found without importing the package."""
    spec = find_spec("symspellpy")
    if spec is None or not spec.submodule_search_locations:
        raise RuntimeError("symspellpy is not installed: the spelling repair needs its word list")
    path = Path(spec.submodule_search_locations[0]) / "frequency_dictionary_en_82_765.txt"
    lines = path.read_text(encoding="utf-8-sig").splitlines()
    words = dict.fromkeys(line.split(" ", 1)[0].replace("'", "") for line in lines if line)
    return {word: rank for rank, word in enumerate(words)}


def tokenise(text: str, language: Language, speller: Speller | None = None) -> Tokens:
    """Split a text into content words. Never raises on any string; offsets point into ``text`` itself."""
    folded, offsets = _fold(text)
    pieces = _pieces(folded, language)
    words: list[str] = []
    starts: list[int] = []
    ends: list[int] = []
    breaks: list[int] = []
    owners: list[str | None] = []
    verbs: list[bool] = []
    narrated: list[bool] = []
    gap, owner, verb, was = NONE, None, False, False
    for place, (word, start, end, kind) in enumerate(pieces):
        if kind:
            gap = max(gap, kind)
            continue
        if speller is not None:
            word = speller.repair(word)
        if word in language.fillers and not _counts(pieces, place, word, language):
            owner = SELF if word in language.own else OTHER if word in language.others else owner
            verb = verb or word in language.be_verbs
            was = was or word in language.be_past
            continue
        words.append(word)
        starts.append(offsets[start] if offsets else start)
        ends.append(offsets[end - 1] + 1 if offsets else end)
        breaks.append(gap)
        owners.append(owner)
        verbs.append(verb)
        narrated.append(was)
        gap, owner, verb, was = NONE, None, False, False
    breaks.append(gap)
    return Tokens(
        tuple(words),
        tuple(starts),
        tuple(ends),
        tuple(breaks),
        tuple(owners),
        tuple(verbs),
        tuple(narrated),
    )


def _counts(pieces: list[tuple[str, int, int, int]], place: int, word: str, language: Language) -> bool:
    """A filler that says something where it stands: "hit her", "bloody diarrhoea"."""
    if word in language.kept_before:
        following = pieces[place + 1][0] if place + 1 < len(pieces) else ""
        return following in language.kept_before[word]
    return word in language.others and _stands_alone(pieces, place, language)


def _stands_alone(pieces: list[tuple[str, int, int, int]], place: int, language: Language) -> bool:
    """ "her" in "hit her" or "hit her with": a person, not the owner of the next word."""
    if place + 1 == len(pieces):
        return True
    word, _, _, kind = pieces[place + 1]
    return bool(kind) or word in language.not_owned


def plain_words(text: str, language: Language) -> tuple[str, ...]:
    """The content words of a phrase from our own data (no spelling repair)."""
    words = text.split()
    if all(_PLAIN.fullmatch(word) and word not in language.special for word in words) and not _LONG_RUN.search(text):
        return tuple(word for word in words if word not in language.fillers)  # the same, eight times faster
    return tokenise(text, language).words


def _fold(text: str) -> tuple[str, Sequence[int]]:
    """Lower-case and simplify character by character; the list maps each new character to its old place."""
    if text.isascii():
        return text.lower(), ()
    characters: list[str] = []
    offsets: list[int] = []
    for place, character in enumerate(text):
        for simple in _simple(character):
            characters.append(simple)
            offsets.append(place)
    return "".join(characters), offsets


@lru_cache(maxsize=4096)
def _simple(character: str) -> str:
    if character in _APOSTROPHES:
        return "'"
    if character.isascii():
        return character.lower()
    kept = [part for part in unicodedata.normalize("NFKD", character) if unicodedata.category(part) not in ("Mn", "Cf")]
    return "".join(kept).lower()


def _pieces(folded: str, language: Language) -> list[tuple[str, int, int, int]]:
    """Words and breaks as (word, start, end, kind of break): shorthand spelled out, "do not" joined."""
    kinds = {"line": LINE, "question": QUESTION, "stop": STOP, "comma": COMMA}
    pieces: list[tuple[str, int, int, int]] = []
    drawn_out = _LONG_RUN.search(folded) is not None
    clitic = False  # "my wife's got" is "my wife has got"
    for match in _PIECE.finditer(folded):
        group = match.lastgroup or ""
        start, end = match.span()
        if group in kinds:
            pieces.append(("", start, end, kinds[group]))
        elif group != "ignored":
            for word in ("and",) if group == "and" else _spelled_out(match.group(), language.shorthand, drawn_out):
                if word in _AFTER_HAS and clitic:
                    pieces.append(("has", start, start, NONE))
                _append(pieces, word, start, end)
            clitic = match.group().endswith("'s")
    return pieces


def _append(pieces: list[tuple[str, int, int, int]], word: str, start: int, end: int) -> None:
    if word == "not" and pieces and not pieces[-1][3] and pieces[-1][0] in _BEFORE_NOT:
        auxiliary, earlier, _, _ = pieces[-1]
        pieces[-1] = (_BEFORE_NOT[auxiliary], earlier, end, NONE)
    elif word == "i" and pieces and pieces[-1][0] in _ASKED_FIRST:  # "why can't I ..." asks about "I can't ..."
        pieces.insert(-1, (word, start, end, NONE))
    else:
        pieces.append((word, start, end, NONE))


def _spelled_out(word: str, shorthand: Mapping[str, str], drawn_out: bool) -> tuple[str, ...]:
    """The words that a typed word stands for. ``drawn_out``: the text has letters three times in a row."""
    if not drawn_out and word not in shorthand and word not in _CANNOT and "'" not in word:
        return (word,)
    tail: tuple[str, ...] = ()
    if "'" in word:
        for suffix, spelled in _SUFFIXES.items():
            if word.endswith(suffix):
                word, tail = word[: -len(suffix)], (spelled,)
                break
        else:
            if word.endswith("'s"):
                word = word[:-2]
        word = word.replace("'", "")
    word = _CANNOT.get(_LONG_RUN.sub(r"\1", word), word)
    return (*shorthand.get(word, word).split(), *tail)


def _shortened(word: str) -> list[str]:
    return [word[:place] + word[place + 1 :] for place in range(len(word))]


def _unlikeliness(typed: str, form: str) -> tuple[bool, int]:
    """How unlikely a slip is: single for double letter, swap or the key beside it, missing or extra letter, others."""
    if _DOUBLE.sub(r"\1", typed) == _DOUBLE.sub(r"\1", form):
        return False, 0
    if len(typed) != len(form):
        return typed[0] != form[0], 2
    wrong = [(one, other) for one, other in zip(typed, form, strict=True) if one != other]
    if len(wrong) == 1:
        (one, other) = wrong[0]
        return False, 1 if other in _BESIDE.get(one, "") else 3
    return typed[0] != form[0], 1


def _one_edit_apart(first: str, second: str) -> bool:
    """True for one insertion, deletion, substitution or swap of neighbours."""
    if abs(len(first) - len(second)) > 1:
        return False
    start = 0
    while start < min(len(first), len(second)) and first[start] == second[start]:
        start += 1
    one, two = first[start:], second[start:]
    if len(one) == len(two):
        return one[1:] == two[1:] or (one[:2] == two[:2][::-1] and one[2:] == two[2:])
    return one[1:] == two or one == two[1:]
