"""The patient's rights over the API: seeing, correcting, forgetting, erasing, feedback and the questions at the end."""

from __future__ import annotations

import asyncio
import hashlib
import json
import sqlite3
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import jsonschema
import pytest
from sqlalchemy import select

from bot.content.library import load_library
from bot.handoff.escalate import claim, close
from bot.handoff.states import OUTCOMES
from bot.settings import ROOT
from bot.store import conversations
from bot.store.models import Audit, Conversation, Feedback, Handoff, Survey, metadata
from bot.web import rights
from bot.web.assistant import AssistantAway, AssistantUnavailable
from bot.web.bodies import CONSENT_VERSION, END, PERSON, READING_PLAIN
from bot.web.services import Services
from tests.support.database import add_person
from tests.support.patient_api import (
    ANSWER,
    QUESTION,
    RED,
    Patient,
    ScriptedRasa,
    accepted,
    after,
    broken,
    door,
    ids,
    kinds,
    make_services,
)

ANSWERED = "pain/alarm"
MARK = "zebracorn"
NAME, SUBJECT = "Wilhelmina Quux", "subject-93d1"


@dataclass
class NotingRasa(ScriptedRasa):
    """Rasa with facts, and with the table that its tracker store writes to."""

    noted: dict[str, str] = field(default_factory=lambda: {"body_part": "neck", "age": "52"})
    away: Exception | None = None
    tracker: Path | None = None

    async def say(self, **asked: Any) -> list[dict[str, Any]]:
        replies = await super().say(**asked)
        if self.tracker is not None:
            self.write(asked)
        return replies

    def write(self, asked: dict[str, Any]) -> None:
        event = {"event": "user", "text": asked["text"], "metadata": {"message_id": asked["message_id"]}}
        with sqlite3.connect(str(self.tracker)) as db:
            db.execute("CREATE TABLE IF NOT EXISTS events (id INTEGER PRIMARY KEY, sender_id TEXT, data TEXT)")
            db.execute("INSERT INTO events (sender_id, data) VALUES (?, ?)", (asked["conversation"], json.dumps(event)))

    async def facts(self, conversation: str) -> dict[str, str]:
        if self.away is not None:
            raise self.away
        return dict(self.noted)

    async def change_fact(self, conversation: str, key: str, value: str | None) -> None:
        if self.away is not None:
            raise self.away
        self.noted = {**{k: v for k, v in self.noted.items() if k != key}, **({key: value} if value else {})}


@pytest.fixture
def rasa(tmp_path: Path) -> NotingRasa:
    reply = {**ANSWER, "metadata": {**ANSWER["metadata"], "answer_id": ANSWERED}}
    return NotingRasa(replies=[reply], tracker=tmp_path / "tracker.db")


@pytest.fixture
def services(tmp_path: Path, rasa: NotingRasa) -> Services:
    made = make_services(tmp_path, rasa)
    object.__setattr__(made.settings, "tracker_url", f"sqlite:///{tmp_path}/tracker.db")
    return made


@pytest.fixture
async def patient(services: Services) -> AsyncIterator[Patient]:
    async with accepted(services) as made:
        yield made


async def call(patient: Patient, method: str, what: str, body: Any = None, **more: Any) -> Any:
    return await patient.client.request(method, patient.path(what), json=body, headers=patient.headers(), **more)


async def kept(patient: Patient) -> dict[str, Any]:
    found = await call(patient, "GET", "data")
    assert found.status_code == 200, found.text
    assert found.headers["cache-control"] == "no-store"
    return found.json()


async def answered(patient: Patient, text: str = QUESTION) -> int:
    """The number of the answer to a question."""
    replies = [one for one in await after(patient, await patient.say(text)) if one["author"] == "bot"]
    return int(replies[0]["seq"])


async def finish(patient: Patient, services: Services) -> None:
    """The clinic's people take what is open, and finish with it."""
    somebody = add_person(services.db, patient.new_id())
    for item in patient.handoffs():
        claim(services.db, item.id, somebody, item.version)
    for item in patient.handoffs():
        close(services.db, item.id, somebody, OUTCOMES[0])


def rows(services: Services, table: Any) -> list[Any]:
    with services.db.read() as session:
        return list(session.execute(select(table)).scalars())


