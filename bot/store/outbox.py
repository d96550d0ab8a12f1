"""The outbox: notices that wait to be sent. A row is leased, sent outside any transaction, then recorded.

Heartbeats are kept here too: a worker that has stopped must be visible.
"""

from __future__ import annotations

import uuid
from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import or_, select, update
from sqlalchemy.orm import Session

from bot.store.models import Handoff, Heartbeat, Outbox
from bot.store.session import insert_once, now


@dataclass(frozen=True)
class Due:
    """A leased notice: what a delivery may know. It holds none of the patient's words, on purpose."""

    id: str
    handoff_id: str
    channel: str
    message_id: str
    clinic: str
    tier: str
    category: str | None
    raised_at: datetime
    attempts: int
    kind: str = "raised"
    contact: str = ""
    step: int = 0


def enqueue(
    session: Session, item: Handoff, channel: str, kind: str = "raised", contact: str = "", step: int = 0
) -> Outbox:
    """A notice of the handoff over one channel, due now. Its message id never changes over retries.

    `kind` is what happened, `contact` who of the clinic's chain it is for (empty: the channel itself).
    """
    # The handoff's version makes the same step, taken again, a notice of its own.
    named = ".".join((item.id, channel, contact or kind, str(step), str(item.version)))
    at = now(session)
    row = Outbox(
        id=str(uuid.uuid4()),
        handoff_id=item.id,
        channel=channel,
        message_id=f"<{named}@pne-tutor.invalid>",
        due_at=at,
        attempts=0,
        kind=kind,
        contact=contact,
        step=step,
        created_at=at,
    )
    session.add(row)
    return row


def anything_due(session: Session, channel: str) -> bool:
    """Whether the channel has a row to lease. A cheap read, so that an idle worker writes nothing."""
    return session.execute(_due(session).where(Outbox.channel == channel).limit(1)).first() is not None


def lease(session: Session, channel: str, owner: str, duration: timedelta, limit: int) -> list[Due]:
    """Takes up to `limit` due rows of the channel for `duration`, the gravest tier first.

    The attempt is counted here: a row whose sending kills its worker still moves towards its later retries.
    """
    rows = session.execute(
        _due(session)
        .where(Outbox.channel == channel)
        .order_by(Handoff.tier, Outbox.due_at)
        .limit(limit)
        .with_for_update(skip_locked=True, of=Outbox)
        .execution_options(populate_existing=True)
    ).all()
    taken = []
    for row, handoff in rows:
        row.leased_until = now(session) + duration
        row.lease_owner = owner
        row.attempts += 1
        taken.append(
            Due(
                id=row.id,
                handoff_id=row.handoff_id,
                channel=row.channel,
                message_id=row.message_id,
                clinic=handoff.clinic,
                tier=handoff.tier,
                category=handoff.category,
                raised_at=handoff.created_at,
                attempts=row.attempts,
                kind=row.kind,
                contact=row.contact,
                step=row.step,
            )
        )
    return taken


def record_sent(session: Session, row_id: str) -> None:
    """The notice has been accepted by the receiver. True whoever holds the lease by now."""
    at = now(session)
    session.execute(
        _change(row_id).where(Outbox.sent_at.is_(None)).values(sent_at=at, leased_until=None, dead_at=None)
    )


def record_retry(session: Session, row_id: str, owner: str, due_at: datetime, cause: str) -> None:
    """The sending failed for now. Does nothing if the lease has passed to another worker."""
    session.execute(
        _change(row_id)
        .where(Outbox.lease_owner == owner, Outbox.sent_at.is_(None))
        .values(due_at=due_at, leased_until=None, lease_owner=None, last_error=cause)
    )


def record_dead(session: Session, row_id: str, owner: str, cause: str) -> None:
    """The sending failed for good. Does nothing if the lease has passed to another worker."""
    session.execute(
        _change(row_id)
        .where(Outbox.lease_owner == owner, Outbox.sent_at.is_(None))
        .values(dead_at=now(session), leased_until=None, lease_owner=None, last_error=cause)
    )


def bury_unknown_channels(session: Session, known: Collection[str]) -> int:
    """Marks as dead what no delivery can ever send, so that it is seen. Says how many."""
    changed = session.execute(
        update(Outbox)
        .where(Outbox.sent_at.is_(None), Outbox.dead_at.is_(None), Outbox.channel.not_in(tuple(known)))
        .values(dead_at=now(session), last_error="no delivery is configured for this channel")
        .execution_options(synchronize_session=False)
    )
    return int(changed.rowcount)


def dead_letters(session: Session, clinic: str) -> list[Outbox]:
    """The clinic's notices that will not be sent unless somebody replays them."""
    return list(
        session.execute(
            select(Outbox)
            .join(Handoff, Handoff.id == Outbox.handoff_id)
            .where(Handoff.clinic == clinic, Outbox.dead_at.is_not(None))
            .order_by(Outbox.dead_at)
        ).scalars()
    )


def replay(session: Session, row_id: str) -> bool:
    """Makes a dead notice due again from its first attempt. Says whether it was dead."""
    changed = session.execute(
        _change(row_id)
        .where(Outbox.dead_at.is_not(None))
        .values(dead_at=None, due_at=now(session), attempts=0)
    )
    return bool(changed.rowcount)


def notices_of(session: Session, handoff_id: str) -> list[Outbox]:
    """All notices of a handoff: what was sent, when, or why not."""
    return list(
        session.execute(
            select(Outbox).where(Outbox.handoff_id == handoff_id).order_by(Outbox.channel)
        ).scalars()
    )


def beat(session: Session, name: str) -> None:
    """The part `name` is at work now."""
    at = now(session)
    if not insert_once(session, Heartbeat, name=name, at=at):
        session.execute(
            update(Heartbeat)
            .where(Heartbeat.name == name)
            .values(at=at)
            .execution_options(synchronize_session=False)
        )


def last_beat(session: Session, name: str) -> datetime | None:
    """When the part `name` was last at work; None if never."""
    return session.execute(select(Heartbeat.at).where(Heartbeat.name == name)).scalar_one_or_none()


def _due(session: Session) -> Any:
    at = now(session)
    return (
        select(Outbox, Handoff)
        .join(Handoff, Handoff.id == Outbox.handoff_id)
        .where(
            Outbox.sent_at.is_(None),
            Outbox.dead_at.is_(None),
            Outbox.due_at <= at,
            or_(Outbox.leased_until.is_(None), Outbox.leased_until <= at),
        )
    )


def _change(row_id: str) -> Any:
    return update(Outbox).where(Outbox.id == row_id).execution_options(synchronize_session=False)
