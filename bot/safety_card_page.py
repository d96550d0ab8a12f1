"""The Safety Card as a page: figures into Markdown and HTML, and what is kept in the file for the next card.

Pure: the same figures and texts give the same bytes. Only the block of times may differ from run to run, and it is
marked, so that a comparison can leave it out. The templates and all wording are under ``data/safety/card``.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

CONFIG_KEYS = {"title", "data_of", "review", "labels", "limits", "messages_a_conversation", "tiers", "names", "gates"}
ROUND_KEYS = {"round", "batch", "rules", "caught", "of", "alarms", "questions", "quiet", "blind", "note"}
_FIGURES = re.compile(r"<!-- figures\n(.*?)\n-->\n", re.DOTALL)
_TIMES = re.compile(r"(<!-- times -->).*?(<!-- end of times -->)", re.DOTALL)
_COVERAGE = 0.95
_MOVED = 1.0


@dataclass(frozen=True)
class Texts:
    """What ``data/safety/card`` holds: settings and wording, the rounds, listed exceptions, and the two templates."""

    config: Mapping[str, Any]
    rounds: Sequence[Mapping[str, Any]]
    exceptions: Sequence[Mapping[str, Any]]
    card: str
    page: str


@lru_cache(maxsize=4096)
def interval(part: int, whole: int, coverage: float = _COVERAGE) -> tuple[float, float]:
    """The exact interval of a share (Clopper CJ, Pearson ES. Biometrika 1934;26:404-413). Raises ValueError."""
    from scipy.stats import beta

    if not 0 <= part <= whole or whole == 0:
        raise ValueError(f"no share: {part} of {whole}")
    tail = (1 - coverage) / 2
    low = 0.0 if part == 0 else float(beta.ppf(tail, part, whole - part + 1))
    high = 1.0 if part == whole else float(beta.ppf(1 - tail, part + 1, whole - part))
    return low, high


def share(part: int, whole: int) -> str:
    """A share in per cent with its interval, as the tables show it."""
    if not whole:
        return "–"
    low, high = interval(part, whole)
    return f"{100 * part / whole:.1f}\u00a0% ({100 * low:.1f}–{100 * high:.1f})"


def a_conversation(part: int, whole: int, messages: int) -> str:
    """How many to expect in a conversation of so many messages, with the interval of the rate."""
    if not whole:
        return "–"
    low, high = interval(part, whole)
    return f"{messages * part / whole:.3f} ({messages * low:.3f}–{messages * high:.3f})"


def at_least_one(part: int, whole: int, messages: int) -> str:
    """The share of conversations with one or more, if each message were on its own."""
    if not whole:
        return "–"
    rates = [100 * (1 - (1 - rate) ** messages) for rate in (part / whole, *interval(part, whole))]
    return f"{rates[0]:.1f}\u00a0% ({rates[1]:.1f}–{rates[2]:.1f})"


def embedded(card: str) -> dict[str, Any] | None:
    """The figures kept in a card; None where there are none that can be read."""
    found = _FIGURES.search(card)
    try:
        figures = json.loads(found[1]) if found else None
    except ValueError:
        return None
    return figures if isinstance(figures, dict) else None


def before(last: Mapping[str, Any] | None, current: str) -> dict[str, Any] | None:
    """What the new card is compared with. Made again from the same inputs, it keeps what it was compared with."""
    if last is None:
        return None
    if last.get("hash") == current:
        return last.get("before")
    return {
        "hash": last["hash"],
        "sets": last["sets"],
        "caught": _caught(last),
    }


def changes(figures: Mapping[str, Any]) -> dict[str, Any] | None:
    """What changed since the last card: the hash, sets that grew or shrank, categories whose caught share moved."""
    last = figures.get("before")
    if not last:
        return None
    moved: list[dict[str, Any]] = []
    little = 0
    now = _caught(figures)
    for identity in sorted({*now, *last["caught"]} - {"all"}):
        (old, of_old), (new, of_new) = (of.get(identity, [0, 0]) for of in (last["caught"], now))
        step = 100 * (new / of_new - old / of_old) if of_old and of_new else 100.0 * (of_old != of_new)
        if abs(step) >= _MOVED:
            moved.append({"id": identity, "old": [old, of_old], "now": [new, of_new]})
        elif step:
            little += 1
    names = sorted({*last["sets"], *figures["sets"]})
    sizes = [(name, last["sets"].get(name, 0), figures["sets"].get(name, 0)) for name in names]
    return {
        "hash": last["hash"],
        "all": {"old": last["caught"]["all"], "now": now["all"]},
        "moved": moved,
        "little": little,
        "sets": [one for one in sizes if one[1] != one[2]],
    }


def markdown(
    figures: Mapping[str, Any], times: Mapping[str, Any], texts: Texts, gates: Sequence[Mapping[str, Any]]
) -> str:
    """The card in Markdown, with its figures kept at the end as a comment."""
    body = _environment().from_string(texts.card)
    written = body.render(
        figures=figures,
        every={name: _together(of) for name, of in (("all", figures["all"]), *figures["tiers"].items())},
        quiet=_together({name: figures["quiet"][name] for name in ("look_alikes", "ordinary")}),
        times=times,
        texts=texts.config,
        rounds=texts.rounds,
        exceptions=texts.exceptions,
        gates=gates,
        changes=changes(figures),
    )
    # One line an entry, for readable differences; a comment may not hold two hyphens in a row.
    kept = ",\n".join(f"{json.dumps(key)}: {json.dumps(value, ensure_ascii=True)}" for key, value in figures.items())
    kept = kept.replace("--", "-\\u002d")
    return f"{written.rstrip()}\n\n<!-- figures\n{{{kept}}}\n-->\n"


def html(card: str, texts: Texts) -> str:
    """The Markdown card as one page that needs nothing else: no script, no font, no picture."""
    from markdown_it import MarkdownIt

    reader = MarkdownIt("commonmark", {"html": True}).enable("table")
    reader.add_render_rule("table_open", _open_table)
    reader.add_render_rule("table_close", lambda self, tokens, place, options, env: "</table></div>\n")
    body = reader.render(_FIGURES.sub("", card))
    return str(_environment(escape=True).from_string(texts.page).render(title=texts.config["title"], body=body))


def without_times(card: str) -> str:
    """A card without the one block that differs from run to run."""
    return _TIMES.sub(r"\1\2", card)


def with_times_of(last: str, card: str) -> str:
    """A card with the block of times of another one."""
    kept = _TIMES.search(last)
    return _TIMES.sub(lambda found: kept[0] if kept else found[0], card)


def _open_table(self: Any, tokens: Any, place: int, options: Any, env: Any) -> str:
    heading = next((tokens[at + 1].content for at in range(place, -1, -1) if tokens[at].type == "heading_open"), "")
    label = re.sub(r'[<>&"]', "", heading)
    # Wide tables are moved sideways in a box of their own; with the keyboard too, so it can be focused and has a name.
    return f'<div class="table" role="region" tabindex="0" aria-label="{label}"><table>\n'


def _caught(figures: Mapping[str, Any]) -> dict[str, list[int]]:
    """How many of how many were caught, by category and in all."""
    every = {**figures["categories"], "all": _together(figures["all"])}
    return {name: [one["n"] - one["missed"], one["n"]] for name, one in every.items()}


def _together(parts: Mapping[str, Mapping[str, int]]) -> dict[str, int]:
    names = {name for one in parts.values() for name in one}
    return {name: sum(one.get(name, 0) for one in parts.values()) for name in sorted(names | {"n", "missed"})}


def _environment(escape: bool = False) -> Any:
    from jinja2 import Environment, StrictUndefined

    made = Environment(
        trim_blocks=True, lstrip_blocks=True, undefined=StrictUndefined, autoescape=escape, keep_trailing_newline=True
    )
    made.globals.update(share=share, a_conversation=a_conversation, at_least_one=at_least_one)
    return made
