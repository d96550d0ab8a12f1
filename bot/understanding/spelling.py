"""Spelling repair of words nobody knows, towards English and this product's own vocabulary.

SymSpell (https://github.com/wolfgarbe/SymSpell) with edit distance 1 and the English frequency list that ships with
symspellpy; the words of our training examples are added with a high count, so that "gabapentin" is never "corrected".
Words in the list are never touched. Cost: about 1 s and 30 MB when first used, 0.1 ms a message.
"""

from __future__ import annotations

import importlib.util
import re
import unicodedata
from collections import Counter
from collections.abc import Callable
from functools import lru_cache
from pathlib import Path

from bot.settings import ROOT

MAX_EDITS = 1
PREFIX = 5
SHORTEST_REPAIRED = 4
_DOMAIN_COUNT = 50_000_000
_SLIP = 8
_WORD = re.compile(r"[a-z]+(?:'[a-z]+)?")
_APOSTROPHES = str.maketrans({"’": "'", "‘": "'", "ʼ": "'", "`": "'", "´": "'"})
_REPEATED = re.compile(r"(.)\1{2,}")
_SPACES = re.compile(r"\s+")
# What people leave out when they type on a phone. Only forms that are not words of their own.
_MISSING_APOSTROPHE = {
    "cant": "can't", "dont": "don't", "doesnt": "doesn't", "didnt": "didn't", "isnt": "isn't", "wasnt": "wasn't",
    "wont": "won't", "wouldnt": "wouldn't", "couldnt": "couldn't", "shouldnt": "shouldn't", "havent": "haven't",
    "hasnt": "hasn't", "im": "i'm", "ive": "i've", "thats": "that's", "whats": "what's", "arent": "aren't",
    "youre": "you're", "theyre": "they're", "u": "you", "ur": "your", "pls": "please", "cos": "because",
    "cuz": "because", "bc": "because", "wanna": "want to", "gonna": "going to", "gotta": "got to",
    "idk": "i don't know",
}  # fmt: skip


def fold(text: str) -> str:
    """Lower case, one kind of apostrophe, no control characters or lone surrogates, single spaces."""
    text = unicodedata.normalize("NFKC", text.encode("utf-8", "ignore").decode("utf-8")).translate(_APOSTROPHES)
    text = "".join(c if unicodedata.category(c)[0] != "C" else " " for c in text)
    return _SPACES.sub(" ", _REPEATED.sub(r"\1\1", text.lower())).strip()


def vocabulary_words(folder: Path) -> Counter[str]:
    """The words of the training examples under `folder` (``data/nlu``) that come twice or more, with how often."""
    words: Counter[str] = Counter()
    for path in sorted(folder.glob("*.yml")):
        for line in path.read_text(encoding="utf-8").splitlines():
            stripped = line.strip()
            if stripped.startswith("- ") and not stripped.startswith("- intent:"):
                words.update(set(_WORD.findall(fold(stripped[2:]))))
    return Counter({word: count for word, count in words.items() if count >= 2 and "'" not in word})


@lru_cache(maxsize=1)
def load_normaliser(folder: Path = ROOT / "data" / "nlu") -> Callable[[str], str]:
    """A function from a patient's text to its folded, spelling-repaired form."""
    from symspellpy import SymSpell, Verbosity

    spell = SymSpell(max_dictionary_edit_distance=MAX_EDITS, prefix_length=PREFIX)
    package = importlib.util.find_spec("symspellpy")
    assert package is not None and package.submodule_search_locations
    spell.load_dictionary(Path(package.submodule_search_locations[0]) / "frequency_dictionary_en_82_765.txt", 0, 1)
    own = vocabulary_words(folder)
    # Our examples hold typing slips on purpose: what is one letter from a word used many times more is a slip of it.
    slips = {
        word
        for word, count in own.items()
        if word not in spell.words
        and any(own[f.term] >= _SLIP * count for f in spell.lookup(word, Verbosity.CLOSEST, max_edit_distance=MAX_EDITS))
    }
    for word in sorted(own.keys() - slips):
        spell.create_dictionary_entry(word, _DOMAIN_COUNT)

    def repair(match: re.Match[str]) -> str:
        word = match.group()
        if word in _MISSING_APOSTROPHE:
            return _MISSING_APOSTROPHE[word]
        if len(word) < SHORTEST_REPAIRED or "'" in word or word in spell.words:
            return word
        found = spell.lookup(word, Verbosity.TOP, max_edit_distance=MAX_EDITS)
        return found[0].term if found else word

    return lambda text: _WORD.sub(repair, fold(text))
