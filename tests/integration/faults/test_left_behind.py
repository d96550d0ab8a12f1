"""A message whose answer could not be written: the patient was told so on the page, and is answered later."""

from __future__ import annotations

import asyncio
import gc
from collections.abc import Iterator

import pytest

from bot.web.services import Services
from bot.web.unanswered import GRACE, unanswered_watch
from tests.support import patient_api as talking
from tests.support.patient_api import QUESTION, Patient, ScriptedRasa, after, broken, ids

patient, rasa, services = talking.patient, talking.rasa, talking.services


@pytest.fixture(autouse=True)
def _no_collector() -> Iterator[None]:
    """Nothing may depend on when it comes by."""
    gc.disable()
    yield
    gc.enable()


async def test_it_is_answered_once_the_database_is_back(
    patient: Patient, rasa: ScriptedRasa, services: Services
) -> None:
    look, database = unanswered_watch(services), services.db
    await look()
    rasa.gate = asyncio.Event()
    rasa.hears.clear()
    sent = await patient.say(QUESTION)
    await asyncio.wait_for(rasa.hears.wait(), 5)
    services.db = broken(database)
    rasa.gate.set()
    await services.finish_turns(5)
    services.db = database
    assert not services.busy(patient.conversation), "no turn is under way"
    assert ids(await patient.read(sent.json()["seq"])) == []
    services.db.clock.move(seconds=GRACE.total_seconds() + 1)  # type: ignore[attr-defined]
    assert await look() == 1
    assert ids(await after(patient, sent)) == ["pain/why_it_persists"]
