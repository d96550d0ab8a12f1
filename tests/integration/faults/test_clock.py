"""The clock of the machine is put forward and back by an hour in the middle of conversations."""

from __future__ import annotations

import time

import pytest

from bot.store import audit_check
from bot.store.models import Event
from bot.web.services import Services
from bot.web.unanswered import unanswered_watch
from tests.support import patient_api as talking
from tests.support.patient_api import QUESTION, RED, Patient, ScriptedRasa, after, ids, kinds

patient, rasa, services = talking.patient, talking.rasa, talking.services
HOUR = 3600.0


@pytest.mark.parametrize("jumps", [(HOUR, -HOUR), (-HOUR, HOUR), (-HOUR, -HOUR), (HOUR, HOUR)])
async def test_the_log_goes_on(
    patient: Patient, services: Services, rasa: ScriptedRasa, jumps: tuple[float, float]
) -> None:
    clock = services.db.clock
    look = unanswered_watch(services)
    sent = []
    for number, jump in enumerate((0.0, *jumps)):
        clock.move(seconds=jump)  # type: ignore[attr-defined]
        answer = await patient.say(QUESTION, f"before-{number}")
        assert ids(await after(patient, answer)) == ["pain/why_it_persists"]
        again = await patient.say(QUESTION, f"before-{number}")
        assert again.json() == answer.json(), "sent again, it is the same message"
        sent.append(answer.json()["seq"])
        assert await look() == 0, "nobody is answered twice"
    assert sent == sorted(sent)
    clock.move(seconds=-jumps[0])  # type: ignore[attr-defined]
    assert kinds(await after(patient, await patient.say(RED))) == ["safety", "handoff"]
    log: list[Event] = patient.stored()
    assert [event.seq for event in log] == list(range(1, len(log) + 1))
    keys = [event.client_id for event in log if event.client_id]
    assert len(keys) == len(set(keys))
    assert len(patient.handoffs()) == 1
    assert audit_check.check(services.db, "demo").fault is None


@pytest.mark.rasa
@pytest.mark.parametrize("jump", [HOUR, -HOUR, 25 * HOUR])
async def test_the_dialogue_goes_on(jump: float, monkeypatch: pytest.MonkeyPatch, tmp_path: object) -> None:
    """Rasa's own times: an hour of silence begins a new session, an hour back none; there is an answer either way."""
    from bot.channels.in_process import open_agent
    from bot.settings import read_settings
    from bot.training import train

    say = open_agent(train(read_settings()))
    heard = {"clinic": "demo", "screened": {"found": None, "plain_no": False}}
    first = await say("clock-jumps", QUESTION, heard)
    real = time.time
    monkeypatch.setattr(time, "time", lambda: real() + jump)
    second = await say("clock-jumps", QUESTION, heard)
    monkeypatch.undo()
    third = await say("clock-jumps", QUESTION, heard)
    said = [[reply.get("metadata", {}).get("answer_id") for reply in replies] for replies in (first, second, third)]
    assert all(said), said
