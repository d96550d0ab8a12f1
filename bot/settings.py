"""Settings: one typed object read from the environment, with harmless defaults for development.

Every variable is explained in ``.env.example``; a test keeps the two the same.
Outside development a missing or default secret stops the start with a sentence that says what to set.
"""

from __future__ import annotations

import os
import secrets
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
DEVELOPMENT, PRODUCTION = "development", "production"
_MINIMUM_SECRET = 32


class SettingsError(Exception):
    """A setting is missing or unsafe. The message says which one and what to do."""


def _setting(variable: str, default: Any) -> Any:
    return field(default=default, metadata={"variable": variable})


@dataclass(frozen=True)
class Settings:
    """All settings. Paths are absolute or relative to the project's folder; durations are in seconds."""

    environment: str = _setting("PNE_ENVIRONMENT", DEVELOPMENT)
    host: str = _setting("PNE_HOST", "127.0.0.1")
    port: int = _setting("PNE_PORT", 8080)
    database_url: str = _setting("PNE_DATABASE_URL", "sqlite:///var/pne.db")
    tracker_url: str = _setting("PNE_TRACKER_URL", "sqlite:///var/tracker.db")
    rasa_port: int = _setting("PNE_RASA_PORT", 5055)
    actions_port: int = _setting("PNE_ACTIONS_PORT", 5056)
    rasa_secret: str = _setting("PNE_RASA_SECRET", "")
    rasa_timeout: float = _setting("PNE_RASA_TIMEOUT", 10.0)
    public_url: str = _setting("PNE_PUBLIC_URL", "http://127.0.0.1:8080")
    default_clinic: str = _setting("PNE_CLINIC", "demo")
    smtp_url: str = _setting("PNE_SMTP_URL", "")
    mail_from: str = _setting("PNE_MAIL_FROM", "pne-tutor@localhost")
    rate_per_minute: int = _setting("PNE_RATE_PER_MINUTE", 30)
    rate_per_address: int = _setting("PNE_RATE_PER_ADDRESS", 120)
    session_days: int = _setting("PNE_SESSION_DAYS", 30)
    clinician_hours: int = _setting("PNE_CLINICIAN_HOURS", 12)
    log_level: str = _setting("PNE_LOG_LEVEL", "info")
    var: str = _setting("PNE_VAR", "var")

    @property
    def production(self) -> bool:
        return self.environment == PRODUCTION

    @property
    def var_folder(self) -> Path:
        """Where this installation keeps what it makes: database, mail in development, secrets, logs."""
        return (ROOT / self.var).resolve()

    @property
    def rasa_url(self) -> str:
        return f"http://127.0.0.1:{self.rasa_port}"

    @property
    def actions_url(self) -> str:
        return f"http://127.0.0.1:{self.actions_port}/webhook"


def read_settings(environ: Mapping[str, str] | None = None) -> Settings:
    """The settings from `environ` (the process environment by default).

    Raises SettingsError for a value of the wrong kind and, in production, for a missing or short secret.
    In development a missing secret is made at random once and kept in ``var/secret``.
    """
    environ = os.environ if environ is None else environ
    values: dict[str, Any] = {}
    for item in fields(Settings):
        variable = item.metadata["variable"]
        raw = environ.get(variable, item.default)
        try:
            kind: Callable[[Any], Any] = type(item.default)
            values[item.name] = kind(raw)
        except ValueError:
            raise SettingsError(f"{variable}={raw!r} is not a number. See .env.example.") from None
    for name in ("database_url", "tracker_url"):
        values[name] = _absolute_sqlite(values[name])
    settings = Settings(**values)
    if settings.environment not in (DEVELOPMENT, PRODUCTION):
        raise SettingsError(f"PNE_ENVIRONMENT is {settings.environment!r}; write development or production.")
    if len(settings.rasa_secret) < _MINIMUM_SECRET:
        if settings.production:
            raise SettingsError(
                f"PNE_RASA_SECRET must be a random value of {_MINIMUM_SECRET} characters or more in production. "
                "Make one with: python -c 'import secrets; print(secrets.token_urlsafe(32))'"
            )
        values["rasa_secret"] = _development_secret(settings.var_folder)
        settings = Settings(**values)
    return settings


def _absolute_sqlite(url: str) -> str:
    prefix = "sqlite:///"
    if url.startswith(prefix) and not url.startswith(prefix + "/") and url != prefix:
        return prefix + str(ROOT / url[len(prefix):])
    return url


def _development_secret(folder: Path) -> str:
    path = folder / "secret"
    if not path.exists():
        folder.mkdir(parents=True, exist_ok=True)
        path.write_text(secrets.token_urlsafe(32))
        path.chmod(0o600)
    return path.read_text().strip()
