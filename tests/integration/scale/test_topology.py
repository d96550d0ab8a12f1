"""Two web and two Rasa processes over one PostgreSQL and one Redis: what one knows the other knows, and what dies is
not missed. A test that kills something brings it back."""

from __future__ import annotations

import signal
import time
import uuid
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from typing import Any

import httpx
import pytest
import redis
from sqlalchemy import select

from bot.store.handoffs import handoffs_in
from bot.store.models import Handoff
from bot.web import bodies
from tests.support import postgres
from tests.support.inbox import add_clinician, enter, press
from tests.support.stack import Patient
from tests.support.topology import Stream, Topology, listening, running

pytestmark = pytest.mark.rasa
server = postgres.server
QUESTION, ANSWER = "why does my back still hurt after two years", "pain/why_it_persists"
RED = "since this morning I can't pee and I am numb between my legs"
OTHER = {"web-0": "web-1", "web-1": "web-0", "rasa-0": "rasa-1", "rasa-1": "rasa-0"}
# What a clinician writes is seen so soon: with Redis, and without it.
SEEN_WITHIN, SEEN_WITHOUT_REDIS_WITHIN = 1.0, 3.0
BACK_WITHIN = 10.0


@pytest.fixture(scope="module")
def topology(server: Any) -> Iterator[Topology]:
    with running(server) as made:
        yield made


@pytest.fixture(scope="module")
def clinician(topology: Topology) -> Iterator[httpx.Client]:
    """Signed in at web-0."""
    with httpx.Client(base_url=topology.url("web-0"), timeout=10) as browser:
        assert enter(browser, add_clinician(topology.database(), "lee")).status_code == 303  # type: ignore[arg-type]
        yield browser


def is_answer(event: dict[str, Any]) -> bool:
    return bool(event["body"].get("answer_id") == ANSWER)


def is_kept_reply(event: dict[str, Any]) -> bool:
    return event["author"] != "patient" and event["seq"] is not None


def with_id(start: str) -> Any:
    return lambda event: str(event["body"].get("answer_id")).startswith(start)


def holding(topology: Topology, clinician: httpx.Client) -> tuple[Patient, str]:
    """A patient whose conversation the clinician has taken, and the item."""
    patient = topology.patient()
    patient.press(bodies.PERSON)
    with topology.database().read() as session:
        item = handoffs_in(session, patient.conversation)[0].id
    assert press(clinician, item, "claim").status_code == 303  # type: ignore[arg-type]
    return patient, item


def write(clinician: httpx.Client, item: str) -> str:
    """A clinician's reply by way of web-0; gives its words."""
    words = f"I am here {uuid.uuid4().hex}"
    sent = press(clinician, item, "reply", text=words, client_id=uuid.uuid4().hex)  # type: ignore[arg-type]
    assert sent.status_code == 303
    return words


def seen(stream: Stream, words: str, since: float, seconds: float = 10.0) -> float:
    """How long it took from `since` until the page had the words."""
    return stream.wait_for(lambda event: event["body"].get("fallback_text") == words, seconds) - since


def nothing_lost_or_doubled(patient: Patient) -> list[dict[str, Any]]:
    events = patient.events()
    assert [event["seq"] for event in events] == list(range(1, len(events) + 1))
    keys = [event["client_id"] for event in events if event.get("client_id")]
    assert len(keys) == len(set(keys))
    return events


@contextmanager
def without_redis(topology: Topology, how: str) -> Iterator[None]:
    getattr(topology.valkey, how)()
    try:
        yield
    finally:
        topology.valkey.wake() if how == "hang" else topology.valkey.start()


def test_a_patient_is_answered_by_way_of_any_process(topology: Topology) -> None:
    patients = [topology.patient() for _ in range(8)]
    assert {topology.rasa_of(patient.conversation) for patient in patients} == {"rasa-0", "rasa-1"}
    assert {topology.web_of(patient.conversation) for patient in patients} == {"web-0", "web-1"}
    for patient in patients:
        assert is_answer(patient.ask(QUESTION))
        topology.move(patient, OTHER[topology.web_of(patient.conversation)])
        assert with_id(f"{ANSWER}#more")(patient.ask("tell me more"))


