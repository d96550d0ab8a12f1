"""Safety wording from the data, with the clinic's numbers put in, and the reading of a plain Yes or No."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from bot.safety.rules import RuleSet, load_rules
from bot.safety.schema import NO, YES
from bot.safety.scope import OTHER_NOW

if TYPE_CHECKING:
    from bot.safety.screening import Finding

_PLACEHOLDER = re.compile(r"\{([a-z_]+)\}")
_WORD = re.compile(r"[a-z0-9]+")
_DOUBT = re.compile(r"\?|\.\.|…|[\"“”]")


@dataclass(frozen=True)
class SafetyWords:
    """What is shown for one tier. ``numbers_used`` names the placeholders filled, in order of use."""

    id: str
    bubbles: tuple[str, ...]
    numbers_used: tuple[str, ...]


@dataclass(frozen=True)
class SafetyQuestion:
    """One clarifying question; ``lead`` comes first and has the number to call. ``answers``: id and title of each."""

    id: str
    lead: str
    question: str
    numbers_used: tuple[str, ...]
    answers: tuple[tuple[str, str], ...]


@dataclass(frozen=True)
class AnswerWords:
    """What is said to an answer of a direct question, whether it is a yes, and whether the emergency number leads."""

    id: str
    bubbles: tuple[str, ...]
    numbers_used: tuple[str, ...]
    yes: bool
    emergency_first: bool


def words_for(
    finding: Finding | str,
    tier: str,
    numbers: Mapping[str, str],
    helper: bool = False,
    rules: RuleSet | None = None,
    shared: bool = False,
) -> SafetyWords:
    """The wording for a category at a tier. A finding about somebody else gets the helper's wording.

    ``shared``: the wording of the tier, whatever the category, where a question asked for several things at once.

    Raises KeyError for an unknown category or tier and ValueError for a number that ``numbers`` lacks.
    """
    rules = rules or load_rules()
    identity = finding if isinstance(finding, str) else finding.category
    own = None if shared else rules.category(identity).words.get(tier)
    for_helper = helper or (not isinstance(finding, str) and finding.scope == OTHER_NOW)
    source, wording = identity, own
    if wording is None:  # raised by a rule that holds for every category: the shared wording of that tier
        source, wording = "common", rules.policy.words[tier]
    raw = wording.helper if for_helper else wording.bubbles
    return SafetyWords(
        id=f"safety/{source}.{tier}.v{wording.version}" + (".helper" if for_helper else ""),
        bubbles=tuple(_filled(one, numbers) for one in raw),
        numbers_used=_used(*raw),
    )


def question_for(
    category: str, numbers: Mapping[str, str], rules: RuleSet | None = None, direct: bool = False
) -> SafetyQuestion:
    """The clarifying question of a category; ``direct``: as it is put after an alarm.

    Raises KeyError (no category) or ValueError (no number, or no direct question).
    """
    rules = rules or load_rules()
    found = rules.category(category)
    asked = found.question
    if direct and not asked.direct:
        raise ValueError(f"{category} has no direct question")
    lead, text = rules.policy.leads[found.lead], asked.direct if direct else asked.text
    answers = [(one.id, one.title) for one in asked.answers] or [(b["id"], b["title"]) for b in rules.policy.buttons]
    return SafetyQuestion(
        id=f"safety/{found.id}.{'direct' if direct else 'ask'}.v{asked.version}",
        lead=_filled(lead, numbers),
        question=_filled(text, numbers),
        numbers_used=_used(lead, text),
        answers=tuple(answers),
    )


def has_direct_question(category: str, rules: RuleSet | None = None) -> bool:
    """Whether an alarm of this category is followed by one direct question. False for what is no category."""
    return any(one.id == category and one.question.direct for one in (rules or load_rules()).categories)


def answer_words(
    category: str, answer: str, numbers: Mapping[str, str], rules: RuleSet | None = None
) -> AnswerWords | None:
    """What is said to one answer of a category's own; None for the plain yes, no and not sure of the others."""
    asked = (rules or load_rules()).category(category).question
    for one in asked.answers:
        if one.id == answer:
            bubbles = tuple(_filled(bubble, numbers) for bubble in one.bubbles)
            identity = f"safety/{category}.{answer}.v{asked.version}"
            return AnswerWords(identity, bubbles, _used(*one.bubbles), one.means == YES, one.emergency_first)
    return None


def typed_answer(category: str, text: str, rules: RuleSet | None = None) -> str:
    """The answer of a category's own that a typed yes or no stands for: the first that means it; empty for the rest."""
    rules = rules or load_rules()
    means = YES if is_plain_yes(text, rules) else NO if is_plain_no(text, rules) else ""
    return next((one.id for one in rules.category(category).question.answers if one.means == means), "")


def is_plain_no(text: str, rules: RuleSet | None = None) -> bool:
    """True only for a message that is nothing but a No. Anything doubtful is False and counts as a yes."""
    answers = (rules or load_rules()).answers
    return _only(text, answers.no, answers.around)


def is_plain_yes(text: str, rules: RuleSet | None = None) -> bool:
    """True only for a message that is nothing but a Yes."""
    answers = (rules or load_rules()).answers
    return _only(text, answers.yes, answers.around)


def _only(text: str, wanted: frozenset[tuple[str, ...]], around: frozenset[tuple[str, ...]]) -> bool:
    """The words split completely into wanted phrases and politeness, with at least one wanted phrase."""
    if len(text) > 120 or _DOUBT.search(text):
        return False
    plain = text.lower().replace("’", "'").replace("'", "")
    if any(unicodedata.category(one)[0] not in "LNPZ" and not one.isspace() for one in plain):
        return False
    if any(one.isalnum() and not one.isascii() for one in plain):
        return False
    words = tuple(_WORD.findall(plain))
    # states[i]: None if words[:i] cannot be split, else whether a wanted phrase has been among them
    states: list[bool | None] = [False] + [None] * len(words)
    for start in range(len(words)):
        if states[start] is None:
            continue
        for units, counts in ((wanted, True), (around, False)):
            for unit in units:
                if words[start : start + len(unit)] == unit:
                    end = start + len(unit)
                    states[end] = bool(states[end]) or bool(states[start]) or counts
    return bool(words) and bool(states[-1])


def _filled(text: str, numbers: Mapping[str, str]) -> str:
    def number(match: re.Match[str]) -> str:
        name = match.group(1)
        if name not in numbers:
            raise ValueError(f"the clinic's numbers lack {name!r}")
        return numbers[name]

    return _PLACEHOLDER.sub(number, text)


def _used(*texts: str) -> tuple[str, ...]:
    return tuple(dict.fromkeys(name for text in texts for name in _PLACEHOLDER.findall(text)))
