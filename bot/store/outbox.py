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

from bot.store import audit
from bot.store.handoffs import WAITING
from bot.store.models import Handoff, Heartbeat, Outbox
from bot.store.session import insert_once, now

# The receipt of a notice that nobody needed any more when its turn came.
NOT_NEEDED = "not needed"


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
    created_at: datetime | None = None


def enqueue(
    session: Session, item: Handoff, channel: str, kind: str = "raised", contact: str = "", step: int = 0
) -> Outbox:
    """A notice of the handoff over one channel, due now. Its message id never changes over retries.

    `kind` is what happened, `contact` who of the clinic's chain it is for (empty: the channel itself).
    """
    at, row_id = now(session), str(uuid.uuid4())
    row = Outbox(
        id=row_id,
        handoff_id=item.id,
        channel=channel,
        message_id=f"<{item.id}.{item.version}.{row_id}@pne-tutor.invalid>",
        due_at=at,
        attempts=0,
        kind=kind,
        contact=contact,
        step=step,
        created_at=at,
    )
    session.add(row)
    return row


def anything_due(session: Session, channel: str, without: Collection[str] = ()) -> bool:
    """Whether the channel has a row to lease, not counting the clinics `without`. A cheap read: idle, nothing is
    written."""
    mine = _due(session).where(Outbox.channel == channel, Handoff.clinic.not_in(tuple(without)))
    return session.execute(mine.limit(1)).first() is not None


def lease(
    session: Session, channel: str, owner: str, duration: timedelta, limit: int, without: Collection[str] = ()
) -> list[Due]:
    """Takes up to `limit` due rows of the channel for `duration`, the gravest tier first; none of clinics `without`.

    The attempt is counted here: a row whose sending kills its worker still moves towards its later retries.
    """
    rows = session.execute(
        _due(session)
        .where(Outbox.channel == channel, Handoff.clinic.not_in(tuple(without)))
        .order_by(Handoff.tier, Outbox.due_at)
        .limit(limit)
        .with_for_update(skip_locked=True, of=Outbox)
        .execution_options(populate_existing=True)
    ).all()
    taken = []
    for row, handoff in rows:
        if row.contact and handoff.status not in WAITING:  # somebody has come: nobody else must be got up
            row.sent_at, row.receipt = now(session), NOT_NEEDED
            continue
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
                created_at=row.created_at or handoff.created_at,
            )
        )
    return taken


def record_sent(session: Session, row_id: str, receipt: str | None = None) -> bool:
    """The notice has been accepted by the receiver, which called it `receipt`. True whoever holds the lease by now.

    Says whether that is news: False where it was recorded before.
    """
    changed = session.execute(
        _change(row_id)
        .where(Outbox.sent_at.is_(None))
        .values(sent_at=now(session), leased_until=None, dead_at=None, last_error=None, receipt=receipt)
    )
    return bool(changed.rowcount)


def record_retry(session: Session, row_id: str, owner: str, due_at: datetime, cause: str) -> None:
    """The sending failed for now. Does nothing if the lease has passed to another worker."""
    session.execute(
        _change(row_id)
        .where(Outbox.lease_owner == owner, Outbox.sent_at.is_(None))
        .values(due_at=due_at, leased_until=None, lease_owner=None, last_error=cause)
    )


def record_dead(session: Session, row_id: str, owner: str, cause: str) -> bool:
    """The sending failed for good. Does nothing, and gives False, if the lease has passed to another worker."""
    changed = session.execute(
        _change(row_id)
        .where(Outbox.lease_owner == owner, Outbox.sent_at.is_(None), Outbox.dead_at.is_(None))
        .values(dead_at=now(session), leased_until=None, lease_owner=None, last_error=cause)
    )
    return bool(changed.rowcount)


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


def dead_letters_of_all(session: Session) -> list[tuple[Outbox, str]]:
    """Every clinic's dead letters with the clinic's id, for whoever runs the installation."""
    found = session.execute(
        select(Outbox, Handoff.clinic)
        .join(Handoff, Handoff.id == Outbox.handoff_id)
        .where(Outbox.dead_at.is_not(None))
        .order_by(Handoff.clinic, Outbox.dead_at)
    )
    return [(row, clinic) for row, clinic in found]


def replay(session: Session, row_id: str, clinic: str | None = None, actor: str = audit.SYSTEM) -> bool:
    """Makes a dead notice due again from its first attempt, with an audit row. Says whether it was dead.

    `clinic`: only a notice of this clinic (always given for a person of one); None: of any.
    """
    mine = select(Handoff).join(Outbox, Outbox.handoff_id == Handoff.id).where(Outbox.id == row_id)
    item = session.execute(mine if clinic is None else mine.where(Handoff.clinic == clinic)).scalar_one_or_none()
    if item is None:
        return False
    changed = session.execute(
        _change(row_id)
        .where(Outbox.dead_at.is_not(None))
        .values(dead_at=None, due_at=now(session), attempts=0)
    )
    if changed.rowcount:
        audit.record(
            session,
            clinic=item.clinic,
            actor=actor,
            act="handoff.replayed",
            subject=item.id,
            details={"notice": row_id},
        )
    return bool(changed.rowcount)


def others_of_its_step(session: Session, row_id: str) -> list[Outbox]:
    """The other notices to contacts that went out at the same moment as this one: the same step of the same round."""
    row = session.get(Outbox, row_id, populate_existing=True)
    same = select(Outbox).where(
        Outbox.handoff_id == row.handoff_id, Outbox.step == row.step, Outbox.contact != "", Outbox.id != row.id
    )
    found = session.execute(same.execution_options(populate_existing=True)).scalars()
    return [other for other in found if _round(other) == _round(row)]


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


def _round(row: Outbox) -> str:
    """Of one handoff's notices, which went out together: its version then, which stands in the message id."""
    return str(row.message_id).partition(".")[2].partition(".")[0]


def _change(row_id: str) -> Any:
    return update(Outbox).where(Outbox.id == row_id).execution_options(synchronize_session=False)
