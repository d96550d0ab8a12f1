"""The decision in the middle of a turn, for a message that is not in English, and the card that it is answered with."""

from __future__ import annotations

from dataclasses import replace

import pytest

from bot.content import Clinic, load_clinics, load_wording
from bot.safety import Finding, Screening
from bot.web import bodies
from bot.web import plan as planning
from bot.web.bodies import PERSON, SAFETY_RELEASE
from bot.web.plan import Plan, Said, Situation, plan

SPANISH = "me duele mucho la espalda y no puedo dormir"
ENGLISH = "my back hurts and I cannot sleep"
QUIET = Screening(None, False, (), None)
FOUND = Finding("rule", "RF01", "T1", (0, 1), "words", "now", 1.0, "hard")
HOLD = {"tier": "T1", "category": "RF01"}


def situation(state: str = "bot", consented: bool = True, pending=None, hold=None) -> Situation:
    return Situation(state, consented, pending, hold)


@pytest.fixture(scope="module")
def clinic() -> Clinic:
    return load_clinics()["demo"]


@pytest.mark.parametrize("state", ["bot", "waiting", "closed"])
def test_a_message_in_another_language_gets_the_card(state: str) -> None:
    assert plan(situation(state), Said(SPANISH), QUIET) == Plan(planning.LANGUAGE, language="es")


def test_english_is_answered() -> None:
    assert plan(situation(), Said(ENGLISH), QUIET) == Plan(planning.CONVERSE, text=ENGLISH)


def test_an_alarm_of_the_english_screening_comes_first() -> None:
    decided = plan(situation(), Said(SPANISH), Screening("T1", False, (FOUND,), FOUND))
    assert (decided.kind, decided.language) == (planning.ALARM, "")


def test_so_does_its_question() -> None:
    assert plan(situation(), Said(SPANISH), Screening("T1", True, (FOUND,), FOUND)).kind == planning.ASK


def test_an_answer_in_another_language_to_an_open_question_counts_as_a_yes() -> None:
    pending = planning.pending(FOUND, "numb since monday")
    assert plan(situation(pending=pending), Said("sí, desde ayer no siento nada"), QUIET).kind == planning.ALARM


def test_after_a_no_the_earlier_message_is_told_too_and_not_taught() -> None:
    pending = planning.pending(FOUND, SPANISH)
    decided = plan(situation(pending=pending), Said("no"), QUIET)
    assert (decided.kind, decided.text, decided.language) == (planning.CLEARED, "", "es")
    held = plan(situation(pending=pending, hold=HOLD), Said("no"), QUIET)
    assert (held.kind, held.language) == (planning.CLEARED, "")


def test_while_a_person_has_the_conversation_nothing_is_said() -> None:
    assert plan(situation("human"), Said(SPANISH), QUIET) == Plan(planning.HUMAN_HOLDS)


def test_lessons_stay_closed_and_the_card_is_added() -> None:
    assert plan(situation(hold=HOLD), Said(SPANISH), QUIET) == Plan(planning.HOLD, language="es")
    assert plan(situation(hold=HOLD), Said(SPANISH, SAFETY_RELEASE), QUIET) == Plan(planning.RELEASE)


def test_nothing_is_shown_before_the_notice_is_accepted() -> None:
    assert plan(situation(consented=False), Said(SPANISH), QUIET).kind == planning.CONSENT_NEEDED


def test_the_title_of_a_button_is_no_message() -> None:
    assert plan(situation(), Said(SPANISH, "/life/sleep"), QUIET).kind == planning.CONVERSE
    assert plan(situation(), Said(SPANISH, PERSON), QUIET).kind == planning.PERSON_ASKED


# The card


def test_the_clinics_own_card(clinic: Clinic) -> None:
    body = bodies.language_card("es", clinic, load_wording())
    assert (body["kind"], body["tier"], body["answer_id"]) == ("safety", None, "language/card")
    assert (body["lang"], body["review"]) == ("es", "pending")
    assert tuple(body["bubbles"]) == clinic.safety_cards["es"].bubbles
    assert [line["label"] for line in body["calls"]] == ["999", "NHS 111", "Samaritans on 116 123"]
    assert body["buttons"] == [{"title": "Hablar con una persona", "payload": PERSON}]


@pytest.mark.parametrize("language", ["fr", "und", "ur-Latn"])
def test_the_english_card_where_the_clinic_has_none(clinic: Clinic, language: str) -> None:
    body = bodies.language_card(language, clinic, load_wording())
    assert (body["lang"], "review" in body) == ("en", False)
    assert "999" in body["fallback_text"] and "{" not in body["fallback_text"]
    assert body["buttons"] == [{"title": "Talk to a person", "payload": PERSON}]


def test_a_card_in_a_language_without_labels_has_the_english_button(clinic: Clinic) -> None:
    card = replace(clinic.safety_cards["es"], language="fr")
    body = bodies.language_card("fr", replace(clinic, safety_cards={"fr": card}), load_wording())
    assert (body["lang"], body["buttons"][0]["title"]) == ("fr", "Talk to a person")


def test_beside_the_first_notice_the_card_has_no_button(clinic: Clinic) -> None:
    assert "buttons" not in bodies.language_card("es", clinic, load_wording(), person=False)
