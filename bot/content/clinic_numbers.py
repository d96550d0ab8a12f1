"""The lines to call: those of a country (``data/numbers.yml``), with a clinic's own in their place (``numbers``)."""

from __future__ import annotations

import re
from collections.abc import Mapping
from functools import lru_cache
from pathlib import Path
from typing import Any

from bot.content.files import DATA, ContentError, read_yaml

NEEDED = ("emergency", "urgent", "crisis")
# What a clinic's admin may change by hand, in this order. The emergency number is not among them: a slip there could
# cost a life, so it is changed in the clinic's file, where a second pair of eyes reads it.
CHANGEABLE = ("urgent", "crisis", "poison", "abuse", "child")
MOST_LINES = 8
LONGEST_LABEL = 80
Lines = dict[str, list[dict[str, str]]]
_KEYS = {"label", "tel", "sms", "body", "url", "mark"}
_TEL = re.compile(r"\+?[0-9(][0-9 ()\-]{1,22}")


@lru_cache(maxsize=4)
def load_countries(data: Path = DATA) -> Mapping[str, Mapping[str, Any]]:
    """The lines of every country, as they stand in the file."""
    countries = read_yaml(data / "numbers.yml")
    if not isinstance(countries, dict) or not all(isinstance(lines, dict) for lines in countries.values()):
        raise ContentError("data/numbers.yml: write the lines of each country under its code.")
    return countries


def read_calls(country: Mapping[str, Any], own: Any, known: frozenset[str]) -> Lines:
    """The lines by use: the country's, and the clinic's `own` in the place of those. `known`: the uses that there are.

    Raises ValueError with a sentence for people.
    """
    lists = {use: lines if isinstance(lines, list) else [lines] for use, lines in country.items() if use != "checked"}
    calls = {use: [dict(line) for line in lines if line] for use, lines in lists.items()}
    return calls | read_own(own, known)


def read_own(own: Any, known: frozenset[str]) -> Lines:
    """A clinic's own lines by use. Raises ValueError with a sentence for people."""
    if own is None:
        return {}
    if not isinstance(own, Mapping):
        raise ValueError("numbers: write lists of lines by use, such as urgent: [{label: NHS 111, tel: 111}]")
    if unknown := set(own) - known:
        raise ValueError(f"numbers: {sorted(map(str, unknown))[0]!r} is none of {', '.join(sorted(known))}")
    made = {}
    for use, lines in own.items():
        if not isinstance(lines, (list, tuple)) or not 1 <= len(lines) <= MOST_LINES:
            raise ValueError(f"numbers.{use}: give one line or more, {MOST_LINES} at most")
        made[use] = [_line(use, line) for line in lines]
    return made


def digits(text: str) -> str:
    return "".join(character for character in text if character in "0123456789")


def _line(use: str, line: Any) -> dict[str, str]:
    if not isinstance(line, Mapping) or not set(line) <= _KEYS or not all(isinstance(v, str) for v in line.values()):
        raise ValueError(f"numbers.{use}: a line has a label, and tel, sms (with body) or url; numbers stand in quotes")
    label = line.get("label", "").strip()
    if not label or len(label) > LONGEST_LABEL or "{" in label or not label.isprintable():
        raise ValueError(f"numbers.{use}: the words of a line must be there, and {LONGEST_LABEL} characters at most")
    for kind in ("tel", "sms"):
        number = line.get(kind)
        if number is None:
            continue
        if not _TEL.fullmatch(number) or len(digits(number)) > 15:
            raise ValueError(f"numbers.{use}: {number!r} is no telephone number")
        if digits(number) not in digits(label):
            # What is read must be what is dialled: on paper, aloud, and by who cannot press the link.
            raise ValueError(f"numbers.{use}: the words {label!r} must have the number {number} in them")
    if "url" in line and not re.fullmatch(r"https://[^\s\"'<>]+", line["url"]):
        raise ValueError(f"numbers.{use}: {line['url']!r} is no https:// address")
    return {key: value.strip() for key, value in line.items()}