def test_answers_come_in_the_order_of_the_questions(topology: Topology) -> None:
    patient = topology.patient()
    asked = [f"order-{number:04}" for number in range(20)]
    for key in asked:
        patient.say(QUESTION if key.endswith("0") else "how does sleep change pain", key)
    patient.wait_for(lambda event: str(event.get("client_id")).startswith(f"{asked[-1]}."), seconds=30)
    answered = [str(event["client_id"]).split(".")[0] for event in patient.events() if event["author"] == "bot"]
    assert [key for key in answered if key in asked] == asked
    nothing_lost_or_doubled(patient)


def test_a_message_that_comes_to_both_at_once_is_one_message(topology: Topology) -> None:
    patients = [topology.patient() for _ in range(6)]
    for patient in patients:
        twin = Patient(httpx.Client(headers=dict(patient.client.headers), timeout=15), patient.conversation, "")
        topology.move(twin, OTHER[topology.web_of(patient.conversation)])
        key = uuid.uuid4().hex
        with ThreadPoolExecutor(2) as both:
            numbers = list(both.map(Patient.say, (patient, twin), (QUESTION, QUESTION), (key, key)))
        assert numbers[0] == numbers[1]
        patient.wait_for(is_answer)
        topology.move(patient, topology.web_of(patient.conversation))
    for patient in patients:
        patient.ask("how does sleep change pain")
        events = nothing_lost_or_doubled(patient)
        assert len([event for event in events if is_answer(event)]) == 1


def test_a_clinicians_reply_is_seen_at_the_other_web_process(topology: Topology, clinician: httpx.Client) -> None:
    patient, item = holding(topology, clinician)
    with listening(topology, patient, "web-1") as page:
        waits = []
        for _ in range(5):
            began = time.monotonic()
            waits.append(seen(page, write(clinician, item), began))
    assert max(waits) < SEEN_WITHIN, waits


@pytest.mark.parametrize("how", ["kill", "hang"])
def test_without_redis_a_reply_comes_seconds_later_and_safety_words_at_once(
    topology: Topology, clinician: httpx.Client, how: str
) -> None:
    patient, item = holding(topology, clinician)
    other = topology.patient()
    with listening(topology, patient, "web-1") as page, without_redis(topology, how):
        for _ in range(3):
            words = write(clinician, item)
            began = time.monotonic()
            assert seen(page, words, began) < SEEN_WITHOUT_REDIS_WITHIN
        with listening(topology, other, topology.web_of(other.conversation)) as alarmed:
            began = time.monotonic()
            other.say(RED)
            assert time.monotonic() - began < SEEN_WITHIN
            assert alarmed.wait_for(with_id("safety/RF01.T1")) - began < SEEN_WITHIN
        with topology.database().read() as session:
            assert session.execute(select(Handoff).where(Handoff.conversation_id == other.conversation)).scalars().all()
        # No lock, no turn: the patient is told, and soon.
        lonely = topology.patient()
        began = time.monotonic()
        assert lonely.ask(QUESTION)["body"]["answer_id"] == "notice/cannot_answer"
        assert time.monotonic() - began < SEEN_WITHOUT_REDIS_WITHIN
    until = time.monotonic() + BACK_WITHIN
    while not is_answer(lonely.ask(QUESTION)):
        assert time.monotonic() < until, "Redis is back, Rasa does not answer"
        time.sleep(0.2)
    with listening(topology, patient, "web-1") as page:
        while True:
            began = time.monotonic()
            if seen(page, write(clinician, item), began, SEEN_WITHOUT_REDIS_WITHIN) < 0.5:
                break
            assert began < until, "Redis is back, replies are still late"


def test_nothing_that_a_patient_wrote_passes_through_redis(topology: Topology) -> None:
    with redis.Redis.from_url(topology.valkey.url) as line:
        overheard = line.pubsub(ignore_subscribe_messages=True)
        overheard.psubscribe("*")
        patient = topology.patient()
        patient.ask(QUESTION)
        patient.say(RED)
        patient.ask("how does sleep change pain")
        said = b"".join(message["data"] for _ in range(200) if (message := overheard.get_message(timeout=0.01)))
    assert patient.conversation.encode() in said
    for words in (QUESTION, RED, "sleep change"):
        assert words.encode() not in said


