"""Private notes of an item: for the clinic's people, in the inbox and nowhere else."""

from __future__ import annotations

from dataclasses import dataclass

from sqlalchemy import select
from sqlalchemy.orm import Session

from bot.store.models import Note
from bot.web.inbox.acts import Desk
from bot.web.inbox.rows import Moment, moment


@dataclass(frozen=True)
class ShownNote:
    """One note as the page shows it."""

    by: str
    at: Moment
    text: str


def notes_of(session: Session, desk: Desk, handoff_id: str, names: dict[str, str]) -> list[ShownNote]:
    """The item's notes, the oldest first. `names`: of the clinic's people by id."""
    rows = session.execute(select(Note).where(Note.handoff_id == handoff_id).order_by(Note.at, Note.id)).scalars()
    return [ShownNote(names.get(row.clinician_id, ""), moment(desk, row.at), row.text) for row in rows]
