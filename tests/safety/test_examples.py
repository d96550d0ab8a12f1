"""Every category's own examples are tests: what must raise an alarm, a question, or nothing."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from bot.safety import load_rules, screen
from bot.safety.rules import load_examples

EXAMPLES = load_examples()
LEAST = {"must_fire": 12, "must_ask": 6, "must_not_fire": 8}


def _texts(identity: str, kind: str) -> Iterator[str]:
    for example in EXAMPLES[identity][kind]:
        yield example["text"] if isinstance(example, dict) else example


@pytest.mark.parametrize("identity", EXAMPLES)
def test_must_fire(identity: str) -> None:
    for text in _texts(identity, "must_fire"):
        result = screen(text)
        assert result.tier in ("T0", "T1", "T2", "T3") and not result.ask, text
        fired = [
            one for one in result.findings if one.category == identity and one.raised_by == "hard" and one.tier != "T4"
        ]
        assert fired, f"{text}: raised by {result.worst} but not by {identity}"


@pytest.mark.parametrize("identity", EXAMPLES)
def test_must_ask(identity: str) -> None:
    for text in _texts(identity, "must_ask"):
        raised = [one for one in screen(text).findings if one.category == identity and one.tier != "T4"]
        assert raised and all(one.raised_by == "ask" for one in raised), f"{text}: {identity} gives {raised}"


@pytest.mark.parametrize("identity", EXAMPLES)
def test_must_not_fire(identity: str) -> None:
    for text in _texts(identity, "must_not_fire"):
        result = screen(text)
        raised = [one for one in result.findings if one.category == identity and one.tier != "T4"]
        assert not raised, f"{text}: raised by {raised[0].rule}"
        assert result.ask or result.tier in (None, "T4"), f"{text}: an alarm by {result.worst}"


def test_every_category_has_enough_examples_and_reasons() -> None:
    assert set(EXAMPLES) == {one.id for one in load_rules().categories}
    for identity, kinds in EXAMPLES.items():
        for kind, least in LEAST.items():
            assert len(kinds[kind]) >= least, f"{identity} {kind}"
        for example in kinds["must_not_fire"]:
            assert set(example) == {"text", "why"} and example["why"], f"{identity}: {example}"


def test_no_example_is_given_twice() -> None:
    for identity, kinds in EXAMPLES.items():
        seen = [one["text"] if isinstance(one, dict) else one for kind in kinds.values() for one in kind]
        assert len(seen) == len({text.lower() for text in seen}), identity
