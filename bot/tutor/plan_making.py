"""Making a plan: whether one can be made here, what matters, the ladder, worry about each step, the amount."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from bot.content.files import bubbles
from bot.content.plan_rules import load_plan_rules
from bot.content.tutor import load_lines
from bot.tutor import plan_document as kept
from bot.tutor.journal import Entry, Journal
from bot.tutor.plan_document import Document
from bot.tutor.saying import ASK_PERSON, CHECK, Button, Moment, Outcome, Say, form_id, own_words, payload, questionnaire

AREA = "plan"
# Payloads that the caller knows.
CHECK_STARTED = "check:start"
ON, OFF = "on", "off"
UNDER_AGE, ADULT = "under_18", 18


def button(label: str, verb: str = "", *args: object) -> Button:
    """A button of the plan, titled by one of its labels."""
    return Button(load_lines(AREA).label(label), payload(AREA, verb, *args))


def person() -> Button:
    return Button(load_lines(AREA).label("person"), ASK_PERSON)


def check() -> Button:
    return Button(load_lines(AREA).label("check"), CHECK_STARTED)


def say(key: str, *buttons: Button, **values: object) -> Say:
    """One message in the words of data/tutor/plan.yml."""
    lines = load_lines(AREA)
    return Say(lines.id(key), lines.bubbles(key, **values), buttons)


def form(
    name: str, text: str, title: str, items: Sequence[Mapping[str, Any]], *, awaits: str = "", **more: Any
) -> Say:
    """One questionnaire, with the plan's words in front."""
    lines = load_lines(AREA)
    made = questionnaire(
        lines.id(text), form_id(AREA, name), lines.label(title), bubbles(more.pop("intro", "")) or lines.bubbles(text),
        items, skipped=lines.label("skipped"), **more,
    )  # fmt: skip
    return Say(made.id, made.bubbles, (person(),), made.kind, awaits, more=made.more)


def chip(key: str, text: str) -> dict[str, Any]:
    """Something that fits or does not."""
    titles = {value: load_lines(AREA).label(value) for value in (ON, OFF)}
    return {"id": key, "text": text, "kind": "choice", "choices": choices(titles)}


def on(answers: Mapping[str, Any], chips: Sequence[str]) -> list[str] | None:
    """The chips that were chosen; none of them only where each was answered so, None where they were left out."""
    chosen = [key for key in chips if answers.get(key) == ON]
    return chosen if chosen or all(answers.get(key) == OFF for key in chips) else None


def choices(titles: Mapping[str, str]) -> list[dict[str, str]]:
    return [{"value": value, "title": title} for value, title in titles.items()]


def scale(key: str, text: str, low: str, high: str) -> dict[str, Any]:
    lines = load_lines(AREA)
    ends = {"low": lines.label(low), "high": lines.label(high), "min": 0, "max": 10}
    return {"id": key, "text": text, "kind": "scale", **ends}


# Whether a plan can be made here (clinical reference 2.9, C24)


def gate_state(journal: Journal, moment: Moment) -> str:
    """``asked`` (never, not lately, or again after a sign), ``open`` (nothing fits), or ``shut``."""
    entry = journal.last(kept.GATE)
    if entry is None or entry.at is None or entry.value["fits"] is None:
        return "asked"
    if entry.value["fits"]:
        return "shut"
    return "open" if moment.day(entry.at) <= load_plan_rules().limits["gate_days"] else "asked"


def too_young(moment: Moment) -> bool:
    """Whether the dialogue has noted an age for which this is not made."""
    age = str(moment.facts.get("age", "")).strip()
    return age.isdigit() and int(age) < ADULT


def ask_gate(text: str = "gate") -> Outcome:
    items = [chip(one["id"], one["text"]) for one in load_lines(AREA).rest["gate"]]
    return Outcome((form("gate", text, "gate_title", items, look="chips"),))


