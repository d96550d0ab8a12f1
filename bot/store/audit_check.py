"""Whether an audit is whole: each row's hash, the order, the end. For the database, and for a file that was exported.

What a clinic's own database cannot show, where somebody has rewritten all of it, is found with a hash that was kept
elsewhere (`expect`). Rows are read in pieces, each in a transaction of its own: a million of them fill no memory and
hold nobody up.
"""

from __future__ import annotations

import csv
import io
import itertools
import json
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from datetime import datetime
from pathlib import Path
from typing import Any, TextIO

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from bot.store.audit import row_hash
from bot.store.models import Audit, AuditHead
from bot.store.session import Database

PIECE = 2_000
# What is wrong with a row: it is not what was written; rows before it are gone; it stands where it was not written;
# its number is there twice; rows after it are gone; it was added past the end; the row that was expected is not there.
CHANGED, MISSING, ORDER, TWICE = "changed", "missing", "out_of_order", "twice"
CUT, ADDED, UNEXPECTED = "cut_off", "added", "not_as_expected"
COLUMNS = ("clinic", "seq", "at", "actor", "act", "subject", "details", "before", "hash")
# A spreadsheet must not take a cell for a formula.
_FORMULA = ("=", "+", "-", "@", "\t", "\r", "'")


class NotAnExport(ValueError):
    """A file is not an audit export, or not a whole one. Says which line."""


@dataclass(frozen=True)
class Fault:
    """The first thing that is wrong: what, and at which number."""

    what: str
    seq: int


@dataclass(frozen=True)
class Checked:
    """What was found: `rows` were looked at, up to number `seq` with the hash `hash`; `since`: the first number."""

    clinic: str
    rows: int
    since: int
    seq: int
    hash: str
    fault: Fault | None


@dataclass(frozen=True)
class Line:
    """One row as it stands in the database or in a file. `id`: the order in which the database wrote it; `before`: the
    hash that a file gives for the row before."""

    clinic: str
    seq: int
    at: datetime
    actor: str
    act: str
    subject: str
    details: dict[str, Any]
    hash: str
    id: int | None = None
    before: str | None = None

    def hash_after(self, before: str) -> str:
        return row_hash(before, self.clinic, self.seq, self.at, self.actor, self.act, self.subject, self.details)


def clinics(session: Session) -> list[str]:
    """The clinics that have an audit, or had one."""
    named = select(AuditHead.clinic).union(select(Audit.clinic))
    return sorted(session.execute(named).scalars())


def check(db: Database, clinic: str, expect: str = "", newest: int | None = None) -> Checked:
    """Walks the clinic's chain to its end and stops at the first fault.

    `expect`: the hash of a row that must be in it. `newest`: only the last so many rows, beginning with the hash that
    the row before them has. Raises DatabaseUnavailable.
    """
    start, before = _start(db, clinic, newest)
    walk = _Walk(clinic, start, before, expect)
    while True:
        for line in lines(db, clinic, walk.seq if walk.taken or start else None):
            if not walk.take(line):
                return _named(db, line, walk.result())
        with db.read() as session:
            # Read after the rows: what was added meanwhile is behind them, and is walked too.
            seq, made = _head(session, clinic)
            more = select(Audit.id).where(Audit.clinic == clinic, Audit.seq > walk.seq).limit(1)
            if session.execute(more).first() is None:
                return walk.end(seq, made)


def check_file(path: Path, expect: str = "") -> list[Checked]:
    """The same for a file of `exported`; of a part of the audit, for that part. Raises NotAnExport, OSError."""
    walks: dict[str, _Walk] = {}
    with path.open(encoding="utf-8", newline="") as stream:
        for line in _read(stream):
            walk = walks.get(line.clinic)
            if walk is None:
                walk = walks[line.clinic] = _Walk(line.clinic, line.seq - 1, line.before or "", expect)
            if walk.fault is None:
                walk.take(line)
    if not walks:
        raise NotAnExport("there is no row in it")
    return [walk.end(walk.seq, walk.hash) if walk.fault is None else walk.result() for walk in walks.values()]


def lines(db: Database, clinic: str, after: int | None = None, until: int | None = None) -> Iterator[Line]:
    """The clinic's rows with numbers above `after` and up to `until`, in order. Raises DatabaseUnavailable."""
    columns = (getattr(Audit, name) for name in (*COLUMNS, "id") if name != "before")
    wanted = select(*columns).where(Audit.clinic == clinic).order_by(Audit.seq, Audit.id).limit(PIECE)
    if until is not None:
        wanted = wanted.where(Audit.seq <= until)
    piece = wanted if after is None else wanted.where(Audit.seq > after)
    while True:
        with db.read() as session:
            found = [Line(**row._mapping) for row in session.execute(piece)]
        yield from found
        if len(found) < PIECE:
            return
        # From the last number on and not after it: a number that is there twice must not be passed over.
        last = found[-1]
        piece = wanted.where(Audit.seq >= last.seq, (Audit.seq > last.seq) | (Audit.id > (last.id or 0)))


def span(session: Session, clinic: str, since: datetime | None, until: datetime | None) -> tuple[int, int]:
    """The first and last number of the rows from `since` on and before `until`; (1, 0) where there is none.

    All rows between the two belong to it: a chain has no gaps.
    """
    mine = select(func.min(Audit.seq), func.max(Audit.seq)).where(Audit.clinic == clinic)
    if since is not None:
        mine = mine.where(Audit.at >= since)
    if until is not None:
        mine = mine.where(Audit.at < until)
    first, last = session.execute(mine).one()
    return (first, last) if first is not None else (1, 0)


