"""A person who goes through the course: presses its buttons, types where words are asked for, comes back later."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import datetime, timedelta, timezone
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from bot.content import lessons
from bot.tutor import course
from bot.tutor.journal import Entry, Journal
from bot.tutor.saying import Moment, Outcome, Say, parts_of

FOLDER = Path(__file__).parent / "lessons"
LONDON = ZoneInfo("Europe/London")
START = datetime(2026, 3, 2, 9, 0, tzinfo=timezone.utc)


@pytest.fixture
def small_course(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """The three lessons of ``tests/support/lessons`` instead of the real ones."""
    monkeypatch.setattr(lessons, "FOLDER", FOLDER)
    yield


@dataclass
class Person:
    """What somebody has done so far, and what was said last."""

    journal: Journal = field(default_factory=Journal)
    now: datetime = START
    open_flag: bool = False
    said: tuple[Say, ...] = ()

    @property
    def moment(self) -> Moment:
        return Moment(self.now, self.journal, self.open_flag, zone=LONDON)

    @property
    def ids(self) -> list[str]:
        return [say.id for say in self.said]

    @property
    def offered(self) -> list[str]:
        """The payloads of the last thing said."""
        return [one.payload for one in self.said[-1].buttons] if self.said else []

    def open(self) -> Person:
        return self.take(course.open(self.moment))

    def press(self, payload: str, seconds: float = 20) -> Person:
        """Presses a button, some seconds later. It has to be there."""
        assert payload in self.offered, (payload, self.offered)
        return self.jump(payload, seconds)

    def jump(self, payload: str, seconds: float = 20) -> Person:
        """Presses a button of an earlier message."""
        self.now += timedelta(seconds=seconds)
        _, verb, args = parts_of(payload)
        found = course.press(self.moment, verb, args) if verb else None
        return self.take(found or course.open(self.moment))

    def pressing(self, start: str, seconds: float = 20) -> Person:
        """Presses the first button whose payload starts so."""
        return self.press(next(one for one in self.offered if one.startswith(start)), seconds)

    def type(self, text: str) -> Outcome | None:
        """Types words where some are awaited; None where they are for the assistant."""
        self.now += timedelta(seconds=20)
        awaits = self.said[-1].awaits
        outcome = course.words(self.moment, awaits.partition(":")[2], text) if awaits else None
        if outcome:
            self.take(outcome)
        return outcome

    def later(self, days: float = 0, minutes: float = 0) -> Person:
        self.now += timedelta(days=days, minutes=minutes)
        return self

    def note(self, kind: str, key: str = "", value: Any = None) -> Person:
        self.journal = self.journal.with_((Entry(kind, key, value),), self.now)
        return self

    def take(self, outcome: Outcome) -> Person:
        self.said = outcome.says
        self.journal = self.journal.with_(outcome.notes, self.now)
        return self

    def through(self, lesson: str) -> Person:
        """Reads a lesson from its first step to its end, with nothing answered."""
        self.jump(f"tutor:course:open:{lesson}")
        for _ in range(20):
            if self.journal.last("lesson", lesson).value == {"how": "finished"}:  # type: ignore[union-attr]
                return self
            last = self.journal.last("seen").key.partition(":")[2]  # type: ignore[union-attr]
            steps = course.steps_of(lessons.load_lessons()[lesson])
            self.jump(f"tutor:course:stay:{lesson}:{steps[steps.index(last) + 1]}")
        raise AssertionError("the lesson has no end")


def told(person: Person) -> Person:
    """Somebody who has skipped what matters most."""
    return person.open().press("tutor:course:skip_matters")
