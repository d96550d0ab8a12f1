"""What a clinic may know of how its chat is used: counts and means, never a word or a person.

Numbers of fewer than five people are not given, nor what would let them be worked out from the others.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from datetime import datetime
from typing import Any

from sqlalchemy import case, func, literal_column, select
from sqlalchemy.orm import Session

from bot.store.models import Conversation, Feedback, Handoff, Survey
from bot.store.opinions import CODES, DOWN, UP

FEWEST = 5
FEW = f"fewer than {FEWEST}"
MOST_DISLIKED = 10
Count = int | str
Choices = tuple[str, ...]


def report(
    session: Session, clinic: str, since: datetime | None, forms: Mapping[str, Mapping[str, Choices | None]]
) -> dict[str, Any]:
    """The whole report as plain data. `forms`: by form and item what may be chosen, None for a scale; texts are left
    out."""
    answers = _answers(session, clinic, since)
    return {
        "clinic": clinic,
        "since": since.isoformat() if since is not None else None,
        "conversations": _conversations(session, clinic, since),
        "answers": answers,
        "most_disliked": most_disliked(answers),
        "surveys": {form: _survey(session, clinic, since, form, items) for form, items in forms.items()},
    }


def shown(count: int) -> Count:
    """A count that may be given, or that it is too small."""
    return count if count >= FEWEST else FEW


def shown_together(counts: Mapping[str, int]) -> dict[str, Count]:
    """Counts whose sum is given too: where one alone is too small, the next smallest is hidden with it, because it
    could be worked out."""
    hidden = {key for key, count in counts.items() if count < FEWEST}
    if len(hidden) == 1 and len(counts) > 1:
        hidden.add(min((key for key in counts if key not in hidden), key=lambda key: counts[key]))
    return {key: FEW if key in hidden else count for key, count in counts.items()}


def most_disliked(answers: list[dict[str, Any]]) -> list[str]:
    """The answers that most people said were of no use, by the number of them; only where that may be given."""
    down = [(row[DOWN], row["answer"]) for row in answers if isinstance(row[DOWN], int)]
    return [answer for _, answer in sorted(down, key=lambda pair: (-pair[0], pair[1]))[:MOST_DISLIKED]]


def _conversations(session: Session, clinic: str, since: datetime | None) -> dict[str, Count]:
    mine = _since(Conversation.created_at, since, Conversation.clinic == clinic)
    opened, accepted = session.execute(select(func.count(), func.count(Conversation.consented_at)).where(*mine)).one()
    passed_on = session.execute(
        select(func.count(Handoff.conversation_id.distinct()))
        .join(Conversation, Conversation.id == Handoff.conversation_id)
        .where(*mine)
    ).scalar_one()
    return {"opened": shown(opened), "accepted": shown(accepted), "passed_on": shown(passed_on)}


def _answers(session: Session, clinic: str, since: datetime | None) -> list[dict[str, Any]]:
    """One row for each answer that anybody rated: how often it was of use and not, and why not, by code."""

    def times(column: Any, value: str) -> Any:
        return func.sum(case((column == value, 1), else_=0))

    # Written out: as a parameter PostgreSQL could not tell that it is grouped by what is selected.
    named = func.coalesce(Feedback.answer_id, literal_column("''"))
    rows = session.execute(
        select(
            named,
            times(Feedback.value, UP),
            times(Feedback.value, DOWN),
            *(times(Feedback.code, code) for code in CODES),
        )
        .join(Conversation, Conversation.id == Feedback.conversation_id)
        .where(*_since(Feedback.at, since, Conversation.clinic == clinic))
        .group_by(named)
        .order_by(named)
    )
    return [
        {
            "answer": answer,
            UP: shown(up),
            DOWN: shown(down),
            "reasons": {code: shown(count) for code, count in zip(CODES, counts, strict=True)},
        }
        for answer, up, down, *counts in rows
    ]


def _survey(
    session: Session, clinic: str, since: datetime | None, form: str, items: Mapping[str, Choices | None]
) -> dict[str, Any]:
    """A form's answers: the newest ones of each conversation count."""
    rows = session.execute(
        select(Survey.conversation_id, Survey.answers)
        .join(Conversation, Conversation.id == Survey.conversation_id)
        .where(*_since(Survey.at, since, Conversation.clinic == clinic, Survey.form == form))
        .order_by(Survey.conversation_id, Survey.seq)
    )
    newest = {conversation: answers for conversation, answers in rows}
    return {
        "n": shown(len(newest)),
        "items": {item: _item(list(newest.values()), item, choices) for item, choices in items.items()},
    }


def _item(rows: list[dict[str, Any]], item: str, choices: Choices | None) -> dict[str, Any]:
    given = [row[item] for row in rows if row.get(item) is not None]
    if choices is None:
        enough = len(given) >= FEWEST
        return {"n": shown(len(given)), "mean": round(sum(given) / len(given), 1) if enough else None}
    counts = Counter(given)
    return {"n": shown(len(given)), "choices": shown_together({choice: counts[choice] for choice in choices})}


def _since(column: Any, since: datetime | None, *also: Any) -> list[Any]:
    return [*also, *([column >= since] if since is not None else [])]
