"""Load ``data/safety`` into a RuleSet: word lists, families, categories, policy and their compiled finder."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence, Set
from dataclasses import dataclass
from functools import cached_property, lru_cache
from itertools import chain
from pathlib import Path
from typing import Any

import yaml

from bot.safety import schema
from bot.safety.frames import Frame, expand, literal, parse_frame
from bot.safety.matching import PhraseFinder, build_finder, literals
from bot.safety.normalise import Language, Speller, english_words, make_speller, plain_words
from bot.safety.schema import Answers, Category, Policy, Rule
from bot.safety.scope import CUES

DATA = Path(__file__).resolve().parents[2] / "data" / "safety"
_IDIOMS = "idiom"
_TOO_BROAD = frozenset({"not", "no", "never", "have", "had", "i", "and", "to", "in", "it", "if"})
_COMMON_KEYS = {
    "language",
    "cues",
    "gap_blockers",
    "idioms",
    "numbers",
    "scopes",
    "confidence",
    "history",
    "raise",
    "same_day_systems",
    "leads",
    "words",
    "buttons",
    "answers",
    "domain",
}
_LANGUAGE_KEYS = {"fillers", "be_verbs", "be_past", "own", "others", "not_owned", "shorthand", "kept_before"}


@dataclass(frozen=True)
class Placed:
    """One rule with where it belongs. ``kind`` is "hard" (alarm), "ask" (question) or "hint" (for the soft layer)."""

    category: Category
    kind: str
    rule: Rule


@dataclass(frozen=True)
class RuleIndex:
    """All rules in order, and for each family the rules that are worth a try where it stands in a message."""

    rules: tuple[Placed, ...]
    needs: tuple[frozenset[str], ...]  # all families that must stand in the message; none where others may have them
    by_family: Mapping[str, tuple[int, ...]]

    def candidates(self, present: Set[str]) -> list[Placed]:
        """The rules that may hold in a text with these families, in their order."""
        by_family, needs = self.by_family, self.needs
        places = {place for family in present & by_family.keys() for place in by_family[family]}
        return [self.rules[place] for place in sorted(places) if needs[place] <= present]


@dataclass(frozen=True)
class Compiled:
    """What finds the rules in a text: 140 MB, and most of the time that loading takes."""

    finder: PhraseFinder
    speller: Speller
    index: RuleIndex


@dataclass(frozen=True, eq=False)
class RuleSet:
    """Everything the screening needs. Made by load_rules, shared, never changed; equal only to itself.

    Words and policy are there at once; what finds the rules in a text is compiled when a text is screened for the first
    time, so that a process that only says safety words does without it.
    """

    language: Language
    blockers: frozenset[str]
    categories: tuple[Category, ...]
    policy: Policy
    answers: Answers
    families: Mapping[str, list[str]]
    numbers: Mapping[str, tuple[tuple[float, float], ...]]
    domain: frozenset[str]

    @cached_property
    def compiled(self) -> Compiled:
        """Raises ValueError for a family or a frame that cannot be compiled."""
        finder, targets = _compile(
            self.families, self.categories, self.policy, self.language, self.numbers, self.blockers
        )
        known = self.language.fillers | frozenset(self.language.shorthand)
        speller = make_speller(targets | self.domain, english_words(), known)
        return Compiled(finder, speller, _index(self.categories, finder))

    @property
    def finder(self) -> PhraseFinder:
        return self.compiled.finder

    @property
    def speller(self) -> Speller:
        return self.compiled.speller

    @property
    def index(self) -> RuleIndex:
        return self.compiled.index

    def category(self, identity: str) -> Category:
        """The category with this id. Raises KeyError if there is none."""
        for category in self.categories:
            if category.id == identity:
                return category
        raise KeyError(identity)

    def idioms_for(self, category: Category) -> tuple[str, ...]:
        """Names of the families whose places are never about a symptom of this category."""
        return (_IDIOMS, _never_family(category.id))


def load_rules(folder: Path | None = None) -> RuleSet:
    """The rules in ``folder`` (by default our own), read once. Raises ValueError naming file and id."""
    return _load(DATA if folder is None else folder.resolve())


@lru_cache(maxsize=4)
def _load(folder: Path) -> RuleSet:
    common = schema.check_keys(_read(folder / "common.yml"), _COMMON_KEYS, "common.yml", _COMMON_KEYS)
    language = _language(common["language"])
    families: dict[str, list[str]] = {}
    categories: list[Category] = []
    _add_families(families, common["cues"], "common.yml cues")
    families[_IDIOMS] = list(schema.texts(common["idioms"], "common.yml idioms"))
    for path in sorted(folder.glob("*.yml")):
        if path.name == "common.yml":
            continue
        data = schema.check_keys(_read(path), {"group", "families", "categories"}, path.name, {"group"})
        _add_families(families, data.get("families") or {}, path.name)
        categories.extend(schema.read_category(one, path.name) for one in data.get("categories") or [])
    _check_ids(categories)
    missing = sorted(set(CUES) - set(families))
    if missing:
        raise ValueError(f"common.yml cues: missing {', '.join(missing)}")
    return RuleSet(
        language,
        frozenset(schema.texts(common["gap_blockers"], "common.yml gap_blockers")),
        tuple(sorted(categories, key=lambda one: one.id)),
        _policy(common),
        _answers(common["answers"], language),
        families,
        _numbers(common["numbers"]),
        frozenset(schema.texts(common["domain"], "common.yml domain")),
    )


def load_examples(folder: Path | None = None) -> dict[str, dict[str, list[Any]]]:
    """The examples under ``examples/``: category id to must_fire, must_ask and must_not_fire."""
    found: dict[str, dict[str, list[Any]]] = {}
    for path in sorted(((folder or DATA) / "examples").glob("*.yml")):
        for identity, kinds in _read(path).items():
            if identity in found:
                raise ValueError(f"{path.name} {identity}: given twice")
            found[identity] = schema.check_keys(
                kinds,
                {"must_fire", "must_ask", "must_not_fire"},
                f"{path.name} {identity}",
                {"must_fire", "must_ask", "must_not_fire"},
            )
    return found


def _read(path: Path) -> Any:
    loader = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
    try:
        with path.open(encoding="utf-8") as file:
            return yaml.load(file, Loader=loader)
    except OSError as error:
        raise ValueError(f"{path.name}: cannot be read ({error.strerror})") from error
    except yaml.YAMLError as error:
        raise ValueError(f"{path.name}: not valid YAML ({error})") from error


def _language(value: Any) -> Language:
    data = schema.check_keys(value, _LANGUAGE_KEYS, "common.yml language", _LANGUAGE_KEYS)
    lists = {
        key: frozenset(schema.texts(data[key], f"common.yml language {key}"))
        for key in ("fillers", "be_verbs", "be_past", "own", "others", "not_owned")
    }
    shorthand = {
        str(short): schema.text(long, f"common.yml shorthand {short}") for short, long in data["shorthand"].items()
    }
    every_filler = lists["fillers"] | lists["be_verbs"] | lists["own"] | lists["others"]
    return Language(
        every_filler,
        lists["be_verbs"],
        lists["be_past"],
        lists["own"],
        lists["others"],
        lists["not_owned"],
        shorthand,
        {
            str(word): frozenset(schema.texts(following, f"common.yml kept_before {word}"))
            for word, following in data["kept_before"].items()
        },
    )


def _index(categories: Iterable[Category], finder: PhraseFinder) -> RuleIndex:
    """Each rule under the rarest family that it needs: the one with the fewest phrases."""
    placed = [
        Placed(category, kind, rule)
        for category in categories
        for kind, group in (("hard", category.hard), ("ask", category.ask), ("hint", category.hint))
        for rule in group
    ]
    by_family: dict[str, list[int]] = {}
    for place, one in enumerate(placed):
        needs = sorted(one.rule.frame.needs)
        # A pooled frame may have any of its parts in this message and the others in earlier ones.
        keys = needs if one.rule.frame.pooled else [min(needs, key=lambda family: (finder.sizes[family], family))]
        for family in keys:
            by_family.setdefault(family, []).append(place)
    needed = (frozenset() if one.rule.frame.pooled else one.rule.frame.needs for one in placed)
    return RuleIndex(tuple(placed), tuple(needed), {family: tuple(places) for family, places in by_family.items()})


def _add_families(families: dict[str, list[str]], value: Any, where: str) -> None:
    if not isinstance(value, dict):
        raise ValueError(f"{where}: families must be a mapping")
    for name, phrases in value.items():
        if name in families:
            raise ValueError(f"{where} {name}: this family is defined twice")
        families[name] = list(schema.texts(phrases, f"{where} {name}"))


def _numbers(value: Any) -> dict[str, tuple[tuple[float, float], ...]]:
    if not isinstance(value, dict):
        raise ValueError("common.yml numbers: expected a mapping")
    return {name: tuple((float(low), float(high)) for low, high in ranges) for name, ranges in value.items()}


def _policy(common: Mapping[str, Any]) -> Policy:
    scopes = schema.read_scopes(common["scopes"], "common.yml scopes")
    missing = set(schema.SCOPES) - set(scopes)
    if missing:
        raise ValueError(f"common.yml scopes: missing {', '.join(sorted(missing))}")
    confidence = schema.check_keys(
        common["confidence"], {"hard", "ask", "excused"}, "common.yml confidence", {"hard", "ask", "excused"}
    )
    leads = schema.check_keys(common["leads"], set(schema.ALARM_TIERS), "common.yml leads", set(schema.ALARM_TIERS))
    words = schema.read_words(common["words"], "common.yml words")
    missing = set(schema.ALARM_TIERS) - set(words)
    if missing:
        raise ValueError(f"common.yml words: missing {', '.join(sorted(missing))}")
    buttons = tuple(
        schema.check_keys(one, {"id", "title"}, "common.yml buttons", {"id", "title"}) for one in common["buttons"]
    )
    return Policy(
        scopes=scopes,
        confidence={kind: float(value) for kind, value in confidence.items()},
        history=int(common["history"]),
        raises=schema.read_raises(common["raise"], "common.yml raise"),
        same_day_systems=int(common["same_day_systems"]),
        leads={tier: schema.patient_text(one, "common.yml leads") for tier, one in leads.items()},
        words=words,
        buttons=buttons,
    )


def _compile(
    families: Mapping[str, list[str]],
    categories: Sequence[Category],
    policy: Policy,
    language: Language,
    numbers: Mapping[str, tuple[tuple[float, float], ...]],
    blockers: frozenset[str],
) -> tuple[PhraseFinder, set[str]]:
    """One finder for everything, and the words that spelling repair may lead to."""
    every = {**families, **{_never_family(one.id): [frame.text for frame in one.never] for one in categories}}
    frames = [rule.frame for one in categories for rule in (*one.hard, *one.ask, *one.hint)]
    frames += [condition.frame for one in categories for condition in one.raises]
    frames += [condition.frame for condition in policy.raises]
    derived: dict[str, list[Frame]] = {}
    phrases: dict[str, list[str]] = {}
    for name, entries in every.items():
        for entry in entries:
            if any(mark in entry for mark in ("{", "..", "<>")):
                made = parse_frame(entry)
                if len(made.chunks) > 1:
                    raise ValueError(f"family {name}: {entry!r} must be one chunk")
                derived.setdefault(name, []).append(made)
            else:
                phrases.setdefault(name, []).append(entry)
    frames += chain.from_iterable(derived.values())
    phrases.update({name: [words] for name, words in literals(frames).items()})
    _check_block_ends(derived, language)
    spelled = {name: _spelled(name, entries, language) for name, entries in phrases.items()}
    known = set(spelled) | set(derived) | set(numbers)
    for frame in frames:
        for step in (step for chunk in frame.chunks for step in chunk.steps):
            if step.family not in known:
                raise ValueError(f"{frame.text!r}: there is no family {{{step.family}}}")
    ordered = _in_order(derived)
    targets = {
        word for name, entries in spelled.items() if not name.startswith("cue_") for one in entries for word in one
    }
    return build_finder(spelled, numbers, ordered, blockers), targets


def _spelled(name: str, entries: list[str], language: Language) -> list[tuple[str, ...]]:
    found: dict[tuple[str, ...], None] = {}
    for entry in entries:
        for spelling in expand(entry):
            words = plain_words(spelling, language)
            if _blocks(name) and spelling.split()[-1].lower() in language.fillers:
                raise ValueError(f"family {name}: {spelling!r} ends in a filler word and would block more than it says")
            if not words:
                raise ValueError(f"family {name}: {spelling!r} holds only filler words")
            if len(words) == 1 and len(spelling.split()) > 1 and _blocks(name):
                raise ValueError(f"family {name}: {spelling!r} would block every {words[0]!r}")
            if len(words) == 1 and len(spelling.split()) > 1 and words[0] in _TOO_BROAD:
                raise ValueError(f"family {name}: {spelling!r} would match every {words[0]!r}")
            found[words] = None
    return list(found)


def _blocks(name: str) -> bool:
    """Families that take findings away: a phrase in them must not be broader than it reads."""
    return name == _IDIOMS or name.startswith("never_")


def _check_block_ends(derived: Mapping[str, list[Frame]], language: Language) -> None:
    for name in filter(_blocks, derived):
        for made in derived[name]:
            words = literal(made.chunks[0].steps[-1].family)
            for spelling in expand(words) if words is not None else ():
                if spelling.split()[-1].lower() in language.fillers:
                    raise ValueError(f"family {name}: {made.text!r} ends in a filler word")


def _in_order(derived: Mapping[str, list[Frame]]) -> list[tuple[str, tuple[Frame, ...]]]:
    """Families made of families, each after the ones it is made of. Raises ValueError on a circle."""
    waiting = {
        name: {step.family for frame in frames for step in frame.chunks[0].steps} & set(derived) - {name}
        for name, frames in derived.items()
    }
    ordered: list[tuple[str, tuple[Frame, ...]]] = []
    while waiting:
        ready = sorted(name for name, needs in waiting.items() if not needs & set(waiting))
        if not ready:
            raise ValueError(f"families go in a circle: {', '.join(sorted(waiting))}")
        for name in ready:
            ordered.append((name, tuple(derived[name])))
            del waiting[name]
    return ordered


def _never_family(identity: str) -> str:
    return f"never_{identity.lower()}"


def _answers(value: Any, language: Language) -> Answers:
    data = schema.check_keys(value, {"no", "yes", "around"}, "common.yml answers", {"no", "yes", "around"})
    units = {
        key: frozenset(
            tuple(spelling.lower().replace("'", "").split())
            for one in schema.texts(entries, f"common.yml answers {key}")
            for spelling in expand(one)
        )
        for key, entries in data.items()
    }
    return Answers(no=units["no"], yes=units["yes"], around=units["around"])


def _check_ids(categories: list[Category]) -> None:
    seen: set[str] = set()
    for category in categories:
        if category.id in seen:
            raise ValueError(f"{category.id}: defined twice")
        seen.add(category.id)
