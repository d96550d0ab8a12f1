"""How an installation stands, as the database and the disk tell it: for metrics, ``/readyz`` and ``pne doctor``.

Counts and ages alone. What is read is little and bounded: heartbeats, what is open, what waits to be sent.
"""

from __future__ import annotations

import hashlib
import shutil
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from functools import lru_cache
from pathlib import Path

from sqlalchemy import bindparam, case, func, or_, select, text
from sqlalchemy.engine import make_url
from sqlalchemy.orm import Session

from bot.content.files import DATA
from bot.settings import Settings
from bot.store.handoffs import OPEN, WAITING, not_quiet
from bot.store.models import Handoff, Heartbeat, Outbox
from bot.store.session import MIGRATIONS, Database, DatabaseUnavailable

# Names of heartbeats that say when something was last done, beside those of the worker's loops.
BACKUP, RETENTION = "backup.made", "retention.done"
MEGABYTE = 1024 * 1024
# What the program needs to go on writing, and what it should have.
LEAST_FREE, LOW_FREE = 50 * MEGABYTE, 1024 * MEGABYTE


@dataclass(frozen=True)
class Vitals:
    """`revision`: of the database's tables, empty without any; `beats`: the heartbeats' ages in seconds, by name (below
    zero: from the future)."""

    revision: str
    beats: Mapping[str, float]


@dataclass(frozen=True)
class Waiting:
    """Open handoffs of one clinic, tier and status: how many, the oldest one's age in seconds; of them those past a
    deadline without anybody, and those whose whole chain was told in vain."""

    clinic: str
    tier: str
    status: str
    number: int
    oldest: float
    late: int
    exhausted: int


@dataclass(frozen=True)
class Figures:
    """What waits. `due`: by channel, how many notices are due and for how many seconds the oldest one; `dead`: notices
    that were given up, by clinic and channel."""

    vitals: Vitals
    due: Mapping[str, tuple[int, float]]
    dead: Mapping[tuple[str, str], int]
    handoffs: tuple[Waiting, ...]


@dataclass(frozen=True)
class Disk:
    """`free`, `size` in bytes, for whoever is not root. `holds_database`: a database of ours lies there."""

    path: Path
    free: int
    size: int
    holds_database: bool


def read_vitals(db: Database) -> Vitals:
    """The least that says whether the installation works. Raises DatabaseUnavailable."""
    revision = _revision(db)
    if not revision:
        return Vitals("", {})
    with db.read() as session:
        return Vitals(revision, _beats(session, db.clock()))


def read_figures(db: Database) -> Figures:
    """What metrics show. Raises DatabaseUnavailable, also where the database has no tables."""
    with db.read() as session:
        at = db.clock()
        revision = str(session.execute(text("SELECT version_num FROM alembic_version")).scalar_one_or_none() or "")
        vitals = Vitals(revision, _beats(session, at))
        return Figures(vitals, _due(session, at), _dead(session), _open(session, at))


@lru_cache(maxsize=1)
def newest_revision() -> str:
    """The revision of the tables that this program works with: the last file of the migrations."""
    return max(path.stem.partition("_")[0] for path in (MIGRATIONS / "versions").glob("[0-9]*_*.py"))


@lru_cache(maxsize=1)
def content_version(data: Path = DATA) -> str:
    """The hash of everything under ``data``, which changes with every word of the content."""
    digest = hashlib.sha256()
    for path in sorted(one for one in data.rglob("*") if one.is_file()):
        digest.update(str(path.relative_to(data)).encode() + b"\0" + path.read_bytes() + b"\0")
    return digest.hexdigest()[:12]


def disks(settings: Settings) -> list[Disk]:
    """The disks that the program writes to: ``var``, and where an SQLite database lies. Each one once."""
    found: dict[int, Disk] = {}
    files = [sqlite_file(url) for url in (settings.database_url, settings.tracker_url)]
    places = [(path.parent, True) for path in files if path is not None] + [(settings.var_folder, False)]
    for place, holds in places:
        there = next((one for one in (place, *place.parents) if one.exists()), place)
        device = there.stat().st_dev
        usage = shutil.disk_usage(there)
        earlier = found.get(device)
        holds = holds or (earlier is not None and earlier.holds_database)
        found[device] = Disk(earlier.path if earlier else there, usage.free, usage.total, holds)
    return list(found.values())


def sqlite_file(url: str) -> Path | None:
    """The file of an SQLite database; None for any other."""
    parsed = make_url(url)
    if parsed.get_backend_name() != "sqlite" or not parsed.database:
        return None
    return Path(parsed.database.removeprefix("file:"))


def _revision(db: Database) -> str:
    try:
        with db.read() as session:
            return str(session.execute(text("SELECT version_num FROM alembic_version")).scalar_one_or_none() or "")
    except DatabaseUnavailable:
        with db.read() as session:  # no such table, or no database?
            session.execute(text("SELECT 1"))
        return ""


def _beats(session: Session, at: datetime) -> dict[str, float]:
    return {name: (at - beat).total_seconds() for name, beat in session.execute(select(Heartbeat.name, Heartbeat.at))}


def _due(session: Session, at: datetime) -> dict[str, tuple[int, float]]:
    waits = (Outbox.sent_at.is_(None), Outbox.dead_at.is_(None), Outbox.due_at <= at)
    # Their age is that of the notice: a retry moves `due_at`.
    query = select(Outbox.channel, func.count(), func.min(Outbox.created_at)).where(*waits).group_by(Outbox.channel)
    return {channel: (number, _age(at, oldest)) for channel, number, oldest in session.execute(query)}


def _dead(session: Session) -> dict[tuple[str, str], int]:
    query = (
        select(Handoff.clinic, Outbox.channel, func.count())
        .join(Handoff, Handoff.id == Outbox.handoff_id)
        .where(Outbox.dead_at.is_not(None))
        .group_by(Handoff.clinic, Outbox.channel)
    )
    return {(clinic, channel): number for clinic, channel, number in session.execute(query)}


def _open(session: Session, at: datetime) -> tuple[Waiting, ...]:
    # Written into the statement, so that the small index of what is open can be used.
    is_open = Handoff.status.in_(bindparam("open", OPEN, expanding=True, literal_execute=True))
    untaken = Handoff.status.in_(WAITING)
    late = or_(Handoff.step != 0, Handoff.exhausted_at.is_not(None), Handoff.climb_at <= at)
    query = (
        select(
            Handoff.clinic,
            Handoff.tier,
            Handoff.status,
            func.count().label("number"),
            func.min(Handoff.created_at).label("oldest"),
            func.sum(case((untaken & late, 1), else_=0)).label("late"),
            func.sum(case((untaken & Handoff.exhausted_at.is_not(None), 1), else_=0)).label("exhausted"),
        )
        .where(is_open, not_quiet())
        .group_by(Handoff.clinic, Handoff.tier, Handoff.status)
    )
    return tuple(
        Waiting(row.clinic, row.tier, row.status, row.number, _age(at, row.oldest), row.late, row.exhausted)
        for row in session.execute(query)
    )


def _age(at: datetime, then: datetime | None) -> float:
    return max(0.0, (at - then).total_seconds()) if then is not None else 0.0
