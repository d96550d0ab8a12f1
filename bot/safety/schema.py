"""The typed form of ``data/safety``, and the checks: a slip in it is a ValueError naming file and id."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from bot.safety.frames import Frame, parse_frame
from bot.safety.scope import SCOPES

TIERS = ("T0", "T1", "T2", "T3", "T4")
ALARM_TIERS = TIERS[:4]
PLACEHOLDERS = ("emergency_number", "urgent_line", "crisis_line", "poison_line", "abuse_line", "clinic")
FIRE, ASK, NONE = "fire", "ask", "none"
YES, NO = "yes", "no"
_EFFECTS = (FIRE, ASK, NONE)
_PLACEHOLDER = re.compile(r"\{([^{}]*)\}")
_CATEGORY_ID = re.compile(r"^RF\d{2}$")
_CATEGORY_KEYS = {
    "id",
    "name",
    "tier",
    "system",
    "hard",
    "ask",
    "hint",
    "never",
    "raise",
    "scopes",
    "ignore_person",
    "pool_asks",
    "screen",
    "question",
    "lead",
    "words",
    "source",
    "review",
}
_REVIEW_STATES = ("pending", "reviewed")
_MOST_SCREEN_QUESTIONS = 3


@dataclass(frozen=True)
class Rule:
    """One frame of a category. ``tier`` and ``scopes`` are set where they differ from the category's own."""

    id: str
    frame: Frame
    tier: str | None
    scopes: Mapping[str, str]
    helper: bool = False  # about somebody else's danger: the helper's wording
    tense: bool = False  # told in the past tense it is past, even without a date


@dataclass(frozen=True)
class Raise:
    """A condition that lifts a finding from one tier to a more urgent one."""

    to: str
    frame: Frame
    why: str
    only_from: tuple[str, ...] = ()


@dataclass(frozen=True)
class Wording:
    """One versioned text for one tier, for the person and for somebody helping them."""

    version: int
    bubbles: tuple[str, ...]
    helper: tuple[str, ...]


@dataclass(frozen=True)
class Answer:
    """One answer to a question: its button, and what is said to it. ``means`` a yes or a no."""

    id: str
    title: str
    means: str
    emergency_first: bool
    bubbles: tuple[str, ...]


@dataclass(frozen=True)
class Question:
    """``direct``: asked after an alarm; ``answers``: its own ones, instead of yes, no and not sure."""

    version: int
    text: str
    direct: str = ""
    answers: tuple[Answer, ...] = ()


@dataclass(frozen=True)
class Category:
    id: str
    name: str
    tier: str
    system: str
    hard: tuple[Rule, ...]
    ask: tuple[Rule, ...]
    hint: tuple[Rule, ...]  # too broad to ask by itself: evidence for the soft layer, a question where that is missing
    never: tuple[Frame, ...]
    raises: tuple[Raise, ...]
    scopes: Mapping[str, str]
    ignore_person: bool
    pool_asks: bool
    screen: tuple[str, ...]
    question: Question
    lead: str
    words: Mapping[str, Wording]
    source: str
    review: Mapping[str, str]


@dataclass(frozen=True)
class Policy:
    """What ``common.yml`` decides for every category."""

    scopes: Mapping[str, str]
    confidence: Mapping[str, float]
    history: int
    raises: tuple[Raise, ...]
    same_day_systems: int
    leads: Mapping[str, str]
    words: Mapping[str, Wording]
    buttons: tuple[Mapping[str, str], ...]


@dataclass(frozen=True)
class Answers:
    """The whole messages that count as a plain No or a plain Yes."""

    no: frozenset[tuple[str, ...]]
    yes: frozenset[tuple[str, ...]]
    around: frozenset[tuple[str, ...]]


def check_keys(value: Any, allowed: set[str], where: str, required: set[str] | None = None) -> dict[str, Any]:
    """Return ``value`` if it is a mapping with known keys only. Raises ValueError naming ``where``."""
    if not isinstance(value, dict):
        raise ValueError(f"{where}: expected a mapping, found {type(value).__name__}")
    unknown, missing = set(value) - allowed, (required or set()) - set(value)
    if unknown:
        raise ValueError(f"{where}: unknown key {', '.join(sorted(map(str, unknown)))}")
    if missing:
        raise ValueError(f"{where}: missing key {', '.join(sorted(missing))}")
    return value


def texts(value: Any, where: str) -> tuple[str, ...]:
    """A list of non-empty strings as a tuple."""
    if not isinstance(value, list) or not all(isinstance(one, str) and one.strip() for one in value):
        raise ValueError(f"{where}: expected a list of texts")
    return tuple(one.strip() for one in value)


def text(value: Any, where: str) -> str:
    if not isinstance(value, str) or not value.strip():
        raise ValueError(f"{where}: expected a text")
    return value.strip()


def one_of(value: Any, allowed: Sequence[str], where: str) -> str:
    if value not in allowed:
        raise ValueError(f"{where}: {value!r} is not one of {', '.join(allowed)}")
    return str(value)


def patient_text(value: Any, where: str) -> str:
    """A text for patients: every placeholder must be one we can fill."""
    found = text(value, where)
    for name in _PLACEHOLDER.findall(found):
        if name not in PLACEHOLDERS:
            raise ValueError(f"{where}: unknown placeholder {{{name}}}")
    return found


def frame(value: Any, where: str) -> Frame:
    try:
        return parse_frame(text(value, where))
    except ValueError as error:
        raise ValueError(f"{where}: {error}") from error


