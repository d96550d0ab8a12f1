"""The quick safety check over the patient API: offered, answered, stopped, asked and denied, refused."""

from __future__ import annotations

from typing import Any

import pytest

from bot import screening
from bot.handoff.steps import claim
from bot.safety.check import load_check
from bot.web import bodies
from bot.web.bodies import CHECK_START, PERSON, SAFETY_RELEASE, answer_payload
from bot.web.services import Services
from tests.support import patient_api as talking
from tests.support.database import add_person
from tests.support.patient_api import (
    QUESTION,
    RED,
    Patient,
    ScriptedRasa,
    after,
    broken,
    failing_at,
    ids,
    kinds,
)

IDS = [question.id for question in load_check().questions]
SOFT_SIGN = "having some erection problems"
YES, NO = answer_payload("RF01", "yes"), answer_payload("RF01", "no")
BODY_WORDS = "my left knee feels odd somehow"
MISS: dict[str, Any] = {
    "text": "Could you say it in other words?",
    "buttons": [{"title": "What can I ask?", "payload": "/chat/menu"}],
    "metadata": {"answer_id": "control/not_understood.1", "understood": "not_understood", "score": 0.01},
}
ANSWERED = {
    "text": "An answer.",
    "buttons": [{"title": "Next", "payload": "/life/sleep"}],
    "metadata": {"answer_id": "pain/alarm", "understood": "answer", "score": 0.8},
}


@pytest.fixture(autouse=True)
def rules_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    """What is asked here is asked by the rules, whatever the soft layer learns: these tests are about the turns."""
    monkeypatch.setattr(screening, "soft_layer", lambda: None)


patient, rasa, services = talking.patient, talking.rasa, talking.services


def payloads(event: dict[str, Any]) -> list[str]:
    return [button["payload"] for button in event["body"].get("buttons", ())]


def button(event: dict[str, Any], answer: str) -> str:
    return next(payload for payload in payloads(event) if payload.split(":")[2] == answer)


async def asked(patient: Patient, until: str) -> dict[str, Any]:
    """The question with this id, after a No to all before it."""
    (shown,) = await after(patient, await patient.press(CHECK_START))
    while shown["body"]["answer_id"] != f"check/{until}":
        (shown,) = await after(patient, await patient.press(button(shown, "no")))
    return shown


# The check


async def test_it_is_offered_after_consent_and_not_forced(patient: Patient, rasa: ScriptedRasa) -> None:
    (first,) = await patient.heard(2)
    assert first["body"]["answer_id"] == "notice/consent_recorded"
    assert payloads(first) == [CHECK_START, "tutor:home", "/chat/menu", "/talk_to_person"]
    assert ids(await after(patient, await patient.say(QUESTION))) == ["pain/why_it_persists"]


async def test_ten_questions_with_no_end_honestly(patient: Patient, rasa: ScriptedRasa) -> None:
    response = await patient.press(CHECK_START)
    for place, identity in enumerate(IDS, start=1):
        (shown,) = await after(patient, response)
        body = shown["body"]
        assert (body["kind"], body["answer_id"]) == ("question", f"check/{identity}")
        assert body["progress"] == {"place": place, "count": 10} and f"Question {place} of 10" in body["bubbles"]
        assert [p.split(":")[2] for p in payloads(shown)] == ["yes", "no", "not_sure", "skip", "stop"]
        assert ("999" in body["bubbles"][0]) == (place == 1)
        response = await patient.press(button(shown, "no"))
    (end,) = await after(patient, response)
    assert end["body"]["answer_id"] == "notice/check_closed"
    assert "does not rule everything out" in end["body"]["fallback_text"]
    assert patient.handoffs() == [] and rasa.asked == []


@pytest.mark.parametrize("said", ["yes", "not_sure"])
async def test_a_grave_yes_is_an_alarm_and_ends_the_check(patient: Patient, rasa: ScriptedRasa, said: str) -> None:
    shown = await asked(patient, "saddle")
    told = await after(patient, await patient.press(button(shown, said)))
    assert kinds(told) == ["safety", "handoff"]
    assert told[0]["body"]["answer_id"].startswith("safety/RF01.T1")
    (item,) = patient.handoffs()
    assert (item.tier, item.category, item.rule) == ("T1", "RF01", "check.saddle")
    assert "numbness" in item.about["heard"] and item.numbers_shown == ["999"]
    assert ids(await after(patient, await patient.press(CHECK_START))) == ["safety/safety_hold"]
    assert rasa.asked == []


