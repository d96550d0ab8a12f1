"""The course over the patient API: its messages fit the schema, its state is kept, and safety closes it."""

from __future__ import annotations

import json

import jsonschema
import pytest

from bot.settings import ROOT
from tests.support import course as small
from tests.support import patient_api as talking
from tests.support.patient_api import RED, Patient, after, ids, kinds

rasa, services, patient = talking.rasa, talking.services, talking.patient
small_course = small.small_course
pytestmark = pytest.mark.usefixtures("small_course")
SCHEMA = json.loads((ROOT / "widget" / "events.schema.json").read_text())
CHECK = jsonschema.Draft202012Validator({"$defs": SCHEMA["$defs"], **SCHEMA["$defs"]["body"]})


async def press(patient: Patient, payload: str) -> list[dict[str, object]]:
    said = await after(patient, await patient.press(payload))
    for event in said:
        assert not list(CHECK.iter_errors(event["body"])), event
    return said


async def test_a_lesson_from_the_first_opening_to_own_words(patient: Patient, rasa: talking.ScriptedRasa) -> None:
    assert kinds(await press(patient, "tutor:course")) == ["questionnaire"]
    await press(patient, "tutor:course:skip_matters")
    await press(patient, "tutor:course:open:alarm")
    step = "text_2"
    for step in ("text_2", "picture", "metaphor", "story", "question_1", "question_2", "action", "teach_back"):
        said = await press(patient, f"tutor:course:go:alarm:{step}")
    told = await after(patient, await patient.say("pain is an alarm that protects you"))
    assert ids(told) == ["lesson/alarm.heard"] and not rasa.asked
    assert ids(said) == ["lesson/alarm.teach_back"]
    said = await press(patient, "tutor:course:go:alarm:end")
    assert ids(said) == ["lesson/alarm.end", "course/ask_returns"]


async def test_a_question_in_a_lesson_is_answered_with_the_way_back(patient: Patient) -> None:
    await press(patient, "tutor:course")
    await press(patient, "tutor:course:skip_matters")
    await press(patient, "tutor:course:open:alarm")
    said = await after(patient, await patient.say(talking.QUESTION))
    assert said[-1]["body"]["buttons"][-1]["payload"] == "tutor:course:go:alarm:text_1"


async def test_a_red_flag_in_a_lesson_closes_it(patient: Patient) -> None:
    await press(patient, "tutor:course")
    await press(patient, "tutor:course:skip_matters")
    await press(patient, "tutor:course:open:alarm")
    said = await after(patient, await patient.say(RED))
    assert "safety" in kinds(said)
    assert kinds(await press(patient, "tutor:course:open:alarm")) == ["safety"]
