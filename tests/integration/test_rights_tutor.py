"""The patient's rights over what the tutor has noted: one message erased wherever its words stand, the copy, the page
that lies unread."""

from __future__ import annotations

import json
from datetime import timedelta
from typing import Any

import jsonschema
import pytest
from sqlalchemy import select

from bot.content import load_clinics
from bot.settings import ROOT
from bot.store import learning
from bot.store import rights as store
from bot.store.handoffs import OPEN, WITHDRAWN
from bot.store.models import Audit
from bot.tutor import alarm_map
from bot.tutor.factors import Hit
from bot.tutor.saying import payload
from bot.web import retention as chore
from bot.web.services import Services
from tests.integration.test_rights import nowhere
from tests.support import rights as owning
from tests.support.patient_api import Patient, after, ids
from tests.support.rights import call, kept, rows

patient, rasa, services = owning.patient, owning.rasa, owning.services
SAID = "I lie awake because my brother Quimby shouts at me in the kitchen"
CLAUSE = "my brother Quimby shouts at me in the kitchen"
STEP = "walk with Quimby to the old mill"
NAME = "Quimby"
_ALL = json.loads((ROOT / "widget" / "events.schema.json").read_text())
SCHEMA = jsonschema.Draft202012Validator({"$defs": _ALL["$defs"], **_ALL["$defs"]["body"]})
Events = list[dict[str, Any]]


