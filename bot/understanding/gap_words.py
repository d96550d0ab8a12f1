"""What may be kept of a question that found no answer: single words of our own vocabulary, in alphabetical order.

Never the sentence, never a number, and no word that our examples do not hold several times in small letters: names,
places and whatever else only one person would write fall away.
"""

from __future__ import annotations

import re
from collections import Counter
from functools import lru_cache
from pathlib import Path

from bot.settings import ROOT
from bot.understanding.spelling import fold

FEWEST = 3
SHORTEST, MOST = 3, 12
_WORD = re.compile(r"[A-Za-z][a-z']+")
_SMALL = frozenset(
    (  # noqa: SIM905
        "the and for that this with you your have has had was were are not but can cant will would could "
        "should what when how why who does did don't it's i'm they them their there then than from about just "
        "like get got been being very really one all out now more some any also too into over after before "
        "because which where she her his him our its say said says tell know want need think feel going goes "
        "make made take give still even much many thing things "
    ).split()
)


@lru_cache(maxsize=1)
def vocabulary(folder: Path = ROOT / "data" / "nlu") -> frozenset[str]:
    """Words that stand at least three times in the examples, and nearly always in small letters."""
    small: Counter[str] = Counter()
    large: Counter[str] = Counter()
    for path in sorted(folder.glob("*.yml")):
        for line in path.read_text(encoding="utf-8").splitlines():
            text = line.strip()
            if not text.startswith("- ") or text.startswith("- intent:"):
                continue
            for found in _WORD.finditer(text[2:]):
                word = found.group()
                starts = found.start() == 0 or text[2:][: found.start()].rstrip()[-1:] in ".?!"
                if word[0].islower():
                    small[word] += 1
                elif not starts:  # a capital inside a sentence: a name, a place, an abbreviation
                    large[word.lower()] += 1
    return frozenset(w for w, n in small.items() if n >= FEWEST and n > 4 * large[w] and w not in _SMALL)


def kept_words(text: str) -> list[str]:
    """The words of a message that may be kept, at most twelve, in alphabetical order."""
    known = vocabulary()
    found = {word for word in re.findall(r"[a-z][a-z']+", fold(text)) if len(word) >= SHORTEST and word in known}
    return sorted(found)[:MOST]
