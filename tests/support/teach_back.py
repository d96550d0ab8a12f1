"""How well the key points of lessons are heard in lines that say which they hold."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

from bot.content.lessons import Lesson, load_lessons
from bot.tutor import teach_back

HELD_OUT = Path("tests/nlu/held_out/teach_back.jsonl")


@dataclass(frozen=True)
class Measured:
    """Of one point (or of all): precision and recall; 1.0 where there was nothing to find or nothing was found."""

    found: int
    right: int
    there: int

    @property
    def precision(self) -> float:
        return self.right / self.found if self.found else 1.0

    @property
    def recall(self) -> float:
        return self.right / self.there if self.there else 1.0


def read_lines(path: Path) -> list[dict[str, object]]:
    """Lines ``{"lesson", "text", "points": [ids]}``."""
    return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines() if line.strip()]


def evaluate(
    lines: Iterable[Mapping[str, object]], lessons: Mapping[str, Lesson] | None = None
) -> dict[str, Measured]:
    """Precision and recall of each point (``lesson/point``), and of all under ``all``."""
    lessons = lessons or load_lessons()
    found: Counter[str] = Counter()
    right: Counter[str] = Counter()
    there: Counter[str] = Counter()
    for line in lines:
        name = str(line["lesson"])
        heard, _ = teach_back.landed(lessons[name], str(line["text"]))
        meant = {str(point) for point in line["points"]}  # type: ignore[attr-defined]
        for key, points in ((found, set(heard)), (right, set(heard) & meant), (there, meant)):
            key.update(f"{name}/{point}" for point in points)
            key["all"] += len(points)
    return {key: Measured(found[key], right[key], there[key]) for key in sorted(set(found) | set(there) | {"all"})}
