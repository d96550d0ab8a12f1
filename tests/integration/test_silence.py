"""A safety question that gets no answer counts as a yes: once, whole, and true, whatever goes wrong meanwhile."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from datetime import timedelta
from pathlib import Path

import pytest
from sqlalchemy import select

from bot import safety
from bot.content.silence import load_silence
from bot.handoff import silence, worker
from bot.handoff.steps import claim
from bot.safety import Finding
from bot.store import conversations
from bot.store.models import Audit, Outbox
from bot.web import plan as planning
from bot.web import silence as web_silence
from bot.web.bodies import PERSON, SAFETY_RELEASE, answer_payload
from bot.web.services import Services
from bot.web.silence import silence_watch
from tests.support.database import HandClock, add_person, at_once
from tests.support.patient_api import (
    RED,
    Patient,
    ScriptedRasa,
    accepted,
    broken,
    failing_at,
    ids,
    kinds,
    make_services,
)

# A crisis question: 3 minutes.
VAGUE = "I can't take this any more"
CRISIS = "RF34"
NOW, NO = answer_payload(CRISIS, "now"), answer_payload(CRISIS, "no")
TIMES = load_silence()
ONE_SECOND = timedelta(seconds=1).total_seconds()


@pytest.fixture
def services(tmp_path: Path) -> Services:
    return make_services(tmp_path, ScriptedRasa())


@pytest.fixture
async def patient(services: Services) -> AsyncIterator[Patient]:
    async with accepted(services) as made:
        yield made


async def asked(patient: Patient) -> int:
    """The number of a question that has just been put."""
    seq = (await patient.say(VAGUE)).json()["seq"]
    (question,) = await patient.heard(seq)
    assert (question["body"]["kind"], question["body"]["category"]) == ("question", CRISIS)
    return int(question["seq"])


def wait(services: Services, seconds: float) -> None:
    clock = services.db.clock
    assert isinstance(clock, HandClock)
    clock.move(seconds=seconds)


async def one_pass(services: Services) -> int:
    return await silence_watch(services)()


def put(services: Services, conversation: str, tier: str, category: str) -> None:
    """An open question of a tier, as a turn leaves it."""
    finding = Finding("rule", category, tier, (0, 0), "words", "now", 1.0, "rule")
    with services.db.begin() as session:
        conversations.set_pending(session, conversation, planning.pending(finding, "what they wrote"))


async def test_silence_gets_what_a_yes_gets_and_is_told_why(patient: Patient, services: Services) -> None:
    seq = await asked(patient)
    wait(services, TIMES["T0"].total_seconds())
    assert await one_pass(services) == 1
    words, handoff = await patient.read(seq)
    assert (words["body"]["kind"], words["author"], words["body"]["tier"]) == ("safety", "bot", "T0")
    (why,) = services.wording.bubbles("safety_silence")
    assert words["body"]["lead"] == words["body"]["bubbles"][0] == why
    assert words["body"]["fallback_text"].startswith(why)
    assert words["body"]["bubbles"][1:] == list(safety.words_for(CRISIS, "T0", services.clinic("demo").numbers).bubbles)
    assert words["body"]["calls"]
    assert (handoff["type"], handoff["body"]["state"], handoff["body"]["answer_id"]) == (
        "state",
        "waiting",
        "handoff/handoff_waiting",
    )
    (item,) = patient.handoffs()
    assert (item.tier, item.category, item.words, item.status) == ("T0", CRISIS, VAGUE, "raised")
    assert item.about["unanswered"] is True
    assert item.message_shown and item.numbers_shown
    with services.db.read() as session:
        assert session.execute(select(Outbox.channel).where(Outbox.handoff_id == item.id)).scalars().all() == ["email"]
        acts = session.execute(select(Audit.act, Audit.subject)).all()
        kept = conversations.conversation_with(session, patient.conversation)
        assert (kept.state, kept.pending, kept.hold["tier"]) == ("waiting", None, "T0")
    assert ("handoff.raised", item.id) in acts and ("safety.unanswered", patient.conversation) in acts
    assert await one_pass(services) == 0, "only once"
    assert len(await patient.read(seq)) == 2


@pytest.mark.parametrize("tier", TIMES)
async def test_each_tier_has_its_time_to_the_second(patient: Patient, services: Services, tier: str) -> None:
    category = next((one.id for one in safety.load_rules().categories if tier in one.words), "RF17")
    put(services, patient.conversation, tier, category)
    wait(services, TIMES[tier].total_seconds() - ONE_SECOND)
    assert await one_pass(services) == 0
    assert patient.handoffs() == []
    wait(services, ONE_SECOND)
    assert await one_pass(services) == 1
    (item,) = patient.handoffs()
    assert (item.tier, item.category) == (tier, category)
    with services.db.read() as session:
        hold = conversations.conversation_with(session, patient.conversation).hold
    assert bool(hold) is (tier in ("T0", "T1"))


async def test_an_answer_just_before_is_the_answer(patient: Patient, services: Services) -> None:
    seq = await asked(patient)
    wait(services, TIMES["T0"].total_seconds() - ONE_SECOND)
    await patient.press(NO)
    wait(services, 3600)
    assert await one_pass(services) == 0
    assert patient.handoffs() == []
    assert "handoff" not in kinds(await patient.heard(seq))


async def test_a_no_just_after_takes_nothing_back_and_is_answered(patient: Patient, services: Services) -> None:
    await asked(patient)
    wait(services, TIMES["T0"].total_seconds())
    await one_pass(services)
    seq = (await patient.press(NO)).json()["seq"]
    assert ids(await patient.heard(seq)) == ["safety/RF34.no.v2"]
    seq = (await patient.say("why does it hurt")).json()["seq"]
    assert ids(await patient.heard(seq)) == ["safety/safety_hold_crisis"]
    (item,) = patient.handoffs()
    assert item.status == "raised"


async def test_a_yes_just_after_is_not_taken_for_being_safe(patient: Patient, services: Services) -> None:
    await asked(patient)
    wait(services, TIMES["T0"].total_seconds())
    await one_pass(services)
    seq = (await patient.say("yes")).json()["seq"]
    assert ids(await patient.heard(seq)) == ["safety/safety_hold_crisis"]
    seq = (await patient.say("yes")).json()["seq"]
    assert ids(await patient.heard(seq)) == ["notice/safety_released"], "now it was asked whether they are safe"


@pytest.mark.parametrize("payload", [NOW, NO])
async def test_late_buttons_without_a_hold_are_answered_without_rasa(
    patient: Patient, services: Services, payload: str
) -> None:
    await asked(patient)
    put(services, patient.conversation, "T2", "RF15")
    wait(services, TIMES["T2"].total_seconds())
    await one_pass(services)
    seq = (await patient.press(payload)).json()["seq"]
    assert ids(await patient.heard(seq)) == ["notice/safety_late"]
    assert len(patient.handoffs()) == 1


async def test_an_answer_and_the_timer_at_once_are_one_alarm(patient: Patient, services: Services) -> None:
    seq = await asked(patient)
    wait(services, TIMES["T0"].total_seconds())
    await asyncio.gather(one_pass(services), patient.press(NOW), one_pass(services))
    heard = await patient.heard(seq)
    assert kinds(heard)[:2] == ["safety", "handoff"]
    assert len(patient.handoffs()) == 1
    with services.db.read() as session:
        assert conversations.conversation_with(session, patient.conversation).pending is None


def test_two_workers_settle_a_question_once(services: Services) -> None:
    with services.db.begin() as session:
        opened = conversations.open_conversation(session, clinic="demo", locale="en", lifetime=timedelta(days=1))
        conversation = opened.conversation.id
    put(services, conversation, "T1", "RF01")
    wait(services, 3600)

    def settle() -> int:
        return asyncio.run(one_pass(services))

    assert sorted(at_once(*[settle] * 4)) == [0, 0, 0, 1]


async def test_the_page_is_woken_after_the_commit(patient: Patient, services: Services) -> None:
    seq = await asked(patient)
    wait(services, 3600)
    waiting = asyncio.create_task(patient.read(seq, wait=20))
    with services.hub.listen("inbox:demo") as desk:
        await one_pass(services)
        assert kinds(await waiting) == ["safety", "handoff"]
        assert desk.get_nowait()


async def test_wherever_it_fails_nothing_is_half_done_and_the_next_pass_does_it(
    patient: Patient, services: Services
) -> None:
    seq = await asked(patient)
    wait(services, 3600)
    for number in range(200):
        with failing_at(services.db, number) as tried:
            settled = await one_pass(services)
        if settled:
            break  # nothing was left to fail
        assert await patient.read(seq) == [], number
        assert patient.handoffs() == [], number
        with services.db.read() as session:
            assert conversations.conversation_with(session, patient.conversation).pending, number
    assert number > 8 and len(tried) < number
    assert kinds(await patient.read(seq)) == ["safety", "handoff"]
    assert len(patient.handoffs()) == 1


async def test_a_database_that_comes_back_finds_the_loop_at_work(patient: Patient, services: Services) -> None:
    seq = await asked(patient)
    wait(services, 3600)
    whole, services.db = services.db, broken(services.db)
    watch, stop = silence_watch(services), asyncio.Event()
    back, tries = asyncio.Event(), 0

    async def chore() -> int:
        nonlocal tries
        tries += 1
        if tries == 3:
            services.db = whole
            back.set()
        return await watch()

    running = asyncio.create_task(worker.run(whole, {}, stop, chores={"silence": chore}, chores_every=0.005))
    await back.wait()
    assert kinds(await patient.read(seq, wait=20)) == ["safety", "handoff"]
    stop.set()
    await running
    assert tries >= 3
    assert worker.alive(whole, ["silence"])


async def test_a_question_that_cannot_be_settled_stops_no_other(
    patient: Patient, services: Services, monkeypatch: pytest.MonkeyPatch
) -> None:
    await asked(patient)
    put(services, patient.conversation, "T0", "no such category")
    other = Patient(patient.client, services)
    await other.open()
    put(services, other.conversation, "T1", "RF01")
    monkeypatch.setattr(silence, "BATCH", 1)
    wait(services, 3600)
    assert await one_pass(services) == 1
    assert (len(patient.handoffs()), len(other.handoffs())) == (0, 1)


async def test_the_gravest_come_first(patient: Patient, services: Services) -> None:
    order = []
    for tier in ("T3", "T1", "T0", "T2"):
        other = Patient(patient.client, services)
        await other.open()
        put(services, other.conversation, tier, "RF01")
        order.append((tier, other.conversation))
        wait(services, 1)
    wait(services, 3600)
    with services.db.read() as session:
        assert silence.overdue(session, TIMES) == [conversation for _, conversation in sorted(order)]


async def test_a_question_of_an_earlier_version_is_not_forgotten(patient: Patient, services: Services) -> None:
    with services.db.begin() as session:
        finding = Finding("rule", "RF01", "T1", (0, 0), "words", "now", 1.0, "rule")
        conversations.locked_conversation(session, patient.conversation).pending = planning.pending(finding, "x")
    assert await one_pass(services) == 1
    assert len(patient.handoffs()) == 1


async def test_an_open_handoff_is_named_and_not_doubled(patient: Patient, services: Services) -> None:
    await patient.say(RED)
    put(services, patient.conversation, "T1", patient.handoffs()[0].category)
    wait(services, 3600)
    seq = patient.stored()[-1].seq
    assert await one_pass(services) == 1
    assert ids(await patient.read(seq))[1] == "handoff/handoff_still"
    assert len(patient.handoffs()) == 1


async def test_a_person_who_holds_the_chat_keeps_it(patient: Patient, services: Services) -> None:
    await patient.press(PERSON)
    (item,) = patient.handoffs()
    await asked(patient)
    claim(services.db, item.id, add_person(services.db, "lee"), item.version)
    wait(services, 3600)
    assert await one_pass(services) == 1
    assert len(patient.handoffs()) == 2
    with services.db.read() as session:
        assert conversations.conversation_with(session, patient.conversation).state == "human"


async def test_after_silence_the_way_back_is_the_usual_one(patient: Patient, services: Services) -> None:
    await asked(patient)
    wait(services, 3600)
    await one_pass(services)
    seq = (await patient.press(SAFETY_RELEASE)).status_code
    assert seq == 409, "the button is offered with the next words, not with these"
    await patient.say("what now")
    seq = (await patient.press(SAFETY_RELEASE)).json()["seq"]
    assert ids(await patient.heard(seq)) == ["notice/safety_released"]


def test_nothing_pending_is_nothing_to_do(services: Services) -> None:
    with services.db.begin() as session:
        opened = conversations.open_conversation(session, clinic="demo", locale="en", lifetime=timedelta(days=1))
        web_silence.count_as_yes(services, session, opened.conversation)
        assert opened.conversation.last_seq == 0


async def test_silence_about_something_graver_than_the_alarm_of_the_same_message(
    patient: Patient, services: Services
) -> None:
    """The message has raised one item already; its open question, unanswered, must raise its own."""
    key = "one-message-0001"
    await patient.say("since this morning I can't pee and I am numb between my legs", client_id=key)
    await patient.heard()
    finding = Finding("rule", CRISIS, "T0", (0, 0), "words", "now", 1.0, "rule")
    with services.db.begin() as session:
        kept = {**planning.pending(finding, VAGUE), "key": key}
        conversations.set_pending(session, patient.conversation, kept)
    wait(services, TIMES["T0"].total_seconds())
    assert await one_pass(services) == 1
    assert sorted((item.tier, item.category) for item in patient.handoffs()) == [("T0", CRISIS), ("T1", "RF01")]
