"""What a message says besides its question: a fact on its own ("52", "and for the knee?"), and for whom it is asked.

Both are read by rule from short word lists (``data/understanding.yml``): a classifier cannot learn numbers, and who is
meant changes the words of an answer, never whether it is given.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING

import yaml

from bot.settings import ROOT
from bot.understanding.entities import Entity, find_entities
from bot.understanding.spelling import fold

if TYPE_CHECKING:
    from spacy.language import Language

TELL_AGE, TELL_REGION, FINDING = "tell_age", "tell_region", "finding"
YOUNGEST, OLDEST = 16, 99
MOST_WORDS = 9
_WORD = re.compile(r"[a-z0-9][a-z0-9'/-]*")
_NEAR = 4
_TELLING = ("body_part", "side", "finding", "age")


@lru_cache(maxsize=2)
def load_word_lists(path: Path = ROOT / "data" / "understanding.yml") -> dict[str, frozenset[str]]:
    """The word lists by name."""
    content = yaml.safe_load(path.read_text(encoding="utf-8"))
    return {name: frozenset(str(word) for word in words) for name, words in content.items()}


def detail(text: str, facts: Sequence[Entity], lists: Mapping[str, frozenset[str]]) -> str | None:
    """The intent of a message that is made of facts and small words alone; None for any other message."""
    entities = [e for e in facts if e.kind in _TELLING]
    found = {e.kind for e in entities}
    rest = list(text.encode("utf-8", "replace").decode("utf-8"))
    for entity in entities:
        rest[entity.start : entity.end] = " " * (entity.end - entity.start)
    words = _WORD.findall(fold("".join(rest)))
    if len(_WORD.findall(fold(text))) > MOST_WORDS or any(word not in lists["fillers"] for word in words):
        return None
    if "finding" in found:
        return FINDING
    if "body_part" in found:
        return TELL_REGION
    return TELL_AGE if "age" in found else None


def facts_in(text: str, ruler: Language) -> list[Entity]:
    """The facts of a message; where it is nothing but an age, or corrects one, that age alone."""
    age = bare_age(text)
    return [Entity("age", age, 0, len(text))] if age is not None else find_entities(text, ruler)


def bare_age(text: str) -> str | None:
    """The age, where a message holds nothing but a number that can be one."""
    digits = re.fullmatch(
        r"\D{0,3}(\d{2})\D{0,3}|(?i:no,? )?(?i:not|wasn't|isn't) \d{2}\W+(\d{2})\b.{0,20}", text.strip()
    )
    if digits and digits[2]:  # a correction: "not 35, 53"
        return digits[2]
    return digits[1] if digits and YOUNGEST <= int(digits[1]) <= OLDEST else None


def told_by_helper(text: str, lists: Mapping[str, frozenset[str]]) -> bool:
    """Whether the pain that is asked about is another person's."""
    words = _WORD.findall(fold(text))
    plain = [word.removesuffix("'s") for word in words]
    own = any(
        word == "my" and not lists["own"].isdisjoint(plain[i + 1 : i + 1 + _NEAR])
        and lists["relations"].isdisjoint(plain[i + 1 : i + 2])
        for i, word in enumerate(words)
    )  # fmt: skip
    own = own or any(
        word in ("i", "i'm", "i've") and not lists["own_verbs"].isdisjoint(plain[i + 1 : i + 3])
        for i, word in enumerate(words)
    )
    if own:
        return False
    related = any(
        word == "my" and not lists["relations"].isdisjoint(plain[i + 1 : i + 3]) for i, word in enumerate(words)
    )
    theirs = [word for word in words if word in lists["third_person"]]
    return related or bool(theirs and not {"my", "i'm", "me"} & set(words) and _of_a_person(theirs))


def _of_a_person(pronouns: Sequence[str]) -> bool:
    """ "They" alone are often doctors ("they found a bulge"); he and she are somebody in pain."""
    return any(not word.startswith(("they", "their", "them")) for word in pronouns)
