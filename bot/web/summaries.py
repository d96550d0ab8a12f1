"""A person's summary for the next visit: on its way to the clinic's inbox, and what they are told of it.

It lies in the clinic's list and is read at the next contact: no notice goes out, no chain of contacts is climbed, and
the tutor goes on answering.
"""

from __future__ import annotations

from sqlalchemy.orm import Session

from bot.content import Clinic
from bot.content.files import fill
from bot.content.tutor import load_lines
from bot.handoff.escalate import raise_handoff
from bot.store import conversations
from bot.store.models import Conversation, Handoff
from bot.tutor.saying import payload
from bot.web import bodies
from bot.web.alarms import append
from bot.web.handoffs import say
from bot.web.incoming import Incoming
from bot.web.services import Services

# As it is called in the inbox; it is read at the next contact (clinical rule 3.2, T4).
CATEGORY, TIER = "summary", "T4"


def send(services: Services, session: Session, conversation: Conversation, incoming: Incoming, words: str) -> None:
    """Puts the approved words into the inbox, and says truthfully that they are there, and that nobody was told."""
    raised = raise_handoff(
        session,
        conversation_id=conversation.id,
        message_key=incoming.key,
        clinic=incoming.clinic.id,
        clinic_of=services.clinic,
        tier=TIER,
        category=CATEGORY,
        rule=None,
        words=words,
        message_shown="",
        numbers_shown=[],
        about={},
        rules_version=services.rules_version or None,
    )
    lines = load_lines(CATEGORY)
    # An earlier one that nobody has finished with: this one is put with it.
    key = "sent_again" if raised.attached else "sent"
    values = {"time": services.shown(incoming.clinic, services.db.clock())}
    texts = [fill(text, incoming.clinic.numbers) for text in lines.bubbles(key, **values)]
    home = load_lines("home")
    buttons = [
        bodies.button(lines.label("person"), bodies.PERSON),
        bodies.button(home.label("home"), payload("home")),
        bodies.button(home.label("stop"), payload("home", "stop")),
    ]
    papers = [{"title": lines.label("pdf"), "path": f"{CATEGORY}.pdf"}]
    more = {"answer_id": lines.id(key), "review": lines.review, "papers": papers, "buttons": buttons}
    append(session, conversation.id, bodies.body("text", texts, **more))


def tell_seen(services: Services, session: Session, clinic: Clinic, item: Handoff) -> None:
    """Somebody of the clinic has opened it. Not where somebody is with them anyway."""
    state = conversations.conversation_with(session, item.conversation_id).state
    if state != conversations.HUMAN:
        _tell(session, item, state, "seen", services.shown(clinic, item.seen_at), clinic=clinic.name)


def tell_closed(session: Session, item: Handoff, state: str, name: str, at: str) -> None:
    """Somebody has finished with it without taking the conversation; `at`: when, as people read it."""
    if state != conversations.HUMAN:
        _tell(session, item, state, "read", at, name=name)


def _tell(session: Session, item: Handoff, state: str, key: str, at: str, **values: str) -> None:
    lines = load_lines(CATEGORY)
    told = bodies.body("handoff", lines.bubbles(key, time=at, **values), state=state, at=at, answer_id=lines.id(key))
    say(session, item.id, told)
