"""Looking for handoffs of one clinic by what is known of them."""

from __future__ import annotations

from dataclasses import dataclass, fields, replace
from datetime import datetime
from typing import Any

from sqlalchemy import func, or_, select
from sqlalchemy.orm import Session

from bot.store.columns import storable_text
from bot.store.handoffs import STATUSES
from bot.store.models import Attached, Conversation, Handoff, Note

_ESCAPE = "\\"


@dataclass(frozen=True)
class Wanted:
    """What is looked for; all that is given must hold.

    `words`: anywhere in the handoff's words, in what was put with it, or in the team's notes, whatever its case;
    `person`: the whole name or pseudonym; `rule`: a rule or its group; `since` and `until`: raised from, and before.
    """

    words: str = ""
    person: str = ""
    tier: str = ""
    statuses: tuple[str, ...] = ()
    outcome: str = ""
    rule: str = ""
    since: datetime | None = None
    until: datetime | None = None

    @property
    def given(self) -> tuple[str, ...]:
        """The names of what is asked for: never its values, which may be a patient's words or name."""
        return tuple(field.name for field in fields(self) if getattr(self, field.name))


def search(session: Session, clinic: str, wanted: Wanted, limit: int, offset: int = 0) -> tuple[int, list[Handoff]]:
    """How many handoffs of the clinic are as wanted, and some of them, the newest first."""
    # As it would have been kept: PostgreSQL refuses some characters even in a question.
    words, person, rule = (storable_text(text) for text in (wanted.words, wanted.person, wanted.rule))
    query = _query(clinic, replace(wanted, words=words, person=person, rule=rule))
    number = session.execute(query.with_only_columns(func.count(Handoff.id))).scalar_one()
    found = query.order_by(Handoff.created_at.desc(), Handoff.id).limit(limit).offset(offset)
    return int(number), list(session.execute(found).scalars())


def _query(clinic: str, wanted: Wanted) -> Any:
    query = select(Handoff).where(Handoff.clinic == clinic)
    if wanted.words:
        query = query.where(_has_words(wanted.words))
    if wanted.person:
        query = query.join(Conversation, Conversation.id == Handoff.conversation_id).where(_is_person(wanted.person))
    if wanted.statuses:
        query = query.where(Handoff.status.in_([status for status in STATUSES if status in wanted.statuses]))
    for column, value in ((Handoff.tier, wanted.tier), (Handoff.outcome, wanted.outcome)):
        if value:
            query = query.where(column == value)
    if wanted.rule:
        rule = wanted.rule.lower()
        query = query.where(or_(func.lower(Handoff.rule) == rule, func.lower(Handoff.category) == rule))
    if wanted.since is not None:
        query = query.where(Handoff.created_at >= wanted.since)
    if wanted.until is not None:
        query = query.where(Handoff.created_at < wanted.until)
    return query


def _has_words(words: str) -> Any:
    attached = select(Attached.handoff_id).where(Attached.handoff_id == Handoff.id, _like(Attached.words, words))
    noted = select(Note.id).where(Note.handoff_id == Handoff.id, _like(Note.text, words))
    return or_(_like(Handoff.words, words), attached.exists(), noted.exists())


def _is_person(person: str) -> Any:
    name = Conversation.person_name
    return or_(Conversation.subject == person, name == person, func.lower(name) == person.lower())


def _like(column: Any, words: str) -> Any:
    """Whether the column holds these words in any case. SQLite folds the case of A to Z alone, so words with other
    letters are tried in every usual writing."""
    forms = {words} if words.isascii() else {words, words.lower(), words.upper(), words.capitalize(), words.title()}
    return or_(*[column.ilike(f"%{_literal(form)}%", escape=_ESCAPE) for form in sorted(forms)])


def _literal(words: str) -> str:
    """The words with what LIKE takes for a wildcard made plain."""
    for mark in (_ESCAPE, "%", "_"):
        words = words.replace(mark, _ESCAPE + mark)
    return words
