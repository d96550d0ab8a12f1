"""What a patient says of an answer and of the chat: thumbs with a reason and a way on, and the questions at the end."""

from __future__ import annotations

import json
from typing import Any

import pytest

from bot.content.library import load_library
from bot.handoff.steps import claim
from bot.store import conversations
from bot.store.models import Feedback, Survey
from bot.web.bodies import PERSON, READING_PLAIN
from bot.web.services import Services
from tests.support import rights as owning
from tests.support.database import add_person
from tests.support.patient_api import (
    ANSWER,
    RED,
    Patient,
    after,
    ids,
    kinds,
)
from tests.support.rights import (
    ANSWERED,
    MARK,
    NotingRasa,
    answered,
    call,
    ended,
    fill,
    kept,
    rate,
    rows,
)

patient, rasa, services = owning.patient, owning.rasa, owning.services

# Feedback


async def test_who_felt_dismissed_gets_an_apology_and_another_route(patient: Patient, services: Services) -> None:
    seq = await answered(patient)
    last = patient.stored()[-1].seq
    assert (await rate(patient, seq, code="felt_dismissed")).status_code == 204
    (said,) = await patient.read(last)
    assert (said["author"], said["body"]["kind"]) == ("system", "notice")
    assert said["body"]["bubbles"][0].startswith("I am sorry.")
    assert said["body"]["buttons"][0]["payload"] == PERSON
    assert ids(await after(patient, await patient.press(said["body"]["buttons"][1]["payload"])))


async def test_who_found_it_hard_to_read_gets_it_in_simple_words(patient: Patient, services: Services) -> None:
    long = ["One bubble. " * 30, "Another bubble. " * 30]
    services.assistant.replies = [{**services.assistant.replies[0], "text": "\n\n".join(long)}]  # type: ignore[attr-defined]
    seq = await answered(patient)
    last = patient.stored()[-1].seq
    await rate(patient, seq, code="hard_to_read")
    (said,) = await patient.read(last)
    answer = load_library().answers[ANSWERED]
    simple = [*(answer.plain or (answer.flare,))]
    assert said["body"]["bubbles"][1 : 1 + len(simple)] == [text for text in simple]
    assert said["body"]["version"] == ANSWER["metadata"]["version"]
    payloads = [one["payload"] for one in said["body"]["buttons"]]
    assert payloads == [READING_PLAIN, PERSON]
    changed = await after(patient, await patient.press(READING_PLAIN))
    assert (ids(changed), changed[0]["body"]["reading"]) == (["notice/reading_plain"], "plain")
    assert (await kept(patient))["reading"] == "plain"
    await rate(patient, await answered(patient), code="hard_to_read")
    assert READING_PLAIN not in json.dumps((await patient.read())[-1])


async def test_for_whom_it_was_not_gets_what_is_near_and_a_person(patient: Patient) -> None:
    seq = await answered(patient)
    last = patient.stored()[-1].seq
    await rate(patient, seq, code="not_for_me")
    (said,) = await patient.read(last)
    payloads = [one["payload"] for one in said["body"]["buttons"]]
    near = [f"/{one}" for one in load_library().answers[ANSWERED].next if one in load_library().answers]
    assert payloads[: len(near)] == near and payloads[-1] == PERSON
    assert (await patient.press(near[0])).status_code == 202
    await patient.heard()


async def test_a_second_word_replaces_the_first_and_says_nothing_twice(patient: Patient, services: Services) -> None:
    seq = await answered(patient)
    for _ in range(3):
        await rate(patient, seq, code="felt_dismissed", reason="so short")
    assert len([one for one in patient.stored() if one.body.get("answer_id") == "notice/feedback_felt_dismissed"]) == 1
    count = len(patient.stored())
    assert (await call(patient, "POST", "feedback", {"seq": seq, "value": "up"})).status_code == 204
    (row,) = rows(services, Feedback)
    assert (row.value, row.code, row.reason, row.answer_id) == ("up", None, None, ANSWERED)
    assert len(patient.stored()) == count


