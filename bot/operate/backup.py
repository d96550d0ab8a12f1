"""Backups: one folder each, with a copy of both databases and a manifest that says what is in it.

The dialogues are copied before the main database, so that what is erased in between can be erased again at the restore.
No secret is in a backup; patients' words are.
"""

from __future__ import annotations

import hashlib
import json
import os
import re
import shutil
import sys
from dataclasses import asdict, dataclass
from datetime import datetime, timezone
from importlib.metadata import version
from pathlib import Path
from typing import Any

from bot.operate import state
from bot.operate.databases import SQLITE, CannotCopy, copy_out, kind_of, same, sync
from bot.settings import Settings
from bot.store.outbox import beat
from bot.store.session import connect
from bot.training import model_path, soft_path

MANIFEST = "manifest.json"
FORMAT = 1
MAIN, TRACKER = "main", "tracker"
NAME = re.compile(r"pne-\d{8}T\d{6}Z")
_PARTIAL = ".partial-"
_PIECE = 1024 * 1024


class NotABackup(Exception):
    """A folder is no backup, or not a whole one. Says what is wrong."""


@dataclass(frozen=True)
class Stored:
    """One copied database of a backup: `holds` MAIN, TRACKER or both, in `file` with this size in bytes and SHA-256."""

    holds: tuple[str, ...]
    file: str
    size: int
    sha256: str
    kind: str
    server: str
    revision: str
    tables: dict[str, int]


@dataclass(frozen=True)
class Manifest:
    """What a backup holds and what made it. `began_at`: when the first copy began; times are UTC."""

    format: int
    began_at: str
    ended_at: str
    program: str
    python: str
    model: str
    rules: str
    content: str
    databases: tuple[Stored, ...]

    @property
    def began(self) -> datetime:
        return datetime.fromisoformat(self.began_at)

    def database(self, name: str) -> Stored:
        """The copy that holds MAIN or TRACKER."""
        return next(one for one in self.databases if name in one.holds)


def back_up(settings: Settings, folder: Path, keep: int = 0, clock: Any = None) -> Path:
    """Makes a backup in a folder of its own below `folder`; then the newest `keep` stay (0: all of them).

    Nothing half-made is left. Raises CannotCopy, OSError.
    """
    now = clock or (lambda: datetime.now(timezone.utc))
    began = now()
    folder.mkdir(parents=True, exist_ok=True)
    target = folder / f"pne-{began:%Y%m%dT%H%M%SZ}"
    partial = folder / f"{_PARTIAL}{target.name}"
    if target.exists() or partial.exists():
        raise CannotCopy(f"{target} is being made already. Wait a second.")
    partial.mkdir(mode=0o700)
    try:
        databases = _copies(settings, partial)
        manifest = Manifest(
            format=FORMAT,
            began_at=began.isoformat(),
            ended_at=now().isoformat(),
            program=version("pne-tutor"),
            python=sys.version.split()[0],
            model=model_path().name.partition(".")[0],
            rules=soft_path().name,
            content=state.content_version(),
            databases=databases,
        )
        path = partial / MANIFEST
        os.close(os.open(path, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600))
        path.write_text(json.dumps(asdict(manifest), indent=2) + "\n", encoding="utf-8")
        for file in partial.iterdir():
            sync(file)
        sync(partial)
        partial.rename(target)
        sync(folder)
    except BaseException:
        shutil.rmtree(partial, ignore_errors=True)
        raise
    if keep:
        for old in backups(folder)[:-keep]:
            shutil.rmtree(old)
    return target


def note(settings: Settings) -> None:
    """Notes in the main database that a backup was made now, for metrics and alerts. Raises DatabaseUnavailable."""
    db = connect(settings.database_url)
    try:
        with db.begin() as session:
            beat(session, state.BACKUP)
    finally:
        db.close()


def backups(folder: Path) -> list[Path]:
    """The backups below a folder, the oldest first."""
    found = (path for path in folder.iterdir() if NAME.fullmatch(path.name) and (path / MANIFEST).is_file())
    return sorted(found)


def read_manifest(folder: Path) -> Manifest:
    """What a backup says of itself. Raises NotABackup."""
    try:
        given = json.loads((folder / MANIFEST).read_text(encoding="utf-8"))
        if given["format"] != FORMAT:
            raise NotABackup(f"{folder} was made by another version of the program (format {given['format']}).")
        stored = tuple(Stored(**{**one, "holds": tuple(one["holds"])}) for one in given.pop("databases"))
        manifest = Manifest(**given, databases=stored)
        for name in (MAIN, TRACKER):
            manifest.database(name)
        return manifest
    except FileNotFoundError:
        known = ", ".join(path.name for path in backups(folder)) if folder.is_dir() else ""
        raise NotABackup(f"{folder} is no backup. {f'In it are: {known}.' if known else ''}".strip()) from None
    except (OSError, ValueError, KeyError, TypeError, StopIteration) as error:
        raise NotABackup(f"{folder}: its {MANIFEST} cannot be read ({type(error).__name__}).") from None


def check_files(folder: Path, manifest: Manifest) -> None:
    """Compares every file with the manifest. Raises NotABackup for one that is missing or has changed."""
    for one in manifest.databases:
        path = folder / one.file
        if path.parent != folder or not path.is_file():
            raise NotABackup(f"{folder}: {one.file} is missing.")
        if path.stat().st_size != one.size or sha256_of(path) != one.sha256:
            raise NotABackup(f"{folder}: {one.file} is not what was written. Take another backup.")


def sha256_of(path: Path) -> str:
    """The SHA-256 of a file."""
    digest = hashlib.sha256()
    with path.open("rb") as stream:
        while piece := stream.read(_PIECE):
            digest.update(piece)
    return digest.hexdigest()


def _copies(settings: Settings, folder: Path) -> tuple[Stored, ...]:
    if same(settings.database_url, settings.tracker_url):
        return (_copy(settings.database_url, folder, MAIN, TRACKER),)
    return tuple(_copy(url, folder, name) for name, url in
                 ((TRACKER, settings.tracker_url), (MAIN, settings.database_url)))  # fmt: skip


def _copy(url: str, folder: Path, *holds: str) -> Stored:
    path = folder / f"{holds[0]}.{'db' if kind_of(url) == SQLITE else 'dump'}"
    copied = copy_out(url, path, may_be_missing=holds == (TRACKER,))
    return Stored(holds, path.name, path.stat().st_size, sha256_of(path), **asdict(copied))
