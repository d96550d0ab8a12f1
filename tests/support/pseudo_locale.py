"""A language that nobody speaks, made from the English wording: what is not in it on the page stands in its code.

Every text is accented, about 40 % longer and in brackets, as ⟦Šéñð ···⟧, and keeps its ICU arguments.
"""

from __future__ import annotations

import math
import re
from collections.abc import Mapping

TAG = "en-XA"
GROWTH = 0.4
OPEN, CLOSE = "⟦", "⟧"
# What says how the page sets a language; not wording.
AS_THEY_ARE = ("dir", "answers_language")
_ACCENTS = str.maketrans(
    "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz",
    "ÅƁÇÐÉƑĜĤÎĴĶĻṀÑÖÞǪŔŠŢÛṼŴẊÝŽåƀçðéƒĝĥîĵķļṁñöþǫŕšţûṽŵẋýž",
)
_QUOTE = re.compile(r"''|'[{}#](?:''|[^'])*'?")
_HEAD = re.compile(r"\{\s*[^\s{},#']+\s*(?:\}|,\s*(?:plural|select)\s*,)")
_CASE = re.compile(r"\s*(?:=\d+|\w+)\s*\{")


def pseudo_locale(english: Mapping[str, str]) -> dict[str, str]:
    """The language, with the keys of `english` (as ``Wording.interface``)."""
    made = {key: text if key in AS_THEY_ARE else bracketed(text) for key, text in english.items()}
    return {**made, "lang": TAG}


def bracketed(message: str) -> str:
    """One message. What the page fills in stays as it is; words inside of cases are accented too."""
    written, letters = _written(message)
    more = math.ceil(letters * GROWTH)
    return f"{OPEN}{written} {'·' * more}{CLOSE}"


def _written(message: str) -> tuple[str, int]:
    """The accented message, and how many of its characters are wording."""
    out, letters, at = "", 0, 0
    open_cases: list[bool] = []  # for each brace that is open: whether it holds words (True) or cases (False)
    while at < len(message):
        rest = message[at:]
        if open_cases and not open_cases[-1] and (case := _CASE.match(rest)):
            open_cases.append(True)
            found = case[0]
        elif (quote := _QUOTE.match(rest)) or (head := _HEAD.match(rest)):
            found = quote[0] if quote else head[0]  # type: ignore[index]
            if not quote and found.endswith(","):
                open_cases.append(False)
        else:
            found = rest[0]
            if found == "}":
                open_cases.pop()
            elif found != "#" and (not open_cases or open_cases[-1]):
                letters += 1
                out, found = out + found.translate(_ACCENTS), ""
        out += found
        at += len(found) or 1
    return out, letters
