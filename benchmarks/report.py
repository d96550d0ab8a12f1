"""From the samples of all rounds to figures with their spread, the JSON file and the table of the README."""

from __future__ import annotations

import json
import statistics
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

OURS, STOCK, WHOLE = "ours", "stock", "whole"
START, END = "<!-- bench:start -->", "<!-- bench:end -->"


@dataclass(frozen=True)
class Row:
    """One line of the table. `whole`: the same is measured for our whole product too."""

    key: str
    title: str
    unit: str
    digits: int = 0
    whole: bool = False


ROWS = (
    Row("boot_s", "Start to first answer", "s", 1, whole=True),
    Row("memory_mb", "Memory after 50 turns (proportional set)", "MB", whole=True),
    Row("resident_mb", "Resident memory after 50 turns", "MB"),
    Row("p50_ms_1", "One turn, 1 client, median", "ms", 1, whole=True),
    Row("p95_ms_1", "One turn, 1 client, 95 of 100 within", "ms", 1, whole=True),
    Row("p50_ms_8", "One turn, 8 clients, median", "ms", 1, whole=True),
    Row("p95_ms_8", "One turn, 8 clients, 95 of 100 within", "ms", 1, whole=True),
    Row("per_second_1", "Turns a second, 1 client", "/s", whole=True),
    Row("per_second_8", "Turns a second, 8 clients", "/s", whole=True),
    Row("cpu_ms", "Processor time of a turn", "ms", 1, whole=True),
    Row("boot_cpu_s", "Processor time of the start", "s", 1),
    Row("training_s", "Training", "s", 0),
    Row("training_cpu_s", "Processor time of the training", "s", 0),
    Row("environment_mb", "Environment on disk", "MB"),
    Row("history_ms_10", "One turn after 10 events", "ms", 1),
    Row("history_ms_100", "One turn after 100 events", "ms", 1),
    Row("history_ms_1000", "One turn after 1000 events", "ms", 1),
    Row("routing_percent", "Held-out questions answered right outright", "%", 1),
    Row("offered_percent", "The same, or the right answer is offered as a button", "%", 1),
    Row("guess_percent", "Routing: best-ranked answer right", "%", 1),
    Row("precision_percent", "Of the questions answered, answered right", "%", 1),
    Row("outside_percent", "Messages outside its subjects wrongly answered", "%", 1),
)


@dataclass
class Samples:
    """All values measured: by row, by side, in the order of the rounds."""

    values: dict[str, dict[str, list[float]]] = field(default_factory=dict)

    def add(self, side: str, **found: float | None) -> None:
        for key, value in found.items():
            if value is not None:
                self.values.setdefault(key, {}).setdefault(side, []).append(float(value))

    def of(self, key: str, side: str) -> list[float]:
        return self.values.get(key, {}).get(side, [])

    def median(self, key: str, side: str) -> float | None:
        found = self.of(key, side)
        return statistics.median(found) if found else None

    def ratio(self, key: str, side: str = OURS) -> float | None:
        """Median over stock's median, both of this run."""
        mine, theirs = self.median(key, side), self.median(key, STOCK)
        return mine / theirs if mine is not None and theirs else None


