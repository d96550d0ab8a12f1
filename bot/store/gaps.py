"""What the assistant could not answer: material for new answers. Never the patient's sentence (bot/gaps.py)."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta
from typing import Any

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from bot.store.models import Gap
from bot.store.session import now


def record_gap(
    session: Session, clinic: str, kind: str, nearest: Sequence[Any] = (), words: Sequence[str] = ()
) -> None:
    """Notes one unanswered question: its class (`kind`), the answers that came nearest, and the words that may be
    kept of it (``bot.understanding.gap_words``)."""
    session.add(Gap(at=now(session), clinic=clinic, kind=kind, nearest=list(nearest), words=list(words)))


def gaps_since(session: Session, clinic: str, days: int) -> list[tuple[tuple[str, ...], str, str]]:
    """The unanswered questions of the last `days` days as (words, class, nearest answer)."""
    since = now(session) - timedelta(days=days)
    rows = session.scalars(select(Gap).where(Gap.clinic == clinic, Gap.at >= since).order_by(Gap.id))
    return [(tuple(gap.words or ()), gap.kind, str((gap.nearest or [""])[0] or "")) for gap in rows]


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
