"""Every must_fire example said differently raises no less; what is taken back raises no alarm.

What fails nevertheless is listed with its reason in the exceptions file, which the safety card prints.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from functools import cache

import pytest

from bot.safety import Screening, load_rules, screen
from bot.safety.rules import load_examples
from bot.safety.schema import FIRE
from tests.support import metamorphic
from tests.support.metamorphic import NAMES, ORDINARY, QUIET, SAME, TAKEN_BACK, TWO_FLAGS, Listed, is_alarm, level

EXAMPLES = {
    identity: [one["text"] if isinstance(one, dict) else one for one in kinds["must_fire"]]
    for identity, kinds in load_examples().items()
}
SHOWN = 5
LEAST_CHANGED = 30
# A what-if about these is an alarm by itself (clinical 3.3): self-harm, harm to others, abuse, overdose.
EVEN_A_WHAT_IF = {"RF34", "RF35", "RF38", "RF39"}


@cache
def plain(text: str) -> int:
    return level(screen(text))


def _check(category: str, transformation: str, failed: Iterable[tuple[str, str]]) -> None:
    """``failed``: the original text, and what went wrong. Exactly the listed ones may fail."""
    listed = {one.text for one in metamorphic.load_exceptions() if _names(one, category, transformation)}
    failures = dict(failed)
    unlisted = [said for text, said in failures.items() if text not in listed]
    passing = sorted(listed - set(failures))
    assert not unlisted, _message(f"{len(unlisted)} not listed", unlisted)
    assert not passing, _message(f"{len(passing)} listed, but passing", passing)


def _names(one: Listed, category: str, transformation: str) -> bool:
    return (one.category, one.transformation) == (category, transformation)


def _message(what: str, texts: list[str]) -> str:
    return "\n  ".join([f"{what}:", *texts[:SHOWN]])


def _shown(result: Screening) -> str:
    worst = result.worst
    return f"{'question' if result.ask else result.tier} {worst.rule if worst else ''} {worst.scope if worst else ''}"


@pytest.mark.parametrize("transformation", SAME)
@pytest.mark.parametrize("category", EXAMPLES)
def test_the_same_said_differently_raises_no_less(category: str, transformation: str) -> None:
    _check(category, transformation, _lowered(EXAMPLES[category], SAME[transformation]))


def _lowered(texts: Iterable[str], change: Callable[[str], str | None]) -> Iterable[tuple[str, str]]:
    for text in texts:
        changed = change(text)
        if changed is None:
            continue
        result = screen(changed)
        if level(result) > plain(text):
            yield text, f"{changed!r}: {_shown(result)}"


@pytest.mark.parametrize("category", EXAMPLES)
def test_two_flags_raise_the_more_urgent_one(category: str) -> None:
    failed = []
    for text in EXAMPLES[category]:
        both, other = metamorphic.two_flags(text, category, EXAMPLES)
        result = screen(both)
        if level(result) > min(plain(text), plain(other)):
            failed.append((text, f"{both!r}: {_shown(result)}"))
    _check(category, TWO_FLAGS, failed)


@pytest.mark.parametrize("transformation", TAKEN_BACK)
@pytest.mark.parametrize("category", NAMES)
def test_what_is_taken_back_raises_no_alarm(category: str, transformation: str) -> None:
    if load_rules().category(category).scopes.get(transformation) == FIRE:
        assert category in EVEN_A_WHAT_IF
        return
    made = TAKEN_BACK[transformation](metamorphic.names_for(category, transformation))
    results = {text: screen(text) for text in made}
    _check(
        category,
        transformation,
        [(text, f"{text!r}: {_shown(result)}") for text, result in results.items() if is_alarm(result)],
    )


def test_every_name_is_heard_when_it_is_said_of_now() -> None:
    assert set(NAMES) == set(EXAMPLES)
    quiet = [name for names in NAMES.values() for name in names if level(screen(metamorphic.statement(name))) == QUIET]
    assert not quiet, _message(f"{len(quiet)} raise nothing", quiet)


def test_the_ordinary_talk_around_a_message_is_quiet_and_long_enough() -> None:
    for one in ORDINARY:
        assert screen(one).tier is None, one
        assert screen(" ".join(other for other in ORDINARY if other != one)).tier is None
    shortest = sorted(len(one.split()) for one in ORDINARY)
    assert shortest[0] + shortest[1] >= metamorphic.BURIED_WORDS


def test_changes_are_the_same_every_time_and_change_something() -> None:
    texts = [text for texts in EXAMPLES.values() for text in texts]
    for name, change in SAME.items():
        made = [change(text) for text in texts]
        assert made == [change(text) for text in texts], name
        assert all(text != changed for text, changed in zip(texts, made, strict=True)), name
        assert sum(changed is not None for changed in made) >= LEAST_CHANGED, name


def test_each_listed_exception_names_an_example_and_says_why() -> None:
    listed = metamorphic.load_exceptions()
    for one in listed:
        assert one.why.strip(), one
        if one.transformation in TAKEN_BACK:
            assert one.text in TAKEN_BACK[one.transformation](NAMES[one.category]), one
        else:
            assert one.transformation in {*SAME, TWO_FLAGS} and one.text in EXAMPLES[one.category], one
    assert len({(one.category, one.transformation, one.text) for one in listed}) == len(listed)
