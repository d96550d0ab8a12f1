"""What a study gets of one person: rows of plain values, days instead of dates, none of the person's own words.

The columns are those of the code book (``tables`` in ``data/tutor/research.yml``)."""

from __future__ import annotations

from datetime import datetime, tzinfo
from typing import Any

from bot.content.tutor import load_lines
from bot.tutor import alarm_map, measures
from bot.tutor.journal import Entry, Journal
from bot.tutor.measures_schedule import Schedule, read_schedule
from bot.tutor.minutes import minutes

PEOPLE, MEASURES, LESSONS, ANSWERS, BELIEFS, FACTORS = "people", "measures", "lessons", "answers", "beliefs", "factors"
Row = dict[str, Any]
# Minutes are given in steps of so many: an exact figure could be found again in a server's log.
STEP = 5


def tables() -> dict[str, dict[str, str]]:
    """The columns of every table with what they mean."""
    return {name: dict(table["columns"]) for name, table in load_lines("research").rest["tables"].items()}


def rows(person: str, journal: Journal, zone: tzinfo) -> dict[str, list[Row]]:
    """All rows of one person (`person`: their code), by table. `zone`: the clinic's, for counting days."""
    entries = [one for one in journal.entries if one.at is not None]
    found: dict[str, list[Row]] = {name: [] for name in tables()}
    if not entries:
        return found
    first = _at(entries[0])

    def day(at: datetime) -> int:
        return (at.astimezone(zone).date() - first.astimezone(zone).date()).days

    finished = [(_at(one), one.key) for one in journal.of("lesson") if _how(one) == "finished"]
    spent = minutes(journal)
    returns = journal.last("returns")
    found[PEOPLE] = [
        {
            "days": day(_at(entries[-1])),
            "minutes": _stepped(spent.total),
            "sittings": len(spent.sittings),
            "lessons": len({key for _, key in finished}),
            "returns": _yes(bool(returns and returns.value)),
        }
    ]
    found[MEASURES] = _measures(journal, zone, day, finished)
    found[LESSONS] = _lessons(journal, day)
    found[ANSWERS] = [
        {
            "day": day(_at(one)),
            "question": one.key,
            "option": one.value.get("option"),
            "fits": _yes(bool(one.value.get("fits"))),
            "at": one.value.get("at"),
        }
        for one in journal.of("answered")
        if one.at is not None and isinstance(one.value, dict)
    ]
    found[BELIEFS] = [
        {
            "day": day(_at(one)),
            "belief": one.key,
            "point": one.value.get("point"),
            "strength": one.value.get("strength"),
        }
        for one in journal.of("belief")
        if one.at is not None and isinstance(one.value, dict)
    ]
    found[FACTORS] = [{"factor": factor} for factor in alarm_map.kept(journal)]
    return {name: [{"person": person, **row} for row in table] for name, table in found.items()}


def _measures(journal: Journal, zone: tzinfo, day: Any, finished: list[tuple[datetime, str]]) -> list[Row]:
    schedule: Schedule = read_schedule(load_lines("measures").rest["schedule"])
    scored = measures.history(journal)
    times = sorted(point.at for points in scored.values() for point in points)
    made = []
    for name, points in scored.items():
        for point in points:
            since = (point.at.astimezone(zone).date() - times[0].astimezone(zone).date()).days
            due = schedule.latest(max(0, since))
            before = list(dict.fromkeys(key for at, key in finished if at < point.at))
            until = Journal(tuple(one for one in journal.entries if one.at is not None and one.at < point.at))
            made.append(
                {
                    "day": day(point.at),
                    "week": due.week,
                    "in_window": _yes(schedule.in_window(due, since)),
                    "measure": name,
                    "value": point.about if name == "pgic" else point.value,
                    "lessons_before": len(before),
                    "minutes_before": _stepped(minutes(until).total),
                    "which_before": " ".join(before),
                }
            )
    return made


def _lessons(journal: Journal, day: Any) -> list[Row]:
    """The newest run of each lesson."""
    runs: dict[str, Row] = {}
    for one in journal.of("lesson"):
        if one.at is None:
            continue
        if _how(one) == "begun" or one.key not in runs:
            runs[one.key] = {"lesson": one.key, "day": day(one.at), "how": _how(one), "ended": None}
        if _how(one) != "begun":
            runs[one.key] |= {"how": _how(one), "ended": day(one.at)}
    return list(runs.values())


def _how(entry: Entry) -> str:
    return str((entry.value or {}).get("how") or "begun") if isinstance(entry.value, dict) else "begun"


def _at(entry: Entry) -> datetime:
    assert entry.at is not None
    return entry.at


def _stepped(spent: float) -> int:
    return int(spent // STEP * STEP)


def _yes(value: bool) -> str:
    return "yes" if value else "no"
