"""The tutor over the patient API: its pages without Rasa, its journal, and that safety comes before all of it."""

from __future__ import annotations

from bot.store import learning
from bot.tutor import home
from bot.tutor.saying import payload
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
