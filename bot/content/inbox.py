"""The clinician inbox's wording (``data/inbox/*.yml``, one file a subject)."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

from bot.content.files import DATA, ContentError, fill, name, read_yaml


@dataclass(frozen=True)
class InboxWording:
    """One key, one text; templates read `texts`, code asks for `text` and `word`."""

    texts: dict[str, str]

    def text(self, key: str, **values: object) -> str:
        """A text with its placeholders filled in. Raises KeyError for an unknown key."""
        return fill(self.texts[key], {name: str(value) for name, value in values.items()})

    def word(self, kind: str, code: str | None) -> str:
        """The word for a code (``tier``, ``T1``). A code without one is shown as it is, not hidden."""
        return self.texts.get(f"{kind}_{code}", code or "")

    def counted(self, key: str, count: int) -> str:
        """A text about a number of things, with its own wording for one."""
        return self.text(f"{key}_one" if count == 1 else key, count=count)


@lru_cache(maxsize=4)
def load_inbox_wording(data: Path = DATA) -> InboxWording:
    """All wording of the inbox. Raises ContentError where a value is not text, or a key stands twice."""
    texts: dict[str, str] = {}
    for path in sorted((data / "inbox").glob("*.yml")):
        found = read_yaml(path)
        if not isinstance(found, dict):
            raise ContentError(f'{name(path)}: write one `key: "text"` a line.')
        for key, value in found.items():
            if not isinstance(value, str):
                raise ContentError(f"{name(path)}: {key} must be text; put it in quotes.")
            if key in texts:
                raise ContentError(f"{name(path)}: {key} stands in another file of data/inbox too.")
        texts |= found
    return InboxWording(texts)
