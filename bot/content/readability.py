"""Reading grade of a text: Flesch-Kincaid and SMOG, with syllables counted by rule.

Kincaid JP, et al. Navy Technical Training Command report 8-75, 1975; McLaughlin GH. Journal of Reading 1969;12:639-646.
The libraries that do this carry a dictionary under the GPL, or fetch one when they run. The rules below agree with
that dictionary to within a few in a hundred of our words; tests/content/test_readability.py has the cases.
"""

from __future__ import annotations

import math
import re
from collections.abc import Collection

_WORD = re.compile(r"[A-Za-z][A-Za-z'’-]*")
_SENTENCE_END = re.compile(r"[.?!:]+(?=[\s\"”')]|$)|\n+")
_VOWELS = re.compile(r"[aeiouy]+")
# Endings whose e (and what stands with it) is not spoken: "moved", "times", "gentle" keeps its own.
_SILENT_E = re.compile(r"(?:[^laeiouy]|[aeiou]l)es?$|[^aeiouytd]ed$|ely$|eful$|eless$|ement$")
_HIATUS = re.compile(
    r"i[aou](?!n$)|(?<!q)ua|eo(?!u)|(?<=[^aeiou])ea[ltn]?(?=t[eio])|io(?=[^u]*$)|ying|[aeou]ing|uous|ia"
)
_JOINED = re.compile(r"[ct]ia|[ctsx]io|gio|geo(?=u)|[td]ion|cious|tious|eous")


# What the rules get wrong, as it is said.
_SPOKEN = {
    "people": 2, "something": 2, "someone": 2, "sometimes": 2, "somewhere": 2, "somebody": 3, "every": 2, "everyone": 3,
    "everything": 3, "anyone": 3, "idea": 3, "ideas": 3, "area": 3, "areas": 3, "guideline": 2, "guidelines": 2,
    "safety": 2, "quiet": 2, "quieter": 3, "easier": 3, "easiest": 3, "surgeon": 2, "special": 2, "treated": 2,
    "evening": 2, "physio": 3, "physios": 3, "different": 2, "family": 3, "tired": 1, "clinician": 3, "clinicians": 3,
    "position": 3, "positions": 3, "being": 2, "doing": 2, "going": 2, "seeing": 2, "cushion": 2, "lesion": 2,
}  # fmt: skip


def words(text: str) -> list[str]:
    """The words of a text; numbers are none."""
    return _WORD.findall(text)


def sentences(text: str) -> int:
    """How many sentences or lines of a list a text has; at least one."""
    return max(1, sum(1 for part in _SENTENCE_END.split(text) if part and _WORD.search(part)))


def syllables(word: str) -> int:
    """Syllables of one English word, by rule; at least one."""
    word = word.lower().replace("’", "'").removesuffix("'s")
    if word in _SPOKEN:
        return _SPOKEN[word]
    if "-" in word:
        return sum(syllables(part) for part in word.split("-") if part) or 1
    word = word.replace("'", "")
    count = len(_VOWELS.findall(word)) + len(_HIATUS.findall(_JOINED.sub("o", word)))
    if _SILENT_E.search(word) and not re.search(r"(?:[sxz]|[cg]|ch|sh)es$", word):
        count -= 1
    return max(1, count)


def flesch_kincaid(text: str) -> float:
    """School grade by length of words and sentences."""
    found = words(text)
    if not found:
        return 0.0
    return 0.39 * len(found) / sentences(text) + 11.8 * sum(map(syllables, found)) / len(found) - 15.59


def smog(text: str, exempt: Collection[str] = ()) -> float:
    """School grade by the share of words of three syllables and more; `exempt` words (lower case) count as short."""
    long = sum(1 for word in words(text) if word.lower() not in exempt and syllables(word) >= 3)
    return 1.043 * math.sqrt(long * 30 / sentences(text)) + 3.1291
