"""What a study gets of one person: rows of plain values, weeks instead of dates, none of the person's own words.

Only what was done while the person took part counts. The columns are those of the code book (``tables`` in
``data/tutor/research.yml``); `lessons` and `which_before` are ids here, for the export to close (``bot/research.py``).
"""

from __future__ import annotations

from datetime import datetime, tzinfo
from typing import Any

from bot.content.tutor import load_lines
from bot.tutor import alarm_map, measures
from bot.tutor.journal import Entry, Journal
from bot.tutor.measures_schedule import WEEK, Schedule, read_schedule
from bot.tutor.minutes import minutes
from bot.tutor.research import Part

PEOPLE, MEASURES, LESSONS, ANSWERS, BELIEFS, FACTORS = "people", "measures", "lessons", "answers", "beliefs", "factors"
# The one measure that is a choice of words, not a number.
CHOSEN = "pgic"
FINISHED = "finished"
Row = dict[str, Any]
# Minutes are given in steps of so many: an exact figure could be found again in a server's log.
STEP = 5


def tables() -> dict[str, dict[str, str]]:
    """The columns of every table with what they mean."""
    return {name: dict(table["columns"]) for name, table in load_lines("research").rest["tables"].items()}


def rows(person: str, part: Part, zone: tzinfo) -> dict[str, list[Row]]:
    """All rows of one person (`person`: their code), by table. `zone`: the clinic's, for counting days."""
    journal = part.journal

    def week(at: datetime) -> int:
        return _days(part.since, at, zone) // WEEK

    finished = [(_at(one), one.key) for one in journal.of("lesson") if _how(one) == FINISHED]
    spent = [minutes(stretch) for stretch in part.stretches]
    returns = journal.last("returns")
    found: dict[str, list[Row]] = {
        PEOPLE: [
            {
                "weeks": week(max((_at(one) for one in journal.entries), default=part.since)),
                "minutes": _stepped(sum(one.total for one in spent)),
                "sittings": sum(len(one.sittings) for one in spent),
                "lessons": list(dict.fromkeys(key for _, key in finished)),
                "returns": None if returns is None else _yes(bool(returns.value)),
            }
        ],
        MEASURES: _measures(part, zone, week, finished),
        LESSONS: _lessons(journal, week),
        ANSWERS: [
            {
                "week": week(_at(one)),
                "question": one.key,
                "option": one.value.get("option"),
                "fits": _yes(bool(one.value.get("fits"))),
                "at": one.value.get("at"),
            }
            for one in journal.of("answered")
            if isinstance(one.value, dict)
        ],
        BELIEFS: [
            {
                "week": week(_at(one)),
                "belief": one.key,
                "point": one.value.get("point"),
                "strength": one.value.get("strength"),
            }
            for one in journal.of("belief")
            if isinstance(one.value, dict)
        ],
        FACTORS: [{"factor": factor} for factor in alarm_map.kept(journal)],
    }
    return {name: [{"person": person, **row} for row in found[name]] for name in tables()}


def _measures(part: Part, zone: tzinfo, week: Any, finished: list[tuple[datetime, str]]) -> list[Row]:
    schedule: Schedule = read_schedule(load_lines("measures").rest["schedule"])
    scored = measures.history(part.journal)
    first = min((point.at for points in scored.values() for point in points), default=part.since)
    made = []
    for name, points in scored.items():
        for point in points:
            since = _days(first, point.at, zone)
            due = schedule.latest(since)
            made.append(
                {
                    "week": week(point.at),
                    "due_week": due.week,
                    "in_window": _yes(schedule.in_window(due, since)),
                    "measure": name,
                    "value": point.about if name == CHOSEN else point.value,
                    "lessons_before": 0,
                    "minutes_before": _stepped(sum(minutes(one).total for one in _until(part, point.at))),
                    "which_before": list(dict.fromkeys(key for at, key in finished if at < point.at)),
                }
            )
    return made


def _lessons(journal: Journal, week: Any) -> list[Row]:
    """The newest run of each lesson; one that was begun before the person took part has no week of its begin."""
    runs: dict[str, Row] = {}
    for one in journal.of("lesson"):
        how, at = _how(one), week(_at(one))
        if how == "begun":
            runs[one.key] = {"lesson": one.key, "week": at, "how": how, "ended": None}
        else:
            run = runs.setdefault(one.key, {"lesson": one.key, "week": None, "how": how, "ended": None})
            run |= {"how": how, "ended": at}
    return list(runs.values())


def _until(part: Part, at: datetime) -> list[Journal]:
    """The stretches, as far as they lie before a time."""
    return [Journal(tuple(one for one in stretch.entries if _at(one) < at)) for stretch in part.stretches]


def _days(first: datetime, at: datetime, zone: tzinfo) -> int:
    return (at.astimezone(zone).date() - first.astimezone(zone).date()).days


def _how(entry: Entry) -> str:
    return str((entry.value or {}).get("how") or "begun") if isinstance(entry.value, dict) else "begun"


def _at(entry: Entry) -> datetime:
    assert entry.at is not None
    return entry.at


def _stepped(spent: float) -> int:
    return int(spent // STEP * STEP)


def _yes(value: bool) -> str:
    return "yes" if value else "no"
