"""Taking part in a clinic's study: asked for apart from everything else, and taken back at any time.

Only where the clinic's file names a study (``research``). Entries: `research` with True or False, key `consent` of the
study; the newest counts. What was agreed to is these words for this study: other words, or another study, ask again.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from bot.content.tutor import load_lines
from bot.tutor.journal import Entry, Journal
from bot.tutor.saying import Button, Moment, Outcome, Say, payload

AREA = "research"
# The words of the question (``ask`` in data/tutor/research.yml). Whoever changes what they mean gives them a new one.
VERSION = "2026-11-23.2"


def open(moment: Moment) -> Outcome:
    """What the study is, what would be passed on and what never is, and the choice as it stands."""
    lines, study = load_lines(AREA), study_of(moment.clinic)
    if not study:
        return Outcome((Say(lines.id("none"), lines.bubbles("none")),))
    if takes_part(moment.journal, study):
        leave = Button(lines.label("leave"), payload(AREA, "leave"))
        return Outcome((Say(lines.id("in"), lines.bubbles("in", study=study), (leave,)),))
    join = Button(lines.label("join"), payload(AREA, "join", consent(study)))
    decline = Button(lines.label("decline"), payload(AREA, "no"))
    return Outcome((Say(lines.id("ask"), lines.bubbles("ask", study=study), (join, decline)),))


def press(moment: Moment, verb: str, args: list[str]) -> Outcome | None:
    """`join:<consent>`, `leave` or `no`. A button under other words, or of an older study, asks again."""
    lines, study = load_lines(AREA), study_of(moment.clinic)
    if verb == "join" and study and args == [consent(study)]:
        note = Entry(AREA, consent(study), True)
        leave = Button(lines.label("leave"), payload(AREA, "leave"))
        return Outcome((Say(lines.id("joined"), lines.bubbles("joined"), (leave,)),), (note,))
    if verb == "leave":
        return Outcome((Say(lines.id("left"), lines.bubbles("left")),), (Entry(AREA, consent(study), False),))
    if verb == "no":
        return Outcome((Say(lines.id("declined"), lines.bubbles("declined")),))
    return None


def study_of(clinic: Mapping[str, Any]) -> str:
    """What the clinic's document says of its study; empty where it has none."""
    return str(clinic.get("research") or "").strip()


def consent(study: str) -> str:
    """What a consent is to: a short hash of these words and this study."""
    return hashlib.sha256(f"{VERSION}\n{study}".encode()).hexdigest()[:16]


def takes_part(journal: Journal, study: str) -> bool:
    """Whether the person has agreed to this study in these words, and not taken it back."""
    last = journal.last(AREA)
    return last is not None and _agrees(last, study)


def part(journal: Journal, study: str) -> Part | None:
    """What of a journal the study may have; None for somebody who does not take part now.

    A stretch begins with a consent and ends before the next entry that is about consent, whatever it says."""
    if not takes_part(journal, study):
        return None
    since: datetime | None = None
    stretches: list[list[Entry]] = []
    agreed = False
    for one in journal.entries:
        if one.kind == AREA:
            agreed = _agrees(one, study)
            if agreed:
                since = since or one.at
                stretches.append([])
        elif agreed and one.at is not None:
            stretches[-1].append(one)
    return Part(since, tuple(Journal(tuple(stretch)) for stretch in stretches)) if since else None


def _agrees(entry: Entry, study: str) -> bool:
    return bool(study) and entry.value is True and entry.key == consent(study)


@dataclass(frozen=True)
class Part:
    """The part of a journal that somebody has agreed to give: what they did in each stretch of time in which they took
    part, and since when (the first consent to the present study, UTC)."""

    since: datetime
    stretches: tuple[Journal, ...]

    @property
    def journal(self) -> Journal:
        """All stretches as one."""
        return Journal(tuple(one for stretch in self.stretches for one in stretch.entries))
