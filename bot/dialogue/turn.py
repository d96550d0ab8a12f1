"""One turn as the choice of words sees it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

RECENT = 4


@dataclass(frozen=True)
class Turn:
    """`said`: the specs of the assistant's earlier replies, newest first. `heard`: facts of this message, `known`: of
    the conversation so far (body_part, finding, age; ids of ``data``). `concerns`: the answer that a button names.
    `helper`: the message is about somebody else. `misses`: misses in a row before this turn. `short`: a few words.
    """

    conversation: str
    heard: Mapping[str, Any] = field(default_factory=dict)
    known: Mapping[str, Any] = field(default_factory=dict)
    said: Sequence[Mapping[str, Any]] = ()
    choices: Sequence[str] = ()
    concerns: str | None = None
    helper: bool = False
    misses: int = 0
    short: bool = False

    @property
    def last(self) -> Mapping[str, Any]:
        """The newest reply's spec; empty before the first."""
        return self.said[0] if self.said else {}

    def asked(self, part: str, word: str) -> bool:
        """Whether this was asked about this word before: nothing is asked twice."""
        return any(s.get("part") == part and s.get("word") == word for s in self.said)

    def fact(self, kind: str) -> Any:
        """What this message says, else what the conversation knows."""
        return self.heard.get(kind) or self.known.get(kind)

    def explained(self) -> set[str]:
        """The hard words that this chat has explained already."""
        return {term for spec in self.said for term in spec.get("explained") or ()}

    def times(self, control: str) -> int:
        """How often in a row, without an answer in between, this control was said."""
        count = 0
        for spec in self.said:
            if spec.get("reply") != "control":
                break
            count += str(spec.get("id", "")).rpartition(".")[0] == control
        return count
