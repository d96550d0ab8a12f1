"""A return in the chat: offered, one question, one recall in own words, the idea again. Each part can be skipped."""

from __future__ import annotations

from bot.content.lessons import Lesson, Option, Question
from bot.content.tutor import load_lines
from bot.tutor import returns, teach_back
from bot.tutor.course_order import AREA
from bot.tutor.course_steps import chosen, heard_bubbles, path_button
from bot.tutor.journal import Entry
from bot.tutor.learner import RETURN_TIME, TAUGHT
from bot.tutor.minutes import ANSWERED, SEEN
from bot.tutor.saying import LESSON as LESSON_KIND
from bot.tutor.saying import Button, Moment, Outcome, Say, payload

RECALL = "recall"
# A return's verbs: begin it, not now, answer its question, go on to the recall, end it.
VERBS = ("again", "not_now", "reply", "recall", "enough")
# The parts of a return, as the page counts them.
QUESTION_PART, RECALL_PART, END_PART = 1, 2, 3


def offer(moment: Moment) -> Outcome | None:
    """One return is offered, once for its day."""
    found = returns.due_now(moment)
    if found is None:
        return None
    lines, lesson, day = load_lines(AREA), found.lesson, found.day
    buttons = (
        Button(lines.label("agree"), payload(AREA, "again", lesson.id, day)),
        Button(lines.label("not_now"), payload(AREA, "not_now", lesson.id, day)),
        Button(lines.label("stop_these"), payload(AREA, "stop_returns")),
    )
    said = Say(lines.id("due"), lines.bubbles("due", title=lesson.title), buttons)
    return Outcome((said,), (returns.note(lesson.id, day, returns.OFFERED),))


def press(moment: Moment, verb: str, lesson: Lesson, args: list[str]) -> Outcome | None:
    """A button of a return; None for one that leads nowhere."""
    if not args or not args[0].isdigit():
        return None
    day = int(args[0])
    if verb == "again":
        return _question(moment, lesson, day)
    if verb == "not_now":
        lines = load_lines(AREA)
        said = Say(lines.id("due_no"), lines.bubbles("due_no"), (path_button(),))
        return Outcome((said,), (returns.note(lesson.id, day, returns.DECLINED),))
    if verb == "reply" and len(args) == 3:
        return _reply(lesson, day, args[1], args[2])
    if verb == "recall":
        return _recall(moment, lesson, day)
    if verb == "enough":
        return _end(moment, lesson, day)
    return None


def recalled(moment: Moment, lesson: Lesson, day: str, text: str) -> Outcome | None:
    """What was remembered, in own words; empty text skips it. None for a question: it is answered as one."""
    if not day.isdigit() or teach_back.is_question(text):
        return None
    if not text:
        return _end(moment, lesson, int(day))
    found, missing = teach_back.landed(lesson, text)
    value = {"found": found, "missing": missing, "at": RETURN_TIME}
    done = returns.note(lesson.id, int(day), returns.DONE)
    bubbles = (*heard_bubbles(lesson, found, missing), *_image(moment, lesson))
    said = _say(lesson, "heard", bubbles, END_PART, _ways(lesson))
    return Outcome((said,), (Entry(TAUGHT, lesson.id, value), done))


def answer_note(lesson: Lesson, question: Question, option: Option, at: str) -> Entry:
    """An answer as it is kept."""
    return Entry(ANSWERED, question.id, {"lesson": lesson.id, "option": option.id, "fits": option.fits, "at": at})


def _question(moment: Moment, lesson: Lesson, day: int) -> Outcome:
    question = returns.question_for(moment, lesson)
    options = tuple(
        Button(one.text, payload(AREA, "reply", lesson.id, day, question.id, one.id)) for one in question.options
    )
    skip = Button(load_lines(AREA).label("skip"), payload(AREA, "recall", lesson.id, day))
    bubbles = (*_image(moment, lesson), question.text)
    notes = (_seen(lesson), returns.note(lesson.id, day, returns.STARTED))
    return Outcome((_say(lesson, question.id, bubbles, QUESTION_PART, (*options, skip)),), notes)


def _reply(lesson: Lesson, day: int, question_id: str, option_id: str) -> Outcome | None:
    question = lesson.question(question_id)
    option = question.option(option_id) if question else None
    if question is None or option is None:
        return None
    buttons = (
        Button(load_lines(AREA).label("next"), payload(AREA, "recall", lesson.id, day)),
        Button(load_lines(AREA).label("skip"), payload(AREA, "enough", lesson.id, day)),
    )
    said = _say(lesson, f"{question.id}.{option.id}", (option.feedback,), QUESTION_PART, buttons)
    return Outcome((said,), (answer_note(lesson, question, option, RETURN_TIME),))


def _recall(moment: Moment, lesson: Lesson, day: int) -> Outcome:
    lines = load_lines(AREA)
    skip = Button(lines.label("skip"), payload(AREA, "enough", lesson.id, day))
    said = _say(lesson, RECALL, (lesson.recall, *lines.bubbles("teach_back_hint")), RECALL_PART, (skip,))
    asked = Say(said.id, said.bubbles, said.buttons, said.kind, f"{AREA}:{RECALL}:{lesson.id}:{day}", more=said.more)
    return Outcome((asked,), (_seen(lesson),))


def _end(moment: Moment, lesson: Lesson, day: int) -> Outcome:
    bubbles = (*load_lines(AREA).bubbles("recall_end"), lesson.idea, *_image(moment, lesson))
    said = _say(lesson, "again", bubbles, END_PART, _ways(lesson))
    return Outcome((said,), (_seen(lesson), returns.note(lesson.id, day, returns.DONE)))


def _image(moment: Moment, lesson: Lesson) -> tuple[str, ...]:
    """The metaphor that the person chose, named."""
    metaphor = chosen(moment.journal, lesson)
    return load_lines(AREA).bubbles("due_metaphor", metaphor=metaphor.title) if metaphor else ()


def _ways(lesson: Lesson) -> tuple[Button, ...]:
    lines = load_lines(AREA)
    return (
        Button(lines.label("again"), payload(AREA, "open", lesson.id)),
        path_button(),
        Button(lines.label("stop_these"), payload(AREA, "stop_returns")),
    )


def _say(lesson: Lesson, name: str, bubbles: tuple[str, ...], part: int, buttons: tuple[Button, ...]) -> Say:
    more = {"title": lesson.title, "step": part, "of": END_PART, "review": lesson.review}
    return Say(f"return/{lesson.id}.{name}", bubbles, buttons, kind=LESSON_KIND, more=more)


def _seen(lesson: Lesson) -> Entry:
    """Time at a return is time learning; it is no step of the lesson."""
    return Entry(SEEN, f"{lesson.id}:again")
