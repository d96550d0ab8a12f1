"""Screen one message, with the last ones in mind: which red flags does it raise, and how urgent is the worst?

Nothing here can lower a finding: rules only add, the most urgent tier wins, minimisers are not looked at.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from dataclasses import asdict, dataclass, replace
from functools import lru_cache
from itertools import groupby
from typing import TYPE_CHECKING, Any

from bot.safety import scope as scopes
from bot.safety.frames import Chunk, Frame
from bot.safety.matching import Found, Hit, chunk_hits
from bot.safety.normalise import tokenise
from bot.safety.rules import Placed, RuleSet, load_rules
from bot.safety.schema import ALARM_TIERS, ASK, FIRE, NONE, TIERS, Category, Raise, Rule
from bot.safety.scope import ScopeReader
from bot.safety.words import is_plain_no

if TYPE_CHECKING:
    from bot.safety.soft import SoftLayer

HARD_RULE, ASK_RULE, HINT, SOFT = "hard", "ask", "hint", "soft"
NO_ALARM = "T4"
# The parts of a frame stand at most so many content words apart (about forty words as written): in a long post, two
# words from different matters are no finding.
_SPREAD = 22
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
    """The result for one message: T0-T3 is an alarm, or with ``ask`` only a question that is to be put.

    ``question``: beside an alarm, a question about something that would be graver.
    """

    tier: str | None
    ask: bool
    findings: tuple[Finding, ...]
    worst: Finding | None
    question: Finding | None = None

    def as_dict(self) -> dict[str, Any]:
        """The same as plain data for JSON."""
        found = asdict(self)
        return {**found, "findings": list(found["findings"])}


@dataclass(frozen=True)
class Reading:
    """One message, read: its families and a way to ask for scopes."""

    text: str
    found: Found
    reader: ScopeReader


@dataclass(frozen=True)
class _Known:
    """What is known besides the message: earlier ones (and which of them were denied), and confirmed facts."""

    earlier: tuple[Reading, ...]
    unmeant: frozenset[int]
    facts: frozenset[str]
    rules: RuleSet


@dataclass(frozen=True)
class _Place:
    scope: str
    hit: Hit


@dataclass(frozen=True)
class _Judged:
    finding: Finding
    effect: str


def screen(
    text: str,
    history: Sequence[str] = (),
    rules: RuleSet | None = None,
    soft: SoftLayer | None = None,
    denied: Collection[str] = (),
    facts: Collection[str] = (),
    hints_ask: bool | None = None,
) -> Screening:
    """Screen a message; ``history`` holds the earlier messages of the same person, oldest first.

    ``soft``: the trained second layer, which may raise a question. ``denied``: categories that were asked about and
    answered No lately; they are not asked about again, but an alarm always gets through. ``facts``: families that the
    person has confirmed (for example "pregnant_now"), which count as said. ``hints_ask``: whether rules too broad for
    a question by themselves put one all the same; by default where there is no soft layer to judge them.

    Never raises on any text. The same text, history and rules always give the same result.
    """
    rules = rules or load_rules()
    reading = read(text, rules)
    recent = list(history)[-rules.policy.history :] if rules.policy.history else []
    earlier = [read(one, rules) for one in recent]
    unmeant = {place for place in range(len(recent) - 1) if is_plain_no(recent[place + 1], rules)}
    if recent and is_plain_no(text, rules):
        unmeant.add(len(recent) - 1)
    known = _Known(tuple(earlier), frozenset(unmeant), frozenset(facts), rules)
    hints = soft is None if hints_ask is None else hints_ask
    judged = _raise_together(_judge_all(reading, known, hints), rules)
    if soft is not None:
        judged = _ask_softly(judged, reading, soft, rules)
    return _conclude([_unasked(one) if one.finding.category in denied else one for one in judged])


def evidence(reading: Reading, rules: RuleSet) -> list[Finding]:
    """Everything the rules find in one message by itself, hints too: what the soft layer learns from."""
    alone = _Known((), frozenset(), frozenset(), rules)
    return [one.finding for one in _judge_all(reading, alone, hints_ask=False)]


def _judge_all(reading: Reading, known: _Known, hints_ask: bool) -> list[_Judged]:
    judged: list[_Judged] = []
    worth_a_try = known.rules.index.candidates(reading.found.families)
    for category, placed in groupby(worth_a_try, key=lambda one: one.category):
        judged.extend(_screen_category(category, placed, reading, known, hints_ask))
    return judged


def _ask_softly(judged: list[_Judged], reading: Reading, soft: SoftLayer, rules: RuleSet) -> list[_Judged]:
    """Add the question of the trained layer, unless the rules raise an alarm anyway."""
    heard = soft.hear(reading.text, reading.found, reading.reader, [one.finding for one in judged])
    if heard is None or not heard.asks:
        return judged
    finding = Finding(
        rule=f"{heard.category}.soft",
        category=heard.category,
        tier=rules.category(heard.category).tier,
        span=heard.span,
        words=reading.text[slice(*heard.span)],
        scope=scopes.NOW,
        confidence=round(heard.probability, 3),
        raised_by=SOFT,
    )
    return [*judged, _Judged(finding, ASK)]


def _unasked(one: _Judged) -> _Judged:
    """A question that was put and answered with No a little while ago is not put again."""
    return replace(one, effect=NONE, finding=replace(one.finding, tier=NO_ALARM)) if one.effect == ASK else one


@lru_cache(maxsize=128)
def read(text: str, rules: RuleSet) -> Reading:
    """One message, read. The last few are remembered: a conversation's last messages are looked at again each time."""
    found = rules.finder.find(tokenise(text, rules.language, rules.speller))
    return Reading(text, found, ScopeReader(found))