def exported(db: Database, clinic: str, first: int, last: int, form: str) -> Iterator[str]:
    """The rows from number `first` to `last` as lines of a file, ``jsonl`` or ``csv``. Raises DatabaseUnavailable."""
    with db.read() as session:
        before = _hash_of(session, clinic, first - 1) or ""
    if form == "csv":
        yield _csv(COLUMNS)
    for line in lines(db, clinic, first - 1, last):
        row = {name: getattr(line, name) for name in COLUMNS} | {"before": before, "at": line.at.isoformat()}
        before = line.hash
        if form == "csv":
            yield _csv(_cell(str(value)) for value in (row | {"details": json.dumps(line.details)}).values())
        else:
            yield json.dumps(row) + "\n"


def _csv(cells: Iterable[str]) -> str:
    text = io.StringIO()
    csv.writer(text).writerow(cells)
    return text.getvalue()


def _named(db: Database, line: Line, found: Checked) -> Checked:
    """A row that is not what was written there may be one that was written later, and moved."""
    if found.fault is None or found.fault.what != CHANGED:
        return found
    earlier = (Audit.clinic == line.clinic, Audit.seq > line.seq, Audit.id < line.id)
    with db.read() as session:
        moved = session.execute(select(Audit.id).where(*earlier).limit(1)).first() is not None
    return replace(found, fault=Fault(ORDER, line.seq)) if moved else found


def _cell(text: str) -> str:
    return f"'{text}" if text.startswith(_FORMULA) else text


def _read(stream: TextIO) -> Iterator[Line]:
    """The rows of a file. Raises NotAnExport."""
    first = stream.readline()
    rows: Iterable[dict[str, Any]]
    if first.startswith("{"):
        rows = (json.loads(text) for text in itertools.chain([first], stream))
    else:
        rows = csv.DictReader(stream, fieldnames=next(csv.reader([first]), []))
    number = 1 if first.startswith("{") else 2
    try:
        for row in rows:
            yield _line(row, stored=not first.startswith("{"))
            number += 1
    except (ValueError, KeyError, TypeError, AttributeError, csv.Error):
        raise NotAnExport(f"row {number} is not a row of an audit export") from None


def _line(row: dict[str, Any], stored: bool) -> Line:
    values = {name: row[name] for name in COLUMNS}
    if stored:
        values = {name: value[1:] if value.startswith("'") else value for name, value in values.items()}
        values |= {"seq": int(values["seq"]), "details": json.loads(values["details"])}
    if not all(isinstance(values[name], str) for name in COLUMNS if name not in ("seq", "details")):
        raise TypeError
    at = datetime.fromisoformat(values["at"])
    if at.tzinfo is None or not isinstance(values["seq"], int):
        raise ValueError
    return Line(**{**values, "at": at})


def _start(db: Database, clinic: str, newest: int | None) -> tuple[int, str]:
    """Where a walk begins: the number and hash of the row before its first."""
    with db.read() as session:
        after = max(0, _head(session, clinic)[0] - newest) if newest is not None else 0
        if after == 0:
            return 0, ""
        made = _hash_of(session, clinic, after)
        # Where that row is gone, the walk finds that it is.
        return (after, made) if made is not None else (after - 1, "")


def _head(session: Session, clinic: str) -> tuple[int, str]:
    """Where the audit says that it ends."""
    found = session.execute(select(AuditHead.seq, AuditHead.hash).where(AuditHead.clinic == clinic)).one_or_none()
    return (0, "") if found is None else (found.seq, found.hash)


def _hash_of(session: Session, clinic: str, seq: int) -> str | None:
    mine = select(Audit.hash).where(Audit.clinic == clinic, Audit.seq == seq)
    made: str | None = session.execute(mine).scalars().first()
    return made


class _Walk:
    """The walk along one chain, row for row."""

    def __init__(self, clinic: str, seq: int, before: str, expect: str) -> None:
        self.clinic, self.since, self.seq, self.hash = clinic, seq + 1, seq, before
        self.expect = expect
        self.met = not expect or before == expect
        self.taken = False
        self.fault: Fault | None = None

    def take(self, line: Line) -> bool:
        """The next row. Says whether it is what must stand there."""
        wrong = self._wrong(line)
        if wrong is not None:
            # Where rows are gone, the first that is gone is named.
            self.fault = Fault(wrong, self.seq + 1 if wrong == MISSING else line.seq)
            return False
        self.seq, self.hash, self.taken = line.seq, line.hash, True
        self.met = self.met or line.hash == self.expect
        return True

    def _wrong(self, line: Line) -> str | None:
        if line.seq > self.seq + 1:
            return MISSING
        if line.seq <= self.seq:
            return TWICE
        same = line.hash_after(self.hash) == line.hash and line.before in (None, self.hash)
        return None if same else CHANGED

    def end(self, seq: int, made: str) -> Checked:
        """After the last row: `seq` and `made` are where the audit says that it ends."""
        if seq > self.seq:
            self.fault = Fault(CUT, self.seq + 1)
        elif seq < self.seq:
            self.fault = Fault(ADDED, seq + 1)
        elif made != self.hash:
            self.fault = Fault(CHANGED, seq)
        elif not self.met:
            self.fault = Fault(UNEXPECTED, self.seq)
        return self.result()

    def result(self) -> Checked:
        return Checked(self.clinic, self.seq - self.since + 1, self.since, self.seq, self.hash, self.fault)
