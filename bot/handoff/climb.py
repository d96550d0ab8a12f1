"""Climbing a clinic's chain of contacts: an item that nobody has claimed in time is told to the next ones.

Only unclaimed items climb. Each step is one transaction, which takes the conversation first and looks again: of several
workers, and of a worker and a claim at the same moment, exactly one is first. At the end of the chain the item stays
open, and the chain begins anew whenever the clinic opens, until somebody claims it.
"""

from __future__ import annotations

from collections.abc import Callable, Collection
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import select
from sqlalchemy.orm import Session

from bot.content import Clinic
from bot.handoff import notices
from bot.handoff.items import note_act
from bot.handoff.passes import BATCH, each_once
from bot.store import audit
from bot.store.handoffs import WAITING
from bot.store.models import Conversation, Handoff
from bot.store.session import Database, now

# The chore's name, under which its heartbeat is kept.
CLIMB = "climb"


@dataclass(frozen=True)
class Climbed:
    """What became of an overdue item: `contacts` were told next (names), or the chain has ended (`ended`); `again`:
    that had been so before, and the person has been told."""

    at: datetime
    contacts: tuple[str, ...] = ()
    ended: bool = False
    again: bool = False


# Says it to the patient, in the session's transaction. The conversation is locked.
Tell = Callable[[Session, Handoff, Climbed], None]
# Tells whoever watches: conversation and clinic.
Wake = Callable[[str, str], None]


async def climb_overdue(db: Database, clinic_of: Callable[[str], Clinic], tell: Tell, wake: Wake) -> int:
    """One pass over everything that is overdue; says how many items climbed. Raises DatabaseUnavailable."""
    climbed = 0
    async for conversation_id, clinic in each_once(
        CLIMB, lambda without: _find(db, without), lambda handoff_id: _climb_one(db, handoff_id, clinic_of, tell)
    ):
        wake(conversation_id, clinic)
        climbed += 1
    return climbed


def overdue(session: Session, limit: int = BATCH, without: Collection[str] = ()) -> list[str]:
    """Unclaimed items whose time is over: the gravest tier first, then the longest overdue."""
    query = select(Handoff.id).where(Handoff.status.in_(WAITING), Handoff.climb_at <= now(session))
    if without:
        query = query.where(Handoff.id.not_in(tuple(without)))
    return list(session.execute(query.order_by(Handoff.tier, Handoff.climb_at).limit(limit)).scalars())


def climb(session: Session, item: Handoff, clinic: Clinic) -> Climbed:
    """The next step of an unclaimed item, whose conversation the caller has locked."""
    at = now(session)
    place = clinic.chain.place_at(item.step + 1, clinic.hours, at)
    if place is None:
        return _end(session, item, clinic, at)
    return _tell_place(session, item, clinic, place, at)


def _tell_place(session: Session, item: Handoff, clinic: Clinic, place: int, at: datetime) -> Climbed:
    item.step = place
    item.climb_at = clinic.chain.deadline(item.tier, clinic.hours, at)
    # Not a change that a page must refuse a claim for: the version stays, but for a chain that begins anew.
    told = notices.tell_step(session, item, clinic.chain, place, notices.ESCALATED)
    notices.tell_systems(session, item, clinic.chain, notices.ESCALATED)
    note_act(session, item, audit.SYSTEM, "escalated", step=place, contacts=list(told))
    return Climbed(at, told, again=item.exhausted_at is not None)


def _end(session: Session, item: Handoff, clinic: Clinic, at: datetime) -> Climbed:
    again = item.exhausted_at is not None
    item.exhausted_at = item.exhausted_at or at
    # Before the first step, so that the next climb begins with it; a new version: its notices are new ones.
    item.step = -1
    item.climb_at = clinic.hours.opens_after(at)
    item.version += 1
    notices.tell_systems(session, item, clinic.chain, notices.EXHAUSTED)
    note_act(session, item, audit.SYSTEM, "exhausted")
    return Climbed(at, ended=True, again=again)


def _find(db: Database, without: Collection[str]) -> list[str]:
    with db.read() as session:
        return overdue(session, without=without)


def _climb_one(
    db: Database, handoff_id: str, clinic_of: Callable[[str], Clinic], tell: Tell
) -> tuple[str, str] | None:
    """One item's next step; gives conversation and clinic. None where a claim or another worker was first."""
    with db.begin() as session:
        locked = session.execute(
            select(Conversation.id)
            .join(Handoff, Handoff.conversation_id == Conversation.id)
            .where(Handoff.id == handoff_id)
            .with_for_update(skip_locked=True, of=Conversation)
        ).scalar_one_or_none()
        if locked is None:
            return None
        item = session.execute(
            select(Handoff)
            .where(Handoff.id == handoff_id, Handoff.status.in_(WAITING), Handoff.climb_at <= now(session))
            .execution_options(populate_existing=True)
        ).scalar_one_or_none()
        if item is None:
            return None
        tell(session, item, climb(session, item, clinic_of(item.clinic)))
        return str(item.conversation_id), str(item.clinic)
