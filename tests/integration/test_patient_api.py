"""The patient API over a real database, with a scripted Rasa: what a patient gets whatever goes wrong."""

from __future__ import annotations

import asyncio
import json
import threading
from collections.abc import AsyncIterator
from dataclasses import replace
from typing import Any

import pytest

from bot import safety
from bot.handoff.steps import claim
from bot.web import bodies, turns
from bot.web import patient as patient_api
from bot.web.assistant import AssistantUnavailable
from bot.web.bodies import PERSON, SAFETY_RELEASE
from bot.web.conversing import answer_later
from bot.web.incoming import Incoming, unsaved
from bot.web.plan import Plan
from bot.web.services import Services
from tests.support import patient_api as talking
from tests.support.database import add_person
from tests.support.patient_api import (
    QUESTION,
    RED,
    Patient,
    ScriptedRasa,
    broken,
    door,
    failing_at,
    ids,
    kinds,
)

patient, rasa, services = talking.patient, talking.rasa, talking.services


async def frame_with(live: AsyncIterator[str], text: str) -> str:
    async for frame in live:
        if text in frame:
            return frame
    raise AssertionError(f"the stream ended without {text}")


# Turns


async def test_a_question_gets_rasas_answer(patient: Patient, rasa: ScriptedRasa) -> None:
    seq = (await patient.say(QUESTION)).json()["seq"]
    (answer,) = await patient.heard(seq)
    assert (answer["author"], answer["body"]["bubbles"]) == ("bot", ["One.", "Two."])
    assert rasa.asked[0]["reading"] == {"texts": [QUESTION]}
    assert (rasa.asked[0]["clinic"], rasa.asked[0]["payload"]) == ("demo", "")
    assert (await patient.press("/life/sleep")).status_code == 202
    await patient.heard()
    assert (rasa.asked[1]["payload"], rasa.asked[1]["reading"]) == ("/life/sleep", None)


async def test_an_alarm_is_answered_and_passed_on_before_the_answer_to_the_request(
    patient: Patient, rasa: ScriptedRasa
) -> None:
    rasa.gate = asyncio.Event()  # Rasa never answers
    response = await patient.say(RED)
    assert response.status_code == 202
    shown = await patient.read(response.json()["seq"])
    assert kinds(shown) == ["safety", "handoff"]
    assert shown[0]["body"]["tier"] == "T1" and shown[0]["body"]["calls"][0]["tel"] == "999"
    assert shown[1]["body"]["state"] == "waiting"
    (item,) = patient.handoffs()
    assert (item.tier, item.words, item.numbers_shown) == ("T1", RED, ["999"])
    rasa.gate.set()
    assert "text" not in kinds(await patient.heard(response.json()["seq"]))


async def test_a_red_flag_is_answered_before_consent_and_a_question_is_not(services: Services) -> None:
    async with door(services) as client:
        patient = Patient(client, services)
        await patient.open()
        refused = await patient.say(QUESTION)
        assert (refused.status_code, refused.json()["code"]) == (409, "consent_needed")
        assert len(patient.stored()) == 1  # the notice alone
        assert (await patient.say(RED)).status_code == 202
        assert kinds(await patient.heard(1)) == ["safety", "handoff"]


async def test_the_same_message_twice_is_one_message(patient: Patient, rasa: ScriptedRasa) -> None:
    first, second = await asyncio.gather(*(patient.say(RED, client_id="the-same-id") for _ in range(2)))
    assert first.json() == second.json()
    assert (await patient.say(RED, client_id="the-same-id")).json() == first.json()
    assert kinds(await patient.heard(first.json()["seq"])) == ["safety", "handoff"]
    assert len(patient.handoffs()) == 1
    assert len(rasa.asked) == 1


async def test_the_same_alarm_again_is_added_to_the_open_handoff(patient: Patient) -> None:
    await patient.say(RED)
    second = await patient.say(RED + " and it is worse")
    shown = await patient.read(second.json()["seq"])
    assert ids(shown)[1] == "handoff/handoff_again"
    assert len(patient.handoffs()) == 1


async def test_lessons_stay_closed_after_an_alarm_until_the_person_is_safe(
    patient: Patient, rasa: ScriptedRasa
) -> None:
    await patient.say(RED)
    seq = (await patient.say(QUESTION)).json()["seq"]
    assert ids(await patient.heard(seq)) == ["safety/safety_hold"]
    seq = (await patient.press(SAFETY_RELEASE)).json()["seq"]
    assert ids(await patient.heard(seq)) == ["notice/safety_released"]
    seq = (await patient.say(QUESTION)).json()["seq"]
    assert ids(await patient.heard(seq)) == ["pain/why_it_persists"]


