"""The plan: something that matters, in small steps, by rules that anybody can read (docs/plan.md).

Never with a red flag open, and not in situations that belong with a clinician (clinical reference 2.9). What is kept:
see plan_document.py.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from bot.content.plan_rules import load_plan_rules
from bot.content.tutor import load_lines
from bot.tutor import plan_document as kept
from bot.tutor import plan_doing as doing
from bot.tutor import plan_making as making
from bot.tutor import plan_page, plan_rules
from bot.tutor.journal import Entry
from bot.tutor.papers import Paper
from bot.tutor.plan_document import Document
from bot.tutor.plan_document import current as current
from bot.tutor.plan_making import AREA, button, check, person, say
from bot.tutor.saying import Button, Moment, Outcome, Say, form_id, own_words, payload

_EDITS = {"steps": making.ask_steps, "worry": making.ask_worry, "amounts": making.ask_amounts}
# Typed where an activity was asked for: longer words are about something else.
_LONGEST_WORDS = 12


def open(moment: Moment) -> Outcome:
    """The plan as it stands, what is still to be asked for one, or why there is none now."""
    document = kept.latest(moment.journal)
    shut = _shut(moment, document)
    if shut is not None:
        return shut
    if document is None or document["state"] == kept.ENDED:
        if document is not None:
            return Outcome((say("ended", button("back", "back"), button("new", "new_yes"), person()),))
        return making.go_on(None)
    if document["state"] == kept.DRAFT:
        return making.go_on(document)
    if doing.waiting(moment, document) is not None:
        return doing.ask_settled(document, _report(moment, document))
    return Outcome((_today(document),))


def press(moment: Moment, verb: str, args: list[str]) -> Outcome | None:
    """A button of the plan. None for one that makes no sense now: then the plan opens."""
    document = kept.latest(moment.journal)
    if verb == "later":
        return Outcome((say("later", button("today"), person()),))
    if verb == "stop" and document is not None and document["state"] != kept.ENDED:
        return _end(document)
    if verb == "gate" and not moment.open_flag and not _by_sign(document):
        return making.ask_gate()
    if verb == "cleared" and not moment.open_flag and document is not None and _by_sign(document):
        gate = making.ask_gate()
        # The questions before a plan are asked again, whenever they were answered before.
        return Outcome(gate.says, (kept.noted({**document, "stopped": False}), Entry(kept.GATE, "", {"fits": None})))
    shut = _shut(moment, document)
    if shut is not None:
        return shut
    if verb in ("new_yes", "activity"):
        return _begin_again(moment, document, verb, args)
    if document is None:
        return None
    if document["state"] == kept.ENDED:
        return _back(moment, document) if verb == "back" else None
    if verb == "template":
        return Outcome((making.ask_steps(document, given=making.ready_made(document)),))
    if verb == "change":
        return _change(document, args)
    if document["state"] == kept.DRAFT:
        return _start(moment, document) if verb == "start" else None
    return _under_way(moment, document, verb, args)


def words(moment: Moment, about: str, text: str) -> Outcome | None:
    """An activity in the person's own words; None where they were a question or something longer."""
    if about != "activity" or moment.open_flag:
        return None
    if not text:
        return Outcome((say("later", button("today"), person()),))
    document = kept.latest(moment.journal)
    if text.strip().endswith("?") or len(text.split()) > _LONGEST_WORDS or _shut(moment, document) is not None:
        return None
    if document is not None and document["state"] == kept.ACTIVE:
        return None
    return making.chose_own(moment, own_words(text, kept.LONGEST_TITLE))


