"""Structured logs: one JSON line an event, with causes and counts, never a patient's words."""

from __future__ import annotations

import json
import logging
import sys
import traceback
from datetime import datetime, timezone
from types import TracebackType

import structlog

ExcInfo = tuple[type[BaseException], BaseException, TracebackType | None]


def set_up_logs(level: str) -> None:
    """Send structlog and the standard library's logging to standard error at `level`."""
    number = logging.getLevelName(level.upper())
    if not isinstance(number, int):
        number = logging.INFO
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(OneLine())
    logging.basicConfig(level=number, handlers=[handler])
    for name in ("uvicorn", "uvicorn.error"):  # the server has set up its own before
        for theirs in logging.getLogger(name).handlers:
            theirs.setFormatter(OneLine())
    # httpx logs every request line at info, what is below it each header at debug: noise, and an address too many.
    for name in ("httpx", "httpcore"):
        logging.getLogger(name).setLevel(logging.WARNING)
    for name in ("uvicorn.error", "asyncio"):  # they log what nobody caught, whole
        logging.getLogger(name).addFilter(without_messages)
    structlog.configure(
        processors=[
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            structlog.processors.ExceptionRenderer(cause),
            structlog.processors.JSONRenderer(),
        ],
        logger_factory=structlog.PrintLoggerFactory(sys.stderr),
        wrapper_class=structlog.make_filtering_bound_logger(number),
        cache_logger_on_first_use=True,
    )


def cause(exc_info: ExcInfo) -> str:
    """Where an exception was raised, and of which kind. Its message is left out: a driver's may hold what a patient
    wrote ("Failing row contains …")."""
    kind, _error, trace = exc_info
    return "".join([*traceback.format_tb(trace), kind.__name__])


def without_messages(record: logging.LogRecord) -> bool:
    """A filter that leaves of an exception what `cause` says. Keeps every record."""
    if record.exc_info and record.exc_info[0] is not None:
        record.exc_text = cause(record.exc_info)
        record.exc_info = None
    return True


class OneLine(logging.Formatter):
    """A record of other libraries as structlog writes ours: one JSON line, without exceptions' messages."""

    def format(self, record: logging.LogRecord) -> str:
        at = datetime.fromtimestamp(record.created, timezone.utc).isoformat().replace("+00:00", "Z")
        said = {"logger": record.name, "event": record.getMessage(), "level": record.levelname.lower(), "timestamp": at}
        if record.exc_info and record.exc_info[0] is not None:
            said["exception"] = cause(record.exc_info)
        elif record.exc_text:
            said["exception"] = record.exc_text
        return json.dumps(said, ensure_ascii=False)
