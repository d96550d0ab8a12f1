"""A handoff in a health record: right FHIR R4, made once, with the state that is true when it is sent."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import pytest

from bot.content import load_clinics, load_wording
from bot.handoff import fhir_codes, steps
from bot.handoff.backend_services import SCOPES
from bot.handoff.worker import LEASE
from bot.store import handoffs, outbox
from bot.store.conversations import conversation_with
from bot.store.models import Handoff, Survey
from bot.store.rights import ERASED
from bot.store.session import Database
from tests.support.database import PATIENT_WORDS, HandClock, a_clinic, add_person
from tests.support.fhir_values import FIELDS, OWN_CODES, SYSTEMS, faults_of
from tests.support.fhir_way import Way, is_a_task
from tests.support.receivers import Fault, FhirServer, Reply, Request, clinic_with

ANSWERS: Mapping[str, Any] = {"pain": 7, "where": "back", "more": "at night\x07", "life": None}


@pytest.fixture
def server(clock: HandClock) -> FhirServer:
    return FhirServer(clock)


@pytest.fixture
def way(db: Database, server: FhirServer) -> Way:
    return Way(db, server)


def test_every_code_that_we_can_write_is_of_its_value_set() -> None:
    used = {
        "Task.status": fhir_codes.TaskStatus,
        "Task.intent": fhir_codes.TaskIntent,
        "Task.priority": fhir_codes.Priority,
        "Communication.status": fhir_codes.EventStatus,
        "Communication.priority": fhir_codes.Priority,
        "QuestionnaireResponse.status": fhir_codes.AnswersStatus,
        "Observation.status": fhir_codes.ObservationStatus,
        "Device.deviceName.type": fhir_codes.DeviceNameType,
    }
    assert used.keys() == FIELDS.keys()
    for path, codes in used.items():
        assert {code.value for code in codes} <= set(FIELDS[path].split()), path
    for system, used_codes in (
        (fhir_codes.COMMUNICATION_CATEGORY, fhir_codes.CommunicationCategory),
        (fhir_codes.OBSERVATION_CATEGORY, fhir_codes.ObservationCategory),
    ):
        assert {code.value for code in used_codes} <= set(SYSTEMS[system].split())
    assert fhir_codes.SMART_APPLICATION in SYSTEMS[fhir_codes.SMART].split()
    assert {code.value for code in fhir_codes.Own} == set(OWN_CODES.split())
    assert fhir_codes.TASK_STATUS.keys() == set(handoffs.STATUSES)


def test_the_check_finds_what_the_strict_model_lets_pass() -> None:
    task = {"resourceType": "Task", "status": "requested", "intent": "nonsense", "priority": "stat"}
    assert faults_of(task) == ["Task.intent = nonsense"]
    assert faults_of({**task, "intent": "proposal", "stauts": "x"})
    assert faults_of({**task, "intent": "proposal"}) == []
    coded = {**task, "intent": "proposal", "code": {"coding": [{"system": fhir_codes.SMART, "code": "launch"}]}}
    assert len(faults_of(coded)) == 1
    del task["priority"]
    assert faults_of({**task, "intent": "proposal"}) == ["Task.priority is missing"]


async def test_a_raised_item_is_a_task_with_the_patients_words(way: Way, clock: HandClock) -> None:
    raised = way.raised(rules_version="rules-7")
    await way.go()
    assert way.server.faults == []
    (words,) = way.server.of("Communication")
    task = way.server.task
    assert words["payload"] == [{"contentString": PATIENT_WORDS}]
    assert words["category"][0]["coding"][0]["code"] == "alert"
    assert (task["status"], task["intent"], task["priority"]) == ("requested", "proposal", "stat")
    assert task["identifier"] == [{"system": fhir_codes.HANDOFF, "value": raised}]
    assert task["focus"]["reference"] == "Communication/1"
    assert task["focus"]["identifier"] == words["identifier"][0]
    assert task["owner"] == {"reference": "Organization/7"}
    assert task["restriction"]["period"]["end"] == "2030-01-02T03:14:05.678Z", "an emergency has ten minutes"
    inputs = {one["type"]["coding"][0]["code"]: one for one in task["input"]}
    assert inputs["smartonfhir-application"]["valueUrl"] == f"https://tutor.invalid/inbox/{raised}"
    assert inputs["rule"]["valueString"] == "saddle-numb"
    assert inputs["rules-version"]["valueString"] == "rules-7"
    assert PATIENT_WORDS not in str(task)
    (row,) = way.rows(raised)
    assert (row.sent_at, row.receipt) == (clock(), f"{way.server.base}/Task/2")
    assert set(way.server.asked_scopes) == set(SCOPES)
    with way.db.read() as session:
        assert session.get(Handoff, raised).status == "delivered"


async def test_who_is_not_signed_in_is_a_device_with_a_note(way: Way) -> None:
    way.raised()
    await way.go()
    (words,) = way.server.of("Communication")
    assert words["sender"] == {"reference": "#pne-tutor"} and "subject" not in words
    assert words["contained"][0]["note"][0]["text"] == load_wording().mail["record"]["anonymous"]
    assert "for" not in way.server.task and "note" not in way.server.task["contained"][0]


async def test_who_is_signed_in_is_the_clinics_own_patient(db: Database, server: FhirServer) -> None:
    identity = load_clinics()["portal"].identity
    assert identity is not None
    way = Way(db, server, replace(clinic_with(base=server.base), identity=identity))
    way.raised()
    with db.begin() as session:
        conversation_with(session, "c").subject = "pat-1"
    await way.go()
    (words,) = server.of("Communication")
    patient = {"type": "Patient", "identifier": {"system": identity.issuer, "value": "pat-1"}}
    assert words["sender"] == words["subject"] == server.task["for"] == patient
    assert "contained" not in words


@pytest.mark.parametrize(
    ("tier", "rule", "priority", "category"),
    [
        ("T0", "r", "stat", "alert"),
        ("T2", "r", "urgent", "alert"),
        ("T3", "r", "routine", "alert"),
        ("T4", None, "routine", "notification"),
    ],
)
async def test_tiers_are_priorities(way: Way, tier: str, rule: str | None, priority: str, category: str) -> None:
    way.raised(tier=tier, rule=rule)
    await way.go()
    (words,) = way.server.of("Communication")
    assert way.server.task["priority"] == words["priority"] == priority
    assert words["category"][0]["coding"][0]["code"] == category


async def test_the_whole_life_of_an_item_in_its_task(way: Way, clock: HandClock) -> None:
    raised = way.raised()
    person = add_person(way.db, "ada")
    expected = []

    async def then(status: str) -> dict[str, Any]:
        clock.move(minutes=1)
        await way.go()
        expected.append(status)
        assert way.server.task["status"] == status
        return way.server.task

    await then("requested")
    steps.mark_seen(way.db, raised, person)
    await then("received")
    steps.claim(way.db, raised, person, 1)
    task = await then("accepted")
    assert task["executionPeriod"].keys() == {"start"}
    with way.db.begin() as session:
        steps.answered(session, "c", person)
    await then("in-progress")
    steps.hand_back(way.db, raised, person)
    await then("in-progress")
    steps.close(way.db, raised, person, "booked_visit")
    task = await then("completed")
    assert task["output"][0]["valueCodeableConcept"]["coding"][0]["code"] == "booked_visit"
    assert task["executionPeriod"].keys() == {"start", "end"}
    assert way.server.states["Task/2"] == expected and way.server.faults == []
    assert len(way.server.of("Communication")) == 1


async def test_a_wish_that_was_withdrawn_is_a_cancelled_task(way: Way) -> None:
    way.raised(tier="T4", rule=None, category="contact")
    await way.go()
    with way.db.begin() as session:
        steps.withdraw(session, "c", "contact")
    await way.go()
    assert way.server.task["status"] == "cancelled"


async def test_where_nobody_came_the_task_says_so_until_somebody_does(way: Way, clock: HandClock) -> None:
    raised = way.raised()
    with way.db.begin() as session:
        session.get(Handoff, raised).exhausted_at = clock()
    await way.go()
    assert way.server.task["businessStatus"]["coding"][0]["code"] == "nobody-claimed"
    steps.claim(way.db, raised, add_person(way.db, "ada"), 1)
    await way.go()
    assert "businessStatus" not in way.server.task and way.server.faults == []


async def test_news_that_arrives_before_the_first_notice_makes_no_second_task(way: Way, clock: HandClock) -> None:
    raised = way.raised()
    way.faulty.faults = [Fault(Reply(503))]
    await way.go()
    steps.claim(way.db, raised, add_person(way.db, "ada"), 1)
    await way.go()
    assert way.server.task["status"] == "accepted", "the change has overtaken the first notice"
    clock.move(seconds=2)
    await way.go()
    assert way.server.task["status"] == "accepted"
    assert all(row.sent_at is not None for row in way.rows(raised))


async def test_a_state_that_changes_while_it_is_sent_is_sent_too(way: Way) -> None:
    raised = way.raised()
    person = add_person(way.db, "ada")
    claimed: list[bool] = []

    def claim_first(request: Request) -> bool:
        if is_a_task(request) and not claimed:
            claimed.append(True)
            steps.claim(way.db, raised, person, 1)
        return False

    way.faulty.counts, way.faulty.faults = claim_first, [Fault(Reply(500))]
    await way.go()
    assert claimed and way.server.states["Task/2"] == ["requested", "accepted"]


async def test_two_notices_of_one_item_go_one_after_the_other(way: Way) -> None:
    raised = way.raised()
    steps.claim(way.db, raised, add_person(way.db, "ada"), 1)
    going: list[str] = []
    most = 0
    create = way.sender.record.create

    async def slowly(*given: Any) -> Any:
        nonlocal most
        going.append("one")
        for _ in range(20):  # time enough for the other one to come here too, if it may
            await asyncio.sleep(0.002)
            most = max(most, len(going))
        try:
            return await create(*given)
        finally:
            going.pop()

    way.sender.record.create = slowly  # type: ignore[method-assign]
    assert await way.go() == 2
    assert most == 1 and way.server.task["status"] == "accepted"


async def test_a_repeated_message_comes_along_and_an_erased_one_never_leaves(way: Way) -> None:
    raised = way.raised()
    way.raised("m2", words="now my leg too", tier="T0")
    await way.go()
    assert {one["payload"][0]["contentString"] for one in way.server.of("Communication")} == {
        PATIENT_WORDS,
        "now my leg too",
    }
    other = way.raised("m3", "c2")
    with way.db.begin() as session:
        session.get(Handoff, other).words = ERASED
    await way.go()
    assert len(way.server.of("Communication")) == 2 and len(way.server.of("Task")) == 2
    assert raised != other and way.server.faults == []


async def test_measures_go_along_once_and_what_is_said_about_the_chat_does_not(way: Way, clock: HandClock) -> None:
    raised = way.raised()
    with way.db.begin() as session:
        for number, form, answers in ((3, "peg", {"pain": 9}), (5, "peg", ANSWERS), (6, "survey", {"use": 1})):
            session.add(
                Survey(conversation_id="c", seq=number, form=form, at=clock(), answers=dict(answers), answer_ids=[])
            )
    way.faulty.faults = [Fault(Reply(500), after=True)]
    await way.go()
    clock.move(seconds=2)
    await way.go()
    (filled,) = way.server.of("QuestionnaireResponse")
    assert way.server.faults == []
    coding = {"system": f"{fhir_codes.OWN}/measure/peg.where", "code": "back", "display": "My back"}
    assert [(one["linkId"], one["answer"][0]) for one in filled["item"]] == [
        ("pain", {"valueInteger": 7}),
        ("where", {"valueCoding": coding}),
        ("more", {"valueString": "at night\N{REPLACEMENT CHARACTER}"}),
    ]
    (score,) = way.server.of("Observation")
    assert (score["valueInteger"], score["code"]["coding"][0]["code"]) == (7, "peg.pain")
    assert score["derivedFrom"][0]["identifier"] == filled["identifier"]
    assert len(way.rows(raised)) == 1


async def test_a_crash_before_recording_makes_nothing_twice(way: Way, clock: HandClock) -> None:
    raised = way.raised()
    with way.db.begin() as session:
        (notice,) = outbox.lease(session, "fhir", "killed", LEASE, 1)
    await way.sender.send(notice)
    clock.move(seconds=LEASE.total_seconds())
    await way.go()
    assert len(way.server.of("Task")) == len(way.server.of("Communication")) == 1
    assert way.rows(raised)[0].sent_at == clock()


async def test_a_clinic_without_a_record_gets_nothing(db: Database, server: FhirServer, clock: HandClock) -> None:
    way = Way(db, server)
    raised = way.raised()
    other = way.raised("m2", "c2", clinic="other")
    way.clinic = a_clinic("demo")
    await way.go()
    assert [row.dead_at for row in (*way.rows(raised), *way.rows(other))] == [clock()] * 2
    assert way.faulty.seen == []
