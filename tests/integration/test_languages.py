"""A patient who writes in a language that the chat does not speak."""

from __future__ import annotations

import pytest

from bot.handoff.steps import claim
from bot.web.bodies import CONSENT, PERSON
from bot.web.services import Services
from tests.support import patient_api as talking
from tests.support.database import add_person
from tests.support.patient_api import (
    QUESTION,
    Patient,
    ScriptedRasa,
    after,
    door,
    ids,
    kinds,
)  # fmt: skip

SPANISH = "me duele mucho la espalda y no puedo dormir"


patient, rasa, services = talking.patient, talking.rasa, talking.services


async def test_a_message_in_spanish_gets_the_card_in_spanish(patient: Patient, rasa: ScriptedRasa) -> None:
    said = await after(patient, await patient.say(SPANISH))
    assert ids(said) == ["language/card"]
    body = said[0]["body"]
    assert (body["kind"], body["tier"], body["lang"]) == ("safety", None, "es")
    assert "999" in body["bubbles"][1]
    assert body["calls"][0]["tel"] == "999"
    assert [button["payload"] for button in body["buttons"]] == [PERSON]
    assert rasa.asked == [] and patient.handoffs() == []


async def test_its_button_asks_for_a_person(patient: Patient) -> None:
    await after(patient, await patient.say(SPANISH))
    said = await after(patient, await patient.press(PERSON))
    assert "handoff/handoff_waiting_person" in ids(said)
    assert len(patient.handoffs()) == 1


async def test_a_language_that_the_clinic_has_no_card_in(patient: Patient, rasa: ScriptedRasa) -> None:
    said = await after(patient, await patient.say("Bolą mnie plecy i nie mogę spać"))
    assert (ids(said), said[0]["body"]["lang"]) == (["language/card"], "en")
    assert rasa.asked == []


async def test_a_red_flag_in_english_words_is_an_alarm_as_ever(patient: Patient) -> None:
    said = await after(patient, await patient.say("tengo mucho dolor, chest pain, no puedo respirar"))
    assert kinds(said)[0] == "safety"
    assert said[0]["body"]["tier"] == "T1"
    assert "language/card" not in ids(said)
    assert len(patient.handoffs()) == 1


async def test_lessons_closed_by_an_alarm_stay_so_and_the_card_comes_too(patient: Patient) -> None:
    await after(patient, await patient.say("I have crushing chest pain and cannot breathe"))
    said = await after(patient, await patient.say(SPANISH))
    assert ids(said) == ["safety/safety_hold", "language/card"]


async def test_english_is_answered_as_ever(patient: Patient, rasa: ScriptedRasa) -> None:
    said = await after(patient, await patient.say(QUESTION))
    assert ids(said) == ["pain/why_it_persists"]
    assert len(rasa.asked) == 1


async def test_while_a_person_answers_the_bot_says_nothing(patient: Patient, rasa: ScriptedRasa) -> None:
    await after(patient, await patient.press(PERSON))
    [item] = patient.handoffs()
    claim(patient.services.db, item.id, add_person(patient.services.db, "lee"), item.version)
    rasa.asked.clear()
    assert await after(patient, await patient.say(SPANISH)) == []
    assert rasa.asked == []


async def test_the_same_message_twice_gets_one_card(patient: Patient) -> None:
    first = await patient.say(SPANISH, client_id="the-same-id")
    await patient.say(SPANISH, client_id="the-same-id")
    assert ids(await after(patient, first)) == ["language/card"]


@pytest.mark.parametrize(
    ("locale", "language"), [("es", "es"), ("ar", "ar"), ("es-MX", "es"), ("en", None), ("fr", None), ("", None)]
)
async def test_the_first_notice_is_followed_by_the_card_in_the_pages_language(
    services: Services, locale: str, language: str | None
) -> None:
    async with door(services) as client:
        opened = (await client.post("/v1/session", json={"clinic": "demo", "locale": locale})).json()
        patient = Patient(client, services, opened["conversation"], opened["session"])
        said = await patient.heard()
        assert kinds(said) == (["consent"] if language is None else ["consent", "safety"])
        if language is not None:
            assert said[1]["body"]["lang"] == language
            assert "buttons" not in said[1]["body"]
        assert (await patient.press(CONSENT)).status_code == 202
