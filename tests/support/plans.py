"""A plan as it stands in a journal."""

from __future__ import annotations

from datetime import datetime, timezone
from typing import Any

from bot.tutor.journal import Entry

NOW = datetime(2027, 3, 1, 9, 30, tzinfo=timezone.utc)
GATE_OPEN = Entry("plan_gate", "", {"fits": []})


def a_plan(*, title: str = "Walk further", steps: list[str] | None = None, **other: Any) -> Entry:
    """A plan that began a week ago, on its second step."""
    texts = steps or ["one", "two", "three", "four"]
    document = {
        "id": "20270222093000", "state": "active", "why": "begin", "activity": "walking", "title": title,
        "unit": "minutes", "steps": [{"text": text, "worry": n} for n, text in enumerate(texts)], "rated": True,
        "step": 1, "raises": 0, "eases": 0, "before": None, "undo": None, "bad_day": 8, "aim": 120, "days": 3,
        "start": 6, "dose": 10, "began": "2027-02-22", "changed": "2027-02-22", "review": "2027-03-08", **other,
    }  # fmt: skip
    return Entry("plan", document["id"], document)
