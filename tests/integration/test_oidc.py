"""Signing in by the clinic's identity provider, over real HTTP on loopback: who gets in, and what is refused."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import replace
from typing import Any
from urllib.parse import parse_qs, urlsplit

import jwt
import pytest
from cryptography.hazmat.primitives import serialization
from starlette.testclient import TestClient

from bot.content.files import ContentError
from bot.content.sign_in import Oidc
from bot.settings import SettingsError
from bot.store.models import SignInState
from bot.store.session import Database
from bot.web.people import auth, staff
from bot.web.people.oidc import Providers, providers_for
from bot.web.services import Services
from tests.support import inbox as browsers
from tests.support.database import CLINIC, HandClock
from tests.support.forged import by_hand
from tests.support.inbox import OTHER_CLINIC, PASSWORD, add_clinician, enter, hidden
from tests.support.oidc_provider import CLIENT, SECRET, Provider, running
from tests.support.people import person_of, trail
from tests.support.portal import ec_key

quick, services = browsers.quick, browsers.services
open_page = browsers.open_page

EMAIL = "lee@demo.invalid"


@pytest.fixture
def provider(clock: HandClock) -> Iterator[Provider]:
    with running(clock) as made:
        made.person = {"email": EMAIL, "name": "Dr Lee"}
        yield made


@pytest.fixture
def services_with(services: Services, provider: Provider) -> Services:
    services.settings = replace(services.settings, public_url="https://pne.test")
    arrange(services, provider)
    return services


def arrange(services: Services, provider: Provider, clinic: str = CLINIC, **changed: Any) -> None:
    """The clinic signs its people in by the provider."""
    oidc = Oidc(**{"issuer": provider.url, "client_id": CLIENT, "secret_variable": "PNE_OIDC", **changed})
    services.clinics = {**services.clinics, clinic: replace(services.clinics[clinic], sign_in=oidc)}
    start = services.db.clock()
    services.oidc = Providers(
        dict.fromkeys(services.clinics, SECRET), clock=lambda: (services.db.clock() - start).total_seconds()
    )


def begin(browser: TestClient, clinic: str = CLINIC, **query: str) -> str:
    """The address of the provider that the browser is sent to."""
    answer = browser.get(f"/inbox/oidc/{clinic}", params=query)
    assert answer.status_code == 303, answer.text
    return str(answer.headers["location"])


def come_back(browser: TestClient, address: str) -> Any:
    parts = urlsplit(address)
    return browser.get(f"{parts.path}?{parts.query}")


def go(browser: TestClient, provider: Provider, **query: str) -> Any:
    """There and back."""
    return come_back(browser, provider.sign_in(begin(browser, **query)))


def is_in(browser: TestClient) -> bool:
    return browser.get("/inbox/me").status_code == 200


def refused(answer: Any, browser: TestClient) -> bool:
    return "/inbox/sign-in?provider=1" in answer.text and not is_in(browser) and "pne_inbox" not in browser.cookies


# Who gets in


def test_a_person_of_the_clinic_is_tied_by_their_checked_address(
    services_with: Services, provider: Provider, open_page: Any, db: Database
) -> None:
    add_clinician(db, "lee")
    browser = open_page()
    assert f'href="/inbox/oidc/{CLINIC}' in browser.get("/inbox/sign-in").text
    answer = go(browser, provider, next="/inbox/me")
    # The browser comes from another site: a page of ours opens the next one, so that the strict cookie goes along.
    assert answer.status_code == 200 and 'url=/inbox/me"' in answer.text
    assert is_in(browser)
    (cookie,) = [one for one in answer.headers.get_list("set-cookie") if one.startswith("pne_inbox=")]
    assert {"HttpOnly", "SameSite=strict", "Path=/inbox"} <= set(cookie.split("; "))
    person = person_of(db, EMAIL)
    assert (person.oidc_issuer, person.oidc_subject) == (provider.url, "person-1")
    assert trail(db, EMAIL) == ["clinician.tied_to_provider", "clinician.signed_in"]
    provider.person = {"email": "married@demo.invalid", "email_verified": False}
    again = open_page()
    go(again, provider)
    assert is_in(again)  # known by the provider's own name for them now
    assert enter(open_page(), EMAIL).status_code == 303  # the password works as before


def test_the_request_is_code_flow_with_pkce_state_and_nonce(
    services_with: Services, provider: Provider, open_page: Any, db: Database
) -> None:
    add_clinician(db, "lee")
    browser = open_page()
    answer = browser.get(f"/inbox/oidc/{CLINIC}")
    asked = {name: value[0] for name, value in parse_qs(urlsplit(answer.headers["location"]).query).items()}
    assert asked["redirect_uri"] == "https://pne.test/inbox/oidc/callback"
    assert asked["code_challenge_method"] == "S256" and len(asked["code_challenge"]) == 43
    assert asked["scope"].split()[0] == "openid" and len(asked["state"]) >= 43 and len(asked["nonce"]) >= 43
    assert "prompt" not in asked
    (cookie,) = answer.headers.get_list("set-cookie")
    assert {"HttpOnly", "SameSite=lax", "Path=/inbox"} <= set(cookie.split("; "))
    with db.read() as session:
        (kept,) = session.query(SignInState).all()
    assert asked["state"] not in str(vars(kept))


@pytest.mark.parametrize("kind", ["client_secret_basic", "client_secret_post", "private_key_jwt"])
def test_the_client_proves_itself(
    kind: str, services_with: Services, provider: Provider, open_page: Any, db: Database
) -> None:
    add_clinician(db, "lee")
    arrange(services_with, provider, client_auth=kind, key_id="first")
    if kind == "private_key_jwt":
        pem = provider.keys[0].private.private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        )
        services_with.oidc.secrets = {CLINIC: pem.decode()}
    browser = open_page()
    go(browser, provider)
    assert is_in(browser)
    assert provider.authenticated == [kind.removeprefix("client_secret_")]


def test_who_is_not_on_the_list_is_put_there_where_the_file_says_so(
    services_with: Services, provider: Provider, open_page: Any, db: Database
) -> None:
    roles = {"pain-leads": "triage", "pain-team": "clinician", "it": "admin"}
    provider.person |= {"groups": ["everybody", "pain-team", "pain-leads"]}
    arrange(services_with, provider, roles=roles)
    browser = open_page()
    assert refused(go(browser, provider), browser)
    arrange(services_with, provider, roles=roles, create=True)
    browser = open_page()
    go(browser, provider)
    assert is_in(browser)
    made = person_of(db, EMAIL)
    assert (made.role, made.clinic, made.name, made.password_hash) == ("triage", CLINIC, "Dr Lee", "")
    assert enter(open_page(), EMAIL, "").status_code == 403
    # The groups decide at each sign-in; without any of them nobody gets in.
    provider.person |= {"groups": ["pain-team"]}
    go(open_page(), provider)
    assert person_of(db, EMAIL).role == "clinician"
    provider.person |= {"groups": ["everybody"]}
    last = open_page()
    assert refused(go(last, provider), last)
    assert "clinician.role_changed" in trail(db, EMAIL)


def test_somebody_with_a_password_here_keeps_the_role_that_an_admin_gave(
    services_with: Services, provider: Provider, open_page: Any, db: Database
) -> None:
    add_clinician(db, "lee", role="admin")
    provider.person |= {"groups": ["pain-team"]}
    arrange(services_with, provider, roles={"pain-team": "clinician"}, create=True)
    browser = open_page()
    go(browser, provider)
    assert is_in(browser) and person_of(db, EMAIL).role == "admin"


def test_a_locked_page_asks_the_provider_to_look_again(
    services_with: Services, provider: Provider, open_page: Any, db: Database, clock: HandClock
) -> None:
    services_with.settings = replace(services_with.settings, idle_minutes=15)
    add_clinician(db, "lee")
    browser = open_page()
    go(browser, provider)
    first = browser.cookies["pne_inbox"]
    clock.move(minutes=16)
    page = browser.get("/inbox/lock").text
    assert "again=1" in page
    # Somebody else sits there, and the provider still remembers the person who went away.
    provider.logged_in_at = int(clock().timestamp()) - 960
    address = begin(browser, again="1").replace("prompt=login", "prompt=").replace("max_age=0", "max_age=9999")
    come_back(browser, provider.sign_in(address))
    assert browser.get("/inbox/me").headers["location"].startswith("/inbox/lock")
    go(browser, provider, again="1")
    assert provider.asked[-1]["prompt"] == "login" and provider.asked[-1]["max_age"] == "0"
    assert is_in(browser) and auth.who(db, first) is None


@pytest.mark.parametrize("minutes", [14, 16, None])
def test_a_start_that_does_not_name_the_lock_does_not_pass_it(
    minutes: int | None,
    services_with: Services,
    provider: Provider,
    open_page: Any,
    db: Database,
    clock: HandClock,
) -> None:
    """The provider remembers people for days: whoever sits down at a locked page must not get in by its memory."""
    services_with.settings = replace(services_with.settings, idle_minutes=15)
    add_clinician(db, "lee")
    browser = open_page()
    go(browser, provider)
    clock.move(minutes=16)
    address = begin(browser)
    assert "max_age=900" in address and "prompt" not in address
    if minutes is None:
        provider.claims = {"auth_time": None}
    provider.logged_in_at = int(clock().timestamp()) - 60 * (minutes or 0)
    come_back(browser, provider.sign_in(address.replace("max_age=900", "max_age=9999")))
    assert is_in(browser) == (minutes == 14)


# What is refused


def unsigned(said: dict[str, Any]) -> str:
    return by_hand({"alg": "none", "typ": "JWT", "kid": "first"}, said)


def with_secret(said: dict[str, Any]) -> str:
    return jwt.encode(said, SECRET * 3, "HS256", headers={"kid": "first"})


def without_kid(said: dict[str, Any]) -> str:
    return jwt.encode(said, ec_key("x").private, "ES256")


WRONG_CLAIMS: dict[str, dict[str, Any]] = {
    "audience": {"aud": "another client"},
    "audience-list": {"aud": [CLIENT, "another client"]},
    "authorized-party": {"azp": "another client"},
    "issuer": {"iss": "https://evil.example"},
    "issuer-slash": {"iss": "SLASH"},
    "nonce": {"nonce": "of another sign-in"},
    "no-nonce": {"nonce": None},
    "number-nonce": {"nonce": 7},
    "expired": {"exp": 1},
    "no-exp": {"exp": None},
    "future": {"iat": 2**33},
    "old": {"iat": 1},
    "not-yet": {"nbf": 2**33},
    "no-sub": {"sub": None},
    "empty-sub": {"sub": ""},
    "number-sub": {"sub": 7},
    "control-sub": {"sub": "a\0b"},
    "long-sub": {"sub": "x" * 201},
    "boolean-time": {"iat": True},
}


@pytest.mark.parametrize("name", WRONG_CLAIMS)
def test_a_wrong_claim_is_refused(
    name: str, services_with: Services, provider: Provider, open_page: Any, db: Database
) -> None:
    add_clinician(db, "lee")
    provider.claims = {key: f"{provider.url}/" if value == "SLASH" else value
                       for key, value in WRONG_CLAIMS[name].items()}  # fmt: skip
    browser = open_page()
    assert refused(go(browser, provider), browser)
    assert person_of(db, EMAIL).oidc_subject is None


@pytest.mark.parametrize("token", [unsigned, with_secret, without_kid, lambda _said: "x.y.z", lambda _said: ""])
def test_a_token_without_the_providers_signature_is_refused(
    token: Any, services_with: Services, provider: Provider, open_page: Any, db: Database
) -> None:
    add_clinician(db, "lee")
    provider.token = token
    browser = open_page()
    assert refused(go(browser, provider), browser)


def test_a_key_that_the_provider_does_not_publish_is_refused(
    services_with: Services, provider: Provider, open_page: Any, db: Database
) -> None:
    add_clinician(db, "lee")
    for key in (ec_key("first"), ec_key("unknown")):
        provider.key = key
        browser = open_page()
        assert refused(go(browser, provider), browser)


def test_a_new_key_of_the_provider_is_found(
    services_with: Services, provider: Provider, open_page: Any, db: Database, clock: HandClock
) -> None:
    add_clinician(db, "lee")
    go(open_page(), provider)
    provider.keys.append(ec_key("second"))
    clock.move(seconds=61)
    browser = open_page()
    go(browser, provider)
    assert is_in(browser)


def test_an_answer_belongs_to_the_browser_that_asked(
    services_with: Services, provider: Provider, open_page: Any, db: Database
) -> None:
    """Somebody else's answer in one's own browser would sign one in as them, and the other way round."""
    add_clinician(db, "lee")
    mine, theirs = open_page(), open_page()
    address = provider.sign_in(begin(theirs))
    begin(mine)
    assert refused(come_back(mine, address), mine)
    assert refused(come_back(open_page(), address), mine)
    come_back(theirs, address)
    assert is_in(theirs)


@pytest.mark.parametrize("change", ["state", "none", "twice", "other-issuer", "no-issuer", "error", "long", "late"])
def test_a_changed_or_repeated_answer_is_refused(
    change: str, services_with: Services, provider: Provider, open_page: Any, db: Database, clock: HandClock
) -> None:
    add_clinician(db, "lee")
    browser = open_page()
    address = provider.sign_in(begin(browser))
    parts = urlsplit(address)
    query = {name: value[0] for name, value in parse_qs(parts.query).items()}
    if change == "twice":
        come_back(browser, address)
        assert is_in(browser)
        other = open_page()
        other.cookies.set("pne_inbox_oidc", query["state"], path="/inbox")
        assert refused(come_back(other, address), other)
        return
    changes: dict[str, dict[str, Any]] = {
        "state": {"state": "x" + query["state"]},
        "none": {"code": None, "state": None},
        "other-issuer": {"iss": "https://evil.example"},
        "no-issuer": {"iss": None},
        "error": {"error": "access_denied"},
        "long": {"code": "x" * 5_000},
        "late": {},
    }
    if change == "late":
        clock.move(minutes=11)
    sent = {name: value for name, value in {**query, **changes[change]}.items() if value is not None}
    answer = browser.get(parts.path, params=sent)
    assert refused(answer, browser)
    assert "access_denied" not in answer.text


def test_a_code_is_exchanged_with_its_own_verifier_once(
    services_with: Services, provider: Provider, open_page: Any, db: Database
) -> None:
    """A stolen code in one's own sign-in: the provider sees that the verifier is another one's."""
    add_clinician(db, "lee")
    victim, thief = open_page(), open_page()
    stolen = parse_qs(urlsplit(provider.sign_in(begin(victim))).query)["code"][0]
    own = provider.sign_in(begin(thief))
    state = parse_qs(urlsplit(own).query)["state"][0]
    answer = thief.get("/inbox/oidc/callback", params={"code": stolen, "state": state, "iss": provider.url})
    assert refused(answer, thief)


@pytest.mark.parametrize(
    "person",
    [
        {"email": "stranger@demo.invalid"},
        {"email_verified": False},
        {"email_verified": "true"},
        {"email_verified": None},
        {"email": None},
        {"email": ["lee@demo.invalid"]},
        {"email": "kim@other.invalid"},
        {"email": "gone@demo.invalid"},
    ],
)
def test_who_is_not_one_of_the_clinics_people_is_refused(
    person: dict[str, Any], services_with: Services, provider: Provider, open_page: Any, db: Database
) -> None:
    add_clinician(db, "lee")
    add_clinician(db, "kim", OTHER_CLINIC)
    gone = person_of(db, add_clinician(db, "gone"))
    staff.disable(db, CLINIC, gone.id, "system")
    provider.person |= person
    browser = open_page()
    assert refused(go(browser, provider), browser)


def test_who_is_shut_out_stays_out(
    services_with: Services, provider: Provider, open_page: Any, db: Database
) -> None:
    add_clinician(db, "lee")
    browser = open_page()
    go(browser, provider)
    staff.disable(db, CLINIC, person_of(db, EMAIL).id, "system")
    assert not is_in(browser)
    other = open_page()
    assert refused(go(other, provider), other)
    assert trail(db, EMAIL)[-1] == "clinician.sign_in_refused"


def test_the_provider_of_one_clinic_opens_no_other(
    services_with: Services, provider: Provider, open_page: Any, db: Database
) -> None:
    add_clinician(db, "lee")
    arrange(services_with, provider, OTHER_CLINIC)
    first = open_page()
    go(first, provider)
    assert is_in(first)
    # The same provider and person, by the other clinic's door.
    other = open_page()
    assert refused(come_back(other, provider.sign_in(begin(other, OTHER_CLINIC))), other)


def test_nobody_takes_over_somebody_who_is_tied_already(
    services_with: Services, provider: Provider, open_page: Any, db: Database
) -> None:
    add_clinician(db, "lee")
    go(open_page(), provider)
    provider.claims = {"sub": "person-2"}
    browser = open_page()
    assert refused(go(browser, provider), browser)
    assert person_of(db, EMAIL).oidc_subject == "person-1"


# A provider that is not well


@pytest.mark.parametrize(
    ("path", "status", "body"),
    [
        ("/.well-known/openid-configuration", 500, b""),
        ("/.well-known/openid-configuration", 200, b"[]"),
        ("/.well-known/openid-configuration", 200, b"x" * 70_000),
        ("/.well-known/openid-configuration", 302, b""),
        ("/token", 500, b""),
        ("/token", 302, b""),
        ("/token", 200, b"x" * 70_000),
        ("/keys", 500, b""),
    ],
)
def test_a_provider_that_is_not_well(
    path: str, status: int, body: bytes, services_with: Services, provider: Provider, open_page: Any, db: Database
) -> None:
    add_clinician(db, "lee")
    provider.serve[path] = (status, body)
    browser = open_page()
    answer = browser.get(f"/inbox/oidc/{CLINIC}")
    if answer.status_code == 303:
        answer = come_back(browser, provider.sign_in(answer.headers["location"]))
    assert answer.status_code == 503 and not is_in(browser)
    del provider.serve[path]
    go(browser, provider)
    assert is_in(browser)


def test_a_configuration_that_points_elsewhere_is_not_followed(
    services_with: Services, provider: Provider, open_page: Any
) -> None:
    good = json.loads(provider.document("/.well-known/openid-configuration")[1])
    evil = "http://evil.example/token"
    for change in ({"issuer": "https://evil.example"}, {"token_endpoint": evil}, {"jwks_uri": 7}):
        provider.serve["/.well-known/openid-configuration"] = 200, json.dumps({**good, **change}).encode()
        assert open_page().get(f"/inbox/oidc/{CLINIC}").status_code == 503


def test_a_clinic_without_a_provider_has_no_such_door(services: Services, open_page: Any) -> None:
    assert open_page().get(f"/inbox/oidc/{CLINIC}").status_code == 404
    assert open_page().get("/inbox/oidc/nowhere").status_code == 404
    assert "/inbox/oidc/" not in open_page().get("/inbox/sign-in").text


def test_asking_the_provider_again_and_again_is_slowed_down(
    services_with: Services, provider: Provider, open_page: Any
) -> None:
    browser = open_page()
    seen = [browser.get(f"/inbox/oidc/{CLINIC}").status_code for _ in range(32)]
    assert seen == [303] * 30 + [200] * 2


def test_pictures_on_somebody_elses_page_use_nobodys_starts_up(
    services_with: Services, provider: Provider, open_page: Any, db: Database
) -> None:
    add_clinician(db, "lee")
    known, browser = open_page(), open_page()
    go(known, provider)
    for sent in ({"sec-fetch-mode": "no-cors"}, {"sec-fetch-mode": "navigate", "sec-fetch-dest": "iframe"}):
        assert {browser.get(f"/inbox/oidc/{CLINIC}", headers=sent).status_code for _ in range(31)} == {403}
    by_hand = {"sec-fetch-mode": "navigate", "sec-fetch-dest": "document"}
    assert browser.get(f"/inbox/oidc/{CLINIC}", headers=by_hand).status_code == 303
    for _ in range(31):
        stranger = browser.get(f"/inbox/oidc/{CLINIC}")
    assert stranger.status_code == 200
    assert enter(browser, EMAIL).status_code == 303  # passwords are counted apart
    begin(known)  # and a browser that is known counts alone


def test_the_start_is_refused_without_what_the_provider_needs(services_with: Services) -> None:
    clinics = services_with.clinics
    assert providers_for(clinics, {"PNE_OIDC": SECRET}).secrets == {CLINIC: SECRET}
    with pytest.raises(SettingsError, match="PNE_OIDC"):
        providers_for(clinics, {})
    oidc = clinics[CLINIC].sign_in
    assert oidc is not None
    for changed, error in [
        ({"issuer": "http://idp.example"}, ContentError),
        ({"issuer": "https://idp.example?x=1"}, ContentError),
        ({"client_auth": "private_key_jwt"}, SettingsError),
    ]:
        wrong = {CLINIC: replace(clinics[CLINIC], sign_in=replace(oidc, **changed))}
        with pytest.raises(error):
            providers_for(wrong, {"PNE_OIDC": SECRET})


def test_the_form_for_passwords_stays(services_with: Services, open_page: Any, db: Database) -> None:
    browser = open_page()
    assert hidden(browser.get("/inbox/sign-in").text, "csrf")
    assert enter(browser, add_clinician(db, "lee"), PASSWORD).status_code == 303
