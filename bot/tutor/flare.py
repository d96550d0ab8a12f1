"""Flare mode: a person, slow breaths, what helps, whether it is something new, and the small amount of the plan.

It works with nothing known and asks for nothing. What is kept (`flare` entries): `used` (``{"used": true}``) each time
it was opened, and `list` (``{"list": [...]}``, ids of calming factors or own words), only where the person said so.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from bot.content.tutor import load_lines
from bot.tutor import alarm_map, plan
from bot.tutor.journal import OFFERED, Entry, Journal
from bot.tutor.plan_document import noted
from bot.tutor.saying import ASK_PERSON, CHECK, Button, Moment, Outcome, Say, form_id, own_words, payload, questionnaire

AREA = "flare"
FLARE, USED, LIST = "flare", "used", "list"
# Words of one message at most, and own entries on the list.
MOST_WORDS, OWN_LINES, LONGEST_OWN, LONGEST_OWN_WORDS = 25, 3, 60, 10
_ON, _KEEP, _YES = "on", "keep", "yes"


def open(moment: Moment) -> Outcome:
    """A person first, then slow breaths, and the rest one tap away."""
    key = "first_flag" if moment.open_flag else "first"
    dose = () if plan.on_flare_day(moment) is None else (_button("dose"),)
    ways = (_button("check"), _button("helps"), *dose, _button("done"))
    return Outcome((_say(key, *ways, breath=True),), (Entry(FLARE, USED, {"used": True}),))


def press(moment: Moment, verb: str, args: list[str]) -> Outcome | None:
    """One of flare mode's own buttons; None for an unknown one."""
    if verb == "breathe":
        return Outcome((_say("breathe", _button("check"), _button("helps"), _button("done"), breath=True),))
    if verb == "helps":
        return Outcome((_helps(moment.journal, int(args[0]) if args and args[0].isdigit() else 0),))
    if verb == "list":
        return Outcome((_ask_list(moment.journal),))
    if verb == "check":
        return Outcome((_say("check"),), then=CHECK)
    if verb == "dose":
        return _dose(moment)
    if verb in ("done", "later"):
        return Outcome((_say(verb, _button("check"), _button("back", "breathe")),))
    return None


def words(moment: Moment, about: str, text: str) -> Outcome | None:
    """Flare mode asks for no words."""
    return None


def filled(moment: Moment, form: str, answers: Mapping[str, Any]) -> Outcome:
    """The person's own list: kept where they said so, else nothing changes."""
    lines = load_lines(AREA)
    chosen = [key for key in lines.rest["calms"] if answers.get(key) == _ON]
    own = [_short(answers.get(f"own{n}")) for n in range(1, OWN_LINES + 1)]
    kept = [*chosen, *dict.fromkeys(text for text in own if text)]
    ways = (_button("helps"), _button("breathe"), _button("done"))
    if answers.get(_KEEP) != _YES:
        return Outcome((_say("not_kept", *ways),))
    return Outcome((_say("kept" if kept else "emptied", *ways),), (Entry(FLARE, LIST, {"list": kept}),))


def due(moment: Moment) -> Outcome | None:
    """The day after a flare one question, once."""
    used = moment.journal.last(FLARE, USED)
    if moment.open_flag or used is None or used.at is None or moment.day(used.at) != 1:
        return None
    asked = moment.journal.last(OFFERED, load_lines(AREA).id("due"))
    if asked is not None and asked.at is not None and asked.at > used.at:
        return None
    to_plan = (Button(load_lines(AREA).label("plan"), payload("plan")),) if plan.current(moment.journal) else ()
    return Outcome((_say("due", _button("check"), *to_plan, _button("later")),))


def own_list(journal: Journal) -> list[str]:
    """What helps this person, as they read it: their own list, or what calms on their alarm map."""
    calms: dict[str, str] = load_lines(AREA).rest["calms"]
    entry = journal.last(FLARE, LIST)
    keys = list(entry.value["list"]) if entry is not None else _of_map(journal)
    return [calms.get(key, _short(key)) for key in keys]