async def test_asking_for_a_person_reaches_one(patient: Patient) -> None:
    seq = (await patient.press(PERSON)).json()["seq"]
    assert ids(await patient.heard(seq))[0] == "handoff/handoff_waiting_person"
    (item,) = patient.handoffs()
    assert (item.tier, item.category) == ("T4", "contact")


# Rasa fails


@pytest.mark.parametrize("error", [AssistantUnavailable("no replies"), KeyError("anything else")])
async def test_without_rasa_it_is_said_and_a_person_is_offered(
    patient: Patient, rasa: ScriptedRasa, error: Exception
) -> None:
    rasa.error = error
    seq = (await patient.say(QUESTION)).json()["seq"]
    (told,) = await patient.heard(seq)
    assert told["body"]["answer_id"] == "notice/cannot_answer"
    assert [button["payload"] for button in told["body"]["buttons"]] == [PERSON]
    assert (await patient.press(PERSON)).status_code == 202
    assert len(patient.handoffs()) == 1


async def test_replies_that_cannot_be_shown_and_messages_that_cannot_be_read_are_no_silence(
    patient: Patient, rasa: ScriptedRasa, services: Services
) -> None:
    rasa.replies = [{"text": "x", "buttons": [{"title": "no payload"}]}]
    seq = (await patient.say(QUESTION)).json()["seq"]
    assert ids(await patient.heard(seq)) == ["notice/cannot_answer"]

    def unreadable(_text: str) -> dict[str, Any]:
        raise RuntimeError("no encoder")

    services.read_message = unreadable
    seq = (await patient.say(QUESTION)).json()["seq"]
    assert ids(await patient.heard(seq)) == ["notice/cannot_answer"]


async def test_an_alarm_needs_no_rasa(patient: Patient, rasa: ScriptedRasa) -> None:
    rasa.error = AssistantUnavailable("down")
    seq = (await patient.say(RED)).json()["seq"]
    assert kinds(await patient.heard(seq)) == ["safety", "handoff"]


async def test_a_person_who_takes_over_while_rasa_thinks_is_not_spoken_over(
    patient: Patient, rasa: ScriptedRasa, services: Services
) -> None:
    rasa.gate = asyncio.Event()
    seq = (await patient.say(QUESTION)).json()["seq"]
    await rasa.hears.wait()
    await patient.press(PERSON)
    (item,) = patient.handoffs()
    claim(services.db, item.id, add_person(services.db, "lee"), item.version)
    rasa.gate.set()
    assert "text" not in kinds(await patient.heard(seq))
    rasa.asked.clear()
    seq = (await patient.say("/restart")).json()["seq"]
    assert await patient.heard(seq) == []
    assert rasa.asked == []


async def test_an_alarm_while_rasa_thinks_drops_the_lesson(patient: Patient, rasa: ScriptedRasa) -> None:
    rasa.gate = asyncio.Event()
    seq = (await patient.say(QUESTION)).json()["seq"]
    await rasa.hears.wait()
    await patient.say(RED)
    rasa.gate.set()
    assert kinds(await patient.heard(seq)) == ["safety", "handoff"]


# The database fails


async def test_wherever_the_database_fails_the_words_come_and_nothing_is_half_done(
    patient: Patient, services: Services
) -> None:
    before = len(patient.stored())
    for number in range(200):
        with failing_at(services.db, number) as tried:
            response = await patient.say(RED, client_id="the-same-id")
            await services.finish_turns(5.0)
        if len(tried) < number or response.status_code == 202:
            break  # nothing of the message was left to fail
        assert response.status_code == 503, number
        words, truth = response.json()["events"]
        assert (words["body"]["kind"], words["seq"]) == ("safety", None)
        assert (truth["body"]["state"], truth["body"]["answer_id"]) == ("failed", "handoff/not_stored_safety")
        assert len(patient.stored()) == before
        assert patient.handoffs() == []
    assert number > 10
    assert kinds(await patient.heard(before)) == ["safety", "handoff"]
    assert len(patient.handoffs()) == 1


@pytest.mark.parametrize(("reads", "writes"), [(True, True), (False, True)])
async def test_without_a_database_words_come_with_the_error(
    patient: Patient, services: Services, reads: bool, writes: bool
) -> None:
    whole, services.db = services.db, broken(services.db, reads=reads, writes=writes)
    red, quiet = await patient.say(RED), await patient.say(QUESTION)
    assert (red.status_code, quiet.status_code) == (503, 503)
    assert red.headers["content-type"] == "application/problem+json"
    assert kinds(red.json()["events"]) == ["safety", "handoff"]
    assert ids(quiet.json()["events"]) == ["notice/not_stored"]
    session = await patient.client.post("/v1/session", json={"clinic": "demo"})
    assert session.status_code == 503
    if reads:
        events = await patient.client.get(patient.path("events?wait=0"), headers=patient.headers())
        assert (events.status_code, events.json()["code"]) == (503, "not_stored")
    services.db = whole
    assert patient.handoffs() == []


