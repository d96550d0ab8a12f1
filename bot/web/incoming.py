"""One message as it came in, and what is shown of it where nothing can be written."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from bot.content import Clinic
from bot.safety import Screening
from bot.store import events
from bot.web import bodies, forms
from bot.web import plan as planning
from bot.web.services import Services


@dataclass(frozen=True)
class Incoming:
    """One message as the API received it. `key` identifies it for good: the client's id, or one made here."""

    conversation_id: str
    clinic: Clinic
    key: str
    text: str
    payload: str = ""
    reply_to: int | None = None
    # Answers to a questionnaire; `text` is then what was typed in them.
    filled: forms.Filled | None = None
    # What the dialogue has noted, where a button of the tutor asks for it.
    facts: Mapping[str, str] = field(default_factory=dict)


def unsaved_words(services: Services, clinic: Clinic, screening: Screening) -> list[dict[str, Any]]:
    """What to show at once when nothing can be written: the safety words if they are due, and the truth."""
    shown = []
    if screening.worst is not None and screening.tier not in planning.NO_ALARM:
        shown.append(bodies.safety_words(screening.worst, clinic))
        services.metrics.unkept_words(screening.worst)
        shown.append(bodies.handoff("failed", "not_stored_safety", clinic, services.wording, ""))
    else:
        shown.append(bodies.notice("not_stored", clinic, services.wording))
    return [unsaved(services, body) for body in shown]


def unsaved(services: Services, body: dict[str, Any]) -> dict[str, Any]:
    """An event that is shown but is not in the log."""
    at = services.db.clock().isoformat(timespec="milliseconds").replace("+00:00", "Z")
    author = "bot" if body["kind"] == "text" else "system"
    return {"seq": None, "type": events.MESSAGE, "at": at, "author": author, "body": body}
