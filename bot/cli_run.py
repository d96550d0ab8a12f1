"""The parts of the ``pne`` command for containers and service managers: one part in the foreground, and the pages that
a proxy shows while no web process answers."""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from enum import Enum
from pathlib import Path
from typing import Annotated, Any

import typer

from bot.cli_shared import errors, stop
from bot.settings import ROOT, Settings, read_settings

WAIT_SECONDS = 600.0
LOOK_SECONDS = 1.0


class Name(str, Enum):
    """The parts, as ``pne up`` names them."""

    WEB = "web"
    RASA = "rasa"
    ACTIONS = "actions"


def register(app: typer.Typer) -> None:
    """Adds the commands to ``pne``."""
    app.command("run")(run)
    app.command("outage-pages")(outage_pages)


def run(part: Annotated[Name, typer.Argument(help="Which part.")]) -> None:
    """Run one part in the foreground, as containers and service managers want it: web, rasa or actions.

    It becomes the very process that `pne up` would start, so signals and exit codes are its own. Nothing is trained
    and nothing migrated: `pne train` and `pne migrate` come first. The web part waits for the migration.
    """
    from bot.processes import parts
    from bot.training import model_path, trained

    settings = read_settings()
    if part is not Name.ACTIONS and not trained():
        stop("There is no trained model for the data and code here. Run: pne train")
    if part is Name.WEB:
        wait_for_schema(settings)
    made = next(one for one in parts(settings, model_path()) if one.name == part.value)
    os.chdir(ROOT)
    os.execvpe(made.command[0], made.command, {**os.environ, **made.environment})


def wait_for_schema(
    settings: Settings, seconds: float = WAIT_SECONDS, sleep: Callable[[float], Any] = time.sleep
) -> None:
    """Returns when the database is migrated. Ends the command where that does not come about in time.

    A database that is away is not waited for: the web part starts without it, because its safety words need none.
    """
    from bot.store.schema import State, schema_state
    from bot.store.session import DatabaseUnavailable

    told = False
    until = time.monotonic() + seconds
    while True:
        try:
            state = schema_state(settings.database_url)
        except DatabaseUnavailable as error:
            _say(f"The database cannot be reached ({error}). Starting without it.")
            return
        if state is State.NEWER:
            _say("A later version has migrated the database. Starting all the same.")
        if state is not State.BEHIND:
            return
        if time.monotonic() > until:
            stop("The database is still not migrated. Run: pne migrate")
        if not told:
            _say("Waiting for the database to be migrated. Run: pne migrate")
            told = True
        sleep(LOOK_SECONDS)


def outage_pages(
    folder: Annotated[Path, typer.Argument(help="Where to write them; made if missing.", file_okay=False)],
) -> None:
    """Write the pages that a proxy shows while no web process answers: the numbers to call, for every clinic.

    As the clinics' admins have them now; where the database is away, as the clinics' files have them.
    """
    from bot.content import load_clinics, load_wording
    from bot.live_clinics import clinic_now
    from bot.outage import write_pages
    from bot.store.session import connect

    settings = read_settings()
    db = connect(settings.database_url)
    try:
        clinics = {clinic.id: clinic_now(db, clinic) for clinic in load_clinics().values()}
    finally:
        db.close()
    written = write_pages(folder, clinics, load_wording(), settings.default_clinic)
    _say(f"{len(written)} files in {folder}")


def _say(sentence: str) -> None:
    errors.print(sentence, markup=False)
