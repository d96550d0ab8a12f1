"""The whole product with real processes: actions, Rasa, web app, worker, database."""

from __future__ import annotations

import time
import uuid
from collections.abc import Iterator
from pathlib import Path

import pytest
from sqlalchemy import select, text

from bot.handoff.steps import AlreadyClaimed, Claimed, claim, hand_back
from bot.store import conversations, events
from bot.store.handoffs import handoffs_in
from bot.store.models import Audit, Clinician, Outbox
from bot.web import bodies
from tests.support.database import add_person
from tests.support.stack import Patient, Stack

pytestmark = pytest.mark.rasa
RED = "since this morning I can't pee and I am numb between my legs"
QUESTION = "why does my back still hurt after two years"
ANSWER = "pain/why_it_persists"


def kinds(patient: Patient, after: int = 0) -> list[str]:
    return [event["body"]["kind"] for event in patient.events(after) if event["author"] != "patient"]


def handoffs(stack: Stack, patient: Patient) -> list:
    with stack.database().read() as session:
        return handoffs_in(session, patient.conversation)


def is_answer(event: dict) -> bool:
    return event["body"].get("answer_id") == ANSWER


def quiet(patient: Patient, seconds: float = 1.5) -> int:
    """The number of the last event, once nothing new has come for a while."""
    last, until = 0, time.monotonic() + seconds
    while time.monotonic() < until:
        found = patient.events(last, wait=1)
        if found:
            last, until = found[-1]["seq"], time.monotonic() + seconds
    return last


def test_a_question_gets_its_answer_with_sources_more_and_next(stack: Stack) -> None:
    patient = stack.patient()
    answer = patient.ask(QUESTION)["body"]
    assert answer["answer_id"] == ANSWER
    assert answer["review"] == "pending"
    payloads = [button["payload"] for button in answer["buttons"]]
    assert any(payload.startswith("/why") for payload in payloads)
    assert any(payload.startswith("/tell_more") for payload in payloads)
    assert 1 <= sum(payload.startswith("/") and "{" not in payload for payload in payloads) <= 2
    seq = patient.press(payloads[0])
    why = patient.wait_for(lambda event: event["author"] == "bot", after=seq)["body"]
    assert why["answer_id"] == f"{ANSWER}#why"
    assert any("- " in bubble for bubble in why["bubbles"])


def test_two_misses_in_a_row_never_show_the_same_bubble(stack: Stack) -> None:
    patient = stack.patient()
    first = patient.ask("which football team won the cup last night")["body"]
    second = patient.ask("please book me a taxi to the station")["body"]
    assert first["bubbles"] != second["bubbles"]
    assert all(body["answer_id"].startswith("control/") for body in (first, second))
    assert any(button["payload"] == "/talk_to_person" for button in second["buttons"])


def test_a_red_flag_gets_safety_words_then_the_truth_and_reaches_the_clinic(stack: Stack) -> None:
    patient = stack.patient()
    started = time.monotonic()
    seq = patient.say(RED)
    shown = patient.events(seq)
    assert time.monotonic() - started < 1.0
    assert [event["body"]["kind"] for event in shown[:2]] == ["safety", "handoff"]
    safety, state = shown[0]["body"], shown[1]["body"]
    assert (safety["tier"], safety["category"]) == ("T1", "RF01")
    assert safety["calls"][0]["tel"] == "999"
    assert state["state"] == "waiting"
    (item,) = handoffs(stack, patient)
    assert (item.tier, item.category, item.words) == ("T1", "RF01", RED)
    with stack.database().read() as session:
        assert session.execute(select(Outbox).where(Outbox.handoff_id == item.id)).scalars().all()
        acts = session.execute(select(Audit.act).where(Audit.subject == item.id)).scalars().all()
    # The notice may have been sent by now.
    assert "handoff.raised" in acts and set(acts) <= {"handoff.raised", "handoff.delivered"}
    quiet(patient)
    assert kinds(patient, seq) == ["safety", "handoff"], "Rasa's own safety words must not come a second time"


def test_the_notice_is_sent_and_holds_no_patient_words(stack: Stack) -> None:
    patient = stack.patient()
    patient.say(RED)
    (item,) = handoffs(stack, patient)
    folder, until = Path(stack.settings.var_folder) / "mail", time.monotonic() + 10
    while time.monotonic() < until:
        mails = [path.read_text() for path in folder.glob("*.eml")] if folder.exists() else []
        mine = [mail for mail in mails if item.id in mail]
        if mine:
            break
        time.sleep(0.1)
    assert len(mine) == 1
    plain = mine[0].replace("=\n", "")
    assert not any(words in plain for words in ("I am numb", "between my legs", RED))


