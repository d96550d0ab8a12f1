"""The assistant's wording around the answers (``data/messages.yml``) and the interface's (``data/interface.yml``)."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

from bot.content.files import DATA, ContentError, bubbles, fill, name, read_yaml


@dataclass(frozen=True)
class Wording:
    """`messages` are shown in the chat, `labels` stand on buttons, `interface` is the page's own text,
    `mail` the notice to a clinic's team (subject, body, words for tiers)."""

    messages: dict[str, str]
    labels: dict[str, str]
    interface: dict[str, str]
    mail: dict[str, Any]

    def bubbles(self, key: str, **values: str) -> list[str]:
        """The bubbles of a message with its placeholders filled in. Raises KeyError for an unknown key."""
        return [fill(bubble, values) for bubble in bubbles(self.messages[key])]


@lru_cache(maxsize=4)
def load_wording(data: Path = DATA) -> Wording:
    """All wording. Raises ContentError where a value is not text."""
    messages = read_yaml(data / "messages.yml")
    interface = read_yaml(data / "interface.yml")
    for part, file in ((messages["messages"], "messages"), (messages["labels"], "messages"), (interface, "interface")):
        for key, value in part.items():
            if not isinstance(value, str):
                raise ContentError(f"{name(data / (file + '.yml'))}: {key} must be text; put it in quotes.")
    return Wording(messages["messages"], messages["labels"], interface, messages["mail"])
