"""``pne clinics``: what each clinic's settings are, where they come from, and the way back to its file."""

from __future__ import annotations

from typing import Annotated, Any

import typer
import yaml
from rich.table import Table

from bot.cli_shared import console, database, stop
from bot.settings import read_settings

clinics_app = typer.Typer(help="Clinics: their files, and what their admins have changed.", no_args_is_help=True)
Id = Annotated[str, typer.Argument(help="Clinic id.")]


def register(app: typer.Typer) -> None:
    """Adds the commands to ``pne``."""
    app.add_typer(clinics_app, name="clinics")


@clinics_app.command("list")
def list_clinics() -> None:
    """Every clinic: whether it is open now, and which parts its admin has changed."""
    from bot.content.clinics import load_clinics
    from bot.live_clinics import read_clinic
    from bot.store.clinic_settings import settings_of

    table = Table("Clinic", "Name", "Country", "Now", "Changed by its admin", box=None)
    with database(read_settings().database_url) as db, db.read() as session:
        for file in load_clinics().values():
            found, changed = read_clinic(session, file), settings_of(session, file.id)
            now = "open" if found.clinic.hours.is_open(db.clock()) else "closed"
            parts = (f"{key} (broken)" if key in found.broken else key for key in sorted(changed))
            table.add_row(file.id, found.clinic.name, file.country, now, ", ".join(parts) or "-")
    console.print(table)


@clinics_app.command("show")
def show(clinic: Id) -> None:
    """A clinic as it is now, as YAML: what could stand in its file. What its admin has changed is named above it."""
    from bot.live_clinics import read_clinic
    from bot.store.clinic_settings import settings_of

    file = _file(clinic)
    with database(read_settings().database_url) as db, db.read() as session:
        found, changed = read_clinic(session, file), settings_of(session, clinic)
    for key, one in sorted(changed.items()):
        console.print(f"# {key}: changed at {one.at:%Y-%m-%d %H:%M} UTC by {one.by}", markup=False)
    for key, cause in sorted(found.broken.items()):
        console.print(f"# {key}: does not hold, so the file's value is used. {cause}", markup=False)
    about = {**found.clinic.about}
    if isinstance(about.get("logo"), dict):
        about["logo"] = f"(a picture of {len(found.clinic.logo.png) if found.clinic.logo else 0} bytes)"
    print(yaml.safe_dump(about, sort_keys=False, allow_unicode=True), end="")


@clinics_app.command("check")
def check() -> None:
    """Whether every clinic's file, and every change of its admin, holds. Exit 1 names what does not."""
    from bot.content.clinics import load_clinics
    from bot.live_clinics import read_clinic

    faults = []
    with database(read_settings().database_url) as db, db.read() as session:
        for file in load_clinics().values():
            faults += [f"{file.id}, {key}: {why}" for key, why in sorted(read_clinic(session, file).broken.items())]
    for fault in faults:
        console.print(fault, style="red", markup=False)
    console.print(f"{len(faults)} faults" if faults else f"Clinics: no faults in {len(load_clinics())}")
    raise typer.Exit(1 if faults else 0)


@clinics_app.command("reset")
def reset(clinic: Id, part: Annotated[str, typer.Argument(help="A part, as `pne clinics show` names it.")]) -> None:
    """Take a change of the clinic's admin back: the file's value holds again, within seconds."""
    from bot.content.clinic_changes import changeable, with_changes
    from bot.live_clinics import read_clinic
    from bot.store.audit import SYSTEM
    from bot.store.clinic_settings import go_back, settings_of

    file = _file(clinic)
    with database(read_settings().database_url) as db, db.begin() as session:
        changed = settings_of(session, clinic)
        if part not in changed:
            stop(f"{part!r} is as in the file. Changed: {', '.join(sorted(changed)) or 'nothing'}.")
        broken = read_clinic(session, file).broken
        left = {key: one.value for key, one in changed.items() if key != part and key not in broken}
        with_changes(file, left)  # where the others need it, its sentence says so
        go_back(session, clinic, part, seen=changed[part].at, by=SYSTEM, after=changeable(part, file))
    console.print(f"{part} of {clinic}: as in the file again.", markup=False)


def _file(clinic: str) -> Any:
    from bot.content.clinics import load_clinics

    files = load_clinics()
    if clinic not in files:
        stop(f"There is no clinic {clinic!r}. Known: {', '.join(sorted(files))}.")
    return files[clinic]
