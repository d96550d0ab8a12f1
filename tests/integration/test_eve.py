"""Eve, who wants to read and write in Alice's name: every way in that we could think of, one by one."""

from __future__ import annotations

import asyncio
import base64
import hashlib
import hmac
import json
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import jwt
import pytest
from cryptography.hazmat.primitives import serialization
from structlog.testing import capture_logs

from bot.web import patient as patient_api
from bot.web.bodies import CONSENT, SAFETY_RELEASE
from bot.web.services import Services
from tests.support.database import HandClock
from tests.support.patient_api import Patient, door, make_services
from tests.support.portal import CLINIC, OTHER, Key, Portal, ec_key, ed_key, rsa_key
from tests.support.signed import OPEN, ask, counted, enter, other_portal, signed_services

MARK = "zanzibar-marmalade"
ALICE, ALICES_NAME, EVE = "alice-subject", "Alice Liddell-Marker", "eve-subject"


@dataclass
class Scene:
    """Alice has told the tutor something; Eve stands at the same door."""

    client: httpx.AsyncClient
    services: Services
    portal: Portal
    alice: Patient
    clock: HandClock

    async def eve(self, **body: Any) -> Patient:
        return await enter(self.client, self.services, **(body or {"identity": self.portal.token(EVE)}))

    def untouched(self) -> list[Any]:
        """Everything of Alice's that nobody else may change."""
        return [event.as_dict() for event in self.alice.stored()]


@pytest.fixture
async def scene(tmp_path: Path) -> AsyncIterator[Scene]:
    clock = HandClock()
    portal = Portal(clock)
    services = signed_services(tmp_path, portal)
    clock = services.db.clock  # type: ignore[assignment]
    async with door(services) as client:
        alice = await enter(client, services, identity=portal.token(ALICE, name=ALICES_NAME))
        await alice.accept()
        await alice.say(f"my back hurts {MARK}")
        await services.finish_turns(5.0)
        yield Scene(client, services, portal, alice, clock)


def leaks_nothing(answer: httpx.Response, scene: Scene) -> None:
    for secret in (MARK, ALICES_NAME, ALICE, scene.alice.token, scene.alice.conversation):
        assert secret not in answer.text


# Alice's conversation by its id

DOORS: dict[str, tuple[str, str, dict[str, Any] | None]] = {
    "poll": ("GET", "events?wait=0", None),
    "stream": ("GET", "events", None),
    "stream-after": ("GET", "events?after=0", None),
    "data": ("GET", "data", None),
    "data-html": ("GET", "data?format=html", None),
    "erase": ("DELETE", "data", None),
    "erase-one": ("DELETE", "data/messages/3", None),
    "correct": ("PATCH", "data/facts", {"key": "age", "value": 7}),
    "send": ("POST", "messages", {"kind": "text", "client_id": "eves-message", "text": "hello"}),
    "press": ("POST", "messages", {"kind": "button", "client_id": "eves-message", "payload": "/life/sleep"}),
    "answer": ("POST", "messages", {
        "kind": "answer", "client_id": "eves-message", "payload": "form:survey", "reply_to": 1, "answers": {}}),
    "end": ("POST", "messages", {"kind": "button", "client_id": "eves-message", "payload": "chat:end"}),
    "release": ("POST", "messages", {"kind": "button", "client_id": "eves-message", "payload": SAFETY_RELEASE}),
    "feedback": ("POST", "feedback", {"seq": 4, "value": "down"}),
    "settings": ("PATCH", "settings", {"reading": "plain"}),
}  # fmt: skip


async def no_token(scene: Scene) -> dict[str, str]:
    return {}


async def signed_in_eve(scene: Scene) -> dict[str, str]:
    return (await scene.eve()).headers()


async def anonymous_eve(scene: Scene) -> dict[str, str]:
    return (await scene.eve(clinic="demo")).headers()


async def revoked(scene: Scene) -> dict[str, str]:
    headers = scene.alice.headers()
    assert (await scene.client.delete("/v1/session", headers=headers)).status_code == 204
    return headers


async def expired(scene: Scene) -> dict[str, str]:
    scene.clock.move(minutes=20)
    return scene.alice.headers()


