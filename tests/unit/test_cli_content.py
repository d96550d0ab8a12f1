"""The parts of the command line that look after the content."""

from __future__ import annotations

from pathlib import Path

import pytest
from typer.testing import CliRunner

from bot.cli import app
from bot.content.files import ContentError
from bot.store.gaps import record_gap
from bot.store.session import connect, upgrade

RUNNER = CliRunner()


def test_status_counts_every_subject() -> None:
    shown = RUNNER.invoke(app, ["content", "status"])
    assert shown.exit_code == 0
    assert all(subject in shown.output for subject in ("pain", "finding", "safety", "all"))


def test_a_sign_off_of_what_is_not_there_is_refused() -> None:
    refused = RUNNER.invoke(app, ["content", "sign", "pain/no_such.v1", "--reviewer", "A", "--role", "b", "--yes"])
    assert isinstance(refused.exception, ContentError)
    refused = RUNNER.invoke(
        app, ["content", "sign", "pain", "--reviewer", "A", "--role", "b", "--until", "soon", "--yes"]
    )
    assert isinstance(refused.exception, ContentError)


@pytest.mark.parametrize(
    ("text_id", "shown"), [("joints/meniscus", "rule figure: holds"), ("finding/disc_bulge", "rule card: holds")]
)
def test_explain_says_what_a_text_rests_on(text_id: str, shown: str) -> None:
    found = RUNNER.invoke(app, ["check", "--explain", text_id])
    assert found.exit_code == 0
    assert shown in found.output and "review: demo: pending" in found.output
    assert "FAULT" not in found.output


def test_explain_of_what_is_not_there_is_refused() -> None:
    assert isinstance(RUNNER.invoke(app, ["check", "--explain", "pain/nothing"]).exception, ContentError)


def test_gaps_are_shown_from_three_on(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    url = f"sqlite:///{tmp_path}/pne.db"
    monkeypatch.setenv("PNE_DATABASE_URL", url)
    monkeypatch.setenv("PNE_VAR", str(tmp_path))
    upgrade(url)
    db = connect(url)
    with db.begin() as session:
        for _ in range(3):
            record_gap(session, "demo", "not_understood", ["care/treatments"], ["machine", "tens"])
        record_gap(session, "demo", "out_of_scope", [], ["hat"])
    db.close()
    shown = RUNNER.invoke(app, ["gaps"])
    assert shown.exit_code == 0
    assert "machine tens" in shown.output and "hat" not in shown.output
    assert "4 questions" in shown.output
