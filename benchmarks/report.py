"""The results as files: the JSON of everything, the tables in ``results``, the README and ``docs/performance.md``."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from benchmarks import scale
from benchmarks.bars import bars, figures
from benchmarks.results import Part, all_samples, newest_run, older
from benchmarks.stats import spread
from benchmarks.tables import BESIDE, OLDER_MARK, TABLES, bars_table, table

START, END = "<!-- bench:start -->", "<!-- bench:end -->"
JSON_FILE, TABLES_FILE = "latest.json", "latest.md"
_NOTES = (
    "Our Rasa process is spoken to through its real channel, with the message's reading as the web app sends it, and "
    "keeps every turn in SQLite; stock Rasa answers over its REST channel and keeps conversations in memory.",
    "Our whole product is three processes (web app, Rasa, actions) behind the patient API: screening, event log, "
    "reading and reply by Server-Sent Events are in each turn, and every commit of the event log reaches the disk. The "
    "bars of a turn and of turns a second are about it. The load generator shares the cores with everything.",
    "Stock Rasa: 3.6.21, the configuration of `rasa init`, trained on the same intents, answers and rules.",
)  # fmt: skip


def summary(parts: Mapping[str, Part]) -> dict[str, Any]:
    """The whole result: named figures at the top level, the bars, every row with all its values, and the parts."""
    samples, newest = all_samples(parts), newest_run(parts)
    latest = [part for part in parts.values() if part.run == newest]
    rows: dict[str, dict[str, Any]] = {}
    for about in TABLES:
        for row in about.rows:
            sides = {side: spread(found) for side, found in samples.values.get(row.key, {}).items() if found}
            if sides:
                rows[row.key] = {"key": row.key, "title": row.title, "unit": row.unit, **sides}
    turns = parts.get("turns")
    return {
        **figures(parts),
        "bars": bars(parts),
        "run": newest,
        "at": max((part.at for part in latest), default=""),
        "commit": latest[0].commit if latest else "",
        "machine": latest[0].machine if latest else {},
        "older_parts": {name: {"at": parts[name].at, "commit": parts[name].commit} for name in older(parts)},
        "failed_parts": {name: part.failed for name, part in parts.items() if part.failed},
        "turns": turns.about.get("turns", {}) if turns else {},
        "failures": turns.about.get("failures", {}) if turns else {},
        "routing": parts["routing"].about if "routing" in parts else {},
        "scale_explained": scale.explained(parts["scale"]) if "scale" in parts else [],
        "notes": _notes(parts),
        "rows": list(rows.values()),
        "parts": {name: part.as_dict() for name, part in parts.items()},
    }


def short(parts: Mapping[str, Part]) -> str:
    """What the README shows: the bars, ours beside stock, and where the rest is."""
    lines = [*_head(parts), *bars_table(bars(parts), older(parts)), "", *table(BESIDE, parts), "", *_below(parts)]
    return "\n".join([*lines, "", "More: `docs/performance.md`, `docs/scale.md`, `benchmarks/README.md`."])


def full(parts: Mapping[str, Part]) -> str:
    """All tables."""
    lines = [*_head(parts), "### Bars", "", *bars_table(bars(parts), older(parts)), ""]
    for about in TABLES:
        found = table(about, parts)
        if found:
            lines += [f"### {about.title}", "", *found, ""]
    if "scale" in parts:
        lines += [*(f"- {line}" for line in scale.explained(parts["scale"])), ""]
    return "\n".join([*lines, *(f"- {note}" for note in _notes(parts))])


def write(folder: Path, parts: Mapping[str, Part], pages: Mapping[Path, str]) -> dict[str, Any]:
    """Write the JSON and the tables into `folder`, and the texts of `pages` between their marks. Returns the result."""
    result = summary(parts)
    folder.mkdir(parents=True, exist_ok=True)
    (folder / JSON_FILE).write_text(json.dumps(result, indent=1) + "\n", encoding="utf-8")
    (folder / TABLES_FILE).write_text(full(parts) + "\n", encoding="utf-8")
    for page, text in pages.items():
        between_marks(page, text)
    return result


def between_marks(page: Path, text: str, start: str = START, end: str = END) -> bool:
    """Puts `text` between a page's marks. Says whether it has them."""
    if not page.exists():
        return False
    before, found, rest = page.read_text(encoding="utf-8").partition(start)
    _, closed, after = rest.partition(end)
    if not (found and closed):
        return False
    page.write_text(f"{before}{start}\n{text}\n{end}{after}", encoding="utf-8")
    return True


def _head(parts: Mapping[str, Part]) -> list[str]:
    """When, where and how; what is of an earlier run, or failed."""
    newest = newest_run(parts)
    latest = [part for part in parts.values() if part.run == newest]
    if not latest:
        return ["Nothing has been measured yet.", ""]
    one, rounds = latest[0], sorted({part.rounds for part in latest if part.rounds > 1})
    about = one.machine
    lines = [
        f"Measured on {one.at[:10]} at {one.commit or 'an unknown commit'}: {about.get('cores')} cores of "
        f"{about.get('processor')}, {about.get('memory_gb')} GB, Python {about.get('python')}; median of "
        f"{_listed(rounds)} rounds (lowest to highest).",
    ]
    aged = [f"{name} ({parts[name].at[:16]} at {parts[name].commit or '?'})" for name in older(parts)]
    if aged:
        lines += ["", f"{OLDER_MARK} of an earlier run, not to be set beside the others: {', '.join(aged)}."]
    if any(part.quick for part in parts.values()):
        lines += ["", "**Some of it is of a quick run, which shows that the measuring works and nothing else.**"]
    lines += [line for name, part in parts.items() if part.failed for line in ("", f"**{name} failed**: {part.failed}")]
    return [*lines, ""]


def _below(parts: Mapping[str, Part]) -> list[str]:
    part = parts.get("scale")
    return [f"Several processes: {line}" for line in scale.explained(part)[:1]] if part else []


def _notes(parts: Mapping[str, Part]) -> list[str]:
    return [*_NOTES, *(note for part in parts.values() for note in part.notes)]


def _listed(rounds: Sequence[int]) -> str:
    return " or ".join(str(count) for count in rounds) or "one"
