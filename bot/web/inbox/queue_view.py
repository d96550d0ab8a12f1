"""What the queue page shows, as plain values. Every query is bound to the clinician's clinic."""

from __future__ import annotations

from typing import Any

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from bot.store import clinicians, outbox
from bot.store.handoffs import OPEN, WAITING, counts, finished, queue
from bot.store.models import Conversation, Handoff, Outbox
from bot.web.inbox import rows
from bot.web.inbox.acts import Desk

ROWS = 100
FINISHED_ROWS = 10


def queue_signature(session: Session, clinic: str) -> str:
    """Changes whenever the clinic's open items or their conversations do. One cheap query."""
    found = session.execute(
        select(
            func.count(Handoff.id),
            func.sum(Handoff.version),
            func.count(Handoff.seen_at),
            func.max(Handoff.created_at),
            func.sum(Conversation.last_seq),
        )
        .join(Conversation, Conversation.id == Handoff.conversation_id)
        .where(Handoff.clinic == clinic, Handoff.status.in_(OPEN))
    ).one()
    return rows.short(*found)


def queue_view(session: Session, desk: Desk, page: int) -> dict[str, Any]:
    """The queue's page number `page` (from 1), the gravest tier first, and what was finished lately."""
    number = counts(session, desk.clinic)
    total = sum(number[status] for status in OPEN)
    pages = max(1, -(-total // ROWS))
    page = min(max(1, page), pages)
    names = clinicians.names(session, desk.clinic)
    found = queue(session, desk.clinic, limit=ROWS, offset=(page - 1) * ROWS)
    done = finished(session, desk.clinic, FINISHED_ROWS)
    dead = [letter for letter in outbox.dead_letters(session, desk.clinic) if _is_open(session, letter)]
    return {
        "rows": [rows.row(session, desk, item, names) for item in found],
        "finished": [rows.row(session, desk, item, names) for item in done],
        "waiting": sum(number[status] for status in WAITING),
        "page": page,
        "pages": pages,
        "dead": len(dead),
        "signature": queue_signature(session, desk.clinic),
    }


def _is_open(session: Session, letter: Outbox) -> bool:
    return session.get(Handoff, letter.handoff_id).status in OPEN
