"""Clinics (``data/clinics/*.yml``) with the phone numbers of their country (``data/numbers.yml``).

A clinic is made from one document: its file, with what its admin has changed put over it (``clinic_changes``). Whatever
is wrong or missing in it is refused here, with a sentence for people.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from functools import lru_cache
from pathlib import Path
from typing import Any

from bot.content.branding import Colours, Logo, read_colours, read_logo, read_stored_logo
from bot.content.chain import Chain, read_chain
from bot.content.clinic_numbers import NEEDED, digits, load_countries, read_calls
from bot.content.files import DATA, ContentError, bubbles, fill, name, read_yaml
from bot.content.hours import Hours, read_hours
from bot.content.sign_in import Oidc, read_sign_in

# Every part that a clinic's document may have; a misspelt one must not be passed over in silence.
KNOWN = frozenset({
    "id", "name", "country", "time_zone", "email", "exit_url", "hours", "closed_on", "phone", "numbers", "handoff",
    "channels", "embedding", "identity", "sign_in", "languages", "retention", "safety_cards", "colours", "logo",
    "canned_replies", "review", "checked", "research", "videos",
})  # fmt: skip
LONGEST_NAME = 80
LONGEST_RETENTION = 36_500
# What a clinic may sign with. The list of a clinic decides, never the header of a token.
ALGORITHMS = frozenset({"ES256", "EdDSA", "RS256", "HS256"})
_LESSON = re.compile(r"[a-z][a-z0-9_]*")
_OWN_FILE = re.compile(r"/static/[\w/-]+\.\w+")
_ORIGIN = re.compile(r"https?://[a-z0-9.-]+(:\d+)?")
# It stands in addresses of pages.
_ID = re.compile(r"[a-z0-9][a-z0-9_-]{0,39}")
_LANGUAGE = re.compile(r"[a-z]{2,3}")


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
    """`about` is the document that it was made from. `phone` is the own number of the clinic, told to patients where
    nobody could be reached; `hours` and `chain` say when and whom the clinic tells of a handoff. `calls` are lines to
    show as links, by use; `numbers` fill the placeholders of safety wording; `exit_url` is the neutral page of somebody
    else, where a patient who leaves quickly ends up; `own_lines` are, by category, the uses of the lines that a red
    flag has of its own."""

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
    colours: Colours | None = None
    logo: Logo | None = None
    sign_in: Oidc | None = None
    videos: Mapping[str, tuple[dict[str, str], ...]] = field(default_factory=dict)

    def public(self) -> dict[str, Any]:
        """What the patient's page may know about the clinic."""
        about = {"id": self.id, "name": self.name, "numbers": self.page_numbers(), "exit_url": self.exit_url}
        if self.colours:
            about |= {"light": self.colours.light, "dark": self.colours.dark}
        return about | ({"logo": self.logo_path} if self.logo else {})

    @property
    def look_path(self) -> str:
        """Where the colours are served as a style sheet, for pages that have a link to one."""
        return f"/w/clinics/{self.id}/look.css?v={self.colours.accent[1:]}" if self.colours else ""

    @property
    def logo_path(self) -> str:
        """Where the logo is served; its content is in the name, so that a new one is seen at once."""
        return f"/w/clinics/{self.id}/logo-{self.logo.hash}.png" if self.logo else ""

    def page_numbers(self) -> dict[str, Any]:
        return {
            "emergency": self.calls["emergency"][0],
            "urgent": self.calls["urgent"][0],
            "crisis": self.calls["crisis"],
        }


@lru_cache(maxsize=4)
def load_clinics(data: Path = DATA) -> dict[str, Clinic]:
    """All clinics by id, as their files have them. Raises ContentError where something that safety needs is missing."""
    clinics: dict[str, Clinic] = {}
    for path in sorted((data / "clinics").glob("*.yml")):
        clinic = make_clinic(read_yaml(path), name(path), data)
        if clinic.id in clinics:
            raise ContentError(f"{name(path)}: the id {clinic.id!r} is another clinic's already. Give each its own.")
        clinics[clinic.id] = clinic
    return clinics