def header(make: Callable[[str], str]) -> Callable[[Scene], Any]:
    async def made(scene: Scene) -> dict[str, str]:
        return {"Authorization": make(scene.alice.token)}

    return made


BEARERS: dict[str, Callable[[Scene], Any]] = {
    "signed-in-eve": signed_in_eve,
    "anonymous-eve": anonymous_eve,
    "no-token": no_token,
    "empty": header(lambda token: "Bearer "),
    "forged": header(lambda token: "Bearer " + "A" * len(token)),
    "truncated": header(lambda token: f"Bearer {token[:-1]}"),
    "longer": header(lambda token: f"Bearer {token}A"),
    "other-case": header(lambda token: f"Bearer {token.swapcase()}"),
    "hash-of-it": header(lambda token: f"Bearer {hashlib.sha256(token.encode()).hexdigest()}"),
    "pattern": header(lambda token: "Bearer %"),
    "statement": header(lambda token: "Bearer ' OR '1'='1"),
    "no-scheme": header(lambda token: token),
    "basic": header(lambda token: f"Basic {token}"),
    "revoked": revoked,
    "expired": expired,
}


@pytest.mark.parametrize("way", DOORS)
@pytest.mark.parametrize("who", BEARERS)
async def test_nobody_else_gets_into_alices_conversation(scene: Scene, who: str, way: str) -> None:
    headers = await BEARERS[who](scene)
    before = scene.untouched()
    method, path, body = DOORS[way]
    answer = await scene.client.request(method, scene.alice.path(path), json=body, headers=headers)
    assert answer.status_code in (401, 404, 405), answer.text
    assert answer.json()["code"] in ("no_session", "not_yours", "not_found", "not_allowed")
    leaks_nothing(answer, scene)
    assert scene.untouched() == before


@pytest.mark.parametrize("number", ["0", "1", "3", "999999"])
async def test_numbers_of_alices_events_are_no_way_in(scene: Scene, number: str) -> None:
    eve = await scene.eve()
    theirs = {**eve.headers(), "Last-Event-ID": number}
    answer = await scene.client.get(scene.alice.path("events?wait=0"), headers=theirs)
    assert (answer.status_code, answer.json()["code"]) == (404, "not_yours")
    own = await scene.client.get(eve.path("events?wait=0"), headers=theirs)
    assert own.status_code == 200
    leaks_nothing(own, scene)


async def test_a_stream_by_alices_number_shows_eves_own_events_alone(scene: Scene) -> None:
    eve = await scene.eve()
    live = patient_api._stream(scene.services, eve.conversation, 0, eve.token)
    await anext(live)
    await scene.alice.say(f"still {MARK}")
    await scene.services.finish_turns(5.0)
    first = await anext(live)
    assert '"kind": "consent"' in first and MARK not in first
    await live.aclose()


async def test_feedback_on_a_number_of_alices_reaches_no_reply_of_hers(scene: Scene) -> None:
    eve = await scene.eve()
    last = scene.alice.stored()[-1].seq
    answer = await scene.client.post(
        eve.path("feedback"), json={"seq": last, "value": "down"}, headers=eve.headers()
    )
    assert answer.status_code == 422
    shown = await scene.client.get(scene.alice.path("data"), headers=scene.alice.headers())
    assert shown.json()["feedback"] == []


@pytest.mark.parametrize("name", ["session", "token", "access_token", "authorization", "identity"])
async def test_a_token_in_the_address_is_not_looked_at(scene: Scene, name: str) -> None:
    query = {"wait": "0", name: scene.alice.token}
    answer = await scene.client.get(scene.alice.path("events"), params=query)
    assert (answer.status_code, answer.json()["code"]) == (401, "no_session")
    leaks_nothing(answer, scene)


@pytest.mark.parametrize("payload", ["/life/sleep", "chat:end:2", "form:survey", "answer:RF01:no", "/restart"])
async def test_a_button_that_was_offered_to_alice_is_not_offered_to_eve(scene: Scene, payload: str) -> None:
    eve = await scene.eve()
    await eve.press(CONSENT)
    answer = await eve.press(payload)
    assert (answer.status_code, answer.json()["code"]) == (409, "not_offered")


