"""A clinic's word for who its patient is: checks the signed token (JWT) that the clinic's portal made.

What is accepted is decided by the clinic's file alone (``Clinic.identity``); the token's header chooses nothing but
which of the clinic's own keys to try. Causes of a refusal are names for the log: they never hold the token.
"""

from __future__ import annotations

import asyncio
import json
import math
import re
import time
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta, timezone
from typing import Any
from urllib.parse import urlsplit

import httpx
import jwt

from bot.content import Clinic
from bot.content.clinics import Identity
from bot.content.files import ContentError
from bot.settings import SettingsError

NEEDED = ("exp", "iat", "sub", "aud", "iss", "jti")
MOST_BYTES = 8_192
LONGEST_TEXT = 200
# Seconds: how long a token may be good for, and how far the two clocks may differ.
LONGEST_LIFE = 300
LEEWAY = 30
# Seconds for which a used token is remembered after nobody would take it any more: a request that is being served
# may have looked at it earlier.
REMEMBERED = 300
SHORTEST_SECRET = 32
SMALLEST_RSA = 2_048
# Seconds: how long a clinic's keys are kept, how often at most an unknown key makes us ask for them early, and how long
# a host that has just failed is left alone.
KEYS_KEPT = 600.0
ASK_AGAIN = 60.0
AFTER_FAILURE = 10.0
FETCH_SECONDS = 5.0
MOST_KEY_BYTES = 65_536
# Algorithm -> kind of key and curve. A key of another kind is never tried, whatever the token says.
_KEY_KINDS: dict[str, tuple[str, str | None]] = {
    "ES256": ("EC", "P-256"),
    "EdDSA": ("OKP", "Ed25519"),
    "RS256": ("RSA", None),
}
_LOOPBACK = ("127.0.0.1", "localhost", "::1")
_LOCALE = re.compile(r"[A-Za-z]{2,8}(-[A-Za-z0-9]{1,8}){0,4}")
# Gets the document at an address. Raises KeysUnavailable.
Fetch = Callable[[str], Awaitable[bytes]]
Jwk = Mapping[str, Any]


class Refused(Exception):
    """The token proves nothing. `cause` is a name for the log; the patient's page hears one code for all of them."""

    def __init__(self, cause: str) -> None:
        super().__init__(cause)
        self.cause = cause


class KeysUnavailable(Exception):
    """The clinic's keys cannot be read just now, so nobody can say whether a token is good."""

    def __init__(self, cause: str) -> None:
        super().__init__(cause)
        self.cause = cause


@dataclass(frozen=True)
class Person:
    """Whom the clinic has signed in. `jti` opens a session once; until `forget_at` it must be remembered as used."""

    subject: str
    name: str | None
    locale: str | None
    jti: str
    forget_at: datetime


async def fetch_keys(
    url: str, transport: httpx.AsyncBaseTransport | None = None, seconds: float = FETCH_SECONDS
) -> bytes:
    """The document at `url`: no redirects, 64 kB and `seconds` in all. Raises KeysUnavailable."""

    async def read() -> bytes:
        options: dict[str, Any] = {"timeout": seconds, "follow_redirects": False, "transport": transport}
        async with (
            # A proxy of the environment is for the world outside, not for loopback.
            httpx.AsyncClient(**options, trust_env=url.startswith("https:")) as client,
            # Raw bytes are counted, so a small packed document cannot grow here.
            client.stream("GET", url, headers={"Accept-Encoding": "identity"}) as response,
        ):
            if response.status_code != 200:
                raise KeysUnavailable(f"status_{response.status_code}")
            raw = b""
            async for chunk in response.aiter_raw():
                raw += chunk
                if len(raw) > MOST_KEY_BYTES:
                    raise KeysUnavailable("too_large")
            return raw

    try:
        return await asyncio.wait_for(read(), seconds)
    except asyncio.TimeoutError:
        raise KeysUnavailable("timeout") from None
    except (httpx.HTTPError, httpx.InvalidURL, OSError) as error:
        raise KeysUnavailable(type(error).__name__) from None


@dataclass
class _Kept:
    """One clinic's keys by `kid`, and when (seconds) they were read, asked for early, and could not be had."""

    keys: dict[str, list[Jwk]] = field(default_factory=dict)
    read_at: float = -math.inf
    asked_again_at: float = -math.inf
    failed_at: float = -math.inf
    lock: asyncio.Lock = field(default_factory=asyncio.Lock)