def dialogue(services: Services) -> str:
    path = services.settings.tracker_url.removeprefix("sqlite:///")
    with sqlite3.connect(path) as db:
        return "\n".join(row for (row,) in db.execute("select data from events"))


# Seeing


async def test_everything_that_is_kept_is_shown(patient: Patient, services: Services) -> None:
    seq = await answered(patient)
    await call(patient, "POST", "feedback", {"seq": seq, "value": "down", "code": "not_for_me", "reason": "too long"})
    await patient.press(PERSON)
    await patient.heard()
    found = await kept(patient)
    assert found["consent"]["version"] == CONSENT_VERSION
    assert found["facts"] == [
        {"key": "body_part", "title": "Part of the body", "value": "neck", "shown": "Neck"},
        {"key": "age", "title": "Age", "value": "52", "shown": "52"},
    ]
    assert found["feedback"][0] | {"at": 0} == {
        "seq": seq, "at": 0, "answer_id": ANSWERED, "value": "down", "code": "not_for_me", "reason": "too long",
    }  # fmt: skip
    (handoff,) = found["handoffs"]
    assert handoff["notices"][0]["channel"] == "email"
    assert [row["act"] for row in found["audit"]] == ["handoff.raised"]
    assert found["offers"] > 3 and len(found["sessions"]) == 1
    assert [event["seq"] for event in found["events"]] == list(range(1, len(found["events"]) + 1))
    assert patient.token not in json.dumps(found)
    with services.db.read() as session:
        hashes = [str(row.token_hash) for row in session.execute(select(conversations.PatientSession)).scalars()]
    assert not any(one in json.dumps(found) for one in hashes)


@pytest.mark.parametrize("error", [AssistantAway("down"), AssistantUnavailable("late"), RuntimeError("odd")], ids=str)
async def test_with_rasa_down_the_data_still_comes(patient: Patient, rasa: NotingRasa, error: Exception) -> None:
    rasa.away = error
    found = await kept(patient)
    assert found["facts"] is None and found["events"]
    document = (await call(patient, "GET", "data?format=html")).text
    assert "could not be read just now" in document


async def test_the_document_is_readable_and_safe(patient: Patient, services: Services) -> None:
    await patient.say("<script>alert(1)</script> & <img src=https://elsewhere.example/x>")
    seq = await answered(patient)
    await call(patient, "POST", "feedback", {"seq": seq, "value": "up"})
    await patient.press(PERSON)
    await patient.press(END)
    await fill(patient, {"use": 9, "else": "kind <b>words</b>"})
    await patient.heard()
    got = await call(patient, "GET", "data?format=html")
    assert got.headers["content-disposition"] == 'attachment; filename="pain-tutor-chat.html"'
    assert got.headers["content-type"].startswith("text/html")
    assert "default-src 'none'" in got.headers["content-security-policy"]
    page = got.text
    assert "<script" not in page and "<img" not in page and "<b>" not in page and "<link" not in page
    assert "&lt;script&gt;alert(1)&lt;/script&gt;" in page
    for shown in ("Neck", "Demo Pain Clinic", "Was this chat of use to you?", "9/10", "Of use", QUESTION):
        assert shown in page, shown
    assert (await call(patient, "GET", "data?format=pdf")).status_code == 422


async def test_nobody_sees_or_changes_the_data_of_another(patient: Patient, services: Services) -> None:
    other = Patient(patient.client, services)
    await other.open()
    secret = await other.say(RED)
    assert secret.status_code == 202
    mine, patient.conversation = patient.conversation, other.conversation
    for method, what, body in (
        ("GET", "data", None), ("GET", "data?format=html", None), ("DELETE", "data", None),
        ("DELETE", "data/messages/2", None), ("PATCH", "data/facts", {"key": "age", "value": 1}),
        ("POST", "feedback", {"seq": 3, "value": "up"}),
    ):  # fmt: skip
        refused = await call(patient, method, what, body)
        assert (refused.status_code, refused.json()["code"]) == (404, "not_yours"), what
        assert RED not in refused.text
    patient.conversation = mine