def filled(moment: Moment, form: str, answers: Mapping[str, Any]) -> Outcome:
    """One of the plan's questionnaires. A sign is taken in at any time; everything else waits while a flag is open."""
    name = form.removeprefix(form_id(AREA, ""))
    document = kept.latest(moment.journal)
    if name == "gate" and not moment.open_flag:
        return _gate(moment, document, answers)
    if name in ("signs", "did") and document is not None and document["state"] == kept.ACTIVE:
        take_in = doing.signs_filled if name == "signs" else doing.report_filled
        outcome = take_in(moment, document, answers)
        if outcome.then or not moment.open_flag:
            return outcome
    shut = _shut(moment, document)
    if shut is not None:
        return shut
    if name == "activity" and (document is None or document["state"] in (kept.DRAFT, kept.ENDED)):
        return making.activity_filled(moment, answers)
    if document is None or document["state"] == kept.ENDED:
        return open(moment)
    if name == "steps":
        return making.steps_filled(moment, document, answers)
    if name == "worry" and document["steps"]:
        return making.worry_filled(moment, document, answers)
    if name == "amounts" and document["steps"]:
        return making.amounts_filled(moment, document, answers)
    return open(moment)


def due(moment: Moment) -> Outcome | None:
    """A step that waits for how the body settled, or the day of the review."""
    document = kept.latest(moment.journal)
    if moment.open_flag or document is None or document["state"] != kept.ACTIVE:
        return None
    report = doing.waiting(moment, document)
    if report is not None:
        return doing.ask_settled(document, report)
    if kept.today(moment).isoformat() >= document["review"]:
        return Outcome((_review(moment, document),))
    return None


def paper(moment: Moment) -> Paper | None:
    """The plan to print; none while it is closed."""
    document = _usable(moment)
    return plan_page.page(document) if document is not None else None


def calendar(moment: Moment) -> str | None:
    """The plan's days as an iCalendar file; none while it is closed."""
    document = _usable(moment)
    return plan_page.days(moment, document) if document is not None else None


def on_flare_day(moment: Moment) -> tuple[Document, str] | None:
    """The plan on its flare amount, and that amount as people read it; None where there is no plan to follow now."""
    document = _usable(moment)
    if document is None:
        return None
    return doing.flare_day(moment, document), plan_page.flare_amount(document)


def _usable(moment: Moment) -> Document | None:
    document = kept.latest(moment.journal)
    active = document is not None and document["state"] == kept.ACTIVE
    return document if active and not moment.open_flag and not making.too_young(moment) else None


def _shut(moment: Moment, document: Document | None) -> Outcome | None:
    """Why there is no plan now; None where there may be one."""
    if moment.open_flag:
        lessons = Button(load_lines(AREA).label("lessons"), payload("course"))
        return Outcome((say("closed", person(), check(), lessons),))
    if making.too_young(moment):
        return making.not_now()
    if document is not None and _by_sign(document):
        return Outcome((say("stopped", person(), check(), button("cleared", "cleared")),))
    state = making.gate_state(moment.journal, moment)
    if state == "shut":
        return making.not_now()
    return making.ask_gate() if state == "asked" else None


def _by_sign(document: Document | None) -> bool:
    """Whether a sign came up of which nobody has said yet that it was checked."""
    return document is not None and bool(document.get("stopped"))


def _gate(moment: Moment, document: Document | None, answers: Mapping[str, Any]) -> Outcome:
    fits, urgent = making.gate_filled(answers)
    if fits is None:
        return making.ask_gate("gate_open")
    note = Entry(kept.GATE, "", {"fits": fits})
    if fits:
        notes = [note]
        if document is not None and document["state"] == kept.ACTIVE:
            # What fits has to change first; no sign has to be checked, so the way back is the list of questions.
            notes.append(kept.noted({**document, "state": kept.STOPPED, "why": "gate", "undo": None}))
        shut = making.not_now(urgent=urgent)
        return Outcome(shut.says, tuple(notes), then=shut.then)
    if document is not None and document["state"] == kept.STOPPED and not _by_sign(document):
        return _with_note(doing.by_moment(moment, document, plan_rules.RESUME), note)
    return _with_note(open(replace(moment, journal=moment.journal.with_((note,), moment.now))), note)


def _with_note(outcome: Outcome, note: Entry) -> Outcome:
    return Outcome(outcome.says, (note, *outcome.notes), then=outcome.then)


def _report(moment: Moment, document: Document) -> Entry:
    report = doing.waiting(moment, document)
    assert report is not None
    return report


