"""Messages that tell a fact and nothing else, and messages that are about somebody else."""

from __future__ import annotations

import pytest

from bot.understanding.details import FINDING, TELL_AGE, TELL_REGION, detail, facts_in, load_word_lists, told_by_helper
from bot.understanding.entities import find_entities, load_ruler

LISTS, RULER = load_word_lists(), load_ruler()


def told(text: str) -> str | None:
    return detail(text, facts_in(text, RULER), LISTS)


@pytest.mark.parametrize(
    ("text", "intent"),
    [
        ("52", TELL_AGE), ("I'm 52", TELL_AGE), ("fifty two", TELL_AGE), ("im in my 60s", TELL_AGE),
        ("not 35, 53", TELL_AGE),
        ("and for the knee?", TELL_REGION), ("no, my shoulder", TELL_REGION), ("what about the neck", TELL_REGION),
        ("a torn rotator cuff", FINDING), ("what is spondylosis", FINDING),
        ("my knee hurts when I run", None), ("too fat for my knees?", None), ("7", None), ("", None), ("🦵", None),
        ("my back is 52 years of hard work", None), ("is massage good for the neck", None),
    ],
)  # fmt: skip
def test_a_fact_alone(text: str, intent: str | None) -> None:
    assert told(text) == intent


@pytest.mark.parametrize(
    ("text", "word"),
    [("my L5/S1 bulges, I'm 52", "disc_bulge"), ("mri says mild facet arthropathy at l4/5", "facet_changes"),
     ("multilevel disc desiccation", "disc_desiccation"), ("they found a Tarlov cyst", "tarlov_cyst")],
)  # fmt: skip
def test_words_of_reports_are_heard(text: str, word: str) -> None:
    assert word in [e.value for e in find_entities(text, RULER) if e.kind == "finding"]


@pytest.mark.parametrize(
    "text",
    ["no evidence of cord compression", "no disc bulge was seen", "stress fracture ruled out, no stress fracture"],
)
def test_what_a_report_denies_is_not_heard(text: str) -> None:
    assert not [e for e in find_entities(text, RULER) if e.kind == "finding" and e.start > 0]


@pytest.mark.parametrize(
    "text",
    ["my husband won't move since his mri, what can I do", "mum's knee is bone on bone, she is 78 and my mum cries",
     "my son is 34 and has a slipped disc", "how can I help my partner"],
)  # fmt: skip
def test_a_helper_is_heard(text: str) -> None:
    assert told_by_helper(text, LISTS)


@pytest.mark.parametrize(
    "text",
    ["my wife says my back looks crooked", "they found a bulge what does it mean", "my physio said rest",
     "my mum had a bad back and now I have one too", "", "does my knee need a scan"],
)  # fmt: skip
def test_a_mention_of_others_makes_nobody_a_helper(text: str) -> None:
    assert not told_by_helper(text, LISTS)
