"""Checking what a clinic signed: tokens of every kind, keys that change, key hosts that fail, clocks that differ."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, field
from typing import Any

import httpx
import jwt
import pytest
from cryptography.hazmat.primitives.asymmetric import ec

from bot.content.files import ContentError
from bot.settings import SettingsError
from bot.web import identity
from bot.web.identity import KeysUnavailable, Person, Refused, Verifier, fetch_keys, verifier_for
from tests.support.database import HandClock
from tests.support.portal import CLINIC, OTHER, Key, Portal, ec_key, ed_key, rsa_key, signing_clinic

SECRET = b"a secret of a small clinic, 32 bytes or more"
VARIABLE = "PNE_IDENTITY_SMALL_CLINIC"
SMALL: dict[str, Any] = {"algorithms": ("HS256",), "jwks_url": "", "secret_variable": VARIABLE}


@dataclass
class Desk:
    """The verifier with a portal behind it, and one clock for both."""

    clock: HandClock = field(default_factory=HandClock)
    clinic: Any = field(default_factory=signing_clinic)

    def __post_init__(self) -> None:
        start = self.clock.at
        self.portal = Portal(self.clock)
        self.verifier = Verifier(
            {CLINIC: SECRET}, self.portal.fetch, lambda: (self.clock.at - start).total_seconds()
        )

    async def check(self, token: object) -> Person:
        return await self.verifier.verify(self.clinic, token, self.clock)

    async def refused(self, token: object) -> str:
        with pytest.raises(Refused) as caught:
            await self.check(token)
        return caught.value.cause

    async def unavailable(self, token: object) -> str:
        with pytest.raises(KeysUnavailable) as caught:
            await self.check(token)
        return caught.value.cause


@pytest.fixture
def desk() -> Desk:
    return Desk()


# Good tokens


async def test_a_good_token_says_who_it_is(desk: Desk) -> None:
    person = await desk.check(desk.portal.token("p-1", jti="one", name=" Ada Example ", locale="en-GB"))
    assert (person.subject, person.name, person.locale, person.jti) == ("p-1", "Ada Example", "en-GB", "one")
    assert (person.forget_at - desk.clock.at).total_seconds() > 330
    bare = await desk.check(desk.portal.token("p-1", name=""))
    assert (bare.name, bare.locale) == (None, None)


@pytest.mark.parametrize("key", [ec_key("e"), ed_key("d"), rsa_key("r")], ids=lambda key: key.algorithm)
async def test_every_kind_of_key_signs(desk: Desk, key: Key) -> None:
    desk.clinic = signing_clinic(algorithms=("ES256", "EdDSA", "RS256"))
    desk.portal.keys = [key]
    assert (await desk.check(desk.portal.token("p-1"))).subject == "p-1"


async def test_a_small_clinic_signs_with_a_shared_secret(desk: Desk) -> None:
    desk.clinic = signing_clinic(**SMALL)
    good = jwt.encode(desk.portal.claims("p-1"), SECRET, "HS256")
    assert (await desk.check(good)).subject == "p-1"
    wrong = jwt.encode(desk.portal.claims("p-1"), b"another secret, also of 32 bytes or more", "HS256")
    assert await desk.refused(wrong) == "InvalidSignatureError"
    assert await desk.refused(desk.portal.token("p-1")) == "algorithm"
    assert desk.portal.fetched == []
    desk.verifier = Verifier()
    assert await desk.unavailable(good) == "no_secret"


@pytest.mark.parametrize(
    ("issued", "lives", "cause"),
    [
        (0, 300, None),
        (30, 300, None),
        (-329, 300, None),
        (31, 300, "from_the_future"),
        (-330, 300, "expired"),
        (0, 301, "lives_too_long"),
        (-200, 400, "lives_too_long"),
        (0, 0, "lives_too_long"),
        (0, -10, "lives_too_long"),
    ],
)
async def test_times_to_the_second(desk: Desk, issued: int, lives: int, cause: str | None) -> None:
    at = desk.clock().timestamp() + issued
    token = desk.portal.token(iat=at, exp=at + lives)
    if cause is None:
        assert (await desk.check(token)).subject == "patient-1"
    else:
        assert await desk.refused(token) == cause


async def test_not_before_counts_where_it_is_given(desk: Desk) -> None:
    at = int(desk.clock().timestamp())
    await desk.check(desk.portal.token(nbf=at + 30))
    assert await desk.refused(desk.portal.token(nbf=at + 31)) == "from_the_future"


async def test_times_are_looked_at_after_the_keys_have_come(desk: Desk) -> None:
    token = desk.portal.token()

    async def slow(url: str) -> bytes:
        desk.clock.move(seconds=331)
        return desk.portal.key_set()

    desk.verifier.fetch = slow
    assert await desk.refused(token) == "expired"


# Keys


@pytest.mark.parametrize(
    ("key", "changed"),
    [
        (ec_key("k", ec.SECP384R1()), {"crv": "P-256"}),
        (ec_key("k", ec.SECP384R1()), {}),
        (rsa_key("k", 1024), {"alg": None}),
        (rsa_key("k"), {"kty": "EC"}),
        (rsa_key("k"), {"alg": "PS256"}),
        (ec_key("k"), {"use": "enc"}),
        (ec_key("k"), {"alg": "ES384"}),
        (ec_key("k"), {"key_ops": ["sign"]}),
        (ec_key("k"), {"key_ops": "verify"}),
        (ec_key("k"), {"d": "AAAA"}),
        (ec_key("k"), {"x": "AAAA"}),
        (ec_key("k"), {"x": None}),
        (ec_key("k"), {"kty": "oct", "k": "AAAA"}),
        (ec_key("k"), {"kid": None}),
        (ed_key("k"), {"crv": "X25519"}),
    ],
    ids=[
        "curve-lies", "wrong-curve", "short-rsa", "kind-lies", "other-padding", "for-secrets", "other-algorithm",
        "for-signing", "ill-typed-uses", "private", "off-the-curve", "half-a-key", "symmetric", "no-id", "key-exchange",
    ],
)  # fmt: skip
@pytest.mark.filterwarnings("ignore::jwt.warnings.InsecureKeyLengthWarning")
async def test_a_key_that_does_not_fit_is_never_tried(desk: Desk, key: Key, changed: dict[str, Any]) -> None:
    desk.clinic = signing_clinic(algorithms=("ES256", "EdDSA", "RS256"))
    desk.portal.served = [key.jwk(**changed)]
    if isinstance(key.private, ec.EllipticCurvePrivateKey) and key.private.curve.name != "secp256r1":
        token = desk.portal.token(headers={"kid": "k"})  # signed with some other key: this one cannot sign ES256
    else:
        token = desk.portal.token(key=key)
    assert await desk.refused(token) == "unknown_key"


async def test_a_key_signs_with_its_own_algorithm_only(desk: Desk) -> None:
    desk.clinic = signing_clinic(algorithms=("EdDSA", "RS256"))
    desk.portal.keys = [rsa_key("one"), ed_key("two")]
    for signs, named in (("one", "two"), ("two", "one")):
        key = next(key for key in desk.portal.keys if key.kid == signs)
        assert await desk.refused(desk.portal.token(key=key, headers={"kid": named})) == "unknown_key"


async def test_a_new_key_works_at_once_and_the_old_one_while_it_is_served(desk: Desk) -> None:
    old = desk.portal.keys[0]
    await desk.check(desk.portal.token())
    desk.portal.keys.append(ec_key("second"))
    await desk.check(desk.portal.token())
    await desk.check(desk.portal.token(key=old))
    assert len(desk.portal.fetched) == 2
    desk.portal.keys = desk.portal.keys[1:]
    await desk.check(desk.portal.token(key=old))  # until the keys are read again
    desk.clock.move(minutes=10)
    assert await desk.refused(desk.portal.token(key=old)) == "unknown_key"
    await desk.check(desk.portal.token())


async def test_unknown_keys_make_us_ask_once_a_minute(desk: Desk) -> None:
    await desk.check(desk.portal.token())
    stray = ec_key("stray")
    for seconds, asked in ((0, 2), (1, 2), (58, 2), (1, 3), (59, 3)):
        desk.clock.move(seconds=seconds)
        for _ in range(3):
            assert await desk.refused(desk.portal.token(key=stray)) == "unknown_key"
        assert len(desk.portal.fetched) == asked
    await desk.check(desk.portal.token())


async def test_keys_are_kept_for_ten_minutes(desk: Desk) -> None:
    for minutes, asked in ((0, 1), (9, 1), (1, 2)):
        desk.clock.move(minutes=minutes)
        await desk.check(desk.portal.token())
        assert len(desk.portal.fetched) == asked


async def test_many_at_once_ask_once(desk: Desk) -> None:
    gate = asyncio.Event()

    async def slow(url: str) -> bytes:
        await gate.wait()
        return await desk.portal.fetch(url)

    desk.verifier.fetch = slow
    waiting = [asyncio.create_task(desk.check(desk.portal.token())) for _ in range(5)]
    await asyncio.sleep(0)  # and everything else goes on meanwhile
    gate.set()
    assert {person.subject for person in await asyncio.gather(*waiting)} == {"patient-1"}
    assert len(desk.portal.fetched) == 1


async def test_a_dead_key_host_is_left_alone_for_a_while(desk: Desk) -> None:
    desk.portal.down = True
    assert await desk.unavailable(desk.portal.token()) == "ConnectError"
    assert await desk.unavailable(desk.portal.token()) == "failed_lately"
    assert len(desk.portal.fetched) == 1
    desk.portal.down = False
    desk.clock.move(seconds=10)
    await desk.check(desk.portal.token())


async def test_known_keys_work_while_the_host_is_down(desk: Desk) -> None:
    await desk.check(desk.portal.token())
    desk.portal.down = True
    stray = ec_key("stray")
    assert await desk.unavailable(desk.portal.token(key=stray)) == "ConnectError"
    assert await desk.unavailable(desk.portal.token(key=stray)) == "failed_lately"
    await desk.check(desk.portal.token())
    assert len(desk.portal.fetched) == 2
    desk.clock.move(minutes=10)
    assert await desk.unavailable(desk.portal.token()) == "ConnectError"


async def test_clinics_have_keys_of_their_own(desk: Desk) -> None:
    await desk.check(desk.portal.token())
    other = signing_clinic(OTHER, issuer="https://other.example", jwks_url="https://other.example/keys")
    desk.clinic, token = other, desk.portal.token(iss="https://other.example")
    await desk.check(token)
    assert desk.portal.fetched[-1] == "https://other.example/keys"


@pytest.mark.parametrize("raw", [b"", b"[]", b"{}", b'{"keys": 7}', b"\xff", b"[" * 60_000], ids=range(6))
async def test_what_is_no_key_set_is_a_failure_of_the_host(desk: Desk, raw: bytes) -> None:
    async def odd(url: str) -> bytes:
        return raw

    desk.verifier.fetch = odd
    assert await desk.unavailable(desk.portal.token()) == "not_a_key_set"


async def test_odd_keys_do_not_hide_good_ones(desk: Desk) -> None:
    desk.portal.served = [7, {}, {"kid": 3}, {"kid": "first", "kty": ["EC"]}, desk.portal.keys[0].jwk()]
    await desk.check(desk.portal.token())


# Over HTTP


def answering(handler: Callable[[httpx.Request], Any]) -> httpx.MockTransport:
    return httpx.MockTransport(handler)


async def test_keys_come_over_http() -> None:
    def served(request: httpx.Request) -> httpx.Response:
        assert request.headers["accept-encoding"] == "identity"
        return httpx.Response(200, content=in_parts(b'{"keys": []}'))

    assert json.loads(await fetch_keys("https://clinic.test/keys", answering(served))) == {"keys": []}


async def in_parts(raw: bytes) -> AsyncIterator[bytes]:
    for start in range(0, len(raw), 1000):
        yield raw[start : start + 1000]


async def endless() -> AsyncIterator[bytes]:
    while True:
        yield b"x" * 10_000


async def never(request: httpx.Request) -> httpx.Response:
    await asyncio.Event().wait()
    raise AssertionError


def unreachable(request: httpx.Request) -> httpx.Response:
    raise httpx.ConnectError("refused")


@pytest.mark.parametrize(
    ("handler", "cause"),
    [
        (lambda request: httpx.Response(302, headers={"Location": "http://127.0.0.1/secret"}), "status_302"),
        (lambda request: httpx.Response(404), "status_404"),
        (lambda request: httpx.Response(200, content=in_parts(b"x" * 65_537)), "too_large"),
        (lambda request: httpx.Response(200, content=endless()), "too_large"),
        (unreachable, "ConnectError"),
        (never, "timeout"),
    ],
    ids=["redirect", "missing", "large", "endless", "unreachable", "silent"],
)
async def test_a_bad_key_host_is_named_and_not_followed(handler: Callable[[httpx.Request], Any], cause: str) -> None:
    asked = []

    async def seen(request: httpx.Request) -> httpx.Response:
        asked.append(str(request.url))
        answer = handler(request)
        return await answer if asyncio.iscoroutine(answer) else answer

    with pytest.raises(KeysUnavailable) as caught:
        await fetch_keys("https://clinic.test/keys", answering(seen), seconds=0.05 if handler is never else 5.0)
    assert (caught.value.cause, asked) == (cause, ["https://clinic.test/keys"])


# At the start


def test_a_start_without_the_secret_says_what_to_set() -> None:
    clinics = {CLINIC: signing_clinic(**SMALL)}
    for environ in ({}, {VARIABLE: "x" * 31}):
        with pytest.raises(SettingsError, match=VARIABLE):
            verifier_for(clinics, environ)
    assert verifier_for(clinics, {VARIABLE: SECRET.decode()}).secrets == {CLINIC: SECRET}


@pytest.mark.parametrize(
    ("url", "good"),
    [
        ("https://clinic.example/keys", True),
        ("http://127.0.0.1:8090/keys", True),
        ("http://localhost/keys", True),
        ("http://[::1]:80/keys", True),
        ("http://clinic.example/keys", False),
        ("http://127.0.0.1.clinic.example/keys", False),
        ("ftp://127.0.0.1/keys", False),
        ("https:///keys", False),
        ("http://[::1/keys", False),
        ("/keys", False),
    ],
)
def test_keys_come_over_a_closed_line(url: str, good: bool) -> None:
    clinics = {CLINIC: signing_clinic(jwks_url=url)}
    if good:
        verifier_for(clinics, {})
    else:
        with pytest.raises(ContentError, match="jwks_url"):
            verifier_for(clinics, {})


def test_two_clinics_must_tell_their_tokens_apart() -> None:
    with pytest.raises(ContentError, match="audience of its own"):
        verifier_for({one: signing_clinic(one) for one in (CLINIC, OTHER)}, {})
    verifier_for({CLINIC: signing_clinic(), OTHER: signing_clinic(OTHER, audience="pne-tutor-other")}, {})


def test_every_algorithm_that_a_clinic_may_name_has_a_kind_of_key() -> None:
    from bot.content.clinics import ALGORITHMS

    assert set(identity._KEY_KINDS) | {"HS256"} == ALGORITHMS
