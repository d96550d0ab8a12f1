"""The summary for the next visit: put together with the person, changed line by line, and sent only when approved.

Entries of this area, kind ``summary``: key ``draft``, value ``{"sent": False, "own", "facts": {fact: line},
"confirmed": [facts], "asked": [own questions], "chosen": [suggested ones], "lines": {section: {id: text}}, "removed":
[texts]}`` (the newest counts); key ``sent``, value ``{"sent": True, "mark"}``, when a page went to the clinic.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from bot.content.forms import Item
from bot.content.tutor import load_lines
from bot.tutor import summary_page as pages
from bot.tutor.journal import Entry
from bot.tutor.papers import Paper
from bot.tutor.saying import (
    ASK_PERSON,
    TO_CLINIC,
    Button,
    Moment,
    Outcome,
    Say,
    form_id,
    own_words,
    payload,
    questionnaire,
)
from bot.tutor.summary_page import AREA, MOST_QUESTIONS, QUESTIONS, SECTIONS, WORDS, Draft

SUMMARY, DRAFT, SENT = "summary", "draft", "sent"
ON, OFF = "on", "off"
_EDIT = "edit_"
# Sections to which a line can be added.
_OPEN_ENDED = (WORDS, QUESTIONS)


def open(moment: Moment) -> Outcome:
    """What it is for, or the page that was begun. While a red flag is open that comes first."""
    if moment.open_flag:
        return _blocked()
    lines, draft = load_lines(AREA), _draft(moment)
    entry = moment.journal.last(SUMMARY, DRAFT)
    if draft is None or pages.page(moment, draft) is None or entry is None or entry.at is None:
        return Outcome((Say(lines.id("first"), lines.bubbles("first"), (_button("begin", "begin"),)),))
    local = entry.at.astimezone(moment.zone)
    words = lines.bubbles("again", day=f"{local.day} {local:%B}")
    return Outcome((Say(lines.id("again"), words, (_button("look", "view"), _button("anew", "begin"))),))


def press(moment: Moment, verb: str, args: list[str]) -> Outcome | None:
    """``begin``, ``view``, ``change``, ``edit:<section>``, ``send:<mark>[:again]``, ``take``, ``keep``."""
    if moment.open_flag:
        return _blocked()
    if verb == "begin":
        draft = {"sent": False, "facts": pages.facts_noted(moment), "lines": {}}
        return Outcome((_ask_words(),), (_noted(draft),))
    found = _draft(moment)
    if found is None:
        return None
    if verb == "view":
        return Outcome(_preview(moment, found))
    if verb == "change":
        return Outcome((_parts(),))
    if verb == "edit" and args and args[0] in SECTIONS:
        return Outcome((_ask_edit(found, args[0]),))
    if verb == "send":
        return _send(moment, found, args)
    lines = load_lines(AREA)
    if verb == "take" and pages.page(moment, found) is not None:
        return Outcome((Say(lines.id("paper"), lines.bubbles("paper"), (_button("look", "view"),), more=_papers()),))
    if verb == "keep":
        return Outcome((Say(lines.id("kept"), lines.bubbles("kept"), (_button("look", "view"),)),))
    return None


def filled(moment: Moment, form: str, answers: Mapping[str, Any]) -> Outcome:
    """One step of putting it together, or a part that was changed; the page is shown after each change."""
    if moment.open_flag:
        return _blocked()
    draft = _draft(moment) or {"sent": False, "facts": {}, "lines": {}}
    name = form.removeprefix(form_id(AREA, ""))
    if name.startswith(_EDIT) and name.removeprefix(_EDIT) in SECTIONS:
        draft = pages.edited(draft, name.removeprefix(_EDIT), answers)
        return Outcome(_preview(moment, draft), (_noted(draft),))
    if name == "words":
        given = [own_words(answers.get(key), pages.LONGEST_LINE) for key in ("question_1", "question_2")]
        asked = [text for text in given if text]
        draft = {**draft, "own": answers.get("own") or "", "asked": asked}
    elif name == "facts":
        draft = {**draft, "confirmed": [fact for fact in draft["facts"] if answers.get(fact) == ON]}
    elif name == "questions":
        draft = {**draft, "chosen": [text for key, text in pages.suggested(moment) if answers.get(key) == ON]}
    else:
        return open(moment)
    if draft["lines"] or name == "questions":  # the last step, or an earlier one that was answered anew
        draft = pages.composed(moment, draft, name)
        many = len(pages.questions_of(draft)) > MOST_QUESTIONS
        return Outcome(_preview(moment, draft, many), (_noted(draft),))
    ask = _ask_facts(draft) if name == "words" and draft["facts"] else _ask_questions(moment)
    return Outcome((ask,), (_noted(draft),))


def paper(moment: Moment) -> Paper | None:
    """The page as it was last left; None where there is none, and while something still needs a check."""
    return None if moment.open_flag else pages.page(moment, _draft(moment))


def _send(moment: Moment, draft: Draft, args: Sequence[str]) -> Outcome:
    """The page that was read, and no other; a second one only when that is wanted."""
    lines, made = load_lines(AREA), pages.page(moment, draft)
    if made is None or not args or args[0] != pages.mark(made):
        lead = Say(lines.id("changed"), lines.bubbles("changed"))
        return Outcome((lead, *_preview(moment, draft)))
    before = moment.journal.last(SUMMARY, SENT)
    if before is not None and before.at is not None and "again" not in args[1:]:
        local = before.at.astimezone(moment.zone)
        buttons = (_button("send_again", "send", args[0], "again"), _button("not_again", "view"))
        return Outcome((Say(lines.id("twice"), lines.bubbles("twice", day=f"{local.day} {local:%B}"), buttons),))
    note = Entry(SUMMARY, SENT, {"sent": True, "mark": args[0]})
    return Outcome(notes=(note,), then=TO_CLINIC, words=pages.as_text(made))


def _preview(moment: Moment, draft: Draft, many: bool = False) -> tuple[Say, ...]:
    """The page as it would go, part by part, and where it may go. `many`: more questions were chosen than fit."""
    lines, made = load_lines(AREA), pages.page(moment, draft)
    if made is None:
        return (Say(lines.id("empty"), lines.bubbles("empty"), (_button("change", "change"),)),)
    parts = ["\n".join([f"**{one.heading}**", *(f"- {text}" for text in one.lines)]) for one in made.sections]
    lead = [*lines.bubbles("lead"), *(lines.bubbles("five") if many else ())]
    buttons = (
        _button("send", "send", pages.mark(made)),
        _button("change", "change"),
        _button("paper", "take"),
        _button("nowhere", "keep"),
    )
    return (
        Say(lines.id("page"), (*lead, *parts), ways=False, more={"review": lines.review}),
        Say(lines.id("where"), lines.bubbles("where"), buttons),
    )


def _parts() -> Say:
    lines = load_lines(AREA)
    buttons = tuple(Button(lines.label(f"heading_{name}"), payload(AREA, "edit", name)) for name in SECTIONS)
    return Say(lines.id("edit"), lines.bubbles("edit"), (*buttons, _button("look", "view")))


def _ask_words() -> Say:
    lines = load_lines(AREA)
    items = [Item("own", "text", lines.label("own"), longest=pages.LONGEST_WORDS)]
    for place, key in enumerate(("own_question", "other_question"), start=1):
        items.append(Item(f"question_{place}", "text", lines.label(key), longest=pages.LONGEST_LINE))
    return _form("words", lines.label("title_words"), lines.bubbles("words"), items)


def _ask_facts(draft: Draft) -> Say:
    lines = load_lines(AREA)
    items = [_chip(fact, text) for fact, text in draft["facts"].items()]
    return _form("facts", lines.label("title_facts"), lines.bubbles("noted"), items, look="chips")


def _ask_questions(moment: Moment) -> Say:
    lines = load_lines(AREA)
    items = [_chip(key, text) for key, text in pages.suggested(moment)]
    return _form("questions", lines.label("title_questions"), lines.bubbles("questions"), items, look="chips")


def _ask_edit(draft: Draft, section: str) -> Say:
    lines = load_lines(AREA)
    found: dict[str, str] = (draft.get("lines") or {}).get(section) or {}
    longest = pages.LONGEST_WORDS if section == WORDS else pages.LONGEST_LINE
    items = [Item(id, "text", lines.label("line", n=place), longest=longest) for place, id in enumerate(found, start=1)]
    full = section == QUESTIONS and len(found) >= MOST_QUESTIONS
    if not items or (section in _OPEN_ENDED and not full):
        items.append(Item(f"{section}_new", "text", lines.label("line_new"), longest=longest))
    title = lines.label("title_edit", heading=lines.label(f"heading_{section}"))
    return _form(_EDIT + section, title, lines.bubbles("edit"), items, given=dict(found))


def _chip(id: str, text: str) -> Item:
    """A choice that is on or off; the page shows its text alone."""
    return Item(id, "choice", text, choices={ON: text, OFF: load_lines(AREA).label("skipped")})


def _form(name: str, title: str, intro: Sequence[str], items: Sequence[Item], **more: Any) -> Say:
    lines = load_lines(AREA)
    shown = [item.as_dict() for item in items]
    return questionnaire(
        lines.id(name), form_id(AREA, name), title, intro, shown, skipped=lines.label("skipped"), **more
    )


def _draft(moment: Moment) -> Draft | None:
    entry = moment.journal.last(SUMMARY, DRAFT)
    return dict(entry.value) if entry is not None and isinstance(entry.value, dict) else None


def _noted(draft: Draft) -> Entry:
    return Entry(SUMMARY, DRAFT, dict(draft))


def _papers() -> dict[str, Any]:
    lines = load_lines(AREA)
    names = (("print", "html"), ("pdf", "pdf"))
    return {"papers": [{"title": lines.label(key), "path": f"{AREA}.{kind}"} for key, kind in names]}


def _blocked() -> Outcome:
    """A red flag is open: it comes first, and nothing is put together or sent now."""
    lines = load_lines(AREA)
    return Outcome((Say(lines.id("blocked"), lines.bubbles("blocked"), (_button_person(),)),))


def _button_person() -> Button:
    return Button(load_lines(AREA).label("person"), ASK_PERSON)


def _button(label: str, verb: str, *args: object) -> Button:
    return Button(load_lines(AREA).label(label), payload(AREA, verb, *args))
