"""What a report shows people, as plain values: sections of tables, with a chart here and there. Also its CSV.

The page and ``pne report`` show the same sections.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any

from bot import safety
from bot.content import Clinic
from bot.content.forms import SURVEY, TEXT, load_forms
from bot.content.inbox import InboxWording
from bot.store.reports import HIDDEN, SENT, About
from bot.store.reports.adoption import HORIZONS
from bot.store.reports.escalations import (
    DEADLINES,
    ENDS,
    FALSE,
    LEFT_OUT,
    SEEN_TO,
    STAGES,
    TIERS,
    TRUE,
    UNKNOWN,
)
from bot.store.reports.small import added
from bot.web.inbox.report_charts import Chart, by_week

# The question at the end of a chat that asks why.
WHY = "why"
ALL = "all"
_FORMULA = ("=", "+", "-", "@", "\t", "\r")


@dataclass(frozen=True)
class Shown:
    """One table: `rows` have a label and as many cells as `head` has words after the first."""

    caption: str
    head: Sequence[str]
    rows: Sequence[tuple[str, Sequence[str]]]
    chart: Chart | None = None


@dataclass(frozen=True)
class Section:
    """A heading with tables; `notes` come before them, `empty` stands in their place."""

    id: str
    title: str
    tables: Sequence[Shown] = ()
    notes: Sequence[str] = field(default=())
    empty: str = ""


def about(clinic: Clinic) -> About:
    """What the figures need of the clinic."""
    forms = {
        form.id: {item.id: tuple(item.choices) if item.choices else None for item in form.items if item.kind != TEXT}
        for form in load_forms().values()
    }
    kept = timedelta(days=clinic.retention.unaccepted_days)
    return About(
        clinic.id, clinic.hours.zone, lambda tier, at: clinic.chain.deadline(tier, clinic.hours, at), kept, forms
    )


def is_empty(found: Mapping[str, Any]) -> bool:
    """Whether there is nothing in a report at all."""
    nobody = (found["conversations"]["opened"], found["escalations"]["total"], found["gaps"][ALL][ALL])
    asked = [form["n"] for form in found["surveys"].values()]
    return not any((*nobody, *asked, *found["answers"]))


def glance(found: Mapping[str, Any], words: InboxWording) -> list[tuple[str, str]]:
    """The few figures that come first."""
    passed_on, false = found["escalations"], found["false_alarms"]["each"]
    figures = {
        "alarms": _count(words, passed_on["rules"][ALL][ALL]),
        "met": _share(words, passed_on["deadlines"]["met"][ALL]),
        "taken": _lasted(words, passed_on["times"]["taken"][ALL]["median"]),
        "false": _number(words, None if false is None else round(100 * false, 1)),
        "started": _count(words, found["adoption"]["started"]),
    }
    return [(words.text(f"report_glance_{key}"), value) for key, value in figures.items()]


def sections(found: Mapping[str, Any], words: InboxWording) -> list[Section]:
    """Everything, in the order in which it is read."""
    makers: tuple[Callable[[Mapping[str, Any], InboxWording], Section], ...] = (
        _passed_on, _times, _deadlines, _rules, _notices, _people, _answers, _gaps, _surveys,
    )  # fmt: skip
    return [make(found, words) for make in makers]


def as_csv(found: Mapping[str, Any]) -> str:
    """Every figure as one line: its name, the row and column where it stands in a table, and the value."""
    made = io.StringIO()
    writer = csv.writer(made)
    writer.writerow(("figure", "row", "column", "value"))
    for line in _lines(found, ()):
        writer.writerow([_safe(cell) for cell in line])
    return made.getvalue()


def _passed_on(found: Mapping[str, Any], words: InboxWording) -> Section:
    part = found["escalations"]
    tiers = [*TIERS, ALL]
    rows = []
    for end in ENDS:
        sums = {tier: part["ends"]["rows"][tier][end] for tier in TIERS} | {ALL: part["ends"][ALL][end]}
        rows.append((words.word("report_end", end), _counts(words, [sums[tier] for tier in tiers])))
        inner = part["outcomes"].get(end)
        for outcome in [key for key in inner[ALL] if key != ALL] if inner else ():
            label = words.text("report_part_of", outcome=words.word("outcome", outcome))
            counts = [inner["rows"][tier][outcome] for tier in TIERS] + [inner[ALL][outcome]]
            rows.append((label, _counts(words, counts)))
    totals = [part["ends"]["rows"][tier][ALL] for tier in TIERS] + [part["total"]]
    rows.append((words.text("report_all"), _counts(words, totals)))
    head = [words.text("report_end"), *(words.word("tier", tier) for tier in TIERS), words.text("report_all")]
    return _section(words, "passed_on", [Shown(words.text("report_ends"), head, rows)])


def _times(found: Mapping[str, Any], words: InboxWording) -> Section:
    times = found["escalations"]["times"]
    head = [words.text("report_tier"), *(words.text(f"report_stage_{stage}") for stage in STAGES)]
    rows = [
        (_tier(words, tier), [_time(words, times[stage][tier]) for stage in STAGES]) for tier in (*TIERS, ALL)
    ]
    notes = [words.text("report_times_note")]
    return _section(words, "times", [Shown(words.text("report_times_caption"), head, rows)], notes)


def _deadlines(found: Mapping[str, Any], words: InboxWording) -> Section:
    part = found["escalations"]["deadlines"]
    kinds = "report_deadline", "tier"
    by_tier = _table(words, part["by_tier"], "report_deadlines_tier", "report_tier", DEADLINES, *kinds)
    rows = [
        (label, [*cells, _share(words, part["met"][tier])])
        for (label, cells), tier in zip(by_tier.rows, (*TIERS, ALL), strict=True)
    ]
    with_share = Shown(by_tier.caption, [*by_tier.head, words.text("report_share_head")], rows)
    weekly = _table(words, part["by_week"], "report_deadlines_week", "report_week", DEADLINES, "report_deadline")
    weekly = _charted(words, weekly, part["by_week"], "weeks")
    return _section(words, "deadlines", [with_share, weekly], [words.text("report_deadlines_note")])


def _rules(found: Mapping[str, Any], words: InboxWording) -> Section:
    part, false = found["escalations"]["rules"], found["false_alarms"]
    categories = _precision(words, part["by_category"], "category")
    every = _precision(words, {ALL: part[ALL]}, "category").rows
    rules = [
        row
        for category in part["by_rule"]
        for row in _precision(words, part["by_rule"][category], "rule", f"{category} ").rows
    ]
    tables = [
        Shown(categories.caption, categories.head, [*categories.rows, *every]),
        Shown(words.text("report_by_rule"), _precision(words, {}, "rule").head, rules),
        _precision(words, part["by_version"], "version"),
    ]
    counts = {key: _count(words, false[key]) for key in ("count", "conversations")}
    notes = [words.text("report_rules_note"), words.text("report_false_alarms", **counts)]
    return _section(words, "rules", [table for table in tables if table.rows], notes)


def _precision(words: InboxWording, rows: Mapping[str, Any], kind: str, before: str = "") -> Shown:
    """The rows of a table of alarms: right, false, left out, precision."""
    head = [words.text(f"report_{key}") for key in (kind, "right", "false", "left_out", "precision")]
    made = []
    for name, row in rows.items():
        label = words.text(f"report_{name}") if name in (ALL, UNKNOWN) else f"{before}{_category(name)}"
        left = added(row[SEEN_TO], row[LEFT_OUT])
        made.append((label, [*_counts(words, [row[TRUE], row[FALSE], left]), _share(words, row["precision"])]))
    return Shown(words.text(f"report_by_{kind}"), head, made)


def _category(name: str) -> str:
    """A kind of alarm with its name in words; the bare id where the rules no longer know it, and any other id."""
    try:
        return f"{name} {safety.load_rules().category(name).name}"
    except (KeyError, ValueError, OSError):
        return name


def _notices(found: Mapping[str, Any], words: InboxWording) -> Section:
    table = _table(
        words, found["notices"], "report_notices_caption", "report_channel", SENT, "report_sent", "report_channel"
    )
    return _section(words, "notices", [table])


def _people(found: Mapping[str, Any], words: InboxWording) -> Section:
    part, talks = found["adoption"], found["conversations"]
    began = ("opened", "accepted", "started", "known_people")
    flow = [(words.text(f"report_{key}"), [_count(words, part[key])]) for key in began]
    flow += [(words.text(f"report_talks_{key}"), [_count(words, count)]) for key, count in talks.items()]
    back = [
        (
            words.text(f"report_days_{days}"),
            [*_counts(words, [row["could"], row["active"]]), _share(words, row)],
        )
        for days, row in ((days, part["active"][str(days)]) for days in HORIZONS)
    ]
    use = [
        (
            words.text(f"report_{key}"),
            [_count(words, part[key]["n"]), _number(words, part[key]["median"]), _number(words, part[key]["p90"])],
        )
        for key in ("visits", "messages")
    ]
    tables = [
        Shown(words.text("report_flow"), _head(words, "figure", "number"), flow),
        Shown(words.text("report_active"), _head(words, "horizon", "could", "came", "share_head"), back),
        Shown(words.text("report_use"), _head(words, "figure", "people_counted", "median", "p90"), use),
    ]
    form = load_forms()[SURVEY]
    why = next((item for item in form.items if item.id == WHY), None)
    counted = found["surveys"].get(SURVEY, {}).get("items", {}).get(WHY)
    if why is not None and counted is not None:
        titles = why.choices or {}
        reasons = [(titles.get(choice, choice), [_count(words, count)]) for choice, count in counted["choices"].items()]
        reasons.append((words.text("report_all"), [_count(words, counted["n"])]))
        tables.append(Shown(words.text("report_stopping"), _head(words, "reason", "number"), reasons))
    return _section(words, "people", tables, [words.text("report_people_note"), words.text("report_active_note")])


def _answers(found: Mapping[str, Any], words: InboxWording) -> Section:
    rated = {row["answer"]: row for row in found["answers"]}
    codes: list[str] = [*next(iter(rated.values()))["reasons"]] if rated else []
    head = [*_head(words, "answer", "up", "down"), *(words.word("report_code", code) for code in codes)]
    rows = []
    for answer in found["most_disliked"]:
        row = rated[answer]
        cells = [row["up"], row["down"], *(row["reasons"][code] for code in codes)]
        rows.append((answer or words.text("report_no_answer_id"), _counts(words, cells)))
    if not rows:
        return _section(words, "answers", [], empty=words.text("report_answers_none"))
    return _section(words, "answers", [Shown(words.text("report_answers_caption"), head, rows)])


def _gaps(found: Mapping[str, Any], words: InboxWording) -> Section:
    part = found["gaps"]
    if not part["rows"]:
        return _section(words, "gaps", [], empty=words.text("report_gaps_none"))
    kinds = [kind for kind in part[ALL] if kind != ALL]
    table = _table(words, part, "report_gaps_caption", "report_week", kinds, "report_gap")
    return _section(words, "gaps", [_charted(words, table, part, "gaps")])


def _surveys(found: Mapping[str, Any], words: InboxWording) -> Section:
    tables = []
    for form, answered in found["surveys"].items():
        asked = load_forms().get(form)
        texts = {item.id: item for item in asked.items} if asked else {}
        rows = []
        for item, numbers in answered["items"].items():
            if "mean" in numbers:
                told = _number(words, numbers["mean"])
            else:
                titles = (texts[item].choices if item in texts else None) or {}
                pairs = numbers["choices"].items()
                told = "; ".join(f"{titles.get(choice, choice)}: {_count(words, count)}" for choice, count in pairs)
            rows.append((texts[item].text if item in texts else item, [_count(words, numbers["n"]), told]))
        caption = words.text("report_survey_caption", form=form, n=_count(words, answered["n"]))
        tables.append(Shown(caption, _head(words, "item", "answered", "mean_or_counts"), rows))
    return _section(words, "surveys", tables)


def _section(
    words: InboxWording, key: str, tables: Sequence[Shown], notes: Sequence[str] = (), empty: str = ""
) -> Section:
    return Section(key.replace("_", "-"), words.text(f"report_{key}"), tables, notes, empty)


def _table(
    words: InboxWording,
    table: Mapping[str, Any],
    caption: str,
    first: str,
    columns: Sequence[str],
    kind: str,
    rows: str = "",
) -> Shown:
    """A table with its sums. `kind` and `rows`: of which kind of code columns and rows are."""
    names = [*columns, ALL]
    head = [words.text(first), *(words.word(kind, column) for column in columns), words.text("report_all")]
    made = [
        (words.word(rows, name) if rows else name, _counts(words, [row[column] for column in names]))
        for name, row in table["rows"].items()
    ]
    made.append((words.text("report_all"), _counts(words, [table[ALL].get(column, 0) for column in names])))
    return Shown(words.text(caption), head, made)


def _charted(words: InboxWording, shown: Shown, table: Mapping[str, Any], key: str) -> Shown:
    chart = by_week({week: row[ALL] for week, row in table["rows"].items()}, words, f"report_chart_{key}")
    return Shown(shown.caption, shown.head, shown.rows, chart)


def _head(words: InboxWording, *keys: str) -> list[str]:
    return [words.text(f"report_{key}") for key in keys]


def _tier(words: InboxWording, tier: str) -> str:
    return words.text("report_all") if tier == ALL else words.word("tier", tier)


def _counts(words: InboxWording, counts: Sequence[int | str]) -> list[str]:
    return [_count(words, count) for count in counts]


def _count(words: InboxWording, count: int | str | None) -> str:
    if count is None:
        return words.text("report_not_known")
    return words.text("report_hidden") if count == HIDDEN else str(count)


def _number(words: InboxWording, number: float | None) -> str:
    return words.text("report_too_few") if number is None else f"{number:g}"


def _share(words: InboxWording, found: Mapping[str, Any]) -> str:
    if found["share"] is None:
        return words.text("report_too_few")
    rounded = {key: round(100 * found[key]) for key in ("share", "low", "high")}
    return words.text("report_share", **rounded)


def _time(words: InboxWording, found: Mapping[str, Any]) -> str:
    if found["median"] is None:
        return words.text("report_too_few")
    times = {key: _lasted(words, found[key]) for key in ("median", "p90")}
    return words.text("report_time_cell", n=_count(words, found["n"]), **times)


def _lasted(words: InboxWording, seconds: float | None) -> str:
    """A length of time, as people say it."""
    if seconds is None:
        return words.text("report_too_few")
    minutes = int(seconds // 60)
    hours, days = minutes // 60, minutes // 1440
    if not minutes:
        return words.text("report_seconds", seconds=round(seconds))
    if not hours:
        return words.text("time_minutes", minutes=minutes)
    if not days:
        return words.text("time_hours", hours=hours, minutes=minutes % 60)
    return words.text("time_days", days=days, hours=hours % 24)


def _lines(found: Any, path: tuple[str, ...]) -> Iterator[tuple[str, str, str, Any]]:
    """The figures of a part of the report, one by one."""
    if isinstance(found, Mapping) and {"rows", ALL} <= set(found):
        for name, row in [*found["rows"].items(), (ALL, found[ALL])]:
            for column, value in row.items():
                yield ".".join(path), name, column, value
        found = {key: value for key, value in found.items() if key not in ("rows", ALL)}
    if isinstance(found, Mapping):
        for key, value in found.items():
            yield from _lines(value, (*path, str(key)))
    elif isinstance(found, list):
        for place, value in enumerate(found, 1):
            named = value["answer"] if isinstance(value, Mapping) else str(place)
            rest = {key: one for key, one in value.items() if key != "answer"} if isinstance(value, Mapping) else value
            yield from _lines(rest, (*path, named))
    else:
        yield ".".join(path), "", "", "" if found is None else found


def _safe(cell: Any) -> Any:
    """A cell that no spreadsheet takes for a formula."""
    return f"'{cell}" if isinstance(cell, str) and cell.startswith(_FORMULA) else cell
