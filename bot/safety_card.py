"""The Safety Card: what the red-flag screening catches and misses on the repository's labelled messages.

``measure`` screens the sets, ``write_card`` writes ``docs/safety-card.md`` and ``.html``, ``check_card`` says in a
moment whether they still hold. All wording is under ``data/safety/card``; the page is made by ``safety_card_page``.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from bot import safety_card_page as page
from bot.content.files import DATA, ContentError, read_yaml
from bot.safety_card_page import Texts
from bot.settings import ROOT

CARD, PAGE = ROOT / "docs" / "safety-card.md", ROOT / "docs" / "safety-card.html"
STALE = "the card is stale: run pne safety-card"
# What the figures come from: the soft layer's inputs (bot.training) and, besides, the other sets and the code. What the
# card only says (its own folder) needs no new measuring: a change there is seen when the card is written again.
MADE_OF = ("data/safety/**/*", "tests/safety/*.yml", "tests/nlu/heldout*.yml", "bot/screening.py", "bot/safety_card.py")
WORDING = "data/safety/card"
HELD_OUT = {"heldout": ("heldout.yml", "questions"), "heldout_outside": ("heldout_out_of_scope.yml", "messages")}
LOOK_ALIKES, ORDINARY, TOPICS = "look_alikes", "ordinary", "topics"
QUESTIONS = "questions"  # the file of questions about pain that the soft layer learns as ordinary talk
CLEAR, UNCLEAR = "clear", "unclear"
_EXPECTED = {CLEAR: "fire", UNCLEAR: "ask"}
_QUIET = (LOOK_ALIKES, ORDINARY)
_KINDS = {"must_fire": "fire", "must_ask": "ask", "must_not_fire": "none"}


@dataclass(frozen=True)
class Case:
    """One labelled message and the set that it is from. ``expect``: fire or ask (needs help), or none."""

    text: str
    expect: str
    category: str | None
    kind: str
    source: str


@dataclass(frozen=True)
class Verdict:
    """What the screening did: the tier of its alarm, or a question, or nothing; ``category`` is the one it names."""

    alarm: str | None = None
    asked: bool = False
    category: str | None = None


Judge = Callable[[str], Verdict]


@dataclass(frozen=True)
class Sets:
    """What is measured: messages judged out of fold, those no layer has learned from, and each category's examples."""

    learning: Sequence[Case]
    held_out: Sequence[Case]
    examples: Sequence[Case]


def card_hash(root: Path = ROOT) -> str:
    """The hash of all that is measured. Without the Python version: the figures are the same on all of them."""
    from bot.training import SOFT_MADE_OF

    found = {path for pattern in (*SOFT_MADE_OF, *MADE_OF) for path in root.glob(pattern) if path.is_file()}
    paths = {path for path in found if not path.is_relative_to(root / WORDING)}
    digest = hashlib.sha256()
    for path in sorted(paths, key=lambda path: path.relative_to(root).as_posix()):
        name = path.relative_to(root).as_posix()
        digest.update(name.encode() + b"\0" + hashlib.sha256(path.read_bytes()).digest())
    return digest.hexdigest()[:16]


def load_sets(root: Path = ROOT) -> Sets:
    """The labelled sets of this repository. Raises ValueError or ContentError naming file and place of a slip."""
    from bot.safety.learning import load_learning
    from bot.safety.rules import load_examples

    known = {one.text.strip().lower(): one for one in load_learning(root / "data" / "safety" / "learning")}
    own = _categories_of_near_misses(root)
    learning = []
    for path in sorted((root / "data" / "safety" / "learning").glob("*.jsonl")):
        for line in path.read_text(encoding="utf-8").splitlines():
            # The first of two equal messages counts, as it does in training.
            key = json.loads(line)["text"].strip().lower()
            if one := known.pop(key, None):
                category = one.category or own.get(key)
                asked = path.stem == QUESTIONS
                kind, source = (TOPICS, TOPICS) if asked else (one.kind, path.stem)
                learning.append(Case(one.text, one.expect, category, kind, source))
    held_out = [
        Case(one["text"], "none", None, source, source)
        for source, (file, key) in HELD_OUT.items()
        for one in read_yaml(root / "tests" / "nlu" / file)[key]
    ]
    regression = [
        Case(one["text"] if isinstance(one, dict) else one, _KINDS[kind], identity, kind, "examples")
        for identity, kinds in load_examples(root / "data" / "safety").items()
        for kind, texts in kinds.items()
        for one in texts
    ]
    return Sets(learning, held_out, regression)