def make_clinic(about: Any, file: str, data: Path = DATA) -> Clinic:
    """A clinic from its document, which `file` names in errors. Raises ContentError with a sentence for people."""
    if not isinstance(about, dict) or not _ID.fullmatch(str(about.get("id"))):
        raise ContentError(f"{file}: write an id of small letters, digits and dashes, such as north-street.")
    if unknown := sorted(map(str, set(about) - KNOWN)):
        raise ContentError(f"{file}: {unknown[0]!r} is no part of a clinic. docs/clinics.md lists them.")
    countries = load_countries(data)
    country = countries.get(str(about.get("country")))
    if country is None:
        raise ContentError(f"{file}: country {about.get('country')!r} is not in data/numbers.yml.")
    for key in ("embedding", "identity", "retention", "safety_cards", "handoff", "channels"):
        if not isinstance(about.get(key) or {}, dict):
            raise ContentError(f"{file}: {key} holds other lines below it, not a single value or a list.")
    about = {**about, "channels": _switches(about.get("channels") or {})}
    uses = frozenset(use for lines in countries.values() for use in lines) - {"checked"}
    try:
        calls = read_calls(country, about.get("numbers"), uses)
        hours = read_hours(about.get("time_zone"), about.get("hours"), about.get("closed_on") or ())
        chain = read_chain(about.get("handoff") or {}, about.get("channels") or {})
        colours, logo = read_colours(about.get("colours")), _logo(about.get("logo"), data)
        sign_in = read_sign_in(about.get("sign_in"))
    except ValueError as error:
        raise ContentError(f"{file}: {error}.") from None
    for use in NEEDED:
        if not calls.get(use):
            raise ContentError(f"{file}: no {use} number for country {about['country']}. Add it to data/numbers.yml.")
    called, email, phone = _named(about, file)
    exit_url = about.get("exit_url")
    if not isinstance(exit_url, str) or not exit_url.startswith("https://"):
        raise ContentError(f"{file}: exit_url must be the https:// address of a neutral page, such as the weather.")
    numbers = _numbers(calls, called, phone)
    own_lines = {category: tuple(uses) for category, uses in read_yaml(data / "own_lines.yml").items()}
    return Clinic(
        about["id"],
        called,
        about["country"],
        email,
        calls,
        numbers,
        about,
        hours,
        chain,
        phone,
        exit_url,
        own_lines,
        embedding=_embedding(about.get("embedding") or {}, file),
        identity=_identity(about.get("identity"), file),
        languages=_languages(about.get("languages", ["en"]), file),
        retention=_retention(about.get("retention") or {}, file),
        safety_cards=_safety_cards(about.get("safety_cards") or {}, numbers, file),
        colours=colours,
        logo=logo,
        sign_in=sign_in,
        videos=_videos(about.get("videos") or {}, _embedding(about.get("embedding") or {}, file), file),
    )


def _switches(channels: dict[str, Any]) -> dict[str, Any]:
    """The channels with their switch under its name: YAML takes the word `on`, where it is a key, for `true`."""

    def named(part: Any) -> Any:
        return {"on" if key is True else key: value for key, value in part.items()} if isinstance(part, dict) else part

    return {channel: named(part) for channel, part in channels.items()}


def _named(about: dict[str, Any], file: str) -> tuple[str, str, str]:
    """Name, team's address and phone."""
    called, email, phone = (about.get(key) for key in ("name", "email", "phone"))
    if not isinstance(called, str) or not 0 < len(called.strip()) <= LONGEST_NAME or "{" in called:
        raise ContentError(f"{file}: name must be the clinic's name, {LONGEST_NAME} characters at most.")
    if not isinstance(email, str) or "@" not in email:
        raise ContentError(f"{file}: email must be the team's address.")
    if not isinstance(phone, str) or len(digits(phone)) < 5 or len(phone) > 40 or "{" in phone:
        raise ContentError(f"{file}: phone must be the clinic's own number: patients are told it where nobody answers.")
    return called.strip(), email, phone.strip()


def _numbers(calls: Mapping[str, list[dict[str, str]]], called: str, phone: str) -> dict[str, str]:
    """What fills the placeholders of safety wording."""

    def first(*uses: str) -> str:
        return next(calls[use][0]["label"] for use in uses if calls.get(use))

    return {
        "emergency_number": first("emergency"),
        "urgent_line": first("urgent"),
        "crisis_line": first("crisis"),
        "poison_line": first("poison", "urgent"),
        "abuse_line": first("abuse", "crisis"),
        "clinic": called,
        "clinic_phone": phone,
    }


def _logo(given: Any, data: Path) -> Logo | None:
    """The logo: in a file the name of a PNG beside it, in an admin's change the picture itself."""
    if not given:
        return None
    if not isinstance(given, str):
        return read_stored_logo(given)
    path = data / "clinics" / Path(given).name
    try:
        return read_logo(path.read_bytes())
    except OSError:
        raise ValueError(f"logo: there is no {Path(given).name} beside the clinic's file") from None


def _languages(given: Any, file: str) -> tuple[str, ...]:
    if not isinstance(given, list) or not given or not all(_LANGUAGE.fullmatch(str(tag)) for tag in given):
        raise ContentError(f"{file}: languages is a list of one language or more, such as [en, es].")
    return tuple(dict.fromkeys(given))


