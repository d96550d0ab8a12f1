"""``pne clinics``: what is, where it comes from, what does not hold, and the way back."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml
from typer.testing import CliRunner

from bot.cli import app
from bot.content.clinics import load_clinics, make_clinic
from bot.store.clinic_settings import save, settings_of
from bot.store.session import Database
from tests.support.database import HandClock, sqlite_database

DEMO = load_clinics()["demo"]


@pytest.fixture
def db(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Database:
    made = sqlite_database(tmp_path, HandClock())
    monkeypatch.setenv("PNE_VAR", str(tmp_path))
    monkeypatch.setenv("PNE_DATABASE_URL", f"sqlite:///{tmp_path}/pne.db")
    return made


def pne(*arguments: str) -> Any:
    return CliRunner().invoke(app, ["clinics", *arguments])


def put(db: Database, key: str, value: Any) -> None:
    with db.begin() as session:
        save(session, "demo", key, value, seen=None, by="lee")


def test_a_clinic_is_shown_as_it_is_now_and_could_stand_in_its_file(db: Database) -> None:
    put(db, "phone", "020 7946 0999")
    shown = pne("show", "demo")
    assert shown.exit_code == 0 and "# phone: changed at 2030-01-02 03:04 UTC by lee" in shown.output
    again = make_clinic(yaml.safe_load(shown.output), "what was shown")
    assert again.phone == "020 7946 0999" and again.hours == DEMO.hours and again.chain == DEMO.chain
    assert "phone" in pne("list").output


def test_what_does_not_hold_is_named(db: Database) -> None:
    assert pne("check").exit_code == 0
    put(db, "hours", "always")
    found = pne("check")
    assert found.exit_code == 1 and "demo, hours:" in found.output
    assert "hours (broken)" in pne("list").output


def test_the_way_back(db: Database) -> None:
    put(db, "hours", "always")
    assert pne("reset", "demo", "hours").exit_code == 0
    assert pne("check").exit_code == 0
    with db.read() as session:
        assert settings_of(session, "demo") == {}
    again = pne("reset", "demo", "hours")
    assert again.exit_code == 1


def test_a_clinic_that_is_not_there_is_said_to_be_so(db: Database) -> None:
    for command in (("show", "nowhere"), ("reset", "nowhere", "hours")):
        found = pne(*command)
        assert found.exit_code == 1 and "Known: demo, portal" in found.output
