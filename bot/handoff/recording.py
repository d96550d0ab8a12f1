"""What came of a notice, put on record: it was accepted, it is tried again, or it can never be delivered.

Each is one transaction, which takes the handoff's row first, so that two notices of one item are recorded one after
the other.
"""

from __future__ import annotations

from datetime import timedelta

from sqlalchemy import case, func, literal, select, update
from sqlalchemy.orm import Session

from bot.handoff.notices import ESCALATED
from bot.handoff.notices import RAISED as RAISED_NOTICE
from bot.store import audit, outbox
from bot.store.columns import UtcTime
from bot.store.handoffs import DELIVERED, RAISED, WAITING
from bot.store.models import Handoff
from bot.store.outbox import Due
from bot.store.session import Database, now

# Kinds of notices that ask somebody to come; the others are news about what became of it.
CALLS = (RAISED_NOTICE, ESCALATED)


def sent(db: Database, notice: Due, receipt: str | None = None) -> None:
    """The receiver has accepted the notice: somebody of the clinic, or its system, has been told of the item."""
    with db.begin() as session:
        _lock(session, notice)
        if outbox.record_sent(session, notice.id, receipt) and notice.kind in CALLS:
            _delivered(session, notice)
            _note(session, notice, "delivered")


def retry(db: Database, notice: Due, owner: str, wait: timedelta, cause: str) -> None:
    """The sending failed for now."""
    with db.begin() as session:
        outbox.record_retry(session, notice.id, owner, db.clock() + wait, cause)


def dead(db: Database, notice: Due, owner: str, cause: str) -> None:
    """The sending failed for good. Where nobody else of the same step was told or still will be, the item does not wait
    for the step's time to run out: the next step is due now."""
    with db.begin() as session:
        _lock(session, notice)
        if not outbox.record_dead(session, notice.id, owner, cause):
            return
        _note(session, notice, "undeliverable", cause=cause)
        if notice.contact and all(other.dead_at is not None for other in outbox.others_of_its_step(session, notice.id)):
            _climb_now(session, notice)


def _lock(session: Session, notice: Due) -> None:
    session.execute(select(Handoff.id).where(Handoff.id == notice.handoff_id).with_for_update())


def _delivered(session: Session, notice: Due) -> None:
    session.execute(
        update(Handoff)
        .where(Handoff.id == notice.handoff_id)
        .values(
            status=case((Handoff.status == RAISED, DELIVERED), else_=Handoff.status),
            delivered_at=func.coalesce(Handoff.delivered_at, literal(now(session), UtcTime())),
        )
        .execution_options(synchronize_session=False)
    )


def _climb_now(session: Session, notice: Due) -> None:
    at = now(session)
    session.execute(
        update(Handoff)
        .where(
            Handoff.id == notice.handoff_id,
            Handoff.status.in_(WAITING),
            # A later step is at work already, or the chain has ended.
            Handoff.step == notice.step,
            Handoff.climb_at > at,
        )
        .values(climb_at=at)
        .execution_options(synchronize_session=False)
    )


def _note(session: Session, notice: Due, act: str, **more: str) -> None:
    details = {"channel": notice.channel, "contact": notice.contact, "kind": notice.kind, "step": notice.step, **more}
    audit.record(
        session,
        clinic=notice.clinic,
        actor=audit.SYSTEM,
        act=f"handoff.{act}",
        subject=notice.handoff_id,
        details=details,
    )