def not_now(*, urgent: bool = False) -> Outcome:
    """No plan here, why, and what can be done meanwhile. `urgent`: what fits is a sign that needs a check soon."""
    lessons = Button(load_lines(AREA).label("lessons"), payload("course"))
    shown = say("not_now", person(), check(), lessons, button("gate_again", "gate"))
    if urgent:
        return Outcome((say("not_now_check"), shown), then=CHECK)
    return Outcome((shown,))


def gate_filled(answers: Mapping[str, Any]) -> tuple[list[str] | None, bool]:
    """The situations that fit, and whether one of them needs a check; None where nothing was answered."""
    all_ = load_lines(AREA).rest["gate"]
    fits = on(answers, [one["id"] for one in all_])
    return fits, any(one["id"] in fits and one.get("check") for one in all_) if fits else False


# What matters, the ladder, worry, the amount


def go_on(document: Document | None, *notes: Entry) -> Outcome:
    """What is still to be asked for a plan, or the whole of it to look at."""
    if document is None:
        return Outcome((ask_activity(),), notes)
    if not document["steps"]:
        return Outcome((ask_steps(document),), notes)
    if not document["rated"]:
        return Outcome((ask_worry(document),), notes)
    if "dose" not in document:
        return Outcome((ask_amounts(document),), notes)
    lines = load_lines(AREA)
    ways = (button("start", "start"), button("change", "change"), person())
    shown = say("preview", *ways, **kept.values(lines, document))
    return Outcome((shown,), notes)


def ask_activity(text: str = "activity") -> Say:
    lines = load_lines(AREA)
    items = [chip(one["id"], one["title"]) for one in lines.rest["activities"]]
    own = {"id": kept.OWN, "text": lines.label("activity_own"), "kind": "text", "max": kept.LONGEST_TITLE}
    return form("activity", text, "activity_title", [*items, own], awaits="plan:activity", look="chips")


def activity_filled(moment: Moment, answers: Mapping[str, Any]) -> Outcome:
    """One activity goes on; several are asked about, because one at a time is easier."""
    own = own_words(answers.get(kept.OWN), kept.LONGEST_TITLE)
    chosen = [one for one in load_lines(AREA).rest["activities"] if answers.get(one["id"]) == ON]
    if own:
        return chose_own(moment, own)
    if len(chosen) == 1:
        return chose(moment, chosen[0]["id"]) or Outcome((ask_activity(),))
    if not chosen:
        return Outcome((ask_activity("activity_open"),))
    shown = tuple(Button(one["title"], payload(AREA, "activity", one["id"])) for one in chosen)
    return Outcome((say("which_first", *shown, person()),))


def chose(moment: Moment, activity: str) -> Outcome | None:
    """A draft for one of the activities; None for an unknown one."""
    found = next((one for one in load_lines(AREA).rest["activities"] if one["id"] == activity), None)
    return found and _drafted(kept.new(moment, activity, found["title"], found["unit"]))


def chose_own(moment: Moment, title: str) -> Outcome:
    return _drafted(kept.new(moment, kept.OWN, title, "minutes"))


def _drafted(document: Document) -> Outcome:
    return go_on(document, kept.noted(document))


def ready_made(document: Document) -> list[str]:
    """The ladder's steps as they are offered."""
    rest = load_lines(AREA).rest
    found = [one["steps"] for one in rest["activities"] if one["id"] == document["activity"]]
    return list(found[0] if found else rest["own_steps"])


def ask_steps(document: Document, text: str = "steps", given: Sequence[str] = ()) -> Say:
    lines = load_lines(AREA)
    there = list(given) or [one["text"] for one in document["steps"]] or ready_made(document)
    items = [
        {"id": f"s{n}", "text": lines.label("step_item", n=n), "kind": "text", "max": kept.LONGEST_STEP}
        for n in range(1, kept.MOST_STEPS + 1)
    ]
    filled = {f"s{n}": step for n, step in enumerate(there, 1)}
    intro = lines.text(text, title=document["title"])
    made = form("steps", text, "steps_title", items, intro=intro, given=filled, look="chips")
    return Say(made.id, made.bubbles, (button("template", "template"), *made.buttons), made.kind, more=made.more)


