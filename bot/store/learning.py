"""The tutor's journal in the database: entries in order, questionnaires among them."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from datetime import datetime
from typing import Any, NamedTuple

from sqlalchemy import delete, func, select
from sqlalchemy.orm import Session

from bot.store.handoffs import OPEN
from bot.store.models import Conversation, Handoff, Learning, Survey
from bot.store.session import now

FORM = "form"


class Row(NamedTuple):
    """One entry: what was done, with or to what, how, and when (UTC)."""

    kind: str
    key: str
    value: Any
    at: datetime


def record(session: Session, conversation_id: str, rows: Iterable[tuple[str, str, Any]]) -> None:
    """Writes entries (kind, key, value) behind the others, as of now."""
    at = now(session)
    session.add_all(Learning(conversation_id=conversation_id, at=at, kind=k, key=y, value=v) for k, y, v in rows)
    session.flush()


def journal(session: Session, conversation_id: str) -> list[Row]:
    """All entries of a conversation, the questionnaires that were filled among them, oldest first."""
    own = select(Learning.kind, Learning.key, Learning.value, Learning.at)
    mine = own.where(Learning.conversation_id == conversation_id).order_by(Learning.id)
    rows = [Row(*row) for row in session.execute(mine)]
    filled = select(Survey.form, Survey.answers, Survey.at).where(Survey.conversation_id == conversation_id)
    rows += [Row(FORM, form, answers, at) for form, answers, at in session.execute(filled.order_by(Survey.seq))]
    return sorted(rows, key=lambda row: row.at)


def journals(session: Session) -> Iterator[tuple[str, list[Row]]]:
    """The journals of all people that a bound session sees, one at a time, with who they are: the clinic's pseudonym of
    somebody who is signed in (all their conversations together), else the conversation."""
    who = func.coalesce(Conversation.subject, Conversation.id)
    own = select(who, Learning.kind, Learning.key, Learning.value, Learning.at)
    own = own.join(Conversation, Conversation.id == Learning.conversation_id).order_by(Learning.id)
    filled = select(who, Survey.form, Survey.answers, Survey.at)
    filled = filled.join(Conversation, Conversation.id == Survey.conversation_id).order_by(Survey.at, Survey.seq)
    found: dict[str, list[Row]] = {}
    for person, *row in session.execute(own):
        found.setdefault(person, []).append(Row(*row))
    for person, form, answers, at in session.execute(filled):
        if person in found:
            found[person].append(Row(FORM, form, answers, at))
    for person in sorted(found):
        yield person, sorted(found[person], key=lambda row: row.at)


def has_journal(session: Session, conversation_id: str) -> bool:
    """Whether anything was ever done with the tutor here."""
    found = session.execute(select(Learning.id).where(Learning.conversation_id == conversation_id).limit(1))
    return found.first() is not None


def forget(session: Session, conversation_id: str, kind: str, key: str | None = None) -> int:
    """Takes entries of a kind (about one thing) away for good. Says how many."""
    mine = delete(Learning).where(Learning.conversation_id == conversation_id, Learning.kind == kind)
    mine = mine if key is None else mine.where(Learning.key == key)
    return int(session.execute(mine.execution_options(synchronize_session=False)).rowcount)


def open_flags(session: Session, conversation_id: str) -> int:
    """How many handoffs of this conversation stand open that a red flag has raised."""
    mine = (Handoff.conversation_id == conversation_id, Handoff.status.in_(OPEN), Handoff.category.like("RF%"))
    return int(session.execute(select(func.count()).select_from(Handoff).where(*mine)).scalar_one())
