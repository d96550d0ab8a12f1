"""What an inbox page must call out, whichever page it is: what nobody has taken, and what does not work.

The page's script rings for each token of `Calls.tokens` that it has not had before: a new item, one that has become
graver, one that has climbed. Tokens hold no patient's words and no ids, so a locked page may have them too.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from bot.content.hours import opening
from bot.handoff import worker
from bot.handoff.climb import CLIMB
from bot.store.handoffs import OPEN, WAITING, counts, unclaimed_calls
from bot.store.models import Handoff, Outbox
from bot.store.session import now
from bot.web.inbox.acts import Desk
from bot.web.silence import SILENCE

URGENT = ("T0", "T1")
MOST_TOKENS = 200


@dataclass(frozen=True)
class Calls:
    """How many items nobody has taken, how many of them are crises or emergencies, and a token for each."""

    waiting: int
    urgent: int
    tokens: str

    @property
    def signature(self) -> str:
        """Changes whenever the page's script has something new to count or to ring for."""
        return hashlib.sha256(f"{self.waiting} {self.tokens}".encode()).hexdigest()[:16]


@dataclass(frozen=True)
class Troubles:
    """What everybody at the inbox must know: parts that have stopped (their names), how many notices about open items
    were given up (of `notices`, of which `sent`), and, while the clinic is closed, when it opens ("" where nobody
    knows)."""

    stopped: tuple[str, ...]
    notices: int
    sent: int
    dead: int
    closed: bool
    opens: str


def calls(session: Session, clinic: str) -> Calls:
    """What nobody of the clinic has taken, the gravest first."""
    number = counts(session, clinic)
    found = unclaimed_calls(session, clinic, MOST_TOKENS)
    tokens = [f"{tier}.{_short(item)}.{'end' if ended and step < 0 else step}" for item, tier, step, ended in found]
    urgent = sum(tier in URGENT for _item, tier, _step, _ended in found)
    return Calls(sum(number[status] for status in WAITING), urgent, " ".join(tokens))


def troubles(session: Session, desk: Desk) -> Troubles:
    """What does not work at this clinic just now."""
    clinic = desk.services.clinic(desk.clinic)
    opens = opening(clinic.hours, now(session))
    notices, sent, dead = _notices(session, desk.clinic)
    return Troubles(
        stopped=tuple(worker.stopped(session, (*clinic.chain.channels, CLIMB, SILENCE))),
        notices=notices,
        sent=sent,
        dead=dead,
        closed=not clinic.hours.is_open(now(session)),
        opens=desk.time(opens.at) if opens else "",
    )


def _notices(session: Session, clinic: str) -> tuple[int, int, int]:
    """How many notices there are about the clinic's open items, how many were sent, how many given up."""
    found = session.execute(
        select(func.count(Outbox.id), func.count(Outbox.sent_at), func.count(Outbox.dead_at))
        .join(Handoff, Handoff.id == Outbox.handoff_id)
        .where(Handoff.clinic == clinic, Handoff.status.in_(OPEN))
    ).one()
    return tuple(found)


def _short(handoff_id: str) -> str:
    return hashlib.sha256(handoff_id.encode()).hexdigest()[:10]
