"""The figures as Markdown tables: median, and lowest to highest beside it where the rounds differ."""

from __future__ import annotations

import statistics
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from benchmarks.results import CORE, ONE, OURS, POSTGRES, STOCK, TWO, WHOLE, Part, Samples, all_samples, older, part_of

OLDER_MARK = "†"


@dataclass(frozen=True)
class Row:
    """One line of a table."""

    key: str
    title: str
    unit: str
    digits: int = 0


@dataclass(frozen=True)
class Table:
    """`columns`: side and heading. `ratios`: side over side, and heading. `short`: also in the project's README."""

    title: str
    columns: tuple[tuple[str, str], ...]
    rows: tuple[Row, ...]
    ratios: tuple[tuple[str, str, str], ...] = ()
    short: bool = False


def turn_rows(clients: int) -> tuple[Row, ...]:
    who = f"{clients} client" + ("s" if clients > 1 else "")
    return (
        Row(f"p50_ms_{clients}", f"One turn, {who}, median", "ms", 1),
        Row(f"p95_ms_{clients}", f"One turn, {who}, 95 of 100 within", "ms", 1),
        Row(f"p99_ms_{clients}", f"One turn, {who}, 99 of 100 within", "ms", 1),
        Row(f"per_second_{clients}", f"Turns a second, {who}", "/s"),
        Row(f"unanswered_{clients}", f"Turns without an answer, {who}", "%", 1),
    )


def _scale_rows(clients: int) -> tuple[Row, ...]:
    names = ("web", "rasa", "postgres", "redis", "generator")
    return (
        Row(f"scale_per_second_{clients}", f"Turns a second, {clients} clients", "/s"),
        Row(f"scale_p50_ms_{clients}", f"One turn, {clients} clients, median", "ms"),
        Row(f"scale_p95_ms_{clients}", f"One turn, {clients} clients, 95 of 100 within", "ms"),
        Row(f"scale_busy_cores_{clients}", "Cores that the processes kept busy", "", 2),
        Row(f"scale_idle_percent_{clients}", "Idle share of the machine's cores", "%"),
        Row(f"scale_cpu_ms_{clients}", "Processor time of a turn, all processes", "ms", 1),
        *(Row(f"scale_cpu_{name}_ms_{clients}", f"of that: {name}", "ms", 1) for name in names),
        Row(f"scale_redis_commands_{clients}", "Redis commands of a turn", "", 1),
    )