def measure(
    sets: Sets, out_of_fold: Judge, both: Judge, categories: Mapping[str, tuple[str, str]], about: Mapping[str, Any]
) -> dict[str, Any]:
    """The card's figures. ``categories``: id to name and tier; ``about``: what is known of the run, kept as it is."""
    from bot.safety.schema import ALARM_TIERS

    seen = [(case, out_of_fold(case.text)) for case in sets.learning]
    held_out = [(case, both(case.text)) for case in sets.held_out]
    regression = [(case, both(case.text)) for case in sets.examples]
    helped = [one for one in seen if one[0].expect != "none"]
    quiet = [one for one in seen if one[0].expect == "none"]
    identities = sorted({*categories, *(case.category for case, _ in helped if case.category)})
    tiers = {identity: categories[identity][1] if identity in categories else "" for identity in identities}

    def of_tier(tier: str, expect: str) -> dict[str, int]:
        mine = [one for one in helped if tiers[str(one[0].category)] == tier and one[0].expect == expect]
        later = [v for _, v in mine if v.alarm and tier and ALARM_TIERS.index(v.alarm) > ALARM_TIERS.index(tier)]
        return {**_tally(mine), "less_urgent": len(later)}

    return {
        **about,
        "sets": _sizes(sets),
        "all": {kind: _tally(one for one in helped if one[0].expect == e) for kind, e in _EXPECTED.items()},
        "tiers": {
            tier: {kind: of_tier(tier, expect) for kind, expect in _EXPECTED.items()}
            for tier in (*ALARM_TIERS, "")
            if tier in tiers.values()
        },
        "categories": {
            identity: {
                "name": categories.get(identity, ("", ""))[0],
                "tier": tiers[identity],
                **_tally(one for one in helped if one[0].category == identity),
                LOOK_ALIKES: _tally(one for one in quiet if one[0].category == identity),
                "false_alarms": sum(v.alarm is not None and v.category == identity for _, v in quiet),
            }
            for identity in identities
        },
        "quiet": {
            kind: _tally(one for one in quiet if one[0].kind in kinds)
            for kind, kinds in ((LOOK_ALIKES, ("decoy",)), (ORDINARY, (ORDINARY,)), (TOPICS, (TOPICS,)))
        },
        "held_out": {source: _tally(one for one in held_out if one[0].source == source) for source in HELD_OUT},
        "by_set": {
            source: {
                "helped": _tally(one for one in helped if one[0].source == source),
                "quiet": _tally(one for one in quiet if one[0].source == source),
            }
            for source in sorted({case.source for case in sets.learning} - {TOPICS})
        },
        "regression": {kind: _tally(one for one in regression if one[0].kind == kind) for kind in _KINDS},
    }


def gate_values(figures: Mapping[str, Any]) -> dict[str, float | None]:
    """The figures that a gate may stand on, in per cent; None where nothing was measured."""
    both = {"all": figures["all"], **{tier: figures["tiers"].get(tier, {}) for tier in ("T0", "T1", "T2", "T3")}}
    found: dict[str, float | None] = {}
    for name, of in both.items():
        n = sum(one["n"] for one in of.values())
        found[f"caught_{name}"] = _percent(n - sum(one["missed"] for one in of.values()), n)
    clear = figures["all"][CLEAR]
    found["caught_clear"] = _percent(clear["n"] - clear["missed"], clear["n"])
    for kind in _QUIET:
        of = figures["quiet"][kind]
        found[f"{kind}_alarmed"] = _percent(of["alarm"], of["n"])
        found[f"{kind}_asked"] = _percent(of["question"], of["n"])
    return found