def test_lessons_stay_closed_until_the_person_is_safe(stack: Stack) -> None:
    patient = stack.patient()
    patient.say(RED)
    seq = quiet(patient)
    held = patient.ask(QUESTION)["body"]
    assert held["answer_id"] == "safety/safety_hold"
    patient.press("safety:released")
    quiet(patient)
    seq = patient.say(QUESTION)
    assert patient.wait_for(is_answer, after=seq)


def test_a_clarifying_question_and_its_three_ends(stack: Stack) -> None:
    for reply, escalates in (("No", False), ("not sure", True), ("and what about my scan", True)):
        patient = stack.patient()
        asked = patient.ask("I can't take this any more")["body"]
        assert asked["kind"] == "question", asked
        assert asked["calls"]
        patient.say(reply)
        quiet(patient, 0.5)
        assert bool(handoffs(stack, patient)) is escalates, reply


def test_a_red_flag_interrupts_a_form(stack: Stack) -> None:
    patient = stack.patient()
    seq = patient.press(bodies.PERSON)
    patient.wait_for(lambda event: event["body"].get("answer_id") == "control/ask_contact_note", after=seq)
    seq = patient.say(RED)
    quiet(patient)
    assert kinds(patient, seq) == ["safety", "handoff"]
    assert [item.category for item in handoffs(stack, patient)] == ["contact", "RF01"]
    assert patient.ask("my neighbour is driving me there")["body"]["answer_id"] == "safety/safety_hold"
    patient.press("safety:released")
    quiet(patient)
    seq = patient.say(QUESTION)
    assert patient.wait_for(is_answer, after=seq), "the form must be gone"


def test_asking_for_a_person_in_words_hands_over_and_takes_a_note(stack: Stack) -> None:
    patient = stack.patient()
    seq = patient.say("can I please talk to a real person")
    patient.wait_for(lambda event: event["body"]["kind"] == "handoff", after=seq)
    patient.wait_for(lambda event: event["body"].get("answer_id") == "control/ask_contact_note", after=seq)
    patient.say("my physio is called Sam and I would like her to ring me")
    quiet(patient)
    (item,) = handoffs(stack, patient)
    assert (item.category, item.tier) == ("contact", "T4")
    assert "Sam" in item.about["note"]


def test_a_double_click_is_one_message(stack: Stack) -> None:
    patient = stack.patient()
    client_id = str(uuid.uuid4())
    assert patient.say(RED, client_id) == patient.say(RED, client_id)
    quiet(patient)
    assert len(handoffs(stack, patient)) == 1
    assert sum(event["author"] == "patient" and event["body"]["text"] == RED for event in patient.events()) == 1


def test_the_history_is_there_after_a_reload(stack: Stack) -> None:
    patient = stack.patient()
    patient.ask(QUESTION)
    before = patient.events()
    again = patient.client.post("/v1/session", json={"clinic": "demo", "token": patient.token}, headers={})
    assert again.status_code == 200
    assert again.json()["conversation"] == patient.conversation
    assert patient.events() == before
    assert [event["seq"] for event in before] == list(range(1, len(before) + 1))


def test_the_bot_is_silent_while_a_person_holds_the_conversation(stack: Stack) -> None:
    patient = stack.patient()
    patient.press(bodies.PERSON)
    quiet(patient)
    db = stack.database()
    clinician = add_person(db, uuid.uuid4().hex[:8])
    (item,) = handoffs(stack, patient)
    assert isinstance(claim(db, item.id, clinician, item.version), Claimed)
    for words in ("/restart", QUESTION, "hello"):
        seq = patient.say(words)
        quiet(patient)
        assert kinds(patient, seq) == []
    seq = patient.say(RED)
    quiet(patient)
    assert kinds(patient, seq)[0] == "safety", "screening never stops"
    hand_back(db, item.id, clinician)


def test_a_typed_slash_is_text(stack: Stack) -> None:
    patient = stack.patient()
    seq = patient.say("/restart")
    quiet(patient)
    assert kinds(patient, seq) == ["text"]
    with stack.database().read() as session:
        assert conversations.conversation_with(session, patient.conversation).state == conversations.BOT


def test_only_offered_buttons_are_accepted(stack: Stack) -> None:
    patient = stack.patient()
    answer = patient.send({"client_id": str(uuid.uuid4()), "kind": "button", "payload": "/restart", "text": "x"})
    assert answer.status_code == 409
    assert answer.json()["code"] == "not_offered"


