"""``pne check``: the gate for everything under ``data/``, in seconds. Rasa's own validation exits 0 on most of this."""

from __future__ import annotations

import datetime
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any

from bot.content.answers import load_answers, load_controls, load_facts, load_sources
from bot.content.checks import answers as of_answers
from bot.content.checks import beliefs, interface, language, lessons, visuals
from bot.content.checks import figures as of_figures
from bot.content.checks import tutor as of_tutor
from bot.content.checks.fault import Fault
from bot.content.checks.language import BANNED, PLACEHOLDERS
from bot.content.checks.outside import wording_in_code
from bot.content.checks.training import FEWEST_EXAMPLES, FEWEST_OUTSIDE, consistent, enough_examples, examples
from bot.content.clinics import load_clinics
from bot.content.figures import load_regions
from bot.content.files import DATA, ContentError, name, read_yaml
from bot.content.forms import load_forms
from bot.content.inbox import load_inbox_wording
from bot.content.library import load_terms
from bot.content.report_words import load_card, load_report_words
from bot.content.silence import load_silence
from bot.content.wording import load_wording

__all__ = ["BANNED", "FEWEST_EXAMPLES", "FEWEST_OUTSIDE", "PLACEHOLDERS", "Fault", "check_all", "examples"]

OLDEST_NUMBERS = datetime.timedelta(days=366)
LOADERS = (
    load_answers, load_controls, load_sources, load_facts, load_wording, load_inbox_wording, load_clinics, load_silence,
    load_terms, load_regions, load_report_words, load_card, load_forms,
)  # fmt: skip
# What every answer is held to, by name; ``pne check --explain`` shows them one by one.
OF_AN_ANSWER = {
    "shape": of_answers.shape,
    "openings": of_answers.openings,
    "helper": of_answers.helpers,
    "simple words": of_answers.simple,
    "links": of_answers.links,
    "grade": of_answers.grade,
    "words": language.banned,
    "two sides": language.two_sided,
    "brain pictures": language.brain_talk,
    "numbers to call": language.numbers_to_call,
    "digits": of_figures.digits,
    "figure": of_figures.figure,
}


def check_all(data: Path = DATA, today: datetime.date | None = None) -> list[Fault]:
    """All faults under `data`. Never raises for wrong content."""
    from bot import safety

    faults: list[Fault] = []
    for load in LOADERS:
        faults += _loading(lambda load=load: load(data))  # type: ignore[misc]
    faults += _loading(lambda: safety.load_rules(data / "safety").compiled)
    if (data / "safety_check.yml").exists():
        faults += _loading(lambda: safety.load_cues(safety.load_check(data / "safety_check.yml")))
    if faults:
        return faults
    for check in OF_AN_ANSWER.values():
        for answer in load_answers(data).values():
            faults += check(answer, data)
    for found in (
        wording_in_code() if data == DATA else iter(()), _titles(data), of_figures.tables(data),
        interface.languages(data), _tutor(data),
        of_figures.card_texts(data), enough_examples(data), consistent(data),
        _dates(data), _old_numbers(data, today or datetime.date.today()), _unused(data),
    ):  # fmt: skip
        faults += _loading(partial(faults.extend, found))
    return faults


def _loading(load: Callable[[], Any]) -> list[Fault]:
    try:
        load()
    except (ContentError, ValueError, KeyError, TypeError, AttributeError) as error:
        return [Fault("data", type(error).__name__, str(error))]
    return []


def _tutor(data: Path) -> Iterator[Fault]:
    """What the tutor says, where there is one."""
    if (data / "tutor").exists():
        for found in (of_tutor.wording, lessons.lessons, beliefs.beliefs, visuals.visuals):
            yield from found(data)


def _titles(data: Path) -> Iterator[Fault]:
    """Two buttons with the same words would be a riddle."""
    seen: dict[str, str] = {}
    for answer in load_answers(data).values():
        if seen.setdefault(answer.title.lower(), answer.id) != answer.id:
            yield Fault(
                f"data/responses/{answer.subject}.yml", answer.id, f"has the title of {seen[answer.title.lower()]}"
            )


def _old_numbers(data: Path, today: datetime.date) -> Iterator[Fault]:
    """Numbers to call are looked at again every quarter; after a year without that nobody may rely on them."""
    for country, lines in read_yaml(data / "numbers.yml").items():
        checked = lines.get("checked") if isinstance(lines, dict) else None
        if checked and datetime.date.fromisoformat(str(checked)) + OLDEST_NUMBERS < today:
            yield Fault(
                "data/numbers.yml", country, f"numbers last checked on {checked}", "call them, and set the date"
            )


def _dates(data: Path) -> Iterator[Fault]:
    def unquoted(value: Any) -> bool:
        if isinstance(value, dict):
            return any(unquoted(item) for item in value.values())
        if isinstance(value, list):
            return any(unquoted(item) for item in value)
        return isinstance(value, datetime.date)

    for path in sorted(data.rglob("*.yml")):
        if unquoted(read_yaml(path)):
            yield Fault(name(path), "dates", "a date without quotes; Rasa cannot store it. Put it in quotes")


def _unused(data: Path) -> Iterator[Fault]:
    used = {key for answer in load_answers(data).values() for key in answer.sources}
    used |= {key for word in load_report_words(data).values() for key in word.sources}
    used |= {row.source for region in load_regions(data).values() for row in region.rows.values()}
    used |= {fact.source for fact in load_facts(data).values()}
    used |= of_tutor.sources_used(data)
    for key in sorted(set(load_sources(data)) - used):
        yield Fault("data/sources", key, "no answer, figure or fact uses this source")
