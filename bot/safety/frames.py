"""The small language in which ``data/safety`` says what raises a finding.

A frame is one or more chunks. A chunk is words and ``{families}`` with bounded gaps::

    {cannot} ..2 {pee}              can't ... pee, at most two content words between, this order
    {numb} <>3 {groin_area}         the same in either order
    {back_pain} & {fever}           both anywhere in this message
    {back_pain} && {fever}          one of them in this message, the other in any of the last messages
    {numb} ..2 bum & !{sat_long}    only where the family after "!" is absent
    ^{fall} & {worse}               "^": a past or long-known mention of this chunk is good enough

Words may hold alternatives, ``lost (all|) (feeling|sensation)``; ``leak~`` stands for its regular forms.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from itertools import product

NEAR, THEN = "near", "then"
_PART = re.compile(r"\{[a-z0-9_]+\}|\.\.\d+|<>\d+|&&|&|[!^]|[^{}&<>!^.]+|.")
_CHOICE = re.compile(r"\(([^()]*)\)")
_FAMILY = re.compile(r"^\{([a-z0-9_]+)\}$")
_VOWELS = "aeiou"
LARGEST_GAP = 12


@dataclass(frozen=True)
class Step:
    """One family of a chunk and how far from the one before it may stand."""

    family: str
    how: str = THEN
    gap: int = 0


@dataclass(frozen=True)
class Chunk:
    steps: tuple[Step, ...]
    absent: bool = False
    past_is_fine: bool = False


@dataclass(frozen=True)
class Frame:
    """A parsed frame. ``needs``: families that must be present; ``pooled``: in any of the last messages."""

    text: str
    chunks: tuple[Chunk, ...]
    needs: frozenset[str]
    pooled: bool = False


def parse_frame(text: str) -> Frame:
    """Parse one frame. Raises ValueError that quotes the frame."""
    groups: list[list[str]] = [[]]
    joins: set[str] = set()
    for part in (found.strip() for found in _PART.findall(text)):
        if part in ("&", "&&"):
            joins.add(part)
            groups.append([])
        elif part:
            groups[-1].append(part)
    if len(joins) > 1:
        raise ValueError(f"'&' and '&&' may not be mixed in {text!r}")
    chunks = tuple(_parse_chunk(group, text) for group in groups)
    if all(chunk.absent for chunk in chunks):
        raise ValueError(f"nothing must be present in {text!r}")
    needs = frozenset(step.family for chunk in chunks if not chunk.absent for step in chunk.steps)
    return Frame(text, chunks, needs, pooled="&&" in joins)


def literal(name: str) -> str | None:
    """The words of a family that was written straight into a frame, or None for a named family."""
    return name[1:] if name.startswith("=") else None


def expand(phrase: str) -> list[str]:
    """All spellings of a phrase: ``(a|b)`` alternatives and ``word~`` inflections."""
    pieces = _CHOICE.split(phrase)
    if any("(" in piece or ")" in piece for piece in pieces[::2]):
        raise ValueError(f"brackets do not fit, or stand inside each other, in {phrase!r}")
    choices = [piece.split("|") if place % 2 else [piece] for place, piece in enumerate(pieces)]
    spelled: list[str] = []
    for combination in product(*choices):
        words = [_inflected(word[:-1]) if word.endswith("~") else [word] for word in "".join(combination).split()]
        spelled.extend(" ".join(one) for one in product(*words))
    return list(dict.fromkeys(spelled))


def _parse_chunk(parts: list[str], text: str) -> Chunk:
    absent = past_is_fine = False
    while parts and parts[0] in ("!", "^"):
        absent, past_is_fine = absent or parts[0] == "!", past_is_fine or parts[0] == "^"
        parts = parts[1:]
    steps: list[Step] = []
    how, gap, waiting = THEN, 0, False
    for part in parts:
        if part[:2] in ("..", "<>") and part[2:].isdigit():
            if waiting or not steps:
                raise ValueError(f"a gap needs a family on both sides in {text!r}")
            how, gap, waiting = (NEAR if part[0] == "<" else THEN), int(part[2:]), True
            if gap > LARGEST_GAP:
                raise ValueError(f"gap over {LARGEST_GAP} in {text!r}")
            continue
        if part in ("!", "^", ".", "<", ">", "{", "}"):
            raise ValueError(f"unexpected {part!r} in {text!r}")
        named = _FAMILY.match(part)
        steps.append(Step(named.group(1) if named else "=" + part, how, gap))
        how, gap, waiting = THEN, 0, False
    if not steps or waiting:
        raise ValueError(f"empty or unfinished part in {text!r}")
    return Chunk(tuple(steps), absent, past_is_fine)


def _inflected(word: str) -> list[str]:
    """A verb's regular forms: base, -s, -ed, -ing. Irregular forms are written out in the data."""
    if word.endswith("e") and not word.endswith("ee"):
        return [word, word + "s", word + "d", word[:-1] + "ing"]
    if word.endswith("y") and word[-2:-1] not in _VOWELS:
        return [word, word[:-1] + "ies", word[:-1] + "ied", word + "ing"]
    stem = word
    if len(word) in (3, 4) and word[-1] not in _VOWELS + "wxy" and word[-2] in _VOWELS and word[-3] not in _VOWELS:
        stem = word + word[-1]
    plural = word + ("es" if word.endswith(("s", "sh", "ch", "x", "z")) else "s")
    return [word, plural, stem + "ed", stem + "ing"]