def summary(samples: Samples, about: Mapping[str, Any]) -> dict[str, Any]:
    """The whole result: named figures at the top level, then every row with all its values."""
    ten, thousand = samples.median("history_ms_10", OURS), samples.median("history_ms_1000", OURS)
    routed = {side: samples.median("guess_percent", side) for side in (OURS, STOCK)}
    answered = {side: samples.median("routing_percent", side) for side in (OURS, STOCK)}
    figures = {
        "boot_ratio": samples.ratio("boot_s"),
        "rasa_memory_ratio": samples.ratio("memory_mb"),
        "total_memory_mb": samples.median("memory_mb", WHOLE),
        "turn_p50_ratio": samples.ratio("p50_ms_1"),
        "turn_p50_ratio_8": samples.ratio("p50_ms_8"),
        "turn_p50_ratio_whole": samples.ratio("p50_ms_1", WHOLE),
        "turns_per_s_ratio_8": samples.ratio("per_second_8"),
        "turns_per_s_ratio_8_whole": samples.ratio("per_second_8", WHOLE),
        "cpu_per_turn_ratio": samples.ratio("cpu_ms"),
        "history_growth_1000": thousand / ten if ten and thousand else None,
        "environment_mb": samples.median("environment_mb", OURS),
        "training_s": samples.median("training_s", OURS),
        "routing_accuracy": _share(routed[OURS]),
        "stock_routing_accuracy": _share(routed[STOCK]),
        "answered_right": _share(answered[OURS]),
        "stock_answered_right": _share(answered[STOCK]),
    }
    rows = [
        {
            "key": row.key,
            "title": row.title,
            "unit": row.unit,
            "ratio": _rounded(samples.ratio(row.key)),
            **{side: _spread(found) for side in (OURS, WHOLE, STOCK) if (found := samples.of(row.key, side))},
        }
        for row in ROWS
        if row.key in samples.values
    ]
    return {**{name: _rounded(value) for name, value in figures.items()}, **about, "rows": rows}


def table(samples: Samples, about: Mapping[str, Any]) -> str:
    """The Markdown table, with the machine above it and what to know when reading it below."""
    machine = about["machine"]
    lines = [
        f"Measured on {about['at'][:10]}: {machine['cores']} cores of {machine['processor']}, "
        f"{machine['memory_gb']} GB, Python {machine['python']}; median of {about['rounds']} rounds "
        "(lowest to highest).",
        "",
        "| | our Rasa process | stock Rasa | ratio | our whole product |",
        "|---|---|---|---|---|",
    ]
    for row in ROWS:
        if row.key not in samples.values:
            continue
        cells = [_cell(samples.of(row.key, side), row) for side in (OURS, STOCK)]
        ratio = samples.ratio(row.key)
        cells.append(f"{ratio:.2f}" if ratio is not None else "")
        cells.append(_cell(samples.of(row.key, WHOLE), row) if row.whole else "")
        lines.append(f"| {row.title} | {' | '.join(cells)} |")
    lines += ["", *(f"- {note}" for note in about["notes"])]
    return "\n".join(lines)


def write(folder: Path, readme: Path, samples: Samples, about: Mapping[str, Any]) -> dict[str, Any]:
    """Write ``latest.json``, and the table between the README's marks if it has them. Returns the result."""
    result = summary(samples, about)
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "latest.json").write_text(json.dumps(result, indent=2) + "\n", encoding="utf-8")
    shown = table(samples, about)
    (folder / "latest.md").write_text(shown + "\n", encoding="utf-8")
    if readme.exists():
        text = readme.read_text(encoding="utf-8")
        before, start, rest = text.partition(START)
        _, end, after = rest.partition(END)
        if start and end:
            readme.write_text(f"{before}{START}\n{shown}\n{END}{after}", encoding="utf-8")
    return result


def _cell(values: Sequence[float], row: Row) -> str:
    if not values:
        return ""
    spread = (statistics.median(values), min(values), max(values))
    middle, low, high = (f"{value:.{row.digits}f}" for value in spread)
    unit = row.unit if row.unit == "%" else f" {row.unit}"
    return f"{middle}{unit}" + (f" ({low} to {high})" if low != high else "")


def _spread(values: Sequence[float]) -> dict[str, Any]:
    return {
        "median": round(statistics.median(values), 3),
        "low": round(min(values), 3),
        "high": round(max(values), 3),
        "values": [round(value, 3) for value in values],
    }


def _share(percent: float | None) -> float | None:
    return percent / 100 if percent is not None else None


def _rounded(value: float | None) -> float | None:
    return round(value, 4) if value is not None else None
