"""One item as a PDF."""

from __future__ import annotations

from typing import Any

from bot.web.inbox.acts import Desk
from bot.web.inbox.copy_facts import facts
from bot.web.pdf_page import LARGE, SMALL, TITLE, Page, line, new_page, title

# A file of everything that somebody may write in an hour would take minutes of the process that screens red flags.
MOST_ENTRIES = 300


def document(desk: Desk, shown: dict[str, Any]) -> bytes:
    """The PDF of an item, from the values of its page (`item_view.item_view`)."""
    words, item = desk.words, shown["item"]
    clinic = desk.services.clinic(desk.clinic).name
    foot = words.text("copy_foot", clinic=clinic, id=item.id[:8], time=desk.time())
    page = new_page(words.text("copy_title", id=item.id[:8]), words.text("lang"), foot)
    _head(page, desk, shown)
    _why(page, desk, shown)
    _trend(page, desk, shown)
    _chat(page, desk, shown)
    if page.missing:
        line(page, words.text("copy_missing"), SMALL)
    return bytes(page.output())


def _head(page: Page, desk: Desk, shown: dict[str, Any]) -> None:
    words, item, row = desk.words, shown["item"], shown["row"]
    line(page, f"{words.word('tier', row.tier)}: {words.word('tier_about', row.tier)}", TITLE, bold=True)
    line(page, words.text("words_label"), SMALL)
    line(page, item.words or words.text("no_words"), LARGE)
    for added in shown["attached"]:
        line(page, f"{added['said']}: {added['words']}")
    if shown["note"]:
        line(page, f"{words.text('note_added')} {shown['note']}")
    line(page, _who(desk, shown), SMALL)


def _why(page: Page, desk: Desk, shown: dict[str, Any]) -> None:
    title(page, desk.words.text("facts_heading"))
    for label, value in facts(desk, shown):
        line(page, f"{label}: {value}")


def _trend(page: Page, desk: Desk, shown: dict[str, Any]) -> None:
    if shown["series"]:
        title(page, desk.words.text("trend_heading"))
    for series in shown["series"]:
        line(page, f"{series.title} {series.said(desk)}")


def _chat(page: Page, desk: Desk, shown: dict[str, Any]) -> None:
    page.add_page()
    title(page, desk.words.text("transcript_heading"))
    entries = shown["entries"][-MOST_ENTRIES:]
    if not entries:
        line(page, desk.words.text("transcript_empty"))
    if len(entries) < len(shown["entries"]):
        line(page, desk.words.text("copy_newest", count=len(entries), all=len(shown["entries"])))
    for entry in entries:
        line(page, f"{entry.name}, {entry.at.shown}", SMALL, bold=True)
        for bubble in entry.bubbles:
            line(page, bubble if entry.who == "patient" else bubble.replace("**", ""))
        if entry.notes:
            line(page, " · ".join(entry.notes), SMALL)
        page.ln(1.5)


def _who(desk: Desk, shown: dict[str, Any]) -> str:
    if shown["pseudonym"]:
        return desk.words.text("person_signed", name=shown["person"] or shown["pseudonym"], id=shown["pseudonym"])
    return desk.words.text("person_unknown")
