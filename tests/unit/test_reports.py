"""``pne report``, ``export`` and ``erase``: counts without people, copies and erasing for a clinic, clear errors."""

from __future__ import annotations

import csv
import io
import json
from dataclasses import replace
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from bot.cli import app
from bot.content import load_clinics
from bot.store import events, opinions, reports, rights
from bot.store.conversations import conversation_with, open_conversation, record_consent
from bot.store.models import Audit
from bot.store.reports import HIDDEN, Period
from bot.store.session import Database
from bot.web.inbox import report_view
from tests.support.database import HandClock, raise_one, sqlite_database

SECRET = "zebracorn"
# What a report holds beside figures.
WHEN = ("clinic", "since", "until", "made_at", "time_zone")
FORMS = {"survey": {"use": None, "found": ("found", "partly", "not_found")}}


@pytest.fixture
def db(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Database:
    monkeypatch.setenv("PNE_DATABASE_URL", f"sqlite:///{tmp_path}/pne.db")
    monkeypatch.setenv("PNE_TRACKER_URL", f"sqlite:///{tmp_path}/tracker.db")
    monkeypatch.setenv("PNE_RASA_PORT", "9")  # nobody listens there
    monkeypatch.setenv("PNE_VAR", str(tmp_path))
    monkeypatch.setenv("COLUMNS", "180")
    return sqlite_database(tmp_path, HandClock())


def chat(
    db: Database,
    value: str = "",
    code: str | None = None,
    answers: Any = None,
    clinic: str = "demo",
    said: str = "pain/alarm",
) -> str:
    """A conversation with one answer, perhaps rated, and perhaps the questions at the end."""
    with db.begin() as session:
        made = str(open_conversation(session, clinic=clinic, locale="en", lifetime=timedelta(days=9)).conversation.id)
        record_consent(session, made, "v1")
        for author, body in (
            ("patient", {"kind": "text", "text": SECRET}),
            ("bot", {"kind": "text", "answer_id": said}),
        ):
            events.append_event(session, made, type="message", author=author, body={**body, "fallback_text": "x"})
        if value:
            opinions.record_feedback(session, made, 2, value, code, SECRET)
        if answers is not None:
            opinions.record_survey(session, made, 3, "survey", {**answers, "else": SECRET})
    return made


def found(db: Database, since: datetime | None = None) -> dict[str, Any]:
    about = replace(report_view.about(load_clinics()["demo"]), forms=FORMS)
    with db.read() as session:
        return reports.report(session, about, Period(since))


def test_counts_means_and_reasons(db: Database) -> None:
    for use in (4, 6, 8, 9, 10):
        chat(db, "up", answers={"use": use, "found": "found"})
    for _ in range(6):
        chat(db, "down", "felt_dismissed")
    for _ in range(7):
        chat(db, "down", "not_for_me", said="life/sleep")
    chat(db, "down", clinic="portal")
    made = found(db)
    assert made["conversations"] == {"opened": 18, "accepted": 18, "passed_on": 0}
    assert made["answers"] == [
        {"answer": "life/sleep", "up": 0, "down": 7,
         "reasons": {"not_for_me": 7, "hard_to_read": 0, "felt_dismissed": 0, "none_given": 0}},
        {"answer": "pain/alarm", "up": 5, "down": 6,
         "reasons": {"not_for_me": 0, "hard_to_read": 0, "felt_dismissed": 6, "none_given": 0}},
    ]  # fmt: skip
    assert made["most_disliked"] == ["life/sleep", "pain/alarm"]
    survey = made["surveys"]["survey"]
    assert survey["n"] == 5
    assert survey["items"]["use"] == {"n": 5, "mean": 7.4}
    assert survey["items"]["found"]["choices"] == {"found": 5, "partly": 0, "not_found": 0}


def test_small_numbers_are_not_told(db: Database) -> None:
    for _ in range(4):
        chat(db, "down", "hard_to_read", {"use": 1, "found": "partly"})
    made = found(db)
    assert made["conversations"] == {"opened": HIDDEN, "accepted": HIDDEN, "passed_on": 0}
    assert made["answers"][0]["down"] == HIDDEN and made["most_disliked"] == []
    assert made["surveys"]["survey"]["items"]["use"] == {"n": HIDDEN, "mean": None}
    counted = [row for row in csv.reader(io.StringIO(report_view.as_csv(made))) if row[0] not in WHEN]
    assert len(counted) > 50
    assert {row[3] for row in counted[1:]} <= {"0", "", HIDDEN}, counted


def test_no_word_of_a_patient_is_in_a_report(db: Database) -> None:
    for _ in range(6):
        chat(db, "down", "felt_dismissed", {"use": 5, "found": "found"})
    assert SECRET not in json.dumps(found(db))


def test_the_newest_answers_of_a_conversation_count(db: Database) -> None:
    for _ in range(5):
        made = chat(db, answers={"use": 0, "found": "not_found"})
        with db.begin() as session:
            opinions.record_survey(session, made, 4, "survey", {"use": 10, "found": None})
    survey = found(db)["surveys"]["survey"]
    assert survey["items"]["use"] == {"n": 5, "mean": 10.0}
    assert survey["items"]["found"]["n"] == 0


def test_from_a_day_on(db: Database) -> None:
    for _ in range(6):
        chat(db, "up")
    assert isinstance(db.clock, HandClock)
    db.clock.move(days=10)
    assert found(db, db.clock())["conversations"]["opened"] == 0
    assert found(db, db.clock())["answers"] == []
    assert found(db, db.clock() - timedelta(days=11))["conversations"]["opened"] == 6


# The commands


def run(*arguments: str, typed: str = "") -> Any:
    return CliRunner().invoke(app, list(arguments), input=typed)


def test_report_for_people_and_for_programs(db: Database) -> None:
    for _ in range(6):
        chat(db, "down", "felt_dismissed", {"use": 5, "found": "found"})
    shown = run("report", "demo")
    assert shown.exit_code == 0, shown.output
    for part in ("pain/alarm", "Felt dismissed", "demo"):
        assert part in " ".join(shown.output.split()), part
    made = json.loads(run("report", "demo", "--json", "--since", "2030-01-01").output)
    assert made["conversations"]["opened"] == 6 and made["surveys"]["survey"]["items"]["use"]["mean"] == 5.0
    assert "else" not in made["surveys"]["survey"]["items"]
    lines = run("report", "demo", "--csv", "--until", "2031-01-01").output.splitlines()
    assert "conversations.opened,,,6" in lines
    assert SECRET not in shown.output + "".join(lines)


def test_a_report_of_nothing(db: Database) -> None:
    shown = run("report", "demo")
    assert shown.exit_code == 0 and len(shown.output.splitlines()) < 12


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (("report", "nowhere"), "There is no clinic"),
        (("report", "demo", "--since", "soon"), "is not a date"),
        (("report", "demo", "--since", "2030-02-01", "--until", "2030-01-01"), "must be a later day"),
        (("export", "unknown"), "There is no conversation"),
        (("export", "unknown", "--format", "pdf"), "html or json"),
        (("erase", "unknown", "--yes"), "There is no conversation"),
    ],
)
def test_errors_say_what_is_wrong(db: Database, arguments: tuple[str, ...], says: str) -> None:
    done = run(*arguments)
    assert done.exit_code == 1
    assert says in " ".join((done.output + getattr(done, "stderr", "")).split())


