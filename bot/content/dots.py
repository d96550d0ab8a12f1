"""The picture of a figure: 100 dots, of which so many are filled, and what they say in words. Pure."""

from __future__ import annotations

from bot.content.cards import people
from bot.content.figures import find_cell
from bot.content.files import fill
from bot.content.report_words import load_card


def path(filled: int) -> str:
    """Where the picture with so many filled dots is served."""
    return f"/pictures/dots-{filled}.svg"


def picture(cell: str) -> dict[str, str]:
    """The picture of a cell (``lower_back/disc_bulge@50``) as an event's body holds it: src, alt, caption.

    Raises LookupError for a cell that is not in ``data/findings``; ``pne check`` sees to it that none is named.
    """
    found = find_cell(cell)
    if found is None:
        raise LookupError(cell)
    values = {"dots": str(found[2].dots), "who": people(found[2]), "title": found[1].title}
    texts = load_card().texts
    return {
        "src": path(found[2].dots),
        "alt": fill(texts["dots_alt"], values),
        "caption": fill(texts["dots_caption"], values),
    }
