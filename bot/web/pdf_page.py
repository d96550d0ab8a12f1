"""Pages of a PDF (fpdf2). Whatever a person may write must come through: a sign that the font does not have is named or
stands as an empty box, and the document can say so (`Page.missing`).

The font is DejaVu Sans, which matplotlib brings: Latin, Greek, Cyrillic, Arabic, Hebrew and a few more. HarfBuzz joins
and orders right-to-left scripts. Chinese, Japanese, Korean and Indian scripts are not in it.
"""

from __future__ import annotations

import re
import unicodedata
from functools import lru_cache
from importlib.util import find_spec
from pathlib import Path

from fontTools.ttLib import TTFont
from fpdf import FPDF
from fpdf.enums import Align

from bot.content.files import ContentError

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
# Breaks a line for printers and readers alike; other control characters say nothing on paper.
_LINES = str.maketrans({"\r": "\n", "\v": "\n", "\f": "\n", "\x85": "\n", "\u2028": "\n", "\u2029": "\n", "\t": "    "})


class Page(FPDF):
    """Pages with a foot that says whose they are and which."""

    def __init__(self, foot: str) -> None:
        super().__init__(format="A4")
        self.foot = foot
        self.missing = False

    def footer(self) -> None:
        self.set_y(-14)
        self.set_font(FONT, size=SMALL)
        self.cell(0, 5, f"{self.foot}  {self.page_no()}/{{nb}}", align=Align.C)


def new_page(title: str, lang: str, foot: str) -> Page:
    """A document of A4 pages with its fonts, ready to be written on."""
    page = Page(printable(foot)[0])
    for style, file in STYLES.items():
        page.add_font(FONT, style, _fonts() / file)
    page.set_margins(MARGIN, MARGIN)
    page.set_auto_page_break(True, 20)
    page.set_title(title)
    page.set_lang(lang)
    page.add_page()
    return page


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


def title(page: Page, text: str) -> None:
    """A heading."""
    page.ln(3)
    line(page, text, LARGE, bold=True)


def line(page: Page, text: str, size: float = BODY, bold: bool = False) -> None:
    """Text as lines, each from its own side."""
    made, missing = printable(text)
    page.missing = page.missing or missing
    page.set_font(FONT, "B" if bold else "", size)
    for written in made.split("\n"):
        kinds = {unicodedata.bidirectional(character) for character in written}
        mixed = bool(kinds & {"R", "AL", "NSM", "BN"})
        page.set_text_shaping(mixed)
        for part in _parts(written) if mixed else [written]:
            # A word that is longer than the line is broken wherever it must be.
            page.multi_cell(0, size * 0.5, part, new_x="LMARGIN", new_y="NEXT", align=_side(part))
    page.ln(0.8)


def _parts(text: str) -> list[str]:
    """A line, cut wherever more than _MOST_NEUTRAL characters in a row have no direction."""
    parts, start, neutral = [], 0, 0
    for place, character in enumerate(text):
        neutral = 0 if unicodedata.bidirectional(character) in ("L", "R", "AL") else neutral + 1
        if neutral > _MOST_NEUTRAL:
            parts.append(text[start:place])
            start, neutral = place, 1
    return [*parts, text[start:]]


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
