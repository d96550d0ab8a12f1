"""The patient's rights over the API: seeing, correcting, forgetting, erasing."""

from __future__ import annotations

import asyncio
import hashlib
import json
from typing import Any

import jsonschema
import pytest
from sqlalchemy import select

from bot.handoff import steps
from bot.settings import ROOT
from bot.store import conversations
from bot.store.models import Attached, Audit, Conversation, Feedback, Handoff, Survey, metadata
from bot.web import rights
from bot.web.assistant import AssistantAway, AssistantUnavailable
from bot.web.bodies import CONSENT_VERSION, END, PERSON
from bot.web.services import Services
from tests.support import rights as owning
from tests.support.database import add_person
from tests.support.patient_api import (
    QUESTION,
    RED,
    Patient,
    after,
    broken,
    door,
    kinds,
)
from tests.support.rights import (
    ANSWERED,
    MARK,
    NAME,
    SUBJECT,
    NotingRasa,
    answered,
    call,
    dialogue,
    ended,
    fill,
    finish,
    kept,
    rate,
    rows,
)

patient, rasa, services = owning.patient, owning.rasa, owning.services

# Seeing


async def test_everything_that_is_kept_is_shown(patient: Patient, services: Services) -> None:
    seq = await answered(patient)
    await call(patient, "POST", "feedback", {"seq": seq, "value": "down", "code": "not_for_me", "reason": "too long"})
    await patient.press(PERSON)
    await patient.heard()
    found = await kept(patient)
    assert found["consent"]["version"] == CONSENT_VERSION
    assert found["facts"] == [
        {"key": "body_part", "title": "Part of the body", "value": "neck", "shown": "Neck"},
        {"key": "age", "title": "Age", "value": "52", "shown": "52"},
    ]
    assert found["feedback"][0] | {"at": 0} == {
        "seq": seq, "at": 0, "answer_id": ANSWERED, "value": "down", "code": "not_for_me", "reason": "too long",
    }  # fmt: skip
    (handoff,) = found["handoffs"]
    assert handoff["notices"][0]["channel"] == "email"
    assert [row["act"] for row in found["audit"]] == ["handoff.raised"]
    assert found["offers"] > 3 and len(found["sessions"]) == 1
    assert [event["seq"] for event in found["events"]] == list(range(1, len(found["events"]) + 1))
    assert patient.token not in json.dumps(found)
    with services.db.read() as session:
        hashes = [str(row.token_hash) for row in session.execute(select(conversations.PatientSession)).scalars()]
    assert not any(one in json.dumps(found) for one in hashes)


@pytest.mark.parametrize("error", [AssistantAway("down"), AssistantUnavailable("late"), RuntimeError("odd")], ids=str)
async def test_with_rasa_down_the_data_still_comes(patient: Patient, rasa: NotingRasa, error: Exception) -> None:
    rasa.away = error
    found = await kept(patient)
    assert found["facts"] is None and found["events"]
    document = (await call(patient, "GET", "data?format=html")).text
    assert "could not be read just now" in document


async def test_the_document_is_readable_and_safe(patient: Patient, services: Services) -> None:
    await patient.say("<script>alert(1)</script> & <img src=https://elsewhere.example/x>")
    seq = await answered(patient)
    await call(patient, "POST", "feedback", {"seq": seq, "value": "up"})
    await patient.press(PERSON)
    await patient.press(END)
    await fill(patient, {"use": 9, "else": "kind <b>words</b>"})
    await patient.heard()
    got = await call(patient, "GET", "data?format=html")
    assert got.headers["content-disposition"] == 'attachment; filename="pain-tutor-chat.html"'
    assert got.headers["content-type"].startswith("text/html")
    assert "default-src 'none'" in got.headers["content-security-policy"]
    page = got.text
    assert "<script" not in page and "<img" not in page and "<b>" not in page and "<link" not in page
    assert "&lt;script&gt;alert(1)&lt;/script&gt;" in page
    for shown in ("Neck", "Demo Pain Clinic", "Was this chat of use to you?", "9/10", "Of use", QUESTION):
        assert shown in page, shown
    assert (await call(patient, "GET", "data?format=pdf")).status_code == 422


async def test_nobody_sees_or_changes_the_data_of_another(patient: Patient, services: Services) -> None:
    other = Patient(patient.client, services)
    await other.open()
    secret = await other.say(RED)
    assert secret.status_code == 202
    mine, patient.conversation = patient.conversation, other.conversation
    for method, what, body in (
        ("GET", "data", None), ("GET", "data?format=html", None), ("DELETE", "data", None),
        ("DELETE", "data/messages/2", None), ("PATCH", "data/facts", {"key": "age", "value": 1}),
        ("POST", "feedback", {"seq": 3, "value": "up"}),
    ):  # fmt: skip
        refused = await call(patient, method, what, body)
        assert (refused.status_code, refused.json()["code"]) == (404, "not_yours"), what
        assert RED not in refused.text
    patient.conversation = mine


