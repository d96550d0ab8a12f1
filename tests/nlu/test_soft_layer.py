"""The trained soft layer: it may raise one question, never an alarm; it lowers nothing and can break nothing."""

from __future__ import annotations

import json
import random
import shutil
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from functools import cache
from itertools import islice
from pathlib import Path

import numpy as np
import pytest

from bot import safety, screening, training
from bot.safety import Screening, load_rules
from bot.safety.learning import load_learning
from bot.safety.normalise import tokenise
from bot.safety.rules import load_examples
from bot.safety.schema import PLACEHOLDERS
from bot.safety.screening import SOFT, read
from bot.safety.soft import LONGEST_PART, MOST_ENCODED_WORDS, SHORTEST_PART, SoftLayer, load_soft
from bot.understanding import encoder
from tests.support.metamorphic import ORDINARY, is_alarm, level

EXAMPLES = [
    one["text"] if isinstance(one, dict) else one
    for kinds in load_examples().values()
    for texts in kinds.values()
    for one in texts
]
LEAST_HEARD_BURIED = 0.9
ENOUGH = 90  # messages that only the soft layer hears, for the tests of what it adds
LONG = 4000  # characters: the longest message that the web app takes


@pytest.fixture(scope="module")
def soft() -> Iterator[SoftLayer]:
    """The layer of the present rules, as the processes load it; trained where it is missing."""
    training.train_soft_layer()
    screening.soft_layer.cache_clear()
    layer = screening.soft_layer()
    assert layer is not None and layer.encode is not None
    yield layer
    screening.soft_layer.cache_clear()


@pytest.fixture
def elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, soft: SoftLayer) -> Iterator[Path]:
    """A copy of the model that a test may break, in the place where the processes look for it."""
    folder = tmp_path / "soft"
    shutil.copytree(training.soft_path(), folder)
    monkeypatch.setattr(training, "soft_path", lambda: folder)
    screening.soft_layer.cache_clear()
    yield folder
    screening.soft_layer.cache_clear()


@cache
def without(text: str) -> Screening:
    return safety.screen(text, hints_ask=False)


@pytest.fixture(scope="module")
def only_softly(soft: SoftLayer) -> list[str]:
    """Messages that need help, raise nothing by the rules, and are heard by the soft layer."""
    messages = (text for text in mixed() if without(text).tier is None)
    return list(islice((text for text in messages if safety.screen(text, soft=soft).ask), ENOUGH))


def mixed() -> list[str]:
    """Messages that need help, of all categories in an order without order; the same every time."""
    texts = [one.text for one in load_learning() if one.needs_help]
    random.Random(ENOUGH).shuffle(texts)
    return texts


@pytest.fixture(scope="module")
def hinted() -> str:
    """A message that the rules ask about only where there is no soft layer to judge it."""
    return next(text for text in mixed() if without(text).tier is None and safety.screen(text, hints_ask=True).ask)


def test_it_raises_questions_never_an_alarm_and_lowers_nothing(soft: SoftLayer) -> None:
    asked = 0
    for text in EXAMPLES:
        alone, both = without(text), safety.screen(text, soft=soft)
        added = [one for one in both.findings if one.raised_by == SOFT]
        assert level(both) <= level(alone), text
        assert is_alarm(both) == is_alarm(alone), text
        assert is_alarm(alone) <= (both.tier == alone.tier), text
        assert len(added) <= 1 and set(alone.findings) <= set(both.findings), text
        asked += both.ask and not alone.ask
    assert asked


def test_what_it_adds_is_a_question_with_a_place_in_the_message(soft: SoftLayer, only_softly: list[str]) -> None:
    assert len(only_softly) == ENOUGH
    for text in only_softly:
        result = safety.screen(text, soft=soft)
        assert result.ask and result.worst is not None and result.worst.raised_by == SOFT
        assert text[slice(*result.worst.span)] == result.worst.words
        lowest = min(soft.help.threshold, soft.crisis.threshold)
        assert lowest <= result.worst.confidence + 0.001 <= 1.001
        assert safety.question_for(result.worst.category, dict.fromkeys(PLACEHOLDERS, "999")).question


def test_a_denied_category_is_not_asked_about_again(soft: SoftLayer, only_softly: list[str]) -> None:
    text = only_softly[0]
    worst = safety.screen(text, soft=soft).worst
    assert worst is not None
    assert not safety.screen(text, soft=soft, denied=[worst.category]).ask


def test_it_is_deterministic_and_the_same_when_it_is_loaded_again(soft: SoftLayer, only_softly: list[str]) -> None:
    again = load_soft(training.soft_path(), soft.encode)
    for text in (*only_softly[:5], " ".join([*ORDINARY, only_softly[0]])):
        first = safety.screen(text, soft=soft)
        for layer in (soft, again, soft):
            read.cache_clear()
            assert safety.screen(text, soft=layer) == first


