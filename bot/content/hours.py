"""A clinic's opening hours: whether it is open, when it opens next, and when so many open minutes have gone by.

Local times of the clinic's zone; reckoning is done in UTC, so that a day on which the clocks change is counted right.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta, timezone
from itertools import pairwise
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

DAYS = ("monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday")
# Nobody plans further: a clinic that does not open within a year does not open.
FARTHEST = 366
# How an opening is said: today, tomorrow, by its day within the week, else by its date.
TODAY, TOMORROW, DAY, DATE = "today", "tomorrow", "day", "date"
# A day's end. As a closing time only, and then it is not midnight before the day.
_MIDNIGHT = time(0, 0)
# Strictly so: YAML reads an unquoted 16:40 as the number 1000, which would pass for ten o'clock.
_TIME = re.compile(r"([01]\d|2[0-3]):[0-5]\d")


@dataclass(frozen=True)
class Hours:
    """`week` has the spans of each day, Monday first, as local times (a span that closes at 00:00 lasts to the day's
    end); `closed_on` the days without any."""

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

    def opens_after(self, at: datetime) -> datetime | None:
        """When the clinic opens the next time after `at`, also where it is open then; None if not within a year."""
        return next((start for start, _ in self._spans(at, days=FARTHEST) if start > at), None)

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
        before: datetime | None = None
        for number in range(days + 2):
            day = first + timedelta(days=number)
            if day in self.closed_on:
                continue
            for opens, closes in self.week[day.weekday()]:
                start = self._utc(day, opens)
                end = self._utc(day + timedelta(days=1) if closes == _MIDNIGHT else day, closes)
                # Where the clocks leap over one of its times, a span may vanish, or reach into the next one.
                start = max(start, before) if before is not None else start
                if start < end:
                    yield start, end
                    before = end

    def _utc(self, day: date, local: time) -> datetime:
        return datetime.combine(day, local, self.zone).astimezone(timezone.utc)


@dataclass(frozen=True)
class Opening:
    """When a closed clinic opens next: the clinic's local time, and `how` people say it."""

    at: datetime
    how: str


def opening(hours: Hours, at: datetime) -> Opening | None:
    """When the clinic opens next, as seen from `at`; None while it is open, or where it does not open within a year."""
    opens = hours.next_opening(at)
    if opens is None or opens == at:
        return None
    local = opens.astimezone(hours.zone)
    days = (local.date() - at.astimezone(hours.zone).date()).days
    # Seven days on it is the same day's name again: that could be taken for today.
    how = {0: TODAY, 1: TOMORROW}.get(days, DAY if days < 7 else DATE)
    return Opening(local, how)


def read_hours(zone: object, week: object, closed_on: object) -> Hours:
    """Hours from a clinic's file. Raises ValueError with a sentence that says what is wrong."""
    try:
        place = ZoneInfo(str(zone))
    except (ZoneInfoNotFoundError, ValueError, OSError):
        raise ValueError(f"time_zone: {zone!r} is no time zone like Europe/London") from None
    if not isinstance(week, Mapping) or set(week) != set(DAYS):
        raise ValueError(f"hours: write a list for each of {', '.join(DAYS)}; an empty one means closed")
    for day in DAYS:
        if not isinstance(week[day] or (), (list, tuple)):
            raise ValueError(f'hours.{day} is a list of spans, such as [["09:00", "17:00"]]')
    days = tuple(tuple(_span(day, span) for span in week[day] or ()) for day in DAYS)
    if not any(days):
        raise ValueError("hours: the clinic never opens; give at least one day a span")
    for day, spans in zip(DAYS, days, strict=True):
        if any(before[1] == _MIDNIGHT or before[1] > after[0] for before, after in pairwise(spans)):
            raise ValueError(f"hours.{day}: the spans must follow one another")
    if not isinstance(closed_on, (list, tuple)):
        raise ValueError("closed_on must be a list of days, such as ['2026-12-25']")
    try:
        closed = frozenset(date.fromisoformat(str(day)) for day in closed_on)
    except ValueError as error:
        raise ValueError(f"closed_on: {error}") from None
    return Hours(place, days, closed)


def _span(day: str, given: object) -> tuple[time, time]:
    pair = given if isinstance(given, (list, tuple)) and len(given) == 2 else (None, None)
    to_the_end = pair[1] == "24:00"
    opens, closes = _time(pair[0]), _MIDNIGHT if to_the_end else _time(pair[1])
    if opens is None or closes is None:
        raise ValueError(f'hours.{day}: {given!r} is no span like ["09:00", "17:00"]; write the times in quotes')
    if opens >= closes and not to_the_end:
        raise ValueError(f"hours.{day}: {given!r} ends before it begins")
    return opens, closes


def _time(given: object) -> time | None:
    return time.fromisoformat(given) if isinstance(given, str) and _TIME.fullmatch(given) else None
