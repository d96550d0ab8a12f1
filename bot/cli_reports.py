"""The parts of the ``pne`` command that are about patients' data: how the chat is used, copies, and erasing."""

from __future__ import annotations

import asyncio
import datetime
import json
import sys
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated, Any, TypeVar

import typer
from rich.markup import escape
from rich.table import Table

from bot.cli_shared import console, database, errors, stop
from bot.settings import Settings, read_settings

T = TypeVar("T")
Conversation = Annotated[str, typer.Argument(help="The conversation's id, as the patient's own copy shows it.")]


def register(app: typer.Typer) -> None:
    """Adds the commands to ``pne``."""
    app.command("report")(show_report)
    app.command("export")(export_data)
    app.command("erase")(erase_conversation)


def show_report(
    clinic: Annotated[str, typer.Argument(help="Clinic id.")],
    since: Annotated[str, typer.Option(help="Count from this day on (YYYY-MM-DD, in the clinic's zone).")] = "",
    until: Annotated[str, typer.Option(help="Count until before this day.")] = "",
    as_json: Annotated[bool, typer.Option("--json", help="Plain data instead of tables.")] = False,
    as_csv: Annotated[bool, typer.Option("--csv", help="One figure a line, for a spreadsheet.")] = False,
) -> None:
    """How a clinic's chat is used, answered and rated: counts, times and means. No words of patients; numbers of fewer
    than five people are left out, and what would give them away.

    Do not pass on two reports whose times overlap: a small number could be the difference between them.
    """
    from bot.content.clinics import load_clinics
    from bot.live_clinics import clinic_now
    from bot.store import audit, rights
    from bot.store.reports import Period, report
    from bot.store.reports.period import midnight
    from bot.web.inbox import report_view

    files = load_clinics()
    if clinic not in files:
        stop(f"There is no clinic {clinic!r}. Known: {', '.join(sorted(files))}.")
    first, last = _day(since), _day(until)
    if first and last and first >= last:
        stop("--until must be a later day than --since.")
    with database(read_settings().database_url) as db:
        about = report_view.about(clinic_now(db, files[clinic]))
        period = Period(*(midnight(day, about.zone) if day else None for day in (first, last)))
        with db.of(clinic).read() as session:
            found = report(session, about, period)
        with db.begin() as session:
            audit.record(session, clinic=clinic, actor=rights.BY_CLINIC, act="report.viewed", subject=clinic)
    if as_json:
        sys.stdout.write(json.dumps(found, indent=2) + "\n")
    elif as_csv:
        sys.stdout.write(report_view.as_csv(found))
    else:
        _print_report(found, first, last)


def export_data(
    what: Annotated[str, typer.Argument(help='A conversation\'s id, or "research".')],
    target: Annotated[
        Path | None, typer.Argument(help='Where to write it. Default: standard output. For "research": a folder.')
    ] = None,
    form: Annotated[str, typer.Option("--format", help="Of a conversation: html (to read) or json (data).")] = "json",
    clinic: Annotated[str, typer.Option(help='For "research": the clinic. Default: PNE_CLINIC.')] = "",
) -> None:
    """Everything that is kept of one conversation, as its patient can download it, or the data of a study.

    A conversation's copy holds the patient's words. "research" gives what those who agreed have done: under codes,
    without words, weeks in place of dates, nothing of fewer than five people (docs/research.md). The audit notes that a
    copy was made.
    """
    if what == "research":
        _export_research(clinic, target or Path("research"))
    else:
        _export_conversation(what, target, form)


def _export_research(clinic: str, folder: Path) -> None:
    from bot import research
    from bot.content.clinics import load_clinics
    from bot.store import audit, rights
    from bot.tutor.research import study_of

    settings = read_settings()
    clinic = clinic or settings.default_clinic
    about = load_clinics().get(clinic)
    if about is None:
        stop(f"There is no clinic {clinic!r}. pne clinics list shows them.")
    study = study_of(about.about)
    if not study:
        stop(f"Clinic {clinic!r} names no study: write what it is under `research` in data/clinics/{clinic}.yml.")
    with database(settings.database_url) as db:
        try:
            # The oldest of the keys: it stays while a new one is brought in, and the codes with it.
            made = research.collect(db, clinic, study, about.hours.zone, settings.secret_key.split(",")[-1])
        except research.TooFew:
            stop("Too few people have agreed to this study: nothing may be given of fewer than five.")
        details = {name: len(rows) for name, rows in made.tables.items()}
        with db.begin() as session:
            act = "research.exported"
            audit.record(session, clinic=clinic, actor=rights.BY_CLINIC, act=act, subject=clinic, details=details)
    try:
        for path in research.write(folder, made):
            errors.print(f"Written: {path}", markup=False)
    except OSError as error:
        stop(f"{folder} cannot be written: {error.strerror}.")


