"""The quick safety check: a fixed list of yes/no questions, one at a time. Pure; the flow is the same on every channel.

``data/safety_check.yml`` holds the questions (after a clinical universal screen, the most urgent first). Yes and Not
sure are the same: a finding at the question's tier, as if it had been said in words. After a crisis or an emergency
there is no next question. What somebody answered so far travels along, so that the end never says "none" after a yes.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

import yaml

from bot.safety import schema
from bot.safety.frames import expand
from bot.safety.rules import DATA, RuleSet, load_rules
from bot.safety.screening import Finding
from bot.safety.words import SafetyWords, is_plain_no, is_plain_yes, words_for

CHECK_FILE = DATA.parent / "safety_check.yml"
YES, NO, NOT_SURE, SKIP, STOP = "yes", "no", "not_sure", "skip", "stop"
ANSWERS = (YES, NO, NOT_SURE, SKIP, STOP)
# What the answers so far come to; a later one never takes an earlier one back.
ALL_NO, SKIPPED, SOME = "none", "skipped", "some"
SO_FAR = (ALL_NO, SKIPPED, SOME)
CLOSED, STOPPED = "closed", "stopped"
OWN, SHARED = "own", "shared"
RULE_PREFIX, RAISED_BY = "check.", "check"
MOST_WORDS = 30
_ENDING_TIERS = ("T0", "T1")
_ID = re.compile(r"[a-z][a-z_]{1,30}")
_CATEGORY = re.compile(r"RF\d{2}")
_KEYS = {"questions", "progress", "typed", "did_you_mean_below", "symptom", "change", "refusals", "families"}
_QUESTION_KEYS = {"id", "category", "tier", "words", "text", "review", "facts"}


@dataclass(frozen=True)
class CheckQuestion:
    """One question. ``words`` says whose wording a yes gets: the category's own, or the shared one of the tier."""

    id: str
    text: str
    category: str
    tier: str
    words: str
    review: str
    facts: tuple[str, ...] = ()  # families of the rules that a yes confirms for the rest of the conversation


@dataclass(frozen=True)
class SafetyCheck:
    """The questions in order, and the file's word lists as they stand (``bot.safety.cues`` compiles those)."""

    questions: tuple[CheckQuestion, ...]
    progress: str
    typed: Mapping[str, frozenset[str]]
    did_you_mean_below: float
    lists: Mapping[str, Any]

    def place(self, identity: str) -> int:
        """The place of a question, from 0. Raises KeyError if there is none with this id."""
        for place, question in enumerate(self.questions):
            if question.id == identity:
                return place
        raise KeyError(identity)


@dataclass(frozen=True)
class Step:
    """What one answer leads to: a finding (yes, not sure), the next question, or an ending; so_far goes along."""

    so_far: str
    finding: Finding | None = None
    question: CheckQuestion | None = None
    ending: str = ""


def load_check(path: Path | None = None, rules: RuleSet | None = None) -> SafetyCheck:
    """The check in ``path`` (by default our own), read once. Raises ValueError naming file and id."""
    return _load((path or CHECK_FILE).resolve(), rules or load_rules())


def first_step(check: SafetyCheck) -> Step:
    """The check begins."""
    return Step(ALL_NO, question=check.questions[0])


def next_step(check: SafetyCheck, identity: str, answer: str, so_far: str = ALL_NO) -> Step:
    """What follows an answer. Raises KeyError for an unknown question and ValueError for an unknown answer."""
    if answer not in ANSWERS or so_far not in SO_FAR:
        raise ValueError(f"no such answer: {answer!r} after {so_far!r}")
    place = check.place(identity)
    question = check.questions[place]
    if answer == STOP:
        return Step(so_far, ending=STOPPED)
    said_yes = answer in (YES, NOT_SURE)
    so_far = max(so_far, SOME if said_yes else SKIPPED if answer == SKIP else ALL_NO, key=SO_FAR.index)
    finding = found(question) if said_yes else None
    if said_yes and question.tier in _ENDING_TIERS:
        return Step(so_far, finding)
    if place + 1 < len(check.questions):
        return Step(so_far, finding, check.questions[place + 1])
    return Step(so_far, finding, ending=CLOSED)


def found(question: CheckQuestion) -> Finding:
    """The finding that a yes to this question is."""
    return Finding(
        rule=RULE_PREFIX + question.id,
        category=question.category,
        tier=question.tier,
        span=(0, 0),
        words=question.text,
        scope="now",
        confidence=1.0,
        raised_by=RAISED_BY,
    )