@dataclass
class Verifier:
    """Checks tokens for all clinics and keeps their public keys. `secrets` are the shared ones, by clinic; `clock` is
    monotonic seconds."""

    secrets: Mapping[str, bytes] = field(default_factory=dict)
    fetch: Fetch = fetch_keys
    clock: Callable[[], float] = time.monotonic
    _kept: dict[str, _Kept] = field(default_factory=dict)

    async def verify(self, clinic: Clinic, token: object, now: Callable[[], datetime]) -> Person:
        """Who the clinic says this is; `now` is asked once the keys are there. Raises Refused, and KeysUnavailable
        where that cannot be found out."""
        identity = clinic.identity
        if identity is None:
            raise Refused("clinic_signs_nobody_in")
        if not isinstance(token, str) or not token.isascii():
            raise Refused("not_a_token")
        if len(token) > MOST_BYTES:
            raise Refused("too_large")
        algorithm, kid = _header(token, identity)
        key: Any
        if identity.shared_secret:
            key = self.secrets.get(clinic.id)
            if not key:
                raise KeysUnavailable("no_secret")
        else:
            key = await self._public_key(clinic.id, identity.jwks_url, kid, algorithm)
        return _person(_claims(token, key, algorithm, identity), now())

    async def _public_key(self, clinic: str, url: str, kid: str, algorithm: str) -> jwt.PyJWK:
        kept = self._kept.setdefault(clinic, _Kept())
        if not (self._fresh(kept) and kid in kept.keys):
            # One at a time: the others wait for its answer, and find the key or the failure here.
            async with kept.lock:
                await self._look_up(kept, url, kid)
        for jwk in kept.keys.get(kid, ()):
            if (key := usable_key(jwk, algorithm)) is not None:
                return key
        raise Refused("unknown_key")

    def _fresh(self, kept: _Kept) -> bool:
        return self.clock() - kept.read_at < KEYS_KEPT

    async def _look_up(self, kept: _Kept, url: str, kid: str) -> None:
        """Reads the clinic's keys if that is due. Anybody can send an unknown `kid`, so it seldom makes us ask."""
        at, fresh = self.clock(), self._fresh(kept)
        if fresh and kid in kept.keys:
            return
        if fresh and at - kept.asked_again_at < ASK_AGAIN:
            if kept.failed_at >= kept.asked_again_at:
                raise KeysUnavailable("failed_lately")
            return
        if not fresh and at - kept.failed_at < AFTER_FAILURE:
            raise KeysUnavailable("failed_lately")
        if fresh:
            kept.asked_again_at = at
        try:
            kept.keys = key_set(await self.fetch(url))
        except KeysUnavailable:
            kept.failed_at = self.clock()
            raise
        kept.read_at, kept.failed_at = self.clock(), -math.inf


def verifier_for(clinics: Mapping[str, Clinic], environ: Mapping[str, str]) -> Verifier:
    """The verifier of an installation. Raises SettingsError where a clinic's secret is missing or short, ContentError
    where its keys would come over an open line, or where two clinics could not tell their tokens apart."""
    secrets: dict[str, bytes] = {}
    names: dict[tuple[str, str], str] = {}
    for clinic in clinics.values():
        identity = clinic.identity
        if identity is None:
            continue
        file = f"data/clinics/{clinic.id}.yml"
        other = names.setdefault((identity.issuer, identity.audience), clinic.id)
        if other != clinic.id:
            raise ContentError(
                f"{file}: identity has the issuer and the audience of the clinic {other!r}: a token for one would open "
                "the other. Give each clinic an audience of its own."
            )
        if identity.shared_secret:
            secrets[clinic.id] = _secret(clinic.id, identity, environ)
        elif not safe_address(identity.jwks_url):
            raise ContentError(f"{file}: identity.jwks_url must begin with https:// (http:// only on this computer)")
    return Verifier(secrets)


def _secret(clinic: str, identity: Identity, environ: Mapping[str, str]) -> bytes:
    secret = environ.get(identity.secret_variable, "").encode()
    if len(secret) < SHORTEST_SECRET:
        raise SettingsError(
            f"{identity.secret_variable} must hold the secret that the clinic {clinic!r} signs with, "
            f"{SHORTEST_SECRET} bytes or more. Make one with: "
            "python -c 'import secrets; print(secrets.token_urlsafe(32))'"
        )
    return secret


def safe_address(url: str, named_by: str = "") -> bool:
    """Whether we may call this address: https, or loopback in development. `named_by`: whoever gave it to us may send
    us to our own loopback only if they are there themselves."""
    try:
        parts = urlsplit(url)
        host = parts.hostname
    except ValueError:
        return False
    inside = host in _LOOPBACK
    if inside and named_by and urlsplit(named_by).hostname not in _LOOPBACK:
        return False
    return bool(host) and (parts.scheme == "https" or (parts.scheme == "http" and inside))


