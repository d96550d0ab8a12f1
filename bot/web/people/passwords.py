"""What a password of the clinic's people must be: long, and not one that is tried first. No rules of composition."""

from __future__ import annotations

import re
from collections.abc import Iterable
from functools import lru_cache
from pathlib import Path

from bot.content.files import DATA

SHORTEST, LONGEST = 12, 1_024
# Parts of a name shorter than this stand in too many good passwords.
_SHORTEST_NAME = 4
# What may be left of a password once the person's own words are taken out of it.
_LEFT = 8
_WORD = re.compile(r"[^\W_]+")
_RUNS = ("abcdefghijklmnopqrstuvwxyz", "qwertyuiopasdfghjklzxcvbnm", "1234567890", "01234567890")


def fault(password: str, own: Iterable[str] = (), data: Path = DATA) -> str | None:
    """Why this password is refused (``short``, ``long``, ``common``, ``own``); None where it is good.

    `own`: the person's name and e-mail address and the clinic's name. A password that is little more than them is
    refused; one that only mentions them is not.
    """
    if len(password) < SHORTEST:
        return "short"
    if len(password) > LONGEST:
        return "long"
    plain = "".join(_WORD.findall(password.casefold()))
    if len(set(password)) < 5 or (plain and _is_common(plain, data)):
        return "common"
    left = plain
    for word in sorted({word for text in own for word in _WORD.findall(text.casefold())}, key=len, reverse=True):
        if len(word) >= _SHORTEST_NAME:
            left = left.replace(word, "")
    return "own" if left != plain and len(left) < _LEFT else None


def _is_common(plain: str, data: Path) -> bool:
    """Whether it is on the list, alone or with digits after it, or a run of the keyboard, the alphabet or digits."""
    if plain in common(data) or plain.rstrip("0123456789") in common(data):
        return True
    return any(_runs(plain, run) for run in _RUNS)


def _runs(plain: str, run: str) -> bool:
    again = run * (len(plain) // len(run) + 2)
    return plain in again or plain in again[::-1]


@lru_cache(maxsize=4)
def common(data: Path = DATA) -> frozenset[str]:
    """The list of very common passwords (``data/common_passwords.txt``), without what is no letter or digit."""
    lines = (data / "common_passwords.txt").read_text(encoding="utf-8").splitlines()
    return frozenset("".join(_WORD.findall(line.casefold())) for line in lines if not line.startswith("#")) - {""}
