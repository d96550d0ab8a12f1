"""Event bodies: what the patient's page gets, for every tier and every notice, with nothing left unfilled."""

from __future__ import annotations

import json
from typing import Any

import pytest

from bot import safety
from bot.content import Clinic, Wording, load_clinics, load_wording
from bot.safety import Finding
from bot.web import bodies


@pytest.fixture(scope="module")
def clinic() -> Clinic:
    return load_clinics()["demo"]


@pytest.fixture(scope="module")
def wording() -> Wording:
    return load_wording()


def finding(category: str, tier: str, scope: str = "now") -> Finding:
    return Finding("rule", category, tier, (0, 1), "words", scope, 1.0, "hard")


def whole(body: dict[str, Any]) -> dict[str, Any]:
    """The body, once it is sure that a page can show it."""
    json.dumps(body)
    assert body["bubbles"] and all(body["bubbles"])
    assert all(bubble in body["fallback_text"] for bubble in body["bubbles"])
    assert all(f"[{button['title']}]" in body["fallback_text"] for button in body.get("buttons", ()))
    shown = body["fallback_text"] + json.dumps(body.get("calls", []))
    assert "{" not in body["fallback_text"], shown
    return body


@pytest.mark.parametrize("scope", ["now", "other_now"])
def test_every_safety_wording_has_words_and_numbers(clinic: Clinic, scope: str) -> None:
    for category in safety.load_rules().categories:
        for tier in category.words:
            body = whole(bodies.safety_words(finding(category.id, tier, scope), clinic))
            assert body["kind"] == "safety" and body["calls"]


@pytest.mark.parametrize(
    ("tier", "first"), [("T0", "crisis"), ("T1", "emergency"), ("T2", "urgent"), ("T3", "urgent"), (None, "urgent")]
)
def test_the_line_to_call_comes_first(clinic: Clinic, tier: str | None, first: str) -> None:
    lines = bodies.calls(clinic, tier)
    assert lines[0] == clinic.calls[first][0]
    assert any(line["label"] == "999" for line in lines[:2]), "the emergency number is never below the fold"


def test_who_is_in_danger_of_others_gets_the_lines_for_that(clinic: Clinic) -> None:
    assert bodies.calls(clinic, "T0", "RF38")[0]["label"] == "999"
    assert clinic.calls["abuse"][0] in bodies.calls(clinic, "T2", "RF38")
    assert clinic.calls["crisis"][0] not in bodies.calls(clinic, "T0", "RF38")


def test_the_one_question_has_the_number_on_screen_and_three_buttons(clinic: Clinic, wording: Wording) -> None:
    body = whole(bodies.safety_question(finding("RF01", "T1"), clinic))
    assert [button["payload"] for button in body["buttons"]] == [
        bodies.answer_payload("RF01", answer) for answer in ("yes", "no", "not_sure")
    ]
    assert body["calls"][0]["tel"] == "999"
    assert body["bubbles"] == [body["lead"], body["text"]]


def test_the_direct_question_of_a_crisis_has_four_answers_and_the_numbers(clinic: Clinic, wording: Wording) -> None:
    body = whole(bodies.safety_question(finding("RF34", "T0"), clinic, direct=True))
    answers = [bodies.answer_in(button["payload"]) for button in body["buttons"]]
    assert answers == [("RF34", "now"), ("RF34", "sometimes"), ("RF34", "no"), ("RF34", "rather_not")]
    assert body["calls"] == bodies.calls(clinic, "T0") and ".direct." in body["answer_id"]
    assert bodies.answer_in("answer:RF34") is None and bodies.answer_in("check:fever:no:none") is None


@pytest.mark.parametrize(("answer", "first"), [("now", "emergency"), ("sometimes", "crisis"), ("rather_not", "crisis")])
def test_each_answer_has_its_words_its_number_and_a_person(clinic, wording, answer: str, first: str) -> None:
    body = whole(bodies.answered("RF34", answer, clinic, wording))
    assert body["calls"][0] == clinic.calls[first][0]
    assert [button["payload"] for button in body["buttons"]] == [bodies.PERSON]
    assert body["category"] == "RF34"


def test_a_no_keeps_the_numbers_and_raises_nothing(clinic: Clinic, wording: Wording) -> None:
    body = whole(bodies.answered("RF34", "no", clinic, wording))
    assert body["calls"] and "category" not in body
    assert bodies.answered("RF01", "yes", clinic, wording) is None


@pytest.mark.parametrize("tier", ["T0", "T1"])
def test_a_hold_names_the_way_back_and_a_person(clinic: Clinic, wording: Wording, tier: str) -> None:
    body = whole(bodies.hold(tier, clinic, wording))
    assert [button["payload"] for button in body["buttons"]] == [bodies.SAFETY_RELEASE, bodies.PERSON]


def test_consent_names_its_version_and_the_emergency_number(clinic: Clinic, wording: Wording) -> None:
    body = whole(bodies.consent(clinic, wording))
    assert body["version"] == bodies.CONSENT_VERSION
    assert "999" in body["fallback_text"]


FILLED = {
    "name": "Dr Lee",
    "role": "physiotherapist",
    "opens": "today at 09:00",
    "day": "Monday",
    "date": "4 January",
    "seen": "10:40",
    "contacts": "the lead clinician",
    "until": "14:00",
    "to": "Dr Roy",
    "to_role": "physiotherapist",
}


def test_every_message_can_be_shown_with_everything_filled_in(clinic: Clinic, wording: Wording) -> None:
    for key in wording.messages:
        whole(bodies.handoff("waiting", key, clinic, wording, "10:32", **FILLED))


def test_a_notice_can_carry_the_ways_out(clinic: Clinic, wording: Wording) -> None:
    plain = whole(bodies.notice("cannot_answer", clinic, wording))
    assert "buttons" not in plain
    ways = whole(bodies.notice("cannot_answer", clinic, wording, ways_out=True))
    assert [button["payload"] for button in ways["buttons"]] == ["/chat/menu", "/talk_to_person"]


def test_a_reply_of_rasa_keeps_its_id_buttons_and_review_state() -> None:
    about = {"answer_id": "pain/alarm", "version": "pain/alarm.v1", "review": "pending", "score": 0.9}
    buttons = [{"title": "Why", "payload": "/why", "type": "postback"}]
    body = whole(bodies.reply({"text": "One.\n\nTwo.", "buttons": buttons, "metadata": about}))
    assert body["bubbles"] == ["One.", "Two."]
    assert body["buttons"] == [{"title": "Why", "payload": "/why"}]
    assert (body["answer_id"], body["version"], body["review"]) == ("pain/alarm", "pain/alarm.v1", "pending")
    assert "score" not in body


def test_a_plain_reply_of_rasa_is_named_by_its_action() -> None:
    body = bodies.reply({"text": "Hello.", "utter_action": "utter_affirm"})
    assert (body["answer_id"], "buttons" in body) == ("utter_affirm", False)


def test_a_clinicians_words_are_shown_as_they_are() -> None:
    body = bodies.clinician("Hello {name}.\n\nHow are you?", "Dr Lee", "physiotherapist")
    assert body["bubbles"] == ["Hello {name}.", "How are you?"]
    assert (body["name"], body["role"]) == ("Dr Lee", "physiotherapist")
