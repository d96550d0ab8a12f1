"""The rows that Rasa keeps of a dialogue (table ``events`` of the tracker database), as the patient's rights need it.

Rasa's own code reads and writes them; here they are only taken away, so that it works with Rasa down too.
"""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from typing import Any

from sqlalchemy import create_engine, inspect, text
from sqlalchemy.engine import Connection, Engine
from sqlalchemy.exc import SQLAlchemyError

from bot.store.session import TIMEOUT_SECONDS, DatabaseUnavailable

# Values in words that are not the patient's own words.
_FACTS = ("body_part", "finding", "age")
_KEPT_OF_PARSE = ("intent", "decision", "helper", "message_id")
_KEPT_OF_FLAG = ("category", "tier", "rule", "scope")


def erase_dialogue(tracker_url: str, conversation_id: str) -> None:
    """Erases Rasa's dialogue state of a conversation. Raises DatabaseUnavailable."""
    with _connected(tracker_url) as connection:
        if connection is not None:
            connection.execute(text("DELETE FROM events WHERE sender_id = :id"), {"id": conversation_id})
            _forget_checkpoint(connection, conversation_id)


def erase_words(tracker_url: str, conversation_id: str, message_id: str, words: str) -> None:
    """Erases the words of one message from the dialogue: the message itself, and whatever holds the same words again
    (a question's answer passes the earlier message on; a form keeps one in a slot). Raises DatabaseUnavailable.

    Facts that were noted from it stay; they are forgotten on their own.
    """
    wanted = _letters(words)

    def same(value: Any) -> bool:
        return isinstance(value, str) and bool(wanted) and _letters(value) == wanted

    def changed(event: dict[str, Any]) -> dict[str, Any]:
        if event.get("event") == "user":
            own = (event.get("metadata") or {}).get("message_id") or event.get("message_id")
            return wordless(event) if own == message_id or same(event.get("text")) else event
        if event.get("event") == "slot" and same(event.get("value")):
            return {**event, "value": None}
        return event

    with _connected(tracker_url) as connection:
        if connection is not None:
            _change_rows(connection, conversation_id, changed)
            _forget_checkpoint(connection, conversation_id)


def truncate_log(engine: Engine) -> None:
    """Folds SQLite's write-ahead log back into the file and empties it: what was erased stands in it still. Where a
    reader is in the way it is left for the next time."""
    raw = engine.raw_connection()
    try:
        with suppress(sqlite3.Error):
            raw.connection.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchall()
    finally:
        raw.close()


def wordless(event: dict[str, Any]) -> dict[str, Any]:
    """A stored message of the patient without its words: what was understood stays, so that the dialogue goes on."""
    parsed = event.get("parse_data") or {}
    kept = {key: parsed[key] for key in _KEPT_OF_PARSE if key in parsed}
    entities = [{**one, "start": 0, "end": 0} for one in parsed.get("entities") or () if one.get("entity") in _FACTS]
    flag = parsed.get("red_flag")
    if isinstance(flag, dict) and isinstance(flag.get("worst"), dict):
        worst = {key: flag["worst"][key] for key in _KEPT_OF_FLAG if key in flag["worst"]}
        kept["red_flag"] = {"tier": flag.get("tier"), "ask": flag.get("ask"), "worst": worst}
    about = {key: value for key, value in (event.get("metadata") or {}).items() if key != "reading"}
    return {**event, "text": "", "metadata": about, "parse_data": {**kept, "entities": entities, "text": ""}}


def _change_rows(
    connection: Connection, conversation_id: str, change: Callable[[dict[str, Any]], dict[str, Any]]
) -> None:
    rows = connection.execute(text("SELECT id, data FROM events WHERE sender_id = :id"), {"id": conversation_id}).all()
    for row_id, data in rows:
        event = json.loads(data)
        changed = change(event)
        if changed != event:
            values = {"id": row_id, "data": json.dumps(changed)}
            connection.execute(text("UPDATE events SET data = :data WHERE id = :id"), values)


def _forget_checkpoint(connection: Connection, conversation_id: str) -> None:
    """What the events had come to (``bot.channels.checkpoints``); without it Rasa reads them again."""
    if inspect(connection).has_table("dialogue_checkpoint"):
        connection.execute(text("DELETE FROM dialogue_checkpoint WHERE sender_id = :id"), {"id": conversation_id})


@contextmanager
def _connected(tracker_url: str) -> Iterator[Connection | None]:
    """A transaction on the tracker database; None where it has no table yet. Raises DatabaseUnavailable."""
    timeout = "timeout" if tracker_url.startswith("sqlite") else "connect_timeout"
    arguments = {timeout: TIMEOUT_SECONDS}
    engine = create_engine(tracker_url, future=True, hide_parameters=True, connect_args=arguments)
    try:
        with engine.begin() as connection:
            if engine.dialect.name == "sqlite":  # overwritten in the file, not only forgotten
                connection.exec_driver_sql("PRAGMA secure_delete=ON")
            yield connection if inspect(connection).has_table("events") else None
        if engine.dialect.name == "sqlite":
            truncate_log(engine)
    except SQLAlchemyError as error:
        raise DatabaseUnavailable(type(error).__name__) from None
    finally:
        engine.dispose()


def _letters(words: str) -> str:
    """What is compared: letters and digits. Rasa's channel takes out what cannot be printed, and odd slashes."""
    return "".join(c for c in words.casefold() if c.isalnum())
