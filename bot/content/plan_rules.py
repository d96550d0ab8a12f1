"""The rules of a plan (``data/tutor/plan_rules.yml``): an ordered table, its limits and the signs that end a plan."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

from bot.content.files import DATA, ContentError, name, read_yaml

START, PROGRESS, HOLD, EASE, STOP = "start", "progress", "hold", "ease", "stop_and_call"
# What a row may do to the amount and the step, by what it decides: nothing but `progress` raises anything.
CHANGES: Mapping[str, tuple[str, ...]] = {
    START: ("none", "flare_dose"),
    PROGRESS: ("more", "harder", "back_up"),
    HOLD: ("none",),
    EASE: ("less", "easier", "flare_dose"),
    STOP: ("none",),
}
LEVELS = ("emergency", "today")
LIMITS = (
    "start_worry", "start_percent", "raise_percent", "less_percent", "flare_percent", "back_percent", "wait_days",
    "raises_a_step", "pain_rise", "worry_middle", "worry_high", "person_after_eases", "review_days", "gate_days",
    "days_a_week",
)  # fmt: skip
_ROW = {"id", "when", "decide", "change", "say", "because", "sources"}


@dataclass(frozen=True)
class Rule:
    """One row. `when`: the values that each named field may have. `sources` are keys of data/sources."""

    id: str
    when: Mapping[str, tuple[str, ...]]
    decide: str
    change: str
    say: str
    because: str
    sources: tuple[str, ...]


@dataclass(frozen=True)
class Sign:
    """A sign that ends a plan; `level`: emergency (call now) or today."""

    id: str
    level: str
    text: str


@dataclass(frozen=True)
class PlanRules:
    """The whole table. `fields`: each field with its values; `limits`: whole numbers by name, `limits_say` in words."""

    fields: Mapping[str, tuple[str, ...]]
    limits: Mapping[str, int]
    limits_say: Mapping[str, str]
    signs: tuple[Sign, ...]
    rows: tuple[Rule, ...]


@lru_cache(maxsize=4)
def load_plan_rules(data: Path = DATA) -> PlanRules:
    """The rules. Raises ContentError that names the file, the row and the mend."""
    path = data / "tutor" / "plan_rules.yml"
    content, file = read_yaml(path), name(path)
    if not isinstance(content, dict) or not {"review", "fields", "limits", "stop_signs", "rows"} <= set(content):
        raise ContentError(f"{file}: write review, fields, limits, stop_signs and rows.")
    fields = {key: tuple(values) for key, values in content["fields"].items()}
    for key, values in fields.items():
        if not all(isinstance(value, str) for value in values):
            raise ContentError(f"{file}: fields: {key}: values must be text; put yes and no in quotes.")
    limits = content["limits"]
    if set(limits) != set(LIMITS) or not all(isinstance(one.get("value"), int) for one in limits.values()):
        raise ContentError(f"{file}: limits must be {', '.join(LIMITS)}, each with a whole number as value.")
    signs = tuple(Sign(key, one["level"], one["text"]) for key, one in content["stop_signs"].items())
    wrong = [sign.id for sign in signs if sign.level not in LEVELS]
    if wrong:
        raise ContentError(f"{file}: stop_signs: {wrong[0]}: level must be one of {', '.join(LEVELS)}.")
    rows = tuple(_row(row, fields, file) for row in content["rows"])
    if len({row.id for row in rows}) != len(rows):
        raise ContentError(f"{file}: rows: every id may stand once.")
    if not rows or rows[-1].when or rows[-1].decide != HOLD:
        raise ContentError(f"{file}: rows: the last row must fit always (when: {{}}) and decide hold.")
    numbers = {key: one["value"] for key, one in limits.items()}
    return PlanRules(fields, numbers, {key: one["say"] for key, one in limits.items()}, signs, rows)


def _row(row: Mapping[str, Any], fields: Mapping[str, tuple[str, ...]], file: str) -> Rule:
    where = f"{file}: rows: {row.get('id')}"
    if set(row) != _ROW:
        raise ContentError(f"{where}: write {', '.join(sorted(_ROW))}, and nothing else.")
    when = {key: tuple(value) if isinstance(value, list) else (value,) for key, value in row["when"].items()}
    for key, allowed in when.items():
        unknown = [value for value in allowed if value not in fields.get(key, ())]
        if unknown or key not in fields:
            raise ContentError(f"{where}: when: {key}: {unknown or 'the field'} is not under fields.")
    if row["change"] not in CHANGES.get(row["decide"], ()):
        raise ContentError(f"{where}: {row['decide']!r} may not do {row['change']!r}; see bot/content/plan_rules.py.")
    return Rule(row["id"], when, row["decide"], row["change"], row["say"], row["because"], tuple(row["sources"]))
