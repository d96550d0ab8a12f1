"""What people said of the answers and of the whole, and what could not be answered: counts and means, never a word."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from datetime import tzinfo
from typing import Any

from sqlalchemy import case, func, select
from sqlalchemy.orm import Session

from bot.store.models import Conversation, Feedback, Gap, Survey
from bot.store.opinions import CODES, DOWN, UP
from bot.store.reports.period import Period, monday, weeks
from bot.store.reports.small import FEWEST, Count, Table, parts, shown, steady

MOST_DISLIKED = 10
NO_REASON = "none_given"
Choices = tuple[str, ...]
Forms = Mapping[str, Mapping[str, Choices | None]]


def answers(session: Session, clinic: str, period: Period) -> list[dict[str, Any]]:
    """One row for each answer that anybody rated: how often it was of use and not, and why not, by code."""

    def times(column: Any, value: str) -> Any:
        return func.sum(case((column == value, 1), else_=0))

    rows = session.execute(
        select(
            Feedback.answer_id,
            times(Feedback.value, UP),
            times(Feedback.value, DOWN),
            *(times(Feedback.code, code) for code in CODES),
        )
        .join(Conversation, Conversation.id == Feedback.conversation_id)
        .where(Conversation.clinic == clinic, *period.of(Feedback.at))
        .group_by(Feedback.answer_id)
    )
    named = sorted((answer or "", counts) for answer, *counts in rows)
    return [_rated(answer, up, down, dict(zip(CODES, why, strict=True))) for answer, (up, down, *why) in named]


def most_disliked(rated: list[dict[str, Any]]) -> list[str]:
    """The answers that most people said were of no use, by the number of them; only where that may be given."""
    down = [(row[DOWN], row["answer"]) for row in rated if isinstance(row[DOWN], int) and row[DOWN]]
    return [answer for _, answer in sorted(down, key=lambda pair: (-pair[0], pair[1]))[:MOST_DISLIKED]]


def survey(
    session: Session, clinic: str, period: Period, form: str, items: Mapping[str, Choices | None]
) -> dict[str, Any]:
    """A form's answers: the newest ones of each conversation count, at the time when they were given."""
    rows = session.execute(
        select(Survey.conversation_id, Survey.at, Survey.answers)
        .join(Conversation, Conversation.id == Survey.conversation_id)
        .where(Conversation.clinic == clinic, Survey.form == form)
        .order_by(Survey.conversation_id, Survey.seq)
    )
    newest = {conversation: (at, given) for conversation, at, given in rows}
    mine = [given for at, given in newest.values() if period.has(at)]
    n = shown(len(mine))
    return {"n": n, "items": {item: _item(mine, n, item, choices) for item, choices in items.items()}}


def gaps(session: Session, clinic: str, period: Period, zone: tzinfo) -> dict[str, Any]:
    """How many questions found no sure answer, by week and by class."""
    rows = session.execute(select(Gap.at, Gap.kind).where(Gap.clinic == clinic, *period.of(Gap.at))).all()
    pairs = Counter((monday(at, zone).isoformat(), kind) for at, kind in rows)
    names = weeks((at for at, _ in rows), zone)
    return Table(names, sorted({kind for _, kind in rows}), pairs).as_dict()


def _rated(answer: str, up: int, down: int, codes: dict[str, int]) -> dict[str, Any]:
    reasons, whole = parts({**codes, NO_REASON: down - sum(codes.values())}, shown(down))
    return {"answer": answer, UP: shown(up), DOWN: whole, "reasons": reasons}


def _item(rows: list[dict[str, Any]], asked: Count, item: str, choices: Choices | None) -> dict[str, Any]:
    given = [row[item] for row in rows if row.get(item) is not None]
    n = steady({"n": len(given)}, also=[] if isinstance(asked, str) else [asked])["n"]
    if choices is None:
        return {"n": n, "mean": round(sum(given) / len(given), 1) if len(given) >= FEWEST else None}
    counts = Counter(given)
    # A choice that the form no longer has is still somebody's answer.
    named, whole = parts({choice: counts[choice] for choice in dict.fromkeys([*choices, *sorted(counts)])}, n)
    return {"n": whole, "choices": named}
