"""Items of the inbox in every state that their page knows, for looking at them and for the tests of the page."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from typing import Any

from bot.content import load_clinics
from bot.handoff import steps
from bot.handoff.climb import climb
from bot.store import conversations, events, rights
from bot.store.handoffs import handoff_of
from bot.store.models import Clinician, Survey
from bot.store.session import Database
from bot.web import bodies
from tests.support.database import CLINIC, new_conversation, raise_one

WORDS = "since this morning I cannot feel anything when I wipe, and my legs are weak"


def an_item(db: Database, words: str = WORDS, signed: bool = False, **raised: Any) -> str:
    """An item of a chat with a question, safety words, a later message and answers to a scale."""
    conversation = new_conversation(db)
    with db.begin() as session:
        found = conversations.locked_conversation(session, conversation)
        found.consented_at, found.consent_version = db.clock(), "x"
        if signed:
            found.subject, found.person_name = "p-1", "Ada Example"

        def say(author: str, **body: Any) -> None:
            made = {"fallback_text": " ".join(body.get("bubbles") or [body.get("text", "")]), **body}
            key = made.pop("key", None)
            events.append_event(
                session, conversation, type=events.MESSAGE, author=author, body=made, client_id=key
            )

        hello = {"answer_id": "chat/hello", "version": "chat/hello.v1", "review": "pending"}
        say(events.BOT, kind="text", bubbles=["Hello."], **hello)
        say(events.PATIENT, kind="text", text=words, key="m1")
        question = {"category": "RF01", "text": "Is this new for you?", "answer_id": "safety/ask/RF01"}
        buttons = [{"title": "Yes", "payload": "answer:RF01:yes"}]
        say(events.BOT, kind="question", bubbles=["One question.", "Is this new for you?"], buttons=buttons, **question)
        say(events.PATIENT, kind="text", text="Yes", payload="answer:RF01:yes", key="m2")
        say(events.BOT, kind="safety", bubbles=["Please call **999** now."], tier="T1", answer_id="safety/RF01.T1.v1")
        for day, value in enumerate((8, 7, 4)):
            at = db.clock() - timedelta(days=60 - 20 * day)
            form = {"form": "survey", "answers": {"use": value}, "answer_ids": []}
            session.add(Survey(conversation_id=conversation, seq=100 + day, at=at, **form))
    values = {"rules_version": "2026-11-22.1", "about": {"scope": "now", "heard": "cannot feel anything"}, **raised}
    item = raise_one(db, conversation, words=words, **values).handoff_id
    raise_one(db, conversation, "m3", words="it is getting worse, please hurry")
    return item


def scenes(db: Database, me: Clinician, other: Clinician) -> dict[str, str]:
    """An item in each state, by the state's name. `me` is who looks at them."""
    made: dict[str, Callable[[str], Any]] = {
        "waiting": lambda item: None,
        "mine": lambda item: _answered(db, item, me),
        "anothers": lambda item: steps.claim(db, item, other, 2),
        "aside": lambda item: (steps.claim(db, item, me, 2), _aside(db, item, me)),
        "returned": lambda item: (steps.claim(db, item, me, 2), steps.hand_back(db, item, me)),
        "resolved": lambda item: steps.close(db, item, me, "not_red_flag"),
        "exhausted": lambda item: _exhausted(db, item),
        "erased": lambda item: _erased(db, item, me),
    }
    found = {}
    for name, prepare in made.items():
        found[name] = an_item(db, signed=name == "mine")
        prepare(found[name])
    found["withdrawn"] = _withdrawn(db)
    found["elsewhere"] = raise_one(db, f"sender-{len(found)}-{me.id}", words=WORDS).handoff_id
    return found


def _answered(db: Database, item: str, me: Clinician) -> None:
    steps.claim(db, item, me, 2)
    steps.add_private_note(db, item, me, "Knows the signs; lives alone.", "note-1")
    with db.begin() as session:
        conversation = handoff_of(session, CLINIC, item).conversation_id
        body = bodies.clinician("I am here.", me.name, "clinician")
        events.append_event(session, conversation, type=events.MESSAGE, author=events.CLINICIAN, body=body)
        conversations.set_hold(session, conversation, {"tier": "T1", "category": "RF01"})
        steps.answered(session, conversation, me)


def _aside(db: Database, item: str, me: Clinician) -> None:
    steps.snooze(db, item, me, db.clock() + timedelta(minutes=30))


def _exhausted(db: Database, item: str) -> None:
    clinic = load_clinics()["demo"]
    for _ in range(len(clinic.chain.steps)):
        with db.begin() as session:
            climb(session, handoff_of(session, CLINIC, item), clinic)


def _erased(db: Database, item: str, me: Clinician) -> None:
    steps.close(db, item, me, "answered")
    with db.begin() as session:
        rights.erase(session, handoff_of(session, CLINIC, item).conversation_id)


def _withdrawn(db: Database) -> str:
    conversation = new_conversation(db)
    asked = {"tier": "T4", "category": "contact", "rule": None, "message_shown": "", "numbers_shown": (), "about": {}}
    item = raise_one(db, conversation, words="I would like to talk to a person", **asked).handoff_id
    with db.begin() as session:
        steps.withdraw(session, conversation, "contact")
    return item
