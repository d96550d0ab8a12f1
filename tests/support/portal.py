"""A clinic that signs its patients in: its keys, its tokens, and its key set without a network."""

from __future__ import annotations

import itertools
import json
from dataclasses import dataclass, field, replace
from typing import Any

import jwt
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from jwt.algorithms import ECAlgorithm, OKPAlgorithm, RSAAlgorithm

from bot.content import Clinic, load_clinics
from bot.content.clinics import Identity
from bot.store.session import Clock
from bot.web.identity import KeysUnavailable

CLINIC, OTHER = "portal", "other"
_COUNT = itertools.count(1)


@dataclass
class Key:
    """A private key with its id. `algorithm` is one that it can sign with."""

    kid: str
    private: Any
    algorithm: str = "ES256"

    def jwk(self, **changed: Any) -> dict[str, Any]:
        """The public half as a key set shows it; a change to None leaves that member out."""
        kind: Any = {"ES256": ECAlgorithm, "RS256": RSAAlgorithm, "EdDSA": OKPAlgorithm}[self.algorithm]
        public = kind.to_jwk(self.private.public_key(), as_dict=True)
        made = {**public, "kid": self.kid, "alg": self.algorithm, "use": "sig", **changed}
        return {name: value for name, value in made.items() if value is not None}


def ec_key(kid: str, curve: ec.EllipticCurve | None = None) -> Key:
    return Key(kid, ec.generate_private_key(curve or ec.SECP256R1()))


def rsa_key(kid: str, bits: int = 2048) -> Key:
    return Key(kid, rsa.generate_private_key(public_exponent=65537, key_size=bits), "RS256")


def ed_key(kid: str) -> Key:
    return Key(kid, ed25519.Ed25519PrivateKey.generate(), "EdDSA")


@dataclass
class Portal:
    """Signs as the clinic's portal does, by the clock of the tests. `fetch` stands in for the network."""

    clock: Clock
    issuer: str = "https://portal.example"
    audience: str = "pne-tutor"
    keys: list[Key] = field(default_factory=lambda: [ec_key("first")])
    served: list[Any] | None = None
    down: bool = False
    fetched: list[str] = field(default_factory=list)

    def claims(self, sub: str = "patient-1", **changed: Any) -> dict[str, Any]:
        """Claims of a good token; a change to None leaves that claim out."""
        at = int(self.clock().timestamp())
        made = {
            "iss": self.issuer,
            "aud": self.audience,
            "sub": sub,
            "iat": at,
            "exp": at + 300,
            "jti": f"jti-{next(_COUNT)}",
            **changed,
        }
        return {name: value for name, value in made.items() if value is not None}

    def token(self, sub: str = "patient-1", *, key: Key | None = None, headers: Any = None, **changed: Any) -> str:
        """A token as the newest key signs it."""
        key = key or self.keys[-1]
        return jwt.encode(
            self.claims(sub, **changed), key.private, key.algorithm, headers={"kid": key.kid, **(headers or {})}
        )

    def key_set(self) -> bytes:
        return json.dumps({"keys": [key.jwk() for key in self.keys] if self.served is None else self.served}).encode()

    async def fetch(self, url: str) -> bytes:
        self.fetched.append(url)
        if self.down:
            raise KeysUnavailable("ConnectError")
        return self.key_set()


def signing_clinic(clinic_id: str = CLINIC, **identity: Any) -> Clinic:
    """The portal clinic of data/clinics, with changes to how it signs."""
    clinic = load_clinics()[CLINIC]
    assert clinic.identity is not None
    changed: Identity = replace(clinic.identity, **identity)
    return replace(clinic, id=clinic_id, identity=changed)
