"""Reading handoffs. Every inbox query is bound to one clinic. What changes them is in ``bot.handoff``."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from datetime import datetime
from typing import Any

from sqlalchemy import and_, case, func, select, update
from sqlalchemy.orm import Session

from bot.store.models import Attached, Clinician, Event, Handoff, Outbox
from bot.store.session import now

RAISED, DELIVERED, SEEN = "raised", "delivered", "seen"
CLAIMED, IN_CONVERSATION = "claimed", "in_conversation"
RETURNED, RESOLVED, WITHDRAWN = "returned", "resolved", "withdrawn"
STATUSES = (RAISED, DELIVERED, SEEN, CLAIMED, IN_CONVERSATION, RETURNED, RESOLVED, WITHDRAWN)
# Nobody has taken it; somebody has; one of the two; nobody needs to any more.
WAITING = (RAISED, DELIVERED, SEEN)
HELD = (CLAIMED, IN_CONVERSATION)
OPEN = WAITING + HELD
FINISHED = (RETURNED, RESOLVED, WITHDRAWN)
# Families that are read at the next contact: nobody is told or called, no clock runs, and nobody waits for an answer.
QUIET = ("summary",)

# How one person's inbox is divided: nobody's yet, theirs, their colleagues', put aside for now, done.
UNTAKEN, MINE, OTHERS, ASIDE, DONE = "waiting", "mine", "others", "aside", "finished"
SECTIONS = (UNTAKEN, MINE, OTHERS, ASIDE, DONE)

_ORDER = (Handoff.tier, Handoff.created_at, Handoff.id)


def handoff_of(session: Session, clinic: str, handoff_id: str) -> Handoff | None:
    """The clinic's handoff with this id; None also where it is another clinic's."""
    return session.execute(
        select(Handoff).where(Handoff.id == handoff_id, Handoff.clinic == clinic)
    ).scalar_one_or_none()


def lies_quiet(item: Handoff) -> bool:
    """Whether it only lies in the clinic's list, to be read at the next contact, and nobody has taken it."""
    return item.category in QUIET and item.status in WAITING


def not_quiet() -> Any:
    """The same as a condition: what does more than lie in the list. Items without a family are among it."""
    return ~and_(func.coalesce(Handoff.category, "").in_(QUIET), Handoff.status.in_(WAITING))


def handoff_for_message(session: Session, conversation_id: str, message_key: str) -> Handoff | None:
    """The handoff that this message raised or was attached to, if it did."""
    here = select(Handoff).where(Handoff.conversation_id == conversation_id)
    raised = session.execute(here.where(Handoff.message_key == message_key)).scalar_one_or_none()
    if raised is not None:
        return raised
    attached = here.join(Attached, Attached.handoff_id == Handoff.id).where(Attached.message_key == message_key)
    return session.execute(attached).scalars().first()


def queue(
    session: Session, clinic: str, statuses: Iterable[str] = OPEN, limit: int = 200, offset: int = 0
) -> list[Handoff]:
    """The clinic's handoffs in these statuses: the gravest tier first, then the longest wait."""
    return list(
        session.execute(
            select(Handoff)
            .where(Handoff.clinic == clinic, Handoff.status.in_(tuple(statuses)))
            .order_by(*_ORDER)
            .limit(limit)
            .offset(offset)
        ).scalars()
    )


def in_section(session: Session, clinic: str, section: str, me: str, limit: int, offset: int = 0) -> list[Handoff]:
    """The clinic's handoffs in one section of this person's inbox: the gravest tier first, then the longest wait; what
    is done the newest first. Raises KeyError for an unknown section."""
    order = (Handoff.created_at.desc(), Handoff.id) if section == DONE else _ORDER
    query = select(Handoff).where(Handoff.clinic == clinic, _sections(session, me)[section])
    return list(session.execute(query.order_by(*order).limit(limit).offset(offset)).scalars())


def section_counts(session: Session, clinic: str, me: str) -> dict[str, int]:
    """How many open handoffs of the clinic stand in each section of this person's inbox (what is done is not counted:
    there is ever more of it)."""
    sections = _sections(session, me)
    open_ones = [section for section in SECTIONS if section != DONE]
    which = case(*[(sections[section], section) for section in open_ones], else_=OTHERS).label("section")
    mine = select(which).where(Handoff.clinic == clinic, Handoff.status.in_(OPEN)).subquery()
    found = dict(session.execute(select(mine.c.section, func.count()).group_by(mine.c.section)).all())
    return {section: found.get(section, 0) for section in open_ones}


def count_in(session: Session, clinic: str, section: str, me: str) -> int:
    """How many handoffs of the clinic stand in one section. Raises KeyError for an unknown one."""
    query = select(func.count(Handoff.id)).where(Handoff.clinic == clinic, _sections(session, me)[section])
    return int(session.execute(query).scalar_one())


def unclaimed_calls(session: Session, clinic: str, limit: int) -> list[tuple[str, str, int, bool]]:
    """Id, tier, step and whether its chain has ended, of what nobody has taken: what an inbox must call out."""
    query = (
        select(Handoff.id, Handoff.tier, Handoff.step, Handoff.exhausted_at)
        .where(Handoff.clinic == clinic, Handoff.status.in_(WAITING), not_quiet())
        .order_by(*_ORDER)
        .limit(limit)
    )
    return [(row.id, row.tier, row.step, row.exhausted_at is not None) for row in session.execute(query)]