async def test_every_event_is_as_the_schema_says(patient: Patient, services: Services) -> None:
    schema = jsonschema.Draft202012Validator(json.loads((ROOT / "widget" / "events.schema.json").read_text()))
    seq = await answered(patient)
    for code in ("felt_dismissed", "not_for_me", "hard_to_read"):
        await rate(patient, seq, code=code)
    await ended(patient)
    await fill(patient, {"use": 5, "else": "words"})
    await call(patient, "DELETE", f"data/messages/{patient.stored()[-2].seq}")
    events = await patient.read()
    assert {"notice", "questionnaire", "text", "consent"} <= set(kinds(events))
    for event in events:
        schema.validate(event)


# What was noted


async def test_a_fact_is_corrected_and_forgotten(patient: Patient, services: Services, rasa: NotingRasa) -> None:
    assert (await call(patient, "PATCH", "data/facts", {"key": "age", "value": 47})).status_code == 204
    assert rasa.noted["age"] == "47"
    assert (await call(patient, "PATCH", "data/facts", {"key": "body_part", "value": None})).status_code == 204
    assert rasa.noted == {"age": "47"}
    assert [fact["key"] for fact in (await kept(patient))["facts"]] == ["age"]
    acts = [(row.act, row.details) for row in rows(services, Audit)]
    assert acts == [("fact.changed", {"key": "age"}), ("fact.forgotten", {"key": "body_part"})]


@pytest.mark.parametrize(
    "body",
    [
        {}, {"key": "age"}, {"value": 5}, {"key": "age", "value": 121}, {"key": "age", "value": "old"},
        {"key": "body_part", "value": "tail"}, {"key": "contact_note", "value": None}, {"key": [], "value": None},
    ],
    ids=str,
)  # fmt: skip
async def test_a_fact_that_cannot_be(patient: Patient, rasa: NotingRasa, body: dict[str, Any]) -> None:
    before = dict(rasa.noted)
    refused = await call(patient, "PATCH", "data/facts", body)
    assert (refused.status_code, refused.json()["code"]) == (422, "bad_field")
    assert rasa.noted == before


async def test_without_rasa_nothing_is_said_to_be_changed(
    patient: Patient, services: Services, rasa: NotingRasa
) -> None:
    rasa.away = AssistantAway("down")
    refused = await call(patient, "PATCH", "data/facts", {"key": "age", "value": 5})
    assert (refused.status_code, refused.json()["code"]) == (503, "not_stored")
    assert rows(services, Audit) == []


# Consent


async def test_what_was_accepted_can_be_proved(patient: Patient) -> None:
    notice, acceptance = patient.stored()[:2]
    shown = notice.body
    assert shown["kind"] == "consent" and shown["version"] == CONSENT_VERSION
    assert shown["text_sha256"] == hashlib.sha256(shown["fallback_text"].encode()).hexdigest()
    assert acceptance.author == "patient"
    assert acceptance.body["consent_version"] == CONSENT_VERSION
    assert acceptance.body["text_sha256"] == shown["text_sha256"]


