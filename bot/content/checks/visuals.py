"""The pictures: each is there, its labels are, its figures are its cells', and its twin and caveat say what they must.

Length, grade and words are looked at with all else that the tutor says (``checks/tutor.py``)."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

from bot.content.answers import load_facts
from bot.content.checks.fault import Fault
from bot.content.figures import find_cell
from bot.content.files import bubbles
from bot.content.visuals import VISUALS, Visual, load_visuals

# The labels that the drawing of each picture takes from its `texts`, beside those by state or region.
LABELS = {
    "alarm": {"control", "ends_first", "ends_last", "touch", "bend", "lift", "knock"},
    "dial": {"ups", "calms", "ends_first", "ends_last"},
    "cup": {"drops", "room"},
    "message": {"control", "ends_first", "ends_last", "regions"},
    "twin": {"scan", "pain", "finding", "age"},
    "healing": {"control", "weeks", "key", "band"},
    "fear_loop": {"loop", "out"},
    "brain": {"state", "regions", "key"},
}
LONGEST_TITLE = 40
# Labels inside a drawing have to fit beside each other on a phone.
LONGEST_LABEL = 36
_OWN_LIMIT = re.compile(r"on its own it cannot tell us why you hurt", re.I)
_SHARE = re.compile(r"\b(\d+) in 10\b")
_DIGITS = re.compile(r"\d+")
# What a picture of the brain says on the same screen.
BRAIN_CAVEAT = (re.compile(r"no single pain spot", re.I), re.compile(r"no scan\b.*\b(?:measure|prove)", re.I))
_DRAWING = re.compile(r"\b(?:drawing|illustration)\b", re.I)


def visuals(data: Path) -> Iterator[Fault]:
    """Faults of the pictures as pictures."""
    made = load_visuals(data)
    for id in VISUALS:
        if id not in made:
            yield Fault("data/visuals", id, "this picture is missing")
    for visual in made.values():
        yield from _of(visual, data)


def _of(visual: Visual, data: Path) -> Iterator[Fault]:
    file = f"data/visuals/{visual.id}.yml"
    if visual.id not in VISUALS:
        yield Fault(file, visual.id, "the chat draws no picture of this name")
        return
    needed = LABELS[visual.id]
    if missing := sorted(needed - set(visual.texts)):
        yield Fault(file, visual.id, f"texts: {', '.join(missing)} missing")
    if len(visual.title) > LONGEST_TITLE:
        yield Fault(file, visual.id, f"title has {len(visual.title)} characters; {LONGEST_TITLE} at most")
    for key, text in visual.texts.items():
        if len(text) > LONGEST_LABEL:
            yield Fault(file, visual.id, f"texts: {key} has {len(text)} characters; {LONGEST_LABEL} at most")
    for part in (visual.states, visual.regions):
        ids = [one["id"] for one in part]
        if len(set(ids)) < len(ids):
            yield Fault(file, visual.id, "two states or regions have one id")
    if not _DRAWING.search(visual.label):
        yield Fault(file, visual.id, "the label does not say that it is a drawing")
    if not visual.caveat:
        yield Fault(file, visual.id, "caveat missing: each picture says what it cannot do")
    yield from _figures(visual, file, data)
    yield from _twin(visual, file)
    if visual.id == "brain":
        for words in BRAIN_CAVEAT:
            if not words.search(visual.caveat):
                yield Fault(file, visual.id, f"the caveat must say: {words.pattern}")


def _figures(visual: Visual, file: str, data: Path) -> Iterator[Fault]:
    facts = load_facts(data)
    for state in visual.states:
        where, text = f"{visual.id}.{state['id']}", str(state["text"])
        if "figure" in state:
            found = find_cell(state["figure"], data)
            said = {int(share) for share in _SHARE.findall(text)}
            if found is None or said != {found[2].tenths}:
                yield Fault(file, where, f"says {sorted(said)} in 10, its cell says otherwise")
            if not all(_OWN_LIMIT.search(part) for part in bubbles(text) if _SHARE.search(part)):
                yield Fault(file, where, 'a figure without "so on its own it cannot tell us why you hurt"')
        if "fact" in state and facts[state["fact"]].say not in text:
            yield Fault(file, where, f"does not say {facts[state['fact']].say!r}, as its fact does")
    for bubble in visual.twin:
        if _SHARE.search(bubble) and not _OWN_LIMIT.search(bubble):
            what = 'twin: a figure without "so on its own it cannot tell us why you hurt"'
            yield Fault(file, visual.id, what, bubble)


def _twin(visual: Visual, file: str) -> Iterator[Fault]:
    """The twin has the picture's numbers, and all of its caveat."""
    words = " ".join(visual.twin)
    for state in visual.states:
        if missing := set(_DIGITS.findall(str(state["text"]))) - set(_DIGITS.findall(words)):
            yield Fault(file, f"{visual.id}.{state['id']}", f"the twin leaves out {', '.join(sorted(missing))}")
    if visual.id in ("twin", "healing", "brain") and visual.caveat not in words:
        yield Fault(file, visual.id, "the twin leaves out the caveat")
