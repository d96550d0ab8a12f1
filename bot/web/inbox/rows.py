"""One line about an item, as the queue and other pages show it, and how times are said.

All lines of a page are made together, so that a page of a hundred asks the database as often as a page of one.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy.orm import Session

from bot.content.chain import Chain
from bot.handoff.states import TIERS
from bot.store import events
from bot.store.handoffs import HELD, QUIET, RESOLVED, SEEN, WAITING, attached_counts, last_words, told_contacts
from bot.store.models import Handoff, Outbox
from bot.web.inbox.acts import Desk

FIRST_WORDS = 140
# What a line is about, for its looks: nobody has it, somebody has it, nobody needs to.
UNTAKEN, TAKEN, DONE = "waiting", "held", "finished"


@dataclass(frozen=True)
class Moment:
    """A time as it is shown, and as programs read it."""

    shown: str
    iso: str


@dataclass(frozen=True)
class Row:
    """One line of the queue. `since`: from when the clock runs, while it does.

    While nobody has taken it: `deadline` is when the next contact is told, `left` how long that is (`over`: it has
    passed), `step` the place in the chain, `told` who was told there and with what success, `ended` whether the whole
    chain was told in vain (`again`: when it begins anew).
    """

    id: str
    tier: str
    words: str
    group: str
    status_code: str
    status: str
    mine: bool
    version: int
    raised: Moment
    waited: str
    since: Moment | None
    wrote_last: Moment | None
    more: int = 0
    deadline: Moment | None = None
    left: str = ""
    over: bool = False
    step: str = ""
    told: str = ""
    ended: bool = False
    again: Moment | None = None
    aside_until: Moment | None = None


def waited(desk: Desk, since: datetime) -> str:
    """How long it has been, as people say it."""
    return length(desk, desk.services.db.clock() - since)


def length(desk: Desk, time: timedelta) -> str:
    """A length of time as people say it; what is below zero is none."""
    minutes = int(max(timedelta(), time).total_seconds() // 60)
    hours, days = minutes // 60, minutes // 1440
    if minutes < 1:
        return desk.words.text("time_now")
    if hours < 1:
        return desk.words.text("time_minutes", minutes=minutes)
    if days < 1:
        return desk.words.text("time_hours", hours=hours, minutes=minutes % 60)
    return desk.words.text("time_days", days=days, hours=hours % 24)


def row(session: Session, desk: Desk, item: Handoff, names: dict[str, str]) -> Row:
    """The line of one item. `names`: of the clinic's people by id."""
    return rows(session, desk, [item], names)[0]


def rows(session: Session, desk: Desk, items: Sequence[Handoff], names: dict[str, str]) -> list[Row]:
    """The lines of items, in their order. `names`: of the clinic's people by id."""
    wrote = last_words(session, {item.conversation_id for item in items if item.status in HELD})
    more = attached_counts(session, [item.id for item in items])
    told = told_contacts(session, [item.id for item in items if item.status in WAITING])
    chain, now = desk.services.clinic(desk.clinic).chain, desk.services.db.clock()
    made = []
    for item in items:
        group = UNTAKEN if item.status in WAITING else TAKEN if item.status in HELD else DONE
        since = item.created_at if group == UNTAKEN else item.claimed_at if group == TAKEN else None
        aside = item.snoozed_until if item.snoozed_until and item.snoozed_until > now else None
        line = Row(
            id=item.id,
            tier=item.tier if item.tier in TIERS else TIERS[0],
            words=_first(item.words) or desk.words.text("no_words"),
            group=group,
            status_code=item.status,
            status=_status(desk, item, names),
            mine=group == TAKEN and item.claimed_by == desk.me.id,
            version=item.version,
            raised=moment(desk, item.created_at),
            waited=waited(desk, since) if since else "",
            since=moment_or_none(desk, since),
            wrote_last=_wrote_last(desk, item, wrote) if group == TAKEN else None,
            more=more.get(item.id, 0),
            aside_until=moment_or_none(desk, aside) if group == TAKEN else None,
            **(_chain(desk, item, chain, told.get(item.id, []), now) if group == UNTAKEN else {}),
        )
        made.append(line)
    return made


def _first(words: str) -> str:
    """The first of somebody's words, on one line."""
    line = " ".join(words.split())
    if len(line) <= FIRST_WORDS:
        return line
    cut = line[: FIRST_WORDS + 1].rpartition(" ")[0]
    return f"{cut or line[:FIRST_WORDS]} …"


def _chain(desk: Desk, item: Handoff, chain: Chain, notices: Sequence[Outbox], now: datetime) -> dict[str, Any]:
    """How far the item has climbed, and when it climbs on; nothing of what is read at the next contact."""
    if item.category in QUIET:
        return {}
    ended = item.exhausted_at is not None
    if item.step < 0:  # the end: it waits for the chain to begin anew
        return {"ended": ended, "again": moment_or_none(desk, item.climb_at)}
    return {
        "ended": ended,
        "deadline": moment_or_none(desk, item.climb_at),
        "left": length(desk, item.climb_at - now) if item.climb_at else "",
        "over": item.climb_at is not None and item.climb_at <= now,
        "step": desk.words.text("chain_step", step=item.step + 1, steps=max(len(chain.steps), item.step + 1)),
        "told": _told(desk, item, chain, notices),
    }


def _told(desk: Desk, item: Handoff, chain: Chain, notices: Sequence[Outbox]) -> str:
    """Of each contact of the step whether they were told: sent is sent, and no more."""
    newest = {notice.contact: notice for notice in notices if notice.step == item.step}
    parts = []
    for contact, notice in newest.items():
        name = chain.contacts[contact].name if contact in chain.contacts else contact
        if notice.sent_at is not None:
            parts.append(desk.words.text("chain_told", name=name, time=desk.time(notice.sent_at)))
        else:
            parts.append(desk.words.text("chain_failed" if notice.dead_at else "chain_telling", name=name))
    return "; ".join(parts)


def _status(desk: Desk, item: Handoff, names: dict[str, str]) -> str:
    words = desk.words
    if item.status in WAITING:
        return words.text("status_seen" if item.status == SEEN else "status_waiting")
    if item.status in HELD:
        if item.claimed_by == desk.me.id:
            return words.text("status_claimed_mine")
        return words.text("status_claimed", name=names.get(item.claimed_by, ""))
    if item.status == RESOLVED:
        return words.text("status_closed", outcome=words.word("outcome", item.outcome))
    return words.text(f"status_{item.status}")


def _wrote_last(desk: Desk, item: Handoff, wrote: dict[tuple[str, str], datetime]) -> Moment | None:
    """When the person wrote something that nobody has answered yet."""
    person = wrote.get((item.conversation_id, events.PATIENT))
    answered = wrote.get((item.conversation_id, events.CLINICIAN), item.claimed_at)
    return moment(desk, person) if person and person > max(answered, item.claimed_at) else None


def moment(desk: Desk, at: datetime) -> Moment:
    """A time as this clinic's people read it."""
    return Moment(desk.time(at), at.isoformat(timespec="seconds"))


def moment_or_none(desk: Desk, at: datetime | None) -> Moment | None:
    """The same, where there may be none."""
    return None if at is None else moment(desk, at)


def short(*parts: object) -> str:
    """A short signature of values."""
    return hashlib.sha256(repr(parts).encode("utf-8", "surrogatepass")).hexdigest()[:16]