def last_words(session: Session, conversations: Collection[str]) -> dict[tuple[str, str], datetime]:
    """When each author last wrote a message in each of these conversations, by (conversation, author)."""
    query = (
        select(Event.conversation_id, Event.author, func.max(Event.at).label("at"))
        .where(Event.conversation_id.in_(tuple(conversations)), Event.type == "message")
        .group_by(Event.conversation_id, Event.author)
    )
    return {(row.conversation_id, row.author): row.at for row in session.execute(query)}


def told_contacts(session: Session, ids: Collection[str]) -> dict[str, list[Outbox]]:
    """The notices to people of the chain about each of these handoffs, the oldest first."""
    query = (
        select(Outbox)
        .where(Outbox.handoff_id.in_(tuple(ids)), Outbox.contact != "")
        .order_by(Outbox.created_at, Outbox.contact)
    )
    found: dict[str, list[Outbox]] = {}
    for notice in session.execute(query).scalars():
        found.setdefault(notice.handoff_id, []).append(notice)
    return found


def attached_counts(session: Session, ids: Collection[str]) -> dict[str, int]:
    """How many later messages were put with each of these handoffs; the ones without any are left out."""
    query = select(Attached.handoff_id, func.count()).where(Attached.handoff_id.in_(tuple(ids)))
    return dict(session.execute(query.group_by(Attached.handoff_id)).all())


def holders(session: Session, clinic: str) -> list[tuple[str, str, int, int]]:
    """Who of the clinic holds open items: id, name, how many, and how many of them nobody has answered yet."""
    unanswered = func.count(case((Handoff.status == CLAIMED, 1)))
    query = (
        select(Clinician.id, Clinician.name, func.count(Handoff.id), unanswered)
        .join(Handoff, Handoff.claimed_by == Clinician.id)
        .where(Handoff.clinic == clinic, Handoff.status.in_(HELD))
        .group_by(Clinician.id, Clinician.name)
        .order_by(func.count(Handoff.id).desc(), Clinician.name)
    )
    return [tuple(row) for row in session.execute(query)]


def bring_back(session: Session, conversation_id: str) -> None:
    """The person has written: what was put aside for later is at hand again."""
    session.execute(
        update(Handoff)
        .where(Handoff.conversation_id == conversation_id, Handoff.snoozed_until.is_not(None))
        .values(snoozed_until=None)
        .execution_options(synchronize_session="fetch")
    )


def finished(session: Session, clinic: str, limit: int = 50) -> list[Handoff]:
    """The clinic's handoffs that nobody waits for any more, the newest first."""
    return list(
        session.execute(
            select(Handoff)
            .where(Handoff.clinic == clinic, Handoff.status.in_(FINISHED))
            .order_by(Handoff.created_at.desc(), Handoff.id)
            .limit(limit)
        ).scalars()
    )


def counts(session: Session, clinic: str) -> dict[str, int]:
    """How many of the clinic's handoffs are in each status."""
    rows = session.execute(
        select(Handoff.status, func.count()).where(Handoff.clinic == clinic).group_by(Handoff.status)
    )
    found = {status: number for status, number in rows}
    return {status: found.get(status, 0) for status in STATUSES}


def waiting_count(session: Session, clinic: str) -> int:
    """How many of the clinic's handoffs nobody has taken."""
    number = counts(session, clinic)
    return sum(number[status] for status in WAITING)


def open_of_family(session: Session, conversation_id: str, category: str) -> Handoff | None:
    """The conversation's open handoff of this family. There is at most one: the database sees to it."""
    return session.execute(
        select(Handoff).where(
            Handoff.conversation_id == conversation_id,
            Handoff.category == category,
            Handoff.status.in_(OPEN),
        )
    ).scalar_one_or_none()


def attached_to(session: Session, handoff_id: str) -> list[Attached]:
    """The later messages that were put with this handoff, the oldest first."""
    return list(
        session.execute(
            select(Attached).where(Attached.handoff_id == handoff_id).order_by(Attached.at, Attached.message_key)
        ).scalars()
    )


def handoffs_in(session: Session, conversation_id: str) -> list[Handoff]:
    """All handoffs of a conversation, the oldest first."""
    return list(
        session.execute(
            select(Handoff)
            .where(Handoff.conversation_id == conversation_id)
            .order_by(Handoff.created_at, Handoff.id)
        ).scalars()
    )


def _sections(session: Session, me: str) -> dict[str, Any]:
    """What puts a handoff into each section, as conditions that exclude one another."""
    held, aside = Handoff.status.in_(HELD), func.coalesce(Handoff.snoozed_until > now(session), False)
    return {
        UNTAKEN: Handoff.status.in_(WAITING),
        MINE: and_(held, ~aside, Handoff.claimed_by == me),
        OTHERS: and_(held, ~aside, Handoff.claimed_by != me),
        ASIDE: and_(held, aside),
        DONE: Handoff.status.in_(FINISHED),
    }
