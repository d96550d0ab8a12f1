"""Taking part in a clinic's study: asked for apart from everything else, and taken back at any time.

Only where the clinic's file names a study (``research``). Entries: `research` with True or False; the newest counts."""

from __future__ import annotations

from bot.content.tutor import load_lines
from bot.tutor.journal import Entry, Journal
from bot.tutor.saying import Button, Moment, Outcome, Say, payload

AREA = "research"
# What was agreed to, by version: kept with the consent, so that it can be said later which words it was.
VERSION = "2026-11-23.1"


def open(moment: Moment) -> Outcome:
    """What the study is, what would be passed on and what never is, and the choice as it stands."""
    lines = load_lines(AREA)
    study = str(moment.clinic.get("research") or "")
    if not study:
        return Outcome((Say(lines.id("none"), lines.bubbles("none")),))
    if takes_part(moment.journal):
        leave = Button(lines.label("leave"), payload(AREA, "leave"))
        return Outcome((Say(lines.id("in"), lines.bubbles("in", study=study), (leave,)),))
    buttons = (Button(lines.label("join"), payload(AREA, "join")), Button(lines.label("decline"), payload(AREA, "no")))
    return Outcome((Say(lines.id("ask"), lines.bubbles("ask", study=study), buttons),))


def press(moment: Moment, verb: str, args: list[str]) -> Outcome | None:
    """`join`, `leave` or `no`."""
    lines = load_lines(AREA)
    if verb == "join" and moment.clinic.get("research"):
        note = Entry(AREA, VERSION, True)
        leave = Button(lines.label("leave"), payload(AREA, "leave"))
        return Outcome((Say(lines.id("joined"), lines.bubbles("joined"), (leave,)),), (note,))
    if verb == "leave":
        return Outcome((Say(lines.id("left"), lines.bubbles("left")),), (Entry(AREA, VERSION, False),))
    if verb == "no":
        return Outcome((Say(lines.id("declined"), lines.bubbles("declined")),))
    return None


def takes_part(journal: Journal) -> bool:
    """Whether the person has agreed, and not taken it back."""
    last = journal.last(AREA)
    return bool(last and last.value is True)
