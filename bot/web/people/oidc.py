"""Signing in by a clinic's identity provider: OpenID Connect, authorization code with PKCE (S256).

What is accepted is decided by the clinic's file (``Clinic.sign_in``) and by what this server kept of the sign-in when
it began; nothing that comes back chooses a provider, a key's kind or an address. The code is exchanged from server to
server. Causes of a refusal are names for the log: they hold no token and no name.
"""

from __future__ import annotations

import asyncio
import base64
import hashlib
import hmac
import json
import math
import secrets
import time
import uuid
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any
from urllib.parse import quote, urlencode

import httpx
import jwt
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import load_pem_private_key

from bot.content import Clinic
from bot.content.files import ContentError
from bot.content.sign_in import PRIVATE_KEY, SECRET_BASIC, Oidc
from bot.settings import SettingsError
from bot.web.identity import (
    FETCH_SECONDS,
    LEEWAY,
    LONGEST_TEXT,
    MOST_KEY_BYTES,
    Fetch,
    Jwk,
    KeysUnavailable,
    Refused,
    fetch_keys,
    key_set,
    safe_address,
    usable_key,
)

DISCOVERY = "/.well-known/openid-configuration"
ALGORITHMS = ("RS256", "ES256", "EdDSA")
NEEDED = ("iss", "sub", "aud", "exp", "iat", "nonce")
# Seconds: how long a provider's addresses and keys are kept, and how often an unknown key makes us ask for them early.
KEPT = 600.0
ASK_AGAIN = 60.0
# Seconds: a token is not older than this, and somebody who had to show themselves anew has just done so.
OLDEST_TOKEN = 600
JUST_NOW = 300
ASSERTION_SECONDS = 60
MOST_TOKEN_BYTES = 32_768


@dataclass(frozen=True)
class Begun:
    """A sign-in that begins: where the browser goes, and what this server keeps of it."""

    address: str
    nonce: str = field(repr=False)
    verifier: str = field(repr=False)


@dataclass(frozen=True)
class Known:
    """Whom the provider has signed in. `email` is empty where the provider has not checked it."""

    issuer: str
    subject: str
    email: str
    name: str
    groups: tuple[str, ...]


@dataclass
class _Kept:
    """A provider's addresses and keys, and when they were read (seconds, monotonic)."""

    about: dict[str, str] = field(default_factory=dict)
    about_at: float = -math.inf
    keys: dict[str, list[Jwk]] = field(default_factory=dict)
    keys_at: float = -math.inf


