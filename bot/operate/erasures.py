"""What patients have had erased since a backup was made, so that its return does not bring it back.

Where it is read from: the audit of the database that the backup replaces, if that can still be read, and exports of the
audit (``pne audit export``) that were kept elsewhere. What nobody wrote down cannot be known.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import datetime, timezone
from pathlib import Path

from sqlalchemy import column, select, table
from sqlalchemy.orm import Session

from bot.store import rights
from bot.store.columns import UtcTime
from bot.store.conversations import UnknownConversation, locked_conversation
from bot.store.models import Audit
from bot.store.session import Database

CONVERSATION, MESSAGE = "conversation.erased", "message.erased"
ACTS = (CONVERSATION, MESSAGE)


class NotAnExport(ValueError):
    """A file is no audit export that can be read here. Says which line."""


@dataclass(frozen=True)
class Erasure:
    """A conversation that was erased, or (`seq`) one message of it; by whom, as the audit calls them."""

    at: datetime
    conversation: str
    seq: int | None
    actor: str


def from_database(db: Database, since: datetime) -> list[Erasure]:
    """Those of a database, whatever version its tables have. Raises DatabaseUnavailable."""
    # Columns that the audit has had from the first.
    old = table("audit", column("at", UtcTime), *(column(name) for name in ("act", "actor", "subject")),
                column("details", Audit.details.type))  # fmt: skip
    wanted = select(old.c.at, old.c.act, old.c.subject, old.c.details, old.c.actor)
    with db.read() as session:
        rows = session.execute(wanted.where(old.c.act.in_(ACTS), old.c.at >= since)).all()
    return [_erasure(row.at, row.act, row.subject, row.details or {}, row.actor) for row in rows]


def from_export(path: Path, since: datetime) -> list[Erasure]:
    """Those of an audit export in JSON lines. Raises NotAnExport, OSError."""
    found = []
    with path.open(encoding="utf-8") as stream:
        for number, line in enumerate(stream, 1):
            try:
                row = json.loads(line)
                at = datetime.fromisoformat(row["at"].replace("Z", "+00:00"))
                at = at if at.tzinfo else at.replace(tzinfo=timezone.utc)
                if row["act"] in ACTS and at >= since:
                    found.append(_erasure(at, row["act"], row["subject"], row.get("details") or {}, row["actor"]))
            except (ValueError, KeyError, TypeError, AttributeError):
                raise NotAnExport(f"{path.name}, line {number}: this is no audit export in JSON lines") from None
    return found


def replay(
    db: Database, tracker_url: str, erasures: Iterable[Erasure], shown: str, say: Callable[[str], None]
) -> list[Erasure]:
    """Erases again what was erased since; gives those that cannot be now, because the clinic has the conversation open.
    `shown`: what stands in place of a message. Each in a transaction of its own. Raises DatabaseUnavailable."""
    left, done = [], 0
    for one in sorted(set(erasures), key=lambda erasure: erasure.at):
        try:
            with db.begin() as session:
                _erase_again(session, tracker_url, one, shown)
            done += 1
        except (UnknownConversation, rights.NotTheirs):
            pass  # younger than the backup, or gone with the whole conversation
        except rights.OpenHandoff:
            left.append(one)
    if done:
        rights.clean_files(db)
        say(f"Erased again: {done}")
    return left


def forget_dialogues(db: Database, tracker_url: str, began: datetime) -> None:
    """Takes away the dialogues of conversations that had something erased while the backup was being made: they were
    copied first, and may hold it still. Raises DatabaseUnavailable."""
    for conversation in sorted({one.conversation for one in from_database(db, began)}):
        rights.erase_dialogue(tracker_url, conversation)


def _erase_again(session: Session, tracker_url: str, one: Erasure, shown: str) -> None:
    if rights.is_erased(locked_conversation(session, one.conversation)):
        return
    if one.seq is None:
        rights.erase(session, one.conversation, one.actor)
        rights.erase_dialogue(tracker_url, one.conversation)
    else:
        key, words = rights.erase_message(session, one.conversation, one.seq, shown)
        rights.erase_words(tracker_url, one.conversation, key, words)


def _erasure(at: datetime, act: str, subject: str, details: dict[str, object], actor: str) -> Erasure:
    return Erasure(at, subject, int(str(details["seq"])) if act == MESSAGE else None, actor)