def _screen_category(
    category: Category, placed: Iterable[Placed], reading: Reading, known: _Known, hints_ask: bool
) -> list[_Judged]:
    judged: dict[tuple[str, str, str, tuple[int, int]], _Judged] = {}
    for rule, kind in ((one.rule, one.kind) for one in placed):
        place = _apply(rule.frame, category, reading, known)
        if place is None:
            continue
        if rule.tense and place.scope == scopes.NOW and reading.reader.narrated(place.hit):
            place = replace(place, scope=scopes.PAST)
        one = _judge(rule, ASK_RULE if kind == HINT and hints_ask else kind, place, category, reading, known.rules)
        judged.setdefault((one.effect, one.finding.raised_by, one.finding.scope, one.finding.span), one)
    found = list(judged.values())
    if category.pool_asks and not any(one.effect == FIRE for one in found):
        found = [_second_mention(one, category, known) for one in found]
    return [_raised(one, category, reading, known) for one in found]


def _apply(frame: Frame, category: Category, reading: Reading, known: _Known) -> _Place | None:
    """Where a frame holds, with the scope of its weakest chunk; None where it does not hold."""
    if not frame.pooled and not frame.needs <= reading.found.families:
        return None
    present = [chunk for chunk in frame.chunks if not chunk.absent]
    unwanted = [
        place
        for chunk in frame.chunks
        if chunk.absent
        for place in _places(chunk, category, reading, known.rules)
        if place.scope != scopes.NEGATED
    ]
    if frame.pooled:
        return None if unwanted else _pooled(present, category, reading, known)
    places = []
    for chunk in present:
        places.append(_places(chunk, category, reading, known.rules))
        if not places[-1]:
            return None
    best: _Place | None = None
    for anchor in places[0]:
        near = [_nearest(anchor, others, _SPREAD) for others in places[1:]]
        if any(one is None for one in near) or any(_excuses(one, anchor, reading) for one in unwanted):
            continue
        weakest = max((anchor.scope, *(one.scope for one in near if one)), key=_RANK.__getitem__)
        if best is None or _RANK[weakest] < _RANK[best.scope]:
            best = replace(anchor, scope=weakest)
    return best


def _excuses(place: _Place, anchor: _Place, reading: Reading) -> bool:
    """What is said in another sentence takes nothing back, nor what was before a "but" or an "and"."""
    first, last = sorted((place.hit.span, anchor.hit.span))
    return first[1] > last[0] or reading.reader.same_clause(first[1], last[0], whole=first == anchor.hit.span)


def _nearest(anchor: _Place, others: Sequence[_Place], reach: int) -> _Place | None:
    """The most telling of these places that is near enough to belong to the same matter."""
    start, end = anchor.hit.span
    near = [one for one in others if one.hit.span[0] - end <= reach and start - one.hit.span[1] <= reach]
    return min(near, key=_urgency, default=None)


def _pooled(chunks: Sequence[Chunk], category: Category, reading: Reading, known: _Known) -> _Place | None:
    """One chunk in this message, the others here, in an earlier message or among the confirmed facts."""
    shown: _Place | None = None
    weakest = scopes.NOW
    for chunk in chunks:
        here = _best(chunk, category, reading, known.rules)
        before = [_best(chunk, category, one, known.rules) for one in known.earlier]
        place = min((one for one in (here, *before) if one is not None), key=_urgency, default=None)
        if len(chunk.steps) == 1 and chunk.steps[0].family in known.facts:
            continue
        if place is None:
            return None
        weakest = max(weakest, place.scope, key=_RANK.__getitem__)
        shown = shown or here
    return replace(shown, scope=weakest) if shown else None


