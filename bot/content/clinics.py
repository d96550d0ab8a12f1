"""Clinics (``data/clinics/*.yml``) with the phone numbers of their country (``data/numbers.yml``)."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path
from typing import Any

from bot.content.chain import Chain, read_chain
from bot.content.files import DATA, ContentError, bubbles, fill, name, read_yaml
from bot.content.hours import Hours, read_hours

NEEDED = ("emergency", "urgent", "crisis")
# What a clinic may sign with. The list of a clinic decides, never the header of a token.
ALGORITHMS = frozenset({"ES256", "EdDSA", "RS256", "HS256"})
_ORIGIN = re.compile(r"https?://[a-z0-9.-]+(:\d+)?")


@dataclass(frozen=True)
class Embedding:
    """Which pages may show the chat: exact origins (``https://www.clinic.example``). `webview`: also apps, which have
    no origin, so then any page may frame it."""

    origins: tuple[str, ...] = ()
    webview: bool = False


@dataclass(frozen=True)
class Identity:
    """How the clinic's portal signs its patients in: `issuer` and `audience` of its tokens, the algorithms it uses,
    and either the address of its public keys (JWKS) or the environment variable that holds the shared secret.
    `required`: nobody else may open a chat."""

    issuer: str
    audience: str
    algorithms: tuple[str, ...]
    jwks_url: str = ""
    secret_variable: str = ""
    required: bool = False

    @property
    def shared_secret(self) -> bool:
        return "HS256" in self.algorithms


@dataclass(frozen=True)
class Retention:
    """Days that are kept: conversations after their last event, and ones whose first notice was never accepted."""

    conversation_days: int = 365
    unaccepted_days: int = 1


@dataclass(frozen=True)
class SafetyCard:
    """The clinic's own short safety words in a language that the chat does not speak, with `review` by whom."""

    language: str
    bubbles: tuple[str, ...]
    review: str


@dataclass(frozen=True)
class Clinic:
    """`phone` is the own number of the clinic, told to patients where nobody could be reached; `hours` and `chain` say
    when and whom the clinic tells of a handoff. `calls` are lines to show as links, by use; `numbers` fill the
    placeholders of safety wording; `exit_url` is the neutral page of somebody else, where a patient who leaves quickly
    ends up; `own_lines` are, by category, the uses of the lines that a red flag has of its own."""

    id: str
    name: str
    country: str
    email: str
    calls: dict[str, list[dict[str, str]]]
    numbers: dict[str, str]
    about: dict[str, Any]
    hours: Hours
    chain: Chain
    phone: str
    exit_url: str = "about:blank"
    own_lines: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    embedding: Embedding = Embedding()
    identity: Identity | None = None
    languages: tuple[str, ...] = ("en",)
    retention: Retention = Retention()
    safety_cards: Mapping[str, SafetyCard] = field(default_factory=dict)

    def public(self) -> dict[str, Any]:
        """What the patient's page may know about the clinic."""
        return {"id": self.id, "name": self.name, "numbers": self.page_numbers(), "exit_url": self.exit_url}

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
        "clinic_phone": str(about.get("phone")),
    }
    exit_url = about.get("exit_url")
    if not isinstance(exit_url, str) or not exit_url.startswith("https://"):
        raise ContentError(f"{file}: exit_url must be the https:// address of a neutral page, such as the weather.")
    named = about["id"], about["name"], about["country"], about["email"]
    return Clinic(
        *named,
        calls,
        numbers,
        about,
        *_people(about, file),
        exit_url,
        own_lines,
        embedding=_embedding(about.get("embedding") or {}, file),
        identity=_identity(about.get("identity"), file),
        languages=tuple(about.get("languages") or ("en",)),
        retention=_retention(about.get("retention") or {}, file),
        safety_cards=_safety_cards(about.get("safety_cards") or {}, numbers, file),
    )


def _people(about: dict[str, Any], file: str) -> tuple[Hours, Chain, str]:
    """When and by whom the clinic can be reached. Raises ContentError: without them a handoff would wait unheard."""
    phone = about.get("phone")
    if not isinstance(phone, str) or sum(character.isdigit() for character in phone) < 5:
        raise ContentError(f"{file}: phone must be the clinic's own number: patients are told it where nobody answers.")
    try:
        hours = read_hours(about.get("time_zone"), about.get("hours"), about.get("closed_on") or ())
        return hours, read_chain(about.get("handoff") or {}, about.get("channels") or {}), phone
    except ValueError as error:
        raise ContentError(f"{file}: {error}.") from None


def _embedding(given: dict[str, Any], file: str) -> Embedding:
    origins = tuple(given.get("origins") or ())
    for origin in origins:
        if not _ORIGIN.fullmatch(str(origin)):
            raise ContentError(f"{file}: embedding.origins: {origin!r} is not an origin like https://www.clinic.example")
    return Embedding(origins, bool(given.get("webview")))


def _identity(given: dict[str, Any] | None, file: str) -> Identity | None:
    if given is None:
        return None
    try:
        made = Identity(**{**given, "algorithms": tuple(given["algorithms"])})
    except (TypeError, KeyError) as error:
        raise ContentError(f"{file}: identity: {error}. It needs issuer, audience and algorithms.") from None
    if unknown := set(made.algorithms) - ALGORITHMS or not made.algorithms:
        raise ContentError(f"{file}: identity.algorithms: {unknown} is none of {', '.join(sorted(ALGORITHMS))}")
    if made.shared_secret and len(made.algorithms) > 1:
        raise ContentError(f"{file}: identity: HS256 goes with no other algorithm (a public key could pass for it)")
    if bool(made.jwks_url) == bool(made.secret_variable) or made.shared_secret != bool(made.secret_variable):
        raise ContentError(f"{file}: identity needs jwks_url, or for HS256 secret_variable instead")
    return made


def _retention(given: dict[str, Any], file: str) -> Retention:
    try:
        made = Retention(**given)
    except TypeError as error:
        raise ContentError(f"{file}: retention: {error}") from None
    if min(made.conversation_days, made.unaccepted_days) < 1:
        raise ContentError(f"{file}: retention: days must be 1 or more")
    return made


def _safety_cards(given: dict[str, Any], numbers: Mapping[str, str], file: str) -> dict[str, SafetyCard]:
    cards = {}
    for language, card in given.items():
        texts = tuple(fill(text, _in_order(text, numbers)) for text in bubbles(card["text"]))
        if not texts:
            raise ContentError(f"{file}: safety_cards.{language} has no text")
        cards[language] = SafetyCard(language, texts, card["review"]["state"])
    return cards


def _in_order(text: str, numbers: Mapping[str, str]) -> dict[str, str]:
    """The numbers for a text: isolated where it runs from right to left, else "116 123" would stand there backwards."""
    if unicodedata.bidirectional(text[0]) in ("R", "AL"):
        return {key: f"\u2068{label}\u2069" for key, label in numbers.items()}
    return dict(numbers)