async def test_answers_to_a_form_that_was_not_shown_are_refused(scene: Scene) -> None:
    eve = await scene.eve()
    await eve.press(CONSENT)
    for reply_to in (None, 1, scene.alice.stored()[-1].seq):
        body = {"kind": "answer", "client_id": eve.new_id(), "payload": "form:survey", "answers": {"use": 1}}
        answer = await eve.send(**body, reply_to=reply_to)
        assert answer.status_code in (409, 422), answer.text


# Alice's name: tokens that the clinic did not make for Eve


def part(value: Any) -> str:
    raw = value if isinstance(value, bytes) else json.dumps(value).encode()
    return base64.urlsafe_b64encode(raw).rstrip(b"=").decode()


def by_hand(head: Any, claims: Any, sign: Callable[[bytes], bytes] = lambda _: b"") -> str:
    """A token put together without a library's scruples."""
    signed = f"{part(head)}.{part(claims)}"
    return f"{signed}.{part(sign(signed.encode()))}"


def public_pem(key: Key) -> bytes:
    return bytes(
        key.private.public_key().public_bytes(
            serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo
        )
    )


def unsigned(algorithm: Any) -> Callable[[Scene], str]:
    return lambda scene: by_hand({"alg": algorithm, "typ": "JWT", "kid": "first"}, scene.portal.claims(ALICE))


def keyed_with(secret: Callable[[Key], bytes]) -> Callable[[Scene], str]:
    """HS256 with what is public as the secret."""

    def made(scene: Scene) -> str:
        (key,) = scene.portal.keys
        return by_hand(
            {"alg": "HS256", "typ": "JWT", "kid": key.kid},
            scene.portal.claims(ALICE),
            lambda text: hmac.digest(secret(key), text, "sha256"),
        )

    return made


def claims(**changed: Any) -> Callable[[Scene], str]:
    """A token with a good signature and one claim changed, or left out where it is None."""
    return lambda scene: scene.portal.token(ALICE if "sub" not in changed else changed["sub"], **{
        name: value for name, value in changed.items() if name != "sub"})  # fmt: skip


def times(issued: float, ends: float) -> Callable[[Scene], str]:
    def made(scene: Scene) -> str:
        at = int(scene.clock().timestamp())
        return scene.portal.token(ALICE, iat=at + issued, exp=at + ends)

    return made


def raw_claims(change: Callable[[str], str]) -> Callable[[Scene], str]:
    """A good signature over claims that no library would write."""

    def made(scene: Scene) -> str:
        text = change(json.dumps(scene.portal.claims(ALICE)))
        return jwt.api_jws.encode(text.encode(), scene.portal.keys[0].private, "ES256", {"kid": "first"})

    return made


def stranger(key: Key, **headers: Any) -> Callable[[Scene], str]:
    """Eve's own key, under a name that the clinic uses."""
    return lambda scene: scene.portal.token(ALICE, key=key, headers={"kid": "first", **headers})


def own_key_inside(scene: Scene) -> str:
    mine = ec_key("first")
    return scene.portal.token(ALICE, key=mine, headers={"jwk": mine.jwk()})


def headers(**changed: Any) -> Callable[[Scene], str]:
    return lambda scene: by_hand_signed(scene, {"alg": "ES256", "typ": "JWT", "kid": "first", **changed})


def by_hand_signed(scene: Scene, head: dict[str, Any]) -> str:
    """The clinic's real signature under any header."""
    key = scene.portal.keys[0].private
    algorithm = jwt.get_algorithm_by_name("ES256")
    head = {name: value for name, value in head.items() if value is not None}
    return by_hand(head, scene.portal.claims(ALICE), lambda text: algorithm.sign(text, key))


def mixed(scene: Scene) -> str:
    """Eve's header and signature around Alice's claims."""
    head, _, signature = scene.portal.token(EVE).split(".")
    return f"{head}.{part(scene.portal.claims(ALICE))}.{signature}"


def tampered(place: int) -> Callable[[Scene], str]:
    def made(scene: Scene) -> str:
        parts = scene.portal.token(ALICE).split(".")
        middle = len(parts[place]) // 2
        parts[place] = parts[place][:middle] + ("A" if parts[place][middle] != "A" else "B") + parts[place][middle + 1 :]
        return ".".join(parts)

    return made


