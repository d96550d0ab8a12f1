"""Structured logs: one JSON line an event, with causes and counts, never a patient's words."""

from __future__ import annotations

import logging
import sys
import traceback
from types import TracebackType

import structlog

ExcInfo = tuple[type[BaseException], BaseException, TracebackType | None]


def set_up_logs(level: str) -> None:
    """Send structlog and the standard library's logging to standard error at `level`."""
    number = logging.getLevelName(level.upper())
    if not isinstance(number, int):
        number = logging.INFO
    logging.basicConfig(level=number, format="%(levelname)s %(name)s: %(message)s")
    # httpx logs every request line at info: noise, and an address too many.
    logging.getLogger("httpx").setLevel(logging.WARNING)
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
