"""How a conversation's holder passes it on: to the tutor, to a colleague, to the queue; or puts it aside.

One transaction each, no HTTP. After each act the patient reads what is true now.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from bot.content.answers import Answer
from bot.content.library import load_library
from bot.content.replies import button
from bot.handoff import roles, steps
from bot.handoff.states import CLAIM, NotAllowed
from bot.handoff.steps import NoSuchPerson, Stepped
from bot.store import handoffs as stored
from bot.store.conversations import HUMAN, conversation_with
from bot.store.handoffs import HELD, RETURNED
from bot.store.models import Clinician, ClinicianSession, Event, Handoff
from bot.store.session import now
from bot.web import bodies, handoffs
from bot.web.inbox.acts import Desk, NotClaimed, key_of, locked, tell, write

# How long an item may be put aside: minutes, or until the clinic opens the next time.
HALF_HOUR, TWO_HOURS, NEXT_OPENING, BACK = "30", "120", "opening", "back"
# Subjects of answers that are about the chat itself: nobody is sent there by a clinician.
_NOT_OFFERED = frozenset({"about", "chat"})
# Somebody who did something in the inbox so lately is taken to be there.
HERE = timedelta(minutes=15)
# The same button within this time is one press.
PRESSED_TWICE = timedelta(minutes=1)


class NoteNotSent(ValueError):
    """The conversation had been handed back already, so the words for the person were not sent."""


@dataclass(frozen=True)
class Colleague:
    """Somebody who may answer. `here`: they did something in the inbox a moment ago."""

    id: str
    name: str
    role: str
    here: bool


def hand_back(desk: Desk, handoff_id: str, lift_hold: bool, note: str, client_id: str, topic: str = "") -> str:
    """Give the conversation back to the tutor and tell the patient. Returns the conversation.

    `note`: the clinician's own last words to the person. `topic`: id of an answer, which the tutor then offers; nothing
    is offered while lessons stay closed. Raises UnknownHandoff, NotAllowed, NotYours, NoteNotSent, DatabaseUnavailable.
    """
    with desk.db.begin() as session:
        item, _holder = locked(session, desk, handoff_id)
        if note and item.status in HELD and item.claimed_by == desk.me.id:
            write(session, desk, item, note, client_id)
        try:
            stepped = steps.hand_back(session, handoff_id, desk.me, lift_hold)
        except NotAllowed:
            if item.status != RETURNED or item.claimed_by != desk.me.id:
                raise
            if note and not _written(session, item, key_of(client_id, note)):
                raise NoteNotSent from None
            return str(item.conversation_id)
        held = conversation_with(session, item.conversation_id).hold
        if held:
            tell(session, desk, item, stepped.state, "handoff_returned_hold")
        else:
            _tell_returned(session, desk, stepped, topics().get(topic))
        return str(item.conversation_id)


def release(desk: Desk, handoff_id: str) -> str:
    """Put the conversation into the queue again; its chain of contacts begins anew. Returns the conversation.

    Raises UnknownHandoff, NotAllowed, NotYours, DatabaseUnavailable.
    """
    services, clinic = desk.services, desk.services.clinic(desk.clinic)
    with desk.db.begin() as session:
        stepped = steps.release(session, handoff_id, desk.me, clinic)
        told = bodies.handoff(
            stepped.state, "handoff_released", clinic, services.wording, desk.time(), name=desk.me.name, role=desk.role
        )
        closed = services.closed_words(clinic)
        handoffs.say(session, stepped.handoff.id, bodies.with_lead(told, closed) if closed else told)
        return str(stepped.handoff.conversation_id)


def reassign(desk: Desk, handoff_id: str, to: str) -> str:
    """Give the conversation to a colleague (their id) and tell the patient whose it is. Returns the conversation.

    Only what somebody has taken can be given on: what waits goes on alarming until a person takes it themselves.
    Another's needs the right ASSIGN. Raises UnknownHandoff, NoSuchPerson, NotClaimed, NotAllowed, NotYours,
    DatabaseUnavailable.
    """
    with desk.db.begin() as session:
        item, holder = locked(session, desk, handoff_id)
        colleague = session.get(Clinician, to)
        if colleague is None or colleague.clinic != desk.clinic or not roles.may(colleague.role, roles.ANSWER):
            raise NoSuchPerson
        if item.status in stored.WAITING:
            raise NotClaimed
        if item.status not in HELD or holder is None:
            raise NotAllowed(item.status, CLAIM)
        if item.claimed_by == colleague.id:
            return str(item.conversation_id)
        any_holder = roles.may(desk.me.role, roles.ASSIGN)
        stepped = steps.reassign(session, handoff_id, desk.me, colleague, any_holder)
        to_role = desk.words.word("role", colleague.role)
        tell(session, desk, stepped.handoff, HUMAN, "handoff_reassigned", to=colleague.name, to_role=to_role)
        return str(item.conversation_id)


def put_aside(desk: Desk, handoff_id: str, until: datetime | None) -> str:
    """Put the item aside until a time, or (None) take it back to hand. Returns the conversation.

    Raises UnknownHandoff, NotAllowed, NotYours, DatabaseUnavailable.
    """
    with desk.db.begin() as session:
        before = locked(session, desk, handoff_id)[0].snoozed_until
        item = steps.snooze(session, handoff_id, desk.me, until)
        again = before is not None and until is not None and abs(until - before) < PRESSED_TWICE
        if until is not None and not again:  # nobody should wait for somebody who is not there
            tell(session, desk, item, HUMAN, "handoff_aside", until=desk.time(until))
        return str(item.conversation_id)


def aside_times(desk: Desk) -> dict[str, datetime]:
    """Until when an item may be put aside, by code, from now on."""
    at = desk.services.db.clock()
    times = {HALF_HOUR: at + timedelta(minutes=30), TWO_HOURS: at + timedelta(hours=2)}
    opens = desk.services.clinic(desk.clinic).hours.opens_after(at)
    return times if opens is None else {**times, NEXT_OPENING: opens}


def colleagues(session: Session, desk: Desk, without: str | None) -> list[Colleague]:
    """The clinic's people who may answer, by name; those who are there first."""
    used = dict(
        session.execute(
            select(ClinicianSession.clinician_id, func.max(ClinicianSession.used_at))
            .join(Clinician, Clinician.id == ClinicianSession.clinician_id)
            .where(
                Clinician.clinic == desk.clinic,
                ClinicianSession.revoked_at.is_(None),
                ClinicianSession.expires_at > now(session),
            )
            .group_by(ClinicianSession.clinician_id)
        ).all()
    )
    people = session.execute(
        select(Clinician).where(Clinician.clinic == desk.clinic, Clinician.disabled_at.is_(None))
    ).scalars()
    since = now(session) - HERE
    found = [
        Colleague(one.id, one.name, desk.words.word("role", one.role), used.get(one.id, since) > since)
        for one in people
        if roles.may(one.role, roles.ANSWER) and one.id != without
    ]
    return sorted(found, key=lambda one: (not one.here, one.name.casefold(), one.id))