async def test_every_event_is_as_the_schema_says(patient: Patient, services: Services) -> None:
    schema = jsonschema.Draft202012Validator(json.loads((ROOT / "widget" / "events.schema.json").read_text()))
    seq = await answered(patient)
    for code in ("felt_dismissed", "not_for_me", "hard_to_read"):
        await rate(patient, seq, code=code)
    await ended(patient)
    await fill(patient, {"use": 5, "else": "words"})
    await call(patient, "DELETE", f"data/messages/{patient.stored()[-2].seq}")
    events = await patient.read()
    assert {"notice", "questionnaire", "text", "consent"} <= set(kinds(events))
    for event in events:
        schema.validate(event)


# What was noted


async def test_a_fact_is_corrected_and_forgotten(patient: Patient, services: Services, rasa: NotingRasa) -> None:
    assert (await call(patient, "PATCH", "data/facts", {"key": "age", "value": 47})).status_code == 204
    assert rasa.noted["age"] == "47"
    assert (await call(patient, "PATCH", "data/facts", {"key": "body_part", "value": None})).status_code == 204
    assert rasa.noted == {"age": "47"}
    assert [fact["key"] for fact in (await kept(patient))["facts"]] == ["age"]
    acts = [(row.act, row.details) for row in rows(services, Audit)]
    assert acts == [("fact.changed", {"key": "age"}), ("fact.forgotten", {"key": "body_part"})]


@pytest.mark.parametrize(
    "body",
    [
        {}, {"key": "age"}, {"value": 5}, {"key": "age", "value": 121}, {"key": "age", "value": "old"},
        {"key": "body_part", "value": "tail"}, {"key": "contact_note", "value": None}, {"key": [], "value": None},
    ],
    ids=str,
)  # fmt: skip
async def test_a_fact_that_cannot_be(patient: Patient, rasa: NotingRasa, body: dict[str, Any]) -> None:
    before = dict(rasa.noted)
    refused = await call(patient, "PATCH", "data/facts", body)
    assert (refused.status_code, refused.json()["code"]) == (422, "bad_field")
    assert rasa.noted == before


async def test_without_rasa_nothing_is_said_to_be_changed(
    patient: Patient, services: Services, rasa: NotingRasa
) -> None:
    rasa.away = AssistantAway("down")
    refused = await call(patient, "PATCH", "data/facts", {"key": "age", "value": 5})
    assert (refused.status_code, refused.json()["code"]) == (503, "not_stored")
    assert rows(services, Audit) == []


# Consent


async def test_what_was_accepted_can_be_proved(patient: Patient) -> None:
    notice, acceptance = patient.stored()[:2]
    shown = notice.body
    assert shown["kind"] == "consent" and shown["version"] == CONSENT_VERSION
    assert shown["text_sha256"] == hashlib.sha256(shown["fallback_text"].encode()).hexdigest()
    assert acceptance.author == "patient"
    assert acceptance.body["consent_version"] == CONSENT_VERSION
    assert acceptance.body["text_sha256"] == shown["text_sha256"]


