"""The interactive pictures (``data/visuals/<id>.yml``): their words, and the figures that are drawn.

A picture is drawn by ``widget/pictures.js``; all that it says stands in the file, and so does its text twin, which
has the same content. What is drawn as a number is read here off its cell or its fact, never typed.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

from bot.content.answers import load_facts
from bot.content.figures import find_cell, quotable
from bot.content.files import DATA, ContentError, bubbles, name, read_yaml

# In the order in which they are offered.
VISUALS = ("alarm", "dial", "cup", "message", "fear_loop", "healing", "twin", "brain")
CHART = "chart"
REVIEW_STATES = ("pending", "signed")
_FIELDS = ("title", "intro", "label", "states", "texts", "twin")
_WEEKS = re.compile(r"(\d+) to (\d+) weeks")


@dataclass(frozen=True)
class Visual:
    """One picture. `states` are what it can show, `regions` what can be tapped, `texts` its labels; `caveat` stands on
    the same screen; `twin` says the same in words. `values` are what is drawn where nobody gives others."""

    id: str
    title: str
    intro: tuple[str, ...]
    label: str
    states: tuple[Mapping[str, Any], ...]
    regions: tuple[Mapping[str, Any], ...]
    texts: Mapping[str, str]
    caveat: str
    twin: tuple[str, ...]
    values: Mapping[str, Any]
    review: str

    def fields(self, values: Mapping[str, Any] | None = None) -> dict[str, Any]:
        """What an event's body of kind ``visual`` holds beside its bubbles. `values` go over the picture's own."""
        return {
            "visual": self.id,
            "title": self.title,
            "label": self.label,
            "states": [_shown(state) for state in self.states],
            "regions": [_shown(region) for region in self.regions],
            "caveat": self.caveat,
            "twin": list(self.twin),
            # The labels go with the values: `texts` is what bodies.body() calls the bubbles.
            "values": {**self.values, **(values or {}), "texts": dict(self.texts)},
        }


@lru_cache(maxsize=4)
def load_visuals(data: Path = DATA) -> dict[str, Visual]:
    """All pictures by id. Raises ContentError that names the file and the mend."""
    return {path.stem: _visual(path, data) for path in sorted((data / "visuals").glob("*.yml"))}


def _visual(path: Path, data: Path) -> Visual:
    content = read_yaml(path)
    if not isinstance(content, dict) or content.get("id") != path.stem:
        raise ContentError(f"{name(path)}: write id: {path.stem}.")
    for field in _FIELDS:
        if not content.get(field):
            raise ContentError(f"{name(path)}: {field} is missing.")
    state = (content.get("review") or {}).get("state")
    if state not in REVIEW_STATES:
        raise ContentError(f"{name(path)}: review: state must be one of {', '.join(REVIEW_STATES)}.")
    for part in ("states", "regions"):
        for one in content.get(part) or ():
            if not {"id", "title", "text"} <= set(one):
                raise ContentError(f"{name(path)}: {part}: each needs id, title and text.")
    return Visual(
        content["id"],
        content["title"],
        bubbles(content["intro"]),
        content["label"],
        tuple(content["states"]),
        tuple(content.get("regions") or ()),
        content["texts"],
        str(content.get("caveat") or ""),
        bubbles(content["twin"]),
        {**(content.get("values") or {}), **_drawn(content["states"], path, data)},
        state,
    )


def _drawn(states: list[dict[str, Any]], path: Path, data: Path) -> dict[str, Any]:
    """What is drawn as numbers, by state: dots of a hundred, weeks from and to, rings of each region."""
    made: dict[str, Any] = {}
    for state in states:
        if "figure" in state:
            found = find_cell(state["figure"], data)
            if found is None or not quotable(state["figure"], data):
                raise ContentError(f"{name(path)}: {state['id']}: {state['figure']} is no cell that may be said.")
            made.setdefault("dots", {})[state["id"]] = found[2].dots
        if "fact" in state:
            fact = load_facts(data).get(state["fact"])
            weeks = _WEEKS.fullmatch(fact.say) if fact else None
            if weeks is None:
                raise ContentError(f"{name(path)}: {state['id']}: {state['fact']} is no fact in weeks.")
            made.setdefault("weeks", {})[state["id"]] = [int(weeks[1]), int(weeks[2])]
        if "levels" in state:
            made.setdefault("levels", {})[state["id"]] = dict(state["levels"])
    return made


def _shown(part: Mapping[str, Any]) -> dict[str, str]:
    return {key: str(part[key]) for key in ("id", "title", "text")}
