"""The ``pne`` command."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from bot import cli_clinics, cli_handoffs, cli_operate, cli_reports, cli_run
from bot.cli_audit import audit_app
from bot.cli_content import content_app, explain_text, show_gaps
from bot.cli_embed import embed
from bot.cli_people import clinician_app
from bot.settings import SettingsError, read_settings, secrets_from_files

app = typer.Typer(
    help="PNE Tutor: a pain education chat with red-flag safety words and a handoff to a clinician.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)
console = Console(stderr=True, highlight=False)
Lines = Annotated[
    Path | None,
    typer.Argument(help='A file of texts, or JSONL with "text". Default: standard input.', exists=True, dir_okay=False),
]


def main() -> None:
    """Entry point: errors of ours become one sentence and exit code 1."""
    from bot.content.files import ContentError
    from bot.training import TrainingFailed

    try:
        secrets_from_files(os.environ)
        if sys.argv[1:2] == ["rasa"]:
            # Passed on untouched, before typer reads Rasa's own options.
            _rasa(sys.argv[2:])
        else:
            app()
    except (SettingsError, ContentError, TrainingFailed) as error:
        console.print(str(error), style="red", markup=False)
        sys.exit(1)


@app.command()
def up() -> None:
    """Start everything: model, database, Rasa, actions, web app. Prints the addresses. Ctrl-C stops it."""
    from bot.content import load_clinics
    from bot.handoff.deliveries import need_secrets
    from bot.processes import Supervisor, parts, refuse_busy_ports
    from bot.store.session import connect, upgrade
    from bot.training import model_path, train, trained
    from bot.web.people.auth import demo_clinician

    settings = read_settings()
    started = time.monotonic()
    need_secrets(load_clinics().values(), os.environ)
    refuse_busy_ports(settings)
    if trained():
        console.print("Models: up to date")
    else:
        with console.status("Training the models (about four minutes; only when data or code of them has changed)"):
            train(settings)
        console.print(f"Models: trained in {time.monotonic() - started:.0f} s")
    settings.var_folder.mkdir(parents=True, exist_ok=True)
    upgrade(settings.database_url)
    console.print("Database: up to date")
    demo = None
    if not settings.production:
        db = connect(settings.database_url)
        demo = demo_clinician(db, settings.default_clinic)
        db.close()
    supervisor = Supervisor(parts(settings, model_path()), lambda line: console.print(line, markup=False))
    supervisor.stop_on_signals()
    supervisor.start()
    url = f"http://{settings.host}:{settings.port}"
    try:
        with console.status("Starting Rasa, actions and the web app"):
            ready = supervisor.wait_until_ready(url)
        if not ready and not supervisor.stopping:
            console.print(f"Not everything is ready; {url}/readyz says what is missing. Logs: {settings.var}/log/")
        if not supervisor.stopping:
            console.print(f"\nReady after {time.monotonic() - started:.1f} s")
            console.print(f"  Clinic page with the chat  {url}/")
            console.print(f"  The chat on its own        {url}/chat/{settings.default_clinic}")
            console.print(f"  Clinician inbox            {url}/inbox")
            if demo:
                console.print(f"    sign in as {demo.email} with password {demo.password} (shown this once)")
            elif not settings.production:
                console.print("    a new demo password: pne clinician demo")
            console.print("\nCtrl-C stops everything.")
        supervisor.watch()
    finally:
        supervisor.stop()


@app.command()
def train(force: Annotated[bool, typer.Option(help="Train even where nothing has changed.")] = False) -> None:
    """Train the models, Rasa's and the safety's soft layer, if what they are made of has changed."""
    from bot.training import soft_path
    from bot.training import train as train_models

    with console.status("Training"):
        path = train_models(read_settings(), force)
    console.print(f"Models: {path.name}, {soft_path().name}")


@app.command()
def check(
    explain: Annotated[str, typer.Option(help="Show one text (pain/alarm, finding/disc_bulge) and why it holds.")] = "",
) -> None:
    """Check everything under data/: ids, lengths, figures, words, sources, examples, rules. Exit 1 names each fault."""
    from bot.content.checks import check_all

    if explain:
        explain_text(explain)
        return
    faults = check_all()
    for fault in faults:
        console.print(str(fault), markup=False)
    console.print(f"{len(faults)} faults" if faults else "Content: no faults")
    raise typer.Exit(1 if faults else 0)


@app.command("safety-card")
def safety_card(
    check: Annotated[bool, typer.Option("--check", help="See whether card and gates hold, without measuring.")] = False,
    force: Annotated[bool, typer.Option("--force", help="Measure even where nothing has changed.")] = False,
) -> None:
    """Measure the red-flag screening and write docs/safety-card.md and .html. Exit 1 names each gate that fails."""
    from bot import safety_card as card

    if check:
        faults = card.check_card(card.load_texts(), card.card_hash())
    else:
        with console.status("Screening the labelled sets (about two minutes)"):
            faults = card.run(force)
        console.print(f"Safety Card: {card.CARD.relative_to(card.ROOT)} and {card.PAGE.name}")
    for fault in faults:
        console.print(fault, style="red", markup=False)
    if check and not faults:
        console.print("Safety Card: up to date")
    raise typer.Exit(1 if faults else 0)


@app.command("model-card")
def model_card() -> None:
    """Measure the routing on held-out messages and write docs/model-card.md, with the model's thresholds."""
    from bot import model_card as card
    from bot.training import train as train_models

    model = train_models(read_settings())
    with console.status("Reading the held-out messages"):
        found = card.write_card(model)
    shares = f"best-ranked right {found.top1:.1%}, shown {found.shown:.1%}, wrong {found.wrong:.1%}"
    console.print(f"docs/model-card.md: {shares}")


