"""The second factor: codes of an authenticator app (TOTP, RFC 6238), and recovery codes for when the phone is gone.

Pure: no database, no clock of its own. What is kept of a person's factor is one encrypted text
(``Clinician.totp_secret``) that holds the secret and the hashes of the recovery codes, bound to the person: in
another's row it opens nothing.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import secrets
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any
from urllib.parse import quote, urlencode

import segno
from cryptography.fernet import InvalidToken

from bot.web.people.keys import fernet

STEP_SECONDS = 30
DIGITS = 6
# Steps before and after the present one whose code is taken too: phones' clocks are a little off.
WINDOW = 1
SECRET_BYTES = 20
RECOVERY_CODES = 10
# Seconds for which a secret that was shown can be confirmed.
ENROL_SECONDS = 900
# Without letters and digits that look alike.
_ALPHABET = "abcdefghjkmnpqrstuvwxyz23456789"


class FactorUnreadable(Exception):
    """What is kept of a factor cannot be opened: the key is another one, or the row is somebody else's."""


@dataclass(frozen=True)
class Factor:
    """A person's secret (base32) and the SHA-256 of each recovery code that is still good."""

    secret: str = field(repr=False)
    recovery: tuple[str, ...] = field(default=(), repr=False)


class Box:
    """Encrypts with the first of the keys, opens with any of them. `keys`: PNE_SECRET_KEY, one or more with commas."""

    def __init__(self, keys: str) -> None:
        self._fernet = fernet(keys, "second factors")

    def seal(self, person: str, factor: Factor) -> str:
        """The factor as it is kept in the person's row."""
        return self._encrypt({"for": person, "secret": factor.secret, "recovery": factor.recovery})

    def open(self, person: str, sealed: str) -> Factor:
        """The person's factor. Raises FactorUnreadable."""
        found = self._decrypt(sealed)
        if found is None or found.get("for") != person or not isinstance(found.get("recovery"), list):
            raise FactorUnreadable
        return Factor(str(found["secret"]), tuple(found["recovery"]))

    def offer(self, person: str, secret: str, now: datetime) -> str:
        """A new secret as the page carries it until a code has confirmed it."""
        return self._encrypt({"offered": person, "secret": secret, "until": now.timestamp() + ENROL_SECONDS})

    def offered(self, person: str, offer: str, now: datetime) -> str | None:
        """The secret that was offered to this person; None for anything else, or where it is too late."""
        found = self._decrypt(offer)
        if found is None or found.get("offered") != person or found["until"] < now.timestamp():
            return None
        return str(found["secret"])

    def _encrypt(self, value: dict[str, Any]) -> str:
        return self._fernet.encrypt(json.dumps(value).encode()).decode()

    def _decrypt(self, sealed: str) -> dict[str, Any] | None:
        try:
            return dict(json.loads(self._fernet.decrypt(sealed.encode("utf-8", "surrogatepass"))))
        except InvalidToken:
            return None


def new_secret() -> str:
    """A random secret, in base32 as apps read it."""
    return base64.b32encode(secrets.token_bytes(SECRET_BYTES)).decode()


def code_at(secret: str, step: int) -> str:
    """The code of one 30-second step (RFC 4226 over SHA-1, as every app does it)."""
    digest = hmac.digest(base64.b32decode(secret), step.to_bytes(8, "big"), "sha1")
    start = digest[-1] & 15
    number = int.from_bytes(digest[start : start + 4], "big") & 0x7FFFFFFF
    return f"{number % 10**DIGITS:0{DIGITS}d}"


def step_of(at: datetime) -> int:
    """The 30-second step of a time."""
    return int(at.timestamp()) // STEP_SECONDS


def matching_step(secret: str, given: str, at: datetime, used: int | None) -> int | None:
    """The step whose code was given, if it is near and later than `used`, the last one that opened something."""
    code = digits(given)
    if code is None:
        return None
    now, found = step_of(at), None
    for step in range(now - WINDOW, now + WINDOW + 1):
        # Every step is compared, so that the time says nothing about which one was near.
        if hmac.compare_digest(code_at(secret, step), code) and (used is None or step > used):
            found = step
    return found


def digits(given: str) -> str | None:
    """The six digits of what was typed, whatever gaps it has; None where it is no code."""
    code = "".join(given.split())
    return code if len(code) == DIGITS and code.isascii() and code.isdigit() else None


def new_recovery_codes() -> tuple[str, ...]:
    """Codes to write down, each good once: ten letters in two groups, about 50 bits."""
    return tuple(f"{_letters()}-{_letters()}" for _ in range(RECOVERY_CODES))


def with_recovery(factor: Factor, codes: tuple[str, ...]) -> Factor:
    """The factor with these recovery codes instead of any others."""
    return replace(factor, recovery=tuple(_recovery_hash(code) for code in codes))


def without_used(factor: Factor, given: str) -> Factor | None:
    """The factor after this recovery code was used; None where it is none of them."""
    hashed = _recovery_hash(given)
    left = tuple(kept for kept in factor.recovery if not hmac.compare_digest(kept, hashed))
    return None if len(left) == len(factor.recovery) else replace(factor, recovery=left)


def uri(secret: str, issuer: str, account: str) -> str:
    """The ``otpauth`` address that apps read from the picture."""
    label = f"{quote(issuer, safe='')}:{quote(account, safe='@')}"
    query = {"secret": secret, "issuer": issuer, "algorithm": "SHA1", "digits": DIGITS, "period": STEP_SECONDS}
    return f"otpauth://totp/{label}?{urlencode(query, quote_via=quote)}"


def picture(address: str) -> str:
    """A QR code of the address, as a ``data:`` address of an SVG. Always dark on white: cameras need that."""
    return segno.make(address, error="m", micro=False).svg_data_uri(scale=5, border=4, dark="#000", light="#fff")


def grouped(secret: str) -> str:
    """The secret in groups of four, for typing it."""
    return " ".join(secret[start : start + 4] for start in range(0, len(secret), 4))


def _letters() -> str:
    return "".join(secrets.choice(_ALPHABET) for _ in range(5))


def _recovery_hash(code: str) -> str:
    plain = "".join(character for character in code.casefold() if character.isalnum())
    return hashlib.sha256(plain.encode("utf-8", "surrogatepass")).hexdigest()
