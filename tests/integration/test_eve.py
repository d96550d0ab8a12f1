"""Eve, who wants to read and write in Alice's name: every way in that we could think of, one by one."""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import AsyncIterator, Callable
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from structlog.testing import capture_logs

from bot.store.models import UsedToken
from bot.web import patient as patient_api
from bot.web.bodies import CONSENT
from bot.web.identity import LEEWAY, REMEMBERED
from tests.support.forged import FORGED
from tests.support.logs import catchable
from tests.support.portal import CLINIC, OTHER
from tests.support.signed import (
    ALICE,
    DOORS,
    EVE,
    MARK,
    OPEN,
    Scene,
    ask,
    at_the_door,
    counted,
    leaks_nothing,
    signed_out,
)  # fmt: skip


@pytest.fixture
async def scene(tmp_path: Path) -> AsyncIterator[Scene]:
    async with at_the_door(tmp_path) as made:
        yield made


# Alice's conversation by its id

async def no_token(scene: Scene) -> dict[str, str]:
    return {}


async def signed_in_eve(scene: Scene) -> dict[str, str]:
    return (await scene.eve()).headers()


async def anonymous_eve(scene: Scene) -> dict[str, str]:
    return (await scene.eve(clinic="demo")).headers()


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
    "revoked": signed_out,
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


@pytest.mark.parametrize("payload", ["/life/sleep", "chat:end:2", "answer:RF01:no", "/restart"])
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


@pytest.mark.parametrize("name", FORGED)
async def test_a_token_that_the_clinic_did_not_make_for_her_opens_nothing(
    scene: Scene, name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    catchable(monkeypatch)
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
    answers = await asyncio.gather(*(ask(scene.client, identity=token) for _ in range(6)))
    first, *others = sorted(answer.status_code for answer in answers)
    assert first == 201
    assert set(others) <= {401, 503}  # 503: a slow disk lets not everybody write


async def test_a_used_token_is_remembered_for_longer_than_it_is_good(scene: Scene) -> None:
    token = scene.portal.token(EVE)
    await ask(scene.client, identity=token)
    for seconds in (329, 1, 299):
        scene.clock.move(seconds=seconds)
        assert (await ask(scene.client, identity=token)).json()["code"] == "bad_identity"
    with scene.services.db.read() as session:
        ends = [row.expires_at for row in session.query(UsedToken).filter_by(clinic=CLINIC)]
    # What is forgotten at that time can open nothing any more: it ended more than the leeway ago.
    assert max(ends) - scene.started == timedelta(seconds=300 + LEEWAY + REMEMBERED)


async def test_the_same_number_of_another_clinic_is_another_token(scene: Scene) -> None:
    await ask(scene.client, identity=scene.portal.token(EVE, jti="same"))
    answer = await ask(scene.client, OPEN, identity=scene.portal.token(EVE, jti="same", aud="pne-tutor-open"))
    assert answer.status_code == 201


@pytest.mark.parametrize("clinic", [OPEN, OTHER, "demo"])
async def test_a_token_for_one_clinic_opens_no_other(scene: Scene, clinic: str) -> None:
    answer = await ask(scene.client, clinic, identity=scene.portal.token(ALICE))
    assert (answer.status_code, answer.json()["code"]) == (401, "bad_identity")
    leaks_nothing(answer, scene)
