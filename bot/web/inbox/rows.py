"""One line about an item, as the queue and other pages show it, and how times are said."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy.orm import Session

from bot.handoff.states import TIERS
from bot.store import events
from bot.store.handoffs import HELD, RESOLVED, SEEN, WAITING
from bot.store.models import Handoff
from bot.web.inbox.acts import Desk

FIRST_WORDS = 140


@dataclass(frozen=True)
class Moment:
    """A time as it is shown, and as programs read it."""

    shown: str
    iso: str


@dataclass(frozen=True)
class Row:
    """One line of the queue. `since`: from when the clock runs, while it does."""

    id: str
    tier: str
    words: str
    status_code: str
    status: str
    mine: bool
    raised: Moment
    waited: str
    since: Moment | None
    wrote_last: Moment | None


def waited(desk: Desk, since: datetime) -> str:
    """How long it has been, as people say it."""
    gone = max(timedelta(), desk.services.db.clock() - since)
    minutes = int(gone.total_seconds() // 60)
    hours, days = minutes // 60, minutes // 1440
    if minutes < 1:
        return desk.words.text("time_now")
    if hours < 1:
        return desk.words.text("time_minutes", minutes=minutes)
    if days < 1:
        return desk.words.text("time_hours", hours=hours, minutes=minutes % 60)
    return desk.words.text("time_days", days=days, hours=hours % 24)


def row(session: Session, desk: Desk, item: Handoff, names: dict[str, str]) -> Row:
    """The line of an item. `names`: of the clinic's people by id."""
    since = item.created_at if item.status in WAITING else item.claimed_at if item.status in HELD else None
    words = " ".join(item.words.split())
    if len(words) > FIRST_WORDS:
        words = words[:FIRST_WORDS].rsplit(" ", 1)[0] + " …"
    return Row(
        id=item.id,
        tier=item.tier if item.tier in TIERS else TIERS[0],
        words=words or desk.words.text("no_words"),
        status_code=item.status,
        status=_status(desk, item, names),
        mine=item.status in HELD and item.claimed_by == desk.me.id,
        raised=moment(desk, item.created_at),
        waited=waited(desk, since) if since else "",
        since=moment_or_none(desk, since),
        wrote_last=_wrote_last(session, desk, item) if item.status in HELD else None,
    )


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


def _wrote_last(session: Session, desk: Desk, item: Handoff) -> Moment | None:
    """When the person wrote something that nobody has answered yet."""
    latest = [
        event
        for event in events.latest_events(session, item.conversation_id, 10)
        if event.author in (events.PATIENT, events.CLINICIAN)
    ]
    if latest and latest[-1].author == events.PATIENT and latest[-1].at > item.claimed_at:
        return moment(desk, latest[-1].at)
    return None


def moment(desk: Desk, at: datetime) -> Moment:
    """A time as this clinic's people read it."""
    return Moment(desk.time(at), at.isoformat(timespec="seconds"))


def moment_or_none(desk: Desk, at: datetime | None) -> Moment | None:
    """The same, where there may be none."""
    return None if at is None else moment(desk, at)


def short(*parts: object) -> str:
    """A short signature of values."""
    return hashlib.sha256(repr(parts).encode("utf-8", "surrogatepass")).hexdigest()[:16]
