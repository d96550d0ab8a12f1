"""A backup back into the databases: checked before anything is touched, brought to the newest tables, checked again.

What cannot come back right is said: rows since the backup, erasures that nobody wrote down, sign-ins.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime, timezone
from pathlib import Path
from urllib.error import URLError
from urllib.request import urlopen

from sqlalchemy import delete

from bot.content.wording import load_wording
from bot.operate import erasures, state
from bot.operate.backup import MAIN, TRACKER, Manifest, Stored, check_files, read_manifest
from bot.operate.databases import CannotCopy, copy_in, count_rows, kind_of, same
from bot.operate.erasures import Erasure
from bot.operate.state import sqlite_file
from bot.settings import Settings
from bot.store import audit, audit_check
from bot.store.audit_check import Checked
from bot.store.models import ClinicianSession, SignInState
from bot.store.session import DatabaseUnavailable, connect, upgrade

# Whoever wrote a heartbeat so few seconds ago may still be at work.
RECENT = 60.0
# Rows of these mean that somebody's data is there.
TELLING = ("conversation", "clinician", "events")


class Refused(Exception):
    """The target must not be filled. Says why, and what to do."""


@dataclass(frozen=True)
class Restored:
    """What came of it: each clinic's audit; what patients had erased and is back (`left`); old files, moved aside."""

    audits: tuple[Checked, ...]
    left: tuple[Erasure, ...]
    aside: tuple[Path, ...]


def restore(
    settings: Settings,
    folder: Path,
    force: bool = False,
    exports: Sequence[Path] = (),
    say: Callable[[str], None] = lambda _line: None,
) -> Restored:
    """Fills the databases of the settings with a backup. `force`: also where there is data, or somebody may be at work.
    `exports`: audit exports with erasures since the backup.

    Raises NotABackup, NotAnExport, Refused before anything is touched; CannotCopy, OSError, DatabaseUnavailable.
    """
    manifest = read_manifest(folder)
    check_files(folder, manifest)
    targets = _targets(settings, manifest)
    known = [one for path in exports for one in erasures.from_export(path, manifest.began)]
    say("The backup is whole.")
    _refuse_at_work(settings, force)
    held = _held(targets)
    if held and not force:
        raise Refused(f"There is data already ({held}). Take a backup of it; --force puts this one in its place.")
    known += _erased_since(settings, manifest.began, say) if held else []
    stamp = f"{datetime.now(timezone.utc):%Y%m%dT%H%M%SZ}"
    aside = [path for url in targets for path in _move_aside(url, stamp)] if held else []
    for url, stored in targets.items():
        copy_in(folder / stored.file, url, stored.tables)
        if count_rows(url) != stored.tables:
            raise CannotCopy(f"{stored.file} was loaded, but not all of its rows are there.")
        say(f"Loaded: {stored.file}, {sum(stored.tables.values())} rows")
    upgrade(settings.database_url)
    return _settle(settings, manifest, folder.name, known, tuple(aside), say)


def _settle(
    settings: Settings,
    manifest: Manifest,
    name: str,
    known: Iterable[Erasure],
    aside: tuple[Path, ...],
    say: Callable[[str], None],
) -> Restored:
    db = connect(settings.database_url)
    try:
        with db.read() as session:
            clinics = audit_check.clinics(session)
        audits = tuple(audit_check.check(db, clinic) for clinic in clinics)
        with db.begin() as session:
            # Whoever was shut out or signed out since must not be in again.
            for table in (ClinicianSession, SignInState):
                session.execute(delete(table).execution_options(synchronize_session=False))
            details = {"backup": name, "made_at": manifest.began_at}
            for clinic in clinics:
                audit.record(
                    session, clinic=clinic, actor=audit.SYSTEM, act="database.restored", subject=clinic, details=details
                )
        erasures.forget_dialogues(db, settings.tracker_url, manifest.began)
        shown = load_wording().messages["message_erased"]
        left = erasures.replay(db, settings.tracker_url, known, shown, say)
        return Restored(audits, tuple(left), aside)
    finally:
        db.close()


def _targets(settings: Settings, manifest: Manifest) -> dict[str, Stored]:
    """Which copy goes where. Raises Refused where the settings do not fit the backup."""
    urls = {TRACKER: settings.tracker_url, MAIN: settings.database_url}
    together = same(settings.database_url, settings.tracker_url)
    if together != (len(manifest.databases) == 1):
        raise Refused("PNE_DATABASE_URL and PNE_TRACKER_URL must be one database if they were one, and two otherwise.")
    found = {}
    for name, url in urls.items():
        stored = manifest.database(name)
        if stored.kind != kind_of(url):
            raise Refused(f"The backup is of {stored.kind}, and PNE_{_VARIABLES[name]} is {kind_of(url)}.")
        found[settings.database_url if together else url] = stored
    if manifest.database(MAIN).revision > state.newest_revision():
        raise Refused(f"The backup is of a newer version ({manifest.program}). Update the program first.")
    return found


_VARIABLES = {MAIN: "DATABASE_URL", TRACKER: "TRACKER_URL"}


def _refuse_at_work(settings: Settings, force: bool) -> None:
    with suppress(URLError, OSError, ValueError), urlopen(
        f"http://{settings.host}:{settings.port}/healthz", timeout=2
    ) as answer:
        if answer.status == 200:
            raise Refused(f"The web app answers on port {settings.port}. Stop everything first.")
    if force:
        return
    db = connect(settings.database_url)
    try:
        beats = state.read_vitals(db).beats if _is_there(settings.database_url) else {}
    except DatabaseUnavailable:
        beats = {}
    finally:
        db.close()
    # Not those that say when something was last done.
    loops = [age for name, age in beats.items() if name.startswith("outbox.")]
    if any(abs(age) < RECENT for age in loops):
        raise Refused("Something worked with the database a moment ago. Stop everything and wait a minute, or --force.")


def _is_there(url: str) -> bool:
    path = sqlite_file(url)
    return path is None or path.exists()


def _held(targets: Iterable[str]) -> str:
    """What stands in the way: tables with somebody's rows. A database that cannot be read counts too."""
    found = []
    for url in targets:
        try:
            rows = count_rows(url)
        except CannotCopy as error:
            if sqlite_file(url) is None:
                raise
            return str(error)
        found += [f"{rows[name]} rows in {name}" for name in TELLING if rows.get(name)]
    return ", ".join(found)


def _erased_since(settings: Settings, since: datetime, say: Callable[[str], None]) -> list[Erasure]:
    db = connect(settings.database_url)
    try:
        return erasures.from_database(db, since)
    except DatabaseUnavailable:
        say("The old database cannot be read: what patients have had erased since the backup is not known from it.")
        return []
    finally:
        db.close()


def _move_aside(url: str, stamp: str) -> list[Path]:
    """Moves the files of an SQLite database aside; gives the file. Of PostgreSQL nothing is kept."""
    path = sqlite_file(url)
    if path is None or not path.exists():
        return []
    target = path.with_name(f"{path.name}.before-{stamp}")
    for log in ("-wal", "-shm", ""):
        old = path.with_name(path.name + log)
        if old.exists():
            old.rename(target.with_name(target.name + log))
    return [target]
