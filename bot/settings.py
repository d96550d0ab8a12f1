"""Settings: one typed object read from the environment, with harmless defaults for development.

Every variable is explained in ``.env.example``; a test keeps the two the same.
Outside development a missing or default secret stops the start with a sentence that says what to set.
"""

from __future__ import annotations

import ipaddress
import os
import secrets
from collections.abc import Callable, Mapping, MutableMapping
from dataclasses import dataclass, field, fields
from datetime import timedelta
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
DEVELOPMENT, PRODUCTION = "development", "production"
REQUIRED, OPTIONAL = "required", "optional"
_MINIMUM_SECRET = 32
# Secrets, and the file in var/ that keeps the one of a development installation.
_SECRETS = {"rasa_secret": "secret", "secret_key": "secret-key"}


class SettingsError(Exception):
    """A setting is missing or unsafe. The message says which one and what to do."""


def _setting(variable: str, default: Any, secret: bool = False) -> Any:
    return field(default=default, metadata={"variable": variable}, repr=not secret)


@dataclass(frozen=True)
class Settings:
    """All settings. Paths are absolute or relative to the project's folder; durations are in seconds."""

    environment: str = _setting("PNE_ENVIRONMENT", DEVELOPMENT)
    host: str = _setting("PNE_HOST", "127.0.0.1")
    port: int = _setting("PNE_PORT", 8080)
    proxies: str = _setting("PNE_PROXIES", "127.0.0.1")
    database_url: str = _setting("PNE_DATABASE_URL", "sqlite:///var/pne.db", secret=True)
    tracker_url: str = _setting("PNE_TRACKER_URL", "sqlite:///var/tracker.db", secret=True)
    redis_url: str = _setting("PNE_REDIS_URL", "", secret=True)
    rasa_host: str = _setting("PNE_RASA_HOST", "127.0.0.1")
    rasa_port: int = _setting("PNE_RASA_PORT", 5055)
    rasa_addresses: str = _setting("PNE_RASA_URLS", "")
    actions_port: int = _setting("PNE_ACTIONS_PORT", 5056)
    actions_address: str = _setting("PNE_ACTIONS_URL", "")
    rasa_secret: str = _setting("PNE_RASA_SECRET", "", secret=True)
    rasa_timeout: float = _setting("PNE_RASA_TIMEOUT", 10.0)
    public_url: str = _setting("PNE_PUBLIC_URL", "http://127.0.0.1:8080")
    default_clinic: str = _setting("PNE_CLINIC", "demo")
    smtp_url: str = _setting("PNE_SMTP_URL", "", secret=True)
    mail_from: str = _setting("PNE_MAIL_FROM", "pne-tutor@localhost")
    rate_per_minute: int = _setting("PNE_RATE_PER_MINUTE", 30)
    rate_per_address: int = _setting("PNE_RATE_PER_ADDRESS", 120)
    session_days: int = _setting("PNE_SESSION_DAYS", 30)
    clinician_hours: int = _setting("PNE_CLINICIAN_HOURS", 12)
    idle_minutes: int = _setting("PNE_IDLE_MINUTES", 15)
    second_factor: str = _setting("PNE_SECOND_FACTOR", "")
    secret_key: str = _setting("PNE_SECRET_KEY", "", secret=True)
    metrics_token: str = _setting("PNE_METRICS_TOKEN", "", secret=True)
    log_level: str = _setting("PNE_LOG_LEVEL", "info")
    var: str = _setting("PNE_VAR", "var")

    @property
    def production(self) -> bool:
        return self.environment == PRODUCTION

    @property
    def second_factor_required(self) -> bool:
        """Whether nobody of a clinic may sign in by password without a code too."""
        return self.second_factor == REQUIRED or (not self.second_factor and self.production)

    @property
    def lifetime(self) -> timedelta:
        """How long a clinician's sign-in is good, whatever they do."""
        return timedelta(hours=self.clinician_hours)

    @property
    def idle(self) -> timedelta:
        """How long an inbox page may go without use until it is locked."""
        return timedelta(minutes=self.idle_minutes)

    @property
    def var_folder(self) -> Path:
        """Where this installation keeps what it makes: database, mail in development, secrets, logs."""
        return (ROOT / self.var).resolve()

    @property
    def rasa_url(self) -> str:
        """The Rasa process that this installation starts itself."""
        return f"http://127.0.0.1:{self.rasa_port}"

    @property
    def rasa_urls(self) -> tuple[str, ...]:
        """Every Rasa process that answers, the same list in the same order for all web processes."""
        given = tuple(one.strip().rstrip("/") for one in self.rasa_addresses.split(",") if one.strip())
        return given or (self.rasa_url,)

    @property
    def actions_url(self) -> str:
        return self.actions_address or f"http://127.0.0.1:{self.actions_port}/webhook"


