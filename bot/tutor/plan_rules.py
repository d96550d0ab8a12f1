"""What the rule table makes of a report: the row that fits, and the step and amount that follow. Pure.

Graded activity from a baseline that can be done on a bad day, raised by quota and not by pain (clinical reference C23,
C24; Macedo 2010, Nielson 2013). The numbers are limits of the table (``data/tutor/plan_rules.yml``), not of this code.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from bot.content.plan_rules import EASE, PROGRESS, PlanRules, Rule

BEGIN, RESUME, FLARE_DAY, EASIER, DONE = "begin", "resume", "flare_day", "easier", "did"
MISSING, NONE = "missing", "none"
# The smallest amount: one minute, or once.
LEAST = 1


@dataclass(frozen=True)
class Level:
    """Where a plan stands. Amounts are whole minutes or times, 1 or more; `step` counts from 0 and there are `steps`.

    `start`: the amount each step begins with; `aim`: the most that was asked for; `raises`: rises on this step;
    `eases`: times it was made easier since it last went up; `before`: the amount before a flare, until it is back."""

    step: int
    steps: int
    dose: int
    start: int
    aim: int
    raises: int = 0
    eases: int = 0
    before: int | None = None


def start_dose(rules: PlanRules, bad_day: int, aim: int) -> int:
    """The amount to begin with: a share of what can be done on a bad day, never above the aim."""
    return min(max(LEAST, bad_day * rules.limits["start_percent"] // 100), max(LEAST, aim))


def start_step(rules: PlanRules, worries: Sequence[int | None]) -> int:
    """Where to begin: the last of the first steps in a row whose worry (0-10) is low. A step not rated ends the row."""
    step = 0
    for place, worry in enumerate(worries):
        if worry is None or worry > rules.limits["start_worry"]:
            break
        step = place
    return step


def stop_level(rules: PlanRules, chosen: Sequence[str], none_chosen: bool) -> str:
    """The gravest of the signs that were chosen; `missing` where neither a sign nor "none of these" was."""
    levels = {sign.level for sign in rules.signs if sign.id in chosen}
    if levels:
        return "emergency" if "emergency" in levels else "today"
    return NONE if none_chosen else MISSING


def facts_of(
    rules: PlanRules, level: Level, report: Mapping[str, Any], *, moment: str = DONE, days: int = 0
) -> dict[str, str]:
    """The fields of the table. `report`: did, settled, before and after (pain, 0-10), worry (0-10) and stop (as
    `stop_level` gives it); None, absent or any other answer was left out. `days` since the plan last changed."""
    limits = rules.limits
    before, after, worry = report.get("before"), report.get("after"), report.get("worry")
    pain, worried, time = MISSING, MISSING, "enough"
    if before is not None and after is not None:
        pain = "more" if after - before >= limits["pain_rise"] else "little"
    if worry is not None:
        worried = "high" if worry >= limits["worry_high"] else "middle" if worry >= limits["worry_middle"] else "low"
    if days < limits["wait_days"]:
        time = "soon" if days > 0 else "same_day"
    told = {key: report.get(key) for key in ("stop", "did", "settled")}
    return {
        "moment": moment,
        **{key: str(value) if value in rules.fields[key] else MISSING for key, value in told.items()},
        "pain": pain,
        "worry": worried,
        "time": time,
        "dose": "reached" if level.dose >= level.aim else "below",
        "ladder": "more" if level.step + 1 < level.steps else "top",
        "raises": "enough" if level.raises >= limits["raises_a_step"] else "few",
        "flare": "after" if level.before is not None else "no",
    }


def decide(rules: PlanRules, facts: Mapping[str, str]) -> Rule:
    """The first row that fits; the last one always does."""
    return next(row for row in rules.rows if all(facts[key] in allowed for key, allowed in row.when.items()))


def applied(rules: PlanRules, rule: Rule, level: Level) -> Level:
    """The step and the amount after a row. Never above the aim; nothing but `progress` raises anything."""
    changed = _CHANGE[rule.change](rules, level)
    if rule.decide == PROGRESS:
        return replace(changed, eases=0)
    return replace(changed, eases=level.eases + 1) if rule.decide == EASE else changed


def wants_person(rules: PlanRules, rule: Rule, after: Level) -> bool:
    """Whether a person is offered: it was made easier again and again."""
    return rule.decide == EASE and after.eases >= rules.limits["person_after_eases"]


def flare_level(rules: PlanRules, level: Level) -> Level:
    """About half of the amount before the flare. Said again while the flare lasts, it does not halve again."""
    before = level.before or level.dose
    dose = min(level.dose, max(LEAST, before * rules.limits["flare_percent"] // 100))
    return replace(level, dose=dose, before=before if dose < before else None)


def _same(rules: PlanRules, level: Level) -> Level:
    return level


def _more(rules: PlanRules, level: Level) -> Level:
    rise = max(1, level.dose * rules.limits["raise_percent"] // 100)
    return replace(level, dose=max(level.dose, min(level.dose + rise, level.aim)), raises=level.raises + 1)


def _harder(rules: PlanRules, level: Level) -> Level:
    """The next step, with the amount that steps begin with: never a new step and more at once."""
    step = min(level.step + 1, level.steps - 1)
    return replace(level, step=step, dose=min(level.dose, level.start), raises=0)


def _back_up(rules: PlanRules, level: Level) -> Level:
    before = level.before or level.dose
    rise = max(1, before * rules.limits["back_percent"] // 100)
    dose = max(level.dose, min(level.dose + rise, before, level.aim))
    return replace(level, dose=dose, before=None if dose >= min(before, level.aim) else before)


def _less(rules: PlanRules, level: Level) -> Level:
    """A smaller amount; from the smallest one it is the step before."""
    if level.dose <= LEAST:
        return replace(level, step=max(0, level.step - 1), raises=0)
    dose = max(LEAST, min(level.dose - 1, level.dose * rules.limits["less_percent"] // 100))
    return replace(level, dose=dose, raises=0)


def _easier(rules: PlanRules, level: Level) -> Level:
    """The step before with the same amount; on the first one a smaller amount."""
    return replace(level, step=level.step - 1, raises=0) if level.step else _less(rules, level)


_CHANGE = {
    "none": _same,
    "more": _more,
    "harder": _harder,
    "back_up": _back_up,
    "less": _less,
    "easier": _easier,
    "flare_dose": flare_level,
}
