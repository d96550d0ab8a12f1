"""The way of a message in numbers: each step and each outcome is counted where it happens."""

from __future__ import annotations

from typing import Any

import pytest

from bot.web import conversing
from bot.web.assistant import AssistantUnavailable
from tests.support.metrics import Scraped
from tests.support.patient_api import QUESTION, RED, Patient, ScriptedRasa, patient, rasa, services

__all__ = ["patient", "rasa", "services"]


def numbers(patient: Patient) -> Scraped:
    return Scraped.of_registry(patient.services.metrics.registry)


async def test_a_question_that_is_answered(patient: Patient) -> None:
    await patient.say(QUESTION)
    await patient.heard()
    found = numbers(patient)
    assert found.value("pne_turns_total", kind="converse", outcome="answered") == 1
    assert found.value("pne_turn_seconds_count", outcome="answered") == 1
    assert found.value("pne_rasa_calls_total", outcome="ok") == 1
    for stage in ("screening", "record", "rasa"):
        assert found.value("pne_stage_seconds_count", stage=stage) >= 1, stage


async def test_a_question_without_an_answer(patient: Patient, rasa: ScriptedRasa) -> None:
    rasa.error = AssistantUnavailable("ReadTimeout")
    await patient.say(QUESTION)
    await patient.heard()
    found = numbers(patient)
    assert found.value("pne_turns_total", kind="converse", outcome="no_answer") == 1
    assert found.value("pne_rasa_calls_total", outcome="timeout") == 1


async def test_what_is_answered_at_once_and_what_is_too_much(
    patient: Patient, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(conversing, "MOST_WAITING", 0)
    await patient.say(QUESTION)
    await patient.say(RED)
    await patient.heard()
    found: Any = numbers(patient)
    assert found.value("pne_turns_total", kind="converse", outcome="too_busy") == 1
    assert found.value("pne_turns_total", kind="alarm", outcome="at_once") == 1
    assert found.value("pne_turns_total", kind="consented", outcome="at_once") == 1
    assert found.value("pne_safety_words_seconds_count", kept="yes") == 1
