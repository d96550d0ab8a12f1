"""Text on its way into Rasa, and replies on their way out."""

from __future__ import annotations

import re
from typing import Any

from rasa.core.channels.channel import OutputChannel

CHANNEL_NAME = "web"

# Control characters but for tab and newline, and halves of surrogate pairs: no keyboard makes them, and the
# latter cannot be written to a database or a socket.
_UNPRINTABLE = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\ud800-\udfff]")
_BEFORE_FIRST_LETTER = re.compile(r"[\W_]*")
DIVISION_SLASH = "\u2215"

_CONTENT = ("text", "buttons", "quick_replies", "image", "attachment", "elements", "custom")


def plain_text(text: str) -> str:
    """Return the text as Rasa may see it: without control characters, and never an intent.

    Rasa takes a message for an intent (``/restart``) where, after stripping, it begins with a slash. Every
    slash before the first letter or digit becomes a division slash, which looks the same and, unlike the
    full-width one, stays what it is under Unicode normalisation.
    """
    cleaned = _UNPRINTABLE.sub("", text.replace("\r\n", "\n").replace("\r", "\n")).strip()
    start = _BEFORE_FIRST_LETTER.match(cleaned)
    end = start.end() if start else 0
    return cleaned[:end].replace("/", DIVISION_SLASH) + cleaned[end:]


class WholeReplies(OutputChannel):
    """Collects the replies of one turn as the whole objects that Rasa made, not cut into parts."""

    def __init__(self) -> None:
        self.replies: list[dict[str, Any]] = []

    @classmethod
    def name(cls) -> str:
        """Name of the channel, for responses that are written for one channel only."""
        return CHANNEL_NAME

    async def send_response(self, recipient_id: str, message: dict[str, Any]) -> None:
        """Keep a reply: text, buttons, image, custom, metadata, utter_action and whatever else it has."""
        reply = {key: value for key, value in message.items() if value not in (None, "", [], {})}
        reply.pop("timestamp", None)
        # A reply with nothing to show would be an empty bubble.
        if any(key in reply for key in _CONTENT):
            self.replies.append(reply)
