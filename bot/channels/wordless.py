"""Keeps patients' words out of the log: an exception is logged by where and what kind, never by its text."""

from __future__ import annotations

import logging
import traceback
from types import TracebackType


def keep_words_out_of_logs() -> None:
    """Put the filter on every handler there is. Error texts quote their input; tracebacks' places do not."""
    names = ["", *logging.root.manager.loggerDict]
    handlers = {handler for name in names for handler in logging.getLogger(name).handlers}
    for handler in handlers:
        if not any(isinstance(known, WordlessErrors) for known in handler.filters):
            handler.addFilter(WordlessErrors())


def describe(error: BaseException | None, trace: TracebackType | None) -> str:
    """Return the places a failure went through and the kinds of error in its chain, without their texts."""
    places = [f"  {place.filename}:{place.lineno} in {place.name}" for place in traceback.extract_tb(trace)]
    kinds: list[str] = []
    while error is not None and len(kinds) < 8:
        kinds.append(type(error).__name__)
        error = error.__cause__ or error.__context__
    return "\n".join([*places, " <- ".join(kinds)])


class WordlessErrors(logging.Filter):
    """Replaces the traceback text of a log record by `describe`."""

    def filter(self, record: logging.LogRecord) -> bool:
        """Change the record in place; every record passes."""
        if record.exc_info:
            record.exc_text = describe(record.exc_info[1], record.exc_info[2])
            record.exc_info = None
        return True
