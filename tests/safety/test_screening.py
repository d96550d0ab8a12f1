"""The screening as a whole: history, combinations, offsets, any text at all, time, and what it may import."""

from __future__ import annotations

import ast
import json
import random
import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bot.safety import load_rules, screen
from bot.safety import rules as rules_module
from bot.safety.matching import add_phrase, phrase_hits

PACKAGE = Path(rules_module.__file__).parent
ORDINARY = (
    "My lower back has hurt for about three years now and the scan last spring showed a bulge. "
    "It is worse in the mornings and when I sit at my desk, and a walk with the dog helps a little. "
)


def _alarm(text: str, history: tuple[str, ...] = ()) -> bool:
    result = screen(text, history)
    return result.tier in ("T0", "T1", "T2", "T3") and not result.ask


@pytest.mark.parametrize(
    ("history", "text", "tier"),
    [
        (("my back pain is bad today", "it started last week"), "I also have a fever", "T2"),
        (("my calf is swollen", "ok"), "I'm a bit breathless", "T1"),
        (
            ("my bladder feels a bit different", "and my back aches"),
            "numb bum when I sit on hard chairs",
            "T1",
        ),
    ],
)
def test_the_last_messages_count_together(history: tuple[str, ...], text: str, tier: str) -> None:
    alone = screen(text)
    assert alone.tier != tier or alone.ask
    result = screen(text, history)
    assert result.tier == tier and not result.ask


def test_a_denied_sign_is_not_counted_again() -> None:
    assert screen("numb bum when I sit on hard chairs", ("my bladder feels a bit different", "No")).ask


def test_an_old_alarm_is_not_raised_again_by_small_talk() -> None:
    assert screen("ok thank you", ("I can't pee",)).tier is None


def test_only_the_last_messages_are_looked_at() -> None:
    history = ("I have back pain", *["ok"] * 6)
    assert not _alarm("I have a fever", history)


@pytest.mark.parametrize(
    ("text", "tier"),
    [
        ("one leg is swollen and sore", "T2"),
        ("one leg is swollen and sore and I'm breathless", "T1"),
        ("back pain and fever", "T2"),
        ("back pain and fever and my legs are weak", "T1"),
        ("my foot keeps dragging", "T2"),
        ("suddenly my foot drags", "T1"),
        ("back pain and fever, and one calf is swollen", "T1"),
        ("my foot keeps dragging and I feel very ill", "T1"),
        ("my husband hits me", "T2"),
        ("my husband strangled me", "T0"),
    ],
)
def test_what_raises_the_tier(text: str, tier: str) -> None:
    result = screen(text)
    assert result.tier == tier and not result.ask


def test_the_most_urgent_finding_wins() -> None:
    result = screen("my calf is swollen and hot, and I want to die")
    assert result.tier == "T0" and result.worst is not None and result.worst.category == "RF34"
    assert {"RF15", "RF34"} <= {one.category for one in result.findings}


@pytest.mark.parametrize(
    "text",
    [
        "ive gone numb down there",
        "I CANT PEE",
        "i can’t pee",
        "I can‘t pee",
        "I caaaan't peeeee please",
        "can not pee",
        "my blader wont empty",
        "I have chset pain",
        "ｃｈｅｓｔ ｐａｉｎ",
        "chést pain",
        "chest\u200b pain",
        "can\u00adt pee",
        "😭😭 I can't pee 😭",
        "my chest pian… bad, chest pain",
        "saddel numbness",
        "I feel suicidl",
    ],
)
def test_spelling_capitals_emoji_and_accents(text: str) -> None:
    assert _alarm(text), text


def test_ordinary_words_are_never_repaired() -> None:
    for text in (
        "my chess game",
        "the best plan",
        "a plumb line",
        "I found a bladed tool",
        "my favourite colour",
    ):
        assert screen(text).findings == (), text


@pytest.mark.parametrize(
    "text",
    [
        "Hi 👋🏽 I’m okay… but I can’t pee since Monday",
        "ﬁne until today: chest pain",
        "İstanbul trip. Now chest pain",
    ],
)
def test_spans_point_into_the_original_text(text: str) -> None:
    result = screen(text)
    assert result.worst is not None
    for one in result.findings:
        assert text[one.span[0] : one.span[1]] == one.words
    assert result.worst.words in ("can’t pee", "chest pain")