async def test_the_version_that_was_shown_is_the_one_that_was_accepted(
    services: Services, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with door(services) as client:
        patient = Patient(client, services)
        await patient.open()
        monkeypatch.setattr("bot.web.bodies.CONSENT_VERSION", "2999-01-01.1")
        await patient.accept()
        assert patient.stored()[1].body["consent_version"] == CONSENT_VERSION
        assert (await kept(patient))["consent"]["version"] == CONSENT_VERSION


# One message


async def test_the_words_of_one_message_are_erased_everywhere(patient: Patient, services: Services) -> None:
    sent = await patient.say(f"{QUESTION} {MARK}")
    await patient.heard()
    await patient.say("another message")
    await patient.heard()
    assert MARK in dialogue(services)
    seq = sent.json()["seq"]
    assert (await call(patient, "DELETE", f"data/messages/{seq}")).status_code == 204
    (event,) = [one for one in await patient.read() if one["seq"] == seq]
    assert event["body"] == {
        "kind": "text", "text": "", "erased": True, "fallback_text": services.wording.messages["message_erased"],
    }  # fmt: skip
    assert event["client_id"]
    assert MARK not in dialogue(services) and "another message" in dialogue(services)
    assert MARK not in json.dumps(await kept(patient))
    assert [row.act for row in rows(services, Audit)] == ["message.erased"]
    assert (await call(patient, "DELETE", f"data/messages/{seq}")).status_code == 204, "twice is once"


async def test_an_open_page_is_woken(patient: Patient, services: Services) -> None:
    seq = (await patient.say(QUESTION)).json()["seq"]
    await patient.heard()
    with services.hub.listen(f"conversation:{patient.conversation}") as queue:
        await call(patient, "DELETE", f"data/messages/{seq}")
        assert {"new": True} in [queue.get_nowait() for _ in range(queue.qsize())]


async def test_words_with_the_team_are_erased_once_they_have_closed_it(patient: Patient, services: Services) -> None:
    seq = (await patient.say(f"{RED} {MARK}")).json()["seq"]
    await patient.heard()
    refused = await call(patient, "DELETE", f"data/messages/{seq}")
    assert (refused.status_code, refused.json()["code"]) == (409, "open_handoff")
    assert MARK in patient.handoffs()[0].words
    await finish(patient, services)
    assert (await call(patient, "DELETE", f"data/messages/{seq}")).status_code == 204
    (item,) = patient.handoffs()
    assert MARK not in item.words and "heard" not in item.about
    assert MARK not in json.dumps(await kept(patient))


async def test_the_words_behind_an_open_question_go_and_the_question_stays(
    patient: Patient, services: Services, rasa: NotingRasa
) -> None:
    seq = (await patient.say("I can't take this any more")).json()["seq"]
    assert kinds(await patient.heard(seq)) == ["question"]
    await call(patient, "DELETE", f"data/messages/{seq}")
    with services.db.read() as session:
        pending = conversations.conversation_with(session, patient.conversation).pending
    assert (pending["text"], pending["words"], pending["category"]) == ("", "", "RF34")
    said = await after(patient, await patient.say("no"))
    assert said[0]["body"]["kind"] in ("safety", "notice")
    assert not any("take this" in asked["text"] for asked in rasa.asked)


async def test_only_ones_own_messages_are_erased(patient: Patient) -> None:
    reply = await answered(patient)
    for seq in ("1", str(reply), "999"):
        refused = await call(patient, "DELETE", f"data/messages/{seq}")
        assert (refused.status_code, refused.json()["code"]) == (404, "not_found"), seq
    for odd in ("x", "-1", "1e3", "9" * 20):
        assert (await call(patient, "DELETE", f"data/messages/{odd}")).status_code == 422, odd


async def test_a_message_that_waits_for_its_answer_is_not_answered_once_it_is_erased(
    patient: Patient, rasa: NotingRasa, services: Services, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(rights, "SETTLE_SECONDS", 0.05)
    rasa.gate = asyncio.Event()
    await patient.say("the first one")
    await rasa.hears.wait()
    seq = (await patient.say(f"the second {MARK}")).json()["seq"]
    assert (await call(patient, "DELETE", f"data/messages/{seq}")).status_code == 204
    rasa.gate.set()
    await patient.heard()
    assert [asked["text"] for asked in rasa.asked] == ["the first one"]
    assert MARK not in dialogue(services)


# Everything


async def a_whole_life(patient: Patient, services: Services) -> None:
    """Something with the mark in every table that can hold words."""
    with services.db.begin() as session:
        kept_row = session.get(Conversation, patient.conversation)
        kept_row.subject, kept_row.person_name, kept_row.reading = SUBJECT, NAME, "plain"
    seq = await answered(patient, f"{QUESTION} {MARK}")
    await call(patient, "POST", "feedback", {"seq": seq, "value": "down", "code": "not_for_me", "reason": MARK})
    await patient.say(f"{RED} {MARK}")
    await patient.heard()
    await finish(patient, services)
    with services.db.begin() as session:
        row = session.get(Conversation, patient.conversation)
        row.hold, row.pending = None, None
    await patient.press(END)
    await fill(patient, {"use": 3, "else": f"was it {MARK}"})
    await patient.heard()
    with services.db.begin() as session:
        conversations.set_pending(session, patient.conversation, {"text": MARK, "words": MARK, "tier": "T2"})
    for item in patient.handoffs():
        with services.db.begin() as session:
            held = session.get(Handoff, item.id)
            held.about = {**held.about, "note": MARK}
            more = {"tier": "T1", "rule": "r", "words": MARK, "about": {"heard": MARK}}
            session.add(Attached(handoff_id=held.id, message_key="later", at=services.db.clock(), **more))
        steps.add_private_note(services.db, item.id, add_person(services.db, "Noter"), MARK, "form")


def nowhere(services: Services, *words: str) -> None:
    """Goes through every table, the dialogue's table, and every file of this installation, byte by byte."""
    with services.db.read() as session:
        for table in metadata.sorted_tables:
            for row in session.execute(select(table)):
                for word in words:
                    assert word not in repr(tuple(row)), table.name
    for word in words:
        assert word not in dialogue(services)
    services.db.close()
    for path in services.settings.var_folder.rglob("*"):
        for word in words:
            assert not path.is_file() or word.encode() not in path.read_bytes(), path.name


async def test_after_erasing_nothing_is_left_anywhere(patient: Patient, services: Services) -> None:
    await a_whole_life(patient, services)
    before = await kept(patient)
    assert before["surveys"] and before["feedback"] and before["handoffs"] and before["person_name"] == NAME
    assert (await call(patient, "DELETE", "data")).status_code == 204
    assert (await call(patient, "GET", "data")).status_code == 401, "the token is gone with it"
    (row,) = rows(services, Conversation)
    assert row.consented_at is not None and row.last_seq == 0 and row.reading is None
    assert [item.status for item in rows(services, Handoff)] == ["resolved"]
    assert (rows(services, Feedback), rows(services, Survey)) == ([], [])
    nowhere(services, MARK, QUESTION, NAME, SUBJECT, RED)


async def test_a_message_with_the_team_keeps_everything(patient: Patient, services: Services) -> None:
    await patient.say(f"{RED} {MARK}")
    refused = await call(patient, "DELETE", "data")
    assert (refused.status_code, refused.json()["code"]) == (409, "open_handoff")
    await patient.heard()
    assert MARK in json.dumps(await kept(patient))


async def test_erasing_waits_for_the_answer_under_way(patient: Patient, services: Services, rasa: NotingRasa) -> None:
    rasa.gate = asyncio.Event()
    await patient.say(f"{QUESTION} {MARK}")
    await rasa.hears.wait()
    erasing = asyncio.create_task(call(patient, "DELETE", "data"))
    await asyncio.sleep(0.02)
    assert not erasing.done()
    rasa.gate.set()
    assert (await erasing).status_code == 204
    await services.finish_turns(5.0)
    nowhere(services, MARK)
    assert patient.stored() == []


@pytest.mark.parametrize("fails", [False, True])
async def test_an_answer_that_outlives_the_erasing_writes_nothing_back(
    patient: Patient, services: Services, rasa: NotingRasa, monkeypatch: pytest.MonkeyPatch, fails: bool
) -> None:
    monkeypatch.setattr(rights, "SETTLE_SECONDS", 0.02)
    rasa.gate = asyncio.Event()
    rasa.error = AssistantUnavailable("late") if fails else None
    await patient.say(f"{QUESTION} {MARK}")
    await rasa.hears.wait()
    await patient.say(f"and another {MARK}")
    assert (await call(patient, "DELETE", "data")).status_code == 204
    rasa.gate.set()
    await services.finish_turns(5.0)
    assert patient.stored() == []
    assert len(rasa.asked) == 1, "what waited was not even asked"
    rasa.tracker and rasa.write({"text": "x", "message_id": "m", "conversation": "another"})
    nowhere(services, MARK)


async def test_a_message_that_comes_just_after_the_erasing_is_not_kept(
    patient: Patient, services: Services, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The token was still good when the message arrived; the conversation is gone when it is written."""
    from bot.web import patient as api

    real = api.whose

    async def slow(*given: Any) -> Any:
        found = await real(*given)
        rights.erase_everything(services.db, services.settings.tracker_url, patient.conversation)
        return found

    monkeypatch.setattr(api, "whose", slow)
    refused = await patient.say(f"{RED} {MARK}")
    assert (refused.status_code, refused.json()["code"]) == (401, "no_session")
    assert kinds(refused.json()["events"]) == ["safety", "handoff"], "the words come all the same"
    assert patient.stored() == [] and patient.handoffs() == []


async def test_what_cannot_be_erased_now_is_not_said_to_be(patient: Patient, services: Services) -> None:
    await patient.say(f"{QUESTION} {MARK}")
    await patient.heard()
    whole = services.db
    services.db = broken(whole, reads=False)
    refused = await call(patient, "DELETE", "data")
    services.db = whole
    assert (refused.status_code, refused.json()["code"]) == (503, "not_stored")
    assert MARK in json.dumps(await kept(patient))
    assert (await patient.say("the line is free again")).status_code == 202
    await patient.heard()