def topics() -> Mapping[str, Answer]:
    """The curated answers that a clinician may leave for the person, by id."""
    answers = load_library().answers
    return {key: answer for key, answer in answers.items() if answer.subject not in _NOT_OFFERED}


def _tell_returned(session: Session, desk: Desk, stepped: Stepped, topic: Answer | None) -> None:
    services, clinic = desk.services, desk.services.clinic(desk.clinic)
    key = "handoff_returned"
    told = bodies.handoff(stepped.state, key, clinic, services.wording, desk.time(), name=desk.me.name)
    if topic is not None:
        told = _with_topic(told, services.wording.bubbles("handoff_topic", name=desk.me.name), topic)
    handoffs.say(session, stepped.handoff.id, told)


def _with_topic(told: dict[str, Any], words: list[str], topic: Answer) -> dict[str, Any]:
    more = {key: value for key, value in told.items() if key not in ("kind", "bubbles", "fallback_text")}
    buttons = [button(topic.title, f"/{topic.id}")]
    return bodies.body(told["kind"], [*told["bubbles"], *words], **more, buttons=buttons)


def _written(session: Session, item: Handoff, key: str) -> bool:
    mine = (Event.conversation_id == item.conversation_id, Event.client_id == key)
    return session.execute(select(Event.seq).where(*mine)).first() is not None