def two_keys(scene: Scene) -> str:
    """Signed with one of the clinic's keys under the name of another."""
    scene.portal.keys.append(ec_key("second"))
    return scene.portal.token(ALICE, headers={"kid": "first"})


def of_other_clinic(scene: Scene) -> str:
    return other_portal(scene.portal).token(ALICE)


def other_clinic_as_ours(scene: Scene) -> str:
    theirs = other_portal(scene.portal)
    return scene.portal.token(ALICE, key=theirs.keys[0])


def without(name: str) -> Callable[[Scene], str]:
    def made(scene: Scene) -> str:
        claims = scene.portal.claims(ALICE)
        del claims[name]
        return jwt.encode(claims, scene.portal.keys[0].private, "ES256", {"kid": "first"})

    return made


FORGED: dict[str, Callable[[Scene], Any]] = {
    "alg-none": unsigned("none"),
    "alg-None": unsigned("None"),
    "alg-NONE": unsigned("NONE"),
    "alg-nOnE": unsigned("nOnE"),
    "alg-empty": unsigned(""),
    "alg-missing": headers(alg=None),
    "alg-a-list": unsigned(["ES256"]),
    "alg-other-case": headers(alg="es256"),
    "signature-cut-off": lambda scene: scene.portal.token(ALICE).rpartition(".")[0] + ".",
    "no-signature-part": lambda scene: scene.portal.token(ALICE).rpartition(".")[0],
    "signature-of-zeros": lambda scene: scene.portal.token(ALICE).rpartition(".")[0] + "." + part(bytes(64)),
    "hs256-with-public-pem": keyed_with(public_pem),
    "hs256-with-public-jwk": keyed_with(lambda key: json.dumps(key.jwk()).encode()),
    "hs256-with-nothing": keyed_with(lambda key: b""),
    "rs256-not-used-here": stranger(rsa_key("first")),
    "eddsa-not-used-here": stranger(ed_key("first")),
    "wrong-key": stranger(ec_key("first")),
    "wrong-key-id": headers(kid="nobody"),
    "no-key-id": headers(kid=None),
    "key-id-empty": headers(kid=""),
    "key-id-a-number": headers(kid=1),
    "key-id-a-path": headers(kid="../../../../dev/null"),
    "key-id-a-statement": headers(kid="first' OR '1'='1"),
    "key-of-another-id": two_keys,
    "tampered-header": tampered(0),
    "tampered-claims": tampered(1),
    "tampered-signature": tampered(2),
    "claims-of-another": mixed,
    "expired": times(-400, -100),
    "expired-by-leeway": times(-330, -30),
    "ends-too-far-away": times(0, 3600),
    "ends-too-far-for-its-age": times(-290, 30),
    "ends-before-it-begins": times(10, 5),
    "from-the-future": times(60, 300),
    "from-the-far-future": times(10**9, 10**9 + 300),
    "not-yet": lambda scene: scene.portal.token(ALICE, nbf=int(scene.clock().timestamp()) + 120),
    **{f"no-{name}": without(name) for name in ("exp", "iat", "sub", "aud", "iss", "jti")},
    **{
        f"null-{name}": raw_claims(lambda text, name=name: json.dumps({**json.loads(text), name: None}))
        for name in ("exp", "iat", "sub", "aud", "iss", "jti")
    },
    "exp-as-text": raw_claims(lambda text: json.dumps({**json.loads(text), "exp": "9999999999"})),
    "exp-true": raw_claims(lambda text: json.dumps({**json.loads(text), "exp": True})),
    "exp-endless": raw_claims(lambda text: json.dumps({**json.loads(text), "exp": float("inf")})),
    "exp-no-number": raw_claims(lambda text: json.dumps({**json.loads(text), "exp": float("nan")})),
    "exp-huge": raw_claims(lambda text: json.dumps({**json.loads(text), "exp": 10**400})),
    "iat-negative": raw_claims(lambda text: json.dumps({**json.loads(text), "iat": -1})),
    "wrong-aud": claims(aud="another-product"),
    "aud-longer": claims(aud="pne-tutor-open"),
    "aud-other-case": claims(aud="PNE-Tutor"),
    "aud-a-list-of-ours": claims(aud=["pne-tutor"]),
    "aud-ours-and-others": claims(aud=["pne-tutor", "another-product"]),
    "aud-an-object": claims(aud={"pne-tutor": True}),
    "wrong-iss": claims(iss="https://evil.example"),
    "iss-with-slash": claims(iss="https://portal.example/"),
    "iss-a-list": raw_claims(lambda text: json.dumps({**json.loads(text), "iss": ["https://portal.example"]})),
    "other-clinic": of_other_clinic,
    "other-clinics-key": other_clinic_as_ours,
    "sub-empty": claims(sub=""),
    "sub-blank": claims(sub="   "),
    "sub-too-long": claims(sub="x" * 201),
    "sub-with-nul": claims(sub=f"{ALICE}\0"),
    "sub-with-lone-surrogate": claims(sub=f"{ALICE}\ud800"),
    "sub-a-number": raw_claims(lambda text: json.dumps({**json.loads(text), "sub": 7})),
    "sub-an-object": raw_claims(lambda text: json.dumps({**json.loads(text), "sub": {"is": ALICE}})),
    "jti-a-number": raw_claims(lambda text: json.dumps({**json.loads(text), "jti": 7})),
    "jti-too-long": claims(jti="x" * 201),
    "name-too-long": claims(name="x" * 201),
    "name-an-object": claims(name={"first": "Eve"}),
    "locale-no-locale": claims(locale="<script>"),
    "claims-a-list": raw_claims(lambda text: "[]"),
    "claims-no-json": raw_claims(lambda text: "{"),
    "claims-deep": raw_claims(lambda text: "[" * 3000),
    "header-jwk": own_key_inside,
    "header-jku": stranger(ec_key("first"), jku="https://evil.example/keys"),
    "header-x5u": stranger(ec_key("first"), x5u="https://evil.example/cert"),
    "header-x5c": stranger(ec_key("first"), x5c=["AAAA"]),
    "header-crit": headers(crit=["exp"], exp=1),
    "header-crit-b64": headers(crit=["b64"], b64=True),
    "header-crit-empty": headers(crit=[]),
    "header-b64": headers(b64=False),
    "header-other-type": headers(typ="at+jwt"),
    "huge": claims(note="x" * 9_000),
    "two-tokens": lambda scene: f"{scene.portal.token(ALICE)},{scene.portal.token(ALICE)}",
    "white-space": lambda scene: f" {scene.portal.token(ALICE)}\n",
    "five-parts": lambda scene: f"{scene.portal.token(ALICE)}.AAAA.AAAA",
    "not-ascii": lambda scene: scene.portal.token(ALICE) + "é",
    "empty": lambda scene: "",
    "dots": lambda scene: "..",
    "words": lambda scene: "let me in",
    "a-number": lambda scene: 7,
    "true": lambda scene: True,
    "false": lambda scene: False,
    "a-list": lambda scene: [scene.portal.token(ALICE)],
    "an-object": lambda scene: {"token": scene.portal.token(ALICE)},
    "alices-session": lambda scene: scene.alice.token,
}


