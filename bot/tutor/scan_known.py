"""Whether every word of a pasted report is one that we know (``data/tutor/scan_known.yml``). Pure.

A list of serious words is never whole. So what is explained beside is turned round: a report is explained only where
nothing stands in it that nobody has thought about.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

from bot.content.tutor import load_lines
from bot.safety.normalise import english_words

_TOKEN = re.compile(r"\d+(?:\.\d+)?(?![a-z0-9])|[a-z0-9]+(?:'[a-z]+)?|[.;:\n!?,()#/]|\s-+\s")
_NUMBER = re.compile(r"\d+(?:\.\d+)?(?:mm|th|nd|rd|st|t)?")
_LEVEL = re.compile(r"(?:[ctlsd]\d{1,2})+")
_SEQUENCES = frozenset({"t1", "t2"})
_ENDS = frozenset(".;\n!?")
_MARKS = _ENDS | frozenset(":,()-/")
_BEING = frozenset({"is", "are", "was", "were", "has", "have", "been", "be"})
_SEEN = frozenset({"seen", "noted", "present", "visible", "shown", "identified", "demonstrated"})
# How words of illness end: none of these is taken for a name.
_ILLNESS = re.compile(r".*(?:lysis|itis|osis|oma|pathy|emia|algia|plasia|trophy|ion|ing|ment|ease|cele|rrhage|ectasia)")
Phrases = tuple[tuple[str, ...], ...]


@dataclass(frozen=True)
class Known:
    """The lists of scan_known.yml, as tokens."""

    words: frozenset[str]
    together: Phrases
    lists: Mapping[str, frozenset[str]]
    apart_keys: frozenset[str]
    apart_phrases: frozenset[tuple[str, ...]]
    apart_places: frozenset[str]


def tokenise(text: str, repair: Callable[[str], str] | None = None) -> list[str]:
    """A text as words and marks, in lower case, with slips mended by `repair`."""
    folded = unicodedata.normalize("NFKD", text.replace("’", "'").replace("‘", "'")).lower()
    folded = "".join(c for c in folded if not unicodedata.combining(c) and unicodedata.category(c) != "Cf")
    folded = re.sub(r"[‐-―−]", "-", folded)
    folded = re.sub(r"(?<=[a-z0-9])-\n(?=[a-z])", "", folded)  # a word broken at the end of a line
    folded = re.sub(r"\b([lctds]\d{1,2})\s*/\s*(?=[lctds]?\d)", r"\1 ", folded)  # L4/5 names a level, it joins nothing
    folded = re.sub(r"(?:^|(?<=[\s(,:;/]))\?+\s*(?=[a-z])", " query ", folded)  # as clinicians write it: ?fracture
    folded = re.sub(r"\s/\s", " ; ", folded)
    # A line that ends in the middle of a sentence goes on in the next one.
    folded = re.sub(r"(?<=,)\s*\n\s*(?=[a-z])|(?<=\b(?:of|no|or))\s*\n\s*(?=[a-z])", " ", folded)
    found = [token.strip() or token for token in _TOKEN.findall(folded)]
    found = ["-" if token.startswith("-") else token for token in found]
    return [repair(token) for token in found] if repair else found


@lru_cache(maxsize=1)
def load_known() -> Known:
    """The lists. Raises ContentError or KeyError where the file lacks one."""
    said: dict[str, Any] = load_lines("scan_known").rest["phrases"]
    apart = said["not_in_spine"]
    plain = ("own", "headings", "sides", "follows_there", "names", "like_a_report")
    return Known(
        words=_words(said["words"]),
        together=tuple(tuple(tokenise(one)) for one in said["together"]),
        lists={name: _words(said[name]) for name in plain},
        apart_keys=_words(apart["keys"]),
        apart_phrases=frozenset(tuple(tokenise(one)) for one in apart["phrases"]),
        apart_places=_words(apart["places"]),
    )


def unread(
    text: str, tokens: Sequence[str], hits: Sequence[tuple[int, int, str]], covered: Collection[int], denied: bool,
    known: Known,
) -> bool:  # fmt: skip
    """Whether anything in a text is not understood. `hits`: known words (start, end, key); `covered`: places that were
    understood otherwise (a denial); `denied`: whether something serious was denied, which may be undone later."""
    if any(letter.isalpha() and not letter.isascii() for letter in unicodedata.normalize("NFKD", text)):
        return True
    inside = set(covered) | {place for start, end, _ in hits for place in range(start, end)}
    inside |= _together(tokens, known) | _names(tokens, known)
    if any(place not in inside and not _plain(token, known) for place, token in enumerate(tokens)):
        return True
    if any(_apart(hit, tokens, known) for hit in hits):
        return True
    starts = {start for start, _, _ in hits}
    if any(_left_hanging(place, tokens, starts, known) for place in range(len(tokens))):
        return True
    return denied and any(_goes_on(start, end, tokens, hits, covered, known) for start, end in _sentences(tokens))


def like_a_report(tokens: Sequence[str], known: Known) -> bool:
    """Whether a text without a word that we explain is a report all the same."""
    return any(token in known.lists["like_a_report"] or _LEVEL.fullmatch(token) for token in tokens)


def tail_is_plain(
    tail: range, tokens: Sequence[str], hits: Sequence[tuple[int, int, str]], no: Phrases, plain: Collection[str],
    known: Known,
) -> bool:  # fmt: skip
    """Whether what follows a comma after a denial ("No fracture, mild disc bulge at L4/5") is its own finding, or
    one more denial, and cannot mean the denied one at another place."""
    ends = {start: end for start, end, _ in hits}
    place, fresh = tail.start, True
    while place < tail.stop:
        token = tokens[place]
        cue = next((one for one in no if tuple(tokens[place : place + len(one)]) == one), ())
        if place in ends:
            place, fresh = ends[place], False
        elif fresh and cue:
            place += len(cue)
            while place < tail.stop and place not in ends and tokens[place] in plain:
                place += 1
            if place not in ends:
                return False
        elif fresh:
            if token not in known.lists["follows_there"] | {"the", "based"}:
                return False
            place += 1
        else:
            free = token in ("at", "of", "and", "or", "in", "with", ",") or _level(token) or _NUMBER.fullmatch(token)
            if not free and token not in known.lists["follows_there"]:
                return False
            fresh = token == ","
            place += 1
    return not fresh


def _plain(token: str, known: Known) -> bool:
    bare = token.removesuffix("'s")
    return token in _MARKS or bare in known.words or bool(_NUMBER.fullmatch(token) or _level(token))


def _level(token: str) -> bool:
    return bool(_LEVEL.fullmatch(token))


def _together(tokens: Sequence[str], known: Known) -> set[int]:
    return {
        place + step
        for one in known.together for place in range(len(tokens) - len(one) + 1)
        if tuple(tokens[place : place + len(one)]) == one for step in range(len(one))
    }  # fmt: skip


def _names(tokens: Sequence[str], known: Known) -> set[int]:
    """ "Mr Quimby," at the beginning of a line: a name, where it is no English word and sounds like no illness."""
    found: set[int] = set()
    for place, token in enumerate(tokens):
        at = place + 2 if tokens[place + 1 : place + 2] == ["."] else place + 1
        begins = place == 0 or tokens[place - 1] == "\n"
        if token in known.lists["names"] and begins and tokens[at + 1 : at + 2] in ([","], [":"]):
            name = tokens[at]
            if name.isalpha() and name not in english_words() and not _ILLNESS.fullmatch(name):
                found |= {place, at}
    return found


def _apart(hit: tuple[int, int, str], tokens: Sequence[str], known: Known) -> bool:
    start, end, key = hit
    if key not in known.apart_keys and tuple(tokens[start:end]) not in known.apart_phrases:
        return False
    return any(
        token in known.apart_places or (_level(token) and token not in _SEQUENCES)
        for place, token in enumerate(tokens) if not start <= place < end
    )  # fmt: skip


def _left_hanging(place: int, tokens: Sequence[str], starts: Collection[int], known: Known) -> bool:
    """ "there is" with nothing of its own behind it: it takes up something that stood before."""
    if tokens[place] != "there":
        return False
    after = place + 1
    while after < len(tokens) and tokens[after] in _BEING:
        after += 1
    if after == place + 1:
        return False  # "was seen there"
    return after >= len(tokens) or (after not in starts and tokens[after] not in known.lists["follows_there"])


def _goes_on(
    start: int, end: int, tokens: Sequence[str], hits: Sequence[tuple[int, int, str]], covered: Collection[int],
    known: Known,
) -> bool:  # fmt: skip
    """Whether a sentence may only take up the one before: it names a place, and says nothing of its own about it."""
    said = [token for token in tokens[start:end] if token not in _MARKS]
    places = [token for token in said if token in known.lists["sides"] or _level(token)]
    if not places or (end < len(tokens) and tokens[end - 1] == ":"):
        return False
    own = [one for one, _, _ in hits if start <= one < end]
    own += [place for place in range(start, end) if tokens[place] in known.lists["own"] | known.lists["headings"]]
    own += [place for place in covered if start <= place < end]
    if not own:
        return True
    before = [tokens[place] for place in range(start, min(own)) if tokens[place] not in _MARKS]
    return not _SEEN.isdisjoint(before) or said[0] in _BEING


def _sentences(tokens: Sequence[str]) -> list[tuple[int, int]]:
    marks = [place for place, token in enumerate(tokens) if token in _ENDS]
    return [(one, two) for one, two in zip([0, *(mark + 1 for mark in marks)], [*marks, len(tokens)], strict=True)]


def by_first(phrases: Mapping[tuple[str, ...], str]) -> dict[str, list[tuple[tuple[str, ...], str]]]:
    """Phrases by their first token, the longest first."""
    found: dict[str, list[tuple[tuple[str, ...], str]]] = {}
    for words, key in sorted(phrases.items(), key=lambda one: -len(one[0])):
        if words:
            found.setdefault(words[0], []).append((words, key))
    return found


def _words(said: Collection[object]) -> frozenset[str]:
    return frozenset(str(one) for one in said)
