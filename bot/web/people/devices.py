"""Browsers that people have signed in with: a short name of each, and a mark by which it is known again.

The mark is a cookie, encrypted for this installation. It opens nothing: it only keeps somebody from being locked out of
their own browser by what strangers try elsewhere.
"""

from __future__ import annotations

import json
import secrets

from cryptography.fernet import InvalidToken

from bot.web.people.auth import Device
from bot.web.people.keys import fernet

KEPT_DAYS = 180
_USE = "known browsers"
_LONGEST_MARK = 1_000
# In this order: Edge calls itself Chrome too, and Chrome calls itself Safari.
_BROWSERS = (
    ("Edg", "Edge"),
    ("OPR/", "Opera"),
    ("Firefox/", "Firefox"),
    ("FxiOS", "Firefox"),
    ("Chrome/", "Chrome"),
    ("CriOS", "Chrome"),
    ("Safari/", "Safari"),
)
_SYSTEMS = (
    ("iPhone", "iPhone"),
    ("iPad", "iPad"),
    ("Android", "Android"),
    ("Windows", "Windows"),
    ("Mac OS X", "Mac"),
    ("CrOS", "ChromeOS"),
    ("Linux", "Linux"),
)


def named(user_agent: str) -> str:
    """A short name of the browser for its owner ("Firefox, Windows"); empty where nothing is recognised."""
    found = (next((name for mark, name in kinds if mark in user_agent), "") for kinds in (_BROWSERS, _SYSTEMS))
    return ", ".join(name for name in found if name)


def device(keys: str, user_agent: str, mark: str) -> Device:
    """The browser that asks. `keys`: PNE_SECRET_KEY; `mark`: what it carries."""
    return Device(named(user_agent[:500]), _known_to(keys, mark)[0])


def known(keys: str, mark: str) -> tuple[str, str] | None:
    """Who has signed in with this browser before (a person's id), and the name by which its tries are counted."""
    person, number = _known_to(keys, mark)
    return (person, f"device {number}") if person else None


def new_mark(keys: str, person: str) -> str | None:
    """The mark for a browser with which this person has just signed in; None in an installation without a key."""
    if not keys:
        return None
    return fernet(keys, _USE).encrypt(json.dumps([person, secrets.token_hex(8)]).encode()).decode()


def _known_to(keys: str, mark: str) -> tuple[str | None, str]:
    if not keys or not mark or len(mark) > _LONGEST_MARK:
        return None, ""
    try:
        raw = fernet(keys, _USE).decrypt(mark.encode("utf-8", "surrogatepass"), KEPT_DAYS * 86_400)
    except InvalidToken:
        return None, ""
    person, number = json.loads(raw)
    return str(person), str(number)