def failing_gates(figures: Mapping[str, Any], gates: Mapping[str, Mapping[str, Any]]) -> list[str]:
    """A sentence for each gate that the figures do not pass."""
    values = gate_values(figures)
    faults = []
    for identity, gate in gates.items():
        value, bound = values[identity], "least" if "least" in gate else "most"
        if not _holds(value, gate):
            found = "nothing was measured" if value is None else f"{value:.2f} %, at {bound} {gate[bound]:g} %"
            faults.append(f"gate {identity} ({gate['name']}): {found}")
    return faults


def _holds(value: float | None, gate: Mapping[str, Any]) -> bool:
    return value is not None and (value >= gate["least"] if "least" in gate else value <= gate["most"])


def write_card(
    figures: Mapping[str, Any], times: Mapping[str, Any], texts: Texts, card: Path = CARD, html: Path = PAGE
) -> list[str]:
    """Write both files. What changed is told against the card that stands there. Returns the gates that fail."""
    last = page.embedded(card.read_text(encoding="utf-8")) if card.exists() else None
    figures = {**figures, "before": page.before(last, str(figures["hash"]))}
    return _write(page.markdown(figures, times, texts, _gates(figures, texts)), figures, texts, card, html)


def rewrite_card(texts: Texts, current: str, card: Path = CARD, html: Path = PAGE) -> list[str] | None:
    """Write both files again from the card's own figures and times, as ``write_card``; None where they are too old."""
    last = card.read_text(encoding="utf-8") if card.exists() else ""
    figures = page.embedded(last)
    if figures is None or figures.get("hash") != current:
        return None
    written = page.with_times_of(last, page.markdown(figures, {}, texts, _gates(figures, texts)))
    return _write(written, figures, texts, card, html)


def _write(written: str, figures: Mapping[str, Any], texts: Texts, card: Path, html: Path) -> list[str]:
    card.write_text(written, encoding="utf-8")
    html.write_text(page.html(written, texts), encoding="utf-8")
    return failing_gates(figures, texts.config["gates"])


def check_card(texts: Texts, current: str, card: Path = CARD, html: Path = PAGE) -> list[str]:
    """What is wrong with the card, without measuring again; empty where it holds."""
    if not card.exists() or not html.exists():
        return [STALE]
    written = card.read_text(encoding="utf-8")
    figures = page.embedded(written)
    if figures is None or figures.get("hash") != current:
        return [STALE]
    again = page.markdown(figures, {}, texts, _gates(figures, texts))
    if page.without_times(written) != page.without_times(again):
        return [f"{card.name} says something other than its figures and data/safety/card; {STALE}"]
    if page.without_times(html.read_text(encoding="utf-8")) != page.without_times(page.html(again, texts)):
        return [f"{html.name} is not made from {card.name}; {STALE}"]
    return failing_gates(figures, texts.config["gates"])


def load_texts(folder: Path = DATA / "safety" / "card") -> Texts:
    """The wording, gates, rounds and listed exceptions. Raises ContentError naming the file and what is wrong."""
    config = read_yaml(folder / "card.yml")
    missing = page.CONFIG_KEYS ^ set(config)
    if missing:
        raise ContentError(f"card.yml: missing or unknown: {', '.join(sorted(missing))}")
    names = gate_values({"all": {CLEAR: _tally(())}, "tiers": {}, "quiet": {k: _tally(()) for k in _QUIET}})
    for identity, gate in config["gates"].items():
        if identity not in names or not {"name", "bar"} < set(gate) or len({"least", "most"} & set(gate)) != 1:
            raise ContentError(f"card.yml gates {identity}: one of {', '.join(names)}; name, bar, and least or most")
    rounds = read_yaml(folder / "rounds.yml")["rounds"]
    for one in rounds:
        if set(one) != page.ROUND_KEYS:
            raise ContentError(f"rounds.yml round {one.get('round')}: expected {', '.join(sorted(page.ROUND_KEYS))}")
    listed = [read_yaml(path) for path in sorted(folder.parent.rglob("exceptions.yml"))]
    return Texts(
        config,
        rounds,
        [one for file in listed for one in (file["exceptions"] if isinstance(file, dict) else file) or ()],
        (folder / "card.md.jinja").read_text(encoding="utf-8"),
        (folder / "page.html.jinja").read_text(encoding="utf-8"),
    )