def _today(document: Document) -> Say:
    key = "today_flare" if document["before"] is not None else "today"
    ways = (
        button("did", "did"), button("flare", "flare"), button("easier", "easier"), button("review", "review"),
        button("change", "change"), button("stop", "stop"), person(),
    )  # fmt: skip
    made = say(key, *ways, **kept.values(load_lines(AREA), document))
    return Say(made.id, made.bubbles, made.buttons, more={"papers": plan_page.files()})


def _start(moment: Moment, document: Document) -> Outcome | None:
    if "dose" not in document:
        return None
    day = kept.today(moment).isoformat()
    begun = {**document, "began": day, "changed": day, "review": kept.review_from(load_plan_rules(), moment)}
    outcome = doing.by_moment(moment, begun, plan_rules.BEGIN)
    lines = load_lines(AREA)
    ways = (button("did", "did"), button("today"))
    papers = Say(lines.id("papers"), lines.bubbles("papers"), ways, more={"papers": plan_page.files()})
    return Outcome((*outcome.says[:-1], papers), outcome.notes)


def _begin_again(moment: Moment, document: Document | None, verb: str, args: list[str]) -> Outcome | None:
    if verb == "activity":
        busy = document is not None and document["state"] == kept.ACTIVE
        return making.chose(moment, args[0]) if args and not busy else None
    going = document is not None and document["state"] != kept.ENDED
    notes = (kept.noted({**document, "state": kept.ENDED, "undo": None}),) if document is not None and going else ()
    return Outcome((making.ask_activity(),), notes)


def _end(document: Document) -> Outcome:
    ended = {**document, "state": kept.ENDED, "undo": None}
    return Outcome((say("ended", button("back", "back"), person()),), (kept.noted(ended),))


def _back(moment: Moment, document: Document) -> Outcome:
    """An ended plan: a draft as it was left, or a plan to begin again with half."""
    if "began" not in document:
        draft = {**document, "state": kept.DRAFT}
        return making.go_on(draft, kept.noted(draft))
    again = {**document, "review": kept.review_from(load_plan_rules(), moment)}
    return doing.by_moment(moment, again, plan_rules.RESUME)


def _change(document: Document, args: list[str]) -> Outcome:
    ask = _EDITS.get(args[0]) if args else None
    if ask is not None and document["steps"]:
        return Outcome((ask(document),))
    parts = [button(f"change_{part}", "change", part) for part in _EDITS]
    return Outcome((say("change", *parts, button("new", "new"), button("today"), person()),))


def _under_way(moment: Moment, document: Document, verb: str, args: list[str]) -> Outcome | None:
    if verb == "did":
        return doing.ask_signs()
    if verb == "settled":
        return doing.settled(moment, document, args[0] if args else "")
    if verb == "flare":
        return doing.by_moment(moment, document, plan_rules.FLARE_DAY)
    if verb == "easier":
        return doing.by_moment(moment, document, plan_rules.EASIER)
    if verb == "stay":
        return doing.stay(moment, document)
    if verb == "review":
        return Outcome((_review(moment, document),))
    if verb == "new":
        ways = (button("new_yes", "new_yes"), button("today"), person())
        return Outcome((say("replace", *ways, title=document["title"]),))
    if verb == "keep":
        going = {**document, "review": kept.review_from(load_plan_rules(), moment)}
        shown = say("kept", button("today"), person(), **kept.values(load_lines(AREA), going))
        return Outcome((shown,), (kept.noted(going),))
    return None


def _review(moment: Moment, document: Document) -> Say:
    """How often it was done, where it began and where it is now: no praise, no blame."""
    lines = load_lines(AREA)
    done = [one for one in kept.reports(moment.journal, document) if one.value["did"] in ("yes", "part")]
    values = {
        **kept.values(lines, document),
        "count": kept.amount(lines, "times", len(done)),
        "first": kept.amount(lines, document["unit"], document["start"]),
    }
    ways = (button("keep", "keep"), button("change", "change"), button("stop", "stop"), button("later", "later"))
    return say("review", *ways, person(), **values)
