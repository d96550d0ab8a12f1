"""Everything the tutor says (``data/tutor``, lessons, visuals, beliefs): length, grade, words, figures."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from bot.content.answers import load_facts, load_sources
from bot.content.checks.answers import HARDEST_GRADE, MOST_WORDS, plain
from bot.content.checks.fault import Fault
from bot.content.checks.figures import numbers_of_cell
from bot.content.checks.language import PLACEHOLDERS, wrong_words
from bot.content.files import bubbles, name, read_yaml
from bot.content.readability import flesch_kincaid

# Keys whose values nobody reads as our words: ids, and what people say themselves.
NOT_OURS = {
    "answers", "asides", "because", "belief", "beside", "citation", "concept", "concepts", "cues", "facts",
    "figure", "figures", "heard", "id", "key", "kind", "leads_from", "lesson", "licence", "matters", "names",
    "next", "numbers", "patterns", "payload", "phrases", "picture", "review", "rule", "said", "serious",
    "sources", "visual", "ways_out", "when",
}  # fmt: skip
# What is graded: a text of fewer words has no grade worth the name.
FEWEST_WORDS = 12
# The ends of every scale, and the denominators of shares.
ALWAYS = {"0", "10", "100"}
_DIGITS = re.compile(r"\d+(?:\.\d+)?")
_PLACEHOLDER = re.compile(r"\{\w*\}")


def files(data: Path) -> list[Path]:
    """All files of the tutor's wording."""
    found = [path for folder in ("tutor", "lessons", "visuals") for path in sorted((data / folder).glob("*.yml"))]
    return [*found, *(path for path in (data / "beliefs.yml",) if path.exists())]


def wording(data: Path) -> Iterator[Fault]:
    """Each text: bubbles short enough, easy enough, no banned words, no number that stands nowhere, review told."""
    facts, sources = load_facts(data), load_sources(data)
    for path in files(data):
        content = read_yaml(path)
        if not isinstance(content, dict) or (content.get("review") or {}).get("state") not in ("pending", "signed"):
            yield Fault(name(path), path.stem, "write review: {state: pending}")
            continue
        known = ALWAYS | {str(one) for one in content.get("numbers") or ()}
        for key in _named(content, "facts"):
            if key not in facts:
                yield Fault(name(path), path.stem, f"fact {key} is not in data/facts")
            else:
                known |= set(_DIGITS.findall(facts[key].say))
        for cell in (*_named(content, "figure"), *_named(content, "figures")):
            known |= numbers_of_cell(cell, data)
        for key in _named(content, "sources"):
            if key not in sources:
                yield Fault(name(path), path.stem, f"source {key} is not in data/sources")
        for where, text in texts(content):
            yield from _of_text(path, where, text, known)


def sources_used(data: Path) -> set[str]:
    """All sources that the tutor's texts name."""
    return {key for path in files(data) for key in _named(read_yaml(path), "sources")}


def texts(content: Any, where: str = "") -> Iterator[tuple[str, str]]:
    """All that is read as our words, with where it stands."""
    if isinstance(content, dict):
        for key, value in content.items():
            if key not in NOT_OURS:
                yield from texts(value, f"{where}.{key}" if where else str(key))
    elif isinstance(content, list):
        for place, value in enumerate(content):
            yield from texts(value, f"{where}.{place}")
    elif isinstance(content, str) and content.strip():
        yield where, content


def _of_text(path: Path, where: str, text: str, known: set[str]) -> Iterator[Fault]:
    for bubble in bubbles(text):
        if len(bubble.split()) > MOST_WORDS:
            yield Fault(name(path), where, f"{len(bubble.split())} words in one bubble; {MOST_WORDS} at most", bubble)
    if len(text.split()) >= FEWEST_WORDS and (hardness := flesch_kincaid(plain(text))) > HARDEST_GRADE:
        yield Fault(name(path), where, f"reading grade {hardness:.1f}; {HARDEST_GRADE:.0f} at most", text)
    for why, what in wrong_words(text):
        yield Fault(name(path), where, f"{why}: {what!r}")
    unknown = set(_DIGITS.findall(_PLACEHOLDER.sub("", text))) - known
    if unknown:
        yield Fault(
            name(path), where, f"{', '.join(sorted(unknown))} come from no cell and no fact",
            "name the fact under `facts` or the cell under `figures`; a rule's own number under `numbers`",
        )  # fmt: skip
    if re.search(r"\b(999|911|112|988|116 ?123)\b", text):
        yield Fault(name(path), where, f"a phone number in the text; use {{{'}, {'.join(sorted(PLACEHOLDERS))}}}")


def _named(content: Any, key: str) -> list[str]:
    """All that stands under `key`, at any depth."""
    if isinstance(content, dict):
        own = content.get(key) or []
        found = [own] if isinstance(own, str) else [one for one in own if isinstance(one, str)]
        return found + [one for name_, value in content.items() if name_ != key for one in _named(value, key)]
    if isinstance(content, list):
        return [one for value in content for one in _named(value, key)]
    return []
