"""How we sign in to a FHIR server (SMART Backend Services): tokens, keys, and what each refusal means."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from bot.handoff import calling, worker
from bot.handoff.backend_services import read_key
from bot.handoff.deliveries import need_secrets
from bot.settings import SettingsError
from bot.store.session import Database
from tests.support.database import HandClock
from tests.support.fhir_way import Way
from tests.support.receivers import CLIENT, KEY_VARIABLE, Fault, FhirServer, Reply, clinic_with


@pytest.fixture
def server(clock: HandClock) -> FhirServer:
    return FhirServer(clock)


@pytest.fixture
def way(db: Database, server: FhirServer) -> Way:
    return Way(db, server)


async def test_a_token_is_kept_until_it_expires_and_renewed_once_when_it_is_refused(way: Way, clock: HandClock) -> None:
    way.raised()
    await way.go()
    way.raised("m2", "c2")
    await way.go()
    assert way.server.tokens == ["token-1"]
    way.server.good = set()
    way.raised("m3", "c3")
    await way.go()
    assert way.server.tokens == ["token-1", "token-2"]
    clock.move(seconds=300)
    way.raised("m4", "c4")
    await way.go()
    assert way.server.tokens[-1] == "token-3" and len(way.server.of("Task")) == 4


async def test_a_server_that_never_takes_our_token_is_asked_twice_and_no_more(way: Way, clock: HandClock) -> None:
    raised = way.raised()
    way.faulty.counts, way.faulty.faults = (lambda one: "/Comm" in one.path), [Fault(Reply(401))] * 9
    await way.go()
    (row,) = way.rows(raised)
    assert row.dead_at == clock() and "401" in row.last_error
    assert way.server.tokens == ["token-1", "token-2"] and len(way.faulty.faults) == 7


@pytest.mark.parametrize(
    ("path", "reply", "dead", "cause"),
    [
        ("token", Reply(400, {}, b'{"error": "invalid_client"}'), True, "invalid_client"),
        ("token", Reply(401, {}, b"patient words?"), True, "(401)"),
        ("token", Reply(503), False, "503"),
        ("token", Reply(200, {}, b"[]"), False, "no JSON document"),
        ("token", Reply(200, {}, b"{}"), False, "without a token"),
        ("smart-configuration", Reply(404), True, "404"),
        ("smart-configuration", Reply(200, {}, b'{"token_endpoint": "http://elsewhere.example/"}'), True, "token_url"),
        ("Task", Reply(412), True, "more than one"),
        ("Task", Reply(403), True, "must allow"),
        ("Task", Reply(422), True, "does not accept"),
    ],
)
async def test_what_the_server_says_is_understood(
    way: Way, path: str, reply: Reply, dead: bool, cause: str
) -> None:
    raised = way.raised()
    way.faulty.counts, way.faulty.faults = (lambda one: path in one.path), [Fault(reply)]
    await way.go()
    (row,) = way.rows(raised)
    assert (row.dead_at is not None) is dead and cause in row.last_error
    assert "words" not in row.last_error


def pem(key: Any) -> str:
    return str(key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()).decode())


@pytest.mark.parametrize("kind", ["missing", "nonsense", "p256", "rsa", "no file"])
def test_a_missing_or_wrong_key_refuses_the_start(kind: str, tmp_path: Path) -> None:
    given = {
        "missing": "",
        "nonsense": "-----BEGIN PRIVATE KEY-----\nx\n-----END PRIVATE KEY-----",
        "p256": pem(ec.generate_private_key(ec.SECP256R1())),
        "rsa": pem(rsa.generate_private_key(65537, 2048)),
        "no file": str(tmp_path / "none.pem"),
    }[kind]
    with pytest.raises(SettingsError, match=f"Clinic demo: {KEY_VARIABLE} must hold an EC key on P-384"):
        need_secrets([clinic_with(base="https://fhir.invalid")], {KEY_VARIABLE: given})


def test_a_key_may_be_given_as_text_or_as_a_file(server: FhirServer, tmp_path: Path) -> None:
    fhir = clinic_with(base="https://fhir.invalid").chain.fhir
    assert fhir is not None and fhir.client_id == CLIENT
    file = tmp_path / "key.pem"
    file.write_text(server.environ[KEY_VARIABLE])
    for given in (server.environ[KEY_VARIABLE], str(file)):
        assert isinstance(read_key(fhir, {KEY_VARIABLE: given}), ec.EllipticCurvePrivateKey)
    with_rsa = replace(fhir, algorithm="RS384")
    assert read_key(with_rsa, {KEY_VARIABLE: pem(rsa.generate_private_key(65537, 2048))}).key_size == 2048


def test_a_lease_outlives_the_longest_sending() -> None:
    assert timedelta(seconds=10) + worker.SENDING_LIMIT < worker.LEASE
    assert timedelta(seconds=calling.REQUEST_SECONDS) < worker.SENDING_LIMIT