@pytest.mark.parametrize("name", FORGED)
async def test_a_token_that_the_clinic_did_not_make_for_her_opens_nothing(scene: Scene, name: str) -> None:
    made = FORGED[name](scene)
    before, kept = scene.untouched(), counted(scene.services)
    with capture_logs() as logs:
        answer = await ask(scene.client, identity=made)
    assert (answer.status_code, answer.json()["code"]) == (401, "bad_identity"), answer.text
    assert answer.json()["detail"] == "Get a fresh one; docs/identity.md lists the rules."  # the same for all causes
    leaks_nothing(answer, scene)
    assert (scene.untouched(), counted(scene.services)) == (before, kept)
    (line,) = [line for line in logs if line["event"] == "identity_refused"]
    assert set(line) == {"event", "log_level", "clinic", "cause"} and len(line["cause"]) < 40
    assert not isinstance(made, str) or len(made) < 10 or made not in str(logs)


async def test_nothing_is_fetched_from_where_a_token_says(scene: Scene) -> None:
    for name in ("header-jku", "header-x5u", "key-id-a-path"):
        await ask(scene.client, identity=FORGED[name](scene))
    assert set(scene.portal.fetched) == {"http://127.0.0.1:8090/.well-known/jwks.json"}


# Tokens that were good once


