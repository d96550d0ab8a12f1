"""Whether words that were asked for are something else: a wish for a person, a question, fear, or an end to it.

They go to the assistant then, like any message: who asks for help must not be taken for one who fills in a plan."""

from __future__ import annotations

import re
from functools import lru_cache

import numpy as np

from bot.content.files import DATA, read_yaml
from bot.content.tutor import load_lines
from bot.tutor.phrases import vectors_of
from bot.tutor.teach_back import is_question
from bot.understanding.encoder import load_encoder
from bot.understanding.spelling import fold

# Cosine with the nearest example of asking for a person from which a text counts as that. Of our own lines apart from
# the examples it finds 18 of 20 wishes, and none of 22 answers to the tutor.
LEAST_ALIKE = 0.56
# Longer texts tell something; a wish for a person in them is found by its sentence.
MOST_SENTENCES = 8
WISH = "talk_to_person"
_SENTENCE = re.compile(r"[^.!?;\n]+")


def is_aside(text: str) -> bool:
    """Whether somebody who was asked for words says something else. Errs towards the person: an answer that is taken
    for an aside is only answered by the assistant instead."""
    if is_question(text):
        return True
    plain = fold(text)
    if any(re.search(pattern, plain) for pattern in load_lines("home").rest["asides"]):
        return True
    sentences = [one.strip() for one in _SENTENCE.findall(plain) if one.strip()][:MOST_SENTENCES]
    return bool(sentences) and float((load_encoder()(sentences) @ _wishes().T).max()) >= LEAST_ALIKE


@lru_cache(maxsize=1)
def _wishes() -> np.ndarray:
    """Vectors of the examples from which the assistant learns what a wish for a person is."""
    intents = read_yaml(DATA / "nlu" / "control.yml")["nlu"]
    examples = next(one["examples"] for one in intents if one["intent"] == WISH)
    return vectors_of([fold(line.removeprefix("- ")) for line in examples.splitlines() if line], load_encoder())


def warm() -> None:
    """Loads what `is_aside` needs."""
    _wishes()
