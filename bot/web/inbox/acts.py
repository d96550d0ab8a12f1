"""What a clinician does with an item, and what the patient reads about it. One transaction each, no HTTP."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy.orm import Session

from bot.content.inbox import InboxWording
from bot.handoff import steps
from bot.handoff.items import NotYours, UnknownHandoff, locked_item, note_act
from bot.handoff.states import NotAllowed
from bot.handoff.steps import AlreadyClaimed
from bot.store import events
from bot.store.conversations import HUMAN, locked_conversation
from bot.store.handoffs import HELD, QUIET, RESOLVED, RETURNED, SEEN, handoff_of, lies_quiet
from bot.store.models import Clinician, Handoff
from bot.store.session import Database
from bot.web import bodies, handoffs, summaries
from bot.web.services import Services

MOST_CHARACTERS = 4_000
# A copy on paper, and one as a file: the acts of the audit.
PRINTED, EXPORTED = "printed", "exported"


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


def see(desk: Desk, handoff_id: str) -> str | None:
    """Record that the clinician is shown the item. Where that is news to the person, they read it: then the
    conversation's id. Raises UnknownHandoff, DatabaseUnavailable."""
    with desk.db.begin() as session:
        seen = steps.mark_seen(session, handoff_id, desk.me)
        if not seen.first or seen.handoff.status != SEEN:
            return None
        teller = summaries if seen.handoff.category in QUIET else handoffs
        teller.tell_seen(desk.services, session, desk.services.clinic(desk.clinic), seen.handoff)
        return str(seen.handoff.conversation_id)


def copied(desk: Desk, handoff_id: str, how: str) -> None:
    """Record that the clinician takes a copy of the item away (PRINTED, EXPORTED). Raises UnknownHandoff."""
    with desk.db.begin() as session:
        item, _conversation = locked_item(session, handoff_id, desk.me)
        note_act(session, item, desk.me.id, how)


def claim(desk: Desk, handoff_id: str, version: int) -> AlreadyClaimed | str:
    """Take the conversation and tell the patient who has it. Returns the conversation, or who was first.

    Raises UnknownHandoff, NotAllowed, StaleVersion, DatabaseUnavailable.
    """
    with desk.db.begin() as session:
        result = steps.claim(session, handoff_id, desk.me, version)
        if isinstance(result, AlreadyClaimed):
            return result
        if result.first:
            tell(session, desk, result.handoff, HUMAN, "handoff_claimed")
        return str(result.handoff.conversation_id)


def reply(desk: Desk, handoff_id: str, text: str, client_id: str) -> str:
    """Write into the patient's chat as its holder; the same form twice writes once. Returns the conversation.

    Raises UnknownHandoff, NotClaimed, NotYours, DatabaseUnavailable.
    """
    with desk.db.begin() as session:
        item, holder = locked(session, desk, handoff_id)
        if holder is not None and holder != desk.me.id:
            raise NotYours(holder)
        if item.status not in HELD or item.claimed_by != desk.me.id or holder is None:
            raise NotClaimed
        write(session, desk, item, text, client_id)
        return str(item.conversation_id)


def close(desk: Desk, handoff_id: str, outcome: str) -> str:
    """Close the item with its outcome and tell the patient. The same outcome again changes nothing. Returns the
    conversation.

    Raises UnknownHandoff, NotAllowed, NotYours, ValueError for an unknown outcome, DatabaseUnavailable.
    """
    with desk.db.begin() as session:
        item, _holder = locked(session, desk, handoff_id)
        # For the patient, an item that was handed back is over: its outcome is the team's business.
        silent = item.status == RETURNED
        quiet = lies_quiet(item)
        try:
            stepped = steps.close(session, handoff_id, desk.me, outcome)
        except NotAllowed:
            if (item.status, item.outcome) != (RESOLVED, outcome):
                raise
            return str(item.conversation_id)
        if quiet:
            summaries.tell_closed(session, item, stepped.state, desk.me.name, desk.time())
        elif not silent:
            tell(session, desk, stepped.handoff, stepped.state, "handoff_closed")
        return str(stepped.handoff.conversation_id)


def add_note(desk: Desk, handoff_id: str, text: str, client_id: str) -> str:
    """Keep a private note of the item, once for the same form and text. Returns the conversation. Raises
    UnknownHandoff, DatabaseUnavailable."""
    with desk.db.begin() as session:
        item, _holder = locked(session, desk, handoff_id)
        steps.add_private_note(session, handoff_id, desk.me, text, key_of(client_id, text))
        return str(item.conversation_id)


def locked(session: Session, desk: Desk, handoff_id: str) -> tuple[Handoff, str | None]:
    """The clinic's item and its conversation's holder, read after the conversation was locked. Raises
    UnknownHandoff."""
    item = handoff_of(session, desk.clinic, handoff_id)
    if item is None:
        raise UnknownHandoff
    conversation = locked_conversation(session, item.conversation_id)
    session.refresh(item)
    return item, conversation.holder if conversation.state == HUMAN else None


def write(session: Session, desk: Desk, item: Handoff, text: str, client_id: str) -> None:
    """The clinician's words into the patient's chat, once for the same form and text. The caller has looked whose the
    conversation is."""
    appended = events.append_event(
        session,
        item.conversation_id,
        type=events.MESSAGE,
        author=events.CLINICIAN,
        body=bodies.clinician(text, desk.me.name, desk.role),
        client_id=key_of(client_id, text),
    )
    if appended.created:
        steps.answered(session, item.conversation_id, desk.me)
        note_act(session, item, desk.me.id, "replied", seq=appended.event.seq)


def tell(session: Session, desk: Desk, item: Handoff, state: str, key: str, **values: str) -> None:
    """A sentence of ``data/messages.yml`` about the item, with the time now, into the patient's chat."""
    services = desk.services
    named = {"name": desk.me.name, "role": desk.role, **values}
    told = bodies.handoff(state, key, services.clinic(desk.clinic), services.wording, desk.time(), **named)
    handoffs.say(session, item.id, told)


def key_of(client_id: str, text: str) -> str:
    """One key for one form with one text.

    The text counts too: a form that the browser's back button brings again has an old id, and what is newly
    written in it must not be lost. The colon keeps it apart from the ids that patients' pages choose.
    """
    return f"reply:{client_id}:{hashlib.sha256(text.encode('utf-8', 'surrogatepass')).hexdigest()[:16]}"
