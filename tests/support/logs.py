"""Logs that tests can catch."""

from __future__ import annotations

import sys

import pytest
import structlog


def catchable(monkeypatch: pytest.MonkeyPatch) -> None:
    """Gives every module of ours a logger that has not been used yet: a used one may hold on to the settings that Rasa
    or the command line made, and ``capture_logs`` then hears nothing."""
    structlog.reset_defaults()
    for name, module in list(sys.modules.items()):
        if name.startswith("bot.") and hasattr(module, "log") and hasattr(module.log, "bind"):
            monkeypatch.setattr(module, "log", structlog.get_logger())