def typed_answer(text: str, check: SafetyCheck | None = None) -> str:
    """The answer that a whole typed message is; empty for one that says anything more, which is never guessed at."""
    check = check or load_check()
    if is_plain_yes(text):
        return YES
    plain = " ".join(re.findall(r"[a-z]+", text.lower().replace("’", "'").replace("'", "")))
    for answer, texts in check.typed.items():
        if plain in texts:
            return answer
    return NO if is_plain_no(text) else ""


def words_of(finding: Finding, numbers: Mapping[str, str]) -> SafetyWords:
    """The words for any finding: its category's, or the shared ones where its question asks for several things."""
    return words_for(finding, finding.tier, numbers, shared=shares_words(finding.rule))


def shares_words(rule: str) -> bool:
    """Whether a rule's name stands for a question that takes the shared wording."""
    if not rule.startswith(RULE_PREFIX):
        return False
    check = load_check()
    try:
        return check.questions[check.place(rule.removeprefix(RULE_PREFIX))].words == SHARED
    except KeyError:  # kept from before the file changed: the shared words fit every category
        return True


@lru_cache(maxsize=4)
def _load(path: Path, rules: RuleSet) -> SafetyCheck:
    file = path.name
    try:
        data = yaml.load(path.read_text(encoding="utf-8"), Loader=getattr(yaml, "CSafeLoader", yaml.SafeLoader))
    except OSError as error:
        raise ValueError(f"{file}: cannot be read ({error.strerror})") from error
    except yaml.YAMLError as error:
        raise ValueError(f"{file}: not valid YAML ({error})") from error
    data = schema.check_keys(data, _KEYS, file, _KEYS)
    if not isinstance(data["questions"], list) or not data["questions"]:
        raise ValueError(f"{file} questions: expected a list of questions")
    questions = tuple(_question(one, file, rules) for one in data["questions"])
    for question in questions:
        if [one.id for one in questions].count(question.id) > 1:
            raise ValueError(f"{file} {question.id}: this question is defined twice")
    progress = schema.text(data["progress"], f"{file} progress")
    if not all(name in progress for name in ("{place}", "{count}")):
        raise ValueError(f"{file} progress: it must hold {{place}} and {{count}}")
    typed = schema.check_keys(data["typed"], {NOT_SURE, SKIP, STOP}, f"{file} typed", {NOT_SURE, SKIP, STOP})
    below = data["did_you_mean_below"]
    if isinstance(below, bool) or not isinstance(below, (int, float)) or not 0 <= below <= 1:
        raise ValueError(f"{file} did_you_mean_below: expected a number from 0 to 1")
    return SafetyCheck(
        questions,
        progress,
        {
            answer: frozenset(s for one in schema.texts(texts, f"{file} typed {answer}") for s in expand(one))
            for answer, texts in typed.items()
        },
        float(below),
        {name: data[name] for name in ("symptom", "change", "refusals", "families")},
    )


def _question(value: Any, file: str, rules: RuleSet) -> CheckQuestion:
    named = value.get("id") if isinstance(value, dict) else None
    where = f"{file} {named or 'question'}"
    data = schema.check_keys(value, _QUESTION_KEYS, where, _QUESTION_KEYS - {"facts"})
    text = schema.text(data["text"], f"{where} text")
    if not _ID.fullmatch(str(data["id"])):
        raise ValueError(f"{where}: an id is small letters and _")
    if not _CATEGORY.fullmatch(str(data["category"])):
        raise ValueError(f"{where}: category {data['category']!r} must be like RF01")
    if data["tier"] not in schema.ALARM_TIERS:
        raise ValueError(f"{where}: tier {data['tier']!r} must be one of {', '.join(schema.ALARM_TIERS)}")
    if data["words"] not in (OWN, SHARED):
        raise ValueError(f"{where}: words {data['words']!r} must be {OWN} or {SHARED}")
    if data["words"] == OWN:
        own = [one for one in rules.categories if one.id == data["category"] and data["tier"] in one.words]
        if not own:
            raise ValueError(f"{where}: {data['category']} has no words of its own for {data['tier']}")
    if len(text.split()) > MOST_WORDS or "{" in text:
        raise ValueError(f"{where}: {MOST_WORDS} words at most, and no placeholder")
    state = (data["review"] or {}).get("state") if isinstance(data["review"], dict) else None
    if state not in ("pending", "reviewed"):
        raise ValueError(f"{where}: review.state must be pending or reviewed")
    facts = schema.texts(data.get("facts", []), f"{where} facts")
    unknown = sorted(set(facts) - set(rules.finder.sizes))
    if unknown:
        raise ValueError(f"{where} facts: data/safety has no family {', '.join(unknown)}")
    return CheckQuestion(
        str(data["id"]), text, str(data["category"]), str(data["tier"]), str(data["words"]), str(state), facts
    )
