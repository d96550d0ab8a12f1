"""Lessons (``data/lessons/*.yml``): one idea each, with a story, metaphors, questions, a small action, a teach-back."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

from bot.content.files import DATA, ContentError, bubbles, name, read_yaml

FOLDER = DATA / "lessons"
REVIEW_STATES = ("pending", "signed")
_ID = re.compile(r"[a-z][a-z0-9_]{0,39}")
_FIELDS = {
    "id", "review", "title", "concepts", "leads_from", "matters", "idea", "text", "picture", "story", "metaphors",
    "questions", "action", "teach_back", "recall", "next", "sources", "facts",
}  # fmt: skip
_OPTIONAL = {"figures", "numbers"}


@dataclass(frozen=True)
class Option:
    """One answer to a question. `fits`: it is what the lesson says; the others are never called wrong."""

    id: str
    text: str
    feedback: str
    fits: bool = False


@dataclass(frozen=True)
class Question:
    id: str
    text: str
    options: tuple[Option, ...]

    def option(self, option_id: str) -> Option | None:
        return next((one for one in self.options if one.id == option_id), None)


@dataclass(frozen=True)
class Metaphor:
    id: str
    title: str
    text: str


@dataclass(frozen=True)
class Point:
    """One key point of a lesson: what is said where it was heard, the piece offered where it was not, and how people
    say it. `cues`: lists of words; one of each list in a sentence counts as the point too."""

    id: str
    landed: str
    missing: str
    phrases: tuple[str, ...]
    cues: tuple[tuple[str, ...], ...] = ()


@dataclass(frozen=True)
class Lesson:
    """One lesson. `text` and `story` are bubbles; `idea` is its gist; `ask` asks for it in the person's own words."""

    id: str
    title: str
    concepts: tuple[str, ...]
    leads_from: tuple[str, ...]
    matters: tuple[str, ...]
    idea: str
    text: tuple[str, ...]
    picture: str
    story: tuple[str, ...]
    metaphors: tuple[Metaphor, ...]
    questions: tuple[Question, ...]
    action_title: str
    action: tuple[str, ...]
    ask: str
    points: tuple[Point, ...]
    recall: str
    next: tuple[str, ...]
    review: str

    def metaphor(self, metaphor_id: str) -> Metaphor | None:
        return next((one for one in self.metaphors if one.id == metaphor_id), None)

    def question(self, question_id: str) -> Question | None:
        return next((one for one in self.questions if one.id == question_id), None)


def load_lessons(folder: Path | None = None) -> Mapping[str, Lesson]:
    """All lessons of a folder by id. Raises ContentError that names the file and the mend."""
    return _load(folder or FOLDER)


@lru_cache(maxsize=4)
def _load(folder: Path) -> Mapping[str, Lesson]:
    lessons = {}
    for path in sorted(folder.glob("*.yml")):
        lesson = read_lesson(path)
        lessons[lesson.id] = lesson
    return lessons


def read_lesson(path: Path) -> Lesson:
    """The lesson of one file. Raises ContentError that names the file, the place and the mend."""
    content, file = read_yaml(path), name(path)
    if not isinstance(content, dict) or not _FIELDS <= set(content) <= _FIELDS | _OPTIONAL:
        fields = set(content) if isinstance(content, dict) else set()
        missing, unknown = sorted(_FIELDS - fields), sorted(fields - _FIELDS - _OPTIONAL)
        raise ContentError(f"{file}: missing {missing}, unknown {unknown}; write the fields of docs/course.md.")
    if content["id"] != path.stem:
        raise ContentError(f"{file}: id must be {path.stem}, as the file is called.")
    state = (content["review"] or {}).get("state")
    if state not in REVIEW_STATES:
        raise ContentError(f"{file}: review: state must be one of {', '.join(REVIEW_STATES)}.")
    try:
        return _lesson(content, state, file)
    except (KeyError, TypeError, AttributeError) as error:
        raise ContentError(f"{file}: {type(error).__name__}: {error}; compare it with docs/course.md.") from None


def _lesson(content: dict[str, Any], review: str, file: str) -> Lesson:
    metaphors = tuple(
        Metaphor(_id(key, file), _text(one, "title", f"{file}: {key}"), _text(one, "text", f"{file}: {key}"))
        for key, one in content["metaphors"].items()
    )
    action, teach_back = content["action"], content["teach_back"]
    return Lesson(
        _id(content["id"], file),
        _text(content, "title", file),
        _words(content, "concepts", file),
        _words(content, "leads_from", file),
        _words(content, "matters", file),
        _text(content, "idea", file),
        bubbles(_text(content, "text", file)),
        _text(content, "picture", file),
        bubbles(_text(content, "story", file)),
        metaphors,
        tuple(_question(one, file) for one in content["questions"]),
        _text(action, "title", f"{file}: action"),
        bubbles(_text(action, "text", f"{file}: action")),
        _text(teach_back, "ask", f"{file}: teach_back"),
        tuple(_point(one, file) for one in teach_back["points"]),
        _text(content, "recall", file),
        _words(content, "next", file),
        review,
    )


def _question(content: dict[str, Any], file: str) -> Question:
    key = _id(content["id"], file)
    options = tuple(
        Option(
            _id(one["id"], f"{file}: {key}"),
            _text(one, "text", f"{file}: {key}"),
            _text(one, "feedback", f"{file}: {key}"),
            bool(one.get("fits", False)),
        )
        for one in content["options"]
    )
    return Question(key, _text(content, "text", f"{file}: {key}"), options)


def _point(content: dict[str, Any], file: str) -> Point:
    where = f"{file}: {content['id']}"
    cues = content.get("cues") or ()
    if not all(isinstance(list_, list) and all(isinstance(word, str) for word in list_) for list_ in cues):
        raise ContentError(f"{where}: cues must be lists of words; put words like yes, no, on and off in quotes.")
    return Point(
        _id(content["id"], file),
        _text(content, "landed", where),
        _text(content, "missing", where),
        _words(content, "phrases", where),
        tuple(tuple(list_) for list_ in cues),
    )


def _id(value: Any, where: str) -> str:
    if not isinstance(value, str) or not _ID.fullmatch(value):
        raise ContentError(f"{where}: {value!r} is no id; write a short word in lower case, such as alarm_1.")
    return value


def _text(content: Mapping[str, Any], key: str, where: str) -> str:
    value = content[key]
    if not isinstance(value, str) or not value.strip():
        raise ContentError(f"{where}: {key} must be text; put it in quotes.")
    return value.strip()


def _words(content: Mapping[str, Any], key: str, where: str) -> tuple[str, ...]:
    value = content[key] or []
    if not isinstance(value, list) or not all(isinstance(one, str) for one in value):
        raise ContentError(f"{where}: {key} must be a list of words; put words like yes, no and on in quotes.")
    return tuple(value)
