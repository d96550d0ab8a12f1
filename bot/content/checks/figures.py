"""Figures: each digit in a text comes from a cell or a declared fact, and each cell from a source that may be shown."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from bot.content import cards, figures
from bot.content.answers import Answer, Source, load_facts, load_sources
from bot.content.checks.answers import (
    MARKS,
    MOST_FLARE_WORDS,
    MOST_PLAIN_BUBBLES,
    MOST_WORDS,
    exempt_words,
    plain,
)
from bot.content.checks.fault import Fault, file_of, parts
from bot.content.checks.language import said as without_quotes
from bot.content.checks.language import wrong_words
from bot.content.files import bubbles
from bot.content.library import load_library
from bot.content.readability import flesch_kincaid, smog
from bot.content.replies import render
from bot.content.report_words import URGENT, CardWording, ReportWord, load_card, load_report_words

_DIGITS = re.compile(r"\d+(?:\.\d+)?")
_SHARE = re.compile(r"\b(\d+)(?: (?:to|and) (\d+))? in (10|100)\b")
_OWN_LIMIT = re.compile(r"\bon (?:its|their) own\b[^.]*\bcannot tell us why you hurt\b", re.IGNORECASE)
HARDEST_CARD = 6.5
# The simple form carries the word's whole meaning (up to 26 words), so it may be longer and harder than an answer's.
# The report's own word, in quotes, is left out of its grade.
MOST_FORM_WORDS = {cards.PLAIN: MOST_WORDS, cards.FLARE: MOST_FLARE_WORDS}
HARDEST_CARD_FORM = 5.0
_SENDS_TO_A_CHECK = re.compile(r"\bcheck(?:ed)?\b|\{emergency_number\}")
_BOTH_SIDES = re.compile(
    r"\bor not\b|\bcannot tell us why you hurt\b|\bAsk your clinician\b|\byour clinician can say\b|\bclear scan\b"
)
_SOUNDS_COMMON = re.compile(r"\b(?:common|often|usual|usually|many|most|harmless|by chance|or not)\b", re.IGNORECASE)


def digits(answer: Answer, data: Path) -> Iterator[Fault]:
    """Every number in a text stands in its figure's cell or in one of its facts."""
    facts = load_facts(data)
    known: set[str] = set()
    for key in answer.facts:
        if key not in facts:
            yield Fault(file_of(answer), answer.id, f"fact {key} is not in data/facts")
        else:
            known |= set(_DIGITS.findall(facts[key].say))
    if answer.figure:
        known |= numbers_of_cell(answer.figure, data)
    for part, text in parts(answer):
        unknown = set(_DIGITS.findall(re.sub(r"\{\w+\}", "", text))) - known
        if unknown:
            yield Fault(
                file_of(answer), answer.id, f"{part}: {', '.join(sorted(unknown))} come from no cell and no fact",
                "name the cell under `figure`, or the fact under `facts` (data/facts)",
            )  # fmt: skip


def figure(answer: Answer, data: Path) -> Iterator[Fault]:
    """The figure's cell may be shown, the text says its value, and the same bubble says what it cannot tell."""
    if not answer.figure:
        return
    found = figures.find_cell(answer.figure, data)
    if found is None or not figures.quotable(answer.figure, data):
        yield Fault(
            file_of(answer), answer.id, f"figure {answer.figure} is not a cell that may be shown",
            "only V and K cells of people without pain, never asterisked ones (data/findings)",
        )  # fmt: skip
        return
    cell = found[2]
    whole = " ".join(answer.bubbles)
    if cards.share(cell).removeprefix("about ") not in re.sub(r"(\d) and (\d)", r"\1 to \2", whole):
        yield Fault(
            file_of(answer),
            answer.id,
            f"the text does not say {cards.share(cell)!r}, which is what {answer.figure} holds",
        )
    for bubble in answer.bubbles:
        if _SHARE.search(bubble) and not _OWN_LIMIT.search(bubble):
            yield Fault(
                file_of(answer), answer.id, "a figure without what it cannot tell",
                "add that on its own it cannot tell us why they hurt (docs/content.md has the words)",
            )  # fmt: skip
        if len(_SHARE.findall(bubble)) > 1:
            yield Fault(file_of(answer), answer.id, "two figures in one bubble; one at most", "move one to `more`")


def numbers_of_cell(reference: str, data: Path) -> set[str]:
    """The digits that a cell allows: its share of ten (or a hundred), and the age that it stands for."""
    found = figures.find_cell(reference, data)
    if found is None:
        return set()
    cell = found[2]
    allowed = {"10", "100", str(cell.tenths), str(cell.dots), *_DIGITS.findall(cards.share(cell))}
    allowed |= set(_DIGITS.findall(cell.who)) | ({str(cell.around)} if cell.around else set())
    return allowed


def tables(data: Path) -> Iterator[Fault]:
    """Sources, marks, and words that point at rows which are there."""
    sources, facts = load_sources(data), load_facts(data)
    regions = figures.load_regions(data)
    for region in regions.values():
        for row in region.rows.values():
            where = f"data/findings/{region.id}.yml"
            if row.source not in sources and row.quotable:
                yield Fault(where, row.id, f"source {row.source} is not in data/sources")
            if row.population not in ("pain_free", "mixed"):
                yield Fault(where, row.id, f"population {row.population!r}; use pain_free or mixed")
            for cell in row.cells:
                if not 0 <= cell.percent <= 100:
                    yield Fault(where, f"{row.id}@{cell.key}", f"{cell.percent} percent")
    for fact in facts.values():
        if fact.mark not in MARKS:
            yield Fault("data/facts", fact.key, "mark must be V or K; unsure facts are not shown")
        if fact.source not in sources:
            yield Fault("data/facts", fact.key, f"source {fact.source} is not in data/sources")
    for word in load_report_words(data).values():
        yield from _word(word, regions, sources)


