"""``pne clinician``: the first admin, and the way in again when nobody gets in."""

from __future__ import annotations

from pathlib import Path

import pytest
from argon2 import PasswordHasher
from typer.testing import CliRunner

from bot import cli_people
from bot.cli_people import clinician_app
from bot.handoff.roles import ROLES
from bot.settings import SettingsError
from bot.store.clinicians import clinician_by_email
from bot.store.models import Clinician
from bot.store.session import Database, connect
from bot.web.people import auth, staff
from tests.support.database import HandClock, sqlite_database

NEW = "new@demo.invalid"


@pytest.fixture
def db(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Database:
    hasher = PasswordHasher(time_cost=1, memory_cost=8, parallelism=1)
    monkeypatch.setattr(auth, "_hasher", lambda: hasher)
    monkeypatch.setenv("PNE_VAR", str(tmp_path))
    monkeypatch.setenv("PNE_DATABASE_URL", f"sqlite:///{tmp_path}/pne.db")
    sqlite_database(tmp_path, HandClock())
    return connect(f"sqlite:///{tmp_path}/pne.db")


def run(*words: str) -> tuple[int, str]:
    """The exit code, and what stands on standard output."""
    found = CliRunner().invoke(clinician_app, list(words))
    assert found.exception is None or isinstance(found.exception, SystemExit), found.exception
    return found.exit_code, found.stdout


def person(db: Database, email: str = NEW) -> Clinician | None:
    with db.read() as session:
        return clinician_by_email(session, email)


def test_somebody_is_added_by_a_link_and_no_password_is_asked_for(db: Database) -> None:
    code, out = run("add", NEW, "Dr New", "--role", "admin")
    link = out.split()[-1]
    assert code == 0 and "/inbox/invitation/" in link
    made = person(db)
    assert made is not None and (made.role, made.clinic, made.password_hash) == ("admin", "demo", "")
    assert staff.accept(db, link.rsplit("/", 1)[1], "a good long password")


@pytest.mark.parametrize(
    "words",
    [
        ("add", NEW, "Dr New", "--role", "king"),
        ("add", NEW, "Dr New", "--clinic", "nowhere"),
        ("add", "nobody", "Dr New"),
        ("role", NEW, "king"),
        ("role", NEW, "admin"),
        ("disable", NEW),
        ("reset", NEW),
    ],
)
def test_what_cannot_be_done_says_so_and_changes_nothing(words: tuple[str, ...], db: Database) -> None:
    assert run(*words) == (1, "")
    assert person(db) is None


def test_an_address_is_added_once(db: Database) -> None:
    assert run("add", NEW, "Dr New")[0] == 0
    assert run("add", NEW.upper(), "Dr Other")[0] == 1


def test_roles_and_shutting_out(db: Database) -> None:
    run("add", NEW, "Dr New")
    assert run("role", NEW, "auditor")[0] == 0
    assert run("disable", NEW)[0] == 0
    found = person(db)
    assert found is not None and found.role == "auditor" and found.disabled_at is not None
    assert run("enable", NEW)[0] == 0
    code, out = run("list")
    assert code == 0 and NEW in out and "auditor" in out and "no password yet" in out


def test_the_last_admin_is_not_shut_out_by_mistake(db: Database) -> None:
    link = run("add", NEW, "Dr New", "--role", "admin")[1].split()[-1]
    assert staff.accept(db, link.rsplit("/", 1)[1], "a good long password")
    for words in (("disable", NEW), ("role", NEW, "clinician")):
        assert run(*words)[0] == 1
    found = person(db)
    assert found is not None and found.role == "admin" and found.disabled_at is None


def test_a_reset_gives_a_link_and_takes_the_app_away_only_when_asked(db: Database) -> None:
    run("add", NEW, "Dr New")
    with db.begin() as session:
        session.query(Clinician).one().totp_secret = "sealed"
    assert "/inbox/invitation/" in run("reset", NEW)[1]
    found = person(db)
    assert found is not None and found.totp_secret == "sealed"
    run("reset", NEW, "--factor")
    found = person(db)
    assert found is not None and found.totp_secret is None


def test_the_demo_has_a_person_of_every_role_and_production_has_none(
    db: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert run("demo")[0] == 0
    with db.read() as session:
        assert {one.role for one in session.query(Clinician)} == set(ROLES)
    monkeypatch.setenv("PNE_ENVIRONMENT", "production")
    monkeypatch.setenv("PNE_RASA_SECRET", "s" * 40)
    monkeypatch.setenv("PNE_SECRET_KEY", "k" * 40)
    with pytest.raises(SettingsError):
        cli_people.demo()
