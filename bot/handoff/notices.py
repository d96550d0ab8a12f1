"""Which notices a step of a handoff puts into the outbox. They are sent later, by the worker."""

from __future__ import annotations

from sqlalchemy import select
from sqlalchemy.orm import Session

from bot.content import Clinic
from bot.content.chain import FHIR, WEBHOOK, Chain
from bot.store import outbox
from bot.store.handoffs import QUIET
from bot.store.models import Handoff, Outbox
from bot.store.session import now

RAISED, ESCALATED, EXHAUSTED, CHANGED = "raised", "escalated", "exhausted", "changed"
# Channels that hear of everything, beside the people of the chain.
_SYSTEMS = (WEBHOOK, FHIR)


def tell_step(session: Session, item: Handoff, chain: Chain, place: int, kind: str) -> tuple[str, ...]:
    """A notice to every contact of the chain's step `place`; gives their names."""
    step = chain.steps[place]
    for contact in step.contacts:
        outbox.enqueue(session, item, contact.channel, kind, contact=contact.id, step=place)
    return tuple(contact.name for contact in step.contacts)


def begin_chain(session: Session, item: Handoff, clinic: Clinic) -> None:
    """Tells the first step of the clinic's chain, and starts the clock towards the next one. A chain that had ended
    begins anew. What is read at the next contact has no chain: it lies in the list."""
    item.step = 0
    item.exhausted_at = None
    if item.category in QUIET:
        item.climb_at = None
        return
    item.climb_at = clinic.chain.deadline(item.tier, clinic.hours, now(session))
    tell_step(session, item, clinic.chain, 0, RAISED)


def tell_systems(session: Session, item: Handoff, chain: Chain, kind: str) -> None:
    """The event to the clinic's webhook and health record, where they are on. Not of what is read at the next contact.
    """
    if item.category in QUIET:
        return
    for channel in chain.channels:
        if channel in _SYSTEMS:
            outbox.enqueue(session, item, channel, kind, step=item.step)


def tell_change(session: Session, item: Handoff) -> None:
    """The new state to every system that has heard of this handoff."""
    known = session.execute(
        select(Outbox.channel).where(Outbox.handoff_id == item.id, Outbox.channel.in_(_SYSTEMS)).distinct()
    ).scalars()
    for channel in sorted(known):
        outbox.enqueue(session, item, channel, CHANGED, step=item.step)
