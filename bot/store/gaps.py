"""What the assistant could not answer, by class: material for new answers. Never the patient's words."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from bot.store.models import Gap
from bot.store.session import now


def record_gap(session: Session, clinic: str, kind: str, nearest: Sequence[Any] = ()) -> None:
    """Notes one unanswered question: its class (`kind`) and the answers that came nearest."""
    session.add(Gap(at=now(session), clinic=clinic, kind=kind, nearest=list(nearest)))


def gaps_by_kind(session: Session, clinic: str) -> dict[str, int]:
    """How often each class of gap was met, the most frequent first."""
    number = func.count()
    rows = session.execute(
        select(Gap.kind, number)
        .where(Gap.clinic == clinic)
        .group_by(Gap.kind)
        .order_by(number.desc(), Gap.kind)
    )
    return {kind: count for kind, count in rows}
