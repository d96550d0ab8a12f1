"""Lessons (``data/lessons``): their shape, what they lead to, that all concepts are taught, that nobody is marked."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

from bot.content.answers import load_answers
from bot.content.checks.answers import MOST_WORDS
from bot.content.checks.fault import Fault
from bot.content.checks.language import said
from bot.content.files import ContentError, name, read_yaml
from bot.content.lessons import Lesson, Point, Question, read_lesson

CONCEPTS = [f"C{number:02}" for number in range(1, 33)]
LONGEST_TITLE = 40
TEXT_BUBBLES, STORY_BUBBLES = (2, 5), (1, 2)
FEWEST_METAPHORS = FEWEST_QUESTIONS = 2
FEWEST_OPTIONS = 3
POINTS = (2, 3)
FEWEST_PHRASES = 12
# Words at most.
IDEA_WORDS, RECALL_WORDS, LANDED_WORDS, MISSING_WORDS = 25, 25, 20, 30
# Nobody is marked: neither wrong nor right, and nobody is praised.
MARKS = re.compile(
    r"\b(?:wrong|incorrect|mistaken|correctly|well done|good (?:job|work|answer)|bravo|congratulations|spot on|"
    r"nice (?:one|work)|(?:that is|that's|you are|you're|quite) (?:right|correct)|(?:right|correct) answer|"
    r"you (?:failed|missed))\b|(?:^|[.?:;] )(?:great|excellent|perfect|brilliant|clever|right|exactly|good)[.,:]",
    re.IGNORECASE | re.MULTILINE,
)
NOT_SURE = re.compile(r"\bnot sure\b|\bdon't know\b|\bdo not know\b", re.IGNORECASE)


def lessons(data: Path) -> Iterator[Fault]:
    """All faults of the lessons. A data folder without lessons has none."""
    found = []
    for path in sorted((data / "lessons").glob("*.yml")):
        try:
            found.append(read_lesson(path))
        except ContentError as error:
            yield Fault(name(path), path.stem, str(error))
    if not found:
        return
    answers = set(load_answers(data))
    for lesson in found:
        yield from (
            Fault(f"data/lessons/{lesson.id}.yml", lesson.id, what, mend)
            for what, mend in (*_shape(lesson), *_marks(lesson), *_leads(lesson, data, answers))
        )
    yield from _together(found, data)


def _shape(lesson: Lesson) -> Iterator[tuple[str, str]]:
    if len(lesson.title) > LONGEST_TITLE:
        yield f"title has {len(lesson.title)} characters; {LONGEST_TITLE} at most", "it stands on buttons"
    for part, bubbles, (fewest, most) in (("text", lesson.text, TEXT_BUBBLES), ("story", lesson.story, STORY_BUBBLES)):
        if not fewest <= len(bubbles) <= most:
            yield f"{part} has {len(bubbles)} bubbles; write {fewest} to {most}", "a blank line parts two bubbles"
        for bubble in bubbles:
            if len(bubble.split()) > MOST_WORDS:
                yield f"{part} has {len(bubble.split())} words in one bubble; {MOST_WORDS} at most", "part it"
    for part, text, limit in (("idea", lesson.idea, IDEA_WORDS), ("recall", lesson.recall, RECALL_WORDS)):
        yield from _too_long(part, text, limit)
    if len(lesson.metaphors) < FEWEST_METAPHORS:
        yield f"{len(lesson.metaphors)} metaphors; write {FEWEST_METAPHORS} or more", "there must be a choice"
    if len(lesson.questions) < FEWEST_QUESTIONS:
        yield f"{len(lesson.questions)} questions; write {FEWEST_QUESTIONS} or more", "a return asks another one"
    for question in lesson.questions:
        yield from _question(question)
    if not POINTS[0] <= len(lesson.points) <= POINTS[1]:
        yield f"{len(lesson.points)} key points; write {POINTS[0]} or {POINTS[1]}", "one idea, said in its parts"
    for point in lesson.points:
        yield from _point(point)


def _question(question: Question) -> Iterator[tuple[str, str]]:
    if len(question.options) < FEWEST_OPTIONS or len({one.id for one in question.options}) < len(question.options):
        yield f"{question.id}: write {FEWEST_OPTIONS} options or more, each with an id of its own", ""
    if sum(one.fits for one in question.options) != 1:
        yield f"{question.id}: exactly one option fits best", "write fits: true at that one"
    if not any(NOT_SURE.search(one.text) for one in question.options):
        yield f"{question.id}: no option to be unsure", "add: I am not sure"


def _point(point: Point) -> Iterator[tuple[str, str]]:
    if len(point.phrases) < FEWEST_PHRASES:
        yield f"{point.id}: {len(point.phrases)} phrases; {FEWEST_PHRASES} or more", "say it as people really do"
    yield from _too_long(f"{point.id}: landed", point.landed, LANDED_WORDS)
    yield from _too_long(f"{point.id}: missing", point.missing, MISSING_WORDS)


def _too_long(part: str, text: str, limit: int) -> Iterator[tuple[str, str]]:
    if len(text.split()) > limit:
        yield f"{part} has {len(text.split())} words; {limit} at most", "say less"


def _marks(lesson: Lesson) -> Iterator[tuple[str, str]]:
    """Words that mark a person, in what is said to them after they have answered."""
    replies = [(one.id, option.feedback) for one in lesson.questions for option in one.options]
    replies += [(point.id, text) for point in lesson.points for text in (point.landed, point.missing)]
    for where, text in replies:
        found = MARKS.search(said(text))
        if found:
            yield f"{where}: marks the person: {found.group()!r}", "say what is so, and what follows from it"


def _leads(lesson: Lesson, data: Path, answers: set[str]) -> Iterator[tuple[str, str]]:
    for id in lesson.next:
        if id not in answers:
            yield f"next: {id} is not in data/responses", "name an answer to read on"
    visuals = data / "visuals"
    if visuals.exists() and not (visuals / f"{lesson.picture}.yml").exists():
        yield f"picture {lesson.picture} is not in data/visuals", "name one that is there"
    for part, ids, known in (
        ("concepts", lesson.concepts, set(CONCEPTS)),
        ("matters", lesson.matters, _keys(data / "tutor" / "course.yml", "matters_items")),
        ("leads_from", lesson.leads_from, _keys(data / "tutor" / "factors.yml", "factors")),
    ):
        for id in ids:
            if known and id not in known:
                yield f"{part}: {id} is not known", f"name one of {', '.join(sorted(known)[:40])}"
    if not lesson.concepts:
        yield "no concepts", "name the concepts that it teaches"


def _together(found: list[Lesson], data: Path) -> Iterator[Fault]:
    """What only shows where all lessons are looked at."""
    taught = {concept for lesson in found for concept in lesson.concepts}
    for concept in CONCEPTS:
        if concept not in taught:
            yield Fault("data/lessons", concept, "no lesson teaches this concept")
    for what, values in (
        ("title", [lesson.title.lower() for lesson in found]),
        ("question", [question.id for lesson in found for question in lesson.questions]),
    ):
        for value, times in Counter(values).items():
            if times > 1:
                yield Fault("data/lessons", value, f"a {what} that {times} lessons have", "each has its own")
    path = data / "tutor" / "course.yml"
    order = (read_yaml(path).get("when") or {}).get("order") or [] if path.exists() else []
    for id in sorted({lesson.id for lesson in found} ^ set(order)) if order else ():
        yield Fault(name(path), id, "stands either in the order or in data/lessons, and not in both")


def _keys(path: Path, part: str) -> set[str]:
    """The keys of a part of a file; none where it is not there."""
    return {str(key) for key in (read_yaml(path).get(part) or {})} if path.exists() else set()
