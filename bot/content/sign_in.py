"""How a clinic's own people sign in, besides their passwords (``sign_in`` in the clinic's file)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from bot.handoff.roles import ROLES

SECRET_BASIC, SECRET_POST, PRIVATE_KEY = "client_secret_basic", "client_secret_post", "private_key_jwt"
CLIENT_AUTH = (SECRET_BASIC, SECRET_POST, PRIVATE_KEY)
_TEXTS = ("issuer", "client_id", "secret_variable", "email_claim", "groups_claim", "client_auth", "key_id", "scopes")


@dataclass(frozen=True)
class Oidc:
    """The clinic's identity provider (OpenID Connect). `secret_variable` names the environment variable with the
    client's secret, or with its private key (PEM) for private_key_jwt. `roles`: which role a group of the provider
    gives, the first that fits; `create`: somebody whom the clinic's list does not have yet is put on it."""

    issuer: str
    client_id: str
    secret_variable: str
    roles: Mapping[str, str] = field(default_factory=dict)
    create: bool = False
    email_claim: str = "email"
    groups_claim: str = "groups"
    client_auth: str = SECRET_BASIC
    key_id: str = ""
    scopes: str = "openid email profile"


def read_sign_in(given: Any) -> Oidc | None:
    """The provider in the clinic's file; None where it has none. Raises ValueError with a sentence for people."""
    if given is None:
        return None
    if not isinstance(given, dict) or set(given) != {"oidc"} or not isinstance(given["oidc"], dict):
        raise ValueError("sign_in has one part, oidc, with the lines of your provider below it")
    oidc = given["oidc"]
    for key in _TEXTS:
        if not isinstance(oidc.get(key, "text"), str):
            raise ValueError(f"sign_in.oidc.{key} must be text")
    try:
        made = Oidc(**oidc)
    except TypeError:
        needed = "sign_in.oidc needs issuer, client_id and secret_variable; docs/people.md lists the rest"
        raise ValueError(needed) from None
    if not all((made.issuer, made.client_id, made.secret_variable)):
        raise ValueError("sign_in.oidc needs issuer, client_id and secret_variable")
    if made.client_auth not in CLIENT_AUTH:
        raise ValueError(f"sign_in.oidc.client_auth is one of {', '.join(CLIENT_AUTH)}")
    if "openid" not in made.scopes.split():
        raise ValueError("sign_in.oidc.scopes must have openid in it")
    if not isinstance(made.roles, dict) or not set(made.roles.values()) <= set(ROLES):
        raise ValueError(f"sign_in.oidc.roles gives each group of the provider one of {', '.join(ROLES)}")
    if not isinstance(made.create, bool) or (made.create and not made.roles):
        raise ValueError("sign_in.oidc.create is true or false; true needs roles, or a new person would have none")
    return made
