"""What the clinic's people do with a handoff. Each step is one transaction with its audit row and the news to the
clinic's systems; all of them lock the conversation first.
"""

from __future__ import annotations

import uuid
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy.orm import Session

from bot.content import Clinic
from bot.handoff import notices
from bot.handoff.items import NotYours, StaleVersion, locked_item, note_act
from bot.handoff.states import (
    ANSWER,
    CLAIM,
    CLOSE,
    HAND_BACK,
    OUTCOMES,
    RELEASE,
    SEE,
    STEPS,
    WITHDRAW,
    conversation_after,
    next_status,
)
from bot.store import audit
from bot.store.conversations import BOT, HUMAN, locked_conversation, set_state
from bot.store.conversations import WAITING as WAITING_CONVERSATION
from bot.store.handoffs import CLAIMED, HELD, WAITING, handoffs_in, lies_quiet, open_of_family
from bot.store.models import Clinician, Conversation, Handoff, Note
from bot.store.session import Database, now, transaction


class NoSuchPerson(LookupError):
    """This clinic has no such person, or not one who may answer."""


@dataclass(frozen=True)
class Seen:
    """An item that was opened; `first`: by the first person who did."""

    handoff: Handoff
    first: bool


@dataclass(frozen=True)
class Claimed:
    """This clinician holds the handoff; `first` is False where they already did (a double click)."""

    handoff: Handoff
    first: bool


@dataclass(frozen=True)
class AlreadyClaimed:
    """Somebody else was first."""

    by: str
    name: str
    at: datetime | None


@dataclass(frozen=True)
class Stepped:
    """A handoff after a step, and who answers the patient now."""

    handoff: Handoff
    state: str


def mark_seen(where: Database | Session, handoff_id: str, clinician: Clinician) -> Seen:
    """The clinician has opened the item: every view is audited, the first sets `seen_at`."""
    with transaction(where) as session:
        item, _conversation = locked_item(session, handoff_id, clinician)
        first = item.seen_at is None
        if first:
            item.seen_at = now(session)
        opened = STEPS.get((item.status, SEE), item.status)
        if opened != item.status:
            item.status = opened
            notices.tell_change(session, item)
        note_act(session, item, clinician.id, "seen")
        session.flush()
        return Seen(item, first)


def claim(
    where: Database | Session, handoff_id: str, clinician: Clinician, expected_version: int
) -> Claimed | AlreadyClaimed:
    """Takes the conversation: this handoff and any other of it that waits (but for what only lies in the list). Of two
    at once one wins.

    A clinician who comes second, also with another item of the same conversation, gets AlreadyClaimed.
    Raises UnknownHandoff, NotAllowed (handed back or closed), StaleVersion (changed since the page was made).
    """
    with transaction(where) as session:
        item, conversation = locked_item(session, handoff_id, clinician)
        held = item.status in HELD
        if not held:
            next_status(item.status, CLAIM)
        holder = item.claimed_by if held else conversation.holder
        if holder is not None and holder != clinician.id:
            return AlreadyClaimed(holder, session.get(Clinician, holder).name, item.claimed_at)
        if held:
            return Claimed(item, first=False)
        if item.version != expected_version:
            raise StaleVersion(f"version {item.version}, not {expected_version}")
        others = [h for h in handoffs_in(session, conversation.id) if h.status in WAITING and not lies_quiet(h)]
        for waiting in others if item in others else [item, *others]:
            _take(session, waiting, clinician.id)
            note_act(session, waiting, clinician.id, "claimed")
            notices.tell_change(session, waiting)
        set_state(session, conversation.id, HUMAN, holder=clinician.id)
        session.flush()
        return Claimed(item, first=True)


def answered(session: Session, conversation_id: str, clinician: Clinician) -> None:
    """The clinician has written to the person: what they hold of the conversation is in conversation from now on."""
    for item in handoffs_in(session, conversation_id):
        if item.status == CLAIMED and item.claimed_by == clinician.id:
            item.status = next_status(item.status, ANSWER)
            item.answered_at = item.answered_at or now(session)
            item.version += 1
            note_act(session, item, clinician.id, "answered")
            notices.tell_change(session, item)
    session.flush()