@dataclass
class Providers:
    """Signs people in by the clinics' providers. `secrets`: what each clinic's client proves itself with; `clock` is
    monotonic seconds."""

    secrets: Mapping[str, str] = field(default_factory=dict, repr=False)
    fetch: Fetch = fetch_keys
    clock: Callable[[], float] = time.monotonic
    transport: httpx.AsyncBaseTransport | None = None
    _kept: dict[str, _Kept] = field(default_factory=dict)

    async def begin(self, oidc: Oidc, callback: str, state: str, idle: timedelta, again: bool) -> Begun:
        """Where to send the browser. `idle`: for how long the provider may remember the person, as a page of ours does;
        `again`: the person must show themselves, whatever it remembers.

        Raises KeysUnavailable where the provider cannot be read."""
        about = await self._about(oidc)
        nonce, verifier = secrets.token_urlsafe(32), secrets.token_urlsafe(48)
        challenge = base64.urlsafe_b64encode(hashlib.sha256(verifier.encode()).digest()).rstrip(b"=").decode()
        query = {
            "response_type": "code",
            "client_id": oidc.client_id,
            "redirect_uri": callback,
            "scope": oidc.scopes,
            "state": state,
            "nonce": nonce,
            "code_challenge": challenge,
            "code_challenge_method": "S256",
            **({"prompt": "login", "max_age": "0"} if again else {"max_age": str(int(idle.total_seconds()))}),
        }
        address = about["authorization_endpoint"]
        return Begun(f"{address}{'&' if '?' in address else '?'}{urlencode(query, quote_via=quote)}", nonce, verifier)

    async def finish(
        self,
        clinic: str,
        oidc: Oidc,
        callback: str,
        answer: Mapping[str, str],
        nonce: str,
        verifier: str,
        now: Callable[[], datetime],
        idle: timedelta,
        again: bool,
    ) -> Known:
        """Who has come back with this answer (the callback's query). Raises Refused, KeysUnavailable."""
        about = await self._about(oidc)
        if "error" in answer or not answer.get("code"):
            raise Refused("provider_refused")
        # RFC 9207: an answer of another provider must not pass for this one's.
        if answer.get("iss", oidc.issuer) != oidc.issuer or ("iss" not in answer and about["names_itself"]):
            raise Refused("answer_of_another_provider")
        token = await self._exchange(clinic, oidc, about["token_endpoint"], callback, answer["code"], verifier, now)
        kid, algorithm = _header(token)
        claims = _claims(token, await self._key(oidc, about["jwks_uri"], kid, algorithm), algorithm, oidc)
        _check(claims, oidc, nonce, now().timestamp(), idle, again)
        return _known(claims, oidc)

    async def _about(self, oidc: Oidc) -> dict[str, str]:
        kept = self._kept.setdefault(oidc.issuer, _Kept())
        if self.clock() - kept.about_at >= KEPT:
            raw = await self.fetch(oidc.issuer.rstrip("/") + DISCOVERY)
            kept.about = _metadata(raw, oidc.issuer)
            kept.about_at = self.clock()
        return kept.about

    async def _key(self, oidc: Oidc, address: str, kid: str, algorithm: str) -> jwt.PyJWK:
        kept = self._kept[oidc.issuer]
        age = self.clock() - kept.keys_at
        if age >= KEPT or (kid not in kept.keys and age >= ASK_AGAIN):
            kept.keys = key_set(await self.fetch(address))
            kept.keys_at = self.clock()
        for jwk in kept.keys.get(kid, ()):
            if (key := usable_key(jwk, algorithm)) is not None:
                return key
        raise Refused("unknown_key")

    async def _exchange(
        self,
        clinic: str,
        oidc: Oidc,
        address: str,
        callback: str,
        code: str,
        verifier: str,
        now: Callable[[], datetime],
    ) -> str:
        """The ID token for the code."""
        fields = {"grant_type": "authorization_code", "code": code, "redirect_uri": callback, "code_verifier": verifier}
        headers = {"Accept": "application/json", "Accept-Encoding": "identity"}
        secret = self.secrets.get(clinic, "")
        if not secret:
            raise KeysUnavailable("no_secret")
        if oidc.client_auth == SECRET_BASIC:
            pair = f"{quote(oidc.client_id, safe='')}:{quote(secret, safe='')}".encode()
            headers["Authorization"] = f"Basic {base64.b64encode(pair).decode()}"
        elif oidc.client_auth == PRIVATE_KEY:
            kind = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"
            fields |= {"client_assertion_type": kind, "client_assertion": _assertion(oidc, address, secret, now())}
            fields["client_id"] = oidc.client_id
        else:
            fields |= {"client_id": oidc.client_id, "client_secret": secret}
        status, raw = await self._post(address, fields, headers)
        # 400 and 401 are the provider's word on the code or on us; anything else says that it is not well.
        if status in (400, 401):
            raise Refused("code_refused")
        if status != 200:
            raise KeysUnavailable(f"status_{status}")
        try:
            token = json.loads(raw)["id_token"]
        except (ValueError, KeyError, TypeError, RecursionError):
            raise Refused("no_id_token") from None
        if not isinstance(token, str) or not token.isascii() or len(token) > MOST_TOKEN_BYTES:
            raise Refused("no_id_token")
        return token

    async def _post(self, address: str, fields: Mapping[str, str], headers: Mapping[str, str]) -> tuple[int, bytes]:
        async def post() -> tuple[int, bytes]:
            options: dict[str, Any] = {"timeout": FETCH_SECONDS, "follow_redirects": False, "transport": self.transport}
            async with (
                httpx.AsyncClient(**options, trust_env=address.startswith("https:")) as client,
                client.stream("POST", address, data=dict(fields), headers=dict(headers)) as response,
            ):
                raw = b""
                async for chunk in response.aiter_raw():
                    raw += chunk
                    if len(raw) > MOST_KEY_BYTES:
                        raise KeysUnavailable("too_large")
                return response.status_code, raw

        try:
            return await asyncio.wait_for(post(), FETCH_SECONDS)
        except asyncio.TimeoutError:
            raise KeysUnavailable("timeout") from None
        except (httpx.HTTPError, httpx.InvalidURL, OSError) as error:
            raise KeysUnavailable(type(error).__name__) from None


def providers_for(clinics: Mapping[str, Clinic], environ: Mapping[str, str]) -> Providers:
    """The providers of an installation. Raises SettingsError where a client's secret is missing or no key, ContentError
    where an issuer would be spoken to over an open line."""
    found: dict[str, str] = {}
    for clinic in clinics.values():
        oidc = clinic.sign_in
        if oidc is None:
            continue
        if not safe_address(oidc.issuer) or "?" in oidc.issuer or "#" in oidc.issuer:
            raise ContentError(
                f"data/clinics/{clinic.id}.yml: sign_in.oidc.issuer must begin with https:// (http:// only on this "
                "computer) and have no ? or #."
            )
        secret = environ.get(oidc.secret_variable, "")
        if not secret:
            raise SettingsError(
                f"{oidc.secret_variable} must hold the secret of the client {oidc.client_id!r} at the identity "
                f"provider of the clinic {clinic.id!r}."
            )
        if oidc.client_auth == PRIVATE_KEY:
            _private_key(secret, oidc.secret_variable)
        found[clinic.id] = secret
    return Providers(found)


def role_for(oidc: Oidc, groups: tuple[str, ...]) -> str | None:
    """The role that the groups give: the first of the clinic's list that fits."""
    return next((role for group, role in oidc.roles.items() if group in groups), None)


