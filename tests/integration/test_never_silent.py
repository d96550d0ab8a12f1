"""The patient is never left without a word: slow answers, slow databases, too many at once, a process that died."""

from __future__ import annotations

import asyncio
import threading
from dataclasses import replace
from typing import Any

import pytest

from bot.web import conversing
from bot.web import patient as patient_routes
from bot.web.services import Services
from bot.web.unanswered import GRACE, OLDEST, unanswered_watch
from tests.support import patient_api as talking
from tests.support.patient_api import QUESTION, RED, Patient, ScriptedRasa, after, ids, kinds

patient, rasa, services = talking.patient, talking.rasa, talking.services

ANSWERED = ["pain/why_it_persists"]


async def test_a_slow_answer_is_announced_and_still_comes(
    patient: Patient, rasa: ScriptedRasa, services: Services, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(conversing, "TOLD_AFTER", 0.01)
    rasa.gate = asyncio.Event()
    with services.hub.listen(f"conversation:{patient.conversation}") as shown:
        sent = await patient.say(QUESTION)
        assert await _unsaved(shown) == "notice/still_working"
    rasa.gate.set()
    assert ids(await after(patient, sent)) == ANSWERED


async def test_a_quick_answer_is_not_announced(patient: Patient, services: Services) -> None:
    sent = await patient.say(QUESTION)
    assert ids(await after(patient, sent)) == ANSWERED
    with services.hub.listen(f"conversation:{patient.conversation}") as queue:
        await asyncio.sleep(0)
        assert queue.empty()


async def test_a_turn_that_waits_for_an_earlier_one_is_announced_too(
    patient: Patient, rasa: ScriptedRasa, monkeypatch: pytest.MonkeyPatch, services: Services
) -> None:
    rasa.gate = asyncio.Event()
    await patient.say(QUESTION)
    monkeypatch.setattr(conversing, "TOLD_AFTER", 0.01)
    with services.hub.listen(f"conversation:{patient.conversation}") as shown:
        await patient.say("and what about my knee")
        assert await _unsaved(shown) == "notice/still_working"
    rasa.gate.set()
    await services.finish_turns(5)
    assert len(rasa.asked) == 2


async def test_too_many_at_once_are_told_so_and_kept(
    patient: Patient, rasa: ScriptedRasa, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(conversing, "MOST_WAITING", 0)
    assert ids(await after(patient, await patient.say(QUESTION))) == ["notice/too_busy"]
    assert rasa.asked == []
    # Safety words wait for nobody.
    assert kinds(await after(patient, await patient.say(RED))) == ["safety", "handoff"]


async def test_a_database_that_takes_long_is_named_in_time_and_nothing_is_lost_or_doubled(
    patient: Patient, services: Services, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(patient_routes, "TOLD_WITHIN", 0.2)
    gate, quick = threading.Event(), services.db

    def after_the_gate(**options: Any) -> Any:
        gate.wait(10)
        return quick.sessions(**options)

    services.db = replace(quick, sessions=after_the_gate)
    try:
        late = await patient.say(QUESTION, "the-same-one")
        assert (late.status_code, late.json()["code"]) == (503, "slow")
        assert ids(late.json()["events"]) == ["notice/slow_to_store"]
    finally:
        gate.set()
        services.db = quick
    again = await patient.say(QUESTION, "the-same-one")
    assert ids(await after(patient, again)) == ANSWERED
    said = [event for event in patient.stored() if event.client_id == "the-same-one"]
    assert len(said) == 1


async def test_a_slow_database_and_a_red_flag_bring_the_safety_words(
    patient: Patient, services: Services, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(patient_routes, "TOLD_WITHIN", 0.2)
    gate, quick = threading.Event(), services.db

    def after_the_gate(**options: Any) -> Any:
        gate.wait(10)
        return quick.sessions(**options)

    services.db = replace(quick, sessions=after_the_gate)
    try:
        late = await patient.say(RED)
        assert kinds(late.json()["events"])[0] == "safety"
    finally:
        gate.set()
        services.db = quick


async def test_what_a_dead_process_left_unanswered_is_answered_at_the_next_start(
    patient: Patient, rasa: ScriptedRasa, services: Services
) -> None:
    sent = await _left_behind(patient, services, rasa)
    look = unanswered_watch(services)
    assert await look() == 1
    assert ids(await after(patient, sent)) == ANSWERED
    assert await look() == 0


async def test_a_living_process_is_given_time_and_old_messages_are_left(
    patient: Patient, rasa: ScriptedRasa, services: Services
) -> None:
    look = unanswered_watch(services)
    await look()  # the look right after the start
    await _left_behind(patient, services, rasa)
    assert await look() == 0
    services.db.clock.move(seconds=GRACE.total_seconds() + 1)
    assert await look() == 1
    assert await look() == 0 or rasa.asked  # tried once, whatever came of it
    await services.finish_turns(5)
    await _left_behind(patient, services, rasa)
    services.db.clock.move(seconds=OLDEST.total_seconds() + 1)
    assert await look() == 0


async def test_nobody_is_answered_twice_while_rasa_is_away(
    patient: Patient, rasa: ScriptedRasa, services: Services, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def away() -> bool:
        return False

    sent = await _left_behind(patient, services, rasa)
    monkeypatch.setattr(rasa, "ready", away)
    look = unanswered_watch(services)
    assert await look() == 0
    monkeypatch.undo()
    assert await look() == 1  # it is still the first look: nothing was tried meanwhile
    assert ids(await after(patient, sent)) == ANSWERED


async def _left_behind(patient: Patient, services: Services, rasa: ScriptedRasa) -> Any:
    """A message in the log whose turn died with its process."""
    rasa.gate = asyncio.Event()
    rasa.hears.clear()
    sent = await patient.say(QUESTION)
    assert sent.status_code == 202
    await asyncio.wait_for(rasa.hears.wait(), 5)
    for turn in tuple(services._turns):
        turn.cancel()
    await asyncio.gather(*services._turns, return_exceptions=True)
    rasa.gate = None
    rasa.asked.clear()
    return sent


async def _unsaved(queue: asyncio.Queue[dict[str, Any]]) -> str:
    """The id of the next thing that is shown and not kept."""
    while True:
        item = await asyncio.wait_for(queue.get(), 10)
        if "unsaved" in item:
            return str(item["unsaved"]["body"]["answer_id"])
