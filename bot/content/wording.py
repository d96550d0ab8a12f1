"""The assistant's wording around the answers (``data/messages.yml``) and the interface's (``data/interface/*.yml``)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path
from typing import Any

from bot.content.files import DATA, ContentError, bubbles, fill, name, read_yaml

ENGLISH = "en"


@dataclass(frozen=True)
class Wording:
    """`messages` are shown in the chat, `labels` stand on buttons, `interfaces` is the page's own text by language in
    ICU MessageFormat, `mail` the notice to a clinic's team (subject, body, words for tiers), `demo` the sample page."""

    messages: dict[str, str]
    labels: dict[str, str]
    interfaces: dict[str, dict[str, str]]
    mail: dict[str, Any]
    demo: dict[str, str] = field(default_factory=dict)

    @property
    def interface(self) -> dict[str, str]:
        """The page's own text in English."""
        return self.interfaces[ENGLISH]

    def bubbles(self, key: str, **values: str) -> list[str]:
        """The bubbles of a message with its placeholders filled in. Raises KeyError for an unknown key."""
        return [fill(bubble, values) for bubble in bubbles(self.messages[key])]


    def joined(self, names: Sequence[str]) -> str:
        """Names as a sentence has them: "A", "A and B", "A, B and C"."""
        *others, last = names
        return f"{', '.join(others)} {self.labels['and']} {last}" if others else last


@lru_cache(maxsize=4)
def load_wording(data: Path = DATA) -> Wording:
    """All wording. Raises ContentError where a value is not text, or where there is no English interface."""
    messages = read_yaml(data / "messages.yml")
    interfaces = {path.stem: _texts(read_yaml(path), path) for path in sorted((data / "interface").glob("*.yml"))}
    if ENGLISH not in interfaces:
        raise ContentError(f"{name(data / 'interface')}: there is no en.yml")
    path = data / "messages.yml"
    return Wording(
        _texts(messages["messages"], path),
        _texts(messages["labels"], path),
        interfaces,
        messages["mail"],
        _texts(read_yaml(data / "demo_page.yml"), data / "demo_page.yml"),
    )


def _texts(part: dict[str, Any], path: Path) -> dict[str, str]:
    for key, value in part.items():
        if not isinstance(value, str):
            raise ContentError(f"{name(path)}: {key} must be text; put it in quotes.")
    return part