_PRODUCT = ((WHOLE, "SQLite"), (POSTGRES, "PostgreSQL"))
BESIDE = Table(
    "Beside stock Rasa",
    ((OURS, "our Rasa process"), (WHOLE, "our whole product, SQLite"), (POSTGRES, "the same, PostgreSQL"),
     (STOCK, "stock Rasa")),
    (
        Row("boot_s", "Start to first answer", "s", 1),
        Row("memory_mb", "Memory after 50 turns (proportional set)", "MB"),
        *turn_rows(1),
        *turn_rows(8),
        *turn_rows(32),
        Row("cpu_ms", "Processor time of a turn", "ms", 1),
        Row("training_s", "Training", "s"),
        Row("environment_mb", "Environment on disk", "MB"),
        Row("guess_percent", "Held-out questions: best-ranked answer right", "%", 1),
        Row("routing_percent", "Held-out questions answered right outright", "%", 1),
        Row("offered_percent", "The same, or the right answer is offered as a button", "%", 1),
        Row("precision_percent", "Of the questions answered, answered right", "%", 1),
        Row("outside_percent", "Messages outside its subjects wrongly answered", "%", 1),
    ),
    ((OURS, STOCK, "Rasa / stock"), (WHOLE, STOCK, "whole / stock"), (POSTGRES, STOCK, "on PostgreSQL / stock")),
    short=True,
)  # fmt: skip
TABLES = (
    BESIDE,
    Table(
        "By process (one client; memory after 50 turns, and after all turns)",
        _PRODUCT,
        (
            *(Row(f"ready_{name}_s", f"{name}: start until it answers, all starting at once", "s", 1)
              for name in ("web", "rasa", "actions")),
            *(Row(f"memory_{name}_mb", f"{name}: memory", "MB") for name in ("web", "rasa", "actions")),
            Row("memory_after_mb", "All three after all turns", "MB"),
            Row("memory_postgres_mb", "PostgreSQL: memory", "MB"),
            *(Row(f"cpu_{name}_ms", f"{name}: processor time of a turn", "ms", 1)
              for name in ("web", "rasa", "actions", "postgres", "generator")),
            Row("cpu_ms_8", "All that serve: processor time of a turn, 8 clients", "ms", 1),
            Row("busy_percent_8", "All cores' busy share, 8 clients", "%"),
            Row("generator_core_8", "The load generator's share of one core, 8 clients", "%"),
            Row("opening_ms", "Opening a chat: session, stream, notice accepted", "ms", 1),
            Row("kept_kb", "Kept in the databases a turn", "kB", 1),
            Row("wal_kb", "Write-ahead log of a turn", "kB", 1),
            Row("commits", "Transactions of a turn, reading ones too", "", 1),
            Row("flushes", "Flushes to disk of a turn", "", 1),
            Row("written_rows", "Rows written in a turn", "", 1),
        ),
    ),
    Table(
        "Long conversations (SQLite)",
        ((OURS, "Rasa's channel"), (WHOLE, "patient API")),
        (
            *(Row(f"history_ms_{size}", f"One turn after {size} events", "ms", 1) for size in (10, 100, 1000)),
            Row("read_last_ms", "Reading the last 5 of 1000 events", "ms", 1),
            Row("read_all_ms", "Reading all 1000 events", "ms", 1),
        ),
    ),
    Table(
        "1,000 open chats",
        ((WHOLE, "web process"),),
        (
            Row("chats_web_before_mb", "Memory before", "MB"),
            Row("chats_web_mb", "Memory with all chats open, after the replies", "MB"),
            Row("chats_idle_core_percent", "Processor while nobody says anything, of one core", "%", 1),
            Row("chats_reply_p50_ms", "A clinician's reply seen, median", "ms"),
            Row("chats_reply_p95_ms", "95 of 100 within", "ms"),
            Row("chats_reply_p99_ms", "99 of 100 within", "ms"),
        ),
    ),
    Table(
        "The inbox with 2,000 open items",
        _PRODUCT,
        (
            Row("inbox_page_ms", "First page, median", "ms"),
            Row("inbox_page_p95_ms", "First page, 95 of 100 within", "ms"),
            Row("inbox_far_page_ms", "Ninth page, median", "ms"),
            Row("inbox_part_ms", "The part that a change reloads, median", "ms"),
        ),
    ),
    Table(
        "Screening, training, size",
        ((OURS, "ours"),),
        (
            *(Row(f"screening_p{percent}_ms", f"Screening one message, {title}", "ms", 1)
              for percent, title in ((50, "median"), (95, "95 of 100 within"), (99, "99 of 100 within"))),
            *(Row(f"rules_p{percent}_ms", f"The rules alone, {title}", "ms", 1)
              for percent, title in ((50, "median"), (95, "95 of 100 within"), (99, "99 of 100 within"))),
            Row("training_s", "Training our Rasa model", "s"),
            Row("soft_training_s", "Training the safety's soft layer", "s"),
            Row("image_mb", "Image", "MB"),
        ),
    ),
    Table(
        "Several processes (PostgreSQL, Redis)",
        ((ONE, "1 web + 1 Rasa"), (TWO, "2 web + 2 Rasa"), (CORE, "1 + 1, everything on one core")),
        (*_scale_rows(8), *_scale_rows(32)),
        ((TWO, ONE, "2 + 2 / 1 + 1"), (TWO, CORE, "two cores / one core")),
    ),
)  # fmt: skip


def table(about: Table, parts: Mapping[str, Part]) -> list[str]:
    """Lines of one table; none where nothing of it was measured. Rows of an older run carry a mark."""
    samples, aged = all_samples(parts), set(older(parts))
    sides = [side for side, _ in about.columns]
    rows = [row for row in about.rows if any(samples.of(row.key, side) for side in sides)]
    if not rows:
        return []
    headings = [heading for _, heading in about.columns] + [heading for _, _, heading in about.ratios]
    lines = [f"| | {' | '.join(headings)} |", "|---" * (len(headings) + 1) + "|"]
    for row in rows:
        part = part_of(parts, row.key)
        mark = f" {OLDER_MARK}" if part is not None and part.name in aged else ""
        cells = [cell(samples.of(row.key, side), row) for side in sides]
        cells += [_ratio(samples, row, side, to) for side, to, _ in about.ratios]
        lines.append(f"| {row.title}{mark} | {' | '.join(cells)} |")
    return lines


def bars_table(bars: Iterable[Mapping[str, object]], aged: Sequence[str]) -> list[str]:
    """Lines of the table of bars."""
    lines = ["| Bar | Asked | Measured | Met |", "|---|---|---|---|"]
    for bar in bars:
        met = {True: "yes", False: "**no**", None: "not measured"}[bar["met"]]  # type: ignore[index]
        value = bar["measured"]
        shown = "" if value is None else f"{value:.2f}" if float(value) < 20 else f"{value:.0f}"  # type: ignore
        mark = f" {OLDER_MARK}" if bar["part"] in aged else ""
        lines.append(f"| {bar['name']}{mark} | {bar['bar']} | {shown} | {met} |")
    return lines


def cell(values: Sequence[float], row: Row) -> str:
    if not values:
        return ""
    spread = (statistics.median(values), min(values), max(values))
    middle, low, high = (f"{value:.{row.digits}f}" for value in spread)
    unit = row.unit if row.unit in ("%", "") else f" {row.unit}"
    return f"{middle}{unit}" + (f" ({low} to {high})" if low != high else "")


def _ratio(samples: Samples, row: Row, side: str, to: str) -> str:
    found = samples.ratio(row.key, side, to)
    return f"{found:.2f}" if found is not None else ""