def _best(chunk: Chunk, category: Category, reading: Reading, rules: RuleSet) -> _Place | None:
    """The chunk's most telling place in a message: "now" before "past" before "negated"."""
    return min(_places(chunk, category, reading, rules), key=_urgency, default=None)


def _places(chunk: Chunk, category: Category, reading: Reading, rules: RuleSet) -> list[_Place]:
    """Where a chunk stands in a message, each with its scope, in the order of the text."""
    if any(step.family not in reading.found.families for step in chunk.steps):
        return []
    idioms = rules.idioms_for(category)
    places = []
    for hit in chunk_hits(reading.found, chunk, rules.blockers):
        scope = reading.reader.scope(hit, idioms, category.ignore_person)
        if chunk.past_is_fine and scope in (scopes.PAST, scopes.KNOWN, scopes.SETTLED):
            scope = scopes.NOW
        places.append(_Place(scope, hit))
    return places


def _urgency(place: _Place) -> int:
    return _RANK[place.scope]


def _judge(rule: Rule, kind: str, place: _Place, category: Category, reading: Reading, rules: RuleSet) -> _Judged:
    allowed = {**rules.policy.scopes, **category.scopes, **rule.scopes}
    effect = allowed[place.scope]
    if kind != HARD_RULE:
        effect = ASK if effect == FIRE and kind == ASK_RULE else NONE
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


def _shown_scope(rule: Rule, place: _Place, category: Category, reading: Reading) -> str:
    """What a finding says. In categories that fire whoever is meant, it still has to say whose danger it is."""
    another = rule.helper or (category.ignore_person and reading.reader.tells_of_another(place.hit))
    if another and place.scope in (scopes.NOW, scopes.KNOWN):
        return scopes.OTHER_NOW
    return scopes.SHOWN_AS.get(place.scope, place.scope)


def _second_mention(one: _Judged, category: Category, known: _Known) -> _Judged:
    """A second, different soft sign within the last messages counts as a yes, unless the first was denied."""
    if one.effect != ASK:
        return one
    alone = _Known((), frozenset(), frozenset(), known.rules)
    for place, reading in enumerate(known.earlier):
        if place in known.unmeant:
            continue
        for rule in (*category.ask, *category.hint):
            if rule.id == one.finding.rule or rule.frame.pooled:
                continue
            found = _apply(rule.frame, category, reading, alone)
            if found is not None and _judge(rule, ASK_RULE, found, category, reading, known.rules).effect == ASK:
                sure = replace(one.finding, raised_by=HARD_RULE, confidence=known.rules.policy.confidence["hard"])
                return _Judged(sure, FIRE)
    return one


def _raised(one: _Judged, category: Category, reading: Reading, known: _Known) -> _Judged:
    if one.effect != FIRE:
        return one
    tier = one.finding.tier
    for condition in (*category.raises, *known.rules.policy.raises):
        higher = TIERS.index(condition.to) < TIERS.index(tier)
        meant = not condition.only_from or tier in condition.only_from
        if higher and meant and _holds(condition, category, reading, known):
            tier = condition.to
    return replace(one, finding=replace(one.finding, tier=tier))


def _holds(condition: Raise, category: Category, reading: Reading, known: _Known) -> bool:
    steps = [chunk.steps for chunk in condition.frame.chunks]
    if len(steps) == 1 and len(steps[0]) == 1 and steps[0][0].family in known.facts:
        return True
    alone = _Known((), frozenset(), frozenset(), known.rules)
    for one in (reading, *known.earlier):
        place = _apply(condition.frame, category, one, alone)
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
    findings = tuple(one.finding for one in ordered if one.finding.raised_by != HINT)
    worst = ordered[0] if ordered else None
    if worst is None or worst.effect == NONE:
        return Screening(tier=None, ask=False, findings=findings, worst=None)
    graver = [one.finding for one in ordered if one.effect == ASK and one.finding.tier < worst.finding.tier]
    return Screening(
        tier=worst.finding.tier,
        ask=worst.effect == ASK and worst.finding.tier in ALARM_TIERS,
        findings=findings,
        worst=worst.finding,
        question=graver[0] if graver and worst.effect == FIRE else None,
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
