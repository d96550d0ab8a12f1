"""Passwords hashed with little work, for tests that are about something else."""

from __future__ import annotations

import pytest
from argon2 import PasswordHasher

from bot.web.people import auth


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """Argon2 with little work: what is tested is not the hash."""
    hasher = PasswordHasher(time_cost=1, memory_cost=8, parallelism=1)
    nobody = hasher.hash("nobody")
    monkeypatch.setattr(auth, "_hasher", lambda: hasher)
    monkeypatch.setattr(auth, "_nobody", lambda: nobody)
