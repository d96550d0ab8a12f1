"""What one turn must tell the channel from deep inside Rasa, which answers 200 whatever happens below it."""

from __future__ import annotations

from contextvars import ContextVar
from dataclasses import dataclass, field


@dataclass
class Turn:
    """The troubles of one turn, by code, in the order they came; shared by all parts of the turn."""

    troubles: list[str] = field(default_factory=list)


_current: ContextVar[Turn | None] = ContextVar("pne_turn", default=None)


def begin_turn() -> Turn:
    """Start watching the turn that runs in this context."""
    turn = Turn()
    _current.set(turn)
    return turn


def report_trouble(code: str) -> None:
    """Note that a part of the current turn failed. Does nothing outside a watched turn (``rasa shell``)."""
    turn = _current.get()
    if turn is not None:
        turn.troubles.append(code)
