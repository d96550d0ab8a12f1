"""Keeps patients' words out of the log: an error is logged by its kind and place, never by its text."""

from __future__ import annotations

import logging
import traceback

_PLACES = 12
_CAUSES = 8


def keep_words_out_of_logs() -> None:
    """Put the filter on every handler there is. Error texts often quote their input; places do not."""
    names = ["", *logging.root.manager.loggerDict]
    handlers = {handler for name in names for handler in logging.getLogger(name).handlers}
    for handler in handlers:
        if not any(isinstance(known, WordlessErrors) for known in handler.filters):
            handler.addFilter(WordlessErrors())


def describe(error: BaseException | None) -> str:
    """Return the kinds of error in a chain, outermost first, and the places of the innermost; no texts."""
    kinds: list[str] = []
    trace = None
    while error is not None and len(kinds) < _CAUSES:
        kinds.append(type(error).__name__)
        trace = error.__traceback__
        error = error.__cause__ or error.__context__
    places = [f"  {p.filename}:{p.lineno} in {p.name}" for p in traceback.extract_tb(trace)[-_PLACES:]]
    return "\n".join([" <- ".join(kinds), *places])


class WordlessErrors(logging.Filter):
    """Replaces the traceback of a log record by `describe`."""

    def filter(self, record: logging.LogRecord) -> bool:
        """Change the record in place; every record passes."""
        if record.exc_info:
            record.exc_text = describe(record.exc_info[1])
            record.exc_info = None
        return True
