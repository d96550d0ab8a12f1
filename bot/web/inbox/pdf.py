"""One item as a PDF (fpdf2). Whatever a person may write must come through: a sign that the font does not have is
named or stands as an empty box, and the document says so.

The font is DejaVu Sans, which matplotlib brings: Latin, Greek, Cyrillic, Arabic, Hebrew and a few more. HarfBuzz joins
and orders right-to-left scripts. Chinese, Japanese, Korean and Indian scripts are not in it.
"""

from __future__ import annotations

import re
import unicodedata
from functools import lru_cache
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from fontTools.ttLib import TTFont
from fpdf import FPDF
from fpdf.enums import Align

from bot.content.files import ContentError
from bot.web.inbox.acts import Desk

FONT = "dejavu"
STYLES = {"": "DejaVuSans.ttf", "B": "DejaVuSans-Bold.ttf"}
# Millimetres and points.
MARGIN, BODY, SMALL, LARGE, TITLE = 18.0, 10.0, 8.5, 14.0, 15.0
_BOX = "\N{WHITE SQUARE}"
# Keeps letters of right-to-left scripts apart: it is part of how words are written.
_APART = "\N{ZERO WIDTH NON-JOINER}"
_VARIANTS = frozenset(map(chr, range(0xFE00, 0xFE10)))
# The letters that flags are made of.
_FLAGS = {chr(0x1F1E6 + place): chr(ord("A") + place) for place in range(26)}
# fpdf2 orders mixed directions by a recursion over signs without a direction, which long rows of them would exhaust.
_MOST_NEUTRAL = 200
# A file of everything that somebody may write in an hour would take minutes of the process that screens red flags.
MOST_ENTRIES = 300
# Breaks a line for printers and readers alike; other control characters say nothing on paper.
_LINES = str.maketrans({"\r": "\n", "\v": "\n", "\f": "\n", "\x85": "\n", "\u2028": "\n", "\u2029": "\n", "\t": "    "})


class _Page(FPDF):
    """Pages with a foot that says whose they are and which."""

    def __init__(self, foot: str) -> None:
        super().__init__(format="A4")
        self.foot = foot
        self.missing = False

    def footer(self) -> None:
        self.set_y(-14)
        self.set_font(FONT, size=SMALL)
        self.cell(0, 5, f"{self.foot}  {self.page_no()}/{{nb}}", align=Align.C)


def document(desk: Desk, shown: dict[str, Any]) -> bytes:
    """The PDF of an item, from the values of its page (`item_view.item_view`)."""
    words, item = desk.words, shown["item"]
    clinic = desk.services.clinic(desk.clinic).name
    page = _Page(printable(words.text("copy_foot", clinic=clinic, id=item.id[:8], time=desk.time()))[0])
    for style, file in STYLES.items():
        page.add_font(FONT, style, _fonts() / file)
    page.set_margins(MARGIN, MARGIN)
    page.set_auto_page_break(True, 20)
    page.set_title(words.text("copy_title", id=item.id[:8]))
    page.set_lang(words.text("lang"))
    page.add_page()
    _head(page, desk, shown)
    _why(page, desk, shown)
    _trend(page, desk, shown)
    _chat(page, desk, shown)
    if page.missing:
        _line(page, words.text("copy_missing"), SMALL)
    return bytes(page.output())


def printable(text: str) -> tuple[str, bool]:
    """`text` as the font can print it, and whether an empty box stands for something. Pictures such as emoji are named
    in brackets; what has no sign of its own on paper (joiners, directions, control characters) goes, and so do blank
    lines beyond one."""
    made, missing = [], False
    for character in unicodedata.normalize("NFC", text.replace("\r\n", "\n")).translate(_LINES):
        category = unicodedata.category(character)
        if character == "\n" or character == _APART:
            made.append(character)
        elif category in ("Cc", "Cf") or character in _VARIANTS:
            continue
        elif ord(character) in _known():
            made.append(character)
        elif character in _FLAGS:
            made.append(f"[{_FLAGS[character]}]")
        elif category in ("Mn", "Me", "Sk"):
            continue
        elif category == "So" and (called := unicodedata.name(character, "")):
            made.append(f"[{called.lower()}]")
        else:
            made.append(_BOX)
            missing = True
    return re.sub(r"\n\s*\n\s*\n", "\n\n", "".join(made)).strip("\n"), missing


def _head(page: _Page, desk: Desk, shown: dict[str, Any]) -> None:
    words, item, row = desk.words, shown["item"], shown["row"]
    _line(page, f"{words.word('tier', row.tier)}: {words.word('tier_about', row.tier)}", TITLE, bold=True)
    _line(page, words.text("words_label"), SMALL)
    _line(page, item.words or words.text("no_words"), LARGE)
    for added in shown["attached"]:
        _line(page, f"{added['said']}: {added['words']}")
    if shown["note"]:
        _line(page, f"{words.text('note_added')} {shown['note']}")
    _line(page, _who(desk, shown), SMALL)


def _why(page: _Page, desk: Desk, shown: dict[str, Any]) -> None:
    _title(page, desk.words.text("facts_heading"))
    for label, value in facts(desk, shown):
        _line(page, f"{label}: {value}")