async def test_a_token_opens_one_session_once(scene: Scene) -> None:
    token = scene.portal.token(EVE)
    assert (await ask(scene.client, identity=token)).status_code == 201
    kept = counted(scene.services)
    for _ in range(2):
        again = await ask(scene.client, identity=token)
        assert (again.status_code, again.json()["code"]) == (401, "bad_identity")
    assert counted(scene.services) == kept


async def test_of_many_who_use_a_token_at_once_one_gets_in(scene: Scene) -> None:
    token = scene.portal.token(EVE)
    answers = await asyncio.gather(*(ask(scene.client, identity=token) for _ in range(8)))
    assert sorted(answer.status_code for answer in answers) == [201] + [401] * 7


async def test_a_used_token_is_remembered_for_longer_than_it_is_good(scene: Scene) -> None:
    token = scene.portal.token(EVE)
    await ask(scene.client, identity=token)
    for seconds in (329, 1, 400):
        scene.clock.move(seconds=seconds)
        assert (await ask(scene.client, identity=token)).json()["code"] == "bad_identity"
    assert counted(scene.services)[2] == 2  # Alice's and Eve's
    await ask(scene.client, identity=scene.portal.token(EVE))
    assert counted(scene.services)[2] == 1  # the old ones are forgotten


async def test_the_same_number_of_another_clinic_is_another_token(scene: Scene) -> None:
    await ask(scene.client, identity=scene.portal.token(EVE, jti="same"))
    answer = await ask(scene.client, OPEN, identity=scene.portal.token(EVE, jti="same", aud="pne-tutor-open"))
    assert answer.status_code == 201


@pytest.mark.parametrize("clinic", [OPEN, OTHER, "demo"])
async def test_a_token_for_one_clinic_opens_no_other(scene: Scene, clinic: str) -> None:
    answer = await ask(scene.client, clinic, identity=scene.portal.token(ALICE))
    assert (answer.status_code, answer.json()["code"]) == (401, "bad_identity")
    leaks_nothing(answer, scene)


# Sessions of others


async def test_anonymous_people_stay_outside_where_the_clinic_wants_it(scene: Scene) -> None:
    kept = counted(scene.services)
    for body in ({}, {"identity": None}, {"token": None}, {"token": ""}, {"token": "guess"}, {"locale": "en"}):
        answer = await ask(scene.client, **body)
        assert (answer.status_code, answer.json()["code"]) == (401, "identity_needed")
    assert counted(scene.services) == kept


async def test_an_anonymous_session_ends_where_the_clinic_begins_to_want_names(
    tmp_path: Path, scene: Scene
) -> None:
    eve = await scene.eve(clinic=OPEN)
    await eve.accept()
    scene.services.clinics = {**scene.services.clinics, OPEN: scene.services.clinics[CLINIC]}
    answer = await ask(scene.client, OPEN, token=eve.token)
    assert answer.status_code == 401
    answer = await scene.client.get(eve.path("events?wait=0"), headers=eve.headers())
    assert (answer.status_code, answer.json()["code"]) == (401, "no_session")
    assert (await eve.say("hello")).status_code == 401


async def test_a_session_of_one_clinic_is_none_of_another(scene: Scene) -> None:
    answer = await ask(scene.client, "demo", token=scene.alice.token)
    assert answer.status_code == 201
    leaks_nothing(answer, scene)
    anonymous = await scene.eve(clinic="demo")
    refused = await ask(scene.client, CLINIC, token=anonymous.token)
    assert (refused.status_code, refused.json()["code"]) == (401, "identity_needed")


async def test_eve_with_alices_session_gets_her_own_conversation_and_ends_alices_session(scene: Scene) -> None:
    answer = await ask(scene.client, identity=scene.portal.token(EVE), token=scene.alice.token)
    assert answer.status_code == 201
    leaks_nothing(answer, scene)
    old = await scene.client.get(scene.alice.path("events?wait=0"), headers=scene.alice.headers())
    assert (old.status_code, old.json()["code"]) == (401, "no_session")


async def test_a_refused_token_ends_nobodys_session(scene: Scene) -> None:
    await ask(scene.client, identity="forged", token=scene.alice.token)
    assert await scene.alice.read()


