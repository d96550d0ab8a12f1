"""All content together, loaded once: what a reply is rendered from."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

from bot.content.answers import Answer, Control, Source, load_answers, load_controls, load_sources
from bot.content.figures import Region, load_regions
from bot.content.files import DATA, ContentError, fill, read_yaml
from bot.content.report_words import CardWording, ReportWord, load_card, load_report_words
from bot.content.wording import Wording, load_wording


@dataclass(frozen=True)
class Term:
    """A needed word that is harder than grade 6, with what it means. `forms`: how it stands in a text, lower case."""

    key: str
    title: str
    forms: tuple[str, ...]
    plain: str


@dataclass(frozen=True)
class Library:
    """`controls` by their id without version (``control/did_you_mean.1``); `sure` and `reviewed` are what is said of an
    answer's certainty and review; the rest by id or key."""

    answers: dict[str, Answer]
    actions: dict[str, tuple[Control, ...]]
    controls: dict[str, Control]
    sources: dict[str, Source]
    wording: Wording
    words: dict[str, ReportWord]
    card: CardWording
    regions: dict[str, Region]
    terms: dict[str, Term]
    sure: dict[str, str]
    reviewed: dict[str, str]


@lru_cache(maxsize=2)
def load_library(data: Path = DATA) -> Library:
    """Everything under `data` that replies are made of. Raises ContentError."""
    actions = load_controls(data)
    return Library(
        answers=load_answers(data),
        actions=actions,
        controls={control.id: control for variants in actions.values() for control in variants},
        sources=load_sources(data),
        wording=load_wording(data),
        words=load_report_words(data),
        card=load_card(data),
        regions=load_regions(data),
        terms=load_terms(data),
        sure=read_yaml(data / "governance.yml")["certainty"],
        reviewed=read_yaml(data / "governance.yml")["review"],
    )


@lru_cache(maxsize=4)
def load_terms(data: Path = DATA) -> dict[str, Term]:
    """The named words that reading grades leave out, each explained the first time it is used in a chat."""
    terms = {}
    for key, fields in read_yaml(data / "glossary.yml").items():
        try:
            forms = tuple(str(form).lower() for form in fields["forms"])
            terms[key] = Term(key, fields["title"], forms, fields["plain"])
        except (KeyError, TypeError) as error:
            raise ContentError(f"data/glossary.yml: {key}: {type(error).__name__}: {error}") from None
    return terms


def why_lines(why: str, sources: Sequence[str], library: Library, sure: str) -> list[str]:
    """Where something comes from: in plain words, its sources one by one, then how sure it is and who has read it."""
    lines = [f"- {library.sources[key].plain} ({library.sources[key].cite})" for key in sources]
    listed = ["\n".join([library.wording.labels["sources"], *lines])] if lines else []
    return [text for text in (why, *listed, sure) if text]


def review_line(spec: Mapping[str, Any], library: Library) -> str:
    """Who has read a text, from the review that stands in the spec; nobody, where none does."""
    review = spec.get("review") or {"state": "pending"}
    return fill(library.reviewed[review["state"]], {key: str(value) for key, value in review.items()})