async def test_the_version_that_was_shown_is_the_one_that_was_accepted(
    services: Services, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with door(services) as client:
        patient = Patient(client, services)
        await patient.open()
        monkeypatch.setattr("bot.web.bodies.CONSENT_VERSION", "2999-01-01.1")
        await patient.accept()
        assert patient.stored()[1].body["consent_version"] == CONSENT_VERSION
        assert (await kept(patient))["consent"]["version"] == CONSENT_VERSION


# One message


async def test_the_words_of_one_message_are_erased_everywhere(patient: Patient, services: Services) -> None:
    sent = await patient.say(f"{QUESTION} {MARK}")
    await patient.heard()
    await patient.say("another message")
    await patient.heard()
    assert MARK in dialogue(services)
    seq = sent.json()["seq"]
    assert (await call(patient, "DELETE", f"data/messages/{seq}")).status_code == 204
    (event,) = [one for one in await patient.read() if one["seq"] == seq]
    assert event["body"] == {
        "kind": "text", "text": "", "erased": True, "fallback_text": services.wording.messages["message_erased"],
    }  # fmt: skip
    assert event["client_id"]
    assert MARK not in dialogue(services) and "another message" in dialogue(services)
    assert MARK not in json.dumps(await kept(patient))
    assert [row.act for row in rows(services, Audit)] == ["message.erased"]
    assert (await call(patient, "DELETE", f"data/messages/{seq}")).status_code == 204, "twice is once"


async def test_an_open_page_is_woken(patient: Patient, services: Services) -> None:
    seq = (await patient.say(QUESTION)).json()["seq"]
    await patient.heard()
    with services.hub.listen(f"conversation:{patient.conversation}") as queue:
        await call(patient, "DELETE", f"data/messages/{seq}")
        assert {"new": True} in [queue.get_nowait() for _ in range(queue.qsize())]


async def test_words_with_the_team_are_erased_once_they_have_closed_it(patient: Patient, services: Services) -> None:
    seq = (await patient.say(f"{RED} {MARK}")).json()["seq"]
    await patient.heard()
    refused = await call(patient, "DELETE", f"data/messages/{seq}")
    assert (refused.status_code, refused.json()["code"]) == (409, "open_handoff")
    assert MARK in patient.handoffs()[0].words
    await finish(patient, services)
    assert (await call(patient, "DELETE", f"data/messages/{seq}")).status_code == 204
    (item,) = patient.handoffs()
    assert MARK not in item.words and "heard" not in item.about
    assert MARK not in json.dumps(await kept(patient))


async def test_the_words_behind_an_open_question_go_and_the_question_stays(
    patient: Patient, services: Services, rasa: NotingRasa
) -> None:
    seq = (await patient.say("I can't take this any more")).json()["seq"]
    assert kinds(await patient.heard(seq)) == ["question"]
    await call(patient, "DELETE", f"data/messages/{seq}")
    with services.db.read() as session:
        pending = conversations.conversation_with(session, patient.conversation).pending
    assert (pending["text"], pending["words"], pending["category"]) == ("", "", "RF34")
    said = await after(patient, await patient.say("no"))
    assert said[0]["body"]["kind"] in ("safety", "notice")
    assert not any("take this" in asked["text"] for asked in rasa.asked)


async def test_only_ones_own_messages_are_erased(patient: Patient) -> None:
    reply = await answered(patient)
    for seq in ("1", str(reply), "999"):
        refused = await call(patient, "DELETE", f"data/messages/{seq}")
        assert (refused.status_code, refused.json()["code"]) == (404, "not_found"), seq
    for odd in ("x", "-1", "1e3", "9" * 20):
        assert (await call(patient, "DELETE", f"data/messages/{odd}")).status_code == 422, odd


async def test_a_message_that_waits_for_its_answer_is_not_answered_once_it_is_erased(
    patient: Patient, rasa: NotingRasa, services: Services, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(rights, "SETTLE_SECONDS", 0.05)
    rasa.gate = asyncio.Event()
    await patient.say("the first one")
    await rasa.hears.wait()
    seq = (await patient.say(f"the second {MARK}")).json()["seq"]
    assert (await call(patient, "DELETE", f"data/messages/{seq}")).status_code == 204
    rasa.gate.set()
    await patient.heard()
    assert [asked["text"] for asked in rasa.asked] == ["the first one"]
    assert MARK not in dialogue(services)


# Everything


async def a_whole_life(patient: Patient, services: Services) -> None:
    """Something with the mark in every table that can hold words."""
    with services.db.begin() as session:
        kept_row = session.get(Conversation, patient.conversation)
        kept_row.subject, kept_row.person_name, kept_row.reading = SUBJECT, NAME, "plain"
    seq = await answered(patient, f"{QUESTION} {MARK}")
    await call(patient, "POST", "feedback", {"seq": seq, "value": "down", "code": "not_for_me", "reason": MARK})
    await patient.say(f"{RED} {MARK}")
    await patient.heard()
    await finish(patient, services)
    with services.db.begin() as session:
        row = session.get(Conversation, patient.conversation)
        row.hold, row.pending = None, None
    await patient.press(END)
    await fill(patient, {"use": 3, "else": f"was it {MARK}"})
    await patient.heard()
    with services.db.begin() as session:
        conversations.set_pending(session, patient.conversation, {"text": MARK, "words": MARK, "tier": "T2"})
    for item in patient.handoffs():
        with services.db.begin() as session:
            held = session.get(Handoff, item.id)
            held.about = {**held.about, "note": MARK}


def nowhere(services: Services, *words: str) -> None:
    """Goes through every table, the dialogue's table, and every file of this installation, byte by byte."""
    with services.db.read() as session:
        for table in metadata.sorted_tables:
            for row in session.execute(select(table)):
                for word in words:
                    assert word not in repr(tuple(row)), table.name
    for word in words:
        assert word not in dialogue(services)
    services.db.close()
    for path in services.settings.var_folder.rglob("*"):
        for word in words:
            assert not path.is_file() or word.encode() not in path.read_bytes(), path.name


async def test_after_erasing_nothing_is_left_anywhere(patient: Patient, services: Services) -> None:
    await a_whole_life(patient, services)
    before = await kept(patient)
    assert before["surveys"] and before["feedback"] and before["handoffs"] and before["person_name"] == NAME
    assert (await call(patient, "DELETE", "data")).status_code == 204
    assert (await call(patient, "GET", "data")).status_code == 401, "the token is gone with it"
    (row,) = rows(services, Conversation)
    assert row.consented_at is not None and row.last_seq == 0 and row.reading is None
    assert [item.status for item in rows(services, Handoff)] == ["closed"]
    assert (rows(services, Feedback), rows(services, Survey)) == ([], [])
    nowhere(services, MARK, QUESTION, NAME, SUBJECT, RED)


async def test_a_message_with_the_team_keeps_everything(patient: Patient, services: Services) -> None:
    await patient.say(f"{RED} {MARK}")
    refused = await call(patient, "DELETE", "data")
    assert (refused.status_code, refused.json()["code"]) == (409, "open_handoff")
    await patient.heard()
    assert MARK in json.dumps(await kept(patient))


async def test_erasing_waits_for_the_answer_under_way(patient: Patient, services: Services, rasa: NotingRasa) -> None:
    rasa.gate = asyncio.Event()
    await patient.say(f"{QUESTION} {MARK}")
    await rasa.hears.wait()
    erasing = asyncio.create_task(call(patient, "DELETE", "data"))
    await asyncio.sleep(0.02)
    assert not erasing.done()
    rasa.gate.set()
    assert (await erasing).status_code == 204
    await services.finish_turns(5.0)
    nowhere(services, MARK)
    assert patient.stored() == []


@pytest.mark.parametrize("fails", [False, True])
async def test_an_answer_that_outlives_the_erasing_writes_nothing_back(
    patient: Patient, services: Services, rasa: NotingRasa, monkeypatch: pytest.MonkeyPatch, fails: bool
) -> None:
    monkeypatch.setattr(rights, "SETTLE_SECONDS", 0.02)
    rasa.gate = asyncio.Event()
    rasa.error = AssistantUnavailable("late") if fails else None
    await patient.say(f"{QUESTION} {MARK}")
    await rasa.hears.wait()
    await patient.say(f"and another {MARK}")
    assert (await call(patient, "DELETE", "data")).status_code == 204
    rasa.gate.set()
    await services.finish_turns(5.0)
    assert patient.stored() == []
    assert len(rasa.asked) == 1, "what waited was not even asked"
    rasa.tracker and rasa.write({"text": "x", "message_id": "m", "conversation": "another"})
    nowhere(services, MARK)


async def test_a_message_that_comes_just_after_the_erasing_is_not_kept(
    patient: Patient, services: Services, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The token was still good when the message arrived; the conversation is gone when it is written."""
    from bot.web import patient as api

    real = api.whose

    async def slow(*given: Any) -> Any:
        found = await real(*given)
        rights.erase_everything(services.db, services.settings.tracker_url, patient.conversation)
        return found

    monkeypatch.setattr(api, "whose", slow)
    refused = await patient.say(f"{RED} {MARK}")
    assert (refused.status_code, refused.json()["code"]) == (401, "no_session")
    assert kinds(refused.json()["events"]) == ["safety", "handoff"], "the words come all the same"
    assert patient.stored() == [] and patient.handoffs() == []


async def test_what_cannot_be_erased_now_is_not_said_to_be(patient: Patient, services: Services) -> None:
    await patient.say(f"{QUESTION} {MARK}")
    await patient.heard()
    whole = services.db
    services.db = broken(whole, reads=False)
    refused = await call(patient, "DELETE", "data")
    services.db = whole
    assert (refused.status_code, refused.json()["code"]) == (503, "not_stored")
    assert MARK in json.dumps(await kept(patient))
    assert (await patient.say("the line is free again")).status_code == 202
    await patient.heard()


# Feedback


async def rate(patient: Patient, seq: int, **more: Any) -> Any:
    return await call(patient, "POST", "feedback", {"seq": seq, "value": "down", **more})


async def test_who_felt_dismissed_gets_an_apology_and_another_route(patient: Patient, services: Services) -> None:
    seq = await answered(patient)
    last = patient.stored()[-1].seq
    assert (await rate(patient, seq, code="felt_dismissed")).status_code == 204
    (said,) = await patient.read(last)
    assert (said["author"], said["body"]["kind"]) == ("system", "notice")
    assert said["body"]["bubbles"][0].startswith("I am sorry.")
    assert said["body"]["buttons"][0]["payload"] == PERSON
    assert ids(await after(patient, await patient.press(said["body"]["buttons"][1]["payload"])))


async def test_who_found_it_hard_to_read_gets_it_in_simple_words(patient: Patient, services: Services) -> None:
    long = ["One bubble. " * 30, "Another bubble. " * 30]
    services.assistant.replies = [{**services.assistant.replies[0], "text": "\n\n".join(long)}]  # type: ignore[attr-defined]
    seq = await answered(patient)
    last = patient.stored()[-1].seq
    await rate(patient, seq, code="hard_to_read")
    (said,) = await patient.read(last)
    answer = load_library().answers[ANSWERED]
    simple = [*(answer.plain or (answer.flare,))]
    assert said["body"]["bubbles"][1 : 1 + len(simple)] == [text for text in simple]
    assert said["body"]["version"] == ANSWER["metadata"]["version"]
    payloads = [one["payload"] for one in said["body"]["buttons"]]
    assert payloads == [READING_PLAIN, PERSON]
    changed = await after(patient, await patient.press(READING_PLAIN))
    assert (ids(changed), changed[0]["body"]["reading"]) == (["notice/reading_plain"], "plain")
    assert (await kept(patient))["reading"] == "plain"
    await rate(patient, await answered(patient), code="hard_to_read")
    assert READING_PLAIN not in json.dumps((await patient.read())[-1])


async def test_for_whom_it_was_not_gets_what_is_near_and_a_person(patient: Patient) -> None:
    seq = await answered(patient)
    last = patient.stored()[-1].seq
    await rate(patient, seq, code="not_for_me")
    (said,) = await patient.read(last)
    payloads = [one["payload"] for one in said["body"]["buttons"]]
    near = [f"/{one}" for one in load_library().answers[ANSWERED].next if one in load_library().answers]
    assert payloads[: len(near)] == near and payloads[-1] == PERSON
    assert (await patient.press(near[0])).status_code == 202
    await patient.heard()


async def test_a_second_word_replaces_the_first_and_says_nothing_twice(patient: Patient, services: Services) -> None:
    seq = await answered(patient)
    for _ in range(3):
        await rate(patient, seq, code="felt_dismissed", reason="so short")
    assert len([one for one in patient.stored() if one.body.get("answer_id") == "notice/feedback_felt_dismissed"]) == 1
    count = len(patient.stored())
    assert (await call(patient, "POST", "feedback", {"seq": seq, "value": "up"})).status_code == 204
    (row,) = rows(services, Feedback)
    assert (row.value, row.code, row.reason, row.answer_id) == ("up", None, None, ANSWERED)
    assert len(patient.stored()) == count


async def test_a_red_flag_in_a_reason_is_a_message_like_any_other(patient: Patient, services: Services) -> None:
    seq = await answered(patient)
    last = patient.stored()[-1].seq
    for _ in range(2):
        assert (await rate(patient, seq, code="felt_dismissed", reason=RED)).status_code == 204
    await patient.heard()
    said = await patient.read(last)
    assert [one["author"] for one in said][:1] == ["patient"]
    assert said[0]["body"]["text"] == RED
    assert kinds(said)[1:3] == ["safety", "handoff"]
    assert "notice/feedback_felt_dismissed" not in [one["body"].get("answer_id") for one in said]
    (item,) = patient.handoffs()
    assert item.words == RED
    assert rows(services, Feedback)[0].reason == RED


async def test_a_reason_that_needs_a_question_gets_it(patient: Patient) -> None:
    seq = await answered(patient)
    last = patient.stored()[-1].seq
    await rate(patient, seq, reason="I can't take this any more")
    assert kinds(await patient.heard(last)) == ["question"]


@pytest.mark.parametrize(
    ("body", "status"),
    [
        ({"value": "sideways"}, 422), ({"code": "boring"}, 422), ({"code": 7}, 422), ({"reason": "x" * 501}, 422),
        ({"reason": 7}, 422), ({"seq": 1}, 422), ({"seq": 2}, 422), ({"seq": 999}, 422), ({"seq": "x"}, 422),
    ],
    ids=str,
)  # fmt: skip
async def test_feedback_that_is_refused(
    patient: Patient, services: Services, body: dict[str, Any], status: int
) -> None:
    seq = await answered(patient)
    count = len(patient.stored())
    refused = await call(patient, "POST", "feedback", {"seq": seq, "value": "down", **body})
    assert (refused.status_code, refused.json()["code"]) == (status, "bad_field")
    assert rows(services, Feedback) == [] and len(patient.stored()) == count


@pytest.mark.parametrize("body", [{"seq": 999}, {"value": "sideways"}, {"code": "boring"}], ids=str)
async def test_a_refusal_does_not_swallow_a_red_flag(patient: Patient, body: dict[str, Any]) -> None:
    seq = await answered(patient)
    refused = await call(patient, "POST", "feedback", {"seq": seq, "value": "down", "reason": RED, **body})
    assert refused.status_code == 422
    assert kinds(refused.json()["events"]) == ["safety", "handoff"]


async def test_while_lessons_are_closed_feedback_teaches_nothing(patient: Patient, services: Services) -> None:
    seq = await answered(patient)
    await patient.say(RED)
    last = (await patient.heard())[-1]
    assert last["body"]["kind"] == "handoff"
    with services.db.read() as session:
        assert conversations.conversation_with(session, patient.conversation).hold
    await rate(patient, seq, code="hard_to_read")
    await rate(patient, seq, code="not_for_me")
    assert await patient.read(last["seq"]) == []
    await rate(patient, seq, code="felt_dismissed")
    (said,) = await patient.read(last["seq"])
    assert said["body"]["answer_id"] == "notice/feedback_felt_dismissed_hold"
    assert [one["payload"] for one in said["body"]["buttons"]] == [PERSON]


async def test_an_open_safety_question_stays_the_last_thing_said(patient: Patient) -> None:
    seq = await answered(patient)
    await patient.say("I can't take this any more")
    count = len(patient.stored())
    assert (await rate(patient, seq, code="felt_dismissed")).status_code == 204
    assert len(patient.stored()) == count


# The questions at the end


async def fill(patient: Patient, answers: Any, **more: Any) -> Any:
    asked = [one for one in patient.stored() if one.body.get("kind") == "questionnaire"]
    body = {
        "kind": "answer", "payload": "form:survey", "answers": answers, "client_id": patient.new_id(),
        "reply_to": asked[-1].seq if asked else 1, **more,
    }  # fmt: skip
    return await patient.send(**body)


async def ended(patient: Patient) -> list[dict[str, Any]]:
    return await after(patient, await patient.press(END))


async def test_the_end_of_a_chat_asks_how_it_was(patient: Patient, services: Services) -> None:
    await answered(patient)
    goodbye, asked = await ended(patient)
    assert goodbye["body"]["answer_id"] == "notice/chat_ended" and goodbye["author"] == "system"
    body = asked["body"]
    assert (body["kind"], body["form"], len(body["items"])) == ("questionnaire", "survey", 4)
    said = await after(
        patient, await fill(patient, {"use": 8, "listened": None, "found": "partly", "else": "thank you"})
    )
    assert ids(said) == ["form/survey/thanks"]
    (row,) = rows(services, Survey)
    assert row.answers == {"use": 8, "listened": None, "found": "partly", "else": "thank you"}
    assert row.answer_ids == [ANSWERED]
    mine = patient.stored()[-2]
    assert mine.body["text"].splitlines()[0] == "Was this chat of use to you? 8/10"
    assert mine.body["reply_to"] == asked["seq"] and mine.body["payload"] == "form:survey"
    assert (await kept(patient))["surveys"][0]["answers"]["found"] == "partly"


async def test_answers_may_be_changed_and_pressed_twice_it_asks_once(patient: Patient, services: Services) -> None:
    await ended(patient)
    assert await ended(patient) == []
    for use in (2, 9):
        assert (await fill(patient, {"use": use})).status_code == 202
    assert [row.answers["use"] for row in rows(services, Survey)] == [2, 9]


async def test_the_same_answers_sent_twice_are_kept_once(patient: Patient, services: Services) -> None:
    await ended(patient)
    first, again = [await fill(patient, {"use": 2}, client_id="the-same-id") for _ in range(2)]
    assert first.json() == again.json()
    assert len(rows(services, Survey)) == 1


@pytest.mark.parametrize(
    "answers",
    [{"use": 11}, {"use": "8"}, {"use": True}, {"nobody": 1}, {"found": "maybe"}, {"else": 5}, {"else": "x" * 501},
     None, [], "x"],
    ids=lambda value: str(value)[:20],
)  # fmt: skip
async def test_answers_that_are_refused(patient: Patient, services: Services, answers: Any) -> None:
    await ended(patient)
    count = len(patient.stored())
    refused = await fill(patient, answers)
    assert (refused.status_code, refused.json()["code"]) == (422, "bad_field")
    assert rows(services, Survey) == [] and len(patient.stored()) == count


async def test_answers_to_what_was_not_asked(patient: Patient, services: Services) -> None:
    refused = await fill(patient, {"use": 5})
    assert (refused.status_code, refused.json()["code"]) == (409, "not_offered")
    await ended(patient)
    for more in ({"reply_to": 1}, {"reply_to": 999}, {"payload": "form:other"}, {"reply_to": None}):
        refused = await fill(patient, {"use": 5}, **more)
        assert (refused.status_code, refused.json()["code"]) == (409, "not_offered"), more
    assert (await fill(patient, {"use": 5}, kind="button", text="x")).status_code == 422
    assert rows(services, Survey) == []


async def test_a_red_flag_among_the_answers_is_heard(patient: Patient, services: Services, rasa: NotingRasa) -> None:
    await ended(patient)
    said = await after(patient, await fill(patient, {"use": 5, "else": RED}))
    assert kinds(said)[:2] == ["safety", "handoff"]
    assert "form/survey/thanks" not in [one["body"].get("answer_id") for one in said]
    assert patient.handoffs()[0].words == RED, "the clinic's people read the words, not the form"
    assert rows(services, Survey)[0].answers["use"] == 5, "what was answered is kept all the same"


@pytest.mark.parametrize(
    "answers", [{"use": 99, "else": RED}, {"nobody": RED}, {"else": RED * 10}], ids=["a", "b", "c"]
)
async def test_answers_that_are_refused_do_not_swallow_a_red_flag(patient: Patient, answers: Any) -> None:
    await ended(patient)
    refused = await fill(patient, answers)
    assert refused.status_code == 422
    assert kinds(refused.json()["events"]) == ["safety", "handoff"]


async def test_a_red_flag_in_two_halves_is_heard_over_the_form(patient: Patient) -> None:
    from bot.web.heard import heard

    await ended(patient)
    await fill(patient, {"use": 5, "else": "I am numb between my legs"})
    with patient.services.db.read() as session:
        texts = heard(session, patient.conversation).texts
    assert texts[-1] == "I am numb between my legs"


async def test_while_a_safety_question_is_open_the_end_is_not_an_answer_to_it(patient: Patient) -> None:
    await patient.say("I can't take this any more")
    said = await ended(patient)
    assert kinds(said)[0] == "safety", "what is no plain no counts as a yes"


async def test_a_person_who_holds_the_chat_is_not_talked_over(patient: Patient, services: Services) -> None:
    await patient.press(PERSON)
    (item,) = patient.handoffs()
    claim(services.db, item.id, add_person(services.db, "lee"), item.version)
    assert await ended(patient) == []


async def test_erased_answers_are_gone(patient: Patient, services: Services) -> None:
    await ended(patient)
    seq = (await fill(patient, {"use": 5, "else": f"so {MARK}"})).json()["seq"]
    assert (await call(patient, "DELETE", f"data/messages/{seq}")).status_code == 204
    assert rows(services, Survey) == []
    assert MARK not in json.dumps(await kept(patient))