async def test_a_red_flag_in_a_reason_is_a_message_like_any_other(patient: Patient, services: Services) -> None:
    seq = await answered(patient)
    last = patient.stored()[-1].seq
    for _ in range(2):
        assert (await rate(patient, seq, code="felt_dismissed", reason=RED)).status_code == 204
    await patient.heard()
    said = await patient.read(last)
    assert [one["author"] for one in said][:1] == ["patient"]
    assert said[0]["body"]["text"] == RED
    assert kinds(said)[1:3] == ["safety", "handoff"]
    assert "notice/feedback_felt_dismissed" not in [one["body"].get("answer_id") for one in said]
    (item,) = patient.handoffs()
    assert item.words == RED
    assert rows(services, Feedback)[0].reason == RED


async def test_a_reason_that_needs_a_question_gets_it(patient: Patient) -> None:
    seq = await answered(patient)
    last = patient.stored()[-1].seq
    await rate(patient, seq, reason="I can't take this any more")
    assert kinds(await patient.heard(last)) == ["question"]


@pytest.mark.parametrize(
    ("body", "status"),
    [
        ({"value": "sideways"}, 422), ({"code": "boring"}, 422), ({"code": 7}, 422), ({"reason": "x" * 501}, 422),
        ({"reason": 7}, 422), ({"seq": 1}, 422), ({"seq": 2}, 422), ({"seq": 999}, 422), ({"seq": "x"}, 422),
    ],
    ids=str,
)  # fmt: skip
async def test_feedback_that_is_refused(
    patient: Patient, services: Services, body: dict[str, Any], status: int
) -> None:
    seq = await answered(patient)
    count = len(patient.stored())
    refused = await call(patient, "POST", "feedback", {"seq": seq, "value": "down", **body})
    assert (refused.status_code, refused.json()["code"]) == (status, "bad_field")
    assert rows(services, Feedback) == [] and len(patient.stored()) == count


@pytest.mark.parametrize("body", [{"seq": 999}, {"value": "sideways"}, {"code": "boring"}], ids=str)
async def test_a_refusal_does_not_swallow_a_red_flag(patient: Patient, body: dict[str, Any]) -> None:
    seq = await answered(patient)
    refused = await call(patient, "POST", "feedback", {"seq": seq, "value": "down", "reason": RED, **body})
    assert refused.status_code == 422
    assert kinds(refused.json()["events"]) == ["safety", "handoff"]


async def test_while_lessons_are_closed_feedback_teaches_nothing(patient: Patient, services: Services) -> None:
    seq = await answered(patient)
    await patient.say(RED)
    last = (await patient.heard())[-1]
    assert last["body"]["kind"] == "handoff"
    with services.db.read() as session:
        assert conversations.conversation_with(session, patient.conversation).hold
    await rate(patient, seq, code="hard_to_read")
    await rate(patient, seq, code="not_for_me")
    assert await patient.read(last["seq"]) == []
    await rate(patient, seq, code="felt_dismissed")
    (said,) = await patient.read(last["seq"])
    assert said["body"]["answer_id"] == "notice/feedback_felt_dismissed_hold"
    assert [one["payload"] for one in said["body"]["buttons"]] == [PERSON]


async def test_an_open_safety_question_stays_the_last_thing_said(patient: Patient) -> None:
    seq = await answered(patient)
    await patient.say("I can't take this any more")
    count = len(patient.stored())
    assert (await rate(patient, seq, code="felt_dismissed")).status_code == 204
    assert len(patient.stored()) == count


# The questions at the end


async def test_the_end_of_a_chat_asks_how_it_was(patient: Patient, services: Services) -> None:
    await answered(patient)
    goodbye, asked = await ended(patient)
    assert goodbye["body"]["answer_id"] == "notice/chat_ended" and goodbye["author"] == "system"
    body = asked["body"]
    assert (body["kind"], body["form"], len(body["items"])) == ("questionnaire", "survey", 5)
    said = await after(
        patient, await fill(patient, {"use": 8, "listened": None, "found": "partly", "else": "thank you"})
    )
    assert ids(said) == ["form/survey/thanks"]
    (row,) = rows(services, Survey)
    assert row.answers == {"use": 8, "listened": None, "found": "partly", "why": None, "else": "thank you"}
    assert row.answer_ids == [ANSWERED]
    mine = patient.stored()[-2]
    assert mine.body["text"].splitlines()[0] == "Was this chat of use to you? 8/10"
    assert mine.body["reply_to"] == asked["seq"] and mine.body["payload"] == "form:survey"
    assert (await kept(patient))["surveys"][0]["answers"]["found"] == "partly"


