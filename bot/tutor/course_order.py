"""Where somebody is in the course, and in which order its lessons come. All of it is read off the journal.

The order: first what the person has put there, then lessons not read yet by how much leads to them (kept factors of
the alarm map, what matters most; ``data/tutor/course.yml``), then what was left out, what is known already, what was
read, and what is not for this person. Ties go by the course's own order, in which each lesson builds on those before.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from bot.content.lessons import Lesson, load_lessons
from bot.content.tutor import load_lines
from bot.tutor import learner
from bot.tutor.journal import Entry, Journal
from bot.tutor.learner import LESSON, since_reset
from bot.tutor.minutes import SEEN
from bot.tutor.pictures import kept_factors
from bot.tutor.saying import Moment

AREA = "course"
# What matters most (value: list of ids; empty where it was skipped).
MATTERS = "matters"
# A lesson (key) that the person wants first.
FIRST = "lesson_first"
BEGUN, FINISHED, SKIPPED, NOT_FOR_ME = "begun", "finished", "skipped", "not_for_me"
READ = "read"
END = "end"


def rules() -> Mapping[str, Any]:
    """The course's rules in ``data/tutor/course.yml``: order, weights, days of the returns."""
    found: Mapping[str, Any] = load_lines(AREA).rest["when"]
    return found


def lessons_by_id() -> dict[str, Lesson]:
    """The lessons that there are, in the course's own order; those it does not name come last, by name."""
    there, order = load_lessons(), list(rules()["order"])
    named = [id for id in order if id in there]
    return {id: there[id] for id in (*named, *sorted(set(there) - set(named)))}


def matters(journal: Journal) -> list[str]:
    """What matters most to the person; empty where it was never said, or skipped."""
    last = journal.last(MATTERS)
    return [str(one) for one in last.value] if last and isinstance(last.value, list) else []


def status(journal: Journal, lesson: str) -> str:
    """What has become of a lesson: read, begun, skipped, not_for_me, or empty. What was read once stays read, unless
    the person said afterwards that it is not for them."""
    hows = [_how(one) for one in since_reset(journal).of(LESSON, lesson)]
    if not hows:
        return ""
    if hows[-1] == NOT_FOR_ME:
        return NOT_FOR_ME
    return READ if FINISHED in hows else hows[-1]


def last_how(journal: Journal, lesson: str) -> str:
    """What was last done with a lesson: begun, finished, skipped, not_for_me, or empty."""
    return next((_how(one) for one in (since_reset(journal).last(LESSON, lesson),) if one), "")


def read(moment: Moment) -> int:
    """How many lessons have been read."""
    return sum(status(moment.journal, id) == READ for id in lessons_by_id())


def order(moment: Moment) -> list[str]:
    """All lessons in this person's order. The same journal always gives the same order."""
    lessons = lessons_by_id()
    by_concept = learner.states(moment, lessons.values())
    weights = rules()["weights"]
    factors, wanted = set(kept_factors(moment)), set(matters(moment.journal))
    put_first = [one.key for one in since_reset(moment.journal).of(FIRST)]
    places = {id: place for place, id in enumerate(lessons)}

    def rank(id: str) -> tuple[int, int, int, int]:
        lesson, now = lessons[id], status(moment.journal, id)
        leads = len(factors & set(lesson.leads_from)) * weights["factor"] + (
            len(wanted & set(lesson.matters)) * weights["matters"]
        )
        latest = max((place for place, one in enumerate(put_first, 1) if one == id), default=0)
        group = {NOT_FOR_ME: 4, READ: 3, SKIPPED: 1}.get(now, 2 if learner.known(lesson, by_concept) else 0)
        return group, -latest, -leads, places[id]

    return sorted(lessons, key=rank)


def next_lesson(moment: Moment, after: str = "") -> str:
    """The lesson to offer next: not read, not left out, not known already. Empty where there is none."""
    lessons = lessons_by_id()
    by_concept = learner.states(moment, lessons.values())
    for id in order(moment):
        fresh = status(moment.journal, id) in ("", BEGUN) and not learner.known(lessons[id], by_concept)
        if fresh and id != after:
            return id
    return ""


def step_reached(journal: Journal, lesson: str, steps: tuple[str, ...]) -> str:
    """The step at which somebody goes on with a lesson: the last one seen since it was last finished, or the first."""
    step = ""
    for one in since_reset(journal).entries:
        if one.kind == SEEN and one.key.startswith(f"{lesson}:"):
            step = one.key.partition(":")[2]
        elif one.kind == LESSON and one.key == lesson and _how(one) == FINISHED:
            step = ""
    return step if step in steps else steps[0]


def under_way(journal: Journal) -> Entry | None:
    """The newest step of a lesson, where that lesson was neither finished nor put aside since."""
    journal = since_reset(journal)
    for one in reversed(journal.entries):
        if one.kind == LESSON and _how(one) != BEGUN:
            return None
        if one.kind == SEEN:
            return one
    return None


def _how(entry: Entry) -> str:
    return str(entry.value.get("how", "")) if isinstance(entry.value, dict) else ""
