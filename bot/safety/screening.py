"""Screen one message, with the last ones in mind: which red flags does it raise, and how urgent is the worst?

Nothing here can lower a finding: rules only add, the most urgent tier wins, minimisers are not looked at.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass, replace
from itertools import groupby
from typing import Any

from bot.safety import scope as scopes
from bot.safety.frames import Chunk, Frame
from bot.safety.matching import Found, Hit, chunk_hits
from bot.safety.normalise import tokenise
from bot.safety.rules import Placed, RuleSet, load_rules
from bot.safety.schema import ALARM_TIERS, ASK, FIRE, NONE, TIERS, Category, Raise, Rule
from bot.safety.scope import ScopeReader
from bot.safety.words import is_plain_no

HARD_RULE, ASK_RULE = "hard", "ask"
NO_ALARM = "T4"
_RANK = {name: place for place, name in enumerate(scopes.SCOPES)}


@dataclass(frozen=True)
class Finding:
    """One red flag in a message. ``span`` points into the original text; ``words`` are those characters."""

    rule: str
    category: str
    tier: str
    span: tuple[int, int]
    words: str
    scope: str
    confidence: float
    raised_by: str


@dataclass(frozen=True)
class Screening:
    """The result for one message: T0-T3 is an alarm, or with ``ask`` only a question that is to be put."""

    tier: str | None
    ask: bool
    findings: tuple[Finding, ...]
    worst: Finding | None

    def as_dict(self) -> dict[str, Any]:
        """The same as plain data for JSON."""
        found = asdict(self)
        return {**found, "findings": list(found["findings"])}


@dataclass(frozen=True)
class _Reading:
    """One message, read: its families and a way to ask for scopes."""

    text: str
    found: Found
    reader: ScopeReader


@dataclass(frozen=True)
class _Place:
    scope: str
    hit: Hit


@dataclass(frozen=True)
class _Judged:
    finding: Finding
    effect: str


def screen(text: str, history: Sequence[str] = (), rules: RuleSet | None = None) -> Screening:
    """Screen a message; ``history`` holds the earlier messages of the same person, oldest first.

    Never raises on any text. The same text, history and rules always give the same result.
    """
    rules = rules or load_rules()
    reading = _read(text, rules)
    recent = list(history)[-rules.policy.history :] if rules.policy.history else []
    earlier = [_read(one, rules) for one in recent]
    denied = {place for place in range(len(recent) - 1) if is_plain_no(recent[place + 1], rules)}
    if recent and is_plain_no(text, rules):
        denied.add(len(recent) - 1)
    judged: list[_Judged] = []
    for category, placed in groupby(rules.index.candidates(reading.found.spans), key=lambda one: one.category):
        judged.extend(_screen_category(category, placed, reading, earlier, denied, rules))
    judged = _raise_together(judged, rules)
    return _conclude(judged)


def _read(text: str, rules: RuleSet) -> _Reading:
    found = rules.finder.find(tokenise(text, rules.language, rules.speller))
    return _Reading(text, found, ScopeReader(found))


def _screen_category(
    category: Category,
    placed: Iterable[Placed],
    reading: _Reading,
    earlier: Sequence[_Reading],
    denied: set[int],
    rules: RuleSet,
) -> list[_Judged]:
    judged: dict[tuple[str, str, tuple[int, int]], _Judged] = {}
    for rule, kind in ((one.rule, one.kind) for one in placed):
        place = _apply(rule.frame, category, reading, earlier, rules)
        if place is None:
            continue
        if rule.tense and place.scope == scopes.NOW and reading.reader.narrated(place.hit):
            place = replace(place, scope=scopes.PAST)
        one = _judge(rule, kind, place, category, reading, rules)
        judged.setdefault((one.effect, one.finding.scope, one.finding.span), one)
    found = list(judged.values())
    if category.pool_asks and not any(one.effect == FIRE for one in found):
        found = [_second_mention(one, category, earlier, denied, rules) for one in found]
    return [_raised(one, category, reading, earlier, rules) for one in found]


def _apply(
    frame: Frame, category: Category, reading: _Reading, earlier: Sequence[_Reading], rules: RuleSet
) -> _Place | None:
    """Where a frame holds, with the scope of its weakest chunk; None where it does not hold."""
    if not frame.pooled and not frame.needs <= reading.found.spans.keys():
        return None
    shown: _Place | None = None
    weakest = scopes.NOW
    for chunk in frame.chunks:
        here = _best(chunk, category, reading, rules)
        if chunk.absent:
            if here is not None and here.scope != scopes.NEGATED:
                return None
            continue
        place = here
        if frame.pooled:
            before = [_best(chunk, category, one, rules) for one in earlier]
            place = min((one for one in (here, *before) if one is not None), key=_urgency, default=None)
        if place is None:
            return None
        weakest = max(weakest, place.scope, key=_RANK.__getitem__)
        shown = shown or here
    return replace(shown, scope=weakest) if shown else None


def _best(chunk: Chunk, category: Category | None, reading: _Reading, rules: RuleSet) -> _Place | None:
    """The chunk's most telling place in a message: "now" before "past" before "negated"."""
    if any(step.family not in reading.found.spans for step in chunk.steps):
        return None
    idioms = rules.idioms_for(category) if category else ()
    ignore_person = category.ignore_person if category else False
    best: _Place | None = None
    for hit in chunk_hits(reading.found, chunk, rules.blockers):
        scope = reading.reader.scope(hit, idioms, ignore_person)
        if chunk.past_is_fine and scope in (scopes.PAST, scopes.KNOWN):
            scope = scopes.NOW
        if best is None or _RANK[scope] < _RANK[best.scope]:
            best = _Place(scope, hit)
        if scope == scopes.NOW:
            break
    return best


