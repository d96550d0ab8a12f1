"""The plan and flare mode over the patient API: a plan is made, told of, printed, and closed by a sign."""

from __future__ import annotations

import json
from typing import Any

import httpx
import jsonschema

from bot.content.plan_rules import load_plan_rules
from bot.content.tutor import load_lines
from bot.settings import ROOT
from bot.store import learning
from bot.tutor.saying import payload
from bot.web.services import Services
from tests.support import patient_api as talking
from tests.support.patient_api import Patient, after, ids
from tests.unit.test_tutor_plan_calendar import read

rasa, services, patient = talking.rasa, talking.services, talking.patient
GATE = [one["id"] for one in load_lines("plan").rest["gate"]]
SIGNS = [sign.id for sign in load_plan_rules().signs]
_ALL = json.loads((ROOT / "widget" / "events.schema.json").read_text())
SCHEMA = jsonschema.Draft202012Validator({"$defs": _ALL["$defs"], **_ALL["$defs"]["body"]})
Events = list[dict[str, Any]]


async def press(patient: Patient, *args: object) -> Events:
    return await after(patient, await patient.press(payload("plan", *map(str, args))))


async def fill(patient: Patient, form: str, **answers: Any) -> Events:
    asked = [one for one in await patient.read() if one["body"].get("form") == f"tutor_plan_{form}" and one["seq"]]
    asked = [one for one in asked if one["author"] != "patient"]
    body = {"kind": "answer", "payload": f"form:tutor_plan_{form}", "reply_to": asked[-1]["seq"], "answers": answers}
    return await after(patient, await patient.send(client_id=patient.new_id(), **body))


async def paper(patient: Patient, name: str) -> httpx.Response:
    return await patient.client.get(patient.path(f"papers/{name}"), headers=patient.headers())


async def with_plan(patient: Patient) -> None:
    await press(patient)
    await fill(patient, "gate", **{one: "off" for one in GATE})
    (steps,) = await fill(patient, "activity", walking="on")
    await fill(patient, "steps", **steps["body"]["given"])
    await fill(patient, "worry", s1=0, s2=2, s3=7)
    await fill(patient, "amounts", unit="minutes", bad_day="8", aim="30", days="3")
    assert ids(await press(patient, "start")) == ["plan/rule_begin", "plan/papers"]


async def test_a_plan_is_made_and_told_of_and_taken_along(patient: Patient, services: Services) -> None:
    await with_plan(patient)
    assert ids(await press(patient)) == ["plan/today"]
    services.db.clock.move(days=8)  # type: ignore[attr-defined]
    await press(patient, "did")
    assert ids(await fill(patient, "signs", **{one: "off" for one in SIGNS})) == ["plan/did"]
    told = await fill(patient, "did", did="yes", before=3, after=4, settled="yes", worry=1)
    assert ids(told) == ["plan/rule_more", "plan/next"] and "7 minutes" in told[-1]["body"]["bubbles"][0]
    for name, kind in (("plan.html", "text/html"), ("plan.pdf", "application/pdf"), ("plan.ics", "text/calendar")):
        got = await paper(patient, name)
        assert got.status_code == 200 and got.headers["content-type"].startswith(kind), name
    assert len(read((await paper(patient, "plan.ics")).text)) == 2
    for event in patient.stored():
        assert not [error.message for error in SCHEMA.iter_errors(event.body)], event.body
    html = (await paper(patient, "plan.html")).text
    assert "7 minutes" in html and "{" not in html.split("</style>")[-1]


async def test_answers_that_were_left_open_are_taken(patient: Patient) -> None:
    await press(patient)
    assert ids(await fill(patient, "gate")) == ["plan/gate_open"]
    await fill(patient, "gate", **{one: "off" for one in GATE})
    assert ids(await fill(patient, "activity")) == ["plan/activity_open"]


async def test_an_activity_can_be_typed(patient: Patient, rasa: talking.ScriptedRasa) -> None:
    await press(patient)
    await fill(patient, "gate", **{one: "off" for one in GATE})
    said = await after(patient, await patient.say("swim with my niece"))
    assert ids(said) == ["plan/steps"] and not rasa.asked


async def test_a_sign_closes_the_plan_and_starts_the_check(patient: Patient) -> None:
    await with_plan(patient)
    await press(patient, "did")
    said = await fill(patient, "signs", **{**{one: "off" for one in SIGNS}, "saddle": "on"})
    assert said[0]["body"]["answer_id"] == "plan/rule_stop_emergency" and len(said) == 2
    assert "{" not in said[0]["body"]["fallback_text"]
    assert said[0]["body"]["buttons"][0]["payload"] == "person:ask"
    assert any(one["payload"].startswith("check:") for one in said[1]["body"]["buttons"])
    assert ids(await press(patient)) == ["plan/stopped"]
    assert {(await paper(patient, f"plan.{kind}")).status_code for kind in ("html", "pdf", "ics")} == {404}


async def test_words_of_a_sign_in_a_form_come_before_the_plan(patient: Patient) -> None:
    await press(patient)
    await fill(patient, "gate", **{one: "off" for one in GATE})
    said = await fill(patient, "activity", own=talking.RED)
    assert said[0]["body"]["kind"] == "safety" and not any("plan/" in str(one) for one in ids(said))


async def test_an_open_red_flag_closes_the_plan_and_not_flare_mode(patient: Patient, services: Services) -> None:
    await with_plan(patient)
    await patient.say("I have a fever with my back pain")
    await patient.heard()
    with services.db.read() as session:
        flagged = learning.open_flags(session, patient.conversation)
    assert flagged
    assert ids(await press(patient)) == ["plan/closed"]
    said = await after(patient, await patient.press(payload("flare")))
    assert ids(said) == ["flare/first_flag"] and said[0]["body"]["buttons"][0]["payload"] == "person:ask"


async def test_flare_mode_with_nothing_known(patient: Patient, rasa: talking.ScriptedRasa) -> None:
    said = await after(patient, await patient.press(payload("flare")))
    assert ids(said) == ["flare/first"] and not rasa.asked
    body = said[0]["body"]
    assert body["breath"] == {"in": 4, "out": 6, "rounds": 5}
    assert body["buttons"][0]["payload"] == "person:ask"
    checked = await after(patient, await patient.press("tutor:flare:check"))
    assert len(checked) == 2 and checked[0]["body"]["answer_id"] == "flare/check"
