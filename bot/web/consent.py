"""The proof of what was accepted: the version and the hash of the very notice that this conversation has shown."""

from __future__ import annotations

from sqlalchemy.orm import Session

from bot.store import events
from bot.web import bodies

# The notice is the first thing that is said; only messages with a red flag come before it is accepted.
_LOOKED_THROUGH = 200


def accepted(session: Session, conversation_id: str) -> dict[str, str]:
    """What the patient's acceptance carries: `consent_version` and `text_sha256` of the notice that was shown last."""
    shown = [event.body for event in events.events_after(session, conversation_id, 0, _LOOKED_THROUGH)]
    notices = [body for body in shown if body.get("kind") == "consent"]
    if not notices:
        return {"consent_version": bodies.CONSENT_VERSION}
    last = notices[-1]
    # A notice of an earlier version of this program has no hash: it is made from what was shown.
    digest = last.get("text_sha256") or bodies.text_hash(last["fallback_text"])
    return {"consent_version": last["version"], "text_sha256": digest}
