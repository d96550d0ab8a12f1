"""Facts heard in a message, by the patterns of ``data/entities.yml`` (spaCy EntityRuler on a blank pipeline)."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING

import yaml

from bot.settings import ROOT

if TYPE_CHECKING:
    from spacy.language import Language


@dataclass(frozen=True)
class Entity:
    """`start` and `end` are offsets into the text as it was typed; `value` is the canonical form."""

    kind: str
    value: str
    start: int
    end: int


@lru_cache(maxsize=1)
def load_ruler(path: Path = ROOT / "data" / "entities.yml") -> Language:
    """A blank English pipeline with one EntityRuler. Raises ValueError for a malformed pattern file."""
    import spacy

    nlp = spacy.blank("en")
    ruler = nlp.add_pipe("entity_ruler", config={"phrase_matcher_attr": "LOWER", "overwrite_ents": True})
    patterns = []
    for kind, content in yaml.safe_load(path.read_text(encoding="utf-8")).items():
        for value, phrases in (content.get("phrases") or {}).items():
            patterns += [{"label": kind, "id": value, "pattern": phrase} for phrase in phrases]
        for tokens in content.get("tokens") or ():
            patterns.append({"label": kind, "id": "", "pattern": tokens})
    ruler.add_patterns(patterns)  # type: ignore[attr-defined]
    return nlp


def find_entities(text: str, ruler: Language) -> list[Entity]:
    """The entities of a text, in order. Never raises for any text."""
    doc = ruler(text.encode("utf-8", "replace").decode("utf-8"))
    return [Entity(e.label_, e.ent_id_ or _value(e.label_, e.text), e.start_char, e.end_char) for e in doc.ents]


def _value(kind: str, words: str) -> str:
    """Ages and scores as their number ("aged 52", "7/10"), everything else as it was said."""
    if kind not in ("age", "score"):
        return words.lower()
    digits = "".join(c if c.isdigit() else " " for c in words.split("/")[0]).split()
    return digits[0] if digits else words.lower()
