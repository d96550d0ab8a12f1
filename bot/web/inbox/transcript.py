"""The chat as an item's page shows it: who said what, when, from which source, and what was on the person's screen."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from sqlalchemy import select
from sqlalchemy.orm import Session

from bot.store import events
from bot.store.models import Conversation, Event, Handoff
from bot.web import bodies
from bot.web.inbox import rows
from bot.web.inbox.acts import Desk
from bot.web.inbox.rows import Moment

LATEST = 150
# Where a safety question about the item may stand, and its answer: events before and after its message.
NEAR = 40


@dataclass(frozen=True)
class Entry:
    """One line of the transcript. `who` is patient, tutor, clinician or notice; `sign`: of a clinician's words, whether
    the person's page has shown them."""

    seq: int
    who: str
    name: str
    at: Moment
    bubbles: tuple[str, ...]
    notes: tuple[str, ...]
    raised_it: bool
    sign: str = ""


def transcript(
    session: Session, desk: Desk, item: Handoff, conversation: Conversation, everything: bool
) -> tuple[list[Entry], bool]:
    """The latest lines of the item's chat, or all of them; and whether earlier ones were left out."""
    if everything:
        found: list[Event] = []
        while batch := events.events_after(session, item.conversation_id, found[-1].seq if found else 0):
            found += batch
    else:
        found = events.latest_events(session, item.conversation_id, LATEST)
    return [_entry(desk, item, conversation, event) for event in found], bool(found) and found[0].seq > 1


def shown_words(session: Session, item: Handoff) -> tuple[str, ...]:
    """The safety words that answered the message, as the person read them."""
    asked = _number(session, item)
    shown: list[str] = []
    if asked is None:
        return ()
    for event in events.events_after(session, item.conversation_id, asked, limit=10):
        if event.author == events.PATIENT:
            break
        if event.body.get("kind") == "safety":
            shown += event.body["bubbles"]
    return tuple(shown)


def safety_answers(session: Session, item: Handoff) -> list[tuple[str, str]]:
    """The questions that were asked about the item's group of signs, each with the person's answer (empty: none)."""
    asked = _number(session, item)
    if asked is None:
        return []
    near = events.events_after(session, item.conversation_id, max(0, asked - NEAR), limit=2 * NEAR)
    found: list[tuple[str, str]] = []
    open_question = ""
    for event in near:
        body = event.body
        if event.author == events.PATIENT:
            if open_question:
                found.append((open_question, str(body.get("text") or body.get("fallback_text") or "")))
            open_question = ""
        elif body.get("kind") == "question" and body.get("category") == item.category:
            open_question = str(body.get("text") or " ".join(body.get("bubbles") or ()))
    return [*found, (open_question, "")] if open_question else found


def _number(session: Session, item: Handoff) -> int | None:
    """The number of the message that raised the item. A second alarm of one message has its key with an ending."""
    keys = {item.message_key, item.message_key.removesuffix(".also")}
    here = (Event.conversation_id == item.conversation_id, Event.client_id.in_(keys))
    number: int | None = session.execute(select(Event.seq).where(*here).limit(1)).scalar_one_or_none()
    return number


def _entry(desk: Desk, item: Handoff, conversation: Conversation, event: Event) -> Entry:
    body, words = event.body, desk.words
    kind = body.get("kind")
    notes, sign = [], ""
    if event.author == events.PATIENT:
        who, name = "patient", words.text("who_patient")
        bubbles = (body.get("text") or body.get("fallback_text") or "",)
        if body.get("payload") and "answers" not in body:
            notes.append(words.text("note_button"))
    elif event.author == events.CLINICIAN:
        who, bubbles = "clinician", tuple(body.get("bubbles") or ())
        name = words.text("who_clinician", name=body.get("name", ""), role=body.get("role", ""))
        sign = _sign(desk, conversation, event.seq)
    else:
        tutor = kind in ("text", "safety", "question")
        who, name = ("tutor", words.text("who_tutor")) if tutor else ("notice", words.text("who_notice"))
        bubbles = tuple(body.get("bubbles") or (body.get("fallback_text", ""),))
        notes += _provenance(desk, body)
    raised_it = event.author == events.PATIENT and event.client_id == item.message_key
    if raised_it:
        notes.append(words.text("note_raised"))
    return Entry(event.seq, who, name, rows.moment(desk, event.at), bubbles, tuple(notes), raised_it, sign)


def _sign(desk: Desk, conversation: Conversation, seq: int) -> str:
    """Shown is what the person's page said it has shown; whether it was read nobody knows."""
    if seq > conversation.shown_seq:
        return desk.words.text("sign_not_shown")
    if seq == conversation.shown_seq and conversation.shown_at is not None:
        return desk.words.text("sign_shown_at", time=desk.time(conversation.shown_at))
    return desk.words.text("sign_shown")


def _provenance(desk: Desk, body: dict[str, Any]) -> list[str]:
    words, notes = desk.words, []
    if body["kind"] in ("safety", "question"):
        notes.append(words.text(f"note_{body['kind']}"))
    if body["kind"] in ("text", "safety", "question"):
        if body.get("answer_id"):
            notes.append(words.text("note_answer", id=body["answer_id"]))
        if body.get("version"):
            notes.append(words.text("note_version", id=body["version"]))
        if body.get("review") == "pending":
            notes.append(words.text("note_review"))
    for key, field, label in (("note_calls", "calls", "label"), ("note_choices", "buttons", "title")):
        if body.get(field):
            notes.append(words.text(key, choices=", ".join(str(one.get(label)) for one in body[field])))
    if body.get("form") in (bodies.PLAIN, bodies.FLARE):
        notes.append(words.text(f"note_form_{body['form']}"))
    return notes
