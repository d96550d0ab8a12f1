"""The pictures: a list of all, and each as one message. Every other area shows its pictures through `picture_say`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from bot.content.tutor import load_lines
from bot.content.visuals import CHART, VISUALS, load_visuals
from bot.tutor import home
from bot.tutor.saying import VISUAL, Button, Moment, Outcome, Say, payload

AREA = "pictures"
# Entries of the alarm map: factor id, value {"kept": bool, "words": str}.
FACTOR = "factor"
CALMS = "calm_"


def open(moment: Moment) -> Outcome:
    """All pictures, as buttons; nothing is taught while a red flag stands open."""
    if moment.open_flag:
        return home.closed()
    lines = load_lines(AREA)
    titles = load_visuals()
    buttons = tuple(Button(titles[id].title, payload(AREA, "show", id)) for id in VISUALS)
    return Outcome((Say(lines.id("pictures"), lines.bubbles("pictures"), buttons),))


def press(moment: Moment, verb: str, args: list[str]) -> Outcome | None:
    """`show`: one picture, and what can come next. None for one that is not there."""
    if moment.open_flag:
        return home.closed()
    if verb != "show" or len(args) != 1 or args[0] not in VISUALS:
        return None
    lines = load_lines(AREA)
    buttons = [Button(lines.label("another"), payload(AREA)), Button(lines.label("lesson"), payload("course"))]
    if args[0] == "dial" and not kept_factors(moment):
        buttons.append(Button(lines.label("own_map"), payload("alarm_map")))
    return Outcome((picture_say(args[0], moment, buttons=buttons),))


def picture_say(
    visual_id: str, moment: Moment, values: Mapping[str, Any] | None = None, buttons: Sequence[Button] = ()
) -> Say:
    """A picture as a message. `values` go over what the picture draws by itself: for the dial ``ups`` and ``calms``
    (each ``{"id", "title"}``; without them the factors that the person has kept, else general examples). Raises
    KeyError for a picture that is not there."""
    visual = load_visuals()[visual_id]
    if visual_id == "dial" and values is None:
        values = _own(moment)
    more = {**visual.fields(values), "review": visual.review}
    return Say(f"visual/{visual_id}", visual.intro, tuple(buttons), kind=VISUAL, more=more)


def chart_say(
    id: str, intro: Sequence[str], values: Mapping[str, Any], twin: Sequence[str], buttons: Sequence[Button] = ()
) -> Say:
    """A small line chart as a message. `values`: ``title, min, max, low, high`` (the words at the axis's ends),
    ``points`` (``{"day": "3 Nov", "at": days since the first, "value"}``), perhaps ``marks`` (``{"at", "title"}``);
    `twin` says the same in words."""
    more = {"visual": CHART, "title": values["title"], "values": dict(values), "twin": list(twin)}
    return Say(id, tuple(intro), tuple(buttons), kind=VISUAL, more=more)


def kept_factors(moment: Moment) -> list[str]:
    """Ids of the factors that the person has kept on the alarm map, in the order in which they were first noted."""
    kept: dict[str, bool] = {}
    for entry in moment.journal.of(FACTOR):
        kept[entry.key] = bool((entry.value or {}).get("kept")) if isinstance(entry.value, dict) else False
    return [id for id, stays in kept.items() if stays]


def _own(moment: Moment) -> dict[str, Any] | None:
    """The person's own factors with the titles of the alarm map; None where they have none of either kind."""
    kept = kept_factors(moment)
    if not kept:
        return None
    factors = load_lines("factors").rest["factors"]
    named = [{"id": id, "title": factors[id]["title"]} for id in kept if id in factors]
    ups = [one for one in named if not one["id"].startswith(CALMS)]
    calms = [one for one in named if one["id"].startswith(CALMS)]
    return {**({"ups": ups} if ups else {}), **({"calms": calms} if calms else {})} or None