async def test_after_a_same_day_yes_the_check_goes_on_and_does_not_say_none(patient: Patient) -> None:
    shown = await asked(patient, "fever")
    told = await after(patient, await patient.press(button(shown, "yes")))
    assert kinds(told) == ["safety", "handoff", "question"]
    assert told[0]["body"]["answer_id"].startswith("safety/RF04.T2")
    for _ in range(2):
        told = await after(patient, await patient.press(button(told[-1], "no")))
    told = await after(patient, await patient.press(button(told[-1], "skip")))
    assert ids(told) == ["notice/check_closed_some"]
    assert len(patient.handoffs()) == 1


async def test_a_question_about_several_things_gets_the_shared_words(patient: Patient) -> None:
    shown = await asked(patient, "heart_head")
    told = await after(patient, await patient.press(button(shown, "yes")))
    assert told[0]["body"]["answer_id"].startswith("safety/common.T1")
    (item,) = patient.handoffs()
    assert (item.category, item.message_shown) == ("RF11", told[0]["body"]["answer_id"])


async def test_a_skip_is_not_a_none(patient: Patient) -> None:
    shown = await asked(patient, "pregnancy")
    assert ids(await after(patient, await patient.press(button(shown, "skip")))) == ["notice/check_closed_skipped"]


async def test_stop_leaves_and_typed_answers_count(patient: Patient, rasa: ScriptedRasa) -> None:
    await patient.press(CHECK_START)
    (shown,) = await after(patient, await patient.say("No."))
    assert shown["body"]["answer_id"] == "check/home"
    (shown,) = await after(patient, await patient.say("skip"))
    assert shown["body"]["answer_id"] == "check/heart_head"
    assert ids(await after(patient, await patient.say("stop"))) == ["notice/check_stopped"]
    (shown,) = await after(patient, await patient.press(CHECK_START))
    told = await after(patient, await patient.say("I think so"))
    assert kinds(told) == ["safety", "handoff"] and told[0]["body"]["tier"] == "T0"
    assert rasa.asked == []


async def test_any_other_words_are_an_ordinary_message(patient: Patient, rasa: ScriptedRasa) -> None:
    shown = await asked(patient, "legs")
    (answer,) = await after(patient, await patient.say(QUESTION))
    assert answer["body"]["answer_id"] == "pain/why_it_persists"
    assert payloads(answer)[0] == CHECK_START  # the way back
    assert rasa.asked[-1]["text"] == QUESTION
    assert ids(await after(patient, await patient.say("yes"))) == ["pain/why_it_persists"]  # no question is open now
    assert kinds(await after(patient, await patient.say(RED))) == ["safety", "handoff"]
    assert patient.handoffs()[0].words == RED
    assert ids(await after(patient, await patient.press(button(shown, "no")))) == ["safety/safety_hold"]


async def test_only_what_was_offered_is_taken(patient: Patient) -> None:
    for payload in ("check:saddle:yes:none", "check:list:none", "check:life:no:none"):
        response = await patient.press(payload)
        assert (response.status_code, response.json()["code"]) == (409, "not_offered"), response.text
    assert patient.handoffs() == []


async def test_a_yes_is_heard_while_a_person_reads_and_nothing_more_is_asked(
    patient: Patient, services: Services
) -> None:
    shown = await asked(patient, "fever")
    await patient.press(PERSON)
    (item,) = patient.handoffs()
    claim(services.db, item.id, add_person(services.db, "lee"), item.version)
    told = await after(patient, await patient.press(button(shown, "yes")))
    assert kinds(told) == ["safety", "handoff"]
    assert await after(patient, await patient.press(button(shown, "no"))) == []


async def test_a_yes_to_the_check_while_a_question_is_open_is_two(patient: Patient) -> None:
    shown = await asked(patient, "home")
    assert kinds(await after(patient, await patient.say(SOFT_SIGN))) == ["question"]
    told = await after(patient, await patient.press(button(shown, "yes")))
    assert kinds(told) == ["safety", "handoff", "safety", "handoff"]
    assert {item.category for item in patient.handoffs()} == {"RF01", "RF38"}


