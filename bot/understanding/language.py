"""Whether a message is in a language that the chat does not speak, and in which.

The chat screens and answers English only. What is clearly something else is not screened as if it were English and
then taught: the web app shows the clinic's safety card instead. English, and whatever cannot be told, is None here:
short texts, names, slips, dialect, medical words, or a foreign word in an English sentence.

Scripts other than Latin tell by themselves. For Latin script the words of ``data/languages.yml`` are counted against
the English frequency list that ships with symspellpy and the words of our training examples. No statistics of letters:
those take three words of a language for another one, and rare English words for Italian. 0.1 s when first used.
"""

from __future__ import annotations

import importlib.util
import re
import unicodedata
from collections import Counter
from collections.abc import Mapping, Sequence, Set
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

from bot.content.files import DATA
from bot.content.interface import load_languages
from bot.understanding.spelling import fold, vocabulary_words

LATIN = "LATIN"
# A language that is none of those listed, in the sense of BCP 47.
UNDETERMINED = "und"
# Letters and words that are read, at most: the beginning of a message tells its language.
MOST_LETTERS, MOST_WORDS = 1500, 120
# What a word of a listed language is worth as a sign of it: less if a dictionary of English has it, little if patients
# who write English use it. Words that neither English nor the list has add something, names aside.
SIGN, RARE_IN_ENGLISH, COMMON_IN_ENGLISH, UNKNOWN = 1.0, 0.5, 0.2, 0.3
# Signs must come to ENOUGH, and words that can only be English to no more than ENGLISH_SHARE of all.
ENOUGH, ENGLISH_SHARE = 1.4, 0.34
# For a language that is not listed: so many words, no more English ones than this, and among the unknown ones a short
# and a longer one. Lists of medicines have no short words, lists of abbreviations no long ones; languages have both.
FEWEST, ENGLISH_AT_MOST, SHORT = 4, 0.3, 4
_WORD = re.compile(r"[^\W\d_]+(?:'[^\W\d_]+)*")
# Words that are written like names.
_NAME = re.compile(r"[^\W\d_a-z][^\W\d_A-Z]+(?:['’][^\W\d_]+)*")
# In scripts whose vowels are marks on letters, words are what stands between spaces.
_SPACED = re.compile(r"[^\s.,;:!?()\"'؟،؛।]+")
_ENGLISH_ENDING = re.compile(r"'(?:s|t|m|re|ve|ll|d|all|n)$")
_APART = str.maketrans({"ł": "l", "ı": "i", "ß": "ss", "ø": "o", "đ": "d", "æ": "ae", "œ": "oe"})


@dataclass(frozen=True)
class Known:
    """What the decision rests on. `words`: of languages in Latin script, without accents, by tag; `others`: languages
    by script, each with its tag, letters and words; `common`: what patients write in English; `english`: any English
    word."""

    words: Mapping[str, frozenset[str]]
    others: Mapping[str, Sequence[tuple[str, frozenset[str], frozenset[str]]]]
    common: frozenset[str]
    english: frozenset[str]


def language_of(text: str) -> str | None:
    """The language tag of a message that is clearly not English; None for English and for what cannot be told.

    Tags are those of ``data/languages.yml``, or "und" for a language that is not listed.
    """
    folded = fold(text[:MOST_LETTERS])
    scripts = Counter(script for letter in folded if (script := script_of(letter)))
    latin = scripts.pop(LATIN, 0)
    if sum(scripts.values()) > latin:
        return _by_script(scripts, folded)
    return _by_words(text[:MOST_LETTERS], folded) if latin else None


@lru_cache(maxsize=4096)
def script_of(character: str) -> str:
    """The script of a letter ("LATIN", "ARABIC", "CJK"); empty for what is no letter."""
    return unicodedata.name(character, "").split(" ")[0] if character.isalpha() else ""