def _export_conversation(conversation: str, file: Path | None, form: str) -> None:
    from bot.content.clinics import load_clinics
    from bot.store import rights
    from bot.web import export
    from bot.web.rights import everything

    if form not in ("html", "json"):
        stop(f"--format is html or json, not {form!r}.")
    settings = read_settings()
    with database(settings.database_url) as db, _named(conversation):
        found = _with_rasa(settings, lambda assistant: everything(db, assistant, conversation))
        with db.begin() as session:
            rights.record_export(session, conversation, rights.BY_CLINIC)
        clinic = load_clinics().get(found["clinic"])
        name = clinic.name if clinic is not None else found["clinic"]
        text = export.document(found, name, db.clock()) if form == "html" else json.dumps(found, indent=2) + "\n"
    if file is None:
        sys.stdout.write(text)
        return
    try:
        file.touch(mode=0o600)
        file.write_text(text, encoding="utf-8")
    except OSError as error:
        stop(f"{file} cannot be written: {error.strerror}.")
    missing = " What the dialogue noted is missing: Rasa does not answer." if found["facts"] is None else ""
    errors.print(f"Written: {file}.{missing}", markup=False)


def erase_conversation(
    conversation: Conversation,
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask.")] = False,
) -> None:
    """Erase one conversation for good, as its patient can: words, name, answers, tokens and the dialogue's state.

    CONVERSATION is its id, as the patient's own copy shows it. Not while a message of it is with the clinic's team.
    """
    from bot.store import rights
    from bot.store.conversations import conversation_with
    from bot.web.rights import erase_everything, erase_left_over, settle

    settings = read_settings()
    with database(settings.database_url) as db, _named(conversation):
        with db.read() as session:
            found = conversation_with(session, conversation)
            erased, clinic, at = rights.is_erased(found), found.clinic, found.updated_at
        if erased:
            console.print(f"Nothing to do: {conversation} was erased before.", markup=False)
            return
        if not yes:
            typer.confirm(f"Erase {conversation} ({clinic}, last used {at:%Y-%m-%d}) for good?", abort=True)
        _with_rasa(settings, lambda assistant: settle(assistant, conversation))
        erase_everything(db, settings.tracker_url, conversation, rights.BY_CLINIC)
        # A turn that began in between has ended, or been turned away, when Rasa answers again.
        _with_rasa(settings, lambda assistant: settle(assistant, conversation))
        erase_left_over(db, settings.tracker_url, conversation)
    console.print(f"Erased: {conversation}", markup=False)


def _print_report(found: dict[str, Any], since: datetime.date | None, until: datetime.date | None) -> None:
    """The same tables as on the page."""
    from bot.content.inbox import load_inbox_wording
    from bot.web.inbox import report_view

    words = load_inbox_wording()
    made = found["made_at"]
    first, last = since or words.text("report_everything"), until or words.text("report_today")
    console.print(f"{found['clinic']}: {words.text('report_span', since=first, until=last, made=made)}", markup=False)
    console.print(words.text("report_hidden_note"), markup=False)
    if report_view.is_empty(found):
        console.print(words.text("report_empty"), markup=False)
        return
    for name, value in report_view.glance(found, words):
        console.print(f"{name}: {value}", markup=False)
    for section in report_view.sections(found, words):
        console.rule(escape(section.title))
        for note in filter(None, (*section.notes, section.empty)):
            console.print(note, markup=False)
        for shown in section.tables:
            table = Table(title=escape(shown.caption))
            table.add_column(escape(shown.head[0]), min_width=16, overflow="fold")
            for name in shown.head[1:]:
                table.add_column(escape(name), justify="right", overflow="fold")
            for label, cells in shown.rows:
                table.add_row(escape(label), *(escape(cell) for cell in cells))
            console.print(table)


def _day(text: str) -> datetime.date | None:
    if not text:
        return None
    try:
        return datetime.date.fromisoformat(text)
    except ValueError:
        stop(f"{text!r} is not a date; write it as 2027-01-31.")
    return None


@contextmanager
def _named(conversation: str) -> Iterator[None]:
    from bot.store.conversations import UnknownConversation
    from bot.store.rights import OpenHandoff

    try:
        yield
    except UnknownConversation:
        stop(f"There is no conversation {conversation!r}.")
    except OpenHandoff:
        stop(
            "A message of this conversation is with the clinic's team: close it in the inbox first. Nothing was erased."
        )


def _with_rasa(settings: Settings, work: Callable[[Any], Awaitable[T]]) -> T:
    """Runs something that asks Rasa, with a line of its own."""
    from bot.logs import set_up_logs
    from bot.web.assistant import open_assistant

    # Standard output may be the copy itself: logs go to standard error.
    set_up_logs(settings.log_level)

    async def run() -> T:
        assistant = open_assistant(settings.rasa_urls, settings.rasa_secret, settings.rasa_timeout)
        try:
            return await work(assistant)
        finally:
            await assistant.aclose()

    return asyncio.run(run())
