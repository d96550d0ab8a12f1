"""Words for what is kept about a patient: what was noted, and the document to take home (``data/messages.yml``)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

from bot.content.cards import REFUSED
from bot.content.files import DATA, ContentError, name, read_yaml
from bot.content.report_words import load_card, load_report_words

BODY_PART, FINDING, AGE = "body_part", "finding", "age"
FACTS = (BODY_PART, FINDING, AGE)
OLDEST = 120


class WrongFact(ValueError):
    """A value that a fact cannot have. Says which values it can."""


@dataclass(frozen=True)
class KeptWords:
    """`facts`: titles of what is noted. `body_parts`: names by id. `export`: what the document to take home says.
    `findings`: words of scan reports by id. `refused`: what stands for an age that somebody would rather not say."""

    facts: Mapping[str, str]
    body_parts: Mapping[str, str]
    export: Mapping[str, Any]
    findings: Mapping[str, str]
    refused: str

    def shown(self, key: str, value: str) -> str:
        """A noted value in words."""
        if key == BODY_PART:
            return self.body_parts.get(value, value.replace("_", " "))
        if key == FINDING:
            return self.findings.get(value, value.replace("_", " "))
        return self.refused if value == REFUSED else value

    def facts_in(self, noted: Mapping[str, Any]) -> list[dict[str, str]]:
        """What the dialogue has noted, each with its title and its value in words."""
        return [
            {"key": key, "title": self.facts[key], "value": str(noted[key]), "shown": self.shown(key, str(noted[key]))}
            for key in FACTS
            if noted.get(key) not in (None, "")
        ]

    def checked(self, key: Any, value: Any) -> str | None:
        """A new value for a fact as the dialogue keeps it; None forgets it. Raises WrongFact."""
        if key not in FACTS:
            raise WrongFact(f"key must be one of {', '.join(FACTS)}.")
        if value is None:
            return None
        if key == AGE:
            text = str(value) if isinstance(value, (int, str)) and not isinstance(value, bool) else ""
            if not text.isascii() or not text.isdigit() or len(text) > 3 or int(text) > OLDEST:
                raise WrongFact(f"age must be a whole number from 0 to {OLDEST}, or null.")
            return str(int(text))
        if not isinstance(value, str) or value not in (self.body_parts if key == BODY_PART else self.findings):
            raise WrongFact(f"value must be the id of a known {key}, or null.")
        return value


@lru_cache(maxsize=4)
def load_kept_words(data: Path = DATA) -> KeptWords:
    """The words. Raises ContentError where a part of the body that the chat can hear has no name."""
    path = data / "messages.yml"
    kept = read_yaml(path)["kept"]
    heard = set(read_yaml(data / "entities.yml")["body_part"]["phrases"])
    if missing := heard - set(kept["body_parts"]):
        raise ContentError(f"{name(path)}: kept: body_parts: no name for {', '.join(sorted(missing))}.")
    if set(kept["facts"]) != set(FACTS):
        raise ContentError(f"{name(path)}: kept: facts: write a title for {', '.join(FACTS)}.")
    findings = {key: word.title for key, word in load_report_words(data).items()}
    return KeptWords(kept["facts"], kept["body_parts"], kept["export"], findings, load_card(data).labels["no_age"])