def _word(word: ReportWord, regions: Mapping[str, figures.Region], sources: Mapping[str, Source]) -> Iterator[Fault]:
    where = "data/report_words"
    for region, row_id in word.figures.items():
        row = regions[region].rows.get(row_id) if region in regions else None
        if row is None or not row.quotable:
            yield Fault(where, word.id, f"figures: {region}/{row_id} has no cell that may be shown")
    if word.handling == URGENT and word.figures:
        yield Fault(where, word.id, "a word that must be checked is never made to sound common", "figures: {}")
    for key in word.sources:
        if key not in sources:
            yield Fault(where, word.id, f"source {key} is not in data/sources")
    for text in (word.meaning, word.outlook, word.bring):
        if _DIGITS.search(text):
            yield Fault(where, word.id, f"digits in {text!r}; figures come from data/findings")


def card_texts(data: Path) -> Iterator[Fault]:
    """Every card that can be shown, in every region and at every age: lengths, grade, banned words, its limit."""
    library, exempt = load_library(data), exempt_words(data)
    seen: set[str] = set()
    for word in library.words.values():
        for spec in card_specs(word, load_card(data)):
            reply = render(spec, library)
            for form, said in (reply["metadata"].get("forms") or {}).items():
                if "\n\n".join(said) not in seen:
                    seen.add("\n\n".join(said))
                    yield from _card_form(word, form, said)
            text = reply["text"]
            if text in seen:
                continue
            seen.add(text)
            yield from _card_text(word.id, text, spec, exempt)


def card_specs(word: ReportWord, card: CardWording) -> Iterator[dict[str, Any]]:
    """The specs that a conversation can come to: regions, an age of every decade or none, every part, every opening."""
    key = cards.key_of(word.id)
    for region in word.regions:
        for age in (*map(int, card.ages), cards.REFUSED):
            yield {"reply": "card", "word": key, "region": region, "age": age}
        for part in (cards.MORE, cards.WHY, cards.OUTLOOK, cards.SERIOUS, cards.ASK_AGE):
            yield {"reply": "card", "word": key, "region": region, "part": part}
    for opening in range(len(card.openings[word.handling])):
        yield {"reply": "card", "word": key, "opening": opening}


def _card_form(word: ReportWord, form: str, said: Sequence[str]) -> Iterator[Fault]:
    """A shorter form of a card: short, simple, without a figure, two-sided, and with the sign that needs a check."""
    whole, where = " ".join(said), "data/finding_card.yml"
    words, hardness = len(whole.split()), flesch_kincaid(plain(without_quotes("\n".join(said))))
    if words > MOST_FORM_WORDS[form] or len(said) > MOST_PLAIN_BUBBLES or hardness > HARDEST_CARD_FORM:
        yield Fault(
            where, word.id, f"{form}: {words} words in {len(said)} bubbles at grade {hardness:.1f}",
            f"{MOST_FORM_WORDS[form]} words, {MOST_PLAIN_BUBBLES} bubbles, grade {HARDEST_CARD_FORM:.0f} at most",
        )  # fmt: skip
    if _DIGITS.search(whole):
        yield Fault(where, word.id, f"{form} has a digit", "say it without the figure")
    if not _SENDS_TO_A_CHECK.search(whole):
        yield Fault(where, word.id, f"{form} does not say when a check is right", "add {check}")
    if word.handling == URGENT and (found := _SOUNDS_COMMON.search(whole)):
        yield Fault(where, word.id, f"{form} makes a word that must be checked sound common: {found.group()!r}")
    if word.handling == URGENT and not ("{urgent_line}" in whole and "{emergency_number}" in whole):
        yield Fault(where, word.id, f"{form} lacks a number to call", "name {urgent_line} and {emergency_number}")
    if word.handling != URGENT and not _BOTH_SIDES.search(whole):
        yield Fault(where, word.id, f"{form} tells one side", "it may be part of the pain, or not")
    for why, what in wrong_words(whole):
        yield Fault(where, word.id, f"{form} {why}: {what!r}")


def _card_text(card_id: str, text: str, spec: Mapping[str, Any], exempt: set[str]) -> Iterator[Fault]:
    part = spec.get("part", cards.MAIN)
    for bubble in bubbles(text):
        words = len(bubble.split())
        if words > MOST_WORDS and part != cards.WHY:
            yield Fault(
                "data/report_words", card_id, f"{part}: {words} words in one bubble; {MOST_WORDS} at most", bubble
            )
        if _SHARE.search(bubble) and part == cards.MAIN and not _OWN_LIMIT.search(bubble):
            yield Fault("data/finding_card.yml", card_id, "a figure without what it cannot tell")
        if part != cards.WHY:  # sources name themselves
            for why, what in wrong_words(bubble):
                yield Fault("data/report_words", card_id, f"{part} {why}: {what!r}")
    if part != cards.WHY and flesch_kincaid(plain(text)) > HARDEST_CARD:
        yield Fault("data/report_words", card_id, f"{part}: reading grade {flesch_kincaid(plain(text)):.1f}")
    if part == cards.MAIN and smog(plain(text), exempt) > HARDEST_CARD + 1:
        yield Fault("data/report_words", card_id, f"{part}: SMOG {smog(plain(text), exempt):.1f}")
