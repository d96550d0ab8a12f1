from __future__ import annotations

import re
from dataclasses import fields

import pytest

from bot.settings import ROOT, Settings, SettingsError, read_settings


def test_env_example_names_every_setting_with_its_default() -> None:
    lines = (ROOT / ".env.example").read_text().splitlines()
    shown = dict(line.split("=", 1) for line in lines if re.match(r"PNE_\w+=", line))
    assert shown == {item.metadata["variable"]: str(item.default) for item in fields(Settings)}


@pytest.mark.parametrize("variable", ["PNE_RASA_SECRET", "PNE_SECRET_KEY"])
def test_production_refuses_a_missing_or_short_secret(variable: str) -> None:
    good = {"PNE_ENVIRONMENT": "production", "PNE_RASA_SECRET": "r" * 32, "PNE_SECRET_KEY": "k" * 32}
    assert read_settings(good).production
    for secret in ("", "short"):
        with pytest.raises(SettingsError, match=variable):
            read_settings({**good, variable: secret})


def test_of_a_key_that_is_being_changed_neither_may_be_short() -> None:
    good = {"PNE_ENVIRONMENT": "production", "PNE_RASA_SECRET": "r" * 32}
    both = f"{'n' * 32},{'k' * 32}"
    assert read_settings({**good, "PNE_SECRET_KEY": both}).secret_key == both
    for wrong in (f"{'n' * 32},", f"short,{'k' * 32}"):
        with pytest.raises(SettingsError, match="PNE_SECRET_KEY"):
            read_settings({**good, "PNE_SECRET_KEY": wrong})


@pytest.mark.parametrize(
    ("environment", "given", "required"),
    [("production", "", True), ("development", "", False), ("production", "optional", False),
     ("development", "required", True)],
)  # fmt: skip
def test_a_second_factor_is_needed_in_production_unless_somebody_says_otherwise(
    environment: str, given: str, required: bool
) -> None:
    environ = {"PNE_ENVIRONMENT": environment, "PNE_SECOND_FACTOR": given}
    secrets = {"PNE_RASA_SECRET": "r" * 32, "PNE_SECRET_KEY": "k" * 32}
    assert read_settings({**environ, **secrets}).second_factor_required is required


@pytest.mark.parametrize("wrong", [{"PNE_SECOND_FACTOR": "maybe"}, {"PNE_IDLE_MINUTES": "0"}])
def test_what_would_leave_the_door_open_is_refused(wrong: dict[str, str]) -> None:
    with pytest.raises(SettingsError, match=next(iter(wrong))):
        read_settings({**wrong, "PNE_RASA_SECRET": "r" * 32, "PNE_SECRET_KEY": "k" * 32})


def test_development_makes_a_secret_once_and_keeps_it(tmp_path) -> None:
    environ = {"PNE_VAR": str(tmp_path)}
    first = read_settings(environ)
    assert len(first.rasa_secret) >= 32 and len(first.secret_key) >= 32 and first.rasa_secret != first.secret_key
    assert read_settings(environ) == first
    for name in ("secret", "secret-key"):
        assert (tmp_path / name).stat().st_mode & 0o077 == 0


def test_a_number_that_is_none_names_its_variable() -> None:
    with pytest.raises(SettingsError, match="PNE_PORT='abc'"):
        read_settings({"PNE_PORT": "abc", "PNE_RASA_SECRET": "x" * 32})


def test_an_unknown_environment_is_refused() -> None:
    with pytest.raises(SettingsError, match="development or production"):
        read_settings({"PNE_ENVIRONMENT": "prod", "PNE_RASA_SECRET": "x" * 32})


def test_sqlite_paths_belong_to_the_project_whatever_the_working_directory(tmp_path, monkeypatch) -> None:
    monkeypatch.chdir(tmp_path)
    assert read_settings({"PNE_RASA_SECRET": "x" * 32}).database_url == f"sqlite:///{ROOT}/var/pne.db"
