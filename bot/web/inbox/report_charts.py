"""Small charts of a report as plain geometry for an SVG. What they say stands beside them in words and in a table."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from bot.content.inbox import InboxWording

WIDTH, HEIGHT = 640, 120
_FEWEST_BARS, _GAP, _HIDDEN_HEIGHT = 2, 0.2, 14


@dataclass(frozen=True)
class Bar:
    """A bar in the units of the drawing; `hidden`: it stands for a number that is not given."""

    x: float
    y: float
    width: float
    height: float
    hidden: bool


@dataclass(frozen=True)
class Chart:
    """Bars from left to right, and the same in words."""

    bars: tuple[Bar, ...]
    words: tuple[str, ...]
    width: int = WIDTH
    height: int = HEIGHT


def by_week(counts: Mapping[str, int | str], words: InboxWording, key: str) -> Chart | None:
    """A bar for each week; None where there are too few weeks to see anything, or no number is given."""
    given = {week: count for week, count in counts.items() if not isinstance(count, str)}
    most = max(given.values(), default=0)
    if len(counts) < _FEWEST_BARS or not most:
        return None
    step = WIDTH / len(counts)
    bars = []
    for place, (week, count) in enumerate(counts.items()):
        tall = HEIGHT * given[week] / most if week in given else _HIDDEN_HEIGHT
        size = round(step * (1 - _GAP), 1), round(tall, 1)
        bars.append(Bar(round(place * step, 1), round(HEIGHT - tall, 1), *size, isinstance(count, str)))
    weeks = list(counts)
    when = next(week for week, count in given.items() if count == most)
    said = [words.text(key, first=weeks[0], last=weeks[-1], most=most, when=when)]
    if len(given) < len(counts):
        said.append(words.text("report_chart_hidden"))
    return Chart(tuple(bars), tuple(said))
