"""The page for the next visit as a document: which lines it has, and the questions that are suggested for it.

A draft is plain data in the journal (see ``summary.py``): lines by section and id, as the person left them. Lines are
made once, when the page is put together; from then on only the person changes them, so that what is approved is what
was read.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from bot.content.forms import load_forms
from bot.content.tutor import Lines, load_lines
from bot.tutor import measures, measures_history, plan_document, scan, scoring
from bot.tutor.journal import Journal
from bot.tutor.papers import LIST, PARAGRAPHS, Paper, Section
from bot.tutor.pictures import CALMS, kept_factors
from bot.tutor.saying import Moment, own_words

AREA = "summary"
# In the order of the page: the person's own words first.
WORDS, FACTS, MAP, PLAN, NUMBERS, QUESTIONS = SECTIONS = ("words", "facts", "map", "plan", "numbers", "questions")
MOST_QUESTIONS, MOST_SUGGESTED = 5, 8
LONGEST_LINE, LONGEST_WORDS = 300, 500
FACT_KEYS = ("body_part", "finding", "age")
# Measures on the page with the ends of their scales.
SHOWN = {
    "peg": 10, "activities": 10, "confidence": 10, "worry": 10, "sleep": 10, "pain_average": 10, "phq2": 6, "gad2": 6,
}  # fmt: skip
# Which sections each questionnaire makes.
_MAKES = {"words": (WORDS, QUESTIONS), "facts": (FACTS,), "questions": (QUESTIONS,)}
Draft = dict[str, Any]
LinesOf = dict[str, dict[str, str]]



def composed(moment: Moment, draft: Draft, step: str) -> Draft:
    """The draft with its lines. They are made once; a step answered anew (`step`: its questionnaire) changes its
    own sections alone, and what the person has taken out does not come back."""
    made, gone = compose(moment, draft), set(draft.get("removed") or ())
    had: LinesOf = draft.get("lines") or {}
    parts = _MAKES[step] if had else SECTIONS
    fresh = {
        name: {id: text for id, text in made[name].items() if name == WORDS or text not in gone} for name in parts
    }
    return {**draft, "lines": {**had, **fresh}}


def edited(draft: Draft, section: str, answers: Mapping[str, Any]) -> Draft:
    """The draft after a section was changed line by line."""
    before: LinesOf = draft.get("lines") or {}
    after = with_section(before, section, answers)
    gone = [text for text in (before.get(section) or {}).values() if text not in after[section].values()]
    back = set(after[section].values())
    removed = [text for text in (*(draft.get("removed") or ()), *gone) if text not in back]
    return {**draft, "lines": after, "removed": list(dict.fromkeys(removed))}


def questions_of(draft: Mapping[str, Any]) -> list[str]:
    """All questions that were written or chosen, the person's own first."""
    found = [own_words(text, LONGEST_LINE) for text in (*(draft.get("asked") or ()), *(draft.get("chosen") or ()))]
    return list(dict.fromkeys(text for text in found if text))


def compose(moment: Moment, draft: Mapping[str, Any]) -> LinesOf:
    """All lines of a new page, by section and id: from what the person wrote and confirmed, and from the journal."""
    lines = load_lines(AREA)
    own = own_words(draft.get("own"), LONGEST_WORDS)
    facts = {key: draft["facts"][key] for key in FACT_KEYS if key in (draft.get("confirmed") or ())}
    asked = questions_of(draft)[:MOST_QUESTIONS]
    return {
        WORDS: {"words_1": own} if own else {},
        FACTS: {f"facts_{key}": own_words(text, LONGEST_LINE) for key, text in facts.items()},
        MAP: _map(moment, lines),
        PLAN: _plan(moment.journal, lines),
        NUMBERS: _numbers(moment, lines),
        QUESTIONS: {f"questions_{place}": text for place, text in enumerate(asked, start=1)},
    }


def page(moment: Moment, draft: Mapping[str, Any] | None) -> Paper | None:
    """The page of a draft; None where it has no line."""
    lines = load_lines(AREA)
    found: LinesOf = (draft or {}).get("lines") or {}
    sections = tuple(
        Section(lines.label(f"heading_{name}"), tuple(found[name].values()), PARAGRAPHS if name == WORDS else LIST)
        for name in SECTIONS
        if found.get(name)
    )
    if not sections:
        return None
    # What a clinic does not say about itself is filled in by the caller.
    named = {"clinic": moment.clinic["name"]} if moment.clinic.get("name") else {}
    return Paper(AREA, lines.label("paper_title"), sections, lines.label("paper_foot", **named))


def as_text(paper: Paper) -> str:
    """The page in plain words with its headings, as it goes to the clinic."""
    return f"{paper.as_text()}\n\n{paper.foot}"


def mark(paper: Paper) -> str:
    """Short and always the same for the same page: an approval is for what was read, and for nothing newer."""
    return hashlib.sha256(as_text(paper).encode("utf-8", "surrogatepass")).hexdigest()[:12]


def facts_noted(moment: Moment) -> dict[str, str]:
    """What the dialogue has noted, as lines, by fact."""
    from bot.content.kept import load_kept_words  # heavy: it loads the words of reports

    lines, shown = load_lines(AREA), load_kept_words().facts_in(moment.facts)
    return {one["key"]: lines.label("fact", title=one["title"], value=one["shown"]) for one in shown}


def suggested(moment: Moment) -> list[tuple[str, str]]:
    """Questions for the visit that fit what has been done here, (id, text): those kept from reading a scan report
    first, then curated ones."""
    known = _known(moment)
    found = [(f"scan_{place}", text) for place, text in enumerate(_scan_questions(moment), start=1)]
    curated: dict[str, Any] = load_lines(AREA).rest["questions"]
    found += [(key, one["text"]) for key, one in curated.items() if known & set(one["when"])]
    once = {text: key for key, text in reversed(found)}
    return [(key, text) for key, text in found if once[text] == key][:MOST_SUGGESTED]


