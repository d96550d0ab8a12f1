"""Beliefs: enough of them, each in a person's words, corrected by an answer that is there, resting on a source."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

from bot.content.answers import load_answers, load_sources
from bot.content.beliefs import FILE, Belief, load_beliefs
from bot.content.checks.fault import Fault

FEWEST, FEWEST_PHRASES = 20, 10
MOST_SHORT_WORDS = 25
_ID, _CONCEPT = re.compile(r"M(?:0[1-9]|1\d|2[0-5])"), re.compile(r"C(?:0[1-9]|[12]\d|3[0-2])")
_IN_QUOTES = re.compile(r'"[^"]+"')


def beliefs(data: Path) -> Iterator[Fault]:
    """All faults of ``data/beliefs.yml`` that its loader does not see."""
    found = load_beliefs(data)
    if len(found) < FEWEST:
        yield _fault("beliefs", f"{len(found)} beliefs; {FEWEST} at least")
    said: dict[str, str] = {}
    for belief in found.values():
        yield from _of_one(belief, data)
        for phrase in belief.phrases:
            if said.setdefault(phrase.lower(), belief.id) != belief.id:
                yield _fault(belief.id, f"{phrase!r} belongs to {said[phrase.lower()]} already")


def _of_one(belief: Belief, data: Path) -> Iterator[Fault]:
    if not _ID.fullmatch(belief.id):
        yield _fault(belief.id, "ids go from M01 to M25")
    if not _CONCEPT.fullmatch(belief.concept):
        yield _fault(belief.id, f"concept {belief.concept} is none of C01 to C32")
    if not _IN_QUOTES.fullmatch(belief.statement):
        yield _fault(belief.id, "the statement is the person's: put all of it in quotes")
    if len(set(belief.phrases)) < FEWEST_PHRASES:
        yield _fault(belief.id, f"{len(set(belief.phrases))} phrases; {FEWEST_PHRASES} different ones at least")
    if len(belief.short.split()) > MOST_SHORT_WORDS:
        yield _fault(belief.id, f"short has {len(belief.short.split())} words; {MOST_SHORT_WORDS} at most")
    if not belief.answers:
        yield _fault(belief.id, "name an answer that corrects it")
    for answer in belief.answers:
        if answer not in load_answers(data):
            yield _fault(belief.id, f"answer {answer} is not in data/responses")
    if not belief.sources:
        yield _fault(belief.id, "name what its correction rests on")
    for key in belief.sources:
        if key not in load_sources(data):
            yield _fault(belief.id, f"source {key} is not in data/sources")
    if not (data / "lessons" / f"{belief.lesson}.yml").exists():
        yield _fault(belief.id, f"lesson {belief.lesson} is not in data/lessons")


def _fault(where: str, what: str) -> Fault:
    return Fault(f"data/{FILE}", where, what)
