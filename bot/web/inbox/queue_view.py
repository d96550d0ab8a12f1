"""What the queue page shows, as plain values. Every query is bound to the clinician's clinic."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from sqlalchemy import case, func, select
from sqlalchemy.orm import Session

from bot.store import clinicians
from bot.store.handoffs import (
    ASIDE,
    DONE,
    MINE,
    OPEN,
    OTHERS,
    SECTIONS,
    UNTAKEN,
    count_in,
    in_section,
    section_counts,
)
from bot.store.models import Conversation, Handoff
from bot.store.session import now
from bot.web.inbox import calls, rows
from bot.web.inbox.acts import Desk

ROWS = 50
# On the page of everything: what others have, what is put aside and what is done are shown short.
FEW = {MINE: 50, OTHERS: 10, ASIDE: 10, DONE: 10}
FINISHED_PAGES = 10


@dataclass(frozen=True)
class Tab:
    """A link to one section; "" is everything. `count` is None where nobody counts."""

    section: str
    href: str
    count: int | None
    here: bool


@dataclass(frozen=True)
class Block:
    """One section's rows on the page; `total` is how many there are in all (None where nobody counts)."""

    section: str
    rows: list[rows.Row]
    total: int | None

    @property
    def cut(self) -> bool:
        """Whether there are more than are shown here."""
        return self.total is not None and self.total > len(self.rows)


def queue_signature(session: Session, desk: Desk, troubles: calls.Troubles | None = None) -> str:
    """Changes whenever the clinic's open items, their conversations, their notices or its troubles do. `troubles`: as
    the caller has them already."""
    aside = func.count(case((Handoff.snoozed_until > now(session), 1)))
    found = session.execute(
        select(
            func.count(Handoff.id),
            func.sum(Handoff.version),
            func.sum(Handoff.step),
            func.count(Handoff.seen_at),
            func.count(Handoff.exhausted_at),
            func.max(Handoff.climb_at),
            func.max(Handoff.created_at),
            aside,
            func.sum(Conversation.last_seq),
        )
        .join(Conversation, Conversation.id == Handoff.conversation_id)
        .where(Handoff.clinic == desk.clinic, Handoff.status.in_(OPEN))
    ).one()
    return rows.short(*found, troubles or calls.troubles(session, desk))


def queue_view(session: Session, desk: Desk, section: str, page: int) -> dict[str, Any]:
    """One section of the queue (page number `page`, from 1), or for "" all of them, with what waits paged."""
    number = section_counts(session, desk.clinic, desk.me.id)
    paged = section or UNTAKEN
    total = count_in(session, desk.clinic, DONE, desk.me.id) if paged == DONE else number[paged]
    pages = max(1, -(-total // ROWS))
    page = min(max(1, page), pages)
    found = {paged: in_section(session, desk.clinic, paged, desk.me.id, ROWS, (page - 1) * ROWS)}
    if not section:
        found |= {name: in_section(session, desk.clinic, name, desk.me.id, few) for name, few in FEW.items()}
    made = _lines(session, desk, found)
    troubles = calls.troubles(session, desk)
    totals: dict[str, int | None] = {**number, DONE: total if section == DONE else None}
    return {
        "section": section,
        "tabs": [Tab("", "/inbox", None, not section), *(_tab(name, totals, section) for name in SECTIONS)],
        "blocks": [Block(name, made[name], totals[name]) for name in SECTIONS if name in made],
        "ids": [line.id for lines in made.values() for line in lines],
        "calls": calls.calls(session, desk.clinic),
        "waiting": number[UNTAKEN],
        "page": page,
        "pages": pages,
        "troubles": troubles,
        "signature": queue_signature(session, desk, troubles),
    }


def _lines(session: Session, desk: Desk, found: dict[str, list[Handoff]]) -> dict[str, list[rows.Row]]:
    """The lines of every section, made together."""
    names = clinicians.names(session, desk.clinic)
    items = [item for items in found.values() for item in items]
    lines = iter(rows.rows(session, desk, items, names))
    return {section: [next(lines) for _item in items] for section, items in found.items()}


def _tab(section: str, totals: dict[str, int | None], here: str) -> Tab:
    count = totals[section] if section != DONE else None
    return Tab(section, f"/inbox?show={section}", count, here == section)
