"""Sessions of patients: whose they are, how they end, and that no kind opens a conversation of the other."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import event

from bot.web import patient as patient_api
from tests.support.patient_api import door, make_services
from tests.support.portal import CLINIC
from tests.support.signed import (
    ALICE,
    ALICES_NAME,
    DOORS,
    EVE,
    MARK,
    OPEN,
    Scene,
    ask,
    at_the_door,
    counted,
    enter,
    leaks_nothing,
    signed_out,
)  # fmt: skip


@pytest.fixture
async def scene(tmp_path: Path) -> AsyncIterator[Scene]:
    async with at_the_door(tmp_path) as made:
        yield made


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
    headers = await signed_out(scene)
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

    async def both_listen() -> None:
        while len(scene.services.hub._listeners.get(topic, ())) < 2:
            await asyncio.sleep(0.005)

    await asyncio.wait_for(both_listen(), 5.0)
    await scene.client.delete("/v1/session", headers=headers)
    assert await reading == "cut off"
    assert (await polling).status_code == 401


async def test_signing_out_on_one_device_leaves_the_other_signed_in(scene: Scene) -> None:
    elsewhere = await enter(scene.client, scene.services, identity=scene.portal.token(ALICE))
    await signed_out(scene)
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
    answers = await asyncio.gather(*(ask(scene.client, identity=scene.portal.token(EVE)) for _ in range(4)))
    inside = [answer.json() for answer in answers if answer.status_code != 503]  # a slow disk lets not everybody write
    assert inside and len({made["conversation"] for made in inside}) == 1
    assert len({made["session"] for made in inside}) == len(inside)


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