def _trend(page: _Page, desk: Desk, shown: dict[str, Any]) -> None:
    if shown["series"]:
        _title(page, desk.words.text("trend_heading"))
    for series in shown["series"]:
        _line(page, f"{series.title} {series.said(desk)}")


def _chat(page: _Page, desk: Desk, shown: dict[str, Any]) -> None:
    page.add_page()
    _title(page, desk.words.text("transcript_heading"))
    entries = shown["entries"][-MOST_ENTRIES:]
    if not entries:
        _line(page, desk.words.text("transcript_empty"))
    if len(entries) < len(shown["entries"]):
        _line(page, desk.words.text("copy_newest", count=len(entries), all=len(shown["entries"])))
    for entry in entries:
        _line(page, f"{entry.name}, {entry.at.shown}", SMALL, bold=True)
        for bubble in entry.bubbles:
            _line(page, bubble if entry.who == "patient" else bubble.replace("**", ""))
        if entry.notes:
            _line(page, " · ".join(entry.notes), SMALL)
        page.ln(1.5)


def facts(desk: Desk, shown: dict[str, Any]) -> list[tuple[str, str]]:
    """Why the item is here and what became of it, as label and value: what both kinds of copy list."""
    words, item, row = desk.words, shown["item"], shown["row"]
    found = [
        ("fact_category", shown["category"] if item.rule else words.text("person_asked")),
        ("fact_rule", item.rule or words.text("fact_no_rule")),
        ("fact_rules_version", item.rules_version or words.text("not_recorded") if item.rule else ""),
        ("fact_heard", shown["heard"]),
        ("fact_scope", shown["scope"]),
        *(("fact_asked", f"{asked} {answer or words.text('no_answer')}") for asked, answer in shown["safety_answers"]),
        ("fact_raised", row.raised.shown),
        ("fact_seen", shown["seen"].shown if shown["seen"] else words.text("fact_not_seen")),
        ("fact_claimed", _at_by(desk, shown["claimed"], shown["holder"])),
        ("fact_answered", shown["answered"].shown if shown["answered"] else ""),
        ("fact_outcome", words.word("outcome", item.outcome) if item.outcome else ""),
        ("fact_state", shown["answers"]),
        ("fact_deadline", shown["deadline"]),
        *(("fact_notices", notice["text"]) for notice in shown["notices"]),
        ("fact_numbers", ", ".join(item.numbers_shown or ())),
        ("fact_shown", " ".join(text.replace("**", "") for text in shown["shown"]) or item.message_shown),
    ]
    return [(words.text(key), str(value)) for key, value in found if value]


def _who(desk: Desk, shown: dict[str, Any]) -> str:
    if shown["pseudonym"]:
        return desk.words.text("person_signed", name=shown["person"] or shown["pseudonym"], id=shown["pseudonym"])
    return desk.words.text("person_unknown")


def _at_by(desk: Desk, at: Any, name: str) -> str:
    return desk.words.text("at_by", time=at.shown, name=name) if at else ""


def _title(page: _Page, text: str) -> None:
    page.ln(3)
    _line(page, text, LARGE, bold=True)


def _line(page: _Page, text: str, size: float = BODY, bold: bool = False) -> None:
    made, missing = printable(text)
    page.missing = page.missing or missing
    page.set_font(FONT, "B" if bold else "", size)
    for line in made.split("\n"):
        kinds = {unicodedata.bidirectional(character) for character in line}
        mixed = bool(kinds & {"R", "AL", "NSM", "BN"})
        page.set_text_shaping(mixed)
        for part in _parts(line) if mixed else [line]:
            # A word that is longer than the line is broken wherever it must be.
            page.multi_cell(0, size * 0.5, part, new_x="LMARGIN", new_y="NEXT", align=_side(part))
    page.ln(0.8)


def _parts(line: str) -> list[str]:
    """A line, cut wherever more than _MOST_NEUTRAL characters in a row have no direction."""
    parts, start, neutral = [], 0, 0
    for place, character in enumerate(line):
        neutral = 0 if unicodedata.bidirectional(character) in ("L", "R", "AL") else neutral + 1
        if neutral > _MOST_NEUTRAL:
            parts.append(line[start:place])
            start, neutral = place, 1
    return [*parts, line[start:]]


def _side(text: str) -> Align:
    """Text that begins from right to left stands on the right."""
    first = next((kind for kind in map(unicodedata.bidirectional, text) if kind in ("L", "R", "AL")), "L")
    return Align.L if first == "L" else Align.R


@lru_cache(maxsize=1)
def _known() -> frozenset[int]:
    """The characters that both styles of the font can print."""
    tables = [TTFont(_fonts() / file, lazy=True).getBestCmap() for file in STYLES.values()]
    return frozenset(set.intersection(*(set(table) for table in tables)) - set(range(32)) - set(range(127, 160)))


@lru_cache(maxsize=1)
def _fonts() -> Path:
    """The folder of the font. Raises ContentError where it is not installed."""
    found = find_spec("matplotlib")
    folder = Path(found.origin or "").parent / "mpl-data" / "fonts" / "ttf" if found else Path()
    if not (folder / STYLES[""]).is_file():
        raise ContentError("the font DejaVu Sans is missing: it comes with matplotlib, which Rasa needs")
    return folder