def read_settings(environ: Mapping[str, str] | None = None) -> Settings:
    """The settings from `environ` (the process environment by default).

    Raises SettingsError for a value of the wrong kind and, in production, for a missing or short secret.
    In development a missing secret is made at random once and kept in ``var``.
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
    if settings.second_factor not in ("", REQUIRED, OPTIONAL):
        raise SettingsError(f"PNE_SECOND_FACTOR is {settings.second_factor!r}; write required or optional.")
    if settings.idle_minutes < 1 or settings.clinician_hours < 1:
        raise SettingsError("PNE_IDLE_MINUTES and PNE_CLINICIAN_HOURS must be 1 or more.")
    _check_proxies(settings.proxies)
    if 0 < len(settings.metrics_token) < _MINIMUM_SECRET:
        raise SettingsError(f"PNE_METRICS_TOKEN must be empty, or have {_MINIMUM_SECRET} characters or more.")
    for name, file in _SECRETS.items():
        # While the key is being changed there are two, with a comma between them: neither may be short.
        parts = values[name].split(",") if name == "secret_key" else [values[name]]
        if min(len(part.strip()) for part in parts) >= _MINIMUM_SECRET:
            continue
        if settings.production:
            raise SettingsError(
                f"PNE_{name.upper()} must be a random value of {_MINIMUM_SECRET} characters or more in production. "
                "Make one with: python -c 'import secrets; print(secrets.token_urlsafe(32))'"
            )
        values[name] = _development_secret(settings.var_folder / file)
    return Settings(**values)


def secrets_from_files(environ: MutableMapping[str, str]) -> None:
    """Sets ``PNE_X`` from the file that ``PNE_X_FILE`` names, as containers and service managers hand out secrets.

    Raises SettingsError for a file that cannot be read, and where both are set.
    """
    for variable in [name for name in environ if name.startswith("PNE_") and name.endswith("_FILE")]:
        plain = variable.removesuffix("_FILE")
        if environ.get(plain):
            raise SettingsError(f"Both {plain} and {variable} are set. Keep one.")
        try:
            environ[plain] = Path(environ.pop(variable)).read_text(encoding="utf-8").strip()
        except (OSError, ValueError) as error:
            raise SettingsError(f"The file of {variable} cannot be read: {type(error).__name__}.") from None


def _check_proxies(given: str) -> None:
    """Raises SettingsError unless `given` is a list of addresses and networks. Not a star: then anybody could give any
    address as theirs, and be counted as somebody else."""
    for one in filter(None, (part.strip() for part in given.split(","))):
        try:
            narrow = ipaddress.ip_network(one).prefixlen > 0
        except ValueError:
            narrow = False
        if not narrow:
            raise SettingsError(
                f"PNE_PROXIES has {one!r}; write the proxies' addresses or networks, with commas: 10.0.0.5,10.1.0.0/16."
            )


def _absolute_sqlite(url: str) -> str:
    prefix = "sqlite:///"
    if url.startswith(prefix) and not url.startswith(prefix + "/") and url != prefix:
        return prefix + str(ROOT / url[len(prefix):])
    return url


def _development_secret(path: Path) -> str:
    if not path.exists():
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(secrets.token_urlsafe(32))
        path.chmod(0o600)
    return path.read_text().strip()