def test_odd_texts_are_no_error(soft: SoftLayer) -> None:
    for text in ("", " ", "\x00", "\ud800", "😭", "the the the", "?" * LONG, "שלום", "no " * LONG, "pain\n" * 800):
        json.dumps(safety.screen(text, soft=soft).as_dict())


def test_without_an_encoder_it_still_hears(
    elsewhere: Path, monkeypatch: pytest.MonkeyPatch, only_softly: list[str]
) -> None:
    def missing() -> None:
        raise encoder.EncoderError("no encoder")

    monkeypatch.setattr(encoder, "load_encoder", missing)
    layer = screening.soft_layer()
    assert layer is not None and layer.encode is None
    results = [screening.screen(text) for text in only_softly]
    assert any(result.ask for result in results) and not any(is_alarm(result) for result in results)
    assert all(is_alarm(screening.screen(text)) for text in ("I can't pee", "I want to die"))


def _not_json(folder: Path) -> None:
    (folder / "soft.json").write_text("{")


def _another_json(folder: Path) -> None:
    (folder / "soft.json").write_text("[]")


def _a_key_missing(folder: Path) -> None:
    about = json.loads((folder / "soft.json").read_text())
    del about["heads"]["crisis"]["threshold"]
    (folder / "soft.json").write_text(json.dumps(about))


def _cut_short(folder: Path) -> None:
    whole = (folder / "soft.npz").read_bytes()
    (folder / "soft.npz").write_bytes(whole[: len(whole) // 2])


def _some_bytes_wrong(folder: Path) -> None:
    whole = bytearray((folder / "soft.npz").read_bytes())
    whole[200:400] = bytes(200)
    (folder / "soft.npz").write_bytes(bytes(whole))


def _empty(folder: Path) -> None:
    (folder / "soft.npz").write_bytes(b"")


def _arrays_too_short(folder: Path) -> None:
    with np.load(folder / "soft.npz") as arrays:
        np.savez(folder / "soft.npz", **{name: arrays[name][:1] for name in arrays.files})


def _gone(folder: Path) -> None:
    shutil.rmtree(folder)


@pytest.mark.parametrize(
    "spoil",
    [_gone, _not_json, _another_json, _a_key_missing, _empty, _cut_short, _some_bytes_wrong, _arrays_too_short],
)
def test_with_a_broken_model_the_rules_go_on_alone_and_hints_ask(
    elsewhere: Path, hinted: str, spoil: Callable[[Path], None]
) -> None:
    spoil(elsewhere)
    for text in (hinted, "I can't pee", "what is a disc bulge"):
        assert screening.screen(text) == safety.screen(text)
    assert screening.screen(hinted).ask and is_alarm(screening.screen("I can't pee"))


def test_an_encoder_that_fails_leaves_the_rules_which_ask_more(
    soft: SoftLayer, hinted: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fails(_texts: Sequence[str]) -> np.ndarray:
        raise RuntimeError("out of memory")

    monkeypatch.setattr(screening, "soft_layer", lambda: replace(soft, encode=fails))
    assert screening.screen(hinted) == safety.screen(hinted)
    assert screening.screen(hinted).ask


def _confidence(text: str, soft: SoftLayer) -> float:
    worst = safety.screen(text, soft=soft).worst
    return worst.confidence if worst is not None else 0.0


def _long(text: str, places: int) -> str:
    """The message in the middle of as many paragraphs of ordinary talk before it and after it."""
    around = [ORDINARY[place % len(ORDINARY)] for place in range(places)]
    return " ".join([*around, f"{text.rstrip('.')}.", *around])


@pytest.mark.parametrize("places", [1, 3])
def test_a_flag_in_the_middle_of_a_long_message_is_heard(soft: SoftLayer, only_softly: list[str], places: int) -> None:
    assert safety.screen(" ".join(ORDINARY), soft=soft).tier is None
    clear = [text for text in only_softly if _confidence(text, soft) >= (1 + soft.help.threshold) / 2]
    heard = [safety.screen(_long(text, places), soft=soft).tier is not None for text in clear]
    assert len(clear) >= ENOUGH / 3
    assert sum(heard) >= LEAST_HEARD_BURIED * len(clear), f"{sum(heard)} of {len(clear)}"


@pytest.mark.parametrize(
    "piece", [" ".join(ORDINARY), "my leg is numb and odd ", "pain. ", "é ", "supercalifragilistic "]
)
def test_a_long_message_costs_one_call_of_the_encoder_with_few_words(soft: SoftLayer, piece: str) -> None:
    rules = load_rules()
    calls: list[int] = []

    def counted(texts: Sequence[str]) -> np.ndarray:
        assert soft.encode is not None
        calls.append(sum(len(tokenise(text, rules.language, rules.speller)) for text in texts))
        return soft.encode(texts)

    text = (piece * LONG)[:LONG]
    assert safety.screen(text, soft=replace(soft, encode=counted)) == safety.screen(text, soft=soft)
    assert len(calls) == 1
    assert calls[0] <= MOST_ENCODED_WORDS + LONGEST_PART + SHORTEST_PART
