"""How we sign in to a clinic's FHIR server: SMART Backend Services, which is OAuth client credentials with a signed
assertion (``private_key_jwt``) in place of a password. No person takes part.
"""

from __future__ import annotations

import asyncio
import json
import uuid
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import jwt
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.serialization import load_pem_private_key

from bot.content.chain import URL, Fhir
from bot.handoff.calling import Answer, Line, call, need_accepted
from bot.handoff.worker import TryLater, Undeliverable
from bot.settings import SettingsError
from bot.store.session import Clock

SCOPES = (
    "system/Task.cu",
    "system/Communication.c",
    "system/QuestionnaireResponse.c",
    "system/Observation.c",
)
ASSERTION_TYPE = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"
# SMART allows an assertion five minutes at most.
_ASSERTION_LIFE = timedelta(minutes=4)
# A token that is about to expire may have expired when the server reads it.
_SPARE = timedelta(seconds=30)
_SHORT_LIFE = 300
_SMALLEST_RSA = 2048
_WHO = "The health record's sign-in"


@dataclass(frozen=True)
class _Token:
    text: str = field(repr=False)
    until: datetime


@dataclass
class SignIn:
    """The access tokens of one process. Settings that change are another key, so they get a new token."""

    environ: Mapping[str, str]
    clock: Clock
    line: Line
    _tokens: dict[Fhir, _Token] = field(default_factory=dict)
    _locks: dict[Fhir, asyncio.Lock] = field(default_factory=dict)

    async def token(self, fhir: Fhir, refused: str | None = None) -> str:
        """An access token: the one we have, until it expires or the server has `refused` it. Raises TryLater,
        Undeliverable."""
        async with self._locks.setdefault(fhir, asyncio.Lock()):
            kept = self._tokens.get(fhir)
            if kept is None or kept.text == refused or kept.until <= self.clock():
                self._tokens.pop(fhir, None)
                kept = self._tokens[fhir] = await self._ask(fhir)
            return kept.text

    async def _ask(self, fhir: Fhir) -> _Token:
        at = self.clock()
        try:
            key = read_key(fhir, self.environ)
        except SettingsError as error:
            raise Undeliverable(str(error)) from None
        url = fhir.token_url or await self._discovered(fhir)
        form = {
            "grant_type": "client_credentials",
            "scope": " ".join(SCOPES),
            "client_assertion_type": ASSERTION_TYPE,
            "client_assertion": assertion(fhir, key, url, at),
        }
        headers = {"content-type": "application/x-www-form-urlencoded", "accept": "application/json"}
        answer = await call(self.line, "POST", url, who=_WHO, headers=headers, content=urlencode(form).encode())
        if answer.status in (400, 401):
            raise Undeliverable(
                f"{_WHO} refused us ({_error_code(answer)}). "
                "Check client_id, key_id, the key and the scopes on both sides."
            )
        found = _document(need_accepted(answer, at))
        text, life = found.get("access_token"), found.get("expires_in", _SHORT_LIFE)
        if not isinstance(text, str) or not text or isinstance(life, bool) or not isinstance(life, (int, float)):
            raise TryLater(f"{_WHO} gave an answer without a token.")
        return _Token(text, at + timedelta(seconds=min(float(life), 86_400)) - _SPARE)

    async def _discovered(self, fhir: Fhir) -> str:
        address = f"{fhir.base_url.rstrip('/')}/.well-known/smart-configuration"
        answer = await call(self.line, "GET", address, who=_WHO, headers={"accept": "application/json"})
        url = _document(need_accepted(answer, self.clock())).get("token_endpoint")
        if not isinstance(url, str) or not URL.fullmatch(url):
            raise Undeliverable(
                f"{_WHO}: the server's own description names no https token address. Set channels.fhir.token_url."
            )
        return url


def assertion(fhir: Fhir, key: Any, token_url: str, at: datetime) -> str:
    """The signed word for who we are, good once and for a few minutes."""
    claims = {
        "iss": fhir.client_id,
        "sub": fhir.client_id,
        "aud": token_url,
        "iat": at,
        "exp": at + _ASSERTION_LIFE,
        "jti": str(uuid.uuid4()),
    }
    headers = {"kid": fhir.key_id} if fhir.key_id else None
    return jwt.encode(claims, key, algorithm=fhir.algorithm, headers=headers)


def read_key(fhir: Fhir, environ: Mapping[str, str]) -> Any:
    """The private key of a clinic's FHIR channel: the variable has it as PEM, or names its file. Raises SettingsError
    with a sentence that says what is wrong."""
    variable = fhir.key_variable
    text = environ.get(variable, "").strip()
    kind = "an EC key on P-384" if fhir.algorithm == "ES384" else f"an RSA key of {_SMALLEST_RSA} bits or more"
    wanted = f"{variable} must hold {kind} as PEM without a passphrase, or the path of its file"
    try:
        pem = text.encode() if text.startswith("-----BEGIN") else Path(text).read_bytes()
        key = load_pem_private_key(pem, password=None)
    except (OSError, ValueError, TypeError, UnsupportedAlgorithm) as error:
        raise SettingsError(f"{wanted}. It cannot be read ({type(error).__name__}).") from None
    if fhir.algorithm == "ES384":
        right = isinstance(key, ec.EllipticCurvePrivateKey) and isinstance(key.curve, ec.SECP384R1)
    else:
        right = isinstance(key, rsa.RSAPrivateKey) and key.key_size >= _SMALLEST_RSA
    if not right:
        raise SettingsError(f"{wanted}. It holds another kind of key.")
    return key


def _document(answer: Answer) -> dict[str, Any]:
    try:
        found = json.loads(answer.body)
    except ValueError:
        found = None
    if not isinstance(found, dict):
        raise TryLater(f"{answer.who} gave an answer that is no JSON document.")
    return found


def _error_code(answer: Answer) -> str:
    """The error's name by OAuth, if it is one; anything else may be of any length and kind."""
    try:
        code = json.loads(answer.body).get("error")
    except (ValueError, AttributeError):
        code = None
    known = ("invalid_client", "invalid_scope", "invalid_request", "unauthorized_client", "invalid_grant")
    return code if code in known else str(answer.status)
