"""``pne backup``, ``pne restore`` and ``pne doctor``: looking after an installation."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from bot.cli_audit import FAULTS
from bot.cli_shared import console, errors, stop
from bot.settings import read_settings

if TYPE_CHECKING:
    from bot.operate.doctor import Finding

Backups = Annotated[Path, typer.Argument(help="The folder of the backups; each gets a folder of its own in it.")]
COLOURS = {"ok": "green", "warn": "yellow", "fail": "red"}


def register(app: typer.Typer) -> None:
    """Adds the commands to ``pne``."""
    app.command("backup")(backup)
    app.command("restore")(restore)
    app.command("doctor")(doctor)


def backup(
    folder: Backups,
    keep: Annotated[int, typer.Option(min=0, help="Leave so many of the newest ones. 0: all.")] = 0,
    noted: Annotated[
        bool, typer.Option("--noted", help="Make none: only note that another program has just made one.")
    ] = False,
) -> None:
    """Copy both databases, consistent and checked, while everything runs. Holds patients' words; holds no secret.

    PostgreSQL needs pg_dump and pg_restore on the PATH, of the server's version or newer. Keep PNE_SECRET_KEY and the
    other secrets in another place: docs/operations.md says which.
    """
    from bot.operate.backup import back_up, note, read_manifest
    from bot.operate.databases import CannotCopy
    from bot.store.session import DatabaseUnavailable

    settings = read_settings()
    try:
        if not noted:
            made = back_up(settings, folder, keep)
            for one in read_manifest(made).databases:
                rows = sum(one.tables.values())
                size = f"{one.size / 1e6:.1f} MB"
                console.print(f"{one.file}: {rows} rows, {size}, {one.kind} {one.server}", markup=False)
            console.print(f"Backup: {made}", markup=False)
    except CannotCopy as error:
        stop(f"No backup was made. {error}")
    except OSError as error:
        stop(f"No backup was made: {folder}: {error.strerror}.")
    try:
        note(settings)
    except DatabaseUnavailable as error:
        cause = str(error).splitlines()[0]
        errors.print(f"The metrics will not show it: it could not be noted in the database ({cause}).", markup=False)


def restore(
    folder: Annotated[Path, typer.Argument(help="One backup: the folder with its manifest.json.")],
    force: Annotated[bool, typer.Option("--force", help="Put it in the place of data that is there.")] = False,
    audit: Annotated[
        list[Path] | None, typer.Option(help="An audit export (JSON lines) with erasures since. May be repeated.")
    ] = None,
) -> None:
    """Put a backup back: check it, load it, bring its tables up to date, check the audit. Stop everything first.

    Everybody of the clinics signs in again. What patients had erased since the backup is erased again where that is
    known: from the database that is replaced, if it can be read, and from --audit. Exit 1: something is left to do.
    """
    from bot.operate import restore as at_work
    from bot.operate.backup import NotABackup
    from bot.operate.databases import CannotCopy
    from bot.operate.erasures import NotAnExport
    from bot.store.session import DatabaseUnavailable

    def say(line: str) -> None:
        console.print(line, markup=False)

    try:
        found = at_work.restore(read_settings(), folder, force, audit or (), say)
    except (NotABackup, NotAnExport, at_work.Refused) as error:
        stop(f"Nothing was changed. {error}")
    except (CannotCopy, DatabaseUnavailable) as error:
        stop(str(error).splitlines()[0])
    except OSError as error:
        stop(f"{error.filename}: {error.strerror}.")
    for path in found.aside:
        say(f"The old database is {path}. It holds patients' words: delete it when you need it no more.")
    for one in found.audits:
        whole = "intact" if one.fault is None else "BROKEN: " + FAULTS[one.fault.what].format(seq=one.fault.seq)
        say(f"Audit of {one.clinic}: {whole}, {one.rows} rows, hash {one.hash or '-'}")
    for erasure in found.left:
        what = "everything" if erasure.seq is None else f"message {erasure.seq}"
        say(f"Erase by hand, once the clinic has closed it: {what} of {erasure.conversation}")
    say("Restored. Everybody of the clinics signs in again; docs/operations.md says what to look at now.")
    raise typer.Exit(1 if found.left or any(one.fault for one in found.audits) else 0)


def doctor(
    as_json: Annotated[bool, typer.Option("--json", help="One JSON document instead of lines.")] = False,
) -> None:
    """Check this installation and its settings: one line each, ok, warn or fail, with what to do. Exit 1 on a fail."""
    from bot.logs import set_up_logs
    from bot.operate.doctor import examine

    set_up_logs("critical")  # what is wrong is said below
    found = examine()
    if as_json:
        rows = [{"check": one.check, "state": one.state, "said": one.said, "do": one.do} for one in found]
        sys.stdout.write(json.dumps(rows, indent=2) + "\n")
    else:
        for one in found:
            _line(one)
    raise typer.Exit(1 if any(one.state == "fail" for one in found) else 0)


def _line(one: Finding) -> None:
    console.print(f"{one.state:5} {one.check:16} {one.said}", style=COLOURS[one.state], markup=False)
    if one.do:
        console.print(f"{'':22} do: {one.do}", markup=False)
