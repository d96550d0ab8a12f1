"""The part of the ``pne`` command that looks after the audit: whether it is whole, and copies of it."""

from __future__ import annotations

import datetime
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from bot.cli_shared import console, database, errors, stop
from bot.settings import read_settings

if TYPE_CHECKING:
    from bot.store.audit_check import Checked

audit_app = typer.Typer(help="Who did and saw what: check that it is whole, take a copy.", no_args_is_help=True)
HASH_LENGTH = 64
# What is wrong, as a sentence about row `seq`.
FAULTS = {
    "changed": "row {seq} is not what was written there",
    "missing": "row {seq} is missing",
    "out_of_order": "row {seq} is not in the place where it was written",
    "twice": "row {seq} stands where another row has that number already",
    "cut_off": "the end is cut off: rows from {seq} on are missing",
    "added": "row {seq} was added past the end",
    "not_as_expected": "the row with the expected hash is not there: it was written anew, or its end was cut off",
}


@audit_app.command("verify")
def verify(
    clinic: Annotated[str, typer.Argument(help="Clinic id. Default: every clinic.")] = "",
    expect: Annotated[
        str, typer.Option(help="A hash that an earlier run printed: it must still be in the chain.")
    ] = "",
    file: Annotated[Path | None, typer.Option(help="Check an export instead of the database.")] = None,
) -> None:
    """Walk every row of the audit and check it. Exit code 1 on any fault.

    Keep the last number and hash that it prints in another place: only with them is a rewritten audit found.
    """
    from bot.store import audit_check

    if expect and (len(expect) != HASH_LENGTH or set(expect) - set("0123456789abcdef")):
        stop(f"--expect is a hash of {HASH_LENGTH} letters and digits, as an earlier run printed it.")
    if file is not None:
        try:
            found = audit_check.check_file(file, expect)
        except audit_check.NotAnExport as error:
            stop(f"{file} is not an audit export: {error}.")
        except (OSError, UnicodeDecodeError) as error:
            stop(f"{file} cannot be read: {getattr(error, 'strerror', None) or 'it is not text'}.")
        found = [one for one in found if not clinic or one.clinic == clinic]
    else:
        if expect and not clinic:
            stop("--expect needs the clinic whose hash it is.")
        with database(read_settings().database_url) as db:
            with db.read() as session:
                known = audit_check.clinics(session)
            if clinic and clinic not in known and not expect and clinic not in _clinics():
                stop(f"There is no clinic {clinic!r}. With an audit: {', '.join(known) or 'none'}.")
            found = [audit_check.check(db, one, expect) for one in ([clinic] if clinic else known)]
    if not found:
        console.print("There is no audit yet.")
    for one in found:
        _say(one)
    raise typer.Exit(1 if any(one.fault for one in found) else 0)


@audit_app.command("export")
def export(
    clinic: Annotated[str, typer.Argument(help="Clinic id.")],
    file: Annotated[Path | None, typer.Argument(help="Where to write it. Default: standard output.")] = None,
    since: Annotated[str, typer.Option(help="From this day on (YYYY-MM-DD, UTC).")] = "",
    until: Annotated[str, typer.Option(help="Up to and with this day (YYYY-MM-DD, UTC).")] = "",
    form: Annotated[str, typer.Option("--format", help="jsonl or csv.")] = "jsonl",
) -> None:
    """Write a clinic's audit with its hashes, for `pne audit verify --file`. That a copy was made is audited too."""
    from bot.store import audit_check
    from bot.store.audit import record
    from bot.store.rights import BY_CLINIC

    if form not in ("jsonl", "csv"):
        stop(f"--format is jsonl or csv, not {form!r}.")
    start, end = _day(since), _day(until)
    end = None if end is None else end + datetime.timedelta(days=1)
    with database(read_settings().database_url) as db:
        with db.read() as session:
            if clinic not in audit_check.clinics(session) and clinic not in _clinics():
                stop(f"There is no clinic {clinic!r}.")
            first, last = audit_check.span(session, clinic, start, end)
        details = {"format": form, "first": first, "last": last}
        with db.begin() as session:
            record(session, clinic=clinic, actor=BY_CLINIC, act="audit.exported", subject=clinic, details=details)
        rows = audit_check.exported(db, clinic, first, last, form)
        if file is None:
            sys.stdout.writelines(rows)
        else:
            try:
                file.touch(mode=0o600)
                with file.open("w", encoding="utf-8", newline="") as stream:
                    stream.writelines(rows)
            except OSError as error:
                stop(f"{file} cannot be written: {error.strerror}.")
    errors.print(f"{max(0, last - first + 1)} rows of {clinic}.", markup=False)


def _say(found: Checked) -> None:
    if found.fault is not None:
        wrong = FAULTS[found.fault.what].format(seq=found.fault.seq)
        errors.print(f"{found.clinic}: BROKEN: {wrong}.", style="red", markup=False)
        if found.rows:
            console.print(f"{found.clinic}: whole up to row {found.seq}, hash {found.hash}", markup=False)
        return
    rows = f"rows {found.since} to {found.seq}" if found.rows else "no rows"
    console.print(f"{found.clinic}: intact, {rows}, hash {found.hash or '-'}", markup=False)


def _clinics() -> set[str]:
    from bot.content.clinics import load_clinics

    return set(load_clinics())


def _day(text: str) -> datetime.datetime | None:
    if not text:
        return None
    try:
        day = datetime.date.fromisoformat(text)
    except ValueError:
        stop(f"{text!r} is not a date; write it as 2027-01-31.")
    return datetime.datetime(day.year, day.month, day.day, tzinfo=datetime.timezone.utc)