def key_set(raw: bytes) -> dict[str, list[Jwk]]:
    """The keys of a JWKS document by `kid`. Raises KeysUnavailable."""
    try:
        listed = json.loads(raw)["keys"]
    except (ValueError, KeyError, TypeError, RecursionError):
        raise KeysUnavailable("not_a_key_set") from None
    if not isinstance(listed, list):
        raise KeysUnavailable("not_a_key_set")
    keys: dict[str, list[Jwk]] = {}
    for jwk in listed:
        if isinstance(jwk, dict) and isinstance(jwk.get("kid"), str):
            keys.setdefault(jwk["kid"], []).append(jwk)
    return keys


def usable_key(jwk: Jwk, algorithm: str) -> jwt.PyJWK | None:
    """The key, if it is a public one for checking signatures of this algorithm; else None."""
    kind, curve = _KEY_KINDS[algorithm]
    operations = jwk.get("key_ops", ["verify"])
    if (
        jwk.get("kty") != kind
        or (curve is not None and jwk.get("crv") != curve)
        or jwk.get("alg", algorithm) != algorithm
        or jwk.get("use", "sig") != "sig"
        or not isinstance(operations, list)
        or "verify" not in operations
        or "d" in jwk  # a private key that everybody can read proves nothing
    ):
        return None
    try:
        key = jwt.PyJWK(dict(jwk), algorithm)
    except (jwt.PyJWTError, ValueError, TypeError, KeyError):
        return None
    if kind == "RSA" and key.key.key_size < SMALLEST_RSA:
        return None
    return key


def _header(token: str, identity: Identity) -> tuple[str, str]:
    """Algorithm and key id of the header, if they are among those that the clinic uses. Keys and addresses of keys in
    a header (jwk, jku, x5u) are not looked at. Raises Refused."""
    try:
        header = jwt.get_unverified_header(token)
    except (jwt.PyJWTError, ValueError):
        raise Refused("not_a_token") from None
    algorithm, kid = header.get("alg"), header.get("kid", "")
    if not isinstance(algorithm, str) or algorithm not in identity.algorithms:
        raise Refused("algorithm")
    if "crit" in header or "b64" in header:
        raise Refused("critical_header")
    # A token that the same issuer made for another use (at+jwt, logout+jwt) is none of ours.
    if str(header.get("typ", "JWT")).upper() != "JWT":
        raise Refused("type")
    if not kid and not identity.shared_secret:
        raise Refused("no_key_id")
    return algorithm, kid


def _claims(token: str, key: Any, algorithm: str, identity: Identity) -> dict[str, Any]:
    """What the token says, once signature, issuer and audience are right. Times are not checked. Raises Refused."""
    options: Any = {
        "require": list(NEEDED),
        "strict_aud": True,
        # Times are checked against the clock of the database handle, as everything else is.
        **dict.fromkeys(("verify_exp", "verify_iat", "verify_nbf"), False),
    }
    try:
        return jwt.decode(
            token, key, [algorithm], options=options, audience=identity.audience, issuer=identity.issuer
        )
    except jwt.PyJWTError as error:
        raise Refused(type(error).__name__) from None
    except (ValueError, TypeError):
        raise Refused("not_a_token") from None


def _person(claims: Mapping[str, Any], now: datetime) -> Person:
    at = now.timestamp()
    issued, expires = _time(claims["iat"]), _time(claims["exp"])
    if issued > at + LEEWAY or _time(claims.get("nbf", issued)) > at + LEEWAY:
        raise Refused("from_the_future")
    if expires <= at - LEEWAY:
        raise Refused("expired")
    # With a time of issue that is not in the future this is also at most five and a half minutes from now.
    if not 0 < expires - issued <= LONGEST_LIFE:
        raise Refused("lives_too_long")
    locale = claims.get("locale")
    if locale is not None and not (isinstance(locale, str) and _LOCALE.fullmatch(locale)):
        raise Refused("locale")
    given = claims.get("name")
    name = _words(given, "name").strip() if given not in (None, "") else ""
    forget_at = datetime.fromtimestamp(expires, timezone.utc) + timedelta(seconds=LEEWAY + REMEMBERED)
    return Person(_words(claims["sub"], "sub"), name or None, locale, _words(claims["jti"], "jti"), forget_at)


def _time(value: object) -> float:
    if isinstance(value, bool) or not isinstance(value, (int, float)) or not 0 <= value < 2**40:
        raise Refused("not_a_time")
    return float(value)


def _words(value: object, claim: str) -> str:
    """Text that is kept exactly as it is. The database replaces NUL and the like, which would make two people one."""
    if not isinstance(value, str) or not value.strip() or len(value) > LONGEST_TEXT or not value.isprintable():
        raise Refused(claim)
    return value
