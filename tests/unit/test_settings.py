from __future__ import annotations

import re
from dataclasses import fields

import pytest

from bot.settings import ROOT, Settings, SettingsError, read_settings


def test_env_example_names_every_setting_with_its_default() -> None:
    lines = (ROOT / ".env.example").read_text().splitlines()
    shown = dict(line.split("=", 1) for line in lines if re.match(r"PNE_\w+=", line))
    assert shown == {item.metadata["variable"]: str(item.default) for item in fields(Settings)}


def test_production_refuses_a_missing_or_short_secret() -> None:
    for secret in ("", "short"):
        with pytest.raises(SettingsError, match="PNE_RASA_SECRET"):
            read_settings({"PNE_ENVIRONMENT": "production", "PNE_RASA_SECRET": secret})


def test_development_makes_a_secret_once_and_keeps_it(tmp_path) -> None:
    environ = {"PNE_VAR": str(tmp_path)}
    first = read_settings(environ).rasa_secret
    assert len(first) >= 32
    assert read_settings(environ).rasa_secret == first
    assert (tmp_path / "secret").stat().st_mode & 0o077 == 0


def test_a_number_that_is_none_names_its_variable() -> None:
    with pytest.raises(SettingsError, match="PNE_PORT='abc'"):
        read_settings({"PNE_PORT": "abc", "PNE_RASA_SECRET": "x" * 32})


def test_an_unknown_environment_is_refused() -> None:
    with pytest.raises(SettingsError, match="development or production"):
        read_settings({"PNE_ENVIRONMENT": "prod", "PNE_RASA_SECRET": "x" * 32})


def test_sqlite_paths_belong_to_the_project_whatever_the_working_directory(tmp_path, monkeypatch) -> None:
    monkeypatch.chdir(tmp_path)
    assert read_settings({"PNE_RASA_SECRET": "x" * 32}).database_url == f"sqlite:///{ROOT}/var/pne.db"
