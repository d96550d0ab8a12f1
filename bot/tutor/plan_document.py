"""A plan as it is kept in the journal, and what is read off it.

The newest `plan` entry holds the whole plan (`key`: the plan's id):

- ``id``; ``state``: draft, active, stopped (a sign or a situation came up) or ended; ``why``: the last rule, or `gate`
- ``activity`` (id or `own`), ``title``: what the person wants to do more of
- ``steps``: ``[{"text", "worry": 0-10 or None}]``, easy to hard; ``rated``: whether worry has been asked
- ``unit`` (minutes or times), ``bad_day``, ``aim``, ``days`` (a week)
- ``step`` (from 0), ``dose``, ``start``, ``raises``, ``eases``, ``before`` (amount before a flare): see `Level`
- ``stopped``: a sign came up, and nobody has said yet that it was checked; it outlives the end of a plan
- ``began``, ``changed``, ``review``: ISO dates of the clinic's calendar; ``undo``: the level before the last rise;
  ``told``: the report that it follows from, empty where something else has changed it since

A `did` entry is one report (`key`: plan's id, a dot and its number; a later entry with the key adds whether it
settled): ``did`` (yes, part, no), ``before``, ``after`` (pain), ``worry`` (0-10), ``settled`` (yes, not_yet, no,
not_sure), ``stop`` (signs), ``none`` (it was said that there is none), ``step``, ``dose`` (what it was about), ``was``
(where the plan stood), ``decide`` and ``rule`` (what followed), ``on`` (ISO date). What was left open is None.

A `plan_gate` entry says which situations fit (``{"fits": [...]}``): an empty list lets a plan be made, None asks again.
A `plan_signs` entry says before a report that there is no sign (``{"none": true}``), or that it was left open.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict
from datetime import date, timedelta
from typing import Any

from bot.content.plan_rules import PlanRules
from bot.content.tutor import Lines
from bot.tutor.journal import Entry, Journal
from bot.tutor.plan_rules import Level, start_dose, start_step
from bot.tutor.saying import Moment

PLAN, DID, GATE, SIGNS = "plan", "did", "plan_gate", "plan_signs"
DRAFT, ACTIVE, STOPPED, ENDED = "draft", "active", "stopped", "ended"
OWN = "own"
FEWEST_STEPS, MOST_STEPS = 4, 7
LONGEST_TITLE, LONGEST_STEP = 60, 90
Document = dict[str, Any]


def latest(journal: Journal) -> Document | None:
    """The newest plan in any state, drafts and ended ones too."""
    entry = journal.last(PLAN)
    return dict(entry.value) if entry is not None and isinstance(entry.value, dict) else None


def current(journal: Journal) -> Document | None:
    """The plan that the person has: active, or stopped until a sign has been checked. None: no plan, a draft, an ended
    one."""
    found = latest(journal)
    return found if found is not None and found["state"] in (ACTIVE, STOPPED) else None


def noted(document: Mapping[str, Any]) -> Entry:
    """The entry that keeps a plan."""
    return Entry(PLAN, str(document["id"]), dict(document))


def new(moment: Moment, activity: str, title: str, unit: str) -> Document:
    """A draft: what the person wants to do more of, and nothing else yet."""
    return {
        "id": f"{moment.now:%Y%m%d%H%M%S}", "state": DRAFT, "why": "", "activity": activity, "title": title,
        "unit": unit, "steps": [], "rated": False,
    }  # fmt: skip


def today(moment: Moment) -> date:
    return moment.now.astimezone(moment.zone).date()


def with_amounts(document: Document, rules: PlanRules, unit: str, bad_day: int, aim: int, days: int) -> Document:
    """The plan with what can be done on a bad day, and with where it begins. An amount that was chosen before and still
    fits stays; a smaller bad day or aim lowers it."""
    start = start_dose(rules, bad_day, aim)
    same = document.get("bad_day") == bad_day and document.get("unit") == unit and "dose" in document
    dose = min(int(document["dose"]), aim) if same else start
    before = document.get("before") if same else None
    if "step" not in document:
        # Nothing can be done on a bad day: then it is the easiest step.
        worries = [one["worry"] for one in document["steps"]] if bad_day else []
        document = {**document, "step": start_step(rules, worries), "raises": 0, "eases": 0}
    return {
        **document, "unit": unit, "bad_day": bad_day, "aim": aim, "days": days, "start": start, "dose": dose,
        "before": before if before is not None and before > dose else None, "undo": None,
    }  # fmt: skip


def level_of(document: Mapping[str, Any]) -> Level:
    """Where the plan stands."""
    steps = len(document["steps"])
    return Level(
        min(document["step"], steps - 1), steps, document["dose"], document["start"], document["aim"],
        document["raises"], document["eases"], document["before"],
    )  # fmt: skip


def with_level(document: Mapping[str, Any], level: Level, on: date) -> Document:
    """The plan at another step or amount; the day counts as the day of its last change where there is one."""
    kept = {key: value for key, value in asdict(level).items() if key != "steps"}
    moved = (level.step, level.dose) != (document["step"], document["dose"])
    return {**document, **kept, **({"changed": on.isoformat()} if moved else {})}


def days_since(document: Mapping[str, Any], moment: Moment) -> int:
    """Days of the clinic's calendar since the plan last changed."""
    return (today(moment) - date.fromisoformat(document["changed"])).days


def review_from(rules: PlanRules, moment: Moment) -> str:
    """The next day on which the plan is looked at."""
    return (today(moment) + timedelta(days=rules.limits["review_days"])).isoformat()


def reports(journal: Journal, document: Mapping[str, Any]) -> list[Entry]:
    """What was told of this plan, oldest first; of each report its newest entry."""
    found: dict[str, Entry] = {}
    for entry in journal.of(DID):
        if entry.key.startswith(f"{document['id']}."):
            found[entry.key] = entry
    return list(found.values())


def amount(lines: Lines, unit: str, number: int) -> str:
    """An amount as people read it: 1 minute, 5 minutes, once, 5 times."""
    return lines.label(f"{unit}_one" if number == 1 else unit, n=number)


def values(lines: Lines, document: Mapping[str, Any]) -> dict[str, object]:
    """What the plan's texts name."""
    return {
        "title": document["title"],
        "step": document["steps"][level_of(document).step]["text"],
        "amount": amount(lines, document["unit"], document["dose"]),
        "days": document["days"],
        "review": written(document["review"]) if document.get("review") else "",
    }


def written(day: str) -> str:
    """An ISO date as people read it: 3 March 2027."""
    at = date.fromisoformat(day)
    return f"{at.day} {at:%B %Y}"