async def test_answers_may_be_changed_and_pressed_twice_it_asks_once(patient: Patient, services: Services) -> None:
    await ended(patient)
    assert await ended(patient) == []
    for use in (2, 9):
        assert (await fill(patient, {"use": use})).status_code == 202
    assert [row.answers["use"] for row in rows(services, Survey)] == [2, 9]


async def test_the_same_answers_sent_twice_are_kept_once(patient: Patient, services: Services) -> None:
    await ended(patient)
    first, again = [await fill(patient, {"use": 2}, client_id="the-same-id") for _ in range(2)]
    assert first.json() == again.json()
    assert len(rows(services, Survey)) == 1


@pytest.mark.parametrize(
    "answers",
    [{"use": 11}, {"use": "8"}, {"use": True}, {"nobody": 1}, {"found": "maybe"}, {"else": 5}, {"else": "x" * 501},
     None, [], "x"],
    ids=lambda value: str(value)[:20],
)  # fmt: skip
async def test_answers_that_are_refused(patient: Patient, services: Services, answers: Any) -> None:
    await ended(patient)
    count = len(patient.stored())
    refused = await fill(patient, answers)
    assert (refused.status_code, refused.json()["code"]) == (422, "bad_field")
    assert rows(services, Survey) == [] and len(patient.stored()) == count


async def test_answers_to_what_was_not_asked(patient: Patient, services: Services) -> None:
    refused = await fill(patient, {"use": 5})
    assert (refused.status_code, refused.json()["code"]) == (409, "not_offered")
    await ended(patient)
    for more in ({"reply_to": 1}, {"reply_to": 999}, {"payload": "form:other"}, {"reply_to": None}):
        refused = await fill(patient, {"use": 5}, **more)
        assert (refused.status_code, refused.json()["code"]) == (409, "not_offered"), more
    assert (await fill(patient, {"use": 5}, kind="button", text="x")).status_code == 422
    assert rows(services, Survey) == []


async def test_a_red_flag_among_the_answers_is_heard(patient: Patient, services: Services, rasa: NotingRasa) -> None:
    await ended(patient)
    said = await after(patient, await fill(patient, {"use": 5, "else": RED}))
    assert kinds(said)[:2] == ["safety", "handoff"]
    assert "form/survey/thanks" not in [one["body"].get("answer_id") for one in said]
    assert patient.handoffs()[0].words == RED, "the clinic's people read the words, not the form"
    assert rows(services, Survey)[0].answers["use"] == 5, "what was answered is kept all the same"


@pytest.mark.parametrize(
    "answers", [{"use": 99, "else": RED}, {"nobody": RED}, {"else": RED * 10}], ids=["a", "b", "c"]
)
async def test_answers_that_are_refused_do_not_swallow_a_red_flag(patient: Patient, answers: Any) -> None:
    await ended(patient)
    refused = await fill(patient, answers)
    assert refused.status_code == 422
    assert kinds(refused.json()["events"]) == ["safety", "handoff"]


async def test_a_red_flag_in_two_halves_is_heard_over_the_form(patient: Patient) -> None:
    from bot.web.heard import heard

    await ended(patient)
    await fill(patient, {"use": 5, "else": "I am numb between my legs"})
    with patient.services.db.read() as session:
        texts = heard(session, patient.conversation).texts
    assert texts[-1] == "I am numb between my legs"


async def test_while_a_safety_question_is_open_the_end_is_not_an_answer_to_it(patient: Patient) -> None:
    await patient.say("I can't take this any more")
    said = await ended(patient)
    assert kinds(said)[0] == "safety", "what is no plain no counts as a yes"


async def test_a_person_who_holds_the_chat_is_not_talked_over(patient: Patient, services: Services) -> None:
    await patient.press(PERSON)
    (item,) = patient.handoffs()
    claim(services.db, item.id, add_person(services.db, "lee"), item.version)
    assert await ended(patient) == []


async def test_erased_answers_are_gone(patient: Patient, services: Services) -> None:
    await ended(patient)
    seq = (await fill(patient, {"use": 5, "else": f"so {MARK}"})).json()["seq"]
    assert (await call(patient, "DELETE", f"data/messages/{seq}")).status_code == 204
    assert rows(services, Survey) == []
    assert MARK not in json.dumps(await kept(patient))