async def test_a_yes_gets_its_words_without_a_database_and_is_never_half_kept(
    patient: Patient, services: Services
) -> None:
    shown = await asked(patient, "saddle")
    before = len(patient.stored())
    whole, services.db = services.db, broken(services.db)
    response = await patient.press(button(shown, "yes"))
    services.db = whole
    assert response.status_code == 503
    assert kinds(response.json()["events"]) == ["safety", "handoff"]
    with failing_at(services.db, 0):
        assert (await patient.press(button(shown, "yes"))).status_code == 503
    assert len(patient.stored()) == before and patient.handoffs() == []
    with failing_at(services.db, 0):
        response = await patient.say("yes")
    assert kinds(response.json()["events"]) == ["safety", "handoff"]
    assert len(patient.stored()) == before and patient.handoffs() == []


# Offered


async def test_it_is_offered_with_an_answer_to_something_new_or_worse(patient: Patient, rasa: ScriptedRasa) -> None:
    rasa.replies = [ANSWERED]
    (plain,) = await after(patient, await patient.say(QUESTION))
    assert payloads(plain) == ["/life/sleep", "tutor:pictures"]
    (offered,) = await after(patient, await patient.say("my knee pain is worse this week"))
    assert payloads(offered) == [CHECK_START, "/life/sleep", "tutor:pictures"]
    assert "[Quick safety check]" in offered["body"]["fallback_text"]
    shown = await asked(patient, "home")
    await patient.press(button(shown, "stop"))
    (again,) = await after(patient, await patient.say("my knee pain is worse this week"))
    assert payloads(again) == ["/life/sleep", "tutor:pictures"]  # gone through a moment ago


async def test_it_is_offered_with_answers_that_start_somebody_moving(patient: Patient, rasa: ScriptedRasa) -> None:
    rasa.replies = [{**ANSWERED, "metadata": {**ANSWERED["metadata"], "check_first": True}}]
    (offered,) = await after(patient, await patient.say("how do I start to move"))
    assert payloads(offered)[0] == CHECK_START


# Not understood


async def test_body_words_that_were_not_understood_bring_the_list_then_the_ordinary_reply(
    patient: Patient, rasa: ScriptedRasa
) -> None:
    rasa.replies = [MISS]
    (shown,) = await after(patient, await patient.say(BODY_WORDS))
    assert (shown["body"]["kind"], shown["body"]["answer_id"]) == ("question", "check/list")
    assert payloads(shown) == ["check:list:none", "check:list:some", "check:list:not_sure"]
    told = await after(patient, await patient.press("check:list:none"))
    assert ids(told) == ["notice/check_list_none", "control/not_understood.1"]
    assert payloads(told[1]) == ["/chat/menu"]
    assert len(rasa.asked) == 1
    for _ in range(4):
        assert ids(await after(patient, await patient.say(BODY_WORDS))) == ["control/not_understood.1"]
    assert ids(await after(patient, await patient.say(BODY_WORDS))) == ["check/list"]


@pytest.mark.parametrize("pressed", ["check:list:some", "check:list:not_sure"])
async def test_one_or_more_starts_the_questions(patient: Patient, rasa: ScriptedRasa, pressed: str) -> None:
    rasa.replies = [MISS]
    await after(patient, await patient.say(BODY_WORDS))
    assert ids(await after(patient, await patient.press(pressed))) == ["check/life"]


@pytest.mark.parametrize(("text", "answer"), [("none", "notice/check_list_none"), ("yes", "check/life")])
async def test_the_list_is_answered_in_words_too(patient: Patient, rasa: ScriptedRasa, text: str, answer: str) -> None:
    rasa.replies = [MISS]
    await after(patient, await patient.say(BODY_WORDS))
    assert ids(await after(patient, await patient.say(text)))[0] == answer


async def test_without_body_words_or_with_a_good_guess_there_is_no_list(patient: Patient, rasa: ScriptedRasa) -> None:
    rasa.replies = [MISS]
    assert ids(await after(patient, await patient.say("who won the cup"))) == ["control/not_understood.1"]
    guess = {**MISS, "metadata": {"answer_id": "control/did_you_mean.1", "understood": "did_you_mean", "score": 0.2}}
    rasa.replies = [guess]
    assert ids(await after(patient, await patient.say(BODY_WORDS))) == ["control/did_you_mean.1"]
    rasa.replies = [{**guess, "metadata": {**guess["metadata"], "score": 0.04}}]
    assert ids(await after(patient, await patient.say(BODY_WORDS))) == ["check/list"]


# Asked and denied


