"""After a drill through every path, failures among them, no log, no number and no mail holds a word of a patient.

Real processes (web app, Rasa, actions), at the level that logs most. Traces: tests/unit/test_tracing.py.
"""

from __future__ import annotations

import json
import re
import sqlite3
import time
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest

from bot.web import tutoring
from bot.web.bodies import END, PERSON
from tests.support.hostile import MARKUP, ODD, STEERING
from tests.support.stack import Patient, Stack

pytestmark = pytest.mark.rasa
TOKEN = "t" * 40
# Nonsense that stands nowhere else, as one word and as two, and words that no log of ours would use.
MARK, NAME = "zqxjk", "Quillfeather"
RED = f"since this morning I can't pee and I am numb between my legs, says {NAME} {MARK}"
ASKED = f"why does my back still hurt after two years, {MARK} {NAME}"
SAID = re.compile(rf"{MARK}|{NAME}|\bpee\b|\bnumb\b|between my legs|after two years", re.I)


@pytest.fixture(scope="module")
def stack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    folder = tmp_path_factory.mktemp("words")
    running = Stack.start(folder, PNE_METRICS_TOKEN=TOKEN, PNE_LOG_LEVEL="debug", PNE_RASA_TIMEOUT="4")
    yield running
    running.stop()


def say(patient: Patient, text: str, **more: Any) -> httpx.Response:
    body = {"client_id": str(uuid.uuid4()), "kind": "text", "text": text, **more}
    path = f"/v1/conversations/{patient.conversation}/messages"
    return patient.client.post(path, content=json.dumps(body).encode())  # half a character can be written so


def everything_said(patient: Patient) -> None:
    """What a patient may do, in order; what is wrong with it too."""
    for text in (ASKED, f"I am 43, my {MARK} hurts", *STEERING[:6], *MARKUP[:3], *ODD[:8]):
        say(patient, f"{text} {MARK}")
    for payload in (*tutoring.ALWAYS, PERSON, "check:start"):
        if patient.send({"client_id": str(uuid.uuid4()), "kind": "button", "payload": payload, "text": "x"}).is_success:
            say(patient, f"{MARK} {NAME} is what I think about {payload}")
    say(patient, f"this pain is going to kill me {MARK}")
    say(patient, f"no {MARK}")
    patient.press(END)
    form = patient.wait_for(lambda event: event["body"].get("form") == "survey")
    answers = {item["id"]: MARK for item in form["body"]["items"]}
    for given in (answers, {"free": RED}, {MARK: MARK}):
        patient.send({"client_id": str(uuid.uuid4()), "kind": "answer", "payload": "form:survey", "text": "x",
                      "reply_to": form["seq"], "answers": given})  # fmt: skip
    here, client = f"/v1/conversations/{patient.conversation}", patient.client
    client.post(f"{here}/feedback", json={"seq": form["seq"], "value": "down", "reason": RED})
    client.patch(f"{here}/data/facts", json={"key": "age", "value": MARK})
    client.patch(f"{here}/data/facts", json={"key": MARK, "value": "43"})
    client.get(f"{here}/data", params={"format": MARK})
    client.delete(f"{here}/data/messages/{MARK}")
    for text in (RED, f"no {MARK}", f"I will not go, {NAME}"):
        say(patient, text)


def everything_odd(stack: Stack, patient: Patient) -> None:
    """Requests that no page of ours makes: to the web app, to Rasa's channel, to the actions."""
    client, path = patient.client, f"/v1/conversations/{patient.conversation}/messages"
    raw: list[bytes] = [
        RED.encode("utf-16"), b"\xff\xfe" + RED.encode(), f'{{"text": "{RED}"'.encode(), b"[" * 9000 + RED.encode(),
        json.dumps({"kind": "text", "text": RED * 2000, "client_id": "long-long"}).encode(), RED.encode() * 20_000,
        json.dumps({"kind": "text", "text": f"{MARK} \ud83d \x00", "client_id": "half-half"}).encode(),
        json.dumps({"kind": MARK, "text": RED, "client_id": MARK}).encode(),
        json.dumps({"kind": "text", "text": RED, "client_id": f"{MARK} {NAME} !"}).encode(),
        json.dumps({"kind": "text", "text": {"a": RED}, "client_id": "object-1"}).encode(),
    ]  # fmt: skip
    for body in raw:
        client.post(path, content=body, headers={"content-type": f"application/{MARK}"})
    headers = {"X-Forwarded-For": MARK, "Cookie": f"a={NAME}", "User-Agent": NAME, "Last-Event-ID": MARK}
    client.get(f"/{MARK}/{NAME}", params={"q": RED}, headers=headers)
    client.get(f"/v1/conversations/{MARK}/events", params={"after": RED}, headers=headers)
    client.post(f"/v1/conversations/{MARK}/messages", json={"text": RED, "kind": "text", "client_id": "other-one"})
    client.post("/v1/session", json={"clinic": MARK, "token": MARK, "identity": RED, "locale": NAME})
    client.post("/inbox/sign-in", data={"email": f"{NAME}@{MARK}.invalid", "password": RED, "csrf": MARK})
    client.get(f"/inbox/invitation/{MARK}{NAME}", params={"next": RED})
    channel = f"{stack.settings.rasa_url}/webhooks/web"
    secret = {"X-PNE-Secret": stack.settings.rasa_secret}
    message = {"conversation": f"{MARK}-conversation", "message_id": "m1", "text": RED, "clinic": "demo"}
    changes: list[dict[str, Any]] = [
        {}, {"conversation": f"n\x00{MARK}"}, {"conversation": "\ud800"}, {"message_id": RED}, {"text": [RED]},
        {"payload": f"/{MARK}"}, {"reading": {MARK: RED}}, {"screened": RED}, {"denied": RED}, {"clinic": RED},
    ]  # fmt: skip
    for change in changes:
        body = json.dumps({**message, **change}).encode()
        httpx.post(f"{channel}/message", content=body, headers=secret, timeout=20)
    httpx.post(f"{channel}/message", content=RED.encode("utf-16"), headers=secret, timeout=20)
    httpx.post(f"{channel}/message", content=RED.encode(), headers={"X-PNE-Secret": MARK}, timeout=20)
    httpx.get(f"{channel}/facts", params={"conversation": RED}, headers=secret, timeout=20)
    httpx.get(f"{stack.settings.rasa_url}/{MARK}", params={"q": RED}, timeout=20)
    actions = f"http://127.0.0.1:{stack.settings.actions_port}"
    tracker = {"sender_id": MARK, "slots": {"x": RED}, "latest_message": {"text": RED}, "events": [{"text": RED}]}
    # Rasa alone asks them, for names of ours; what it hands over are the patient's words.
    for name in ("no_action_of_ours", "action_clinician_handoff", "action_tutor"):
        for domain in ({}, RED):
            body = json.dumps({"next_action": name, "tracker": tracker, "domain": domain}).encode()
            httpx.post(f"{actions}/webhook", content=body, timeout=20)
    httpx.post(f"{actions}/webhook", content=RED.encode(), timeout=20)


