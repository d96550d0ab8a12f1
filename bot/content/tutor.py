"""The tutor's lines around lessons, maps and plans (``data/tutor/*.yml``): prompts and buttons by key."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

from bot.content.files import DATA, ContentError, bubbles, fill, name, read_yaml

REVIEW_STATES = ("pending", "signed")


@dataclass(frozen=True)
class Lines:
    """One area's lines. `texts` are shown in the chat (bubbles apart by a blank line), `labels` stand on buttons,
    chips and papers. `review` says whether a clinician has read them."""

    area: str
    texts: dict[str, str]
    labels: dict[str, str]
    review: str
    rest: dict[str, Any]

    def bubbles(self, key: str, **values: object) -> tuple[str, ...]:
        """A text's bubbles, with ``{name}`` filled in. Raises KeyError for an unknown key."""
        return bubbles(fill(self.texts[key], {name: str(value) for name, value in values.items()}))

    def text(self, key: str, **values: object) -> str:
        """A text as one. Raises KeyError for an unknown key."""
        return fill(self.texts[key], {name: str(value) for name, value in values.items()}).strip()

    def label(self, key: str, **values: object) -> str:
        """A short label. Raises KeyError for an unknown key."""
        return fill(self.labels[key], {name: str(value) for name, value in values.items()})

    def id(self, key: str) -> str:
        """How a message in these words is named in transcripts."""
        return f"{self.area}/{key}"


@lru_cache(maxsize=32)
def load_lines(area: str, data: Path = DATA) -> Lines:
    """The lines of ``data/tutor/<area>.yml``. Raises ContentError that names the file and the key."""
    path = data / "tutor" / f"{area}.yml"
    content = read_yaml(path)
    if not isinstance(content, dict) or not {"review", "texts", "labels"} <= set(content):
        raise ContentError(f"{name(path)}: write review, texts and labels.")
    state = (content["review"] or {}).get("state")
    if state not in REVIEW_STATES:
        raise ContentError(f"{name(path)}: review: state must be one of {', '.join(REVIEW_STATES)}.")
    for part in ("texts", "labels"):
        for key, value in content[part].items():
            if not isinstance(key, str):
                raise ContentError(f"{name(path)}: {part}: {key} is read as a value; put the key in quotes.")
            if not isinstance(value, str):
                raise ContentError(f"{name(path)}: {part}: {key} must be text; put it in quotes.")
    rest = {key: value for key, value in content.items() if key not in ("review", "texts", "labels")}
    return Lines(area, content["texts"], content["labels"], state, rest)
