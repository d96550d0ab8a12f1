"""A belief over the patient API: the number first, the answer when it is given, skipped or written past."""

from __future__ import annotations

import pytest

from bot.store import learning
from bot.web.services import Services
from tests.support import patient_api as talking
from tests.support.patient_api import Patient, after, ids

rasa, services, patient = talking.rasa, talking.services, talking.patient
TOLD = "my disc has slipped, i can feel it"


@pytest.fixture
def slipped(rasa: talking.ScriptedRasa) -> None:
    metadata = {"answer_id": "scans/slipped_disc", "version": "scans/slipped_disc.v1", "review": "pending"}
    rasa.replies = [{**talking.ANSWER, "metadata": metadata}]


async def number(patient: Patient, asked: dict, strength: int | None) -> list[dict]:
    form = asked["body"]["form"]
    sent = await patient.send(
        kind="answer", payload=f"form:{form}", reply_to=asked["seq"], answers={"strength": strength},
        client_id=patient.new_id(),
    )  # fmt: skip
    return await after(patient, sent)


async def test_the_answer_follows_the_number_and_the_number_comes_once_more(
    patient: Patient, services: Services, slipped: None
) -> None:
    (asked,) = await after(patient, await patient.say(TOLD))
    assert asked["body"]["form"] == "tutor_beliefs_m02_before"
    said = await number(patient, asked, 8)
    assert ids(said) == ["beliefs/noted", "scans/slipped_disc", "beliefs/after"]
    assert ids(await number(patient, said[-1], 5)) == ["beliefs/noted"]
    with services.db.read() as session:
        rows = [row.value for row in learning.journal(session, patient.conversation) if row.kind == "belief"]
    assert rows == [{"strength": 8, "point": "before"}, {"strength": 5, "point": "after"}]


async def test_the_answer_follows_where_the_number_is_skipped(patient: Patient, slipped: None) -> None:
    (asked,) = await after(patient, await patient.say(TOLD))
    assert ids(await number(patient, asked, None)) == ["beliefs/skipped", "scans/slipped_disc"]


async def test_the_answer_is_given_where_somebody_writes_past_the_number(patient: Patient, slipped: None) -> None:
    await after(patient, await patient.say(TOLD))
    assert "scans/slipped_disc" in ids(await after(patient, await patient.say("just tell me please")))
