"""What the page of those who look after the whole shows, as plain values. No patient's words: an admin sees it too."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass, replace
from datetime import date, datetime, timedelta
from typing import Any

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from bot.handoff.states import TIERS
from bot.store import clinicians, outbox
from bot.store.handoffs import ASIDE, CLAIMED, FINISHED, UNTAKEN, holders, in_section, queue
from bot.store.models import Handoff, Outbox
from bot.store.reports import escalations
from bot.store.reports.period import Period, monday
from bot.store.session import now
from bot.web.inbox import calls, rows
from bot.web.inbox.acts import Desk
from bot.web.inbox.queue_view import queue_signature

ROWS = 100
DEAD_ROWS = 100
WEEKS = 8


@dataclass(frozen=True)
class Letter:
    """A notice that was given up. `about`: the item's id where this person may open it."""

    id: str
    tier: str
    to: str
    cause: str
    given_up: rows.Moment
    tries: int
    finished: bool
    about: str


@dataclass(frozen=True)
class Met:
    """Of the items of one tier raised in one week: how many were taken before their first deadline, and of how many
    that is known."""

    met: int
    of: int


@dataclass(frozen=True)
class Week:
    """A week (its Monday) and each tier's deadlines."""

    day: str
    tiers: dict[str, Met]


def supervise_signature(session: Session, desk: Desk) -> str:
    """Changes whenever the queue does, or a notice of any item of the clinic is given up, sent or tried again."""
    notices = session.execute(
        select(func.count(Outbox.dead_at), func.max(Outbox.dead_at))
        .join(Handoff, Handoff.id == Outbox.handoff_id)
        .where(Handoff.clinic == desk.clinic, Outbox.dead_at.is_not(None))
    ).one()
    return rows.short(queue_signature(session, desk), *notices)


def supervise_view(session: Session, desk: Desk, may_read: bool) -> dict[str, Any]:
    """The page's values; items have links where this person may open them."""
    names = clinicians.names(session, desk.clinic)

    def lines(items: list[Handoff]) -> list[rows.Row]:
        return [replace(line, words="") for line in rows.rows(session, desk, items, names)]

    untaken = in_section(session, desk.clinic, UNTAKEN, desk.me.id, ROWS)
    silent = [item for item in queue(session, desk.clinic, (CLAIMED,), ROWS) if item.answered_at is None]
    aside = in_section(session, desk.clinic, ASIDE, desk.me.id, ROWS)
    called = calls.calls(session, desk.clinic)
    return {
        "may_read": may_read,
        "untaken": lines(untaken),
        "silent": lines(silent),
        "aside": lines(aside),
        "letters": letters(session, desk, may_read),
        "holders": holders(session, desk.clinic),
        "weeks": weeks(session, desk),
        "calls": called,
        "waiting": called.waiting,
        "most": ROWS,
        "tiers": TIERS,
        "troubles": calls.troubles(session, desk),
        "signature": supervise_signature(session, desk),
    }


def letters(session: Session, desk: Desk, may_read: bool) -> list[Letter]:
    """The clinic's dead letters, the newest first."""
    found = outbox.dead_letters(session, desk.clinic)[-DEAD_ROWS:]
    ids = {letter.handoff_id for letter in found}
    mine = select(Handoff).where(Handoff.clinic == desk.clinic, Handoff.id.in_(tuple(ids)))
    items = {item.id: item for item in session.execute(mine).scalars()}
    contacts = desk.services.clinic(desk.clinic).chain.contacts
    made = []
    for letter in reversed(found):
        item = items[letter.handoff_id]
        channel = desk.words.word("channel", letter.channel)
        name = contacts[letter.contact].name if letter.contact in contacts else letter.contact
        made.append(
            Letter(
                id=letter.id,
                tier=item.tier if item.tier in TIERS else TIERS[0],
                to=desk.words.text("letter_to", name=name, channel=channel) if name else channel,
                cause=letter.last_error or "",
                given_up=rows.moment(desk, letter.dead_at),
                tries=letter.attempts,
                finished=item.status in FINISHED,
                about=item.id if may_read else "",
            )
        )
    return made


def weeks(session: Session, desk: Desk) -> list[Week]:
    """Deadlines met in the last weeks, the newest first. What still waits within its time is not counted, nor what was
    taken back. The report judges in the same way (``bot.store.reports``)."""
    clinic, at = desk.services.clinic(desk.clinic), now(session)
    zone = clinic.hours.zone
    this = at.astimezone(zone).date()
    first = this - timedelta(days=this.weekday(), weeks=WEEKS - 1)
    since = datetime(first.year, first.month, first.day, tzinfo=zone)
    number: dict[tuple[date, str], list[int]] = defaultdict(lambda: [0, 0])
    found = escalations.judged(
        session, desk.clinic, Period(since), lambda tier, when: clinic.chain.deadline(tier, clinic.hours, when), at
    )
    for item, kept in found:
        if kept in (escalations.IN_TIME, escalations.LATE, escalations.CHAIN_ENDED):
            cell = number[monday(item.raised, zone), item.tier]
            cell[0] += kept == escalations.IN_TIME
            cell[1] += 1
    days = sorted({day for day, _tier in number}, reverse=True)
    return [Week(day.strftime("%d %B"), _tiers(number, day)) for day in days]


def _tiers(number: dict[tuple[date, str], list[int]], day: date) -> dict[str, Met]:
    return {tier: Met(*number[day, tier]) for tier in TIERS if (day, tier) in number}