def _metadata(raw: bytes, issuer: str) -> dict[str, str]:
    """The addresses that the provider publishes. Raises KeysUnavailable where they are not its own or not safe."""
    try:
        found = json.loads(raw)
        about = {key: found[key] for key in ("issuer", "authorization_endpoint", "token_endpoint", "jwks_uri")}
    except (ValueError, KeyError, TypeError, RecursionError):
        raise KeysUnavailable("not_a_configuration") from None
    addresses = [address for key, address in about.items() if key != "issuer"]
    if about["issuer"] != issuer or not all(isinstance(one, str) and safe_address(one, issuer) for one in addresses):
        raise KeysUnavailable("not_a_configuration")
    says = found.get("authorization_response_iss_parameter_supported") is True
    return {**about, "names_itself": "yes" if says else ""}


def _header(token: str) -> tuple[str, str]:
    try:
        header = jwt.get_unverified_header(token)
    except (jwt.PyJWTError, ValueError):
        raise Refused("not_a_token") from None
    kid, algorithm = header.get("kid"), header.get("alg")
    if algorithm not in ALGORITHMS or "crit" in header or "b64" in header:
        raise Refused("algorithm")
    if not isinstance(kid, str) or str(header.get("typ", "JWT")).upper() != "JWT":
        raise Refused("header")
    return kid, str(algorithm)


def _claims(token: str, key: jwt.PyJWK, algorithm: str, oidc: Oidc) -> dict[str, Any]:
    """What the token says once signature, issuer and audience are right; times come after, by our own clock."""
    options: Any = {"require": list(NEEDED), **dict.fromkeys(("verify_exp", "verify_iat", "verify_nbf"), False)}
    try:
        return jwt.decode(token, key, [algorithm], options=options, audience=oidc.client_id, issuer=oidc.issuer)
    except jwt.PyJWTError as error:
        raise Refused(type(error).__name__) from None
    except (ValueError, TypeError):
        raise Refused("not_a_token") from None


def _check(claims: Mapping[str, Any], oidc: Oidc, nonce: str, at: float, idle: timedelta, again: bool) -> None:
    many = isinstance(claims["aud"], list) and len(claims["aud"]) > 1
    if claims.get("azp", None if many else oidc.client_id) != oidc.client_id:
        raise Refused("authorized_party")
    if not isinstance(claims["nonce"], str) or not hmac.compare_digest(claims["nonce"].encode(), nonce.encode()):
        raise Refused("nonce")
    if _time(claims["exp"]) <= at - LEEWAY:
        raise Refused("expired")
    if not at - OLDEST_TOKEN <= _time(claims["iat"]) <= at + LEEWAY or _time(claims.get("nbf", 0)) > at + LEEWAY:
        raise Refused("issued_at")
    # Else the provider's memory would open what our own lock has closed.
    oldest = min(JUST_NOW, idle.total_seconds()) if again else idle.total_seconds()
    if not at - oldest - LEEWAY <= _time(claims.get("auth_time")) <= at + LEEWAY:
        raise Refused("signed_in_too_long_ago")


def _known(claims: Mapping[str, Any], oidc: Oidc) -> Known:
    subject = claims["sub"]
    if not isinstance(subject, str) or not subject or len(subject) > LONGEST_TEXT or not subject.isprintable():
        raise Refused("sub")
    email, name, groups = (claims.get(key) for key in (oidc.email_claim, "name", oidc.groups_claim))
    checked = isinstance(email, str) and claims.get("email_verified") is True
    return Known(
        issuer=oidc.issuer,
        subject=subject,
        email=email.strip() if checked and isinstance(email, str) else "",
        name=name.strip()[:LONGEST_TEXT] if isinstance(name, str) and name.isprintable() else "",
        groups=tuple(one for one in groups if isinstance(one, str)) if isinstance(groups, list) else (),
    )


def _time(value: object) -> float:
    if isinstance(value, bool) or not isinstance(value, (int, float)) or not 0 <= value < 2**40:
        raise Refused("not_a_time")
    return float(value)


def _assertion(oidc: Oidc, address: str, secret: str, at: datetime) -> str:
    """What proves the client by its private key (RFC 7523)."""
    key = _private_key(secret, oidc.secret_variable)
    issued = int(at.timestamp())
    claims = {
        "iss": oidc.client_id,
        "sub": oidc.client_id,
        "aud": address,
        "iat": issued,
        "exp": issued + ASSERTION_SECONDS,
        "jti": uuid.uuid4().hex,
    }
    algorithm = "ES256" if isinstance(key, ec.EllipticCurvePrivateKey) else "RS256"
    return jwt.encode(claims, key, algorithm, headers={"kid": oidc.key_id} if oidc.key_id else None)


def _private_key(pem: str, variable: str) -> Any:
    try:
        return load_pem_private_key(pem.encode(), None)
    except (ValueError, TypeError):
        raise SettingsError(f"{variable} must hold a private key in PEM, without a password.") from None
