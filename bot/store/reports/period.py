"""From when until when a report counts, and the weeks and quarters of a clinic's own zone. Times are UTC."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta, timezone, tzinfo
from typing import Any

_WEEK = timedelta(days=7)


@dataclass(frozen=True)
class Period:
    """From `since` on and before `until`; None: no bound."""

    since: datetime | None = None
    until: datetime | None = None

    def of(self, column: Any) -> list[Any]:
        """The conditions that a column's time is within."""
        after = [column >= self.since] if self.since is not None else []
        return [*after, *([column < self.until] if self.until is not None else [])]

    def has(self, at: datetime) -> bool:
        """Whether a time is within."""
        return (self.since is None or at >= self.since) and (self.until is None or at < self.until)


@dataclass(frozen=True)
class Quarter:
    """A quarter of a year in a clinic's zone, as far as it is counted; `whole`: it is over."""

    name: str
    period: Period
    whole: bool


def midnight(day: date, zone: tzinfo) -> datetime:
    """When a day begins in the zone, in UTC."""
    return datetime.combine(day, time(0), zone).astimezone(timezone.utc)


def monday(at: datetime, zone: tzinfo) -> date:
    """The Monday of the week in which a moment is, in the zone."""
    day = at.astimezone(zone).date()
    return day - timedelta(days=day.weekday())


def weeks(times: Iterable[datetime], zone: tzinfo) -> list[str]:
    """All weeks from the first of these times to the last, by their Mondays (``2027-01-25``), also empty ones."""
    found = {monday(at, zone) for at in times}
    if not found:
        return []
    number = (max(found) - min(found)) // _WEEK
    return [(min(found) + place * _WEEK).isoformat() for place in range(number + 1)]


def quarters(first: datetime, at: datetime, zone: tzinfo) -> list[Quarter]:
    """The quarters from the one with `first` in it to the present one (`at`), the newest first.

    The present one is counted to the end of its last whole week. No two overlap, so none can be taken from another to
    find the small number in between.
    """
    last = midnight(monday(at, zone), zone)
    begin = _begin(first.astimezone(zone).date())
    found = []
    while (since := midnight(begin, zone)) <= at:
        after = _next(begin)
        end = midnight(after, zone)
        whole = end <= at
        name = f"{begin.year}-Q{(begin.month + 2) // 3}"
        found.append(Quarter(name, Period(since, end if whole else max(since, last)), whole))
        begin = after
    return found[::-1]


def _begin(day: date) -> date:
    return date(day.year, (day.month - 1) // 3 * 3 + 1, 1)


def _next(begin: date) -> date:
    return date(begin.year + 1, 1, 1) if begin.month == 10 else date(begin.year, begin.month + 3, 1)