def _of_map(journal: Journal) -> list[str]:
    """The calming factors that were confirmed on the alarm map."""
    calms = load_lines(AREA).rest["calms"]
    return [_short(words) or key for key, words in alarm_map.kept(journal).items() if key in calms]


def _helps(journal: Journal, first: int) -> Say:
    """The list from its `first` line on, as many lines as a message of this mode holds."""
    found = own_list(journal)
    if not found:
        return _say("helps_none", _button("breathe"), _list_button("make_list"), _button("check"), _button("done"))
    lines = load_lines(AREA)
    intro = lines.bubbles("helps")
    shown: list[str] = []
    left = MOST_WORDS - sum(len(text.split()) for text in intro)
    for text in found[first:] or found:
        left -= len(text.split())
        if left < 0:
            break
        shown.append(text)
    end = (first if first < len(found) else 0) + len(shown)
    more = (Button(lines.label("more"), payload(AREA, "helps", end)),) if end < len(found) else ()
    ways = (_button("breathe"), _list_button("change_list"), _button("check"), _button("done"))
    made = _say("helps", *more, *ways)
    return Say(made.id, (*made.bubbles, *shown), made.buttons)


def _ask_list(journal: Journal) -> Say:
    lines = load_lines(AREA)
    calms: dict[str, str] = lines.rest["calms"]
    entry = journal.last(FLARE, LIST)
    there = list(entry.value["list"]) if entry is not None else _of_map(journal)
    own = [one for one in there if one not in calms][:OWN_LINES]
    items: list[dict[str, Any]] = [
        *({"id": key, "text": text, "kind": "choice", "choices": _choices("on", "off")} for key, text in calms.items()),
        *(
            {"id": f"own{n}", "text": lines.label("own"), "kind": "text", "max": LONGEST_OWN}
            for n in range(1, OWN_LINES + 1)
        ),
        {"id": _KEEP, "text": lines.label("keep"), "kind": "choice", "choices": _choices("keep_yes", "keep_no")},
    ]
    given = {key: _ON for key in there if key in calms} | {f"own{n}": text for n, text in enumerate(own, 1)}
    made = questionnaire(
        lines.id("list"), form_id(AREA, "list"), lines.label("list_title"), lines.bubbles("list"), items,
        look="chips", given=given, skipped=lines.label("skipped"),
    )  # fmt: skip
    return Say(made.id, made.bubbles, (_person(),), made.kind, more=made.more)


def _choices(*labels: str) -> list[dict[str, str]]:
    lines = load_lines(AREA)
    return [{"value": key.removeprefix("keep_"), "title": lines.label(key)} for key in labels]


def _dose(moment: Moment) -> Outcome | None:
    found = plan.on_flare_day(moment)
    if found is None:
        return None
    document, amount = found
    ways = (_button("breathe"), _button("helps"), _button("check"), _button("done"))
    return Outcome((_say("dose", *ways, amount=amount),), (noted(document),))


def _say(key: str, *buttons: Button, breath: bool = False, **values: object) -> Say:
    """One message: the way to a person stands before everything else."""
    lines = load_lines(AREA)
    more = {"breath": dict(lines.rest["breath"])} if breath else {}
    return Say(lines.id(key), lines.bubbles(key, **values), (_person(), *buttons), more=more)


def _person() -> Button:
    return Button(load_lines(AREA).label("person"), ASK_PERSON)


def _button(label: str, verb: str = "") -> Button:
    """A button with one of our labels; its verb is called like it where none is given."""
    return Button(load_lines(AREA).label(label), payload(AREA, verb or label))


def _list_button(label: str) -> Button:
    return _button(label, "list")


def _short(text: object) -> str:
    return " ".join(own_words(text, LONGEST_OWN).split()[:LONGEST_OWN_WORDS])
