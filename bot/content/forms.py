"""Questionnaires (``data/forms/*.yml``): a few items, each of which may be skipped, and the right answers to them."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

from bot.content.files import DATA, ContentError, bubbles, name, read_yaml

SCALE, CHOICE, TEXT = "scale", "choice", "text"
# Asked at the end of a chat.
SURVEY = "survey"
LONGEST_TEXT = 500
REVIEW_STATES = ("pending", "signed")
_ID = re.compile(r"[a-z][a-z0-9_]{0,39}")
_FIELDS = {
    SCALE: ({"kind", "text", "low", "high"}, {"min", "max"}),
    CHOICE: ({"kind", "text", "choices"}, set()),
    TEXT: ({"kind", "text"}, {"max"}),
}
Answer = int | str | None  # None: skipped


class WrongAnswer(ValueError):
    """An answer that its item does not allow. Names the item, never what was written."""


@dataclass(frozen=True)
class Item:
    """One question. Scales are whole numbers from `low_value` to `high_value`; `choices` are titles by value; `longest`
    is the number of characters that a text may have."""

    id: str
    kind: str
    text: str
    low: str = ""
    high: str = ""
    low_value: int = 0
    high_value: int = 10
    choices: Mapping[str, str] | None = None
    longest: int = LONGEST_TEXT

    def as_dict(self) -> dict[str, Any]:
        """The item as the patient's page shows it."""
        shown: dict[str, Any] = {"id": self.id, "text": self.text, "kind": self.kind}
        if self.kind == SCALE:
            return {**shown, "low": self.low, "high": self.high, "min": self.low_value, "max": self.high_value}
        if self.kind == CHOICE:
            return {**shown, "choices": [{"value": v, "title": t} for v, t in (self.choices or {}).items()]}
        return {**shown, "max": self.longest}


@dataclass(frozen=True)
class Form:
    """One questionnaire. `title` and `intro` come before it, `thanks` after it was sent."""

    id: str
    title: str
    intro: tuple[str, ...]
    items: tuple[Item, ...]
    thanks: tuple[str, ...]
    review: str


def checked(item: Mapping[str, Any], value: Any) -> Answer:
    """The answer to an item as it was shown (`Item.as_dict`), None where it was skipped. Raises WrongAnswer."""
    if value is None:
        return None
    if item["kind"] == SCALE:
        whole = isinstance(value, int) and not isinstance(value, bool)
        if not whole or not item["min"] <= value <= item["max"]:
            raise WrongAnswer(f"{item['id']} must be a whole number from {item['min']} to {item['max']}, or null.")
        return int(value)
    if not isinstance(value, str):
        raise WrongAnswer(f"{item['id']} must be text, or null.")
    if item["kind"] == CHOICE:
        if value not in {choice["value"] for choice in item["choices"]}:
            raise WrongAnswer(f"{item['id']} must be one of its choices, or null.")
        return value
    if len(value) > item["max"]:
        raise WrongAnswer(f"{item['id']} must have {item['max']} characters at most.")
    return value.strip() or None


def shown_answer(item: Mapping[str, Any], answer: Answer) -> str:
    """An answer that was given, as people read it."""
    if item["kind"] == SCALE:
        return f"{answer}/{item['max']}"
    if item["kind"] == CHOICE:
        return next(str(choice["title"]) for choice in item["choices"] if choice["value"] == answer)
    return str(answer)


@lru_cache(maxsize=4)
def load_forms(data: Path = DATA) -> dict[str, Form]:
    """All forms by id. Raises ContentError that names the file, the item and the mend."""
    forms = {}
    for path in sorted((data / "forms").glob("*.yml")):
        form = _form(read_yaml(path), name(path))
        if form.id != path.stem:
            raise ContentError(f"{name(path)}: id must be {path.stem}, as the file is called.")
        forms[form.id] = form
    return forms


def _form(content: dict[str, Any], file: str) -> Form:
    if not isinstance(content, dict) or set(content) != {"id", "review", "title", "intro", "items", "thanks"}:
        raise ContentError(f"{file}: write id, review, title, intro, items and thanks, and nothing else.")
    state = (content["review"] or {}).get("state")
    if state not in REVIEW_STATES:
        raise ContentError(f"{file}: review: state must be one of {', '.join(REVIEW_STATES)}.")
    intro, thanks = bubbles(content["intro"]), bubbles(content["thanks"])
    if not intro or not thanks or not content["items"]:
        raise ContentError(f"{file}: intro, items and thanks must not be empty.")
    items = tuple(_item(str(key), fields, f"{file}: {key}") for key, fields in content["items"].items())
    return Form(content["id"], content["title"], intro, items, thanks, state)


def _item(key: str, fields: dict[str, Any], where: str) -> Item:
    kind = fields.get("kind")
    if not _ID.fullmatch(key):
        raise ContentError(f"{where}: an item's id is a short word in lower case, such as sleep_now.")
    if kind not in _FIELDS:
        raise ContentError(f"{where}: kind must be one of {', '.join(_FIELDS)}.")
    needed, allowed = _FIELDS[kind]
    if not needed <= set(fields) <= needed | allowed:
        may = f", and may have {', '.join(sorted(allowed))}" if allowed else ""
        raise ContentError(f"{where}: a {kind} has {', '.join(sorted(needed))}{may}.")
    if kind == SCALE:
        low, high = fields.get("min", 0), fields.get("max", 10)
        if not isinstance(low, int) or not isinstance(high, int) or low >= high:
            raise ContentError(f"{where}: min and max must be whole numbers, min the smaller one.")
        return Item(key, kind, fields["text"], fields["low"], fields["high"], low, high)
    if kind == CHOICE:
        choices = fields["choices"]
        if not isinstance(choices, dict) or len(choices) < 2:
            raise ContentError(f"{where}: choices must be two or more, value: title.")
        if not all(isinstance(part, str) for pair in choices.items() for part in pair):
            raise ContentError(f"{where}: choices must be text; put values like yes and no in quotes.")
        return Item(key, kind, fields["text"], choices=dict(choices))
    longest = fields.get("max", LONGEST_TEXT)
    if not isinstance(longest, int) or not 1 <= longest <= LONGEST_TEXT:
        raise ContentError(f"{where}: max must be a whole number from 1 to {LONGEST_TEXT}.")
    return Item(key, kind, fields["text"], longest=longest)
