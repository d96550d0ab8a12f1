"""The parts of the ``pne`` command that look after the content: sign-offs, gaps, and why a text passes the checks."""

from __future__ import annotations

import datetime
from typing import Annotated

import typer
from rich.console import Console
from rich.table import Table

from bot.settings import read_settings

console = Console(highlight=False)
content_app = typer.Typer(help="Who has read which text: status and sign-offs.", no_args_is_help=True)
Clinic = Annotated[str, typer.Option(help="Clinic id. Default: PNE_CLINIC.")]


@content_app.command("status")
def content_status(clinic: Clinic = "") -> None:
    """How many clinical texts are reviewed, pending and expired, by subject."""
    from bot.content import governance

    counts = governance.status(clinic or read_settings().default_clinic, datetime.date.today())
    table = Table("Subject", "Reviewed", "Pending", "Expired")
    states = (governance.REVIEWED, governance.PENDING, governance.EXPIRED)
    for subject, found in sorted(counts.items()):
        table.add_row(subject, *(str(found[state]) for state in states))
    table.add_row("all", *(str(sum(found[state] for found in counts.values())) for state in states))
    console.print(table)


@content_app.command("sign")
def content_sign(
    texts: Annotated[list[str], typer.Argument(help="Subjects (pain) or single texts (pain/alarm.v1); 'all' for all.")],
    reviewer: Annotated[str, typer.Option(help="Name of the clinician who has read the texts.")],
    role: Annotated[str, typer.Option(help="Their role, as patients will read it.")],
    until: Annotated[str, typer.Option(help="Last day that the sign-off counts (YYYY-MM-DD). Default: one year.")] = "",
    clinic: Clinic = "",
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask.")] = False,
) -> None:
    """Write a clinician's sign-off, with the hash of each text, into the clinic's configuration."""
    from bot.content import governance
    from bot.content.files import ContentError, name

    known = governance.clinical_texts()
    versions = [v for v in known if "all" in texts or v in texts or governance.subject_of(v) in texts]
    for wanted in texts:
        if wanted != "all" and wanted not in known and wanted not in {governance.subject_of(v) for v in known}:
            raise ContentError(f"No such text or subject: {wanted}. pne content status lists the subjects.")
    try:
        last = datetime.date.fromisoformat(until) if until else None
    except ValueError:
        raise ContentError(f"{until!r} is not a date; write it as 2027-01-31.") from None
    if not yes:
        typer.confirm(f"Has {reviewer} ({role}) read these {len(versions)} texts word for word?", abort=True)
    where = clinic or read_settings().default_clinic
    path = governance.sign(where, versions, reviewer, role, datetime.date.today(), last)
    console.print(f"Signed {len(versions)} texts: {name(path)}")


def show_gaps(clinic: Clinic = "", days: Annotated[int, typer.Option(help="How far back to look.")] = 90) -> None:
    """What was asked and not answered, in clusters of at least three questions; no sentences, no names."""
    from bot import gaps
    from bot.store.gaps import gaps_since
    from bot.store.session import connect, upgrade

    settings = read_settings()
    upgrade(settings.database_url)
    db = connect(settings.database_url)
    with db.read() as session:
        rows = gaps_since(session, clinic or settings.default_clinic, days)
    asked = [gaps.Asked(*row) for row in rows]
    db.close()
    table = Table("Questions", "Words they share", "How they ended", "Nearest answers")
    for found in gaps.clusters(asked):
        ended = ", ".join(f"{kind} {count}" for kind, count in found.kinds.items())
        nearest = ", ".join(f"{label} {count}" for label, count in found.nearest.items())
        table.add_row(str(found.count), " ".join(found.words), ended, nearest)
    console.print(table if table.row_count else "No gap was met three times.")
    console.print(f"{len(asked)} questions without an answer in {days} days.")


def explain_text(text_id: str) -> None:
    """Everything the checks know of one text: measures, facts, figures, sources, review, and each rule's verdict."""
    from bot.content.checks.explain import explain

    for line in explain(text_id):
        console.print(line, markup=False)
