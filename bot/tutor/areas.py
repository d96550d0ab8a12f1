"""The areas by name, and how one of them is asked."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from importlib import import_module
from types import ModuleType
from typing import Any

from bot.tutor import asides, belief_words, scan_words, teach_back
from bot.tutor.saying import FORM_PREFIX, NOTHING, Moment, Outcome, parts_of

# In the order in which they are asked what is due, and what to add to an answer.
AREAS = (
    "home", "flare", "measures", "beliefs", "course", "alarm_map", "plan", "scan", "pictures", "summary", "research",
)  # fmt: skip


class UnknownArea(LookupError):
    """No area has this name, or it has no such function."""


def area(name: str) -> ModuleType:
    """The module of an area. Raises UnknownArea."""
    if name not in AREAS:
        raise UnknownArea(name)
    return import_module(f"bot.tutor.{name}")


def pressed(moment: Moment, payload: str) -> Outcome:
    """What follows a button of the tutor. An unknown one (of an older version) opens its area, or the home page."""
    name, verb, args = parts_of(payload)
    try:
        module = area(name)
    except UnknownArea:
        return area("home").open(moment)
    if verb:
        found: Outcome | None = module.press(moment, verb, args)
        if found is not None:
            return found
    return module.open(moment)


def typed(moment: Moment, awaits: str, text: str) -> Outcome | None:
    """What follows words that an area had asked for; None where they were about something else."""
    name, _, about = awaits.partition(":")
    try:
        module = area(name)
    except UnknownArea:
        return None
    return module.words(moment, about, text)


def filled(moment: Moment, form: str, answers: Mapping[str, Any]) -> Outcome:
    """What follows a questionnaire of the tutor (`form`: ``tutor_<area>_<name>``)."""
    for name in AREAS:
        if form.startswith(f"{FORM_PREFIX}{name}_"):
            return area(name).filled(moment, form, answers)
    return NOTHING


def due(moment: Moment) -> Outcome | None:
    """What is offered to somebody who has come back: the first area's offer."""
    return next((found for ask in _having("due") if (found := ask(moment))), None)


def before(moment: Moment, text: str, answer_id: str) -> Outcome | None:
    """What is put in front of an answer."""
    return next((found for ask in _having("before") if (found := ask(moment, text, answer_id))), None)


def heard(moment: Moment, text: str, answer_id: str) -> Outcome | None:
    """What is added behind an answer."""
    return next((found for ask in _having("heard") if (found := ask(moment, text, answer_id))), None)


def warm() -> None:
    """Loads what the areas compare people's words with (some seconds), so that nobody waits for it later."""
    asides.warm()
    teach_back.warm()
    belief_words.warm()
    scan_words.load_lexicon()


def _having(function: str) -> Iterator[Callable[..., Any]]:
    for name in AREAS:
        asked = getattr(area(name), function, None)
        if asked is not None:
            yield asked
