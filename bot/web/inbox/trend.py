"""How a person's answers to scales have changed: a small chart made here, its words, and the numbers.

It says what was answered and when, and judges nothing: whether more is better depends on the question.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import select
from sqlalchemy.orm import Session

from bot.content.forms import SCALE, load_forms
from bot.store.models import Conversation, Survey
from bot.web.inbox.acts import Desk

# The newest answers that are shown of a person.
MOST = 200
# The chart's size and the edges of its plot, in units of the drawing.
WIDTH, HEIGHT = 320, 132
LEFT, RIGHT, TOP, BOTTOM = 34, 306, 12, 104


@dataclass(frozen=True)
class Point:
    """One answer: its day as people read it, its value, and where it stands in the chart."""

    at: datetime
    day: str
    value: int
    x: str
    y: str


@dataclass(frozen=True)
class Series:
    """The answers to one scale over time, the oldest first. `low` and `high` are the words for its two ends."""

    id: str
    title: str
    low: str
    high: str
    low_value: int
    high_value: int
    points: tuple[Point, ...]

    @property
    def line(self) -> str:
        """The chart's line, as SVG has it."""
        return " ".join(f"{point.x},{point.y}" for point in self.points)

    def said(self, desk: Desk) -> str:
        """What the chart shows, in words."""
        first, last = self.points[0], self.points[-1]
        values = [point.value for point in self.points]
        named = {"last": last.value, "last_day": last.day, "high": self.high_value, "low": self.low_value}
        if len(values) == 1:
            return desk.words.text("trend_said_one", **named)
        return desk.words.text(
            "trend_said",
            count=len(values),
            first=first.value,
            first_day=first.day,
            smallest=min(values),
            largest=max(values),
            **named,
        )


def series_of(session: Session, desk: Desk, conversation: Conversation) -> list[Series]:
    """Every scale that this person has answered: in this conversation, and where the clinic has signed them in, in all
    of theirs at this clinic."""
    given: dict[tuple[str, str], list[tuple[datetime, int]]] = {}
    for form, at, answers in reversed(_answers(session, conversation)):
        for item_id, value in answers.items():
            if isinstance(value, int) and not isinstance(value, bool):
                given.setdefault((form, item_id), []).append((at, value))
    forms = load_forms()
    found = []
    for (form_id, item_id), points in sorted(given.items()):
        items = {item.id: item for item in forms[form_id].items} if form_id in forms else {}
        item = items.get(item_id)
        if item is None or item.kind != SCALE:
            continue  # asked by an older form: without its words and its ends a number says nothing
        ends = item.low_value, item.high_value
        drawn = _drawn(desk, [(at, value) for at, value in points if ends[0] <= value <= ends[1]], *ends)
        if drawn:
            found.append(Series(f"{form_id}-{item_id}", item.text, item.low, item.high, *ends, drawn))
    return found


def _answers(session: Session, conversation: Conversation) -> list[tuple[str, datetime, dict[str, Any]]]:
    theirs = Survey.conversation_id == conversation.id
    if conversation.subject:
        same = (Conversation.clinic == conversation.clinic, Conversation.subject == conversation.subject)
        theirs = Survey.conversation_id.in_(select(Conversation.id).where(*same))
    query = select(Survey.form, Survey.at, Survey.answers).where(theirs)
    rows = session.execute(query.order_by(Survey.at.desc(), Survey.seq.desc()).limit(MOST)).all()
    return [(form, at, answers or {}) for form, at, answers in rows]


def _drawn(desk: Desk, points: list[tuple[datetime, int]], low: int, high: int) -> tuple[Point, ...]:
    if not points:
        return ()
    zone = desk.services.clinic(desk.clinic).hours.zone
    first, last = points[0][0], points[-1][0]
    whole = (last - first).total_seconds()
    drawn = []
    for at, value in points:
        along = (at - first).total_seconds() / whole if whole else 0.5
        up = (value - low) / (high - low)
        x, y = LEFT + along * (RIGHT - LEFT), BOTTOM - up * (BOTTOM - TOP)
        local = at.astimezone(zone)
        drawn.append(Point(at, f"{local.day} {local:%b %Y}", value, f"{x:.1f}", f"{y:.1f}"))
    return tuple(drawn)
