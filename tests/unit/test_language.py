"""Telling that a message is not in English: none of what patients write in English, nearly all of what they do not."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bot.content.files import DATA, read_yaml
from bot.settings import ROOT
from bot.understanding.language import LATIN, UNDETERMINED, language_of, load_known, script_of

SAID = read_yaml(ROOT / "tests" / "unit" / "languages.yml")
FOREIGN = {tag: tuple(texts) for tag, texts in SAID["foreign"].items()}
# In the training data and marked there as outside of what the chat can answer.
NOT_ENGLISH = {
    "auf deutsch bitte", "go raibh maith agat", "Olá, vocês fazem vacina da febre amarela?",
    "Hola, quiero una cita para mi hija con el pediatra", "Bonjour! à quelle heure ouvre la pharmacie?",
}  # fmt: skip


def english() -> Iterator[str]:
    """What people wrote, or might have written, in English: training examples, held-out questions, safety messages."""
    for path in sorted((DATA / "nlu").glob("*.yml")):
        lines = (line.strip() for line in path.read_text(encoding="utf-8").splitlines())
        yield from (line[2:] for line in lines if line.startswith("- ") and not line.startswith("- intent:"))
    for path in sorted((ROOT / "tests" / "nlu").glob("heldout*.yml")):
        yield from (one["text"] for group in read_yaml(path).values() for one in group)
    for path in sorted((DATA / "safety" / "learning").glob("*.jsonl")):
        yield from (json.loads(line)["text"] for line in path.read_text(encoding="utf-8").splitlines() if line.strip())


@pytest.mark.parametrize("tag", FOREIGN)
def test_messages_in_other_languages_are_told(tag: str) -> None:
    told = [language_of(text) for text in FOREIGN[tag]]
    assert len(told) >= 15
    assert sum(one is not None for one in told) >= 0.95 * len(told)
    assert sum(one == tag for one in told) >= 0.9 * len(told)


@pytest.mark.parametrize("text", SAID["english"], ids=repr)
def test_english_and_what_cannot_be_told(text: str) -> None:
    assert language_of(text) is None
    assert language_of(text.upper()) is None
    assert language_of(text.capitalize()) is None


def test_no_message_in_english_is_taken_for_another_language_and_each_takes_less_than_a_millisecond() -> None:
    texts = [text for text in english() if text not in NOT_ENGLISH]
    load_known()
    began = time.perf_counter()
    wrong = [text for text in texts if language_of(text) is not None]
    took = time.perf_counter() - began
    assert len(texts) > 40_000
    assert wrong == []
    assert took / len(texts) < 0.001


@pytest.mark.parametrize(
    ("text", "tag"),
    [
        ("ME DUELE MUCHO LA ESPALDA", "es"),
        ("sirtim cok agriyor", "tr"),
        ("Mein Arzt sagt mein MRT ist ok but I am not sure was das heißt", "de"),
        ("toi bi dau lung", "vi"),
        ("दर्द pain दर्द", "hi"),
        ("痛", "zh"),
        ("背中が痛いです", "ja"),
        ("허리가 아파요", "ko"),
        ("كمر درد دارم", "fa"),
        ("من پشتم خیلی درد می کند", "fa"),
        ("ظهري 😭 يؤلمني", "ar"),
        ("Selkääni sattuu todella paljon, en pysty nukkumaan ollenkaan yöllä", UNDETERMINED),
        ("ᓄᓇᕗᑦ ᐃᓄᒃᑎᑐᑦ", UNDETERMINED),
        ("Me duele la espalda. " * 2000, "es"),
    ],
)
def test_hard_cases(text: str, tag: str) -> None:
    assert language_of(text) == tag


@pytest.mark.parametrize("text", ["dolor chest pain", "chest pain, help me ayuda", "my back hurts because me duele"])
def test_a_foreign_word_in_english_tells_nothing(text: str) -> None:
    assert language_of(text) is None


def test_scripts() -> None:
    assert [script_of(letter) for letter in "aéжش痛ह1 \u0941"] == [
        LATIN, LATIN, "CYRILLIC", "ARABIC", "CJK", "DEVANAGARI", "", "", "",
    ]  # fmt: skip


@settings(max_examples=300, derandomize=True, deadline=None)
@given(st.text(max_size=300))
def test_any_text_is_taken(text: str) -> None:
    told = language_of(text)
    assert told is None or told == UNDETERMINED or told in read_tags()


def read_tags() -> set[str]:
    known = load_known()
    return set(known.words) | {tag for group in known.others.values() for tag, _, _ in group}