async def test_a_denied_category_is_not_asked_about_again_for_six_turns(patient: Patient, rasa: ScriptedRasa) -> None:
    assert kinds(await after(patient, await patient.say(SOFT_SIGN))) == ["question"]
    assert ids(await after(patient, await patient.press(NO)))[0] == "notice/safety_cleared"
    for _ in range(6):
        assert ids(await after(patient, await patient.say(SOFT_SIGN))) == ["pain/why_it_persists"]
        assert rasa.asked[-1]["screened"] == {"found": None, "plain_no": False}
    assert kinds(await after(patient, await patient.say(SOFT_SIGN))) == ["question"]


async def test_a_pressed_no_takes_the_first_sign_back(patient: Patient) -> None:
    await after(patient, await patient.say(SOFT_SIGN))
    await after(patient, await patient.press(NO))
    told = await after(patient, await patient.say("been constipated since I started codeine"))
    assert ids(told) == ["pain/why_it_persists"]  # a second, other sign would be an alarm if the first still stood


async def test_a_no_in_the_check_counts_as_denied_and_an_alarm_gets_through(patient: Patient) -> None:
    shown = await asked(patient, "legs")  # after a No to the question about the saddle
    assert shown["body"]["category"] == "RF02"
    assert ids(await after(patient, await patient.say(SOFT_SIGN))) == ["pain/why_it_persists"]
    assert kinds(await after(patient, await patient.say(RED))) == ["safety", "handoff"]


async def test_a_yes_is_never_read_as_denied(patient: Patient) -> None:
    await patient.say(SOFT_SIGN)
    assert kinds(await after(patient, await patient.press(YES))) == ["safety", "handoff"]
    await patient.press(SAFETY_RELEASE)
    assert kinds(await after(patient, await patient.say(SOFT_SIGN)))[0] in ("question", "safety")


# Not wanting to go


async def test_not_wanting_to_go_is_heard_with_one_reason_and_shorter_each_time(patient: Patient) -> None:
    told = await after(patient, await patient.say(RED))
    words = told[0]["body"]["bubbles"]
    shown = [
        (await after(patient, await patient.say(text))) for text in ("I'm not going to A&E", "can't it wait", "no")
    ]
    first, second, third = (one[0]["body"] for one in shown)
    assert [first["answer_id"], second["answer_id"]] == ["safety/safety_refused", "safety/safety_refused_again"]
    assert third["answer_id"] == "safety/safety_hold"  # a plain no is no refusal
    assert first["bubbles"][0].startswith("You do not want to go") and first["bubbles"][1] == words[1]
    assert words[0] not in first["bubbles"] and words[2] not in first["bubbles"]
    assert second["bubbles"][0].startswith("You still want to wait") and words[1] not in second["bubbles"]
    for body in (first, second):
        assert body["kind"] == "safety" and body["calls"][0]["tel"] == "999"
        assert [one["payload"] for one in body["buttons"]] == [SAFETY_RELEASE, PERSON]
    for _ in range(2):
        (short,) = await after(patient, await patient.say("I don't want to bother them"))
        assert short["body"]["answer_id"] == "safety/safety_refused_short" and len(short["body"]["bubbles"]) == 1
    assert len(patient.handoffs()) == 1
    assert ids(await after(patient, await patient.press(SAFETY_RELEASE))) == ["notice/safety_released"]
    assert ids(await after(patient, await patient.say(QUESTION))) == ["pain/why_it_persists"]


async def test_in_a_crisis_the_crisis_line_comes_and_a_new_alarm_starts_over(patient: Patient) -> None:
    await patient.say("I want to end my life")
    (first,) = await after(patient, await patient.say("I won't call anyone"))
    assert first["body"]["answer_id"] == "safety/safety_refused_crisis"
    assert "116 123" in first["body"]["fallback_text"]
    assert kinds(await after(patient, await patient.say("I am going to kill myself tonight")))[0] == "safety"
    (first,) = await after(patient, await patient.say("leave me alone"))
    assert first["body"]["answer_id"] == "safety/safety_refused_crisis"


async def test_before_an_alarm_the_same_words_are_an_ordinary_message(patient: Patient) -> None:
    assert ids(await after(patient, await patient.say("I don't want to go to the hospital"))) == [
        "pain/why_it_persists"
    ]


def test_payloads_of_the_check_are_the_web_apps_own() -> None:
    assert bodies.CHECK_START == "check:start"
