"""What else a message tells, besides red flags: of the body, of a change, or that somebody does not want to go.

Word lists are in ``data/safety_check.yml``; words are compared after the same reading rules as in ``data/safety``. None
of this raises or lowers a finding: it only decides what is offered and how a refusal is answered.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import lru_cache

from bot.safety import schema
from bot.safety.check import CHECK_FILE, SafetyCheck, load_check
from bot.safety.frames import Frame, expand, parse_frame
from bot.safety.matching import Found, PhraseFinder, build_finder, literals
from bot.safety.normalise import Language, plain_words
from bot.safety.rules import RuleSet, load_rules
from bot.safety.screening import read

_SYMPTOM, _MINE, _CHANGE, _REFUSAL = "symptom", "symptom_mine", "change", "refusal_"


@dataclass(frozen=True)
class Refusal:
    """One way of saying no to help, and what is answered in the same terms: the first time, the second."""

    id: str
    heard: tuple[str, str]


@dataclass(frozen=True, eq=False)
class Cues:
    """The compiled lists. Made by load_cues, shared, never changed."""

    finder: PhraseFinder
    symptom_rules: frozenset[str]
    change_rules: frozenset[str]
    refusals: tuple[Refusal, ...]


def tells_of_symptom(text: str) -> bool:
    """Whether a message holds words for the body or for a symptom, denied or not."""
    return _symptom(*_read(text))


def tells_of_change(text: str) -> bool:
    """Whether a message tells of a symptom that is new, changed or worse."""
    ours, rules, cues = _read(text)
    return bool((_CHANGE in ours.families or cues.change_rules & rules.families) and _symptom(ours, rules, cues))


def is_refusal(text: str) -> bool:
    """Whether a message says that somebody will not go, call or be a bother. For use after a T0 or T1 alone."""
    return refusal(text) is not None


def refusal(text: str) -> Refusal | None:
    """The way in which a message says so: the one whose words come first."""
    ours, _, cues = _read(text)
    heard = [
        (ours.of(_REFUSAL + one.id)[0], place) for place, one in enumerate(cues.refusals) if ours.of(_REFUSAL + one.id)
    ]
    return cues.refusals[min(heard)[1]] if heard else None


def load_cues(check: SafetyCheck | None = None, rules: RuleSet | None = None) -> Cues:
    """The lists of the check, compiled once. Raises ValueError naming the file and the list."""
    rules = rules or load_rules()
    return _ours(rules) if check is None else _compile(check, rules)


@lru_cache(maxsize=2)
def _ours(rules: RuleSet) -> Cues:
    return _compile(load_check(rules=rules), rules)


def _read(text: str) -> tuple[Found, Found, Cues]:
    rules = load_rules()
    cues = load_cues(rules=rules)
    found = read(text, rules).found  # as screened a moment ago, and remembered
    return cues.finder.find(found.tokens), found, cues


def _symptom(ours: Found, rules: Found, cues: Cues) -> bool:
    if _SYMPTOM in ours.families or cues.symptom_rules & rules.families:
        return True
    return any(ours.tokens.owners[start] is not None for start, _ in ours.of(_MINE))


def _compile(check: SafetyCheck, rules: RuleSet) -> Cues:
    file, lists = CHECK_FILE.name, check.lists
    symptom = schema.check_keys(
        lists["symptom"], {"rules", "mine", "words"}, f"{file} symptom", {"rules", "mine", "words"}
    )
    change = schema.check_keys(lists["change"], {"rules", "words"}, f"{file} change", {"rules", "words"})
    families: dict[str, tuple[str, ...]] = {
        _SYMPTOM: schema.texts(symptom["words"], f"{file} symptom words"),
        _MINE: schema.texts(symptom["mine"], f"{file} symptom mine"),
        _CHANGE: schema.texts(change["words"], f"{file} change words"),
    }
    if not isinstance(lists["families"], dict):
        raise ValueError(f"{file} families: expected a mapping")
    for name, entries in lists["families"].items():
        families[name] = schema.texts(entries, f"{file} families {name}")
    refusals = []
    for value in lists["refusals"] or ():
        where = f"{file} refusals {value.get('id') if isinstance(value, dict) else value}"
        data = schema.check_keys(value, {"id", "heard", "phrases"}, where, {"id", "heard", "phrases"})
        heard = schema.texts(data["heard"], f"{where} heard")
        if len(heard) != 2:
            raise ValueError(f"{where}: heard must have two texts, for the first time and the second")
        if _REFUSAL + data["id"] in families:
            raise ValueError(f"{where}: defined twice")
        families[_REFUSAL + data["id"]] = schema.texts(data["phrases"], f"{where} phrases")
        refusals.append(Refusal(data["id"], (heard[0], heard[1])))
    known = set(rules.finder.sizes)
    for key, names in (("symptom", symptom["rules"]), ("change", change["rules"])):
        missing = sorted(set(schema.texts(names, f"{file} {key} rules")) - known)
        if missing:
            raise ValueError(f"{file} {key}: data/safety has no family {', '.join(missing)}")
    finder = _finder(families, rules.language, rules.blockers, file)
    return Cues(finder, frozenset(symptom["rules"]), frozenset(change["rules"]), tuple(refusals))


def _finder(
    families: Mapping[str, Iterable[str]], language: Language, blockers: frozenset[str], file: str
) -> PhraseFinder:
    phrases: dict[str, list[str]] = {}
    derived: dict[str, list[Frame]] = {}
    for name, entries in families.items():
        phrases[name] = []
        for entry in entries:
            if "{" in entry or ".." in entry:
                made = _frame(entry, f"{file} {name}")
                derived.setdefault(name, []).append(made)
            else:
                phrases[name].append(entry)
    frames = [frame for group in derived.values() for frame in group]
    phrases.update({name: [words] for name, words in literals(frames).items()})
    for frame in frames:
        missing = sorted(set(frame.needs) - set(phrases))
        if missing:
            raise ValueError(f"{file}: {frame.text!r}: there is no family {', '.join(missing)}")
    spelled = {name: _spelled(entries, language, f"{file} {name}") for name, entries in phrases.items()}
    return build_finder(spelled, {}, [(name, tuple(group)) for name, group in derived.items()], blockers)


def _frame(entry: str, where: str) -> Frame:
    try:
        made = parse_frame(entry)
    except ValueError as error:
        raise ValueError(f"{where}: {error}") from None
    if len(made.chunks) > 1:
        raise ValueError(f"{where}: {entry!r} must be one chunk")
    return made


def _spelled(entries: Iterable[str], language: Language, where: str) -> list[tuple[str, ...]]:
    found: dict[tuple[str, ...], None] = {}
    for entry in entries:
        for spelling in expand(entry):
            words = plain_words(spelling, language)
            if not words:
                raise ValueError(f"{where}: {spelling!r} holds only filler words")
            found[words] = None
    return list(found)
