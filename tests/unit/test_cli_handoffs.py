"""``pne handoffs``: the try of a clinic's channels, what is undelivered, and sending it again."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest
from typer.testing import CliRunner

from bot.cli import app
from bot.handoff.worker import Undeliverable, send_due
from bot.settings import SettingsError
from bot.store import audit, outbox
from bot.store.outbox import Due
from bot.store.session import Database, utc_now
from tests.support.database import CLINIC, raise_one, sqlite_database
from tests.support.receivers import clinic_with


@pytest.fixture
def db(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Database:
    monkeypatch.setenv("PNE_DATABASE_URL", f"sqlite:///{tmp_path}/pne.db")
    monkeypatch.setenv("PNE_VAR", str(tmp_path))
    monkeypatch.delenv("PNE_SMTP_URL", raising=False)
    monkeypatch.setenv("COLUMNS", "200")
    return sqlite_database(tmp_path, utc_now)


def run(*words: str) -> tuple[int, str]:
    result = CliRunner().invoke(app, ["handoffs", *words])
    return result.exit_code, result.output


def a_dead_one(db: Database) -> outbox.Outbox:
    raised = raise_one(db, "c")

    async def refuse(_notice: Due) -> None:
        raise Undeliverable("The house [burnt] down.")

    asyncio.run(send_due(db, "email", refuse, "w"))
    with db.read() as session:
        (row,) = outbox.notices_of(session, raised.handoff_id)
    return row


def test_the_try_reports_each_contact_and_writes_mails_that_say_test(db: Database, tmp_path: Path) -> None:
    code, said = run("test", "demo")
    assert code == 0
    assert [line.split()[1] for line in said.splitlines() if line.startswith("email")] == ["team", "lead", "manager"]
    assert "PNE_SMTP_URL" in said
    assert len(list((tmp_path / "mail").glob("*.eml"))) == 3


def test_a_try_that_fails_says_what_to_do_and_exits_1(db: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PNE_SMTP_URL", "smtp://127.0.0.1:1")
    code, said = run("test", "demo")
    assert code == 1 and said.count("cannot be reached") == 3
    assert run("test", "nowhere")[0] == 1


def test_what_is_undelivered_is_listed_with_its_cause_and_can_be_replayed(db: Database) -> None:
    row = a_dead_one(db)
    for words in (("dead",), ("dead", "demo")):
        code, said = run(*words)
        assert code == 0 and row.id in said and "The house [burnt] down." in said
    assert row.id not in run("dead", "portal")[1]
    assert run("replay", row.id)[0] == 0
    assert run("replay", row.id)[0] == 1
    assert row.id not in run("dead")[1]
    with db.read() as session:
        assert audit.trail(session, CLINIC, row.handoff_id)[-1].act == "handoff.replayed"
        assert outbox.anything_due(session, "email")


@pytest.mark.parametrize("command", ["test", "dead", "replay"])
def test_each_has_help(command: str) -> None:
    code, said = run(command, "--help")
    assert code == 0 and "Usage" in said


def test_the_product_does_not_start_without_the_secret_of_a_channel(
    db: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    clinic = clinic_with(hook="https://hook.invalid/")
    monkeypatch.setattr("bot.content.load_clinics", lambda: {clinic.id: clinic})
    monkeypatch.delenv("HOOK_NEW", raising=False)
    result = CliRunner().invoke(app, ["up"])
    assert isinstance(result.exception, SettingsError) and "Clinic demo: HOOK_NEW" in str(result.exception)
