"""What the patient is told of a handoff: each sentence true when it is written, with its time."""

from __future__ import annotations

from typing import Any

from sqlalchemy.orm import Session

from bot.content import Clinic
from bot.handoff.climb import Climbed
from bot.handoff.escalate import Raised
from bot.store import conversations, events
from bot.store.handoffs import SEEN
from bot.store.models import Handoff
from bot.web import bodies
from bot.web.services import Services

PERSON_CATEGORY, PERSON_TIER = "contact", "T4"
CRISIS_TIER = "T0"
# The same once somebody has opened it.
_SEEN = {"handoff_again": "handoff_again_seen", "handoff_still": "handoff_still_seen"}


def tell_raised(services: Services, session: Session, clinic: Clinic, raised: Raised, person: bool) -> None:
    """The message has been passed on. `person`: because a person was asked for, which can be taken back."""
    key = "handoff_waiting_person" if person else "handoff_waiting"
    at = services.db.clock() if raised.graver else raised.at
    told = bodies.handoff(raised.state, key, clinic, services.wording, services.shown(clinic, at))
    closed = services.closed_words(clinic)
    if closed:  # before all else: nobody should wait for people who are not there
        told = bodies.with_lead(told, closed)
    if person and raised.state == conversations.WAITING:
        told["buttons"] = [bodies.button(services.wording.labels["withdraw"], bodies.WITHDRAW)]
    say(session, raised.handoff_id, told)


def tell_again(services: Services, session: Session, clinic: Clinic, handoff_id: str, key: str) -> None:
    """It is with them already: since when, and whether anybody has opened it. Nothing where a person reads along."""
    item = session.get(Handoff, handoff_id)
    if item.claimed_by is not None:
        return
    seen = {"seen": services.shown(clinic, item.seen_at)} if item.status == SEEN else {}
    at = services.shown(clinic, item.created_at)
    named = _SEEN[key] if seen else key
    say(session, item.id, bodies.handoff("waiting", named, clinic, services.wording, at, **seen))


def tell_seen(services: Services, session: Session, clinic: Clinic, item: Handoff) -> None:
    """Somebody of the clinic has opened it, and nobody has taken it yet."""
    at = services.shown(clinic, item.seen_at)
    say(session, item.id, bodies.handoff("waiting", "handoff_seen", clinic, services.wording, at))


def tell_climbed(services: Services, session: Session, item: Handoff, climbed: Climbed) -> None:
    """Nobody has taken it in time: who else was told, or that there is nobody else and what to do now."""
    state = conversations.conversation_with(session, item.conversation_id).state
    if climbed.again or state == conversations.HUMAN:  # said already; or somebody of the clinic is with them
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