def run(force: bool = False) -> list[str]:
    """Measure with the trained layer, where something has changed or ``force`` is set, and write the card.

    Returns the gates that fail.

    Raises TrainingFailed where the layer cannot be used or the files change meanwhile, ValueError or ContentError for
    a slip in the sets or in the card's own data.
    """
    from bot import safety, screening
    from bot.safety.learning import fingerprint
    from bot.safety_card_times import measure_times
    from bot.training import OUT_OF_FOLD, TrainingFailed, train_soft_layer

    texts, current = load_texts(), card_hash()
    faults = None if force else rewrite_card(texts, current)
    if faults is not None:
        return faults
    folder = train_soft_layer()
    soft = screening.soft_layer()
    if soft is None or soft.encode is None:
        raise TrainingFailed("The card needs the soft layer with its encoder. Run: make install, then pne train")
    asked = json.loads((folder / OUT_OF_FOLD).read_text()) if (folder / OUT_OF_FOLD).exists() else {}
    sets = load_sets()
    unknown = sum(fingerprint(case.text) not in asked for case in sets.learning)
    if unknown:
        raise TrainingFailed(f"{unknown} messages have no figure out of fold. Run: pne train --force")

    def out_of_fold(text: str) -> Verdict:
        found = _verdict(safety.screen(text, hints_ask=False))
        heard = found.alarm is None and asked[fingerprint(text)]
        return Verdict(asked=True, category=found.category) if heard else found

    rules = safety.load_rules()
    figures = measure(
        sets,
        out_of_fold,
        lambda text: _verdict(screening.screen(text)),
        {one.id: (one.name, one.tier) for one in rules.categories},
        {
            "hash": current,
            "reviewed": sum(one.review["state"] == "reviewed" for one in rules.categories),
            "soft_threshold": round(soft.help.threshold, 3),
            "crisis_threshold": round(soft.crisis.threshold, 3),
        },
    )
    times = measure_times(
        [case.text for case in sets.learning],
        [case.text for case in sets.learning if case.kind == ORDINARY],
        [case.text for case in sets.learning if case.expect != "none"],
    )
    if card_hash() != current:
        raise TrainingFailed("Files changed while they were measured. Run it again: pne safety-card")
    return write_card(figures, times, texts)


def _gates(figures: Mapping[str, Any], texts: Texts) -> list[dict[str, Any]]:
    values = gate_values(figures)
    return [
        {**gate, "value": values[identity], "holds": _holds(values[identity], gate)}
        for identity, gate in texts.config["gates"].items()
    ]


def _verdict(result: Any) -> Verdict:
    from bot.safety.schema import ALARM_TIERS

    category = result.worst.category if result.worst else None
    if result.ask:
        return Verdict(asked=True, category=category)
    return Verdict(alarm=result.tier, category=category) if result.tier in ALARM_TIERS else Verdict()


def _tally(judged: Iterable[tuple[Case, Verdict]]) -> dict[str, int]:
    verdicts = [verdict for _, verdict in judged]
    alarm, asked = sum(one.alarm is not None for one in verdicts), sum(one.asked for one in verdicts)
    return {"n": len(verdicts), "alarm": alarm, "question": asked, "missed": len(verdicts) - alarm - asked}


def _sizes(sets: Sets) -> dict[str, int]:
    sources = [case.source for case in (*sets.learning, *sets.held_out, *sets.examples)]
    return {source: sources.count(source) for source in sorted(set(sources))}


def _percent(part: int, whole: int) -> float | None:
    return round(100 * part / whole, 2) if whole else None


def _categories_of_near_misses(root: Path) -> dict[str, str]:
    """Which category a look-alike is of, where its round says so; the files that are learned from do not."""
    return {
        one["text"].strip().lower(): one["category"]
        for path in sorted((root / "tests" / "safety").glob("blind_round_*.yml"))
        for one in read_yaml(path)["messages"]
        if one["kind"] == "near_miss" and one.get("category")
    }
