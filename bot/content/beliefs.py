"""Beliefs about scans and pain (``data/beliefs.yml``): each in a person's own words, and how people say it."""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

from bot.content.files import DATA, ContentError, name, read_yaml

FILE = "beliefs.yml"
_ID = re.compile(r"M\d\d")


@dataclass(frozen=True)
class Belief:
    """One belief. `statement` stands in quotes, as a person says it; `answers` are the curated answers that correct it;
    `short` is one plain line that argues with nobody; `phrases`: how people say it; `cues`: beginnings of words, one of
    each list in every telling of it; `asked`: whether a number is asked before the answer."""

    id: str
    statement: str
    short: str
    answers: tuple[str, ...]
    concept: str
    lesson: str
    phrases: tuple[str, ...]
    sources: tuple[str, ...]
    cues: tuple[tuple[str, ...], ...]
    asked: bool = True


@dataclass(frozen=True)
class Telling:
    """How things are said that are no belief of the person's: `others` sound alike, `turned` takes one back or gives it
    to somebody else, `asks` begins a question."""

    others: tuple[str, ...]
    turned: tuple[str, ...]
    asks: tuple[str, ...]


@lru_cache(maxsize=4)
def load_beliefs(data: Path = DATA) -> dict[str, Belief]:
    """All beliefs by id (M01 ...). Raises ContentError that names the belief and the field."""
    return {key: _belief(key, fields) for key, fields in _content(data).items() if _ID.fullmatch(key)}


@lru_cache(maxsize=4)
def load_telling(data: Path = DATA) -> Telling:
    """What is heard as no belief. Raises ContentError where a list is missing."""
    try:
        lists = _content(data)["phrases"]
        return Telling(*(tuple(str(one) for one in lists[part]) for part in ("others", "turned", "asks")))
    except (KeyError, TypeError) as error:
        raise ContentError(f"data/{FILE}: phrases: {type(error).__name__}: {error}") from None


def _content(data: Path) -> dict[str, Any]:
    content = read_yaml(data / FILE)
    if not isinstance(content, dict):
        raise ContentError(f"{name(data / FILE)}: write beliefs by their id.")
    return content


def _belief(key: str, fields: dict[str, Any]) -> Belief:
    try:
        return Belief(
            id=key,
            statement=fields["statement"].strip(),
            short=fields["short"].strip(),
            answers=tuple(fields["answers"]),
            concept=fields["concept"],
            lesson=fields["lesson"],
            phrases=tuple(str(phrase) for phrase in fields["phrases"]),
            sources=tuple(fields["sources"] or ()),
            cues=tuple(tuple(str(cue) for cue in cues) for cues in fields["cues"]),
            asked=bool(fields.get("asked", True)),
        )
    except (KeyError, TypeError, AttributeError) as error:
        raise ContentError(f"data/{FILE}: {key}: {type(error).__name__}: {error}") from None
