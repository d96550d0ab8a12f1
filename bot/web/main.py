"""What the server process runs: ``uvicorn --factory bot.web.main:app``."""

from __future__ import annotations

from starlette.applications import Starlette

from bot.logs import set_up_logs
from bot.settings import read_settings
from bot.web.app import create_app


def app() -> Starlette:
    """The app with the settings of the environment. Raises SettingsError."""
    settings = read_settings()
    set_up_logs(settings.log_level)
    return create_app(settings)
