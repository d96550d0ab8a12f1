"""What goes wrong is logged by its kind and place, never with its message: that may be a patient's words."""

from __future__ import annotations

import io
import json
import logging

import pytest
import structlog

from bot.logs import OneLine, cause, set_up_logs
from bot.settings import Settings
from bot.web.app import _without_ids

WORDS = "my husband must not know"


def fail() -> None:
    raise ValueError(f"Failing row contains ({WORDS})")


@pytest.mark.parametrize("name", ["uvicorn.error", "asyncio"])
def test_what_nobody_caught_is_logged_without_its_message(name: str) -> None:
    set_up_logs("info")
    written = io.StringIO()
    handler = logging.StreamHandler(written)
    logger = logging.getLogger(name)
    logger.addHandler(handler)
    try:
        try:
            fail()
        except ValueError:
            logger.exception("Exception in ASGI application")
    finally:
        logger.removeHandler(handler)
    assert "ValueError" in written.getvalue() and "in fail" in written.getvalue()
    assert WORDS not in written.getvalue()


def test_what_libraries_log_is_one_json_line_like_ours() -> None:
    written = io.StringIO()
    handler = logging.StreamHandler(written)
    handler.setFormatter(OneLine())
    logger = logging.Logger("some.library")
    logger.addHandler(handler)
    logger.warning("two\nlines and %s", "a value")
    try:
        fail()
    except ValueError:
        logger.exception("it broke")
    first, second = [json.loads(line) for line in written.getvalue().splitlines()]
    assert (first["event"], first["level"], first["logger"]) == ("two\nlines and a value", "warning", "some.library")
    assert first["timestamp"].endswith("Z") and "exception" not in first
    assert "in fail" in second["exception"] and second["exception"].endswith("ValueError")
    assert WORDS not in written.getvalue()


def test_our_own_log_has_kind_and_place_only() -> None:
    render = structlog.processors.ExceptionRenderer(cause)
    try:
        fail()
    except ValueError as error:
        made = render(None, "error", {"event": "turn_failed", "exc_info": error})
    assert "ValueError" in made["exception"] and WORDS not in str(made)


def test_a_path_in_the_log_has_no_token() -> None:
    assert _without_ids("/inbox/sign-in") == "inbox/sign-in"
    token = "q7Zk0mWb1f2h3j4k5l6p7Q8R9S0T1U2V3W4X5Y6Z7a8"
    assert _without_ids(f"/inbox/invitation/{token}") == "inbox/invitation/…"
    chat = "/v1/conversations/2f1e8a06-1111-4222-8333-444455556666/events"
    assert _without_ids(chat).endswith("conversations/…/events")


def test_settings_that_are_shown_hold_no_secret() -> None:
    shown = repr(Settings(rasa_secret="R" * 40, secret_key="K" * 40, smtp_url="smtp://u:PW@h", database_url="x://u:PW@h"))
    assert not any(secret in shown for secret in ("RRR", "KKK", "PW"))