def test_export_gives_what_the_patient_gets(db: Database, tmp_path: Path) -> None:
    made = chat(db)
    shown = run("export", made)
    assert shown.exit_code == 0, shown.output
    data = json.loads(shown.stdout)
    assert data["conversation"] == made and data["facts"] is None and SECRET in shown.stdout
    file = tmp_path / "copy.html"
    assert run("export", made, str(file), "--format", "html").exit_code == 0
    assert SECRET in file.read_text() and file.stat().st_mode & 0o077 == 0
    with db.read() as session:
        acts = [(row.act, row.actor) for row in session.query(Audit)]
    assert acts == [("conversation.exported", "clinic")] * 2
    assert run("export", made, str(tmp_path / "no" / "folder")).exit_code == 1


def test_erase_asks_and_then_erases(db: Database) -> None:
    made = chat(db)
    assert run("erase", made, typed="n\n").exit_code == 1
    with db.read() as session:
        assert not rights.is_erased(conversation_with(session, made))
    assert run("erase", made, typed="y\n").exit_code == 0
    with db.read() as session:
        assert rights.is_erased(conversation_with(session, made))
    again = run("erase", made, "--yes")
    assert again.exit_code == 0 and "erased before" in again.output


def test_erase_leaves_an_open_handoff_alone(db: Database) -> None:
    made = chat(db)
    raise_one(db, made)
    done = run("erase", made, "--yes")
    assert done.exit_code == 1 and "close it in the inbox first" in " ".join((done.output + done.stderr).split())
    with db.read() as session:
        assert not rights.is_erased(conversation_with(session, made))


@pytest.mark.parametrize("command", ["report", "export", "erase"])
def test_every_command_explains_itself(command: str) -> None:
    shown = run(command, "--help")
    assert shown.exit_code == 0 and "Usage" in shown.output
