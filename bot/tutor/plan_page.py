"""The plan on paper and in the calendar."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date
from typing import Any

from bot.content.plan_rules import load_plan_rules
from bot.content.tutor import load_lines
from bot.tutor import plan_document as kept
from bot.tutor.calendar_file import Event, calendar, spread
from bot.tutor.papers import TABLE, Paper, Section
from bot.tutor.plan_making import AREA
from bot.tutor.plan_rules import flare_level
from bot.tutor.saying import Moment

# An answer, and no sign to look out for.
NOT_SURE = "not_sure"
FILES = {"paper_print": "plan.html", "paper_pdf": "plan.pdf", "paper_calendar": "plan.ics"}


def files() -> list[dict[str, str]]:
    """What the page offers to print or take along."""
    lines = load_lines(AREA)
    return [{"title": lines.label(key), "path": path} for key, path in FILES.items()]


def flare_amount(document: Mapping[str, Any]) -> str:
    """The amount of a flare day, as people read it."""
    dose = flare_level(load_plan_rules(), kept.level_of(document)).dose
    return kept.amount(load_lines(AREA), document["unit"], dose)


def page(document: Mapping[str, Any]) -> Paper:
    """The plan on one page: what for, now, the ladder, how it goes on, a flare day, and when to get help."""
    lines, named = load_lines(AREA), kept.values(load_lines(AREA), document)
    steps = [f"{one['text']}\t{'' if one['worry'] is None else one['worry']}" for one in document["steps"]]
    goal = lines.label("paper_aim", amount=kept.amount(lines, document["unit"], document["aim"]))
    now = (lines.label("paper_now_line", **named), lines.label("paper_review", **named))
    how = [lines.label(f"paper_{key}") for key in ("up", "hold", "ease")]
    how.append(lines.label("paper_flare", amount=flare_amount(document)))
    signs = [
        lines.label("paper_call_now" if sign.level == "emergency" else "paper_call_today", sign=sign.text)
        for sign in load_plan_rules().signs
        if sign.id != NOT_SURE
    ]
    return Paper(
        "plan",
        lines.label("title"),
        (
            Section(lines.label("paper_goal"), (str(document["title"]), goal)),
            Section(lines.label("paper_now"), now),
            Section(lines.label("paper_steps"), (lines.label("paper_steps_head"), *steps), TABLE),
            Section(lines.label("paper_how"), tuple(how)),
            Section(lines.label("paper_stop"), tuple(signs)),
        ),
        lines.label("paper_foot"),
    )


def days(moment: Moment, document: Mapping[str, Any]) -> str:
    """The plan's days up to its next review, and the review, as an iCalendar file."""
    lines, named = load_lines(AREA), kept.values(load_lines(AREA), document)
    review = max(date.fromisoformat(document["review"]), kept.today(moment))
    began = date.fromisoformat(document["began"])
    do = Event(
        f"{document['id']}/do", began, lines.label("calendar_do", **named), lines.label("calendar_do_about", **named),
        spread(document["days"]), review,
    )  # fmt: skip
    look = Event(f"{document['id']}/review", review, lines.label("calendar_review", **named))
    return calendar(moment.person, (do, look), moment.now)