def test_when_a_rasa_dies_the_other_knows_where_the_dialogue_was(topology: Topology) -> None:
    patient = topology.patient()
    own = topology.rasa_of(patient.conversation)
    seq = patient.press(bodies.PERSON)
    patient.wait_for(with_id("control/ask_contact_note"), after=seq)
    topology.kill(own)
    try:
        seq = patient.say("My name is Sam and evenings are best.")
        patient.wait_for(with_id("control/contact_note_kept"), after=seq)
        with topology.database().read() as session:
            (item,) = handoffs_in(session, patient.conversation)
            assert "Sam" in item.about["note"]
        assert is_answer(patient.ask(QUESTION))
    finally:
        topology.revive(own)
    assert with_id(f"{ANSWER}#more")(patient.ask("tell me more"))  # its own again, which heard nothing of it
    nothing_lost_or_doubled(patient)


def test_a_rasa_that_dies_in_the_middle_of_turns_leaves_nobody_without_a_word(topology: Topology) -> None:
    """With signal 9 under load: its locks lapse, the other takes over. Whose turn was under way there is told that
    there is no answer: nobody knows whether it was saved, and a turn that is done twice would be answered as if it had
    been asked twice."""
    patients = [topology.patient() for _ in range(10)]
    asked = {patient.conversation: patient.say(QUESTION) for patient in patients}
    topology.kill("rasa-0")
    try:
        for patient in patients:
            found = patient.wait_for(is_kept_reply, after=asked[patient.conversation])
            told = with_id("notice/cannot_answer")(found) and topology.rasa_of(patient.conversation) == "rasa-0"
            assert is_answer(found) or told, found
            assert with_id("life/sleep")(patient.ask("how does sleep change pain"))
            nothing_lost_or_doubled(patient)
    finally:
        topology.revive("rasa-0")


def test_a_rasa_that_hangs_is_passed_by(topology: Topology) -> None:
    everybody = [topology.patient() for _ in range(12)]
    patients = [patient for patient in everybody if topology.rasa_of(patient.conversation) == "rasa-0"]
    process = topology.parts["rasa-0"].process
    assert process is not None and len(patients) >= 2
    for patient in patients:
        topology.move(patient, "web-0")
    process.send_signal(signal.SIGSTOP)
    try:
        first = patients[0].say(QUESTION)
        time.sleep(5.0)  # by then it has been asked how it is
        began = time.monotonic()
        assert is_answer(patients[1].ask(QUESTION))
        assert time.monotonic() - began < 1.0
        told = patients[0].wait_for(with_id("notice/cannot_answer"), after=first, seconds=15)
        assert told["seq"]
        assert is_answer(patients[0].ask(QUESTION))  # by the other, although the first may still hold the lock
    finally:
        process.send_signal(signal.SIGCONT)
    time.sleep(1.0)
    for patient in patients[:2]:
        assert with_id("life/sleep")(patient.ask("how does sleep change pain"))
        nothing_lost_or_doubled(patient)


def test_when_a_web_process_dies_the_page_goes_on_at_the_other(topology: Topology) -> None:
    patients = [topology.patient() for _ in range(6)]
    patient = next(one for one in patients if topology.web_of(one.conversation) == "web-1")
    read: list[int] = []
    with listening(topology, patient, "web-1", after=0) as page:
        patient.ask(QUESTION)
        page.wait_for(is_answer)
        key = uuid.uuid4().hex
        patient.say("how does sleep change pain", key)
        topology.kill("web-1")
        read, last = page.seqs, page.last
    try:
        topology.move(patient, "web-0")
        with listening(topology, patient, "web-0", after=last) as page:
            assert patient.say("how does sleep change pain", key) > 0  # the page sends again what it is not sure of
            page.wait_for(with_id("life/sleep"), seconds=25)
            patient.ask(QUESTION)
            page.wait_for(is_answer)
            read += page.seqs
    finally:
        topology.revive("web-1")
    events = nothing_lost_or_doubled(patient)
    assert read == [event["seq"] for event in events][: len(read)] and read[-1] == events[-1]["seq"]
    assert len([event for event in events if with_id("life/sleep")(event)]) == 1


def test_no_log_holds_a_patients_words(topology: Topology) -> None:
    for part in topology.parts.values():
        text = part.log.read_text(errors="replace")
        for words in (QUESTION, RED, "Sam and evenings"):
            assert words not in text, part.name