def test_two_clinicians_claim_at_once(stack: Stack) -> None:
    from concurrent.futures import ThreadPoolExecutor

    patient = stack.patient()
    patient.press(bodies.PERSON)
    (item,) = handoffs(stack, patient)
    db = stack.database()
    people = [add_person(db, uuid.uuid4().hex[:8]) for _ in range(2)]

    def take(person: Clinician) -> object:
        return claim(db, item.id, person, item.version)

    with ThreadPoolExecutor(2) as pool:
        results = list(pool.map(take, people))
    assert {type(result) for result in results} == {Claimed, AlreadyClaimed}


@pytest.fixture(scope="module")
def lame(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    """A product of its own for tests that stop parts of it. Each brings back what it stopped."""
    running = Stack.start(tmp_path_factory.mktemp("lame"))
    yield running
    running.stop()


class TestPartsDown:

    def test_actions_down(self, lame: Stack) -> None:
        lame.stop_part("actions")
        try:
            patient = lame.patient()
            assert is_answer(patient.ask(QUESTION)), "answers need no action server"
            seq = patient.say("I want to speak to a nurse please")
            found = patient.wait_for(lambda event: event["body"]["kind"] in ("handoff", "notice"), after=seq)
            assert found["body"]["kind"] == "handoff" or any(
                button["payload"] == bodies.PERSON for button in found["body"]["buttons"]
            )
            seq = patient.say(RED)
            assert kinds(patient, seq)[:2] == ["safety", "handoff"]
        finally:
            lame.start_part("actions")

    def test_rasa_down(self, lame: Stack) -> None:
        lame.stop_part("rasa")
        try:
            patient = lame.patient()
            body = patient.ask(QUESTION)["body"]
            assert body["answer_id"] == "notice/cannot_answer"
            assert any(button["payload"] == bodies.PERSON for button in body["buttons"])
            seq = patient.say(RED)
            assert kinds(patient, seq)[:2] == ["safety", "handoff"]
            assert len(handoffs(lame, patient)) == 1
            assert lame.patient().client.get("/readyz").json()["parts"]["assistant"] == "down"
        finally:
            lame.start_part("rasa")

    def test_database_read_only(self, lame: Stack) -> None:
        """The database refuses every write: the words come at once, and it is said that nobody was told."""
        patient = lame.patient()
        quiet(patient, 0.5)
        with lame.database().begin() as session:
            session.execute(
                text(
                    "CREATE TRIGGER refuse BEFORE INSERT ON event BEGIN SELECT RAISE(ABORT, 'read only'); END"
                )
            )
        try:
            answer = patient.send({"client_id": str(uuid.uuid4()), "kind": "text", "text": RED})
            assert answer.status_code == 503
            shown = [event["body"] for event in answer.json()["events"]]
            assert [body["kind"] for body in shown] == ["safety", "handoff"]
            assert shown[1]["state"] == "failed"
            assert handoffs(lame, patient) == []
        finally:
            with lame.database().begin() as session:
                session.execute(text("DROP TRIGGER refuse"))


def test_events_are_only_the_patients_own(stack: Stack) -> None:
    alice, eve = stack.patient(), stack.patient()
    alice.say("my secret")
    answer = eve.client.get(f"/v1/conversations/{alice.conversation}/events", params={"after": 0, "wait": 0})
    assert answer.status_code == 404
    assert "secret" not in answer.text
    with stack.database().read() as session:
        assert events.latest_events(session, alice.conversation, 1)


def test_a_patient_sees_and_erases_what_is_kept(stack: Stack) -> None:
    import sqlite3

    patient = stack.patient()
    own = f"{QUESTION} and {uuid.uuid4().hex}"
    seq = patient.ask(own)["seq"]
    here = f"/v1/conversations/{patient.conversation}"
    assert patient.client.post(f"{here}/feedback", json={"seq": seq, "value": "down"}).status_code == 204
    assert patient.client.post(f"{here}/feedback", json={"seq": 1, "value": "sideways"}).status_code == 422
    kept = patient.client.get(f"{here}/data").json()
    assert [row["value"] for row in kept["feedback"]] == ["down"]
    assert any(event["body"].get("text") == own for event in kept["events"])

    patient.press(bodies.PERSON)
    quiet(patient)
    assert patient.client.delete(f"{here}/data").json()["code"] == "open_handoff"
    db = stack.database()
    clinician = add_person(db, uuid.uuid4().hex[:8])
    (item,) = handoffs(stack, patient)
    claim(db, item.id, clinician, item.version)
    hand_back(db, item.id, clinician)

    assert patient.client.delete(f"{here}/data").status_code == 204
    assert patient.client.get(f"{here}/data").status_code == 401, "the token is gone with it"
    for name in ("pne.db", "tracker.db"):
        path = stack.settings.var_folder / name
        found = [line for line in sqlite3.connect(path).iterdump() if own in line]
        assert not found, name
