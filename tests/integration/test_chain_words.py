"""What the patient reads while a handoff waits: every state true, with its time; out of hours before all else."""

from __future__ import annotations

from typing import Any

import pytest

from bot.content.inbox import load_inbox_wording
from bot.handoff import escalate, steps
from bot.handoff.climb import climb_overdue
from bot.store.models import Handoff
from bot.web import bodies, handoffs
from bot.web.climbing import climb_watch
from bot.web.inbox import acts
from bot.web.services import Services
from tests.support import patient_api as talking
from tests.support.database import add_person
from tests.support.patient_api import RED, Patient, with_hours

patient, rasa, services = talking.patient, talking.rasa, talking.services

DAYS_ONLY = {day: [["09:00", "17:00"]] for day in ("monday", "tuesday", "wednesday", "thursday", "friday")}
WEEK = {**DAYS_ONLY, "saturday": [], "sunday": []}


def states(events: list[dict[str, Any]]) -> list[str]:
    return [event["body"]["answer_id"] for event in events if event["type"] == "state"]


async def climbs(services: Services) -> int:
    return await climb_watch(services)()


async def test_the_chain_is_told_step_by_step_to_its_end(patient: Patient, services: Services) -> None:
    seq = (await patient.say(RED)).json()["seq"]
    assert states(await patient.heard(seq)) == ["handoff/handoff_waiting"]
    services.db.clock.move(minutes=10)  # type: ignore[attr-defined]
    assert await climbs(services) == 1
    services.db.clock.move(minutes=10)  # type: ignore[attr-defined]
    assert await climbs(services) == 1
    services.db.clock.move(minutes=10)  # type: ignore[attr-defined]
    assert await climbs(services) == 1
    told = [event for event in await patient.heard(seq) if event["type"] == "state"]
    assert states(told) == [
        "handoff/handoff_waiting",
        "handoff/handoff_escalated",
        "handoff/handoff_escalated",
        "handoff/handoff_exhausted",
    ]
    clinic = services.clinics["demo"]
    assert clinic.chain.contacts["lead"].name in told[1]["body"]["bubbles"][0]
    assert told[3]["body"]["at"] == services.shown(clinic, services.db.clock())
    # The end of the chain: the clinic's own number, the urgent line and the emergency number, as words and as links.
    text = told[3]["body"]["fallback_text"]
    assert all(number in text for number in (clinic.phone, clinic.numbers["emergency_number"]))
    assert {"999"} <= {call.get("tel") for call in told[3]["body"]["calls"]}
    (item,) = patient.handoffs()
    assert item.exhausted_at == services.db.clock() and item.status == "raised"
    for _ in range(3):
        services.db.clock.move(days=1)  # type: ignore[attr-defined]
        await climbs(services)
    assert len([e for e in await patient.heard(seq) if e["type"] == "state"]) == 4


async def test_out_of_hours_is_said_before_anything_is_asked(services: Services) -> None:
    services.clinics["demo"] = with_hours(services.clinics["demo"], WEEK)  # it is Wednesday, 03:04
    async with talking.accepted(services) as patient:
        first = [event["body"] for event in await patient.heard(0) if event["body"]["kind"] == "notice"][-1]
        assert first["lead"] == first["bubbles"][0] and "today at 09:00" in first["lead"]
        seq = (await patient.press(bodies.PERSON)).json()["seq"]
        after = (await patient.heard(seq))[0]["body"]
        assert after["answer_id"] == "handoff/handoff_waiting_person"
        assert after["bubbles"][0] == after["lead"] and "today at 09:00" in after["lead"]
        seq = (await patient.say(RED)).json()["seq"]
        safety, told = [event["body"] for event in await patient.heard(seq)][:2]
        assert safety["kind"] == "safety" and "lead" not in safety  # the words themselves come first, as ever
        assert "today at 09:00" in told["lead"]


async def test_open_nothing_is_said_of_hours(patient: Patient) -> None:
    seq = (await patient.say(RED)).json()["seq"]
    assert all("lead" not in event["body"] for event in await patient.heard(0))
    assert states(await patient.heard(seq)) == ["handoff/handoff_waiting"]


async def test_a_wish_for_a_person_can_be_taken_back(patient: Patient, services: Services) -> None:
    seq = (await patient.press(bodies.PERSON)).json()["seq"]
    told = (await patient.heard(seq))[0]["body"]
    assert [button["payload"] for button in told["buttons"]] == [bodies.WITHDRAW]
    seq = (await patient.press(bodies.WITHDRAW)).json()["seq"]
    assert states(await patient.heard(seq)) == ["handoff/handoff_withdrawn"]
    assert [item.status for item in patient.handoffs()] == ["withdrawn"]
    again = (await patient.press(bodies.WITHDRAW)).json()["seq"]
    assert (await patient.heard(again))[0]["body"]["answer_id"] == "notice/handoff_withdraw_late"


async def test_a_red_flag_offers_no_way_back_and_a_forged_one_changes_nothing(patient: Patient) -> None:
    seq = (await patient.say(RED)).json()["seq"]
    assert not any(
        button["payload"] == bodies.WITHDRAW
        for event in await patient.heard(seq)
        for button in event["body"].get("buttons", ())
    )
    assert (await patient.press(bodies.WITHDRAW)).json()["code"] == "not_offered"
    assert [item.status for item in patient.handoffs()] == ["raised"]


