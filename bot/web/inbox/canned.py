"""The replies that a clinician may start from, as this clinic has them. They are never sent by themselves."""

from __future__ import annotations

import structlog
from sqlalchemy.orm import Session

from bot.content.canned import SETTING, Canned, load_canned, merge
from bot.store.models import ClinicSetting
from bot.web.inbox.acts import Desk

log = structlog.get_logger(__name__)


def replies(session: Session, clinic: str) -> tuple[Canned, ...]:
    """The clinic's replies. Where its changes cannot be read, ours stand."""
    row = session.get(ClinicSetting, (clinic, SETTING))
    try:
        return merge(row.value) if row is not None else load_canned()
    except ValueError as error:
        log.warning("canned_replies_not_read", clinic=clinic, cause=type(error).__name__)
        return load_canned()


def filled(session: Session, desk: Desk) -> list[dict[str, str]]:
    """Each reply's id, title and the text as it goes into the box."""
    clinic = desk.services.clinic(desk.clinic)
    return [
        {"id": one.id, "title": one.title, "text": one.filled(clinic, desk.me.name)}
        for one in replies(session, desk.clinic)
    ]


def put_in(desk: Desk, canned_id: str, draft: str) -> str | None:
    """The draft with a reply after what is written already; None where there is no such reply."""
    with desk.db.read() as session:
        texts = {one["id"]: one["text"] for one in filled(session, desk)}
    if canned_id not in texts:
        return None
    return f"{draft.rstrip()}\n\n{texts[canned_id]}" if draft.strip() else texts[canned_id]
