"""The replies that a clinician may start from, as this clinic has them. They are never sent by themselves."""

from __future__ import annotations

import structlog

from bot.content.canned import SETTING, Canned, load_canned, merge
from bot.web.inbox.acts import Desk

log = structlog.get_logger(__name__)


def filled(desk: Desk) -> list[dict[str, str]]:
    """Each reply's id, title and the text as it goes into the box."""
    clinic = desk.services.clinic(desk.clinic)
    return [
        {"id": one.id, "title": one.title, "text": one.filled(clinic, desk.me.name)}
        for one in _replies(desk.clinic, clinic.about.get(SETTING))
    ]


def put_in(desk: Desk, canned_id: str, draft: str) -> str | None:
    """The draft with a reply after what is written already; None where there is no such reply."""
    texts = {one["id"]: one["text"] for one in filled(desk)}
    if canned_id not in texts:
        return None
    return f"{draft.rstrip()}\n\n{texts[canned_id]}" if draft.strip() else texts[canned_id]


def _replies(clinic: str, changes: object) -> tuple[Canned, ...]:
    """Ours with the clinic's changes over them. Where those cannot be read, ours stand."""
    try:
        return merge(changes)
    except ValueError as error:
        log.warning("canned_replies_not_read", clinic=clinic, cause=type(error).__name__)
        return load_canned()
