"""What a person has answered so far, scored: one list of points for each measure, oldest first. Read off the journal.

Others read this too (the summary, the inbox, the research export): `history` is the one place that scores answers.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from bot.tutor import scoring
from bot.tutor.journal import FORM, Entry, Journal
from bot.tutor.measures_schedule import CORE
from bot.tutor.saying import form_id

ACTIVITIES_FORM, PAIN, CHANGE, MOOD, QUIZ = (
    form_id("measures", name) for name in ("activities", "pain", "change", "mood", "quiz")
)
OWN = ("confidence", "worry", "sleep")
NRS = ("pain_now", "pain_average")
# The names of measures in `history`, in the order in which they are shown.
MEASURES = ("peg", "activities", *scoring.ACTIVITIES, *OWN, *NRS, "phq2", "gad2", "pgic", "quiz")
# Whoever sends the same form again so soon has changed their answers; the newer ones count.
AGAIN = timedelta(hours=20)


@dataclass(frozen=True)
class Scored:
    """One measure at one time (UTC). `value`: the score, None where it could not be scored because something was
    skipped. `about`: an activity's name, or the choice of the global impression. `of`: how many statements of the
    quiz were answered (`value` of them fitted)."""

    at: datetime
    value: float | None
    about: str = ""
    of: int = 0


def history(journal: Journal, fits: Mapping[str, str] | None = None) -> dict[str, list[Scored]]:
    """Scored points for each of MEASURES, oldest first; a measure that was never asked has an empty list.

    ``activities`` is the mean of those that were rated both at the first and at the newest time under the same name.
    `fits`: the answer that fits each statement of the quiz; without it the quiz is left out."""
    found: dict[str, list[Scored]] = {measure: [] for measure in MEASURES}
    for entry, at in _answered(journal, CORE):
        found["peg"].append(Scored(at, scoring.peg(entry.value)))
        for item in OWN:
            found[item].append(Scored(at, scoring.number(entry.value.get(item))))
    _activities(journal, found)
    for entry, at in _answered(journal, PAIN):
        for item in NRS:
            found[item].append(Scored(at, scoring.number(entry.value.get(item))))
    sums: dict[str, Callable[[Mapping[str, Any]], int | None]] = {"phq2": scoring.phq2, "gad2": scoring.gad2}
    for entry, at in _answered(journal, MOOD):
        for name, score in sums.items():
            found[name].append(Scored(at, score(entry.value)))
    for entry, at in _answered(journal, CHANGE):
        if entry.value.get("pgic"):
            found["pgic"].append(Scored(at, None, str(entry.value["pgic"])))
    for entry, at in _answered(journal, QUIZ) if fits else ():
        given = {key: said for key, said in entry.value.items() if said is not None and fits and key in fits}
        count = sum(said == fits[key] for key, said in given.items()) if fits else 0
        found["quiz"].append(Scored(at, count if given else None, of=len(given)))
    return found


def names(journal: Journal, until: datetime | None = None) -> dict[str, str]:
    """What the activities are called now (or at a time), by item id; those without a name are left out."""
    found: dict[str, str] = {}
    for entry in journal.of(FORM):
        if entry.key not in (CORE, ACTIVITIES_FORM) or not isinstance(entry.value, dict):
            continue
        if until is not None and entry.at is not None and entry.at > until:
            break
        for item in scoring.ACTIVITIES:
            name = entry.value.get(f"{item}_name")
            if isinstance(name, str) and name.strip():
                found[item] = name.strip()
    return found


def newest(journal: Journal, form: str) -> Entry | None:
    """The newest answers to a form."""
    return next((entry for entry, _at in reversed(list(_answered(journal, form)))), None)


def _answered(journal: Journal, form: str) -> Iterator[tuple[Entry, datetime]]:
    """The answers to a form that count, with their times."""
    kept: list[tuple[Entry, datetime]] = []
    for entry in journal.of(FORM, form):
        if entry.at is None or not isinstance(entry.value, dict):
            continue
        if kept and entry.at - kept[-1][1] < AGAIN:
            kept.pop()
        kept.append((entry, entry.at))
    return iter(kept)


def _activities(journal: Journal, found: dict[str, list[Scored]]) -> None:
    times: list[tuple[datetime, dict[str, int]]] = []
    for entry, at in _answered(journal, CORE):
        called = names(journal, at)
        rated: dict[str, int] = {}
        for item in scoring.ACTIVITIES:
            value = scoring.number(entry.value.get(item))
            if item in called or value is not None:
                found[item].append(Scored(at, value, called.get(item, "")))
            if value is not None:
                rated[called.get(item, item).casefold()] = value
        if called or rated:
            times.append((at, rated))
    last = next((rated for _at, rated in reversed(times) if rated), {})
    basis = next((both for _at, rated in times if (both := [name for name in last if name in rated])), [])
    for at, rated in times if basis else ():
        whole = all(name in rated for name in basis)
        found["activities"].append(
            Scored(at, sum(rated[name] for name in basis) / len(basis) if whole else None)
        )
