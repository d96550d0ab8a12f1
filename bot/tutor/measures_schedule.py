"""When the short form is offered: first, then at fixed weeks, each time once. Windows and weeks are data."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from bot.tutor.journal import FORM, Entry
from bot.tutor.saying import Moment, form_id

CORE = form_id("measures", "core")
# Entry kinds of this area. OFFER: key = the due point, value {"how": "offered" | "not_now"}. ASK: value = whether the
# person may be asked at all.
OFFER, ASK = "measures_offer", "measures_ask"
WEEK = 7


@dataclass(frozen=True)
class Point:
    """One due time: `week` after the first answers (0: the first ones)."""

    week: int

    @property
    def id(self) -> str:
        return f"week_{self.week}"

    @property
    def day(self) -> int:
        return self.week * WEEK


@dataclass(frozen=True)
class Schedule:
    """`weeks`: the fixed ones, from 0; afterwards every `then_every` weeks. A window begins `days_before` the due day
    and ends `days_after` it."""

    weeks: tuple[int, ...]
    then_every: int
    days_before: int
    days_after: int

    def points(self) -> Iterator[Point]:
        """All due times, without end."""
        week = 0
        for week in self.weeks:
            yield Point(week)
        while True:
            week += self.then_every
            yield Point(week)

    def latest(self, day: int) -> Point:
        """The newest due time whose window has begun on this day after the first answers."""
        found = Point(self.weeks[0])
        for point in self.points():
            if point.day - self.days_before > day:
                return found
            found = point
        raise AssertionError("the due times have no end")

    def in_window(self, point: Point, day: int) -> bool:
        """Whether answers of this day count as given in time."""
        return point.day - self.days_before <= day <= point.day + self.days_after


def read_schedule(given: Mapping[str, Any]) -> Schedule:
    """The schedule of ``data/tutor/measures.yml``."""
    return Schedule(tuple(given["weeks"]), given["then_every"], given["days_before"], given["days_after"])


def began(moment: Moment) -> datetime | None:
    """When the first answers were given; a form of which all was skipped does not count."""
    return next((entry.at for entry in moment.journal.of(FORM, CORE) if entry.at and _answered(entry)), None)


def due_point(moment: Moment, schedule: Schedule) -> Point | None:
    """The due time that is to be offered now: the latest one alone, and only once; None where there is none.

    The first answers are offered after the first lesson."""
    asked = moment.journal.last(ASK)
    if asked is not None and asked.value is False:
        return None
    start = began(moment)
    if start is None:
        learned = any(_finished(entry) for entry in moment.journal.of("lesson"))
        point = Point(schedule.weeks[0]) if learned else None
    else:
        point = schedule.latest(moment.day(start))
        if point.id in _answered_points(moment, schedule, start):
            return None
    offered = {entry.key for entry in moment.journal.of(OFFER)}
    return point if point is not None and point.id not in offered else None


def day_between(moment: Moment, start: datetime, at: datetime) -> int:
    """Days of the clinic's calendar between the first answers and another time."""
    return moment.day(start) - moment.day(at)


def _answered_points(moment: Moment, schedule: Schedule, start: datetime) -> set[str]:
    given = [entry.at for entry in moment.journal.of(FORM, CORE) if entry.at is not None]
    return {schedule.latest(max(0, day_between(moment, start, at))).id for at in given if at >= start}


def _answered(entry: Entry) -> bool:
    return isinstance(entry.value, dict) and any(value is not None for value in entry.value.values())


def _finished(entry: Entry) -> bool:
    return isinstance(entry.value, dict) and entry.value.get("how") == "finished"
