"""How a clinic's file says who signs its people in: what is wrong is refused with a sentence."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

import pytest

from bot.content.clinics import make_clinic
from bot.content.files import DATA, ContentError, read_yaml
from bot.content.sign_in import read_sign_in

NEEDED = {"issuer": "https://idp.example", "client_id": "pne", "secret_variable": "PNE_OIDC"}


def test_what_is_not_said_has_a_careful_default() -> None:
    assert read_sign_in(None) is None
    made = read_sign_in({"oidc": NEEDED})
    assert made is not None and made.create is False and made.roles == {}
    assert made.client_auth == "client_secret_basic" and "openid" in made.scopes


def test_everything_that_can_be_said() -> None:
    said = {
        **NEEDED, "roles": {"pain-team": "clinician", "leads": "triage"}, "create": True, "email_claim": "upn",
        "groups_claim": "roles", "client_auth": "private_key_jwt", "key_id": "k1", "scopes": "openid email groups",
    }  # fmt: skip
    made = read_sign_in({"oidc": said})
    assert made is not None and asdict(made) == said


@pytest.mark.parametrize(
    "given",
    [
        [],
        "oidc",
        {},
        {"oidc": None},
        {"oidc": NEEDED, "saml": {}},
        {"oidc": {**NEEDED, "issuer": ""}},
        {"oidc": {**NEEDED, "issuer": 7}},
        {"oidc": {key: value for key, value in NEEDED.items() if key != "client_id"}},
        {"oidc": {**NEEDED, "secret": "never in the file"}},
        {"oidc": {**NEEDED, "client_auth": "none"}},
        {"oidc": {**NEEDED, "scopes": "email"}},
        {"oidc": {**NEEDED, "roles": {"team": "king"}}},
        {"oidc": {**NEEDED, "roles": ["clinician"]}},
        {"oidc": {**NEEDED, "create": True}},
        {"oidc": {**NEEDED, "create": "yes", "roles": {"team": "clinician"}}},
    ],
)
def test_what_is_wrong_is_refused(given: Any) -> None:
    with pytest.raises(ValueError, match="sign_in"):
        read_sign_in(given)
    about = {**read_yaml(DATA / "clinics" / "demo.yml"), "sign_in": given}
    with pytest.raises(ContentError, match=r"demo\.yml: sign_in"):
        make_clinic(about, "data/clinics/demo.yml")