def release(where: Database | Session, handoff_id: str, clinician: Clinician, clinic: Clinic) -> Stepped:
    """Puts everything that this clinician holds of the conversation into the queue again; the chain begins anew.

    Raises UnknownHandoff, NotAllowed, NotYours.
    """
    with transaction(where) as session:
        item, conversation = locked_item(session, handoff_id, clinician)
        next_status(item.status, RELEASE)
        _only_holder(item, clinician)
        let_go(session, conversation.id, clinician.id, clinic, clinician.id)
        session.flush()
        return Stepped(item, conversation.state)


def let_go(session: Session, conversation_id: str, holder: str, clinic: Clinic, actor: str) -> None:
    """Everything of a conversation that `holder` has goes back into the queue, and its chain begins anew. The
    conversation must be locked. `actor`: who did it, for the audit."""
    conversation = locked_conversation(session, conversation_id)
    before = conversation.state
    for held in _held_by(session, conversation, holder):
        held.status = next_status(held.status, RELEASE)
        held.claimed_by, held.claimed_at, held.snoozed_until = None, None, None
        held.version += 1
        notices.begin_chain(session, held, clinic)
        note_act(session, held, actor, "released")
        notices.tell_change(session, held)
    still = _statuses(session, conversation.id)
    after = conversation_after(before, RELEASE, CLAIMED, still)
    waited_for = after != WAITING_CONVERSATION or any(status in WAITING for status in still)
    _pass_on(session, conversation, after if waited_for else BOT)
    session.flush()


def reassign(
    where: Database | Session, handoff_id: str, clinician: Clinician, to: Clinician, any_holder: bool = False
) -> Stepped:
    """Gives the conversation to a colleague: all of it that somebody has. `any_holder`: also another's. What waits goes
    on climbing until a person takes it.

    The colleague must be of the same clinic and not disabled. Raises UnknownHandoff, NoSuchPerson, NotAllowed,
    NotYours.
    """
    with transaction(where) as session:
        item, conversation = locked_item(session, handoff_id, clinician)
        if to.clinic != clinician.clinic or to.disabled_at is not None:
            raise NoSuchPerson
        next_status(item.status, RELEASE)
        if conversation.holder is not None and conversation.holder != clinician.id and not any_holder:
            raise NotYours(conversation.holder)
        for held in [h for h in handoffs_in(session, conversation.id) if h.status in HELD]:
            held.claimed_by = to.id
            held.snoozed_until = None
            held.version += 1
            note_act(session, held, clinician.id, "reassigned", to=to.id)
            notices.tell_change(session, held)
        set_state(session, conversation.id, HUMAN, holder=to.id)
        session.flush()
        return Stepped(item, conversation.state)


def snooze(where: Database | Session, handoff_id: str, clinician: Clinician, until: datetime | None) -> Handoff:
    """Puts an item that this clinician holds aside until a time (None: back at once). What nobody holds cannot be put
    aside: its clock runs. Raises UnknownHandoff, NotAllowed, NotYours."""
    with transaction(where) as session:
        item, _conversation = locked_item(session, handoff_id, clinician)
        next_status(item.status, HAND_BACK)
        _only_holder(item, clinician)
        item.snoozed_until = until
        note_act(session, item, clinician.id, "snoozed", until=until.isoformat() if until else None)
        session.flush()
        return item


def add_private_note(where: Database | Session, handoff_id: str, clinician: Clinician, text: str, key: str) -> None:
    """Keeps a note for the clinic's people; the same `key` again changes nothing. Raises UnknownHandoff."""
    with transaction(where) as session:
        item, _conversation = locked_item(session, handoff_id, clinician)
        note_id = str(uuid.uuid5(uuid.NAMESPACE_URL, f"{item.id}/{clinician.id}/{key}"))
        if session.get(Note, note_id) is not None:
            return
        session.add(Note(id=note_id, handoff_id=item.id, clinician_id=clinician.id, at=now(session), text=text))
        note_act(session, item, clinician.id, "noted")
        session.flush()


