"""How long somebody has been learning, read off the journal.

Nobody can see whether a phone is being read or lies on the table. So the time between two steps counts, and 120
seconds of it at most: a page has about 120 words at most, which a slow reader gets through in two minutes, and what
goes beyond is a pause. Both numbers are choices of ours: figures over different values cannot be compared. The
last page of a sitting counts nothing, as nobody knows how long it was looked at. So the figure is on the low side.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime

from bot.tutor.journal import Journal

# Entries of the course that say that a page was opened (key "lesson:step") or a question answered (key: question).
SEEN, ANSWERED = "seen", "answered"
LONGEST_GAP = 120  # seconds
# After a pause of so many seconds a new sitting begins.
SITTING_GAP = 30 * 60


@dataclass(frozen=True)
class Sitting:
    """One stretch of learning: when it began and ended (UTC), and the seconds of it that count."""

    begun: datetime
    ended: datetime
    seconds: float

    @property
    def minutes(self) -> float:
        return self.seconds / 60


@dataclass(frozen=True)
class Minutes:
    """Teaching minutes: `total`, and each sitting, oldest first."""

    total: float
    sittings: tuple[Sitting, ...]


def minutes(journal: Journal) -> Minutes:
    """The minutes of learning of one person, in all and by sitting. What was reset counts too: it was time spent."""
    sittings = tuple(_sittings(journal))
    return Minutes(sum(one.minutes for one in sittings), sittings)


def sitting_now(journal: Journal, now: datetime) -> Sitting | None:
    """The sitting that is under way at `now`, with the time since its last step; None where the last one is over."""
    found = list(_sittings(journal))
    if not found or (now - found[-1].ended).total_seconds() > SITTING_GAP:
        return None
    last = found[-1]
    return Sitting(last.begun, now, last.seconds + _counts(last.ended, now))


def _sittings(journal: Journal) -> Iterator[Sitting]:
    current: Sitting | None = None
    for at in sorted(one.at for one in journal.entries if one.kind in (SEEN, ANSWERED) and one.at is not None):
        if current is None or (at - current.ended).total_seconds() > SITTING_GAP:
            if current is not None:
                yield current
            current = Sitting(at, at, 0.0)
        else:
            current = Sitting(current.begun, at, current.seconds + _counts(current.ended, at))
    if current is not None:
        yield current


def _counts(before: datetime, after: datetime) -> float:
    return min(max((after - before).total_seconds(), 0.0), LONGEST_GAP)
