"""``pne handoffs``: try the channels of a clinic, see what could not be delivered, and send it again."""

from __future__ import annotations

import asyncio
import os
from typing import Annotated

import typer
from rich.markup import escape
from rich.table import Column, Table

from bot.cli_shared import console, database, stop
from bot.settings import read_settings

handoffs_app = typer.Typer(help="How handoffs reach a clinic: try it, and replay what failed.", no_args_is_help=True)


def register(app: typer.Typer) -> None:
    """Adds the commands to ``pne``."""
    app.add_typer(handoffs_app, name="handoffs")


@handoffs_app.command("test")
def test_channels(clinic: Annotated[str, typer.Argument(help="Clinic id.")]) -> None:
    """Send a harmless test to each contact and system of a clinic, and say what each one did. Exit 1 if any failed.

    Mails say that they are a test; the webhook gets the event handoff.test; the health record gets one Task, cancelled
    from the start, which every later test finds again. Nothing of a patient is sent.
    """
    from bot.content.clinics import load_clinics
    from bot.content.wording import load_wording
    from bot.handoff.deliveries import make_senders
    from bot.handoff.trial import try_channels
    from bot.live_clinics import clinic_now

    files = load_clinics()
    if clinic not in files:
        stop(f"There is no clinic {clinic!r}. Known: {', '.join(sorted(files))}.")
    settings = read_settings()
    with database(settings.database_url) as db:
        found = clinic_now(db, files[clinic])
    senders = make_senders(lambda _: found, settings, load_wording(), environ=os.environ)
    results = asyncio.run(try_channels(found, senders))
    for one in results:
        said = "ok" if not one.trouble else f"failed: {one.trouble}"
        console.print(f"{one.channel:8} {one.who}: {said}", markup=False, style="red" if one.trouble else None)
    if not settings.smtp_url and found.chain.email:
        console.print(f"Mails were written to {settings.var}/mail: PNE_SMTP_URL is not set.", markup=False)
    raise typer.Exit(1 if any(one.trouble for one in results) else 0)


@handoffs_app.command("dead")
def show_dead(
    clinic: Annotated[str, typer.Argument(help="Only this clinic. Default: all.")] = "",
) -> None:
    """Notices that could not be delivered, with their causes. Mend the cause, then: pne handoffs replay ID."""
    from bot.store import outbox

    with database(read_settings().database_url) as db, db.read() as session:
        found = [(row, name) for row, name in outbox.dead_letters_of_all(session) if clinic in ("", name)]
    if not found:
        console.print("Nothing is undelivered.")
        return
    table = Table(Column("Notice", no_wrap=True), "Clinic", "Channel", "Contact", "What", "Given up", "Cause")
    for row, name in found:
        cells = (row.id, name, row.channel, row.contact or "-", row.kind, f"{row.dead_at:%Y-%m-%d %H:%M} UTC")
        table.add_row(*map(escape, cells), escape(row.last_error or ""), end_section=True)
    console.print(table)


@handoffs_app.command("replay")
def replay(
    notice: Annotated[str, typer.Argument(help="The notice's id, as `pne handoffs dead` shows it.")],
) -> None:
    """Send an undelivered notice again, from its first attempt. The running web app does it within seconds."""
    from bot.store import outbox
    from bot.store.rights import BY_CLINIC

    with database(read_settings().database_url) as db, db.begin() as session:
        done = outbox.replay(session, notice, actor=BY_CLINIC)
    if not done:
        stop(f"{notice!r} is no notice that was given up. See: pne handoffs dead")
    console.print(f"Due again: {notice}", markup=False)