def hand_back(where: Database | Session, handoff_id: str, clinician: Clinician, lift_hold: bool = True) -> Stepped:
    """Gives the conversation back to the assistant: everything this clinician holds of it.

    A new item that nobody has claimed keeps it `waiting`. `lift_hold`: the clinician has been with the person, so
    education opens again. Raises UnknownHandoff, NotAllowed, NotYours.
    """
    with transaction(where) as session:
        item, conversation = locked_item(session, handoff_id, clinician)
        next_status(item.status, HAND_BACK)
        _only_holder(item, clinician)
        for held in _held_by(session, conversation, clinician.id):
            held.status = next_status(held.status, HAND_BACK)
            held.snoozed_until = None
            held.version += 1
            note_act(session, held, clinician.id, "handed_back")
            notices.tell_change(session, held)
        others = _statuses(session, conversation.id, item)
        after = conversation_after(conversation.state, HAND_BACK, CLAIMED, others)
        _pass_on(session, conversation, after)
        if lift_hold and after == BOT:
            conversation.hold = None
        session.flush()
        return Stepped(item, conversation.state)


def close(where: Database | Session, handoff_id: str, clinician: Clinician, outcome: str) -> Stepped:
    """Closes one handoff with its outcome. The last one that its holder closes ends the conversation.

    One that waits or was handed back may be closed by anybody of the clinic, a claimed one by its holder.
    Raises UnknownHandoff, NotAllowed, NotYours, and ValueError for an outcome that is none of OUTCOMES.
    """
    if outcome not in OUTCOMES:
        raise ValueError(f"no such outcome: {outcome}")
    with transaction(where) as session:
        item, conversation = locked_item(session, handoff_id, clinician)
        before = item.status
        after = next_status(before, CLOSE)
        if before in HELD:
            _only_holder(item, clinician)
        others = _statuses(session, conversation.id, item)
        quiet = lies_quiet(item)
        _finish(session, item, after)
        item.outcome = outcome
        note_act(session, item, clinician.id, "closed", outcome=outcome)
        if not quiet:  # who answers the person has nothing to do with what only lay in the list
            _pass_on(session, conversation, conversation_after(conversation.state, CLOSE, before, others))
        session.flush()
        return Stepped(item, conversation.state)


def withdraw(session: Session, conversation_id: str, category: str) -> Stepped | None:
    """The person no longer needs what they asked for. Only a wish for a person can be taken back, and only while nobody
    has claimed it: a red flag stays with the clinic whatever is said later. None: there is nothing to take back."""
    conversation = locked_conversation(session, conversation_id)
    item = open_of_family(session, conversation_id, category)
    if item is None or item.rule is not None or item.status not in WAITING:
        return None
    before = item.status
    others = _statuses(session, conversation_id, item)
    _finish(session, item, next_status(before, WITHDRAW))
    note_act(session, item, audit.SYSTEM, "withdrawn")
    _pass_on(session, conversation, conversation_after(conversation.state, WITHDRAW, before, others))
    session.flush()
    return Stepped(item, conversation.state)


def _take(session: Session, item: Handoff, clinician_id: str) -> None:
    item.status = next_status(item.status, CLAIM)
    item.claimed_by = clinician_id
    item.claimed_at = now(session)
    item.seen_at = item.seen_at or item.claimed_at
    item.climb_at = None
    item.version += 1


def _finish(session: Session, item: Handoff, status: str) -> None:
    item.status = status
    item.closed_at = now(session)
    item.climb_at = None
    item.snoozed_until = None
    item.version += 1
    notices.tell_change(session, item)


def _statuses(session: Session, conversation_id: str, but: Handoff | None = None) -> list[str]:
    """The statuses of a conversation's handoffs (`but` one), without what only lies in the list."""
    return [h.status for h in handoffs_in(session, conversation_id) if h is not but and not lies_quiet(h)]


def _held_by(session: Session, conversation: Conversation, clinician_id: str) -> list[Handoff]:
    return [h for h in handoffs_in(session, conversation.id) if h.status in HELD and h.claimed_by == clinician_id]


def _only_holder(item: Handoff, clinician: Clinician) -> None:
    if item.claimed_by is not None and item.claimed_by != clinician.id:
        raise NotYours(item.claimed_by)


def _pass_on(session: Session, conversation: Conversation, state: str) -> None:
    """Sets who answers now; a human who keeps the conversation stays its holder."""
    set_state(session, conversation.id, state, holder=conversation.holder if state == HUMAN else None)