def _embedding(given: dict[str, Any], file: str) -> Embedding:
    origins = given.get("origins") or ()
    if not isinstance(origins, (list, tuple)):
        raise ContentError(f"{file}: embedding.origins is a list, such as [https://www.clinic.example].")
    for origin in origins:
        if not _ORIGIN.fullmatch(str(origin)):
            raise ContentError(f"{file}: embedding.origins: {origin!r} is not an origin like https://www.clinic.example.")
    return Embedding(tuple(origins), given.get("webview") is True)


def _videos(given: Any, embedding: Embedding, file: str) -> dict[str, tuple[dict[str, str], ...]]:
    """The clinic's own videos by lesson: title, file and captions, of this server or of a page that the clinic names.
    A video without captions is refused: many people watch without sound, and some cannot hear it."""
    if not isinstance(given, dict):
        raise ContentError(f"{file}: videos holds lessons, each with a list of its videos.")
    made = {}
    for lesson, videos in given.items():
        where = f"{file}: videos.{lesson}"
        if not _LESSON.fullmatch(str(lesson)) or not isinstance(videos, list):
            raise ContentError(f"{where}: write a lesson's id, and below it a list of videos.")
        for video in videos:
            if not isinstance(video, dict) or not set(video) <= {"title", "src", "captions", "lang"}:
                raise ContentError(f"{where}: each video has title, src, captions and perhaps lang, and nothing else.")
            if not isinstance(video.get("title"), str) or not video["title"].strip():
                raise ContentError(f"{where}: each video needs a title.")
            for part in ("src", "captions"):
                if not _reachable(video.get(part), embedding):
                    raise ContentError(
                        f"{where}: {part} must be a file below /static/, or an https:// address on one of the clinic's "
                        "embedding.origins. Captions (WebVTT) are needed for every video."
                    )
            if not _LANGUAGE.fullmatch(str(video.get("lang", "en"))):
                raise ContentError(f"{where}: lang is a language such as en.")
        made[lesson] = tuple({key: str(value) for key, value in video.items()} for video in videos)
    return made


def _reachable(address: Any, embedding: Embedding) -> bool:
    if not isinstance(address, str):
        return False
    return bool(_OWN_FILE.fullmatch(address)) or any(
        origin.startswith("https://") and address.startswith(f"{origin}/") for origin in embedding.origins
    )


def _identity(given: dict[str, Any] | None, file: str) -> Identity | None:
    if given is None:
        return None
    try:
        made = Identity(**{**given, "algorithms": tuple(given["algorithms"])})
    except (TypeError, KeyError) as error:
        raise ContentError(f"{file}: identity: {error}. It needs issuer, audience and algorithms.") from None
    if unknown := set(made.algorithms) - ALGORITHMS or not made.algorithms:
        raise ContentError(f"{file}: identity.algorithms: {unknown} is none of {', '.join(sorted(ALGORITHMS))}.")
    if made.shared_secret and len(made.algorithms) > 1:
        raise ContentError(f"{file}: identity: HS256 goes with no other algorithm (a public key could pass for it).")
    if bool(made.jwks_url) == bool(made.secret_variable) or made.shared_secret != bool(made.secret_variable):
        raise ContentError(f"{file}: identity needs jwks_url, or for HS256 secret_variable instead.")
    return made


def _retention(given: dict[str, Any], file: str) -> Retention:
    if unknown := set(given) - {one.name for one in fields(Retention)}:
        raise ContentError(f"{file}: retention: {sorted(map(str, unknown))[0]!r} is unknown.")
    if any(type(days) is not int or not 1 <= days <= LONGEST_RETENTION for days in given.values()):
        raise ContentError(f"{file}: retention: days must be 1 or more, and {LONGEST_RETENTION} at most.")
    return Retention(**given)


def _safety_cards(given: dict[str, Any], numbers: Mapping[str, str], file: str) -> dict[str, SafetyCard]:
    cards = {}
    for language, card in given.items():
        review = card.get("review") if isinstance(card, dict) else None
        text = card.get("text") if isinstance(card, dict) else None
        if not isinstance(text, str) or not text.strip() or not isinstance(review, dict) or "state" not in review:
            raise ContentError(f"{file}: safety_cards.{language} needs a text, and review with its state.")
        texts = tuple(fill(part, _in_order(part, numbers)) for part in bubbles(text))
        cards[language] = SafetyCard(language, texts, str(review["state"]))
    return cards


def _in_order(text: str, numbers: Mapping[str, str]) -> dict[str, str]:
    """The numbers for a text: isolated where it runs from right to left, else "116 123" would stand there backwards."""
    if unicodedata.bidirectional(text[0]) in ("R", "AL"):
        return {key: f"\u2068{label}\u2069" for key, label in numbers.items()}
    return dict(numbers)