async def test_a_message_that_cannot_be_screened_is_not_taken_in_silence(
    patient: Patient, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken_screen(*_args: Any) -> Any:
        raise ValueError("rules")

    monkeypatch.setattr(safety, "screen", broken_screen)
    response = await patient.say(RED)
    assert response.status_code == 503
    assert ids(response.json()["events"]) == ["notice/not_stored"]
    assert "999" in response.json()["events"][0]["body"]["fallback_text"]


async def test_an_answer_that_cannot_be_written_is_owned_up_to(
    patient: Patient, rasa: ScriptedRasa, services: Services
) -> None:
    rasa.gate = asyncio.Event()
    live = patient_api._stream(services, patient.conversation, 100)
    await anext(live)
    await patient.say(QUESTION)
    await rasa.hears.wait()
    services.db = broken(services.db, reads=False)
    rasa.gate.set()
    shown = await frame_with(live, '"seq": null')
    assert "notice/cannot_answer" in shown
    await live.aclose()


@pytest.mark.parametrize("part", ["sessions", "readers"])
async def test_a_slow_database_does_not_hold_up_safety_words(
    patient: Patient, services: Services, monkeypatch: pytest.MonkeyPatch, part: str
) -> None:
    monkeypatch.setattr(turns, "PATIENCE", 0.01)
    gate, quick = threading.Event(), services.db

    def after_the_gate(**options: Any) -> Any:
        gate.wait(10)
        return getattr(quick, part)(**options)

    incoming = Incoming(patient.conversation, services.clinic("demo"), "message-9999", RED)
    with services.hub.listen(f"conversation:{patient.conversation}") as queue:
        services.db = replace(quick, **{part: after_the_gate})
        sending = asyncio.create_task(turns.receive(services, incoming))
        words = (await queue.get())["unsaved"]
        assert (words["seq"], words["body"]["kind"], words["body"]["tier"]) == (None, "safety", "T1")
        assert not sending.done()
    gate.set()
    seq = await sending
    services.db = quick
    assert kinds(await patient.heard(seq)) == ["safety", "handoff"]


async def test_early_words_reach_a_stream_and_a_long_poll(patient: Patient, services: Services) -> None:
    after = len(patient.stored())
    live = patient_api._stream(services, patient.conversation, after)
    await anext(live)
    streaming = asyncio.create_task(frame_with(live, '"seq": null'))
    polling = asyncio.create_task(patient.read(after, wait=20))
    topic = f"conversation:{patient.conversation}"
    while len(services.hub._listeners.get(topic, ())) < 2:
        await asyncio.sleep(0.005)
    early = unsaved(services, bodies.notice("busy", services.clinic("demo"), services.wording))
    services.hub.wake(topic, {"unsaved": early})
    assert (await polling) == [early]
    assert json.loads((await streaming).split("data: ", 1)[1]) == early
    await live.aclose()


async def test_a_quick_database_shows_words_once(patient: Patient, services: Services) -> None:
    with services.hub.listen(f"conversation:{patient.conversation}") as queue:
        await patient.say(RED)
        await patient.heard()
        woken = [queue.get_nowait() for _ in range(queue.qsize())]
    assert not [item for item in woken if "unsaved" in item]


async def test_a_message_that_a_crash_left_unanswered_is_answered_when_it_comes_again(
    patient: Patient, services: Services, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as crashed:
        crashed.setattr(services, "in_order", lambda _conversation, turn: turn.close())
        seq = (await patient.say(QUESTION, "message-crash")).json()["seq"]
    assert await patient.heard(seq) == []
    for _ in range(2):
        assert (await patient.say(QUESTION, "message-crash")).json() == {"seq": seq}
        assert ids(await patient.heard(seq)) == ["pain/why_it_persists"]


async def test_a_turn_that_runs_twice_says_nothing_twice(patient: Patient, services: Services) -> None:
    seq = (await patient.say(QUESTION, "message-twice")).json()["seq"]
    await services.finish_turns(5.0)
    clinic = services.clinic("demo")
    incoming = Incoming(patient.conversation, clinic, "message-twice", QUESTION)
    answer_later(services, incoming, Plan("converse", text=QUESTION), turns.screen(incoming))
    assert ids(await patient.heard(seq)) == ["pain/why_it_persists"]


async def test_a_red_flag_with_an_expired_session_still_gets_its_words(patient: Patient) -> None:
    patient.token = "expired"
    answer = await patient.say(RED)
    assert (answer.status_code, answer.json()["code"]) == (401, "no_session")
    assert kinds(answer.json()["events"]) == ["safety", "handoff"]
    assert answer.json()["events"][1]["body"]["state"] == "failed"
    assert "events" not in (await patient.say(QUESTION)).json()
