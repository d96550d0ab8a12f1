"""``pne check --explain ID``: one text, what it rests on, and what each rule says of it."""

from __future__ import annotations

import datetime
from collections.abc import Iterator
from pathlib import Path

from bot.content import cards, governance
from bot.content.answers import load_answers, load_facts, load_sources
from bot.content.checks import OF_AN_ANSWER
from bot.content.checks.answers import exempt_words, grades, parts
from bot.content.checks.figures import card_texts
from bot.content.figures import find_cell, load_regions
from bot.content.files import DATA, ContentError
from bot.content.report_words import load_report_words


def explain(text_id: str, data: Path = DATA) -> Iterator[str]:
    """Lines that say why a text passes, or where it does not. Raises ContentError for an unknown id."""
    wanted = text_id.split("#")[0].split(".v")[0]
    if wanted.startswith(cards.PREFIX):
        return _word(wanted, data)
    if wanted not in load_answers(data):
        raise ContentError(f"No text {text_id!r}. Answers are named subject/topic, words of reports finding/word.")
    return _answer(wanted, data)


def _answer(answer_id: str, data: Path) -> Iterator[str]:
    answer, facts = load_answers(data)[answer_id], load_facts(data)
    yield f"{answer.version}: {answer.title} (about {', '.join(answer.about) or 'the product'})"
    for part, text in parts(answer):
        yield f"  {part}: {sum(word != '-' for word in text.split())} words"
    for what, value in grades(answer, exempt_words(data)).items():
        yield f"  {what}: grade {value:.1f}"
    if answer.figure:
        yield f"  figure: {_cell(answer.figure, data)}"
    for key in answer.facts:
        fact = facts[key]
        yield f"  fact {key}: {fact.say!r} = {fact.what} [{fact.mark}, {fact.source}]"
    for key in answer.sources:
        source = load_sources(data)[key]
        yield f"  source {key} [{source.mark}]: {source.cite}"
    yield f"  certainty: {answer.certainty}"
    yield f"  review: {_review(answer.version, data)}"
    for name, check in OF_AN_ANSWER.items():
        found = list(check(answer, data))
        yield f"  rule {name}: {'holds' if not found else 'FAULT'}"
        yield from (f"    {fault}" for fault in found)


def _word(word_id: str, data: Path) -> Iterator[str]:
    words = load_report_words(data)
    key = cards.key_of(word_id)
    if key not in words:
        raise ContentError(f"No word {word_id!r} in data/report_words.")
    word = words[key]
    yield f"{word.version}: {word.title}, handled as {word.handling}; heard as {', '.join(word.says[:8])} ..."
    for region, row_id in word.figures.items():
        for cell in load_regions(data)[region].rows[row_id].cells:
            yield f"  figure {_cell(f'{region}/{row_id}@{cell.key}', data)}"
    for source in word.sources:
        yield f"  source {source} [{load_sources(data)[source].mark}]: {load_sources(data)[source].cite}"
    yield f"  certainty: {word.certainty}; counterweight: {word.counterweight}"
    yield f"  review: {_review(word.version, data)}"
    faults = [fault for fault in card_texts(data) if fault.id == word.id]
    yield f"  rule card: {'holds in every region, at every age' if not faults else 'FAULT'}"
    yield from (f"    {fault}" for fault in faults)


def _cell(reference: str, data: Path) -> str:
    found = find_cell(reference, data)
    if found is None:
        return f"{reference}: no such cell"
    _region, row, cell = found
    shown = (
        "shown"
        if cell in row.quotable
        else f"never shown ({cell.hidden or row.population if cell.mark != 'U' else 'U'})"
    )
    counted = f"{cell.percent:g} % of {cards.people(cell)}, n {row.n or 'not given'}"
    return f"{reference}: {counted} [{cell.mark}, {row.source}], {shown}"


def _review(version: str, data: Path) -> str:
    states = []
    for path in sorted((data / "clinics").glob("*.yml")):
        found = governance.review_of(version, path.stem, datetime.date.today(), data)
        states.append(
            f"{path.stem}: {found.state}" + (f" by {found.by.reviewer} until {found.by.until}" if found.by else "")
        )
    return "; ".join(states)
