"""Reads the words of a pasted report: which are known, which were not seen, and which need a person. Pure.

Negation is read strictly, in the way of NegEx (Chapman WW, et al. J Biomed Inform 2001;34:301-310), turned to the safe
side: a serious word counts as *not there* only in a clause of which every word is understood. All else, and every doubt
("cannot exclude", "?"), counts as there. Nothing of the text leaves this module: only keys and phrases of our own data.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from itertools import pairwise
from typing import Any

from bot.content.report_words import URGENT, load_report_words
from bot.content.tutor import load_lines
from bot.safety.normalise import english_words, make_speller
from bot.tutor.scan_known import Known, by_first, like_a_report, load_known, tail_is_plain, tokenise, unread

# From the least to the most pressing.
SOON, TODAY, NOW = "soon", "today", "now"
URGENCY = (SOON, TODAY, NOW)
# What is noted where a report leaves something open, and where a word's ending is all that is known of it.
OPEN, UNKNOWN = "open", "unknown"
UNREAD = "unread"  # a word that no list knows
LONGEST = 8000
_BREAKS = frozenset(".;:\n!?()") | {"-"}
_ENDS = frozenset(".;\n!?")
_AT_END = ([], *([one] for one in _ENDS))
_JOINING = frozenset({"or", "nor", "and", ",", "/"})
NOTHING_FOUND, CANNOT_EXCLUDE = "nothing_found", "cannot_exclude"
_GROWTH = re.compile(r"[a-z]{3,}om(?:a|as|ata)")


@dataclass(frozen=True)
class Serious:
    """A serious word that is not clearly denied: the group it belongs to, and how soon a person should hear of it."""

    group: str
    when: str


@dataclass(frozen=True)
class Report:
    """What was read. `words`: known words that may be explained, in their order; `absent`: phrases that the report says
    it did not see; `regions`: parts of the body that it names; `serious`: the most pressing word, or None."""

    words: tuple[str, ...] = ()
    absent: tuple[str, ...] = ()
    regions: tuple[str, ...] = ()
    serious: Serious | None = None


@dataclass(frozen=True)
class _Hit:
    start: int
    end: int
    key: str
    phrase: str
    serious: bool


@dataclass(frozen=True)
class _Lexicon:
    """`phrases` by their first token; `starts`: how serious words begin; the rest are word lists of scan.yml."""

    known: Mapping[str, list[tuple[tuple[str, ...], str]]]
    serious: Mapping[str, list[tuple[tuple[str, ...], str]]]
    starts: tuple[tuple[str, str], ...]
    when: Mapping[str, str]
    normal: frozenset[str]
    lists: Mapping[str, frozenset[str]]
    doubts: tuple[tuple[str, ...], ...]
    open: tuple[tuple[str, ...], ...]
    cues: tuple[tuple[str, ...], ...]
    named: frozenset[tuple[str, ...]]
    guarded: Mapping[str, frozenset[str]]
    regions: Mapping[str, frozenset[str]]
    harmless: frozenset[str]
    forms: frozenset[str]
    rest: Known
    repair: Callable[[str], str]


def serious_key(key: str) -> Serious | None:
    """The group and urgency of a report word that may not be explained; None for any other."""
    lexicon = load_lexicon()
    group = load_lines("scan").rest["serious"]["report_words"].get(key)
    if group is None and load_report_words()[key].handling == URGENT:
        group = UNKNOWN
    return Serious(group, lexicon.when[group]) if group else None


def read(text: str) -> Report:
    """What a report says, as far as our words go. Never raises; reads the first `LONGEST` characters, and treats what
    lies behind them as in doubt."""
    lexicon = load_lexicon()
    tokens = tokenise(text[:LONGEST], lexicon.repair)
    known = _found(tokens, lexicon.known, False)
    serious = _serious_hits(tokens, known, lexicon)
    clauses = _clauses(tokens, lexicon)
    absent: list[tuple[str, str]] = []
    words: list[str] = []
    worst: list[Serious] = []
    covered = {place for hit in serious for place in range(hit.start, hit.end)}
    let_off = False
    for hit in sorted([*known, *serious], key=lambda one: (one.start, one.end)):
        if usual := _as_usual(hit, tokens, clauses, lexicon):
            covered, let_off = covered | usual, True
            continue
        hidden = serious_key(hit.key) if not hit.serious else Serious(hit.key, lexicon.when[hit.key])
        if denial := _denied(hit, tokens, clauses, known, serious, lexicon):
            covered, let_off = covered | denial, let_off or hidden is not None
            if hidden is None and not set(tokens[hit.start : hit.end]) <= lexicon.lists["describing"]:
                absent.append((hit.phrase, hit.key))
        elif hidden is not None:
            worst.append(hidden)
        elif not _called_normal(hit, tokens, lexicon):
            words.append(hit.key)  # but not "normal lumbar lordosis"
    if len(text) > LONGEST or _left_open(tokens, known, lexicon):
        worst.append(Serious(OPEN, lexicon.when[OPEN]))
    about_a_report = bool(known or serious) or like_a_report(tokens, lexicon.rest)
    if about_a_report and unread(text, tokens, _spans(known), covered, let_off, lexicon.rest):
        worst.append(Serious(UNREAD, lexicon.when[UNREAD]))
    return Report(
        tuple(dict.fromkeys(words)),
        tuple(dict.fromkeys(phrase for phrase, key in absent if phrase and key not in words)),
        tuple(region for region, said in lexicon.regions.items() if not said.isdisjoint(tokens)),
        max(worst, key=lambda one: URGENCY.index(one.when), default=None),
    )


def _called_normal(hit: _Hit, tokens: Sequence[str], lexicon: _Lexicon) -> bool:
    before = tokens[max(0, hit.start - 2) : hit.start]
    return not (before and before[-1] in _BREAKS) and not lexicon.lists["normal"].isdisjoint(before)


def _serious_hits(tokens: Sequence[str], known: Sequence[_Hit], lexicon: _Lexicon) -> list[_Hit]:
    """Serious words, but for those inside a name that is known to be harmless where it stands ("cam lesion")."""
    hits = _found(tokens, lexicon.serious, True)
    taken = {place for hit in hits for place in range(hit.start, hit.end)}
    for place, token in enumerate(tokens):
        if place in taken:
            continue
        group = next((group for start, group in lexicon.starts if token.startswith(start)), "")
        if not group and _GROWTH.fullmatch(token) and token not in lexicon.harmless:
            group = UNKNOWN
        if group:
            hits.append(_Hit(place, place + 1, group, token if token in lexicon.forms else "", True))
    there = set(tokens)
    excused = [
        hit for hit in known
        if tuple(tokens[hit.start : hit.end]) in lexicon.named
        and (hit.key not in lexicon.guarded or not lexicon.guarded[hit.key].isdisjoint(there))
    ]  # fmt: skip
    return [hit for hit in hits if not any(one.start <= hit.start and hit.end <= one.end for one in excused)]


def _denied(
    hit: _Hit,
    tokens: Sequence[str],
    clauses: Sequence[tuple[int, int]],
    known: Sequence[_Hit],
    serious: Sequence[_Hit],
    lexicon: _Lexicon,
) -> set[int]:
    """Where the report clearly says that this was not seen: the places of that denial. Empty where it does not."""
    start, end = next(clause for clause in clauses if clause[0] <= hit.start < clause[1])
    if _in_doubt(tokens, start, end, lexicon):
        return set()
    if not hit.serious and tokens[hit.start] in lexicon.lists["no"]:
        return set()  # "no abnormality": the phrase itself says that nothing was seen
    others = [one for one in (*known, *serious) if start <= one.start and one.end <= end]
    before, after = list(tokens[start : hit.start]), list(tokens[hit.end : end])
    if upto := _told_after(after, before, lexicon, tokens, end):
        # A denial of something serious must go to the end of its sentence: "not seen at C4 but at C5".
        return set(range(start, upto)) if not hit.serious or tokens[upto : upto + 1] in _AT_END else set()
    return _told_before(hit, tokens, start, end, others, lexicon)


def _told_before(
    hit: _Hit, tokens: Sequence[str], start: int, end: int, others: Sequence[_Hit], lexicon: _Lexicon
) -> set[int]:
    """ "no evidence of A, B or C": each item of the list, where all up to the end of the clause is understood."""
    cue = _cue_before(hit, tokens, start, others, lexicon)
    if cue is None or any(token in lexicon.lists["negations"] for token in tokens[start : cue[0]]):
        return set()
    inside = {place for one in others for place in range(one.start, one.end)}
    loose = [place for place in range(cue[1], end) if place not in inside]
    plain = lexicon.lists["plain"]
    closed = _list_closed_at(tokens, loose, others, end)
    comma = next((place for place in loose if place > max(hit.start, closed) and tokens[place] == ","), end)
    around = [tokens[place] for place in loose if place < comma]
    if hit.serious and any(token not in plain | lexicon.lists["followers"] | _JOINING for token in around):
        return set()
    if hit.serious and not _closes(hit, comma, end, tokens, others, lexicon):
        return set()
    item = cue[1]  # where the item of the list begins that the hit stands in
    for place in loose:
        if place >= hit.start:
            break
        if tokens[place] == "and" or (tokens[place] == "," and place > closed):
            return set()
        if tokens[place] in _JOINING:
            item = place + 1
    earlier = [one for one in others if item <= one.start < hit.start and one.end < hit.end]
    if any(not set(tokens[one.start : one.end]) <= lexicon.lists["describing"] for one in earlier):
        return set()
    if any(tokens[place] not in plain for place in loose if item <= place < hit.start):
        return set()
    return set(range(*cue)) | set(range(cue[0] if hit.serious else item, comma if hit.serious else hit.end))


def _closes(
    hit: _Hit, comma: int, end: int, tokens: Sequence[str], others: Sequence[_Hit], lexicon: _Lexicon
) -> bool:
    """Whether the denial of a serious word holds to the end of the sentence, with nothing that could take it back."""
    if tokens[end : end + 1] not in _AT_END:
        return False
    turn = next((place for place in range(hit.end, comma) if tokens[place] == "and"), comma)
    named = any(turn < one.start < comma for one in others)
    if not named and not (lexicon.lists["being"] | lexicon.lists["seen"]).isdisjoint(tokens[turn:comma]):
        return False  # "no fracture at L1 and is present at L3"
    tail, plain = range(comma + 1, end), lexicon.lists["plain"]
    return comma == end or tail_is_plain(tail, tokens, _spans(others), lexicon.cues, plain, lexicon.rest)


def _spans(hits: Sequence[_Hit]) -> list[tuple[int, int, str]]:
    return [(one.start, one.end, one.key) for one in hits]


def _cue_before(
    hit: _Hit, tokens: Sequence[str], start: int, others: Sequence[_Hit], lexicon: _Lexicon
) -> tuple[int, int] | None:
    """The nearest word that denies, before the hit. One inside a known phrase ("no interval change") denies only that
    phrase, but for "no abnormality or ..."."""
    found: list[tuple[int, int]] = []
    for cue in lexicon.cues:
        for place in range(start, hit.start - len(cue) + 1):
            if tuple(tokens[place : place + len(cue)]) != cue:
                continue
            around = next((one for one in others if one.start <= place < one.end), None)
            if around is None:
                found.append((place, place + len(cue)))
            elif around.key == NOTHING_FOUND and around.end < hit.start and tokens[around.end] in ("or", "nor"):
                found.append((place, around.end))
    return max(found, default=None)


def _list_closed_at(tokens: Sequence[str], loose: Sequence[int], others: Sequence[_Hit], end: int) -> int:
    """Where the last "or" stands that brings one more finding: commas before it join a list. -1 where there is none."""
    for place in reversed(loose):
        if tokens[place] in ("or", "nor"):
            comma = next((one for one in loose if one > place and tokens[one] == ","), end)
            if any(place < one.start < comma for one in others):
                return place
    return -1


def _told_after(
    after: Sequence[str], before: Sequence[str], lexicon: _Lexicon, tokens: Sequence[str], end: int
) -> int:
    """ "fracture is not seen", "fracture: none": up to where it says so; 0 where it does not."""
    plain, seen = lexicon.lists["plain"], lexicon.lists["followers"]
    if any(token not in plain for token in before):
        return 0
    if "not" in after:
        place = list(after).index("not")
        rest = [token for token in after[place + 1 :] if token != "been"]
        told = (
            all(token in lexicon.lists["being"] for token in after[:place])
            and rest and rest[0] in lexicon.lists["seen"] and all(token in plain | seen for token in rest)
        )  # fmt: skip
        return end if told else 0
    following: list[str] = list(after)
    if not after and end < len(tokens) and tokens[end] in (":", "-"):
        following = []
        for token in tokens[end + 1 :]:
            if token in _BREAKS:
                break
            following.append(token)
        end += 1 + len(following)
    rest = following[1:]
    if not following or following[0] not in lexicon.lists["none"]:
        return 0
    return end if all(token in lexicon.lists["seen"] for token in rest) else 0


def _as_usual(hit: _Hit, tokens: Sequence[str], clauses: Sequence[tuple[int, int]], lexicon: _Lexicon) -> set[int]:
    """The clause that says "cord signal is normal", "cord: normal", where every word of it is understood."""
    if not hit.serious or hit.key not in lexicon.normal:
        return set()
    start, end = next(clause for clause in clauses if clause[0] <= hit.start < clause[1])
    if tokens[end : end + 1] == [":"]:
        end = next((two for one, two in clauses if one == end + 1), end)
    lists, told = lexicon.lists, [token for token in tokens[start:end] if token != ":"]
    allowed = lists["plain"] | lists["followers"] | lists["being"] | lists["normal"] | lists["structures"] | {"and"}
    in_doubt = _in_doubt(tokens, start, end, lexicon)
    if in_doubt or tokens[end : end + 1] not in _AT_END or lists["normal"].isdisjoint(told):
        return set()
    return set(range(start, end)) if set(told) <= allowed - lists["abnormal"] else set()


def _in_doubt(tokens: Sequence[str], start: int, end: int, lexicon: _Lexicon) -> bool:
    """Whether anything in the sentence around a clause takes back what it says."""
    while start > 0 and tokens[start - 1] not in _ENDS:
        start -= 1
    while end < len(tokens) and tokens[end] not in _ENDS:
        end += 1
    return tokens[end : end + 1] == ["?"] or _says(tokens[start:end], lexicon.doubts)


def _left_open(tokens: Sequence[str], known: Sequence[_Hit], lexicon: _Lexicon) -> bool:
    """Whether something is left open ("cannot exclude", "query") in a sentence that names nothing we know."""
    start = 0
    for end, token in [*enumerate(tokens), (len(tokens), ".")]:
        if token in _ENDS:
            named = any(start <= hit.start < end and hit.key != CANNOT_EXCLUDE for hit in known)
            if not named and _says(tokens[start:end], lexicon.open):
                return True
            start = end + 1
    return False


def _says(tokens: Sequence[str], phrases: Sequence[tuple[str, ...]]) -> bool:
    return any(tuple(tokens[at : at + len(one)]) == one for one in phrases for at in range(len(tokens)))


def _clauses(tokens: Sequence[str], lexicon: _Lexicon) -> list[tuple[int, int]]:
    """From where to where each clause goes. A mark stands alone; a breaking word ("but") begins what follows."""
    breakers = lexicon.lists["breakers"]
    marks = [place for place, token in enumerate(tokens) if token in _BREAKS]
    starts = sorted({0, *marks, *(place + 1 for place in marks), *(p for p, t in enumerate(tokens) if t in breakers)})
    return list(pairwise([*starts, len(tokens)]))


def _found(
    tokens: Sequence[str], phrases: Mapping[str, list[tuple[tuple[str, ...], str]]], serious: bool
) -> list[_Hit]:
    """All phrases, the longest first at each place, none inside another."""
    hits: list[_Hit] = []
    place = 0
    while place < len(tokens):
        for words, key in phrases.get(tokens[place], ()):
            if tuple(tokens[place : place + len(words)]) == words:
                hits.append(_Hit(place, place + len(words), key, " ".join(words), serious))
                place += len(words)
                break
        else:
            place += 1
    return hits


@lru_cache(maxsize=1)
def load_lexicon() -> _Lexicon:
    """All words, from ``data/report_words`` and ``data/tutor/scan.yml``. About 0.2 s the first time."""
    serious: dict[str, Any] = load_lines("scan").rest["serious"]
    groups: dict[str, Any] = serious["groups"]
    known: dict[tuple[str, ...], str] = {}
    grave: dict[tuple[str, ...], str] = {}
    for key, word in load_report_words().items():
        group = serious["report_words"].get(key) or (UNKNOWN if word.handling == URGENT else "")
        for phrase in word.says:
            (grave if group else known)[tuple(tokenise(phrase))] = group or key
    for group, fields in groups.items():
        grave |= {tuple(tokenise(phrase)): group for phrase in fields.get("words", ())}
    starts = tuple((start, group) for group, fields in groups.items() for start in fields.get("starts", ()))
    lists = {name: _words(said) for name, said in serious["lists"].items()}
    vocabulary = {token for words in (*known, *grave) for token in words} | {
        token for said in lists.values() for one in said for token in one.split()
    }
    rest = load_known()
    vocabulary |= rest.words | {token for one in rest.together for token in one}
    targets = {token for words in (*grave, *known) for token in words if len(token) > 4} | set(serious["forms"])
    speller = make_speller(targets, english_words(), frozenset(vocabulary))
    return _Lexicon(
        known=by_first(known),
        serious=by_first(grave),
        starts=starts,
        when={OPEN: TODAY, UNKNOWN: TODAY, UNREAD: TODAY} | {group: fields["when"] for group, fields in groups.items()},
        normal=frozenset(group for group, fields in groups.items() if fields.get("normal")),
        lists=lists,
        doubts=tuple(tuple(tokenise(one)) for one in (*serious["doubts"], *serious["open"])),
        open=tuple(tuple(tokenise(one)) for one in serious["open"]),
        cues=tuple(tuple(tokenise(one)) for one in serious["cues"]),
        named=frozenset(tuple(tokenise(one)) for one in serious["named"]),
        guarded={key: frozenset(said) for key, said in serious["guarded"].items()},
        regions={region: _words(said) for region, said in serious["regions"].items()},
        harmless=frozenset(token for words in known for token in words),
        forms=_words(serious["forms"]),
        rest=rest,
        repair=lru_cache(maxsize=4096)(speller.repair),
    )


def _words(said: Collection[str]) -> frozenset[str]:
    return frozenset(str(one) for one in said)
