"""What the log says of the last turns: what was typed, what was asked and denied, what was offered."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy.orm import Session

from bot.safety import is_plain_no
from bot.safety.check import NO
from bot.store import conversations, events, rights
from bot.store.models import Event
from bot.web import check
from bot.web.bodies import answer_in

HISTORY = 5
# For so many messages of the patient a question that was answered No is not put again.
DENIED_TURNS = 6
# For so many messages the list of all questions does not come a second time, nor a check that was just gone through.
LIST_TURNS = 5
LATEST = 80
# A report may be pasted a message or two after it was asked for: it must not be taken for a message and kept.
LINGERING, LINGERING_TURNS, LINGERS = ("scan:report",), 2, "+"
REFUSED_IDS = "safety/safety_refused"
_READ = "latest_events"


@dataclass(frozen=True)
class Heard:
    """`texts`: typed lately, oldest first. `denied`: categories. `facts`: confirmed by a yes in the safety check.
    `offered`: payloads of what was asked last. `awaits`: which words the tutor asked for last.
    """

    texts: tuple[str, ...] = ()
    denied: frozenset[str] = frozenset()
    facts: frozenset[str] = frozenset()
    offered: tuple[str, ...] = ()
    awaits: str = ""


NOTHING_HEARD = Heard()


def heard(session: Session, conversation_id: str) -> Heard:
    """What matters of the last turns for the next message."""
    return heard_in(latest(session, conversation_id))


def latest(session: Session, conversation_id: str) -> Sequence[Event]:
    """The last events, oldest first. Within a transaction that holds the conversation they are read once."""
    held = conversations.held_conversation(session, conversation_id)
    if held is None:
        return events.latest_events(session, conversation_id, LATEST)
    now_at, known = session.info.get(_READ, (None, ()))
    if now_at != (conversation_id, held.last_seq):
        known = events.latest_events(session, conversation_id, LATEST)
        session.info[_READ] = ((conversation_id, held.last_seq), known)
    return known


def heard_in(log: Sequence[Event]) -> Heard:
    """The same from events, oldest first."""
    typed = [text for event in log if event.author == events.PATIENT and (text := _typed(event.body))]
    pressed = [payload for event in log if event.author == events.PATIENT and (payload := _payload(event.body))]
    facts = [fact for payload in pressed for fact in check.facts_of(payload)]
    return Heard(tuple(typed[-HISTORY:]), _denied(log), frozenset(facts), _offered(log), _awaits(log))


def still_said(session: Session, conversation_id: str, key: str, earlier: str = "") -> bool:
    """Whether the message with this key stands in the log with its words, and an `earlier` text too, if given: what was
    erased must not be answered, or written again by its answer."""
    own = rights.message_of(session, conversation_id, key)
    if own is None or own.body.get("erased"):
        return False
    return not earlier or any(event.body.get("text") == earlier for event in latest(session, conversation_id))


def turns_since(log: Sequence[Event], *answer_ids: str) -> int | None:
    """How many messages the patient has sent since one of these was last said; None where none was."""
    count = 0
    for event in reversed(log):
        if event.author == events.PATIENT:
            count += 1
        elif str(event.body.get("answer_id", "")).startswith(answer_ids):
            return count
    return None


def last_said(log: Sequence[Event], answer_id: str) -> Mapping[str, Any] | None:
    """The last body with this id."""
    return next((event.body for event in reversed(log) if event.body.get("answer_id") == answer_id), None)


def refusals(log: Sequence[Event]) -> int:
    """How often a refusal was answered since the last alarm."""
    count = 0
    for event in reversed(log):
        if str(event.body.get("answer_id", "")).startswith(REFUSED_IDS):
            count += 1
        elif event.body.get("kind") == "safety" and event.body.get("category"):
            break
    return count


def _typed(body: Mapping[str, Any]) -> str:
    """What was typed, in a questionnaire too. A pressed No stands as a typed one: it takes back the words that the
    question was about."""
    if "words" in body:
        return str(body["words"])
    payload = body.get("payload")
    if payload:
        return NO if (answer_in(payload) or ("", ""))[1] == NO else ""
    return str(body["text"])


def _offered(log: Sequence[Event]) -> tuple[str, ...]:
    """The buttons of the last thing said: a typed answer is an answer only to that, and only before anything else."""
    last = log[-1] if log else None
    if last is None or last.author == events.PATIENT:
        return ()
    return tuple(str(one["payload"]) for one in last.body.get("buttons") or ())


def _awaits(log: Sequence[Event]) -> str:
    """What the tutor has asked to be told in words, if that was the last thing said; with LINGERS behind it, if it was
    said shortly before and its words may still come."""
    last = log[-1] if log else None
    if last is None or last.author == events.PATIENT:
        return ""
    if last.body.get("awaits"):
        return str(last.body["awaits"])
    own = 0
    for event in reversed(log):
        own += event.author == events.PATIENT
        if own > LINGERING_TURNS or event.body.get("kind") in ("safety", "question"):
            return ""
        if event.body.get("awaits") in LINGERING:
            return f"{event.body['awaits']}{LINGERS}"
    return ""


def _denied(log: Sequence[Event]) -> frozenset[str]:
    """Categories whose question was put and answered No within the last turns, and nothing worse since."""
    after: dict[str, int] = {}
    open_category, turns = "", 0
    for event in log:
        body = event.body
        if event.author != events.PATIENT:
            if body.get("kind") == "question":
                open_category = str(body.get("category") or "")
            elif body.get("kind") == "safety" and body.get("category"):
                after.pop(str(body["category"]), None)
            continue
        turns += 1
        category = _category_denied(body, open_category)
        if category:
            after[category] = turns
        open_category = ""
    return frozenset(category for category, turn in after.items() if turns - turn < DENIED_TURNS)


def _payload(body: Mapping[str, Any]) -> str:
    return str(body.get("payload") or "")


def _category_denied(body: Mapping[str, Any], open_category: str) -> str:
    payload = _payload(body)
    if check.answer_of(payload) == NO:
        return check.category_of(payload)
    if payload:
        category, answer = answer_in(payload) or ("", "")
        return category if answer == NO else ""
    return open_category if open_category and is_plain_no(str(body.get("text") or "")) else ""
