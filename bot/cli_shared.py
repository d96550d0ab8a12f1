"""What the parts of the ``pne`` command share: where they print, how they stop, and the database they work on."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, NoReturn

import typer
from rich.console import Console

# Into a file or a pipe nothing is wrapped or cut: a cause that ends in "…" helps nobody.
_UNSEEN = 240


def _console(stderr: bool = False) -> Console:
    seen = (sys.stderr if stderr else sys.stdout).isatty()
    return Console(stderr=stderr, highlight=False, width=None if seen else _UNSEEN)


console = _console()
errors = _console(stderr=True)


@contextmanager
def database(url: str) -> Iterator[Any]:
    """The migrated database at `url`, for the block; ends the command with a sentence where it cannot be used."""
    from bot.store.session import DatabaseUnavailable, connect, upgrade

    try:
        upgrade(url)
        db = connect(url)
        try:
            yield db
        finally:
            db.close()
    except DatabaseUnavailable as error:
        stop(f"The database cannot be used just now: {error}. Nothing was changed.")


def stop(sentence: str) -> NoReturn:
    """Ends the command with a sentence that says why."""
    errors.print(sentence, style="red", markup=False)
    raise typer.Exit(1)
