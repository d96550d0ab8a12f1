"""The tutor over the patient API: its pages without Rasa, its journal, and that safety comes before all of it."""

from __future__ import annotations

import json
from datetime import timedelta
from typing import Any

import pytest

from bot.store import learning, rights
from bot.tutor import home
from bot.tutor.saying import payload
from bot.web import bodies, tutoring
from bot.web.alarms import append
from bot.web.services import Services
from tests.support import patient_api as talking
from tests.support.patient_api import RED, Patient, after, ids, kinds

rasa, services, patient = talking.rasa, talking.services, talking.patient


async def press(patient: Patient, payload: str) -> list[dict[str, object]]:
    return await after(patient, await patient.press(payload))


async def test_the_home_page_opens_at_any_time_and_needs_no_rasa(patient: Patient, rasa: talking.ScriptedRasa) -> None:
    said = await press(patient, payload("home"))
    assert ids(said) == ["home/home"] and kinds(said) == ["text"]
    assert said[0]["author"] == "bot" and not rasa.asked


async def test_stopping_says_that_all_is_kept(patient: Patient) -> None:
    assert ids(await press(patient, home.STOP)) == ["home/stopped"]


async def test_a_button_of_an_area_that_was_not_offered_is_refused(patient: Patient) -> None:
    assert (await patient.press("tutor:home:invented")).status_code == 409


async def test_a_hold_closes_the_tutor(patient: Patient) -> None:
    await patient.say(RED)
    said = await press(patient, payload("home"))
    assert kinds(said) == ["safety"]


async def test_the_journal_is_the_patients_own(patient: Patient, services: Services) -> None:
    with services.db.begin() as session:
        learning.record(session, patient.conversation, [("lesson", "alarm", None)])
    with services.db.read() as session:
        assert [row.key for row in learning.journal(session, patient.conversation)] == ["alarm"]


def offer(patient: Patient, awaits: str, kind: str = "text", **more: Any) -> None:
    """The tutor has asked for words."""
    body = bodies.body(kind, ["Asked."], answer_id="plan/asked", awaits=awaits, **more)
    with patient.services.db.begin() as session:
        append(session, patient.conversation, body)


ASIDES = (
    "I want to talk to someone now please", "can someone call me", "get me a human", "is this dangerous",
    "stop this please",
)  # fmt: skip


@pytest.mark.parametrize("words", ASIDES)
@pytest.mark.parametrize("awaits", ["plan:activity", "alarm_map:own", "scan:report", "course:teach_back:alarm"])
async def test_words_that_ask_for_something_else_go_to_the_assistant(
    patient: Patient, rasa: talking.ScriptedRasa, awaits: str, words: str
) -> None:
    offer(patient, awaits)
    await after(patient, await patient.say(words))
    assert [asked["text"] for asked in rasa.asked] == [words]
    own = [event for event in patient.stored() if event.author == "patient"]
    assert own[-1].body["text"] == words


async def test_a_pasted_report_is_written_nowhere(patient: Patient, services: Services, rasa: Any) -> None:
    offer(patient, "scan:report")
    report = "Mild disc bulge at L4/5 quimbyword. Small annular fissure."
    await after(patient, await patient.say(report))
    assert not rasa.asked
    with services.db.read() as session:
        assert "quimbyword" not in json.dumps(rights.kept(session, patient.conversation))


async def test_a_report_that_comes_a_message_later_is_written_nowhere_either(
    patient: Patient, services: Services, rasa: Any
) -> None:
    offer(patient, "scan:report")
    await after(patient, await patient.say("where do I find it?"))
    report = "Mild disc bulge at L4/5. Small annular fissure at L5. Facet joint changes, quimbyword, mild."
    await after(patient, await patient.say(report))
    assert len(rasa.asked) == 1
    with services.db.read() as session:
        assert "quimbyword" not in json.dumps(rights.kept(session, patient.conversation))


async def test_nothing_is_offered_while_a_safety_question_is_open(patient: Patient, services: Services) -> None:
    with services.db.begin() as session:
        learning.record(session, patient.conversation, [("flare", "used", {"used": True})])
    services.db.clock.at += timedelta(days=1)
    asked = await press(patient, bodies.CHECK_START)
    assert kinds(asked) == ["question"]
    await tutoring.on_return(services, patient.conversation, services.clinic("demo"))
    assert patient.stored()[-1].body["answer_id"] == asked[-1]["body"]["answer_id"]


async def test_a_wish_for_a_person_brings_no_chips(patient: Patient, rasa: Any) -> None:
    handoff = {"text": "Passed on.", "metadata": {"answer_id": "handoff/made", "version": "v1"}}
    rasa.replies = [handoff]
    words = "please let me talk to a person, i cannot sleep at all and have so much stress"
    await after(patient, await patient.say(words))
    said = [event.body for event in patient.stored()][3:]
    assert not any("form" in body or "tutor:" in json.dumps(body) for body in said)


async def test_an_area_asked_for_in_words_opens_and_keeps_the_check(patient: Patient, rasa: Any) -> None:
    about = {"answer_id": "control/open_plan.1", "check_first": True}
    rasa.replies = [{"text": "Your plan is ready.", "metadata": about}]
    said = await after(patient, await patient.say("show me my plan, the pain has changed"))
    assert said[-1]["body"]["answer_id"].startswith("plan/")
    assert bodies.CHECK_START in [one["payload"] for one in said[-1]["body"]["buttons"]]


async def test_a_question_about_a_pasted_report_keeps_it_only_while_it_is_open(
    patient: Patient, services: Services, rasa: Any
) -> None:
    offer(patient, "scan:report")
    report = "Mild disc bulge at L4/5. Spinal cord compression at T9, quimbyword."
    (question,) = await after(patient, await patient.say(report))
    assert question["body"]["kind"] == "question"
    no = next(one["payload"] for one in question["body"]["buttons"] if one["payload"].endswith(":no"))
    said = await press(patient, no)
    assert [one for one in ids(said) if one.startswith("scan/")] and not rasa.asked
    with services.db.read() as session:
        assert "quimbyword" not in json.dumps(rights.kept(session, patient.conversation)["events"])