async def test_signing_in_opens_no_anonymous_conversation(scene: Scene) -> None:
    nameless = await scene.eve(clinic=OPEN)
    await nameless.accept()
    await nameless.say("a secret of somebody without a name")
    await scene.services.finish_turns(5.0)
    token = scene.portal.token(EVE, aud="pne-tutor-open")
    answer = await ask(scene.client, OPEN, identity=token, token=nameless.token)
    assert (answer.status_code, answer.json()["level"]) == (201, "signed")
    assert answer.json()["conversation"] != nameless.conversation
    assert (await ask(scene.client, OPEN, token=nameless.token)).json()["conversation"] != nameless.conversation


async def test_without_a_name_nobody_opens_a_signed_conversation(scene: Scene) -> None:
    signed = await scene.eve(clinic=OPEN, identity=scene.portal.token(EVE, aud="pne-tutor-open"))
    scene.clock.move(minutes=20)
    answer = await ask(scene.client, OPEN, token=signed.token)
    assert (answer.status_code, answer.json()["level"]) == (201, "anonymous")
    assert answer.json()["conversation"] != signed.conversation


async def test_the_same_subject_at_another_clinic_is_somebody_else(scene: Scene) -> None:
    answer = await ask(scene.client, OPEN, identity=scene.portal.token(ALICE, aud="pne-tutor-open"))
    assert answer.status_code == 201
    assert answer.json()["conversation"] != scene.alice.conversation
    assert MARK not in answer.text


@pytest.mark.parametrize("other", [ALICE.upper(), f"{ALICE} ", f" {ALICE}", f"{ALICE}%", "alice_subject", ALICE[:-1]])
async def test_a_subject_that_looks_alike_is_somebody_else(scene: Scene, other: str) -> None:
    answer = await ask(scene.client, identity=scene.portal.token(other))
    assert answer.status_code == 201
    leaks_nothing(answer, scene)


@pytest.mark.parametrize(
    "claim", [{"clinic": "portal"}, {"conversation": "x"}, {"subject": ALICE}, {"person_name": ALICES_NAME}]
)
async def test_what_a_page_says_about_itself_counts_for_nothing(scene: Scene, claim: dict[str, str]) -> None:
    body = {"identity": scene.portal.token(EVE), "sub": ALICE, "level": "signed", **claim}
    if "conversation" in claim:
        body["conversation"] = scene.alice.conversation
    answer = await scene.client.post("/v1/session", json={"clinic": CLINIC, **body})
    assert answer.json()["person_name"] is None
    leaks_nothing(answer, scene)


# After signing out


async def test_after_signing_out_nothing_works_with_the_old_session(scene: Scene) -> None:
    headers = await revoked(scene)
    for method, path, body in DOORS.values():
        answer = await scene.client.request(method, scene.alice.path(path), json=body, headers=headers)
        assert answer.status_code in (401, 404, 405), path
        leaks_nothing(answer, scene)
    resumed = await ask(scene.client, token=scene.alice.token)
    assert (resumed.status_code, resumed.json()["code"]) == (401, "identity_needed")
    again = await scene.client.delete("/v1/session", headers=headers)
    assert again.status_code == 204


async def test_signing_out_cuts_off_who_still_reads_along(scene: Scene) -> None:
    seen = len(scene.alice.stored())
    live = patient_api._stream(scene.services, scene.alice.conversation, seen, scene.alice.token)
    await anext(live)
    reading = asyncio.create_task(anext(live, "cut off"))
    headers = scene.alice.headers()
    query = {"after": seen, "wait": 20}
    polling = asyncio.create_task(
        scene.client.get(scene.alice.path("events"), params=query, headers=headers)
    )
    topic = f"conversation:{scene.alice.conversation}"
    while len(scene.services.hub._listeners.get(topic, ())) < 2:
        await asyncio.sleep(0.005)
    await scene.client.delete("/v1/session", headers=headers)
    assert await reading == "cut off"
    assert (await polling).status_code == 401


async def test_signing_out_on_one_device_leaves_the_other_signed_in(scene: Scene) -> None:
    elsewhere = await enter(scene.client, scene.services, identity=scene.portal.token(ALICE))
    await revoked(scene)
    assert await elsewhere.read()


