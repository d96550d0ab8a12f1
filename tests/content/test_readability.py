"""Reading grade: syllables by rule beside a dictionary's, and the formulas beside values worked out by hand."""

from __future__ import annotations

import math

import pytest

from bot.content.readability import flesch_kincaid, sentences, smog, syllables, words

# Syllables as the CMU Pronouncing Dictionary has them.
SPOKEN = {
    "pain": 1, "moved": 1, "wanted": 2, "times": 1, "changes": 2, "people": 2, "clinician": 3, "operation": 4,
    "gentle": 2,
    "muscles": 2, "area": 3, "idea": 3, "quiet": 2, "serious": 3, "injury": 3, "irritated": 4, "doctor's": 2,
    "something": 2,
    "movement": 2, "useful": 2, "slowly": 2, "radiology": 5, "x-ray": 2, "it's": 1, "every": 2, "station": 2,
    "causes": 2,
}  # fmt: skip


@pytest.mark.parametrize("word", SPOKEN)
def test_syllables(word: str) -> None:
    assert syllables(word) == SPOKEN[word]


def test_the_formulas_by_hand() -> None:
    text = "The cat sat. It was a good day."  # 8 words, 2 sentences, 8 syllables
    assert flesch_kincaid(text) == pytest.approx(0.39 * 4 + 11.8 * 1 - 15.59)
    hard = "An operation is serious."  # two long words in one sentence
    assert smog(hard) == pytest.approx(1.043 * math.sqrt(60) + 3.1291)
    assert smog(hard, {"operation"}) == pytest.approx(1.043 * math.sqrt(30) + 3.1291)


def test_lines_of_a_list_are_sentences_and_nothing_is_one() -> None:
    assert sentences("- one\n- two\n- three") == 3
    assert sentences("") == 1
    assert words("12 people, 3 o'clock") == ["people", "o'clock"]
    assert flesch_kincaid("") == 0.0