def _known(moment: Moment) -> set[str]:
    known = {"always", *(f"factor:{factor}" for factor in kept_factors(moment))}
    for entry in moment.journal.of("lesson"):
        if isinstance(entry.value, dict) and entry.value.get("how") == "finished":
            known.add(f"lesson:{entry.key}")
    matters = moment.journal.last("matters")
    if matters is not None and isinstance(matters.value, list):
        known |= {f"matters:{one}" for one in matters.value}
    document = plan_document.current(moment.journal)
    if document is not None:
        known.add(f"plan:{document['state']}")
    if _scan_questions(moment):
        known.add("scan")
    lines = load_lines(measures.AREA)
    found = measures.history(moment.journal)
    peg = found["peg"]
    if len([one for one in peg if one.value is not None]) > 1 and peg[-1].value is not None:
        known |= {"worse"} if measures.peg_change(peg, lines)[0] in ("worse_enough", "higher") else set()
    for name in ("phq2", "gad2"):
        last = found[name][-1].value if found[name] else None
        known |= {"mood"} if last is not None and last >= lines.rest["rules"][name]["cut"] else set()
    return known


def _scan_questions(moment: Moment) -> list[str]:
    return [own_words(one, LONGEST_LINE) for one in scan.kept_questions(moment)]


def _map(moment: Moment, lines: Lines) -> dict[str, str]:
    titles: dict[str, Any] = load_lines("factors").rest["factors"]
    kept = [factor for factor in kept_factors(moment) if factor in titles]
    found = {}
    for key, calms in (("map_up", False), ("map_calm", True)):
        named = [titles[factor]["title"] for factor in kept if factor.startswith(CALMS) is calms]
        if named:
            found[key] = own_words(lines.label(key, factors=", ".join(named)), LONGEST_LINE)
    return found


def _plan(journal: Journal, lines: Lines) -> dict[str, str]:
    document = plan_document.current(journal)
    if document is None:
        return {}
    found = {"plan_goal": own_words(lines.label("plan_goal", title=document["title"]), LONGEST_LINE)}
    if document["state"] != plan_document.ACTIVE:
        return {**found, "plan_stopped": lines.label("plan_stopped")}
    named = plan_document.values(load_lines("plan"), document)
    return {**found, "plan_now": own_words(lines.label("plan_now", **named), LONGEST_LINE)}


def _numbers(moment: Moment, lines: Lines) -> dict[str, str]:
    """One line for each measure that was scored, with what it was at first; days without a score are named."""
    history, found = measures.history(moment.journal), {}
    for name, most in SHOWN.items():
        points = history[name]
        scored = [(one.at, one.value) for one in points if one.value is not None]
        if not scored:
            continue
        (first, before), (last, after) = scored[0], scored[-1]
        called = ", ".join(measures_history.names(moment.journal).values()) if name == "activities" else ""
        title = f"{lines.label(name)}: {called}" if called else lines.label(name)
        values = {"title": title, "most": most, "day": _day(moment, last), "after": scoring.shown(after)}
        if len(scored) == 1:
            text = lines.label("number_one", **values)
        else:
            more = {"before": scoring.shown(before), "first_day": _day(moment, first)}
            text = lines.label("number_two", **values, **more)
            if _reached(name, before, after):
                text = lines.label("number_marked", line=text)
        days = [_day(moment, one.at) for one in points if one.value is None]
        found[f"numbers_{name}"] = lines.label("number_missing", line=text, days=", ".join(days)) if days else text
    if history["pgic"]:
        last_said = history["pgic"][-1]
        item = next(one for one in load_forms()[measures_history.CHANGE].items if one.id == "pgic")
        choice = (item.choices or {}).get(last_said.about, last_said.about).lower()
        found["numbers_pgic"] = lines.label("impression", choice=choice, day=_day(moment, last_said.at))
    return found


def _reached(name: str, before: float, after: float) -> bool:
    rules = load_lines(measures.AREA).rest["rules"]
    rated = {
        "peg": scoring.change_of_peg,
        "pain_average": scoring.change_of_nrs,
        "activities": scoring.change_of_activities,
    }
    if name not in rated:
        return False
    change = rated[name](before, after, rules[name])
    return change.direction == scoring.BETTER and change.enough


def _day(moment: Moment, at: datetime) -> str:
    local = at.astimezone(moment.zone)
    return f"{local.day} {local:%B}"


def with_section(found: Mapping[str, Mapping[str, str]], section: str, answers: Mapping[str, Any]) -> LinesOf:
    """The lines after a section was changed: what was emptied or skipped is gone, a new line stands at the end."""
    kept = {name: dict(found.get(name) or {}) for name in SECTIONS}
    longest = LONGEST_WORDS if section == WORDS else LONGEST_LINE
    changed = {
        id: own_words(answers[id], longest) if id in answers else text for id, text in kept[section].items()
    }
    new = own_words(answers.get(f"{section}_new"), longest)
    if new:
        changed[next_id(section, changed)] = new
    left = {id: text for id, text in changed.items() if text}
    if section == QUESTIONS:
        left = dict(list(left.items())[:MOST_QUESTIONS])
    return {**kept, section: left}


def next_id(section: str, taken: Sequence[str] | Mapping[str, str]) -> str:
    """An id for one more line."""
    return next(id for place in range(1, len(taken) + 2) if (id := f"{section}_{place}") not in taken)
