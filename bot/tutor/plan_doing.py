"""A plan under way: reports of a step, what the rules make of them, flare days, and closing it for a sign."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict
from typing import Any

from bot.content.files import bubbles
from bot.content.plan_rules import PROGRESS, STOP, Rule, load_plan_rules
from bot.content.tutor import load_lines
from bot.tutor import plan_document as kept
from bot.tutor import plan_rules as engine
from bot.tutor.journal import Entry
from bot.tutor.plan_document import Document
from bot.tutor.plan_making import AREA, button, check, chip, choices, form, on, person, say, scale
from bot.tutor.saying import CHECK, Moment, Outcome, Say

# A report whose body has not settled yet is asked about again after this many hours, for so many days.
SETTLE_HOURS, SETTLE_DAYS = 20, 7
SETTLED = ("yes", "no", "not_sure")


def ask_signs() -> Outcome:
    """Before how it went: is there a sign that ends the plan?"""
    items = [chip(sign.id, sign.text) for sign in load_plan_rules().signs]
    return Outcome((form("signs", "signs", "signs_title", items, look="chips"),))


def signs_filled(moment: Moment, document: Document, answers: Mapping[str, Any]) -> Outcome:
    """A sign ends the plan at once; else the report goes on. Signs that were left out count as not told."""
    signs = on(answers, [sign.id for sign in load_plan_rules().signs])
    if signs:
        return _decided(moment, document, _report(moment, document, {}, signs), _next_key(moment, document))
    return Outcome((ask_report(),), (Entry(kept.SIGNS, document["id"], {"none": signs is not None}),))


def ask_report() -> Say:
    """How did it go?"""
    lines = load_lines(AREA)
    did = {key: lines.label(f"did_{key}") for key in ("yes", "part", "no")}
    settled = {key: lines.label(f"settled_{key}") for key in ("yes", "not_yet", "no")}
    items = [
        {"id": "did", "text": lines.label("did_item"), "kind": "choice", "choices": choices(did)},
        scale("before", lines.label("before"), "pain_low", "pain_high"),
        scale("after", lines.label("after"), "pain_low", "pain_high"),
        {"id": "settled", "text": lines.label("settled_item"), "kind": "choice", "choices": choices(settled)},
        scale("worry", lines.label("worry_item"), "worry_low", "worry_high"),
    ]
    return form("did", "did", "did_title", items)


def report_filled(moment: Moment, document: Document, answers: Mapping[str, Any]) -> Outcome:
    """What follows a report: one decision of the table, with its reason and what is next. Sent once more on the same
    day it mends the report that it was, and what followed from that."""
    told = kept.reports(moment.journal, document)
    last = told[-1] if told else None
    none = _no_sign(moment, document)
    follows = last is not None and document.get("told") == last.key and moment.day(last.at or moment.now) == 0
    if none is None and last is not None and follows:
        before = {**document, **last.value["was"]}
        return _decided(moment, before, _report(moment, before, answers, [], bool(last.value["none"])), last.key)
    return _decided(moment, document, _report(moment, document, answers, [], bool(none)), _next_key(moment, document))


def _report(
    moment: Moment, document: Document, answers: Mapping[str, Any], signs: list[str], none: bool = False
) -> dict[str, Any]:
    told = {key: answers.get(key) for key in ("did", "before", "after", "settled", "worry")}
    was = {key: document[key] for key in ("step", "dose", "raises", "eases", "before", "changed")}
    about = {"step": document["step"], "dose": document["dose"], "on": kept.today(moment).isoformat(), "was": was}
    return {**told, "stop": signs, "none": none, **about}


def _no_sign(moment: Moment, document: Document) -> bool | None:
    """Whether it was said today that there is no sign, since the last report; None where nothing was asked."""
    for entry in reversed(moment.journal.entries):
        if entry.kind == kept.DID:
            return None
        if entry.kind == kept.SIGNS and entry.key == document["id"]:
            return bool(entry.value["none"]) if moment.day(entry.at or moment.now) == 0 else None
    return None


def _next_key(moment: Moment, document: Document) -> str:
    return f"{document['id']}.{len(kept.reports(moment.journal, document)) + 1}"


def _decided(moment: Moment, document: Document, report: Mapping[str, Any], key: str) -> Outcome:
    rules = load_plan_rules()
    stop = engine.stop_level(rules, report["stop"], bool(report["none"]))
    facts = engine.facts_of(
        rules, kept.level_of(document), {**report, "stop": stop}, days=kept.days_since(document, moment)
    )
    rule = engine.decide(rules, facts)
    note = Entry(kept.DID, key, {**report, "decide": rule.decide, "rule": rule.id})
    return carried_out(moment, {**document, "told": key}, rule, note)


def by_moment(moment: Moment, document: Document, name: str) -> Outcome:
    """What follows something other than a report: the beginning, a flare day, a wish to make it easier."""
    rules = load_plan_rules()
    facts = engine.facts_of(rules, kept.level_of(document), {"stop": engine.NONE}, moment=name)
    return carried_out(moment, {**document, "told": ""}, engine.decide(rules, facts))


def carried_out(moment: Moment, document: Document, rule: Rule, *notes: Entry) -> Outcome:
    """The decision, its reason and what is next, and the plan as it is then."""
    if rule.decide == STOP:
        stopped = {**document, "state": kept.STOPPED, "why": rule.id, "stopped": True, "undo": None}
        return Outcome((ruled(rule),), (*notes, kept.noted(stopped)), then=CHECK)
    after, changed = after_rule(moment, document, rule)
    says = [ruled(rule)]
    offered = engine.wants_person(load_plan_rules(), rule, after)
    if offered:
        says.append(say("person", person()))
    ways = [button("stay", "stay")] if rule.decide == PROGRESS else []
    # On a flare day the safety check is offered too (clinical reference 3.6).
    ways += [check()] if rule.id == engine.FLARE_DAY else []
    ways += [button("easier", "easier"), button("today")]
    says.append(say("next", *([person()] if offered else []), *ways, **kept.values(load_lines(AREA), changed)))
    return Outcome(tuple(says), (*notes, kept.noted(changed)))


def after_rule(moment: Moment, document: Document, rule: Rule) -> tuple[engine.Level, Document]:
    """Where the plan stands after a rule, and the plan as it is then."""
    before = kept.level_of(document)
    after = engine.applied(load_plan_rules(), rule, before)
    changed = kept.with_level(document, after, kept.today(moment))
    undo = asdict(before) if rule.decide == PROGRESS else None
    return after, {**changed, "state": kept.ACTIVE, "why": rule.id, "undo": undo}


def ruled(rule: Rule) -> Say:
    """A decision in words, with its reason. Where it ends the plan, a person comes first."""
    buttons = (person(), check()) if rule.decide == STOP else ()
    words = (*bubbles(rule.say), *bubbles(rule.because))
    return Say(load_lines(AREA).id(f"rule_{rule.id}"), words, buttons)


def stay(moment: Moment, document: Document) -> Outcome | None:
    """The last rise is taken back; None where there is none to take back."""
    undo = document.get("undo")
    if not undo:
        return None
    changed = {**kept.with_level(document, engine.Level(**undo), kept.today(moment)), "undo": None, "told": ""}
    shown = say("stayed", button("today"), person(), **kept.values(load_lines(AREA), changed))
    return Outcome((shown,), (kept.noted(changed),))


def waiting(moment: Moment, document: Document) -> Entry | None:
    """The newest report, where it is not known yet whether the body settled, and a day has passed."""
    told = kept.reports(moment.journal, document)
    last = told[-1] if told else None
    if last is None or last.at is None or last.value["stop"] or last.value["did"] not in ("yes", "part"):
        return None
    first = next(moment.journal.of(kept.DID, last.key)).at or last.at
    hours = (moment.now - first).total_seconds() / 3600
    if last.value["settled"] not in (None, "not_yet") or not SETTLE_HOURS <= hours <= SETTLE_DAYS * 24:
        return None
    return last


def ask_settled(document: Document, report: Entry) -> Outcome:
    answers = [button(f"settled_{key}", "settled", key) for key in SETTLED]
    steps = document["steps"]
    step = steps[min(report.value["step"], len(steps) - 1)]["text"]
    return Outcome((say("settle", *answers, check(), person(), button("later", "later"), step=step),))


def settled(moment: Moment, document: Document, answer: str) -> Outcome | None:
    """The answer a day later completes the report, and the table decides again. "Not sure" counts as left out, and
    nobody is asked twice. None where nothing is waiting."""
    report = waiting(moment, document)
    if report is None or answer not in SETTLED:
        return None
    value = {**report.value, "settled": answer}
    if (value["step"], value["dose"]) == (document["step"], document["dose"]):
        return _decided(moment, document, value, report.key)
    late = say("settled_late", button("today"), person())
    return Outcome((late,), (Entry(kept.DID, report.key, value),))


def flare_day(moment: Moment, document: Document) -> Document:
    """The plan on the amount of a flare day."""
    rules = load_plan_rules()
    facts = engine.facts_of(rules, kept.level_of(document), {"stop": engine.NONE}, moment=engine.FLARE_DAY)
    return after_rule(moment, {**document, "told": ""}, engine.decide(rules, facts))[1]