@pytest.mark.parametrize("headers", [{}, {"Authorization": "Bearer guess"}, {"Authorization": "Basic eDp5"}])
async def test_nobody_signs_alice_out_without_her_token(scene: Scene, headers: dict[str, str]) -> None:
    answer = await scene.client.delete("/v1/session", headers=headers)
    assert answer.status_code in (204, 401)
    assert await scene.alice.read()


# The session of somebody who is really there


async def test_alice_finds_her_conversation_on_every_device(scene: Scene) -> None:
    answer = await ask(scene.client, identity=scene.portal.token(ALICE, name="Alice L."))
    made = answer.json()
    assert (answer.status_code, made["conversation"]) == (200, scene.alice.conversation)
    assert made["session"] != scene.alice.token
    assert (made["level"], made["slides"], made["person_name"]) == ("signed", 1200, "Alice L.")
    assert answer.headers["cache-control"] == "no-store"
    assert await scene.alice.read()
    same = await ask(scene.client, identity=scene.portal.token(ALICE), token=made["session"])
    assert (same.json()["session"], same.json()["person_name"]) == (made["session"], "Alice L.")


async def test_two_devices_at_once_get_one_conversation(scene: Scene) -> None:
    answers = await asyncio.gather(*(ask(scene.client, identity=scene.portal.token(EVE)) for _ in range(6)))
    assert len({answer.json()["conversation"] for answer in answers}) == 1
    assert len({answer.json()["session"] for answer in answers}) == 6


async def test_a_session_in_use_stays_good_and_one_left_alone_ends(scene: Scene) -> None:
    for _ in range(4):
        scene.clock.move(minutes=15)
        assert await scene.alice.read()
        await scene.services.finish_turns(5.0)
    scene.clock.move(minutes=19, seconds=59)
    assert (await ask(scene.client, token=scene.alice.token)).status_code == 200
    scene.clock.move(minutes=20)
    answer = await scene.client.get(scene.alice.path("events?wait=0"), headers=scene.alice.headers())
    assert answer.status_code == 401


async def test_a_session_is_written_once_a_minute_at_most(scene: Scene) -> None:
    from sqlalchemy import event

    written: list[str] = []

    def before(_connection: Any, _cursor: Any, statement: str, *_rest: Any) -> None:
        if statement.startswith("UPDATE session"):
            written.append(statement)

    event.listen(scene.services.db.engine, "before_cursor_execute", before)
    for seconds, times in ((0, 0), (59, 0), (1, 1), (30, 1), (29, 1), (1, 2)):
        scene.clock.move(seconds=seconds)
        for _ in range(3):
            await scene.alice.read()
            await scene.services.finish_turns(5.0)
        assert len(written) == times
    event.remove(scene.services.db.engine, "before_cursor_execute", before)


async def test_an_anonymous_session_is_as_it_was(tmp_path: Path) -> None:
    services = make_services(tmp_path, None)
    async with door(services) as client:
        made = (await ask(client, "demo", locale="en-GB")).json()
        assert (made["level"], made["slides"], made["person_name"]) == ("anonymous", None, None)
        assert (made["reading"], made["retention_days"]) == ("full", 365)
        assert made["languages"] == list(services.clinics["demo"].languages)
        again = await ask(client, "demo", token=made["session"])
        assert (again.status_code, again.json()["session"]) == (200, made["session"])


async def test_with_the_clinics_keys_away_it_is_said_so_and_open_chats_go_on(scene: Scene) -> None:
    scene.clock.move(minutes=10)
    scene.portal.down = True
    answer = await ask(scene.client, identity=scene.portal.token(EVE))
    assert (answer.status_code, answer.json()["code"]) == (503, "identity_unavailable")
    assert await scene.alice.read()
    assert (await scene.alice.say("still here")).status_code == 202
    await scene.services.finish_turns(5.0)


async def test_an_erased_conversation_is_not_opened_again(scene: Scene) -> None:
    assert (await scene.client.delete(scene.alice.path("data"), headers=scene.alice.headers())).status_code == 204
    answer = await ask(scene.client, identity=scene.portal.token(ALICE))
    assert answer.status_code == 201
    assert answer.json()["conversation"] != scene.alice.conversation