def steps_filled(moment: Moment, document: Document, answers: Mapping[str, Any]) -> Outcome:
    """The ladder in the person's own words, empty lines left out. Ratings stay with steps whose words stay."""
    words = [own_words(answers.get(f"s{n}"), kept.LONGEST_STEP) for n in range(1, kept.MOST_STEPS + 1)]
    texts = [text for text in dict.fromkeys(words) if text]
    if len(texts) < kept.FEWEST_STEPS:
        return Outcome((ask_steps(document, "steps_few", texts),))
    rated = {one["text"]: one["worry"] for one in document["steps"]}
    changed = {**document, "steps": [{"text": text, "worry": rated.get(text)} for text in texts]}
    if "step" in changed:
        # The step that the person is on, where it is still there; else one that is no harder than before.
        at = document["steps"][kept.level_of(document).step]["text"]
        changed["step"] = texts.index(at) if at in texts else min(changed["step"], len(texts) - 1)
        changed["undo"] = None
    return after_change(moment, document, changed)


def ask_worry(document: Document) -> Say:
    items = [scale(f"s{n}", one["text"], "worry_low", "worry_high") for n, one in enumerate(document["steps"], 1)]
    given = {f"s{n}": one["worry"] for n, one in enumerate(document["steps"], 1) if one["worry"] is not None}
    return form("worry", "worry", "worry_title", items, given=given)


def worry_filled(moment: Moment, document: Document, answers: Mapping[str, Any]) -> Outcome:
    steps = [{**one, "worry": answers.get(f"s{n}")} for n, one in enumerate(document["steps"], 1)]
    return after_change(moment, document, {**document, "steps": steps, "rated": True})


def ask_amounts(document: Document) -> Say:
    lines = load_lines(AREA)
    numbers = {str(n): str(n) for n in lines.rest["amounts"]}
    units = {unit: lines.label(f"unit_{unit}") for unit in ("minutes", "times")}
    items = [
        {"id": "unit", "choices": choices(units)},
        {"id": "bad_day", "choices": choices({"0": lines.label("bad_day_none"), **numbers})},
        {"id": "aim", "choices": choices(numbers)},
        {"id": "days", "choices": choices({str(n): str(n) for n in lines.rest["days_a_week"]})},
    ]
    given = {key: str(document[key]) for key in ("unit", "bad_day", "aim", "days") if key in document}
    asked = [{**one, "text": lines.label(str(one["id"])), "kind": "choice"} for one in items]
    return form("amounts", "amounts", "amounts_title", asked, given=given)


def amounts_filled(moment: Moment, document: Document, answers: Mapping[str, Any]) -> Outcome:
    """What was left open stays as it was; at first it is the smallest amount, and no more than that is aimed for."""
    rules = load_plan_rules()

    def number(key: str, otherwise: int) -> int:
        given = answers.get(key)
        return int(given) if given is not None else int(document.get(key, otherwise))

    bad_day = number("bad_day", 0)
    aim = max(1, number("aim", bad_day))
    days = number("days", rules.limits["days_a_week"])
    unit = str(answers.get("unit") or document["unit"])
    return after_change(moment, document, kept.with_amounts(document, rules, unit, bad_day, aim, days))


def after_change(moment: Moment, before: Document, document: Document) -> Outcome:
    """A draft goes on to what is still open; a plan that is under way shows what it is now. Another step or amount
    counts as a change: it has to last as long as any before it may go up."""
    if document["state"] == kept.DRAFT:
        return go_on(document, kept.noted(document))
    if any(before[key] != document[key] for key in ("step", "dose")):
        document = {**document, "changed": kept.today(moment).isoformat()}
    document = {**document, "told": ""}
    ways = (button("today"), button("change", "change"), person())
    shown = say("changed", *ways, **kept.values(load_lines(AREA), document))
    return Outcome((shown,), (kept.noted(document),))
