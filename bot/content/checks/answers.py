"""The shape of an answer: lengths, openings, links, sources, reading grade."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator
from itertools import chain
from pathlib import Path

from bot.content.answers import Answer, load_answers, load_sources
from bot.content.checks.fault import Fault, file_of, parts
from bot.content.library import load_terms
from bot.content.readability import flesch_kincaid, smog

MOST_BUBBLES, MOST_WORDS, MOST_FLARE_WORDS, MOST_WHY_WORDS, MOST_OPENING_WORDS = 3, 60, 25, 75, 40
MOST_TITLE = 40
MOST_PLAIN_BUBBLES, MOST_PLAIN_WORDS = 2, 45
HARDEST_GRADE, HARDEST_PLAIN_GRADE = 6.0, 4.0
FEWEST_OPENINGS = 4
# Lists of danger signs and of what can kill: to leave one out would be the wrong help, so they have no short form.
NEVER_SHORTENED = {
    "flare/or_red_flag", "care/when_to_get_help", "care/opioids", "about/children", "about/pregnancy", "scans/when_needed",
}  # fmt: skip
# Plain facts about the product and small talk: nothing to validate, nobody to cite.
PLAIN_SUBJECTS = {"about", "chat"}
TOLD_TO_A_HELPER = {"carer"}
MARKS = {"V", "K"}
LIMITS = {
    "text": MOST_WORDS, "more": MOST_WORDS, "helper": MOST_WORDS, "flare": MOST_FLARE_WORDS, "why": MOST_WHY_WORDS,
    "opening": MOST_OPENING_WORDS, "plain": MOST_PLAIN_WORDS,
}  # fmt: skip
# An opening hears the person before anything is explained: it names a burden or the sense of asking, or it speaks of
# people at least, and not of what something means or what studies say.
_HEARS = re.compile(
    r"\b(?:makes? (?:\w+ )?sense|hard(?:er|est)?|heav\w+|tough|wise|smart|right to|good to|no wonder|loss|scary|unfair|lonely|worn|tir(?:es|ed|ing)|sore|shame|"
    r"real|matters?|courage|human|sensible|odd|worr\w+|fear|anger|doubt|blow|care|patience|fair|kind|weak|waiting|wears|takes? (?:\w+ )?(?:strength|spirit)|hurts?|a lot to|natural|wanting|upsetting|shock|hope|feel)\b",
    re.IGNORECASE,
)
_TO_A_PERSON = re.compile(
    r"\b(?:you|your|yours|anyone|anybody|everyone|people|person|many|most|few|we|us|one)\b", re.IGNORECASE
)
_EXPLAINS = re.compile(
    r"\b(?:means that|is called|stud(?:y|ies)|research|guidelines?|shows that|because)\b", re.IGNORECASE
)


def shape(answer: Answer, data: Path) -> Iterator[Fault]:
    """Bubbles, words, titles, review state."""
    if not 1 <= len(answer.bubbles) <= MOST_BUBBLES:
        yield Fault(file_of(answer), answer.id, f"{len(answer.bubbles)} bubbles; write 1 to {MOST_BUBBLES}")
    if len(answer.title) > MOST_TITLE:
        yield Fault(file_of(answer), answer.id, f"the title has {len(answer.title)} characters; {MOST_TITLE} at most")
    for part, text in parts(answer):
        words = sum(word != "-" for word in text.split())  # list marks are not words
        if words > LIMITS[part]:
            what = f"{part} has {words} words in one bubble; {LIMITS[part]} at most"
            yield Fault(file_of(answer), answer.id, what, "cut it, or move a part to `more`")
    if answer.review not in ("pending", "signed"):
        yield Fault(
            file_of(answer), answer.id, "review.state must be pending (nobody clinical has signed) or signed",
            "pne content sign writes sign-offs",
        )  # fmt: skip


def openings(answer: Answer, data: Path) -> Iterator[Fault]:
    """The first bubble validates, in one of at least four wordings, and no two answers share one."""
    if answer.subject in PLAIN_SUBJECTS and len(answer.openings) <= 1:
        return
    if len(answer.openings) < FEWEST_OPENINGS:
        what = f"{len(answer.openings)} openings; {FEWEST_OPENINGS} at least (the text's first bubble is one)"
        yield Fault(file_of(answer), answer.id, what, "add first bubbles that validate under `openings`")
    for opening in answer.openings:
        heard = _HEARS.search(opening) or (_TO_A_PERSON.search(opening) and not _EXPLAINS.search(opening))
        if not heard or re.search(r"\d", opening):
            yield Fault(
                file_of(answer), answer.id, f"this first bubble does not validate: {opening!r}",
                "hear the person first; explain in the second bubble",
            )  # fmt: skip
        for other in load_answers(data).values():
            if other.id < answer.id and opening in other.openings:
                yield Fault(file_of(answer), answer.id, f"shares an opening with {other.id}", "use words of its own")


def helpers(answer: Answer, data: Path) -> Iterator[Fault]:
    """Every answer about pain can be told to somebody who helps."""
    told = answer.subject not in PLAIN_SUBJECTS | TOLD_TO_A_HELPER
    if told and answer.openings[1:] and not answer.helper:
        yield Fault(file_of(answer), answer.id, "no words for a helper", 'write `helper`: the same, about "they"')


def simple(answer: Answer, data: Path) -> Iterator[Fault]:
    """The simple form: 45 words in all, grade 4, no digits, two-sided where the text is."""
    if answer.id in NEVER_SHORTENED:
        if answer.plain:
            yield Fault(file_of(answer), answer.id, "has a plain form; a list of danger signs is not shortened", "take it out")
        return
    said = plain("\n".join(answer.plain or answer.bubbles))
    words, hardness = len(said.split()), flesch_kincaid(said)
    if words > MOST_PLAIN_WORDS or hardness > HARDEST_PLAIN_GRADE or len(answer.plain) > MOST_PLAIN_BUBBLES:
        yield Fault(
            file_of(answer), answer.id,
            f"{'plain' if answer.plain else 'no plain form, and the text'} has {words} words at grade {hardness:.1f}",
            f"write `plain`: {MOST_PLAIN_WORDS} words in all, grade {HARDEST_PLAIN_GRADE:.0f}, two bubbles at most",
        )  # fmt: skip
    if answer.plain and re.search(r"\d", said):
        yield Fault(file_of(answer), answer.id, "plain has a digit", "say it without the figure")


def links(answer: Answer, data: Path) -> Iterator[Fault]:
    """Next answers and sources are there; sources are of a mark that may be shown."""
    answers, sources = load_answers(data), load_sources(data)
    for other in answer.next:
        if other not in answers or other == answer.id:
            yield Fault(file_of(answer), answer.id, f"next: {other} is not another answer")
    for key in answer.sources:
        if key not in sources:
            yield Fault(file_of(answer), answer.id, f"source {key} is not in data/sources")
        elif sources[key].mark not in MARKS:
            yield Fault(f"data/sources/{answer.subject}.yml", key, "mark must be V or K; unsure sources are not shown")
    if not answer.sources and answer.subject not in PLAIN_SUBJECTS:
        yield Fault(file_of(answer), answer.id, "no source; every answer about pain says where it comes from")


def grade(answer: Answer, data: Path) -> Iterator[Fault]:
    """Reading grade 6 or lower: Flesch-Kincaid of each part, SMOG of the whole (it needs many sentences)."""
    for what, value in grades(answer, exempt_words(data)).items():
        if value > HARDEST_GRADE:
            yield Fault(
                file_of(answer), answer.id, f"{what}: reading grade {value:.1f}; {HARDEST_GRADE:.0f} at most",
                "shorter sentences, shorter words",
            )  # fmt: skip


def grades(answer: Answer, exempt: Collection[str]) -> dict[str, float]:
    """Flesch-Kincaid of each part and SMOG of the whole, with the named words of data/glossary.yml left out of SMOG."""
    texts: dict[str, str] = {}
    for part, text in parts(answer):
        texts[part] = f"{texts.get(part, '')}\n{plain(text)}"
    found = {f"{part} (Flesch-Kincaid)": flesch_kincaid(text) for part, text in texts.items()}
    whole = "\n".join(text for part, text in texts.items() if part != "why")
    return {**found, "whole (SMOG)": smog(whole, exempt)}


def exempt_words(data: Path) -> set[str]:
    return set(chain.from_iterable(term.forms for term in load_terms(data).values()))


def plain(text: str) -> str:
    """A text without the braces of its placeholders, as one reads it."""
    return re.sub(r"\{(\w+)\}", lambda found: found[1].replace("_", " "), text)