async def test_opened_but_not_taken_is_said_once_and_then_no_longer_unopened(
    patient: Patient, services: Services
) -> None:
    seq = (await patient.say(RED)).json()["seq"]
    (item,) = patient.handoffs()
    lee, roy = add_person(services.db, "Lee"), add_person(services.db, "Roy")
    for person in (lee, roy, lee):
        acts.see(acts.Desk(services, person, "", load_inbox_wording()), item.id)
    assert states(await patient.heard(seq)) == ["handoff/handoff_waiting", "handoff/handoff_seen"]
    seq = (await patient.say(RED + " still")).json()["seq"]
    assert states(await patient.heard(seq)) == ["handoff/handoff_again_seen"]
    steps.claim(services.db, item.id, lee, patient.handoffs()[0].version)
    seq = (await patient.say(RED + " and still")).json()["seq"]
    assert states(await patient.heard(seq)) == []


async def test_nobody_is_told_that_nobody_answers_while_somebody_is_with_them(
    patient: Patient, services: Services
) -> None:
    await patient.say(RED)
    lee = add_person(services.db, "Lee")
    steps.claim(services.db, patient.handoffs()[0].id, lee, 1)
    seq = (await patient.say("I want to end my life tonight")).json()["seq"]
    assert len(patient.handoffs()) == 2
    services.db.clock.move(hours=3)  # type: ignore[attr-defined]
    for _ in range(4):
        await climbs(services)
        services.db.clock.move(hours=3)  # type: ignore[attr-defined]
    # Until the end of the chain: whoever is with them may not be there for ever.
    assert states(await patient.heard(seq)) == ["handoff/handoff_waiting", "handoff/handoff_exhausted_crisis"]
    # The clinic's people are told all the same: the newer item has nobody's name on it.
    (newer,) = [item for item in patient.handoffs() if item.tier == "T0"]
    assert newer.exhausted_at is not None


async def test_words_that_cannot_be_written_leave_the_chain_where_it_was(
    patient: Patient, services: Services, monkeypatch: pytest.MonkeyPatch
) -> None:
    await patient.say(RED)
    services.db.clock.move(minutes=10)  # type: ignore[attr-defined]

    def fail(*_: object) -> None:
        raise RuntimeError

    with monkeypatch.context() as broken:
        broken.setattr(handoffs, "tell_climbed", fail)
        assert await climbs(services) == 0
    assert patient.handoffs()[0].step == 0
    assert await climbs(services) == 1


async def test_the_page_is_woken(patient: Patient, services: Services) -> None:
    await patient.say(RED)
    services.db.clock.move(minutes=10)  # type: ignore[attr-defined]
    woken: list[tuple[str, str]] = []
    await climb_overdue(
        services.db, services.clinic, lambda *_: None, lambda conversation, clinic: woken.append((conversation, clinic))
    )
    assert woken == [(patient.conversation, "demo")]
    assert patient.handoffs()[0].climb_at > services.db.clock()


async def test_the_bot_stays_silent_however_long_a_person_holds_the_chat(
    patient: Patient, services: Services, rasa: talking.ScriptedRasa
) -> None:
    """Rasa's own session runs out after an hour and a typed /restart wakes it: it must not be asked at all."""
    await patient.press(bodies.PERSON)
    await services.finish_turns(5.0)
    lee = add_person(services.db, "Lee")
    (item,) = patient.handoffs()
    steps.claim(services.db, item.id, lee, item.version)
    asked = len(rasa.asked)
    for minutes, words in ((61, "hello"), (0, "/restart"), (0, "/session_start"), (4_000, "why does my back hurt")):
        services.db.clock.move(minutes=minutes)  # type: ignore[attr-defined]
        seq = (await patient.say(words)).json()["seq"]
        assert await patient.heard(seq) == []
    assert len(rasa.asked) == asked


async def test_a_repeat_after_it_was_given_back_unopened_can_be_kept(patient: Patient, services: Services) -> None:
    """An item that was taken along with another, and released, has been seen by somebody who never opened it."""
    await patient.press(bodies.PERSON)
    await patient.say(RED)
    lee = add_person(services.db, "Lee")
    first, second = patient.handoffs()
    steps.claim(services.db, first.id, lee, first.version)
    steps.release(services.db, first.id, lee, services.clinics["demo"])
    assert (await patient.say(RED + " still")).status_code == 202
    assert (await patient.press(bodies.PERSON)).status_code == 202
    assert second.id in {item.id for item in patient.handoffs()}


async def test_what_is_graver_is_said_truly_whoever_has_it(patient: Patient, services: Services) -> None:
    lee = add_person(services.db, "Lee")
    with services.db.begin() as session:
        raised = escalate.raise_handoff(
            session, conversation_id=patient.conversation, message_key="m", clinic="demo", clinic_of=services.clinic,
            tier="T3", category="RF01", rule="r", words="w", message_shown="",
        )  # fmt: skip
    acts.see(acts.Desk(services, lee, "", load_inbox_wording()), raised.handoff_id)
    seq = (await patient.say(RED)).json()["seq"]
    assert states(await patient.heard(seq)) == ["handoff/handoff_waiting_anew"]
    steps.claim(services.db, raised.handoff_id, lee, patient.handoffs()[0].version)
    with services.db.begin() as session:
        session.get(Handoff, raised.handoff_id).tier = "T3"
    seq = (await patient.say(RED)).json()["seq"]
    assert states(await patient.heard(seq)) == ["handoff/handoff_again_held"]
    services.db.clock.move(hours=1)  # type: ignore[attr-defined]
    seq = (await patient.say(RED)).json()["seq"]
    assert states(await patient.heard(seq)) == ["handoff/handoff_waiting_anew"]
    assert patient.handoffs()[0].claimed_by is None