@app.command()
def screen(file: Lines = None) -> None:
    """Screen texts for red flags, one a line; JSONL out: text, tier, ask, findings, ms."""
    from bot import screening
    from bot.training import train_soft_layer

    with console.status("Safety's soft layer (trained once, about four minutes)"):
        train_soft_layer()
    screening.warm_up()
    for text in _texts(file):
        started = time.perf_counter()
        found = screening.screen(text).as_dict()
        del found["worst"], found["question"]
        _out({"text": text, **found, "ms": _ms(started)})


@app.command()
def ask(file: Lines = None) -> None:
    """Put texts to the assistant, each as its own conversation; JSONL out: ids, tier, buttons, score, texts."""
    import asyncio

    from bot.asking import open_tutor

    async def answer_all() -> None:
        tutor = open_tutor(read_settings())
        for text in _texts(file):
            started = time.perf_counter()
            answered = await tutor(text)
            _out({"text": text, **answered, "ms": _ms(started)})

    asyncio.run(answer_all())


@app.command()
def migrate() -> None:
    """Bring the database to the newest schema."""
    from bot.store.session import upgrade

    upgrade(read_settings().database_url)
    console.print("Database: up to date")


app.add_typer(content_app, name="content")
app.add_typer(audit_app, name="audit")
app.command("gaps")(show_gaps)
app.command("embed")(embed)
cli_clinics.register(app)
cli_handoffs.register(app)
cli_operate.register(app)
cli_reports.register(app)
cli_run.register(app)
app.add_typer(clinician_app, name="clinician")


@app.command("rasa", context_settings={"ignore_unknown_options": True, "allow_extra_args": True})
def rasa_command() -> None:
    """Rasa's own command line: train, shell, test, data validate, run … (without TensorFlow)."""
    _rasa([])  # with arguments, main() passes them on before typer reads them


@app.command(context_settings={"ignore_unknown_options": True, "allow_extra_args": True}, add_help_option=False)
def bench(context: typer.Context) -> None:
    """Measure this assistant beside stock Rasa and write benchmarks/results; `pne bench --help` names the parts."""
    raise typer.Exit(subprocess.call([sys.executable, "-m", "benchmarks.run", *context.args]))


def _rasa(arguments: list[str]) -> None:
    from bot.rasa_light import main as rasa_main
    from bot.training import rasa_environment

    settings = read_settings()
    for name, value in rasa_environment(settings).items():
        os.environ.setdefault(name, value)
    settings.var_folder.mkdir(parents=True, exist_ok=True)
    rasa_main(arguments or ["--help"])


def _texts(file: Path | None) -> Iterator[str]:
    """The texts of a file or of standard input, in order: JSON objects with "text", or plain lines."""
    stream = file.open("rb") if file else sys.stdin.buffer
    for raw in stream:
        line = raw.decode("utf-8", "replace").rstrip("\r\n")
        if not line.strip():
            continue
        try:
            value = json.loads(line)
        except (ValueError, RecursionError):
            value = None
        yield value["text"] if isinstance(value, dict) and isinstance(value.get("text"), str) else line


def _out(row: dict[str, object]) -> None:
    sys.stdout.write(json.dumps(row, ensure_ascii=True) + "\n")
    sys.stdout.flush()


def _ms(started: float) -> float:
    return round((time.perf_counter() - started) * 1000, 3)


if __name__ == "__main__":
    main()
