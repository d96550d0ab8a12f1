"""Not there yet."""

from __future__ import annotations

from bot.tutor import home
from bot.tutor.saying import Button, Moment, Outcome


def open(moment: Moment) -> Outcome:
    return home.open(moment)


def press(moment: Moment, verb: str, args: list[str]) -> Outcome | None:
    return None


def back(moment: Moment) -> Button | None:
    return None