@lru_cache(maxsize=1)
def load_known(data: Path = DATA) -> Known:
    """The word lists. Raises ContentError where data/languages.yml cannot be read."""
    words: dict[str, frozenset[str]] = {}
    others: dict[str, list[tuple[str, frozenset[str], frozenset[str]]]] = {}
    for tag, about in load_languages(data).items():
        own = str(about.get("words", "")).split()
        if about["script"] != LATIN:
            kept = (tag, frozenset(about.get("letters", "")), frozenset(own))
            others.setdefault(about["script"], []).append(kept)
        elif own:
            words[tag] = frozenset(plain for word in own for plain in _plain(fold(word)))
    common = frozenset(vocabulary_words(data / "nlu"))
    return Known(words, others, common, common | _dictionary())


def _by_script(scripts: Mapping[str, int], folded: str) -> str:
    """The language of a script, by its letters and words where several share it."""
    known = load_known()
    if scripts.get("HIRAGANA", 0) + scripts.get("KATAKANA", 0) > 0:
        return "ja"
    script = max(scripts, key=lambda one: scripts[one])
    found = set(_SPACED.findall(folded))
    best, most = UNDETERMINED, -1
    for tag, letters, words in known.others.get(script, ()):
        # A letter that no other one has counts for more than a word, which several may share.
        score = 2 * sum(letter in letters for letter in folded) + len(found & words)
        if score > most:
            best, most = tag, score
    return best


def _by_words(text: str, folded: str) -> str | None:
    known = load_known()
    names = {fold(word) for word in _NAME.findall(text)}
    wholes = _WORD.findall(folded)[:MOST_WORDS]
    found = [word for whole in wholes for word in _plain(whole) if len(word) > 1]
    named = {word for whole in wholes if whole in names for word in _plain(whole)}
    different = set(found)
    unknown = {word for word in different - known.english - named if len(word) > 2}
    best, most = None, 0.0
    for tag, words in known.words.items():
        signs = different & words
        sure = sum(_worth(word, known) for word in signs)
        more = len(unknown - signs)
        # One word may be a loan, or part of a name; with a second one, or others that nobody knows, it is a language.
        if len(signs) < 2 and (more < 2 or len(different) < FEWEST):
            continue
        # Two letters are easily a slip of an English word, or an abbreviation.
        if not any(len(word) > 2 for word in signs - known.english):
            continue
        score = sure + UNKNOWN * more
        if score >= ENOUGH and score > most and _english(found, signs, known) <= ENGLISH_SHARE:
            best, most = tag if sure >= ENOUGH else UNDETERMINED, score
    if best is None and len(different) >= FEWEST and _english(found, frozenset(), known) <= ENGLISH_AT_MOST:
        short = any(len(word) <= SHORT for word in different - known.english - named)
        return UNDETERMINED if short and any(len(word) > SHORT for word in unknown) else None
    return best


def _worth(word: str, known: Known) -> float:
    if word in known.common:
        return COMMON_IN_ENGLISH
    return RARE_IN_ENGLISH if word in known.english else SIGN


def _english(found: Sequence[str], signs: Set[str], known: Known) -> float:
    """The share of the words that can only be English, all else being told by `signs`."""
    return sum(word in known.english and word not in signs for word in found) / len(found) if found else 1.0


def _plain(word: str) -> list[str]:
    """A word without accents; in parts where an apostrophe joins them, but not "don't"."""
    bare = unicodedata.normalize("NFD", word.translate(_APART))
    bare = "".join(letter for letter in bare if not unicodedata.combining(letter))
    return [bare] if _ENGLISH_ENDING.search(bare) else bare.split("'")


@lru_cache(maxsize=1)
def _dictionary() -> frozenset[str]:
    package = importlib.util.find_spec("symspellpy")
    assert package is not None and package.submodule_search_locations
    path = Path(package.submodule_search_locations[0]) / "frequency_dictionary_en_82_765.txt"
    return frozenset(line.split(" ")[0] for line in path.read_text(encoding="utf-8-sig").splitlines())
