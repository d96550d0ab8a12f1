"""Curated answers: ``data/responses/<subject>.yml``, ordinary Rasa responses with metadata, and their sources."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

from bot.content.files import DATA, ContentError, bubbles, name, read_yaml

CERTAINTIES = ("strong", "moderate", "limited", "expert")
_FIELDS = {"title", "about", "more", "flare", "why", "sources", "certainty", "next", "review"}
_OPTIONAL = {"check_first", "openings", "helper", "facts", "figure", "plain"}


@dataclass(frozen=True)
class Source:
    """Where a statement comes from. `mark` is V (seen) or K (known); see docs/content.md."""

    key: str
    cite: str
    plain: str
    mark: str
    doi: str | None = None


@dataclass(frozen=True)
class Answer:
    """One curated answer. `id` is ``subject/topic``, `version` the id of this exact wording.

    `openings`: first bubbles, any of which validates; the first of them is the text's own. `helper`: the same, told to
    somebody who helps the person in pain. `plain`: the same in few and simple words. `facts`: where its digits come
    from (``data/facts``). `figure`: the one cell of ``data/findings`` that it quotes. `check_first`: it starts somebody
    moving, so the quick safety check is offered with it.
    """

    id: str
    version: str
    bubbles: tuple[str, ...]
    more: tuple[str, ...]
    flare: str
    why: str
    title: str
    about: tuple[str, ...]
    sources: tuple[str, ...]
    certainty: str
    next: tuple[str, ...]
    review: str
    check_first: bool = False
    openings: tuple[str, ...] = ()
    helper: tuple[str, ...] = ()
    facts: tuple[str, ...] = ()
    figure: str = ""
    plain: tuple[str, ...] = ()

    @property
    def forms(self) -> dict[str, tuple[str, ...]]:
        """The shorter forms of the text, which a person may ask for: simple words, and a flare's few. None where the
        text is short already, or is a list of danger signs that must stay whole."""
        return {"plain": self.plain, "flare": (self.flare,)} if self.plain else {}

    @property
    def subject(self) -> str:
        return self.id.split("/")[0]


@lru_cache(maxsize=4)
def load_answers(data: Path = DATA) -> dict[str, Answer]:
    """All answers by id. Raises ContentError for a missing, unknown or ill-typed field."""
    answers: dict[str, Answer] = {}
    for path in sorted((data / "responses").glob("*.yml")):
        for action, variants in (read_yaml(path).get("responses") or {}).items():
            if "/" not in action:
                continue
            answer = _answer(action.removeprefix("utter_"), variants, name(path))
            if answer.id in answers:
                raise ContentError(f"{name(path)}: {answer.id} is defined twice; keep one.")
            answers[answer.id] = answer
    return answers


@dataclass(frozen=True)
class Control:
    """One wording of something that is no answer: asking, not knowing, repeating, handing over."""

    id: str
    version: str
    text: str


@lru_cache(maxsize=4)
def load_controls(data: Path = DATA) -> dict[str, tuple[Control, ...]]:
    """The wordings of every action that is no answer, in order. Raises ContentError for one without an id."""
    controls: dict[str, tuple[Control, ...]] = {}
    for path in sorted((data / "responses").glob("*.yml")):
        for action, variants in (read_yaml(path).get("responses") or {}).items():
            if "/" in action:
                continue
            for variant in variants:
                if ".v" not in str(variant.get("id", "")):
                    raise ContentError(f"{name(path)}: {action}: every wording needs an id with a version.")
            controls[action] = tuple(
                Control(variant["id"].rsplit(".v", 1)[0], variant["id"], variant["text"]) for variant in variants
            )
    return controls


@dataclass(frozen=True)
class Fact:
    """Digits that a text may say: `say` as it is worded, `what` they are, the source and its mark (V or K)."""

    key: str
    say: str
    what: str
    source: str
    mark: str


@lru_cache(maxsize=4)
def load_facts(data: Path = DATA) -> dict[str, Fact]:
    """All facts by key, from ``data/facts``."""
    facts: dict[str, Fact] = {}
    for path in sorted((data / "facts").glob("*.yml")):
        for key, fields in (read_yaml(path) or {}).items():
            try:
                fact = Fact(key=key, **{**fields, "say": str(fields["say"])})
            except (TypeError, KeyError) as error:
                raise ContentError(f"{name(path)}: {key}: {type(error).__name__}: {error}") from None
            if key in facts:
                raise ContentError(f"{name(path)}: {key} stands in another file too; keep one.")
            facts[key] = fact
    return facts


@lru_cache(maxsize=4)
def load_sources(data: Path = DATA) -> dict[str, Source]:
    """All sources by key. The same key in two files must be the same source."""
    sources: dict[str, Source] = {}
    for path in sorted((data / "sources").glob("*.yml")):
        for key, fields in (read_yaml(path) or {}).items():
            try:
                source = Source(key=key, **fields)
            except TypeError as error:
                raise ContentError(f"{name(path)}: {key}: {error}") from None
            if sources.setdefault(key, source) != source:
                raise ContentError(f"{name(path)}: {key} differs from the same key in another file.")
    return sources


def _answer(answer_id: str, variants: list[dict[str, Any]], file: str) -> Answer:
    where = f"{file}: {answer_id}"
    if len(variants) != 1:
        raise ContentError(f"{where}: an answer has exactly one wording, this has {len(variants)}.")
    response = variants[0]
    about = response.get("metadata") or {}
    if set(about) - _OPTIONAL != _FIELDS:
        unknown, missing = sorted(set(about) - _FIELDS - _OPTIONAL), sorted(_FIELDS - set(about))
        raise ContentError(f"{where}: metadata: unknown {unknown or 'none'}, missing {missing or 'none'}.")
    if about["certainty"] not in CERTAINTIES:
        raise ContentError(f"{where}: certainty {about['certainty']!r}; use one of {', '.join(CERTAINTIES)}.")
    if not isinstance(about.get("check_first", False), bool):
        raise ContentError(f"{where}: check_first must be true or false.")
    version = str(response.get("id", ""))
    if not version.startswith(answer_id + ".v"):
        raise ContentError(f"{where}: id {version!r} must be {answer_id}.v1, .v2 ...")
    text = bubbles(response["text"])
    return Answer(
        id=answer_id,
        version=version,
        bubbles=text,
        more=bubbles(about["more"]),
        flare=str(about["flare"]).strip(),
        why=str(about["why"]).strip(),
        title=str(about["title"]),
        about=tuple(about["about"] or ()),
        sources=tuple(about["sources"] or ()),
        certainty=about["certainty"],
        next=tuple(about["next"] or ()),
        review=str((about["review"] or {}).get("state", "")),
        check_first=about.get("check_first", False),
        openings=(*text[:1], *(str(opening).strip() for opening in about.get("openings") or ())),
        helper=bubbles(about.get("helper") or ""),
        facts=tuple(about.get("facts") or ()),
        figure=about.get("figure") or "",
        plain=bubbles(about.get("plain") or ""),
    )
