"""The alarm map over the patient API: heard behind an answer, kept only when sent, changed, printed."""

from __future__ import annotations

from typing import Any

import pytest

from bot.store import learning
from bot.tutor import alarm_map
from bot.tutor.alarm_map import FACTOR, OFF, ON
from bot.tutor.factors import Hit
from bot.tutor.saying import payload
from bot.web.services import Services
from tests.support import patient_api as talking
from tests.support.patient_api import RED, Patient, after, ids, kinds

rasa, services, patient = talking.rasa, talking.services, talking.patient
TOLD = "I lie awake half the night with it"
Events = list[dict[str, Any]]


@pytest.fixture(autouse=True)
def ears(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(alarm_map, "heard_in", lambda text: (Hit("sleep", TOLD),) if text == TOLD else ())


async def press(patient: Patient, *args: str) -> Events:
    return await after(patient, await patient.press(payload("alarm_map", *args)))


async def fill(patient: Patient, asked: dict[str, Any], **answers: Any) -> Events:
    body = {"kind": "answer", "payload": f"form:{asked['body']['form']}", "reply_to": asked["seq"], "answers": answers}
    return await after(patient, await patient.send(client_id=patient.new_id(), **body))


def noted(services: Services, patient: Patient) -> list[tuple[str, Any]]:
    with services.db.read() as session:
        return [(row.key, row.value) for row in learning.journal(session, patient.conversation) if row.kind == FACTOR]


async def test_heard_behind_an_answer_and_kept_only_when_sent(patient: Patient, services: Services) -> None:
    said = await after(patient, await patient.say(TOLD))
    assert ids(said)[-1] == "alarm_map/heard" and kinds(said)[-1] == "questionnaire" and len(said) == 2
    assert noted(services, patient) == []
    done = await fill(patient, said[-1], **said[-1]["body"]["given"])
    assert ids(done) == ["alarm_map/kept"]
    assert noted(services, patient) == [("sleep", {"kept": True, "words": TOLD})]
    services.db.clock.move(days=1)  # type: ignore[attr-defined]
    assert "alarm_map/heard" not in ids(await after(patient, await patient.say(TOLD)))


async def test_leaving_it_keeps_nothing(patient: Patient, services: Services) -> None:
    said = await after(patient, await patient.say(TOLD))
    leave = said[-1]["body"]["buttons"][0]["payload"]
    assert ids(await after(patient, await patient.press(leave))) == ["alarm_map/left"]
    assert noted(services, patient) == [("sleep", {"kept": False, "words": ""})]


async def test_own_words_the_dial_and_the_paper(patient: Patient, services: Services) -> None:
    first = await press(patient)
    assert ids(first) == ["alarm_map/empty", "alarm_map/edit"]
    await fill(patient, first[-1], sleep=ON, calm_rest=ON, work=OFF)
    await press(patient)
    assert ids(await press(patient, "own")) == ["alarm_map/ask_own"]
    asked = await after(patient, await patient.say("the number nine bus"))
    assert ids(asked) == ["alarm_map/keep_own"] and len(noted(services, patient)) == 2
    assert ids(await fill(patient, asked[-1], words="the number nine bus", side="up")) == ["alarm_map/kept"]
    assert ids(await press(patient)) == ["alarm_map/map", "alarm_map/edit"]
    assert ids(await press(patient, "dial")) == ["visual/dial"]
    got = await patient.client.get(patient.path("papers/alarm_map.html"), headers=patient.headers())
    assert got.status_code == 200 and "the number nine bus" in got.text


async def test_a_red_flag_is_never_heard_as_a_factor(patient: Patient) -> None:
    said = await after(patient, await patient.say(RED))
    assert "alarm_map/heard" not in ids(said)
    assert kinds(await press(patient)) == ["safety"]
