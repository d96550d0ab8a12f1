"""Clinics (``data/clinics/*.yml``) with the phone numbers of their country (``data/numbers.yml``)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path
from typing import Any

from bot.content.files import DATA, ContentError, name, read_yaml

NEEDED = ("emergency", "urgent", "crisis")


@dataclass(frozen=True)
class Clinic:
    """`calls` are lines to show as links, by use; `numbers` fill the placeholders of safety wording; `exit_url` is the
    neutral page of somebody else, where a patient who leaves quickly ends up; `own_lines` are, by category, the uses of
    the lines that a red flag has of its own."""

    id: str
    name: str
    country: str
    email: str
    calls: dict[str, list[dict[str, str]]]
    numbers: dict[str, str]
    about: dict[str, Any]
    exit_url: str = "about:blank"
    own_lines: Mapping[str, tuple[str, ...]] = field(default_factory=dict)

    def public(self) -> dict[str, Any]:
        """What the patient's page may know about the clinic."""
        return {"id": self.id, "name": self.name, "numbers": self.page_numbers()}

    def page_numbers(self) -> dict[str, Any]:
        return {
            "emergency": self.calls["emergency"][0],
            "urgent": self.calls["urgent"][0],
            "crisis": self.calls["crisis"],
        }


@lru_cache(maxsize=4)
def load_clinics(data: Path = DATA) -> dict[str, Clinic]:
    """All clinics by id. Raises ContentError where a number that safety needs is missing."""
    countries = read_yaml(data / "numbers.yml")
    own_lines = {category: tuple(uses) for category, uses in read_yaml(data / "own_lines.yml").items()}
    clinics = {}
    for path in sorted((data / "clinics").glob("*.yml")):
        about = read_yaml(path)
        country = countries.get(about["country"])
        if country is None:
            raise ContentError(f"{name(path)}: country {about['country']!r} is not in data/numbers.yml.")
        clinics[about["id"]] = _clinic(about, country, own_lines, name(path))
    return clinics


def _clinic(
    about: dict[str, Any], country: dict[str, Any], own_lines: Mapping[str, tuple[str, ...]], file: str
) -> Clinic:
    lists = {use: lines if isinstance(lines, list) else [lines] for use, lines in country.items() if use != "checked"}
    calls = {use: [line for line in lines if line] for use, lines in lists.items()}
    for use in NEEDED:
        if not calls.get(use):
            raise ContentError(f"{file}: no {use} number for country {about['country']}. Add it to data/numbers.yml.")

    def first(*uses: str) -> str:
        return str(next(calls[use][0]["label"] for use in uses if calls.get(use)))

    numbers = {
        "emergency_number": first("emergency"),
        "urgent_line": first("urgent"),
        "crisis_line": first("crisis"),
        "poison_line": first("poison", "urgent"),
        "abuse_line": first("abuse", "crisis"),
        "clinic": about["name"],
    }
    exit_url = about.get("exit_url")
    if not isinstance(exit_url, str) or not exit_url.startswith("https://"):
        raise ContentError(f"{file}: exit_url must be the https:// address of a neutral page, such as the weather.")
    named = about["id"], about["name"], about["country"], about["email"]
    return Clinic(*named, calls, numbers, about, exit_url, own_lines)
