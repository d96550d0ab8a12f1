"""What a clinician does with an item, and what the patient reads about it. One transaction each, no HTTP."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy.orm import Session

from bot.content.inbox import InboxWording
from bot.handoff import steps
from bot.handoff.items import NotYours, UnknownHandoff
from bot.handoff.states import CLOSE, HAND_BACK, NotAllowed
from bot.handoff.steps import AlreadyClaimed
from bot.store import audit, events
from bot.store.conversations import HUMAN, conversation_with, locked_conversation
from bot.store.handoffs import HELD, RESOLVED, RETURNED, handoff_of
from bot.store.models import Clinician, Handoff
from bot.store.session import Database
from bot.web import bodies
from bot.web.services import Services

MOST_CHARACTERS = 4_000
# What a second press of the same button finds: the act is done, and that is no error.
_DONE = {HAND_BACK: RETURNED, CLOSE: RESOLVED}


@dataclass(frozen=True)
class Desk:
    """A signed-in clinician at their clinic's inbox."""

    services: Services
    me: Clinician
    csrf: str
    words: InboxWording

    @property
    def clinic(self) -> str:
        return str(self.me.clinic)

    @property
    def db(self) -> Database:
        """The database as this clinic sees it: nothing of any other clinic can be read or changed through it."""
        return self.services.db.of(self.clinic)

    @property
    def role(self) -> str:
        return self.words.word("role", self.me.role)

    def time(self, at: datetime | None = None) -> str:
        """A time (now, by default) as people of this clinic read it."""
        services = self.services
        return services.shown(services.clinic(self.clinic), at or services.db.clock())


class NotClaimed(ValueError):
    """A reply needs a conversation that this clinician has taken."""


def see(desk: Desk, handoff_id: str) -> None:
    """Record that the clinician is shown the item. Raises UnknownHandoff, DatabaseUnavailable."""
    steps.mark_seen(desk.db, handoff_id, desk.me)


def claim(desk: Desk, handoff_id: str, version: int) -> AlreadyClaimed | str:
    """Take the conversation and tell the patient who has it. Returns the conversation, or who was first.

    Raises UnknownHandoff, NotAllowed, StaleVersion, DatabaseUnavailable.
    """
    with desk.db.begin() as session:
        result = steps.claim(session, handoff_id, desk.me, version)
        if isinstance(result, AlreadyClaimed):
            return result
        if result.first:
            _tell(session, desk, result.handoff, HUMAN, "handoff_claimed")
        return str(result.handoff.conversation_id)


def reply(desk: Desk, handoff_id: str, text: str, client_id: str) -> str:
    """Write into the patient's chat as its holder; the same form twice writes once. Returns the conversation.

    Raises UnknownHandoff, NotClaimed, NotYours, DatabaseUnavailable.
    """
    with desk.db.begin() as session:
        item, holder = _locked(session, desk, handoff_id)
        if holder is not None and holder != desk.me.id:
            raise NotYours(holder)
        if item.status not in HELD or item.claimed_by != desk.me.id or holder is None:
            raise NotClaimed
        appended = events.append_event(
            session,
            item.conversation_id,
            type=events.MESSAGE,
            author=events.CLINICIAN,
            body=bodies.clinician(text, desk.me.name, desk.role),
            client_id=_key(client_id, text),
        )
        if appended.created:
            steps.answered(session, item.conversation_id, desk.me)
            audit.record(
                session,
                clinic=item.clinic,
                actor=desk.me.id,
                act="handoff.replied",
                subject=item.id,
                details={"seq": appended.event.seq},
            )
        return str(item.conversation_id)


def hand_back(desk: Desk, handoff_id: str, lift_hold: bool) -> str:
    """Give the conversation back to the tutor and tell the patient. Returns the conversation.

    Raises UnknownHandoff, NotAllowed, NotYours, DatabaseUnavailable.
    """
    with desk.db.begin() as session:
        try:
            stepped = steps.hand_back(session, handoff_id, desk.me, lift_hold)
        except NotAllowed as error:
            return _done_already(session, desk, handoff_id, error)
        held = conversation_with(session, stepped.handoff.conversation_id).hold
        _tell(session, desk, stepped.handoff, stepped.state, "handoff_returned_hold" if held else "handoff_returned")
        return str(stepped.handoff.conversation_id)


def close(desk: Desk, handoff_id: str, outcome: str) -> str:
    """Close the item with its outcome and tell the patient. Returns the conversation.

    Raises UnknownHandoff, NotAllowed, NotYours, ValueError for an unknown outcome, DatabaseUnavailable.
    """
    with desk.db.begin() as session:
        item, _holder = _locked(session, desk, handoff_id)
        # For the patient, an item that was handed back is over: its outcome is the team's business.
        silent = item.status == RETURNED
        try:
            stepped = steps.close(session, handoff_id, desk.me, outcome)
        except NotAllowed as error:
            return _done_already(session, desk, handoff_id, error)
        if not silent:
            _tell(session, desk, stepped.handoff, stepped.state, "handoff_closed")
        return str(stepped.handoff.conversation_id)


def _locked(session: Session, desk: Desk, handoff_id: str) -> tuple[Handoff, str | None]:
    """The clinic's item and its conversation's holder, read after the conversation was locked."""
    item = handoff_of(session, desk.clinic, handoff_id)
    if item is None:
        raise UnknownHandoff
    conversation = locked_conversation(session, item.conversation_id)
    session.refresh(item)
    return item, conversation.holder if conversation.state == HUMAN else None


def _tell(session: Session, desk: Desk, item: Handoff, state: str, key: str) -> None:
    services = desk.services
    clinic = services.clinic(desk.clinic)
    told = bodies.handoff(
        state, key, clinic, services.wording, desk.time(), name=desk.me.name, role=desk.role
    )
    events.append_event(
        session,
        item.conversation_id,
        type=events.STATE,
        author=events.SYSTEM,
        body={**told, "handoff": item.id},
    )


def _done_already(session: Session, desk: Desk, handoff_id: str, error: NotAllowed) -> str:
    item = handoff_of(session, desk.clinic, handoff_id)
    if item is None or _DONE.get(error.act) != error.status:
        raise error
    return str(item.conversation_id)


def _key(client_id: str, text: str) -> str:
    """One key for one form with one text.

    The text counts too: a form that the browser's back button brings again has an old id, and what is newly
    written in it must not be lost. The colon keeps it apart from the ids that patients' pages choose.
    """
    return f"reply:{client_id}:{hashlib.sha256(text.encode('utf-8', 'surrogatepass')).hexdigest()[:16]}"
