"""A plan's days as an iCalendar file (RFC 5545): whole days, so that neither a zone nor an hour gets in the way."""

from __future__ import annotations

import re
import uuid
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta, timezone

PRODUCT = "-//PNE Tutor//Plan//EN"
DAYS = ("MO", "TU", "WE", "TH", "FR", "SA", "SU")
# Lines are folded at so many octets (RFC 5545, 3.1).
LONGEST_LINE = 75
_CONTROL = re.compile(r"[\x00-\x08\x0b-\x1f\x7f]")


@dataclass(frozen=True)
class Event:
    """A whole day, or with `weekly` (numbers of weekdays, Monday 0) all such days from `day` to `until`. `key` tells it
    from the others of the same calendar: the same key is the same event when the file is read again."""

    key: str
    day: date
    title: str
    about: str = ""
    weekly: tuple[int, ...] = ()
    until: date | None = None


def calendar(owner: str, events: Sequence[Event], now: datetime) -> str:
    """The file's text. `owner` goes into the events' names as a digest alone; `now` must have a zone."""
    return "".join(f"{folded}\r\n" for line in _lines(owner, events, now) for folded in _folded(line))


def spread(days: int) -> tuple[int, ...]:
    """So many weekdays (1 to 7), as far apart as a week allows: three are Monday, Wednesday and Friday."""
    days = min(max(days, 1), len(DAYS))
    return tuple(place * len(DAYS) // days for place in range(days))


def first_on(day: date, weekly: Sequence[int]) -> date:
    """The first of the weekdays on a day or after it."""
    return next(at for at in (day + timedelta(days=n) for n in range(len(DAYS))) if at.weekday() in weekly)


def _lines(owner: str, events: Sequence[Event], now: datetime) -> Iterator[str]:
    stamp = f"{now.astimezone(timezone.utc):%Y%m%dT%H%M%SZ}"
    yield from ("BEGIN:VCALENDAR", "VERSION:2.0", f"PRODID:{PRODUCT}", "CALSCALE:GREGORIAN")
    for event in events:
        start = first_on(event.day, event.weekly) if event.weekly else event.day
        yield "BEGIN:VEVENT"
        yield f"UID:{uuid.uuid5(uuid.NAMESPACE_OID, f'{owner}/{event.key}')}"
        yield f"DTSTAMP:{stamp}"
        yield f"DTSTART;VALUE=DATE:{start:%Y%m%d}"
        yield f"DTEND;VALUE=DATE:{start + timedelta(days=1):%Y%m%d}"
        if event.weekly:
            until = f";UNTIL={event.until:%Y%m%d}" if event.until else ""
            yield f"RRULE:FREQ=WEEKLY;BYDAY={','.join(DAYS[day] for day in event.weekly)}{until}"
        yield f"SUMMARY:{_escaped(event.title)}"
        if event.about:
            yield f"DESCRIPTION:{_escaped(event.about)}"
        # A day with a step in it is not a day that is taken.
        yield "TRANSP:TRANSPARENT"
        yield "END:VEVENT"
    yield "END:VCALENDAR"


def _escaped(text: str) -> str:
    plain = _CONTROL.sub("", text.replace("\r\n", "\n").replace("\r", "\n"))
    return plain.replace("\\", "\\\\").replace(";", "\\;").replace(",", "\\,").replace("\n", "\\n")


def _folded(line: str) -> Iterator[str]:
    """The line in pieces of 75 octets at most, never through a letter; each further piece begins with a space."""
    piece = ""
    for letter in line:
        if len((piece + letter).encode()) > LONGEST_LINE:
            yield piece
            piece = " "
        piece += letter
    yield piece