@contextmanager
def locked(url: str) -> Iterator[None]:
    """Nobody else can write the database."""
    holder = sqlite3.connect(url.removeprefix("sqlite:///"), isolation_level=None)
    holder.execute("BEGIN EXCLUSIVE")
    try:
        yield
    finally:
        holder.execute("ROLLBACK")
        holder.close()


@contextmanager
def without_table(url: str, table: str) -> Iterator[None]:
    """Statements about this table fail, and name it."""
    other = sqlite3.connect(url.removeprefix("sqlite:///"), isolation_level=None, timeout=10)
    other.execute(f"ALTER TABLE {table} RENAME TO {table}_away")
    try:
        yield
    finally:
        other.execute(f"ALTER TABLE {table}_away RENAME TO {table}")
        other.close()


def everything_broken(stack: Stack) -> None:
    """The same messages with each part dead, locked or wrong in turn."""
    database, tracker = stack.settings.database_url, stack.settings.tracker_url
    patient = stack.patient()
    with locked(database):
        for text in (RED, ASKED):
            assert say(patient, text).status_code == 503
    for table in ("handoff", "offer"):
        patient = stack.patient()
        with without_table(database, table):
            for text in (ASKED, f"I want to talk to a person, {MARK} {NAME}", RED):
                say(patient, text)
            time.sleep(1.0)
    patient = stack.patient()
    with locked(tracker):
        say(patient, ASKED)
        patient.wait_for(lambda event: event["body"].get("answer_id") == "notice/cannot_answer", seconds=20)
    with without_table(tracker, "events"):
        say(patient, ASKED)
        say(patient, f"could a person call me, {MARK}")
        time.sleep(1.0)
    for part in ("actions", "rasa"):
        stack.stop_part(part)
        for text in (f"I want to talk to a person, {MARK}", ASKED, RED):
            say(patient, text)
        time.sleep(1.0)
    stack.start_part("rasa")
    stack.start_part("actions")


def written(stack: Stack) -> dict[str, str]:
    """Everything that the processes have written, but the databases."""
    folder = Path(stack.settings.var)
    files = [path for path in folder.rglob("*") if path.is_file() and ".db" not in path.name]
    return {str(path.relative_to(folder)): path.read_text(errors="replace") for path in files}


def test_no_word_of_a_patient_is_in_a_log_a_number_or_a_mail(stack: Stack) -> None:
    patient = stack.patient()
    everything_said(patient)
    everything_odd(stack, stack.patient())
    everything_broken(stack)
    everything_said(stack.patient())
    numbers = httpx.get(f"{stack.url}/metrics", headers={"Authorization": f"Bearer {TOKEN}"}, timeout=20)
    ready = httpx.get(f"{stack.url}/readyz", timeout=20)
    assert numbers.status_code == 200 and "pne_red_flags_total" in numbers.text
    for part in ("web", "rasa", "actions"):
        process = stack.parts[part].process
        assert process is not None
        process.terminate()
        process.wait(30)
    files = {**written(stack), "/metrics": numbers.text, "/readyz": ready.text}
    found = {name: sorted(set(SAID.findall(text))) for name, text in files.items() if SAID.search(text)}
    assert found == {}
    # It was a drill: what broke is there, by its kind.
    web = [json.loads(line) for line in files["log/web.log"].splitlines()]
    events = {line["event"] for line in web}
    assert {"message_not_stored", "no_answer"} <= events, sorted(events)
    assert "could not be saved" in files["log/rasa.log"] and files["log/actions.log"]
    assert any(name.startswith("mail/") for name in files), "a clinic was told"
    # No conversation of a patient is in what is exported.
    assert patient.conversation not in numbers.text and patient.conversation not in ready.text
