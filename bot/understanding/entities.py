"""Facts heard in a message, by the patterns of ``data/entities.yml`` (spaCy EntityRuler on a blank pipeline).

The words of scan reports are entities of kind ``finding``; how people say them stands in ``data/report_words``.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING

import yaml

from bot.settings import ROOT

if TYPE_CHECKING:
    from spacy.language import Language
    from spacy.tokens import Doc

_DENIAL_REACH = 5
# Rows of signs, in which spaCy's tokenizer takes a time that grows with the square of their length: 4,000 brackets held
# up everybody for seconds. Short ones stay: they belong to what is written.
_RUN = re.compile(r"[^\w\s]{9,}")

_UNITS = (
    "one two three four five six seven eight nine ten eleven twelve thirteen fourteen fifteen sixteen seventeen "
    "eighteen nineteen"
)
_TENS = "twenty thirty forty fifty sixty seventy eighty ninety"
_NUMBERS = {
    **{word: i for i, word in enumerate(_UNITS.split(), 1)},
    **{word: 10 * i for i, word in enumerate(_TENS.split(), 2)},
}


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
    for words in sorted((path.parent / "report_words").glob("*.yml")):
        for key, word in yaml.safe_load(words.read_text(encoding="utf-8")).items():
            said = [_spaced(str(phrase), nlp) for phrase in word["says"]]
            patterns += [{"label": "finding", "id": key, "pattern": phrase} for phrase in said]
    ruler.add_patterns(patterns)  # type: ignore[attr-defined]
    return nlp


def find_entities(text: str, ruler: Language) -> list[Entity]:
    """The entities of a text, in order; no word of a report that the report denies. Never raises for any text."""
    doc = ruler(_RUN.sub(_blank, text.encode("utf-8", "replace").decode("utf-8")))
    return [
        Entity(e.label_, e.ent_id_ or _value(e.label_, e.text), e.start_char, e.end_char)
        for e in doc.ents
        if not (e.label_ == "finding" and _denied(doc, e.start))
    ]


def _blank(run: re.Match[str]) -> str:
    """As many blanks, so that every place in the text stays where it is."""
    return " " * len(run[0])


def _denied(doc: Doc, start: int) -> bool:
    """Whether a report denies what begins at a token: "no evidence of cord compression"."""
    for token in reversed(doc[max(0, start - _DENIAL_REACH) : start]):
        if token.text in ".;:" or token.lower_ in ("but", "with", "shows", "showed"):
            return False
        if token.lower_ in ("no", "without", "not", "never", "nor") or token.lower_ == "ruled":
            return True
    return False


def _value(kind: str, words: str) -> str:
    """Ages and scores as their number ("aged 52", "7/10"), everything else as it was said."""
    if kind not in ("age", "score"):
        return words.lower()
    digits = "".join(c if c.isdigit() else " " for c in words.split("/")[0]).split()
    return digits[0] if digits else str(_number(words.lower()) or words.lower())


def _number(words: str) -> int | None:
    """The number that "fifty two" says; None for words that say none."""
    found = [_NUMBERS[word] for word in re.findall(r"[a-z]+", words) if word in _NUMBERS]
    return sum(found) if found else None


def _spaced(phrase: str, nlp: Language) -> str:
    """A phrase as the tokenizer cuts it, so that "l5/s1" is found however it is written."""
    return " ".join(token.text for token in nlp.tokenizer(phrase)) if "/" in phrase else phrase
