"""What holds for every text: no error, the same result each time, and nothing beside a message that lowers it."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bot.safety import load_rules, screen
from bot.safety.rules import load_examples
from bot.safety.screening import read
from bot.settings import ROOT
from tests.support.metamorphic import BENIGN, ORDINARY, is_alarm, level, sentence

LONGEST = 20_000
EXAMPLES = [
    (kind, one["text"] if isinstance(one, dict) else one)
    for kinds in load_examples().values()
    for kind, texts in kinds.items()
    for one in texts
]
FIRE = [text for kind, text in EXAMPLES if kind == "must_fire"]
RAISED = [text for kind, text in EXAMPLES if kind != "must_not_fire"]
TEXTS = [text for _, text in EXAMPLES]
EVERY = [category.id for category in load_rules().categories]
FACTS = sorted(load_rules().index.by_family)
ANOTHER_SEED = "20"
SHARE = 6  # each sixth example, where all of them would take too long

# The same examples every time, so that a failure can be made again and no run is luckier than another.
few = settings(max_examples=40, deadline=None, derandomize=True, database=None)
many = settings(max_examples=150, deadline=None, derandomize=True, database=None)
any_text = st.text(alphabet=st.characters(exclude_categories=()), max_size=120)
odd_piece = st.sampled_from(
    [
        *"\x00\ud800\udfff\u202e\u200bﷺßİ½",
        "שלום",
        "ألم في الصدر",
        "👩🏽‍🦽",
        "e\u0301\u0302",
        "\r\n",
        "can't pee",
        "no ",
        "???",
    ]
)


@few
@given(st.lists(st.one_of(any_text, odd_piece), min_size=1, max_size=12), st.integers(1, LONGEST), st.booleans())
def test_no_text_of_any_kind_or_length_is_an_error(pieces: list[str], size: int, drawn_out: bool) -> None:
    whole = "".join(pieces) or " "
    text = (whole * (size // len(whole) + 1))[:size] if drawn_out else whole
    result = screen(text, history=[text[:500], whole])
    assert all(text[slice(*one.span)] == one.words for one in result.findings)
    json.dumps(result.as_dict())


@pytest.mark.parametrize(
    "piece",
    ["a", " ", "no ", "my chest hurts ", "I can't pee. ", "\ud83d", "\x00", "😭", "א", "'", "pain, ", "if i "],
    ids=ascii,
)
def test_twenty_thousand_characters_are_no_error(piece: str) -> None:
    text = (piece * LONGEST)[:LONGEST]
    assert screen(text) == screen(text)


def test_the_same_text_gives_the_same_result_in_100_of_100_runs() -> None:
    texts = [TEXTS[0], " ".join([*ORDINARY, TEXTS[1]]), "My wife can't feel her legs, no fever, chest pain years ago"]
    for text in texts:
        first = screen(text, (TEXTS[2],))
        for _ in range(99):
            read.cache_clear()  # or the second run would only see what the first remembered
            assert screen(text, (TEXTS[2],)) == first


def test_another_process_with_another_hash_seed_says_the_same() -> None:
    texts = TEXTS[::SHARE]
    code = (
        "import json, sys; from bot.safety import screen; "
        "json.dump([screen(one).as_dict() for one in json.load(sys.stdin)], sys.stdout)"
    )
    done = subprocess.run(
        [sys.executable, "-c", code],
        input=json.dumps(texts),
        capture_output=True,
        text=True,
        check=True,
        cwd=ROOT,
        env={**os.environ, "PYTHONHASHSEED": ANOTHER_SEED},
    )
    assert json.loads(done.stdout) == json.loads(json.dumps([screen(text).as_dict() for text in texts]))


@many
@given(
    st.sampled_from(RAISED),
    st.lists(st.sampled_from(TEXTS) | st.sampled_from([*BENIGN, *ORDINARY, "no", "No, none of those", "yes"])),
)
def test_no_history_lowers_what_a_message_raises(text: str, history: list[str]) -> None:
    alone = level(screen(text))
    assert level(screen(text, history)) <= alone
    assert level(screen(text, history[::-1])) <= alone
    assert level(screen(text, history * 3)) <= alone


@pytest.mark.parametrize("order", ["after", "before"])
def test_no_benign_sentence_lowers_what_a_message_raises(order: str) -> None:
    def beside(text: str, more: str) -> str:
        return f"{sentence(text)} {more}" if order == "after" else f"{sentence(more)} {text}"

    _none(lambda text: [beside(text, more) for more in _some_benign(text)], "lowered by a benign sentence")


def _some_benign(text: str) -> tuple[str, str]:
    place = len(text) % len(BENIGN)
    return BENIGN[place], BENIGN[place - 7]


def _none(change: Callable[[str], list[str]], what: str) -> None:
    failed = []
    for text in FIRE[:: SHARE // 2]:
        alone = level(screen(text))
        failed.extend(changed for changed in change(text) if level(screen(changed)) > alone)
    assert not failed, "\n  ".join([f"{len(failed)} {what}:", *failed[:5]])


def test_a_denial_never_removes_an_alarm() -> None:
    for text in FIRE:
        alone, denied = screen(text), screen(text, denied=EVERY)
        assert not is_alarm(alone) or (denied.tier, denied.ask) == (alone.tier, False), text


def test_a_denial_only_ever_takes_a_question_away() -> None:
    for text in RAISED[::SHARE]:
        denied = screen(text, denied=EVERY)
        assert not denied.ask, text
        assert len(denied.findings) == len(screen(text).findings), text


@many
@given(st.sampled_from(RAISED), st.sets(st.sampled_from([*FACTS, "no_such_family"]), max_size=6))
def test_no_confirmed_fact_lowers_what_a_message_raises(text: str, facts: set[str]) -> None:
    assert level(screen(text, facts=facts)) <= level(screen(text))


def test_all_facts_at_once_lower_nothing() -> None:
    for text in RAISED[::SHARE]:
        assert level(screen(text, facts=FACTS)) <= level(screen(text)), text