def read_wording(value: Any, where: str) -> Wording:
    data = check_keys(value, {"v", "bubbles", "helper"}, where, {"v", "bubbles", "helper"})
    return Wording(
        version=_version(data["v"], where),
        bubbles=tuple(patient_text(one, where) for one in texts(data["bubbles"], where)),
        helper=tuple(patient_text(one, where) for one in texts(data["helper"], where)),
    )


def read_words(value: Any, where: str) -> dict[str, Wording]:
    data = check_keys(value, set(ALARM_TIERS), where)
    return {tier: read_wording(one, f"{where} {tier}") for tier, one in data.items()}


def read_raises(value: Any, where: str) -> tuple[Raise, ...]:
    found = []
    for one in value or []:
        data = check_keys(one, {"to", "when", "why", "from"}, where, {"to", "when", "why"})
        only_from = tuple(one_of(tier, TIERS, where) for tier in data.get("from", ()))
        found.append(
            Raise(
                one_of(data["to"], ALARM_TIERS, where),
                frame(data["when"], where),
                text(data["why"], where),
                only_from,
            )
        )
    return tuple(found)


def read_scopes(value: Any, where: str) -> dict[str, str]:
    data = check_keys(value or {}, set(SCOPES), where)
    return {scope: one_of(effect, _EFFECTS, where) for scope, effect in data.items()}


def read_category(value: Any, file: str) -> Category:
    """Build one category. Raises ValueError naming the file and the category."""
    where = f"{file} {value.get('id', '?') if isinstance(value, dict) else '?'}"
    data = check_keys(
        value,
        _CATEGORY_KEYS,
        where,
        {"id", "name", "tier", "system", "hard", "ask", "screen", "question", "words", "source", "review"},
    )
    identity = text(data["id"], where)
    if not _CATEGORY_ID.match(identity):
        raise ValueError(f"{where}: an id is RF and two digits")
    tier = one_of(data["tier"], ALARM_TIERS, where)
    screen = texts(data["screen"], f"{where} screen")
    if len(screen) > _MOST_SCREEN_QUESTIONS:
        raise ValueError(f"{where}: a screen has at most {_MOST_SCREEN_QUESTIONS} questions")
    review = check_keys(data["review"], {"state", "by", "on"}, f"{where} review", {"state"})
    one_of(review["state"], _REVIEW_STATES, f"{where} review")
    category = Category(
        id=identity,
        name=text(data["name"], where),
        tier=tier,
        system=text(data["system"], where),
        hard=_read_rules(data["hard"], identity, "hard", where),
        ask=_read_rules(data["ask"], identity, "ask", where),
        hint=_read_rules(data["hint"], identity, "hint", where) if "hint" in data else (),
        never=tuple(frame(one, f"{where} never") for one in data.get("never", ())),
        raises=read_raises(data.get("raise"), f"{where} raise"),
        scopes=read_scopes(data.get("scopes"), f"{where} scopes"),
        ignore_person=bool(data.get("ignore_person", False)),
        pool_asks=bool(data.get("pool_asks", False)),
        screen=tuple(patient_text(one, f"{where} screen") for one in screen),
        question=_read_question(data["question"], f"{where} question"),
        lead=one_of(data.get("lead", tier), ALARM_TIERS, f"{where} lead"),
        words=read_words(data["words"], f"{where} words"),
        source=text(data["source"], where),
        review={key: str(one) for key, one in review.items()},
    )
    own_tiers = {
        tier,
        *(rule.tier for rule in category.hard if rule.tier),
        *(one.to for one in category.raises),
    }
    for needed in sorted(own_tiers - set(category.words) - {"T4"}):
        raise ValueError(f"{where}: can become {needed} but has no words for it")
    return category


def _read_question(value: Any, where: str) -> Question:
    data = check_keys(value, {"v", "text", "direct", "answers"}, where, {"v", "text"})
    answers = tuple(_read_answer(one, where) for one in data.get("answers", ()))
    if bool(answers) != ("direct" in data) or (answers and {one.means for one in answers} != {YES, NO}):
        raise ValueError(f"{where}: a direct question has its own answers, of which at least one is a yes and one a no")
    direct = patient_text(data["direct"], where) if answers else ""
    return Question(_version(data["v"], where), patient_text(data["text"], where), direct, answers)


def _read_answer(value: Any, where: str) -> Answer:
    keys = {"id", "title", "means", "emergency_first", "bubbles"}
    data = check_keys(value, keys, f"{where} answers", keys - {"emergency_first"})
    return Answer(
        id=text(data["id"], where),
        title=text(data["title"], where),
        means=one_of(data["means"], (YES, NO), where),
        emergency_first=bool(data.get("emergency_first", False)),
        bubbles=tuple(patient_text(one, where) for one in texts(data["bubbles"], where)),
    )


def _read_rules(value: Any, identity: str, kind: str, where: str) -> tuple[Rule, ...]:
    if not isinstance(value, list) or not value:
        raise ValueError(f"{where} {kind}: expected a list of frames")
    rules = []
    for number, one in enumerate(value, start=1):
        place = f"{where} {kind} {number}"
        if isinstance(one, str):
            one = {"frame": one}
        data = check_keys(one, {"frame", "tier", "scopes", "helper", "tense"}, place, {"frame"})
        tier = one_of(data["tier"], TIERS, place) if "tier" in data else None
        scopes = read_scopes(data.get("scopes"), place)
        rules.append(
            Rule(
                f"{identity}.{kind}.{number}",
                frame(data["frame"], place),
                tier,
                scopes,
                helper=bool(data.get("helper", False)),
                tense=bool(data.get("tense", False)),
            )
        )
    return tuple(rules)


def _version(value: Any, where: str) -> int:
    if not isinstance(value, int) or isinstance(value, bool) or value < 1:
        raise ValueError(f"{where}: a version is a whole number from 1")
    return value