def _urgency(place: _Place) -> int:
    return _RANK[place.scope]


def _judge(rule: Rule, kind: str, place: _Place, category: Category, reading: _Reading, rules: RuleSet) -> _Judged:
    allowed = {**rules.policy.scopes, **category.scopes, **rule.scopes}
    effect = allowed[place.scope]
    if kind == ASK_RULE:
        effect = ASK if effect == FIRE else NONE
    tokens = reading.found.tokens
    first, last = place.hit.span
    span = (tokens.starts[first], max(tokens.ends[first:last]))
    confidence = rules.policy.confidence[{FIRE: "hard", ASK: "ask", NONE: "excused"}[effect]]
    finding = Finding(
        rule=rule.id,
        category=category.id,
        tier=NO_ALARM if effect == NONE else rule.tier or category.tier,
        span=span,
        words=reading.text[span[0] : span[1]],
        scope=_shown_scope(rule, place, category, reading),
        confidence=confidence,
        raised_by=HARD_RULE if effect == FIRE else ASK_RULE if effect == ASK else kind,
    )
    return _Judged(finding, effect)


def _shown_scope(rule: Rule, place: _Place, category: Category, reading: _Reading) -> str:
    """What a finding says. In categories that fire whoever is meant, it still has to say whose danger it is."""
    another = rule.helper or (category.ignore_person and reading.reader.tells_of_another(place.hit))
    if another and place.scope in (scopes.NOW, scopes.KNOWN):
        return scopes.OTHER_NOW
    return scopes.SHOWN_AS.get(place.scope, place.scope)


def _second_mention(
    one: _Judged, category: Category, earlier: Sequence[_Reading], denied: set[int], rules: RuleSet
) -> _Judged:
    """A second, different soft sign within the last messages counts as a yes, unless the first was denied."""
    if one.effect != ASK:
        return one
    for place, reading in enumerate(earlier):
        if place in denied:
            continue
        for rule in category.ask:
            if rule.id == one.finding.rule or rule.frame.pooled:
                continue
            found = _apply(rule.frame, category, reading, (), rules)
            if found is not None and _judge(rule, ASK_RULE, found, category, reading, rules).effect == ASK:
                sure = replace(one.finding, raised_by=HARD_RULE, confidence=rules.policy.confidence["hard"])
                return _Judged(sure, FIRE)
    return one


def _raised(
    one: _Judged, category: Category, reading: _Reading, earlier: Sequence[_Reading], rules: RuleSet
) -> _Judged:
    if one.effect != FIRE:
        return one
    tier = one.finding.tier
    for condition in (*category.raises, *rules.policy.raises):
        higher = TIERS.index(condition.to) < TIERS.index(tier)
        meant = not condition.only_from or tier in condition.only_from
        if higher and meant and _holds(condition, category, (reading, *earlier), rules):
            tier = condition.to
    return replace(one, finding=replace(one.finding, tier=tier))


def _holds(condition: Raise, category: Category, readings: Iterable[_Reading], rules: RuleSet) -> bool:
    for reading in readings:
        place = _apply(condition.frame, category, reading, (), rules)
        if place is not None and place.scope in (scopes.NOW, scopes.OTHER_NOW):
            return True
    return False


def _raise_together(judged: list[_Judged], rules: RuleSet) -> list[_Judged]:
    """Two same-day findings in different systems of the body are an emergency together (clinical 3.2)."""
    systems = {
        rules.category(one.finding.category).system for one in judged if one.effect == FIRE and one.finding.tier == "T2"
    }
    if len(systems) < rules.policy.same_day_systems:
        return judged
    return [
        replace(one, finding=replace(one.finding, tier="T1"))
        if one.effect == FIRE and one.finding.tier == "T2"
        else one
        for one in judged
    ]


def _conclude(judged: list[_Judged]) -> Screening:
    ordered = sorted(judged, key=_order)
    findings = tuple(one.finding for one in ordered)
    worst = ordered[0] if ordered else None
    if worst is None or worst.effect == NONE:
        return Screening(tier=None, ask=False, findings=findings, worst=None)
    return Screening(
        tier=worst.finding.tier,
        ask=worst.effect == ASK and worst.finding.tier in ALARM_TIERS,
        findings=findings,
        worst=worst.finding,
    )


def _order(one: _Judged) -> tuple[Any, ...]:
    finding = one.finding
    quiet = one.effect == FIRE and finding.tier == NO_ALARM
    effect = {FIRE: 2 if quiet else 0, ASK: 1, NONE: 3}[one.effect]
    return (
        effect,
        TIERS.index(finding.tier),
        _RANK.get(finding.scope, 0),
        finding.span,
        finding.category,
        finding.rule,
    )
