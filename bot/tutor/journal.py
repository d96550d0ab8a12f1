"""What a person has done with the tutor: short entries, oldest first. Areas read what they need off it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

# A questionnaire that was filled (`key`: the form, `value`: answers by item); its rows are kept as surveys.
FORM = "form"
# Something was offered on return (`key`: what), and somebody was told that it is theirs to stop.
OFFERED = "offered"
# Everything learned before this is not to count any more; nothing is taken away by it.
RESET = "reset"


@dataclass(frozen=True)
class Entry:
    """One thing that was done or said. `value` is plain data (JSON); `at` is in UTC."""

    kind: str
    key: str = ""
    value: Any = None
    at: datetime | None = None


@dataclass(frozen=True)
class Journal:
    """The entries of one person, oldest first."""

    entries: tuple[Entry, ...] = ()

    def of(self, kind: str, key: str | None = None) -> Iterator[Entry]:
        """All entries of a kind (about one thing), oldest first."""
        return (one for one in self.entries if one.kind == kind and key in (None, one.key))

    def last(self, kind: str, key: str | None = None) -> Entry | None:
        """The newest of them."""
        return next((one for one in reversed(self.entries) if one.kind == kind and key in (None, one.key)), None)

    def with_(self, more: Sequence[Entry], at: datetime) -> Journal:
        """The journal with new entries behind its own; what has no time happened at `at`."""
        return Journal((*self.entries, *(one if one.at else Entry(one.kind, one.key, one.value, at) for one in more)))