def test_a_flag_buried_in_a_long_message_is_found() -> None:
    assert _alarm(ORDINARY * 6 + "I also can't pee since yesterday. " + ORDINARY * 6)


@settings(max_examples=150, deadline=None)
@given(st.text(alphabet=st.characters(codec=None), max_size=300), st.lists(st.text(max_size=60), max_size=3))
def test_any_text_is_screened_without_an_error(text: str, history: list[str]) -> None:
    result = screen(text, history)
    for one in result.findings:
        assert 0 <= one.span[0] < one.span[1] <= len(text)
        assert text[one.span[0] : one.span[1]] == one.words
    assert screen(text, history) == result


@settings(max_examples=60, deadline=None)
@given(
    st.lists(
        st.sampled_from([*sorted(load_rules().finder.words), ".", ",", "?", "\n", "39.4", "1989"]),
        max_size=80,
    )
)
def test_any_mix_of_our_own_words_is_screened_without_an_error(words: list[str]) -> None:
    text = " ".join(words)
    assert screen(text) == screen(text)


@pytest.mark.parametrize(
    "text",
    [
        "",
        " ",
        "\x00",
        "\ud800",
        "\ud83d alone \udc00",
        "." * 5000,
        "no " * 2000,
        "can't pee " * 500,
        "𝕔𝕙𝕖𝕤𝕥",
        "1e999 999999999999999999",
        "(" * 100,
        "٣٩ fever",
        "½ ² ①",
        "pain " * 4000,
    ],
)
def test_odd_texts(text: str) -> None:
    json.dumps(screen(text).as_dict())


def test_the_same_text_gives_the_same_result_every_time() -> None:
    text = "My wife can't feel her legs, no fever, chest pain years ago"
    first = screen(text)
    assert all(screen(text) == first for _ in range(100))


def test_phrases_are_found_as_spacys_matcher_finds_them() -> None:
    """spaCy's PhraseMatcher, slower and ten times larger, is the measure of what a phrase finder finds."""
    from spacy.matcher import PhraseMatcher
    from spacy.tokens import Doc
    from spacy.vocab import Vocab

    chance = random.Random(21)
    words = list("abcdef")
    for _ in range(60):
        phrases = {tuple(chance.choices(words, k=chance.randint(1, 4))) for _ in range(chance.randint(1, 40))}
        vocabulary, tree = Vocab(), {}
        matcher = PhraseMatcher(vocabulary, attr="ORTH")
        for group, phrase in enumerate(sorted(phrases)):
            add_phrase(tree, phrase, group)
            matcher.add(str(group), [Doc(vocabulary, words=list(phrase))])
        text = chance.choices(words, k=30)
        hits = matcher(Doc(vocabulary, words=text))
        theirs = {(int(vocabulary.strings[key]), start, end) for key, start, end in hits}
        ours = list(phrase_hits(tree, text))
        assert set(ours) == theirs and len(ours) == len(theirs)


def test_importing_reads_and_compiles_nothing() -> None:
    code = (
        "import sys, bot.safety; from bot.safety.rules import _load; "
        "assert 'spacy' not in sys.modules and _load.cache_info().currsize == 0"
    )
    subprocess.run([sys.executable, "-c", code], check=True, cwd=PACKAGE.parents[1])


def test_the_package_imports_only_what_it_may() -> None:
    always = {"bot", "yaml"} | set(sys.stdlib_module_names)
    more = {"soft.py": {"numpy"}, "learning.py": {"numpy", "scipy", "sklearn"}}
    for path in PACKAGE.glob("*.py"):
        allowed = always | more.get(path.name, set())
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            names = (
                [alias.name for alias in node.names]
                if isinstance(node, ast.Import)
                else [node.module or ""]
                if isinstance(node, ast.ImportFrom)
                else []
            )
            for name in names:
                assert name.split(".")[0] in allowed, f"{path.name} imports {name}"
                assert not name.startswith("bot.") or name.startswith("bot.safety"), f"{path.name} imports {name}"
