"""``pne export research``: what those who agreed have done, under codes, as CSV and JSON with a code book.

Nothing of fewer than five people is given: not an export of so few, and no measure, way in which a lesson ended, option
of a question, belief or factor that fewer have. Weeks stand in place of dates, and no words of a person are ever read.
docs/research.md says what can be seen in spite of it.
"""

from __future__ import annotations

import csv
import hashlib
import hmac
import io
import json
from collections import defaultdict
from collections.abc import Callable, Collection, Hashable, Iterable, Mapping
from datetime import tzinfo
from pathlib import Path
from typing import Any, NamedTuple

from bot.content.tutor import load_lines
from bot.store import learning
from bot.store.reports.small import FEWEST
from bot.store.session import Database
from bot.tutor import research, study
from bot.tutor.journal import Entry, Journal

# The categories of a row: one whose categories fewer than five people have together is left out. A lesson's own week or
# a number on a scale is no category.
CATEGORIES = {
    study.PEOPLE: (),
    study.MEASURES: ("measure",),
    study.LESSONS: ("lesson", "how"),
    study.ANSWERS: ("question", "option", "at"),
    study.BELIEFS: ("belief", "point"),
    study.FACTORS: ("factor",),
}
# Yes or no beside what a row is about: where fewer than five people have one of its values, the column is empty for all
# rows of these categories, as the rest of the row matters more.
ASIDES = {study.PEOPLE: "returns", study.MEASURES: "in_window"}


def collect(db: Database, clinic: str, named: str, zone: tzinfo, secret: str) -> Export:
    """All tables of a clinic, of those who take part in the study that its document names (`named`) now. `secret` makes
    the codes: who has it can tell whether a code is a given conversation's. Raises TooFew."""
    tables: dict[str, list[study.Row]] = {name: [] for name in study.tables()}
    people = 0
    with db.of(clinic).read() as session:
        for who, rows in learning.journals(session):
            journal = Journal(tuple(Entry(row.kind, row.key, row.value, row.at) for row in rows))
            part = research.part(journal, named)
            if part is None:
                continue
            people += 1
            for name, found in study.rows(code(secret, clinic, who), part, zone).items():
                tables[name] += found
    if people < FEWEST:
        raise TooFew
    tables = {name: _without_asides(name, _common(name, rows)) for name, rows in tables.items()}
    finished = {lesson for row in tables[study.PEOPLE] for lesson in row["lessons"]}
    given = {row["lesson"] for row in tables[study.LESSONS] if row["how"] == study.FINISHED}
    _close(tables, given)
    return Export(named, {name: sorted(rows, key=_order) for name, rows in tables.items()}, len(finished - given))


def code(secret: str, clinic: str, who: str) -> str:
    """A person's code. It cannot be turned back without the secret."""
    return hmac.new(secret.encode(), f"research/{clinic}/{who}".encode(), hashlib.sha256).hexdigest()[:16]


def write(folder: Path, export: Export) -> list[Path]:
    """Each table as CSV and JSON, and the code book. Nobody else can read the files: mode 0600."""
    folder.mkdir(parents=True, exist_ok=True)
    columns = study.tables()
    made = []
    for name, rows in export.tables.items():
        made.append(_file(folder / f"{name}.csv", as_csv(list(columns[name]), rows)))
        made.append(_file(folder / f"{name}.json", json.dumps(rows, indent=1, ensure_ascii=False) + "\n"))
    made.append(_file(folder / "codebook.json", json.dumps(codebook(export), indent=1, ensure_ascii=False) + "\n"))
    return made


def codebook(export: Export) -> dict[str, Any]:
    """What every table and column means, and which rules the export keeps."""
    lines = load_lines("research")
    return {
        "study": export.study,
        "consent": research.consent(export.study),
        "consent_version": research.VERSION,
        "consent_words": lines.bubbles("ask", study=export.study),
        "fewest_people": FEWEST,
        "lessons_left_out": export.lessons_left_out,
        "minutes_in_steps_of": study.STEP,
        "schedule": load_lines("measures").rest["schedule"],
        "rules": lines.rest["rules"],
        "tables": lines.rest["tables"],
    }


def as_csv(columns: list[str], rows: list[study.Row]) -> str:
    """A table as CSV with a header line."""
    out = io.StringIO()
    writer = csv.DictWriter(out, columns, lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    return out.getvalue()


def _common(name: str, rows: Iterable[study.Row]) -> list[study.Row]:
    """The rows whose categories enough people have."""
    rows = list(rows)
    enough = _enough(rows, lambda row: [_category(name, row)])
    return [row for row in rows if _category(name, row) in enough]


def _category(name: str, row: study.Row) -> Hashable:
    chosen = name == study.MEASURES and row["measure"] == study.CHOSEN
    return (*(row[column] for column in CATEGORIES[name]), row["value"] if chosen else None)


def _without_asides(name: str, rows: list[study.Row]) -> list[study.Row]:
    """The rows; what stands beside their categories only where enough people have each of its values."""
    aside = ASIDES.get(name)
    if aside is None:
        return rows
    enough = _enough(rows, lambda row: [(_subject(name, row), row[aside])])
    rare = {_subject(name, row) for row in rows if (_subject(name, row), row[aside]) not in enough}
    return [row | {aside: None} if _subject(name, row) in rare else row for row in rows]


def _subject(name: str, row: study.Row) -> Hashable:
    return tuple(row[column] for column in CATEGORIES[name])


def _close(tables: Mapping[str, list[study.Row]], given: Collection[str]) -> None:
    """Lessons that are not given are neither named nor counted, for a difference of counts would tell of them."""
    for row in tables[study.PEOPLE]:
        row["lessons"] = len([lesson for lesson in row["lessons"] if lesson in given])
    scores = tables[study.MEASURES]
    for measure in {row["measure"] for row in scores}:
        of_it = [row for row in scores if row["measure"] == measure]
        named = _enough(of_it, lambda row: row["which_before"]) & set(given)
        for row in of_it:
            which = [lesson for lesson in row["which_before"] if lesson in named]
            row |= {"which_before": " ".join(which), "lessons_before": len(which)}


def _enough(rows: Iterable[study.Row], values: Callable[[study.Row], Iterable[Hashable]]) -> set[Hashable]:
    """The values that enough people have."""
    who: defaultdict[Hashable, set[str]] = defaultdict(set)
    for row in rows:
        for value in values(row):
            who[value].add(row["person"])
    return {value for value, people in who.items() if len(people) >= FEWEST}


def _order(row: study.Row) -> tuple[str, str]:
    """By code, which says nothing of who came first."""
    return row["person"], json.dumps(row, sort_keys=True)


def _file(path: Path, text: str) -> Path:
    path.touch(mode=0o600)
    path.write_text(text, encoding="utf-8")
    return path


class Export(NamedTuple):
    """The tables of a study, and how many lessons are left out of them because too few people finished them."""

    study: str
    tables: dict[str, list[study.Row]]
    lessons_left_out: int


class TooFew(ValueError):
    """Fewer people have agreed than an export may be about."""
