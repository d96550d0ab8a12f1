"""What the patient is told of a handoff: each sentence true when it is written, with its time."""

from __future__ import annotations

from typing import Any

from sqlalchemy.orm import Session

from bot.content import Clinic
from bot.handoff.climb import Climbed
from bot.handoff.escalate import Raised
from bot.store import conversations, events
from bot.store.handoffs import SEEN
from bot.store.models import Clinician, Handoff
from bot.web import bodies
from bot.web.services import Services

PERSON_CATEGORY, PERSON_TIER = "contact", "T4"
CRISIS_TIER = "T0"
# The same once somebody has opened it.
_SEEN = {"handoff_again": "handoff_again_seen", "handoff_still": "handoff_still_seen"}


def tell_raised(services: Services, session: Session, clinic: Clinic, raised: Raised, person: bool) -> None:
    """The message has been passed on. `person`: because a person was asked for, which can be taken back."""
    key = "handoff_waiting_person" if person else "handoff_waiting"
    told = bodies.handoff(raised.state, key, clinic, services.wording, services.shown(clinic, raised.at))
    if person and raised.state == conversations.WAITING:
        told["buttons"] = [bodies.button(services.wording.labels["withdraw"], bodies.WITHDRAW)]
    say(session, raised.handoff_id, _out_of_hours(services, clinic, told))


def tell_again(services: Services, session: Session, clinic: Clinic, raised: Raised, key: str) -> None:
    """It was with them already: that they were told anew, or since when they have it and whether anybody has opened it.
    Where a person reads along that is said only of what is graver than before."""
    item = session.get(Handoff, raised.handoff_id)
    conversation = conversations.conversation_with(session, item.conversation_id)
    wording, now = services.wording, services.shown(clinic, services.db.clock())
    if conversation.state == conversations.HUMAN:
        if raised.graver and item.claimed_by is not None:
            name = session.get(Clinician, item.claimed_by).name
            told = bodies.handoff(conversation.state, "handoff_again_held", clinic, wording, now, name=name)
            say(session, item.id, told)
        return
    if raised.anew:
        told = bodies.handoff(conversation.state, "handoff_waiting_anew", clinic, wording, now)
        say(session, item.id, _out_of_hours(services, clinic, told))
        return
    opened = item.status == SEEN and item.seen_at is not None
    seen = {"seen": services.shown(clinic, item.seen_at)} if opened else {}
    at = services.shown(clinic, item.created_at)
    say(session, item.id, bodies.handoff("waiting", _SEEN[key] if seen else key, clinic, wording, at, **seen))


def tell_seen(services: Services, session: Session, clinic: Clinic, item: Handoff) -> None:
    """Somebody of the clinic has opened it, and nobody has taken it yet. Not where somebody is with them anyway."""
    state = conversations.conversation_with(session, item.conversation_id).state
    if state == conversations.HUMAN:
        return
    at = services.shown(clinic, item.seen_at)
    say(session, item.id, bodies.handoff(state, "handoff_seen", clinic, services.wording, at))


def tell_climbed(services: Services, session: Session, item: Handoff, climbed: Climbed) -> None:
    """Nobody has taken it in time: who else is being told, or that there is nobody else and what to do now."""
    state = conversations.conversation_with(session, item.conversation_id).state
    # Said already; or somebody of the clinic is with them, who may not be there for ever: the end is always said.
    if climbed.again or (state == conversations.HUMAN and not climbed.ended):
        return
    clinic, at = services.clinic(item.clinic), services.shown(services.clinic(item.clinic), climbed.at)
    if climbed.ended:
        crisis = item.tier == CRISIS_TIER
        key = "handoff_exhausted_crisis" if crisis else "handoff_exhausted"
        told = bodies.handoff(state, key, clinic, services.wording, at)
        told["calls"] = bodies.calls(clinic, item.tier)
    else:
        names = services.wording.joined(climbed.contacts)
        told = bodies.handoff(state, "handoff_escalated", clinic, services.wording, at, contacts=names)
    say(session, item.id, told)


def tell_withdrawn(services: Services, session: Session, clinic: Clinic, item: Handoff, state: str) -> None:
    """The wish for a person has been taken back."""
    at = services.shown(clinic, item.closed_at)
    say(session, item.id, bodies.handoff(state, "handoff_withdrawn", clinic, services.wording, at))


def tell_released(services: Services, session: Session, clinic: Clinic, item: Handoff, name: str) -> None:
    """Whoever had it cannot go on; it is with the team again."""
    at = services.shown(clinic, services.db.clock())
    state = conversations.conversation_with(session, item.conversation_id).state
    told = bodies.handoff(state, "handoff_released", clinic, services.wording, at, name=name)
    say(session, item.id, _out_of_hours(services, clinic, told))


def _out_of_hours(services: Services, clinic: Clinic, told: dict[str, Any]) -> dict[str, Any]:
    """Before all else that the clinic is closed, if it is: nobody should wait for people who are not there."""
    closed = services.closed_words(clinic)
    return bodies.with_lead(told, closed) if closed else told


def say(session: Session, handoff_id: str, told: dict[str, Any]) -> None:
    """A state of the handoff into the patient's log."""
    item = session.get(Handoff, handoff_id)
    events.append_event(
        session,
        item.conversation_id,
        type=events.STATE,
        author=events.SYSTEM,
        body={**told, "handoff": item.id},
    )
