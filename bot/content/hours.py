"""A clinic's opening hours: whether it is open, when it opens next, and when so many open minutes have gone by.

Local times of the clinic's zone; reckoning is done in UTC, so that a day on which the clocks change is counted right.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta, timezone
from itertools import pairwise
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

DAYS = ("monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday")
# Nobody plans further: a clinic that does not open within a year does not open.
FARTHEST = 366


@dataclass(frozen=True)
class Hours:
    """`week` has the spans of each day, Monday first, as local times; `closed_on` the days without any."""

    zone: ZoneInfo
    week: tuple[tuple[tuple[time, time], ...], ...]
    closed_on: frozenset[date] = frozenset()

    def is_open(self, at: datetime) -> bool:
        """Whether the clinic is open at this moment."""
        return any(start <= at < end for start, end in self._spans(at, days=1))

    def next_opening(self, at: datetime) -> datetime | None:
        """When the clinic opens next, in UTC (`at` itself while it is open); None if not within a year."""
        for start, end in self._spans(at, days=FARTHEST):
            if at < end:
                return max(start, at)
        return None

    def after_open(self, at: datetime, minutes: float) -> datetime | None:
        """The moment at which the clinic has been open for so many minutes from `at` on; None if not within a year."""
        left = timedelta(minutes=minutes)
        for start, end in self._spans(at, days=FARTHEST):
            begin = max(start, at)
            if begin >= end:
                continue
            if left <= end - begin:
                return begin + left
            left -= end - begin
        return None

    def _spans(self, at: datetime, days: int) -> Iterator[tuple[datetime, datetime]]:
        """The spans from the day before `at` on, in order, in UTC."""
        first = at.astimezone(self.zone).date() - timedelta(days=1)
        for number in range(days + 2):
            day = first + timedelta(days=number)
            if day in self.closed_on:
                continue
            for opens, closes in self.week[day.weekday()]:
                yield self._utc(day, opens), self._utc(day, closes)

    def _utc(self, day: date, local: time) -> datetime:
        return datetime.combine(day, local, self.zone).astimezone(timezone.utc)


def read_hours(zone: object, week: object, closed_on: object) -> Hours:
    """Hours from a clinic's file. Raises ValueError with a sentence that says what is wrong."""
    try:
        place = ZoneInfo(str(zone))
    except (ZoneInfoNotFoundError, ValueError):
        raise ValueError(f"time_zone: {zone!r} is no time zone like Europe/London") from None
    if not isinstance(week, Mapping) or set(week) != set(DAYS):
        raise ValueError(f"hours: write a list for each of {', '.join(DAYS)}; an empty one means closed")
    days = tuple(tuple(_span(day, span) for span in week[day] or ()) for day in DAYS)
    for day, spans in zip(DAYS, days, strict=True):
        if any(before[1] > after[0] for before, after in pairwise(spans)):
            raise ValueError(f"hours.{day}: the spans must follow one another")
    if not isinstance(closed_on, (list, tuple)):
        raise ValueError("closed_on must be a list of days, such as ['2026-12-25']")
    try:
        closed = frozenset(date.fromisoformat(str(day)) for day in closed_on)
    except ValueError as error:
        raise ValueError(f"closed_on: {error}") from None
    return Hours(place, days, closed)


def _span(day: str, given: object) -> tuple[time, time]:
    try:
        opens, closes = [time.fromisoformat(str(one)) for one in given]  # type: ignore[attr-defined]
        span = opens, closes
    except (TypeError, ValueError):
        raise ValueError(f'hours.{day}: {given!r} is no span like ["09:00", "17:00"]') from None
    if span[0] >= span[1]:
        raise ValueError(f"hours.{day}: {given!r} ends before it begins")
    return span
