"""The course: what matters most, the path through the lessons, one lesson step by step, and its returns.

Entries of its own are described where they are named: ``course_order`` (`matters`, `lesson`, `lesson_first`),
``minutes`` (`seen`, `answered`), ``learner`` (`taught`), ``course_steps`` (`metaphor`), ``returns`` (`returns`,
`returned`, `course_asked`), and here (`course_pause`).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from bot.content.lessons import Lesson
from bot.content.tutor import load_lines
from bot.tutor import course_pages as pages
from bot.tutor import course_returns, course_steps, home, returns, teach_back
from bot.tutor.course_order import (
    AREA,
    BEGUN,
    END,
    FINISHED,
    FIRST,
    MATTERS,
    NOT_FOR_ME,
    READ,
    SKIPPED,
    last_how,
    lessons_by_id,
    status,
    step_reached,
    under_way,
)  # fmt: skip
from bot.tutor.course_steps import METAPHOR, QUESTION, TEACH_BACK, question_at, step_say, steps_of
from bot.tutor.journal import RESET, Entry
from bot.tutor.learner import LESSON, LESSON_TIME, TAUGHT
from bot.tutor.minutes import SEEN, sitting_now
from bot.tutor.saying import Button, Moment, Outcome, Say, payload
from bot.understanding.spelling import fold

# Somebody was told that it is a fair place to stop (once a sitting).
PAUSE = "course_pause"
SITTING_MINUTES = 10
# The button back to a lesson is shown for so long after its last step.
BACK_MINUTES = 30
# What stays open while a red flag does: looking at and changing what is kept.
ALWAYS_OPEN = ("seen", "clear", "cleared", "stop_returns")


def open(moment: Moment) -> Outcome:
    """The path; the first time, what matters most to the person."""
    if moment.open_flag:
        return home.closed()
    if moment.journal.last(MATTERS) is None:
        return pages.ask_matters(moment)
    return pages.path(moment)


def press(moment: Moment, verb: str, args: list[str]) -> Outcome | None:
    """A button of the course. None for one that no longer leads anywhere: then the path opens."""
    if moment.open_flag and verb not in ALWAYS_OPEN:
        return home.closed()
    if not args:
        page = PAGES.get(verb)
        return page(moment) if page else None
    lesson = lessons_by_id().get(args[0])
    if lesson is None:
        return None
    if verb in course_returns.VERBS:
        return course_returns.press(moment, verb, lesson, args[1:])
    if len(args) == 1:
        return _lesson_pressed(moment, verb, lesson)
    if verb == "go" and args[1] in steps_of(lesson):
        return show(moment, lesson, args[1])
    if verb == "stay" and args[1] in steps_of(lesson):
        return show(moment, lesson, args[1], pause=False)
    metaphor = lesson.metaphor(args[1])
    if verb == "pick" and metaphor:
        said = course_steps.metaphor_say(lesson, metaphor)
        return Outcome((said,), (Entry(METAPHOR, lesson.id, metaphor.id),))
    if verb == "answer" and len(args) == 3:
        return _answered(lesson, args[1], args[2])
    return None


def words(moment: Moment, about: str, text: str) -> Outcome | None:
    """Words where some were asked for, or that name a way at a step of a lesson; None where they are about something
    else."""
    kind, _, rest = about.partition(":")
    name, _, step = rest.partition(":")
    lesson = lessons_by_id().get(name)
    if lesson is None:
        return None
    if moment.open_flag:
        return home.closed()
    if kind == course_returns.RECALL:
        return course_returns.recalled(moment, lesson, step, text)
    step = TEACH_BACK if kind == TEACH_BACK else step
    if step not in steps_of(lesson):
        return None
    way = _way(moment, lesson, step, text)
    if way is not None:
        return way
    if kind == TEACH_BACK and not teach_back.is_question(text):
        found, missing = teach_back.landed(lesson, text)
        said = step_say(moment, lesson, TEACH_BACK)
        buttons = (course_steps.next_button(lesson, TEACH_BACK),)
        reply = Say(
            f"lesson/{lesson.id}.heard", course_steps.heard_bubbles(lesson, found, missing), buttons, said.kind,
            more=said.more,
        )  # fmt: skip
        value = {"found": found, "missing": missing, "at": LESSON_TIME}
        return Outcome((reply,), (Entry(TAUGHT, lesson.id, value),))
    return None


def filled(moment: Moment, form: str, answers: Mapping[str, Any]) -> Outcome:
    """What matters most was sent: the chips that are on. None of them is an answer too."""
    chosen = [id for id in pages.matters_items() if answers.get(id) == pages.ON]
    return _then(moment, (Entry(MATTERS, "", chosen),), pages.path)


def due(moment: Moment) -> Outcome | None:
    """The return of one lesson, for somebody who wants them."""
    return None if moment.open_flag else course_returns.offer(moment)


def back(moment: Moment) -> Button | None:
    """The button back to a lesson that was touched lately and not finished."""
    if moment.open_flag:
        return None
    last = under_way(moment.journal)
    if last is None or last.at is None or (moment.now - last.at).total_seconds() > BACK_MINUTES * 60:
        return None
    name, _, step = last.key.partition(":")
    lesson = lessons_by_id().get(name)
    if lesson is None or step not in steps_of(lesson):
        return None
    return Button(load_lines("home").label("back"), payload(AREA, "go", name, step))


def show(moment: Moment, lesson: Lesson, step: str, pause: bool = True) -> Outcome:
    """One step of a lesson. After ten minutes in one sitting the person is told once that it is a place to stop."""
    notes: tuple[Entry, ...] = ()
    if pause and _time_to_pause(moment):
        return pages.pause(lesson, step, Entry(PAUSE))
    if last_how(moment.journal, lesson.id) != BEGUN and step != END:
        notes = (Entry(LESSON, lesson.id, {"how": BEGUN}),)
    seen = Entry(SEEN, f"{lesson.id}:{step}")
    if step != END:
        return Outcome((step_say(moment, lesson, step),), (*notes, seen))
    return _end(moment, lesson, seen)


def _end(moment: Moment, lesson: Lesson, seen: Entry) -> Outcome:
    notes = (seen, Entry(LESSON, lesson.id, {"how": FINISHED}))
    later = _with(moment, notes)
    said = step_say(later, lesson, END)
    if returns.was_asked(moment):
        return Outcome((said,), notes)
    plain = Say(said.id, said.bubbles, kind=said.kind, more=said.more)
    asks = pages.ask_returns(lesson)
    return Outcome((plain, asks), (*notes, Entry(returns.ASKED, returns.RETURNS)))


def _lesson_pressed(moment: Moment, verb: str, lesson: Lesson) -> Outcome | None:
    if verb == "open":
        return show(moment, lesson, step_reached(moment.journal, lesson.id, steps_of(lesson)))
    if verb == "skip":
        return _put_aside(moment, lesson, SKIPPED, "later")
    if verb == "not_for_me":
        return _put_aside(moment, lesson, NOT_FOR_ME, "not_for_me")
    if verb == "first":
        return _then(moment, (Entry(FIRST, lesson.id),), pages.path)
    if verb in ("returns_yes", "returns_no"):
        wants = verb == "returns_yes"
        notes = (Entry(returns.RETURNS, "", wants),)
        return Outcome((pages.returns_set(moment, wants, course_steps.end_buttons(moment, lesson)),), notes)
    return None


def _put_aside(moment: Moment, lesson: Lesson, how: str, key: str) -> Outcome:
    """A lesson is left out, or is not for this person; what was read stays read where it is only left out."""
    note = Entry(LESSON, lesson.id, {"how": how})
    if how == SKIPPED and status(moment.journal, lesson.id) == READ:
        return pages.path(moment)
    return Outcome((pages.put_aside(_with(moment, (note,)), lesson, how, key),), (note,))


def _answered(lesson: Lesson, question_id: str, option_id: str) -> Outcome | None:
    question = lesson.question(question_id)
    option = question.option(option_id) if question else None
    if question is None or option is None:
        return None
    return Outcome(
        (course_steps.feedback_say(lesson, question, option),),
        (course_returns.answer_note(lesson, question, option, LESSON_TIME),),
    )


def _way(moment: Moment, lesson: Lesson, step: str, text: str) -> Outcome | None:
    """Typed words that name a way ("back", "not for me", an option of the question); None for any others."""
    if not text:
        return show(moment, lesson, course_steps.after(lesson, step))
    plain = fold(text).strip(" .!")
    said = load_lines(AREA).rest["said"]
    if plain in said["back"]:
        earlier = course_steps.before(lesson, step)
        return show(moment, lesson, earlier) if earlier else pages.path(moment)
    if plain in said["not_for_me"]:
        return _put_aside(moment, lesson, NOT_FOR_ME, "not_for_me")
    if plain in said["else"]:
        return pages.choose(moment)
    if step.startswith(QUESTION):
        question = question_at(lesson, step)
        typed = [one for one in question.options if fold(one.text).strip(" .!") == plain]
        return _answered(lesson, question.id, typed[0].id) if typed else None
    return None


def _time_to_pause(moment: Moment) -> bool:
    sitting = sitting_now(moment.journal, moment.now)
    if sitting is None or sitting.minutes < SITTING_MINUTES:
        return False
    last = moment.journal.last(PAUSE)
    return last is None or last.at is None or last.at < sitting.begun


def _with(moment: Moment, notes: tuple[Entry, ...]) -> Moment:
    """The moment as it is once these have been noted."""
    return replace(moment, journal=moment.journal.with_(notes, moment.now))


def _then(moment: Moment, notes: tuple[Entry, ...], page: pages.Page) -> Outcome:
    """A page as it is once something has been noted."""
    outcome = page(_with(moment, notes))
    return Outcome(outcome.says, (*notes, *outcome.notes))


def _skip_matters(moment: Moment) -> Outcome:
    return _then(moment, (Entry(MATTERS, "", []),), pages.path)


def _cleared(moment: Moment) -> Outcome:
    return _then(moment, (Entry(RESET, AREA),), pages.cleared)


def _start_returns(moment: Moment) -> Outcome:
    return Outcome((pages.returns_set(moment, True),), (Entry(returns.RETURNS, "", True),))


def _stop_returns(moment: Moment) -> Outcome:
    return Outcome((pages.returns_set(moment, False),), (Entry(returns.RETURNS, "", False),))


PAGES: Mapping[str, pages.Page] = {
    "path": pages.path,
    "choose": pages.choose,
    "order": pages.choose_first,
    "matters": pages.ask_matters,
    "skip_matters": _skip_matters,
    "seen": pages.seen,
    "clear": pages.clear,
    "cleared": _cleared,
    "start_returns": _start_returns,
    "stop_returns": _stop_returns,
}