@pytest.fixture(autouse=True)
def ears(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(alarm_map, "heard_in", lambda text: (Hit("people", CLAUSE),) if CLAUSE in text else ())


async def press(patient: Patient, *args: str) -> Events:
    return await after(patient, await patient.press(payload(*args)))


async def fill(patient: Patient, said: Events, **answers: Any) -> Events:
    asked = [one for one in said if one["body"]["kind"] == "questionnaire"][-1]
    body = {"kind": "answer", "payload": f"form:{asked['body']['form']}", "reply_to": asked["seq"], "answers": answers}
    return await after(patient, await patient.send(client_id=patient.new_id(), **body))


async def erase(patient: Patient, holding: str) -> None:
    """Erases the newest message of the patient with these words."""
    mine = [one for one in patient.stored() if one.author == "patient" and holding in json.dumps(one.body)]
    assert (await call(patient, "DELETE", f"data/messages/{mine[-1].seq}")).status_code == 204


def journal(services: Services, patient: Patient, kind: str) -> list[tuple[str, Any]]:
    with services.db.read() as session:
        return [(row.key, row.value) for row in learning.journal(session, patient.conversation) if row.kind == kind]


def note(services: Services, patient: Patient, kind: str, key: str, value: Any) -> None:
    with services.db.begin() as session:
        learning.record(session, patient.conversation, [(kind, key, value)])


async def without(patient: Patient, services: Services, *words: str) -> None:
    for event in patient.stored():
        assert not [error.message for error in SCHEMA.iter_errors(event.body)], event.body
    shown = json.dumps(await kept(patient))
    assert not any(word in shown for word in words)
    nowhere(services, *words)


# One message


async def test_words_that_were_kept_on_the_map_go_with_their_message(patient: Patient, services: Services) -> None:
    said = await after(patient, await patient.say(SAID))
    assert ids(await fill(patient, said, **said[-1]["body"]["given"])) == ["alarm_map/kept"]
    await press(patient, "alarm_map")
    first = next(one.seq for one in patient.stored() if one.body.get("text") == SAID)
    assert (await call(patient, "DELETE", f"data/messages/{first}")).status_code == 204
    assert journal(services, patient, "factor") == [("people", {"kept": True, "words": ""})], "that it was kept stays"
    assert "alarm_map/map" in ids(await press(patient, "alarm_map"))
    await without(patient, services, NAME)


async def test_a_line_of_ones_own_leaves_the_map(patient: Patient, services: Services) -> None:
    await patient.say("hello there")
    await patient.heard()
    await press(patient, "alarm_map")
    await press(patient, "alarm_map", "own")
    asked = await after(patient, await patient.say("Quimby again"))
    await fill(patient, asked, words="Quimby again", side="up")
    assert NAME in json.dumps(await press(patient, "alarm_map", "remove"))
    for _ in range(2):  # the words, and the form that they were sent with
        mine = [one for one in patient.stored() if one.author == "patient" and NAME in json.dumps(one.body)]
        for one in mine[:1]:
            assert (await call(patient, "DELETE", f"data/messages/{one.seq}")).status_code == 204
    assert journal(services, patient, "factor") == []
    await without(patient, services, NAME)


async def test_the_steps_and_title_of_a_plan(patient: Patient, services: Services) -> None:
    await patient.say(STEP)
    await patient.heard()
    steps = [{"text": STEP, "worry": 2}, {"text": "to the gate", "worry": 4}]
    plan = {
        "id": "p1", "state": "active", "title": STEP, "steps": steps, "step": 0, "stopped": True, "unit": "minutes",
    }  # fmt: skip
    note(services, patient, "plan", "p1", plan)
    await erase(patient, STEP)
    [(_, value)] = journal(services, patient, "plan")
    mark = services.wording.messages["message_erased"].strip()
    assert [one["text"] for one in value["steps"]] == [mark, "to the gate"], "no step moves into another's place"
    assert value == {**plan, "title": mark, "steps": [{"text": mark, "worry": 2}, steps[1]]}
    await without(patient, services, NAME)


async def test_a_plan_that_was_typed_in_its_form(patient: Patient, services: Services) -> None:
    from bot.content.tutor import load_lines

    await patient.say("hello there")
    await patient.heard()
    await press(patient, "plan")
    gate = {one["id"]: "off" for one in load_lines("plan").rest["gate"]}
    asked = await fill(patient, [one for one in await patient.read() if one["author"] != "patient"], **gate)
    asked = await fill(patient, asked, walking="on")
    given = asked[-1]["body"]["given"]
    asked = await fill(patient, asked, **{**given, "s1": STEP})
    assert STEP in json.dumps(asked), "the next question names the steps"
    await erase(patient, STEP)
    [(_, value)] = journal(services, patient, "plan")
    assert len(value["steps"]) >= 4 and all(one["text"] for one in value["steps"])
    assert await press(patient, "plan")
    await without(patient, services, NAME)


async def test_the_draft_of_a_summary_and_the_page_that_was_sent(patient: Patient, services: Services) -> None:
    await patient.say("hello there")
    await patient.heard()
    await press(patient, "summary")
    asked = await press(patient, "summary", "begin")
    asked = await fill(patient, asked, own=CLAUSE, question_1="Is it the damp?")
    while "summary/where" not in ids(asked):
        asked = await fill(patient, asked)
    go = next(
        one["payload"] for event in asked for one in event["body"].get("buttons", ())
        if one["payload"].startswith("tutor:summary:send")
    )  # fmt: skip
    assert ids(await after(patient, await patient.press(go))) == ["summary/sent"]
    await erase(patient, NAME)
    draft = next(value for _, value in journal(services, patient, "summary") if "lines" in value)
    assert draft["own"] == "" and not draft["lines"]["words"]
    assert store.ERASED in patient.handoffs()[0].words and patient.handoffs()[0].status in OPEN, "the rest is there"
    assert await press(patient, "summary")
    await without(patient, services, NAME)


async def test_the_list_for_a_flare(patient: Patient, services: Services) -> None:
    await patient.say("Quimby's tea")
    await patient.heard()
    note(services, patient, "flare", "list", {"list": ["calm_rest", "Quimby's tea"]})
    await press(patient, "flare")
    assert NAME in json.dumps(await press(patient, "flare", "helps"))
    await erase(patient, NAME)
    assert ("list", {"list": ["calm_rest"]}) in journal(services, patient, "flare")
    before = journal(services, patient, "flare")
    note(services, patient, "flare", "list", {"list": ["sitting with Quimby outside"]})
    await patient.say("sitting with Quimby outside")
    await patient.heard()
    await erase(patient, NAME)
    assert journal(services, patient, "flare") == before, "where nothing is left the entry goes"
    await without(patient, services, NAME)


async def test_other_words_choices_and_our_own_stay(patient: Patient, services: Services) -> None:
    before = {"did": "yes", "none": True}
    note(services, patient, "did", "p1.1", before)
    note(services, patient, "factor", "sleep", {"kept": True, "words": "three short nights"})
    home = await press(patient, "home")
    for words in ("yes", "I lie", "nights"):
        await patient.say(words)
        await patient.heard()
        await erase(patient, words)
    title = home[-1]["body"]["buttons"][0]["title"]
    await patient.press(payload("home"))
    await patient.heard()
    pressed = [one for one in patient.stored() if one.body.get("payload") == payload("home")][-1]
    assert (await call(patient, "DELETE", f"data/messages/{pressed.seq}")).status_code == 204
    assert journal(services, patient, "did") == [("p1.1", before)]
    assert journal(services, patient, "factor") == [("sleep", {"kept": True, "words": "three short nights"})]
    stored = [one for one in patient.stored() if one.body.get("answer_id") == "home/home"]
    assert stored[0].body["buttons"][0]["title"] == title


# The copy


async def test_the_document_has_what_the_tutor_noted(patient: Patient, services: Services) -> None:
    note(services, patient, "factor", "sleep", {"kept": True, "words": "three <b>short</b> nights"})
    note(services, patient, "something_new", "odd_key", [1, {"a_b": None, "c": False}])
    note(services, patient, "belief", "M01", {"strength": 7, "point": "before"})
    page = (await call(patient, "GET", "data?format=html")).text
    for shown in ("three &lt;b&gt;short&lt;/b&gt; nights", "something new", "odd key", "On your alarm map"):
        assert shown in page, shown
    assert "{&#39;" not in page and "something_new" not in page


# A page that lies unread


@pytest.mark.parametrize("by_time", [False, True], ids=["patient", "time"])
async def test_a_page_that_lies_unread_is_closed_with_the_chat(
    patient: Patient, services: Services, by_time: bool
) -> None:
    await press(patient, "summary")
    asked = await press(patient, "summary", "begin")
    asked = await fill(patient, asked, own=CLAUSE)
    while "summary/where" not in ids(asked):
        asked = await fill(patient, asked)
    go = next(
        one["payload"] for event in asked for one in event["body"].get("buttons", ())
        if one["payload"].startswith("tutor:summary:send")
    )  # fmt: skip
    await after(patient, await patient.press(go))
    [before] = patient.handoffs()
    if by_time:
        days = load_clinics()[before.clinic].retention.conversation_days
        services.db.clock.move(seconds=timedelta(days=days + 1).total_seconds())  # type: ignore[attr-defined]
        assert chore.sweep(services.db, services.clinics, services.settings.tracker_url) == 1
    else:
        assert (await call(patient, "DELETE", "data")).status_code == 204
    [item] = patient.handoffs()
    assert (item.status, item.climb_at) == (WITHDRAWN, None) and item.closed_at is not None
    assert item.version == before.version + 1
    assert item.words == (store.ERASED_BY_TIME if by_time else store.ERASED)
    with services.db.read() as session:
        audit = session.execute(select(Audit).where(Audit.act == "handoff.withdrawn")).scalars().all()
        assert [(row.actor, row.subject) for row in audit] == [("system", item.id)]
    assert [row.act for row in rows(services, Audit)].count("conversation.erased") == 1
