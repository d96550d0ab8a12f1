"""A form that came while the inbox was locked: sealed, so that nobody who sits at the lock can read it, for the page to
carry until the person has shown themselves. It opens for the same sign-in alone.
"""

from __future__ import annotations

import json

from cryptography.fernet import InvalidToken

from bot.web.people.keys import fernet

# Characters of the sealed text: with the password beside it, the form that opens the lock must stay within its size.
MOST_KEPT = 48_000
_USE = "forms that met the lock"
# What a form must not be kept with.
_NEVER_KEPT = ("csrf", "password", "code", "again")


def sealed(keys: str, session_id: str, path: str, form: dict[str, str]) -> str:
    """The form and where it goes, as one text; empty where it is too long, or in an installation without a key.
    `keys`: PNE_SECRET_KEY."""
    if not keys:
        return ""
    fields = {name: value for name, value in form.items() if not any(word in name for word in _NEVER_KEPT)}
    raw = json.dumps([session_id, path, fields]).encode()
    made = fernet(keys, _USE).encrypt(raw).decode()
    return made if len(made) <= MOST_KEPT else ""


def opened(keys: str, session_id: str, text: str) -> tuple[str, dict[str, str]] | None:
    """Where the form goes and its fields; None for anything that was not sealed for this sign-in."""
    if not keys or not text or len(text) > MOST_KEPT:
        return None
    try:
        session, path, fields = json.loads(fernet(keys, _USE).decrypt(text.encode("utf-8", "surrogatepass")))
    except InvalidToken:
        return None
    return (path, fields) if session == session_id else None
