"""A message whose answer could not be written: the patient was told so on the page, and is answered later."""

from __future__ import annotations

import asyncio
import gc
import json
from collections.abc import Iterator
from typing import Any

import pytest

from bot.web.patient import _stream
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


async def test_a_stream_that_could_not_read_the_log_looks_again(patient: Patient, services: Services) -> None:
    """Nothing else may wake it for minutes: what it was woken for is shown as soon as the log can be read."""
    database = services.db
    stream = _stream(services, patient.conversation, len(patient.stored()))
    assert (await anext_of(stream)).startswith("retry")
    sent = await patient.say(QUESTION)
    await services.finish_turns(5)
    services.db = broken(database)
    waiting = asyncio.create_task(anext_of(stream))
    await asyncio.sleep(0.3)  # it hears every wake-up, and can read nothing
    services.db = database
    shown = await asyncio.wait_for(waiting, 5)
    await stream.aclose()  # type: ignore[attr-defined]
    assert sent.status_code == 202 and json.loads(shown.split("data: ")[1])["author"] == "patient"


async def anext_of(stream: Any) -> str:
    """The next frame that is an event, or the first line."""
    async for text in stream:
        if text.startswith(("id:", "retry")):
            return str(text)
    raise AssertionError("the stream ended")
