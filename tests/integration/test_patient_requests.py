"""The patient API at its edges: what is refused, and how a page reads along and goes on where it was."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from bot.store import events
from bot.web import patient as patient_api
from bot.web.bodies import answer_payload
from bot.web.services import Services
from tests.support.patient_api import QUESTION, RED, Patient, ScriptedRasa, accepted, door, ids, kinds, make_services


@pytest.fixture
def services(tmp_path: Path) -> Services:
    return make_services(tmp_path, ScriptedRasa())


@pytest.fixture
async def patient(services: Services) -> AsyncIterator[Patient]:
    """A patient who has read the first-run notice."""
    async with accepted(services) as made:
        yield made


# Requests that are refused


@pytest.mark.parametrize(
    ("body", "status", "code"),
    [
        ({}, 422, "bad_field"),
        ({"kind": "song", "client_id": "abcdefgh"}, 422, "bad_field"),
        ({"kind": "text", "client_id": "short", "text": "x"}, 422, "bad_field"),
        ({"kind": "text", "client_id": "abcdefgh"}, 422, "bad_field"),
        ({"kind": "text", "client_id": "abcdefgh", "text": 7}, 422, "bad_field"),
        ({"kind": "text", "client_id": "abcdefgh", "text": "x", "reply_to": True}, 422, "bad_field"),
        ({"kind": "text", "client_id": "abcdefgh", "text": " \n "}, 422, "empty"),
        ({"kind": "text", "client_id": "abcdefgh", "text": "x" * 4001}, 422, "too_long"),
        ({"kind": "button", "client_id": "abcdefgh", "payload": "/life/sleep"}, 409, "not_offered"),
        ({"kind": "button", "client_id": "abcdefgh", "payload": "/" + "x" * 300}, 422, "too_long"),
        ({"kind": "button", "client_id": "abcdefgh", "payload": answer_payload("RF01", "no")}, 409, "not_offered"),
    ],
)
async def test_what_is_refused_is_said_so_and_leaves_nothing(
    patient: Patient, body: dict[str, Any], status: int, code: str
) -> None:
    before = len(patient.stored())
    response = await patient.send(**body)
    assert (response.status_code, response.json()["code"]) == (status, code)
    assert {"type", "title", "status", "detail"} <= set(response.json())
    assert len(patient.stored()) == before


@pytest.mark.parametrize(
    ("raw", "status", "code"),
    [
        (b"", 400, "not_json"),
        (b"[1]", 400, "not_json"),
        (b"\xff\xfe", 400, "not_json"),
        (b"[" * 20_000, 400, "not_json"),
        (b"{" + b" " * 1_000_000 + b"}", 413, "too_large"),
    ],
)
async def test_a_body_that_is_no_message(patient: Patient, raw: bytes, status: int, code: str) -> None:
    response = await patient.client.post(patient.path("messages"), content=raw, headers=patient.headers())
    assert (response.status_code, response.json()["code"]) == (status, code)


async def test_a_body_that_does_not_end_is_cut_off(patient: Patient) -> None:
    taken = 0

    async def endless() -> AsyncIterator[bytes]:
        nonlocal taken
        while taken < 10_000:
            taken += 1
            yield b"x" * 1000

    response = await patient.client.post(patient.path("messages"), content=endless(), headers=patient.headers())
    assert response.status_code == 413
    assert taken < 100


async def test_the_longest_message_and_odd_characters_are_taken(patient: Patient) -> None:
    for text in ("x" * 4000, "\ud83d it hurts \x00", "ü" * 2000, "/restart", "<script>alert(1)</script>"):
        body = json.dumps({"kind": "text", "client_id": patient.new_id(), "text": text})
        response = await patient.client.post(patient.path("messages"), content=body, headers=patient.headers())
        assert response.status_code == 202, text[:20]
    await patient.heard()


@pytest.mark.parametrize("token", ["", "Bearer", "Bearer wrong", "Basic abc", "Bearer é"])
async def test_a_wrong_token_opens_nothing(patient: Patient, token: str) -> None:
    headers = {"Authorization": token.encode("latin-1")} if token else {}
    message = {"kind": "text", "client_id": "abcdefgh", "text": "x"}
    for call in (
        patient.client.post(patient.path("messages"), headers=headers, json=message),
        patient.client.get(patient.path("events?wait=0"), headers=headers),
    ):
        response = await call
        assert (response.status_code, response.json()["code"]) == (401, "no_session")


async def test_nobody_reads_or_writes_another_conversation(patient: Patient, services: Services) -> None:
    other = Patient(patient.client, services)
    await other.open()
    mine, patient.conversation = patient.conversation, other.conversation
    refused = await patient.say("hello")
    assert (refused.status_code, refused.json()["code"]) == (404, "not_yours")
    events = await patient.client.get(patient.path("events?wait=0"), headers=patient.headers())
    assert events.status_code == 404
    patient.conversation = mine
    assert len(other.stored()) == 1


async def test_a_red_flag_in_a_message_that_is_too_long_is_not_swallowed(patient: Patient) -> None:
    response = await patient.say(RED + " and then " * 500)
    assert (response.status_code, response.json()["code"]) == (422, "too_long")
    assert kinds(response.json()["events"]) == ["safety", "handoff"]


async def test_too_many_messages_wait_but_a_red_flag_gets_its_words(tmp_path: Path) -> None:
    services = make_services(tmp_path, ScriptedRasa(), per_conversation=2)
    async with door(services) as client:
        patient = Patient(client, services)
        await patient.open()
        await patient.accept()
        await patient.say(QUESTION)
        refused = await patient.say(QUESTION)
        assert (refused.status_code, refused.json()["code"]) == (429, "too_many")
        assert 1 <= int(refused.headers["retry-after"]) <= 61
        assert ids(refused.json()["events"]) == ["notice/busy"]
        red = await patient.say(RED)
        assert kinds(red.json()["events"]) == ["safety", "handoff"]
        assert red.json()["events"][1]["body"]["state"] == "failed"
        await patient.heard()


# Reading along


async def test_a_stream_brings_a_long_history_without_being_woken(patient: Patient, services: Services) -> None:
    with services.db.begin() as session:
        for number in range(450):
            body = {"kind": "text", "bubbles": [str(number)], "fallback_text": str(number)}
            added = events.append_event(
                session, patient.conversation, type=events.MESSAGE, author=events.BOT, body=body
            )
            last = added.event.seq
    live = patient_api._stream(services, patient.conversation, 0)
    numbers = []
    while last not in numbers:
        frame = await asyncio.wait_for(live.__anext__(), 10)
        numbers += [int(line[4:]) for line in frame.splitlines() if line.startswith("id: ")]
    await live.aclose()
    assert numbers == list(range(1, last + 1))


async def test_a_stream_goes_on_after_the_last_event_that_was_seen(patient: Patient, services: Services) -> None:
    await patient.say(QUESTION)
    last = (await patient.heard())[-1]["seq"]
    asking = asyncio.create_task(
        patient.client.get(patient.path("events"), headers={**patient.headers(), "Last-Event-ID": str(last - 1)})
    )
    while f"conversation:{patient.conversation}" not in services.hub._listeners:
        await asyncio.sleep(0.005)
    await patient.say(QUESTION)
    await patient.heard()
    services.stopping.set()  # streams of an app that stops end by themselves
    services.news(patient.conversation)
    response = await asking
    assert response.headers["content-type"].startswith("text/event-stream")
    assert response.headers["cache-control"] == "no-store"
    numbers = [int(line[4:]) for line in response.text.splitlines() if line.startswith("id: ")]
    assert numbers[:3] == [last, last + 1, last + 2]
    assert 'event: status\ndata: {"open": true}' in response.text


async def test_a_long_poll_waits_for_news_and_comes_back_empty_without(patient: Patient, services: Services) -> None:
    after = len(patient.stored())
    assert await patient.read(after) == []
    polling = asyncio.create_task(patient.read(after, wait=20))
    while f"conversation:{patient.conversation}" not in services.hub._listeners:
        await asyncio.sleep(0.005)
    await patient.say("hello there")
    assert (await polling)[0]["body"]["text"] == "hello there"
    await patient.heard()


@pytest.mark.parametrize("query", ["after=-1", "after=x", "after=1e3", "after=٣", "wait=x", "after=" + "9" * 30])
async def test_numbers_that_are_none_are_refused(patient: Patient, query: str) -> None:
    response = await patient.client.get(patient.path(f"events?wait=0&{query}"), headers=patient.headers())
    assert (response.status_code, response.json()["code"]) == (422, "bad_field")


async def test_a_session_is_found_again_by_its_token(patient: Patient) -> None:
    again = await patient.client.post("/v1/session", json={"clinic": "demo", "token": patient.token})
    assert (again.status_code, again.json()["conversation"]) == (200, patient.conversation)
    lost = await patient.client.post("/v1/session", json={"clinic": "demo", "token": "unknown"})
    assert lost.status_code == 201
    nowhere = await patient.client.post("/v1/session", json={"clinic": "nowhere"})
    assert (nowhere.status_code, nowhere.json()["code"]) == (404, "unknown_clinic")
