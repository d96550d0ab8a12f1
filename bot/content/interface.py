"""The page's wording as ICU MessageFormat: what a message asks for, and the languages that it can be written in.

``widget/icu.js`` shows the messages. It knows plain arguments, plurals and selects, so nothing else is right here.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pyicumessageformat import Parser

from bot.content.files import DATA, ContentError, name, read_yaml

PLAIN, PLURAL, SELECT = "", "plural", "select"


@dataclass(frozen=True, order=True)
class Argument:
    """A gap of a message. `kind`: how it is filled; `cases`: the cases that are written out for it."""

    name: str
    kind: str = PLAIN
    cases: tuple[str, ...] = ()


def load_languages(data: Path = DATA) -> dict[str, dict[str, Any]]:
    """``data/languages.yml``: by tag the name, script, `dir` where it is rtl, CLDR's `plurals`, letters and words.

    Raises ContentError where an entry has no name or script, or something that is not text in its place.
    """
    path = data / "languages.yml"
    languages = read_yaml(path)
    for tag, about in languages.items():
        texts = [
            tag,
            *(about.get(key, "") for key in ("letters", "words", "dir")),
            about.get("name"),
            about.get("script"),
        ]
        if not all(isinstance(text, str) for text in texts):
            raise ContentError(f"{name(path)}: {tag}: needs name and script; put letters and words in quotes.")
    return dict(languages)


def arguments(message: str) -> list[Argument]:
    """The gaps of a message in its order, those inside of cases too. Raises ValueError where it is not well formed."""
    try:
        parts = Parser({"submessage_types": [PLURAL, SELECT]}).parse(message)
    except SyntaxError as error:
        raise ValueError(str(error)) from None
    return list(_arguments(parts))


def _arguments(parts: list[str | Mapping[str, Any]]) -> Iterator[Argument]:
    for part in parts:
        if isinstance(part, str) or part.get("hash"):
            continue
        kind = part.get("type", PLAIN)
        if kind not in (PLAIN, PLURAL, SELECT):
            raise ValueError(f"the page knows no {kind}")
        if part.get("offset"):
            raise ValueError("the page knows no offset")
        cases = part.get("options", {})
        yield Argument(part["name"], kind, tuple(cases))
        for inner in cases.values():
            yield from _arguments(inner)
