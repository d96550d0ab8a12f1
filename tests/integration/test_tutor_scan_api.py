"""Report words over the patient API: what is written down of a pasted report, the locks, the way to the check."""

from __future__ import annotations

import json

from bot.store import learning
from bot.tutor import scan
from bot.tutor.saying import payload
from bot.web.services import Services
from tests.support import patient_api as talking
from tests.support.patient_api import Patient, after, ids, kinds

rasa, services, patient = talking.rasa, talking.services, talking.patient
HARMLESS = "Mr Quimby, lumbar spine: L4/5 disc bulge and facet arthropathy."
GRAVE = "Mr Quimby, lumbar spine: L4/5 disc bulge, and a lesion of uncertain nature in L2."


async def press(patient: Patient, payload: str) -> list[dict]:
    return await after(patient, await patient.press(payload))


async def to_paste(patient: Patient, worry: int | None = 6) -> None:
    """Past the worry, to where words are awaited."""
    assert await opened(patient)
    (asked,) = await press(patient, payload("scan", "paste"))
    form = asked["body"]["form"]
    sent = await patient.send(
        kind="answer", payload=f"form:{form}", reply_to=asked["seq"], answers={"worry": worry},
        client_id=patient.new_id(),
    )  # fmt: skip
    assert ids(await after(patient, sent)) == ["scan/paste"]


async def opened(patient: Patient) -> bool:
    return ids(await press(patient, payload("scan"))) == ["scan/open"]


async def pasted(patient: Patient, text: str) -> list[dict]:
    await to_paste(patient)
    return await after(patient, await patient.say(text))


def journal(patient: Patient, services: Services) -> list[tuple]:
    with services.db.read() as session:
        return [(row.kind, row.key, row.value) for row in learning.journal(session, patient.conversation)]


async def test_a_pasted_report_is_explained_and_not_written_down(
    patient: Patient, services: Services, rasa: talking.ScriptedRasa
) -> None:
    said = await pasted(patient, HARMLESS)
    assert ids(said) == ["scan/ask_age"]
    age = next(one["payload"] for one in said[0]["body"]["buttons"] if ":50:" in one["payload"])
    said = await press(patient, age)
    assert ids(said) == ["scan/word/disc_bulge"] and said[0]["body"]["picture"]["src"].endswith(".svg")
    stored = json.dumps([event.body for event in patient.stored()])
    assert "Quimby" not in stored and not rasa.asked
    assert "Quimby" not in json.dumps(journal(patient, services))


async def test_a_serious_word_locks_and_only_its_group_is_noted(patient: Patient, services: Services) -> None:
    said = await pasted(patient, GRAVE)
    assert ids(said) == ["scan/locked_today"]
    assert "picture" not in said[0]["body"] and "{" not in "".join(said[0]["body"]["bubbles"])
    assert (scan.LOCK, "growth", "today") in journal(patient, services)
    assert "Quimby" not in json.dumps([event.body for event in patient.stored()])
    assert ids(await press(patient, payload("scan"))) == ["scan/locked_again"]


async def test_the_check_and_a_person_are_offered_behind_the_lock(patient: Patient) -> None:
    (locked,) = await pasted(patient, GRAVE)
    buttons = [one["payload"] for one in locked["body"]["buttons"]]
    assert buttons[:2] == ["tutor:scan:check", scan.ASK_PERSON]
    assert kinds(await press(patient, buttons[0])) and len(patient.handoffs()) == 0
    await press(patient, scan.ASK_PERSON)
    assert len(patient.handoffs()) == 1


async def test_symptoms_typed_with_a_report_go_to_safety_first(patient: Patient, services: Services) -> None:
    said = await pasted(patient, f"{HARMLESS} {talking.RED}")
    assert "safety" in kinds(said) and not any(one.startswith("scan/") for one in ids(said))
    assert ids(await press(patient, payload("scan")))[0].startswith("safety/")


async def test_a_number_that_is_skipped_leads_on(patient: Patient, services: Services) -> None:
    assert await opened(patient)
    await to_paste(patient, worry=None)
    assert (scan.WORRY, scan.BEFORE, None) in journal(patient, services)


async def test_a_question_instead_of_a_report_is_answered_by_the_assistant(
    patient: Patient, rasa: talking.ScriptedRasa
) -> None:
    await to_paste(patient)
    await after(patient, await patient.say("why does my back still hurt?"))
    assert len(rasa.asked) == 1
