"""Spaced returns: a lesson that was read comes back with one question and one recall, for those who want that.

A lesson falls due 1, 7, 30 and 90 days of the clinic's calendar after it was first read (``data/tutor/course.yml``).
Who comes late gets the latest of these days only. What was answered, declined or offered and left is not offered again
for that day. One lesson at a time, and one a day: shaky ones first, then those read longest ago.
"""

from __future__ import annotations

from dataclasses import dataclass

from bot.content.lessons import Lesson, Question
from bot.tutor import learner
from bot.tutor.course_order import FINISHED, NOT_FOR_ME, lessons_by_id, rules, status
from bot.tutor.journal import Entry
from bot.tutor.learner import LESSON, since_reset
from bot.tutor.minutes import ANSWERED
from bot.tutor.saying import Moment

# Whether the person wants returns (value: bool), and that they were asked (key: what).
RETURNS, ASKED = "returns", "course_asked"
# What became of a return (key: lesson, value {"day": slot, "how": offered, begun, done or declined}).
RETURNED = "returned"
OFFERED, STARTED, DONE, DECLINED = "offered", "begun", "done", "declined"


@dataclass(frozen=True)
class Return:
    """One lesson that is due, and for which of the days."""

    lesson: Lesson
    day: int


def wanted(moment: Moment) -> bool:
    """Whether the person has asked for returns, and not stopped them since."""
    last = moment.journal.last(RETURNS)
    return bool(last and last.value is True)


def was_asked(moment: Moment) -> bool:
    """Whether the person was ever asked if they want returns."""
    return moment.journal.last(RETURNS) is not None or moment.journal.last(ASKED, RETURNS) is not None


def note(lesson: str, day: int, how: str) -> Entry:
    """What became of a return."""
    return Entry(RETURNED, lesson, {"day": day, "how": how})


def due_now(moment: Moment, left_too: bool = False) -> Return | None:
    """What is due, or None. `left_too`: also what was offered and left unanswered, for somebody who looks for it."""
    if not wanted(moment):
        return None
    journal = since_reset(moment.journal)
    today = [one for one in journal.of(RETURNED) if one.at is not None and moment.day(one.at) == 0]
    if any(not left_too or _settled(one) for one in today):
        return None
    found = []
    for place, lesson in enumerate(lessons_by_id().values()):
        slot = slot_of(moment, lesson.id)
        if slot is None or status(moment.journal, lesson.id) == NOT_FOR_ME:
            continue
        used = [one for one in journal.of(RETURNED, lesson.id) if _slot(one) >= slot]
        if any(not left_too or _settled(one) for one in used):
            continue
        state = learner.state_of(lesson, journal, moment.now, moment.zone)
        found.append((state == learner.KNOWN, -days_since(moment, lesson.id), place, Return(lesson, slot)))
    return min(found)[-1] if found else None


def slot_of(moment: Moment, lesson: str) -> int | None:
    """The latest of the return days that has come for a lesson; None before the first, or where it was not read."""
    days = days_since(moment, lesson)
    return max((int(day) for day in rules()["returns"] if day <= days), default=None)


def days_since(moment: Moment, lesson: str) -> int:
    """Days of the clinic's calendar since a lesson was first read; -1 where it was not."""
    for one in since_reset(moment.journal).of(LESSON, lesson):
        if _value(one, "how") == FINISHED and one.at is not None:
            return moment.day(one.at)
    return -1


def question_for(moment: Moment, lesson: Lesson) -> Question:
    """The lesson's question that was answered longest ago, so that it is another one than last time."""
    answered = [one.key for one in moment.journal.of(ANSWERED)]
    last = {key: place for place, key in enumerate(answered)}
    return min(lesson.questions, key=lambda one: last.get(one.id, -1))


def _settled(entry: Entry) -> bool:
    """Whether a return was gone through or declined, rather than left open."""
    return _value(entry, "how") in (DONE, DECLINED)


def _slot(entry: Entry) -> int:
    day = _value(entry, "day")
    return day if isinstance(day, int) else -1


def _value(entry: Entry, key: str) -> object:
    return entry.value.get(key) if isinstance(entry.value, dict) else None
