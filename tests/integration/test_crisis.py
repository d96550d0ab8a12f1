"""A crisis in the chat: the words and the numbers at once, then one direct question, and what its answers bring."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from bot import screening
from bot.web.bodies import PERSON, answer_payload
from tests.support.patient_api import Patient, ScriptedRasa, accepted, after, ids, kinds, make_services


@pytest.fixture(autouse=True)
def rules_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    """These tests are about the turns, not about what the soft layer learns."""
    monkeypatch.setattr(screening, "soft_layer", lambda: None)


@pytest.fixture
async def patient(tmp_path: Path) -> AsyncIterator[Patient]:
    async with accepted(make_services(tmp_path, ScriptedRasa())) as made:
        yield made


CRISIS = "I want to die"


async def test_a_crisis_is_followed_by_one_direct_question_with_four_answers(patient: Patient) -> None:
    told = await after(patient, await patient.say(CRISIS))
    assert kinds(told) == ["safety", "handoff", "question"]
    assert [len(told[place]["body"].get("calls", ())) > 0 for place in (0, 2)] == [True, True]
    assert len(told[2]["body"]["buttons"]) == 4
    assert kinds(await after(patient, await patient.say(CRISIS))) == ["safety", "handoff"], "it is asked once"


@pytest.mark.parametrize(
    ("answer", "kinds_told"),
    [("now", ["safety", "handoff"]), ("sometimes", ["safety", "handoff"]), ("no", ["safety"])],
)
async def test_an_answer_has_its_words_and_lessons_stay_closed(patient, answer: str, kinds_told: list[str]) -> None:
    asked_for = (await after(patient, await patient.say(CRISIS)))[2]
    payload = next(one["payload"] for one in asked_for["body"]["buttons"] if one["payload"].endswith(f":{answer}"))
    told = await after(patient, await patient.press(payload))
    assert kinds(told) == kinds_told and ids(told)[0] == f"safety/RF34.{answer}.v2"
    assert told[0]["body"]["buttons"] == [{"title": "Talk to a person", "payload": PERSON}]
    assert len(patient.handoffs()) == 1
    assert ids(await after(patient, await patient.say("why does it hurt"))) == ["safety/safety_hold_crisis"]


async def test_a_typed_yes_to_the_direct_question_is_the_gravest_answer(patient: Patient) -> None:
    await after(patient, await patient.say(CRISIS))
    assert ids(await after(patient, await patient.say("yes")))[0] == "safety/RF34.now.v2"
    assert ids(await after(patient, await patient.say("yes"))) == ["safety/safety_hold_crisis"]
    assert ids(await after(patient, await patient.say("yes"))) == ["notice/safety_released"]


async def test_a_soft_crisis_question_is_answered_in_its_own_words(patient: Patient) -> None:
    await after(patient, await patient.say("I give up"))
    told = await after(patient, await patient.press(answer_payload("RF34", "sometimes")))
    assert (kinds(told), ids(told)[0]) == (["safety", "handoff"], "safety/RF34.sometimes.v2")
    (item,) = patient.handoffs()
    assert (item.category, item.message_shown) == ("RF34", "safety/RF34.sometimes.v2"), "what was really shown"
