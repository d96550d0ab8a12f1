"""``pne export research``: what those who agreed have done, under codes, as CSV and JSON with a code book.

Nothing of fewer than five people is given: not an export of so few, and no measure, lesson, question, belief or factor
that fewer have. Days stand in place of dates, and no words of a person are ever read."""

from __future__ import annotations

import csv
import hashlib
import hmac
import io
import json
from collections.abc import Iterator, Mapping
from datetime import tzinfo
from pathlib import Path
from typing import Any

from bot.content.tutor import load_lines
from bot.store import learning
from bot.store.reports.small import FEWEST
from bot.store.session import Database
from bot.tutor import research, study
from bot.tutor.journal import Entry, Journal

# By which column a row is about something that too few people may have.
ABOUT = {"measures": "measure", "lessons": "lesson", "answers": "question", "beliefs": "belief", "factors": "factor"}


class TooFew(ValueError):
    """Fewer people have agreed than an export may be about."""


def collect(db: Database, clinic: str, zone: tzinfo, secret: str) -> dict[str, list[study.Row]]:
    """All tables of a clinic. `secret` makes the codes: who has it can tell whether a code is a given conversation's.
    Raises TooFew."""
    tables: dict[str, list[study.Row]] = {name: [] for name in study.tables()}
    people = 0
    with db.of(clinic).read() as session:
        for who, rows in learning.journals(session):
            journal = Journal(tuple(Entry(row.kind, row.key, row.value, row.at) for row in rows))
            if not research.takes_part(journal):
                continue
            people += 1
            for name, found in study.rows(code(secret, clinic, who), journal, zone).items():
                tables[name] += found
    if people < FEWEST:
        raise TooFew
    return {name: sorted(_common(name, rows), key=_order) for name, rows in tables.items()}


def code(secret: str, clinic: str, who: str) -> str:
    """A person's code. It cannot be turned back without the secret."""
    return hmac.new(secret.encode(), f"research/{clinic}/{who}".encode(), hashlib.sha256).hexdigest()[:16]


def write(folder: Path, tables: Mapping[str, list[study.Row]]) -> list[Path]:
    """Each table as CSV and JSON, and the code book. Files of its own alone can be read by others: mode 0600."""
    folder.mkdir(parents=True, exist_ok=True)
    columns = study.tables()
    made = []
    for name, rows in tables.items():
        made.append(_file(folder / f"{name}.csv", as_csv(list(columns[name]), rows)))
        made.append(_file(folder / f"{name}.json", json.dumps(rows, indent=1, ensure_ascii=False) + "\n"))
    made.append(_file(folder / "codebook.json", json.dumps(codebook(), indent=1, ensure_ascii=False) + "\n"))
    return made


def codebook() -> dict[str, Any]:
    """What every table and column means, and which rules the export keeps."""
    lines = load_lines("research")
    return {
        "consent_version": research.VERSION,
        "fewest_people": FEWEST,
        "minutes_in_steps_of": study.STEP,
        "schedule": load_lines("measures").rest["schedule"],
        "tables": lines.rest["tables"],
    }


def as_csv(columns: list[str], rows: list[study.Row]) -> str:
    """A table as CSV with a header line."""
    out = io.StringIO()
    writer = csv.DictWriter(out, columns, lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    return out.getvalue()


def _common(name: str, rows: list[study.Row]) -> Iterator[study.Row]:
    """The rows whose subject enough people have."""
    column = ABOUT.get(name)
    who: dict[Any, set[str]] = {}
    for row in rows:
        who.setdefault(row.get(column or ""), set()).add(row["person"])
    return (row for row in rows if column is None or len(who[row[column]]) >= FEWEST)


def _order(row: study.Row) -> tuple[str, str]:
    """By code, which says nothing of who came first."""
    return row["person"], json.dumps(row, sort_keys=True)


def _file(path: Path, text: str) -> Path:
    path.touch(mode=0o600)
    path.write_text(text, encoding="utf-8")
    return path
