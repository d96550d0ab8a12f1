"""The tutor's first page: the ways into its areas, and stopping."""

from __future__ import annotations

import re

from bot.content.tutor import load_lines
from bot.tutor.saying import Button, Moment, Outcome, Say, payload

STOP = payload("home", "stop")
# What somebody may want who is asked for words and gives others.
STOPS, SKIPS, ASKS_PERSON = "stop", "skip", "person"
# As they stand on the page.
SHOWN = ("course", "pictures", "alarm_map", "plan", "flare", "scan", "measures", "summary")


def open(moment: Moment) -> Outcome:
    """All that can be done here."""
    lines = load_lines("home")
    told = ("beliefs",) if moment.journal.last("belief") else ()
    study = ("research",) if moment.clinic.get("research") else ()
    buttons = tuple(Button(lines.label(name), payload(name)) for name in (*SHOWN, *told, *study))
    # It is itself what "something else" leads to.
    stop = Button(lines.label("stop"), STOP)
    return Outcome((Say(lines.id("home"), lines.bubbles("home"), (*buttons, stop), ways=False),))


def press(moment: Moment, verb: str, args: list[str]) -> Outcome | None:
    """`stop`: what has been done is kept, and the person may go on another day."""
    if verb != "stop":
        return None
    lines = load_lines("home")
    again = Button(lines.label("again"), payload("home"))
    return Outcome((Say(lines.id("stopped"), lines.bubbles("stopped"), (again,), ways=False),))


def closed() -> Outcome:
    """While a red flag stands open nothing is taught."""
    lines = load_lines("home")
    return Outcome((Say(lines.id("closed"), lines.bubbles("closed")),))


def beside(answer_id: str) -> Button | None:
    """The button that stands beside an answer of the assistant, where an area has more to it."""
    lines = load_lines("home")
    area = lines.rest["beside"].get(answer_id)
    return Button(lines.label("tutor" if area == "home" else area), payload(area)) if area else None


def way_out(text: str) -> str:
    """Whether somebody who was asked for words wants to stop, to skip, or a person; empty where it is none of these."""
    plain = re.sub(r"[^a-z' ]", "", text.lower().replace("’", "'")).strip()
    ways: dict[str, list[str]] = load_lines("home").rest["ways_out"]
    return next((way for way, said in ways.items() if plain in said), "")
