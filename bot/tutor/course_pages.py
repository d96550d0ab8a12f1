"""The pages around the lessons: what matters, the path, the lists, what was seen so far."""

from __future__ import annotations

from collections.abc import Callable

from bot.content.lessons import Lesson
from bot.content.tutor import load_lines
from bot.tutor import home, learner, returns
from bot.tutor.course_order import (
    AREA,
    BEGUN,
    NOT_FOR_ME,
    READ,
    SKIPPED,
    lessons_by_id,
    matters,
    next_lesson,
    order,
    read,
    status,
)  # fmt: skip
from bot.tutor.course_steps import path_button
from bot.tutor.journal import FORM, Entry
from bot.tutor.measures_schedule import CORE
from bot.tutor.saying import Button, Moment, Outcome, Say, form_id, payload, questionnaire

Page = Callable[[Moment], Outcome]
MATTERS_FORM = form_id(AREA, "matters")
ON, OFF = "on", "off"
# On the path, so many lessons have a button; all of them have one on the page of all.
ON_PATH = 3


def matters_items() -> dict[str, str]:
    """What may matter most, by id."""
    items: dict[str, str] = load_lines(AREA).rest["matters_items"]
    return items


def ask_matters(moment: Moment) -> Outcome:
    """What matters most now; several may be chosen, and none."""
    lines = load_lines(AREA)
    choices = [{"value": ON, "title": lines.label("chip_on")}, {"value": OFF, "title": lines.label("chip_off")}]
    items = [{"id": id, "text": text, "kind": "choice", "choices": choices} for id, text in matters_items().items()]
    given = {id: ON for id in matters(moment.journal) if id in matters_items()}
    asked = questionnaire(
        lines.id("matters"), MATTERS_FORM, lines.label("matters"), lines.bubbles("matters"), items, look="chips",
        given=given,
    )  # fmt: skip
    skip = Button(lines.label("skip"), payload(AREA, "path" if moment.journal.last("matters") else "skip_matters"))
    return Outcome((Say(asked.id, asked.bubbles, (skip,), asked.kind, more=asked.more),))


def path(moment: Moment) -> Outcome:
    """The lessons in this person's order, how far they have come, and what can be changed."""
    lines, lessons = load_lines(AREA), lessons_by_id()
    if not lessons:
        return Outcome((Say(lines.id("no_lessons"), lines.bubbles("no_lessons")),))
    ordered = order(moment)
    theirs = [id for id in ordered if status(moment.journal, id) != NOT_FOR_ME]
    done = read(moment)
    key = "path_read" if theirs and done == len(theirs) else "path"
    listed = "\n".join(f"- {_titled(moment, lessons[id])}" for id in theirs)
    buttons = [_open_button(moment, lessons[id]) for id in _first_ones(moment, theirs)]
    again = returns.due_now(moment, left_too=True)
    if again:
        title = lines.label("come_back", title=again.lesson.title)
        buttons.append(Button(title, payload(AREA, "again", again.lesson.id, again.day)))
    buttons.append(Button(lines.label("all"), payload(AREA, "choose")))
    if len(theirs) > 1:
        buttons.append(Button(lines.label("first"), payload(AREA, "order")))
    buttons.append(Button(lines.label("matters"), payload(AREA, "matters")))
    buttons.append(Button(lines.label("seen"), payload(AREA, "seen")))
    buttons += _switch(moment)
    bubbles = (*lines.bubbles(key, read=done, all=len(theirs)), *((listed,) if listed else ()))
    return Outcome((Say(lines.id(key), bubbles, tuple(buttons)),))


def choose(moment: Moment) -> Outcome:
    """All lessons as buttons, with what has become of each."""
    lines, lessons = load_lines(AREA), lessons_by_id()
    if not lessons:
        return path(moment)
    buttons = [Button(_titled(moment, lessons[id]), payload(AREA, "open", id)) for id in order(moment)]
    return Outcome((Say(lines.id("choose"), lines.bubbles("choose"), (*buttons, path_button())),))


def choose_first(moment: Moment) -> Outcome:
    """Which lesson should come first: those that are not read yet, after the one that is first now."""
    lines, lessons = load_lines(AREA), lessons_by_id()
    ids = [id for id in order(moment)[1:] if status(moment.journal, id) not in (READ, NOT_FOR_ME)]
    buttons = [Button(lessons[id].title, payload(AREA, "first", id)) for id in ids]
    return Outcome((Say(lines.id("first"), lines.bubbles("first"), (*buttons, path_button())),))


def put_aside(moment: Moment, lesson: Lesson, how: str, key: str) -> Say:
    """A lesson was put aside: the next one, the way back to it, and (where it was only left out) off the path."""
    lines = load_lines(AREA)
    follows = next_lesson(moment, after=lesson.id)
    buttons = []
    if follows:
        title = lines.label("then", title=lessons_by_id()[follows].title)
        buttons.append(Button(title, payload(AREA, "open", follows)))
    buttons.append(Button(lines.label("undo"), payload(AREA, "open", lesson.id)))
    if how == SKIPPED:
        buttons.append(Button(lines.label("not_for_me"), payload(AREA, "not_for_me", lesson.id)))
    return Say(lines.id(key), lines.bubbles(key), (*buttons, path_button()))


def pause(lesson: Lesson, step: str, note: Entry) -> Outcome:
    """A fair place to stop for today."""
    lines = load_lines(AREA)
    go_on = Button(lines.label("keep_going"), payload(AREA, "stay", lesson.id, step))
    stop = Button(lines.label("stop_today"), home.STOP)
    return Outcome((Say(lines.id("pause"), lines.bubbles("pause"), (stop, go_on)),), (note,))


def ask_returns(lesson: Lesson) -> Say:
    """Whether lessons may come back later."""
    lines = load_lines(AREA)
    yes = Button(lines.label("agree"), payload(AREA, "returns_yes", lesson.id))
    no = Button(lines.label("decline"), payload(AREA, "returns_no", lesson.id))
    return Say(lines.id("ask_returns"), lines.bubbles("ask_returns"), (yes, no, path_button()))


def returns_set(moment: Moment, wanted: bool, buttons: tuple[Button, ...] = ()) -> Say:
    """Returns are on or off now. Whoever has not said yet how they are can do so: a change is seen from there."""
    lines = load_lines(AREA)
    key = "returns_on" if wanted else "returns_off"
    asked = moment.journal.last(FORM, CORE) is not None
    fill = () if asked else (Button(load_lines("measures").label("fill"), payload("measures", "fill")),)
    return Say(lines.id(key), lines.bubbles(key), (*(buttons or (path_button(),)), *fill))


def seen(moment: Moment) -> Outcome:
    """What the course has noted of the person's understanding: three plain lists."""
    lines, lessons = load_lines(AREA), lessons_by_id()
    by_concept = learner.states(moment, lessons.values())
    lists: dict[str, list[str]] = {learner.KNOWN: [], learner.SHAKY: [], learner.NEW: []}
    for lesson in lessons.values():
        lists[_state(lesson, by_concept)].append(f"- {lesson.title}")
    bubbles = list(lines.bubbles("seen"))
    for state, titles in lists.items():
        bubbles.append("\n".join([lines.text(state), *(titles or [lines.text("nothing")])]))
    buttons = (Button(lines.label("clear"), payload(AREA, "clear")), path_button())
    return Outcome((Say(lines.id("seen"), tuple(bubbles), buttons),))


def clear(moment: Moment) -> Outcome:
    """Asks first."""
    lines = load_lines(AREA)
    yes = Button(lines.label("clear"), payload(AREA, "cleared"))
    no = Button(lines.label("keep"), payload(AREA, "seen"))
    return Outcome((Say(lines.id("clear"), lines.bubbles("clear"), (no, yes)),))


def cleared(moment: Moment) -> Outcome:
    lines = load_lines(AREA)
    return Outcome((Say(lines.id("cleared"), lines.bubbles("cleared"), (path_button(),)),))


def _state(lesson: Lesson, by_concept: dict[str, str]) -> str:
    """The least that is known of a lesson's concepts."""
    found = {by_concept[concept] for concept in lesson.concepts}
    return next((one for one in (learner.NEW, learner.SHAKY) if one in found), learner.KNOWN)


def _titled(moment: Moment, lesson: Lesson) -> str:
    now = status(moment.journal, lesson.id)
    return load_lines(AREA).label(f"state_{now}", title=lesson.title) if now else lesson.title


def _first_ones(moment: Moment, theirs: list[str]) -> list[str]:
    """The lessons that the path offers: one that was begun before all others, then in order."""
    begun = [id for id in theirs if status(moment.journal, id) == BEGUN]
    rest = [id for id in theirs if id not in begun and status(moment.journal, id) != READ]
    return [*begun, *rest][:ON_PATH]


def _open_button(moment: Moment, lesson: Lesson) -> Button:
    begun = status(moment.journal, lesson.id) == BEGUN
    label = load_lines(AREA).label("go_on" if begun else "begin", title=lesson.title)
    return Button(label, payload(AREA, "open", lesson.id))


def _switch(moment: Moment) -> list[Button]:
    """Returns on or off, once the person has been asked."""
    if not returns.was_asked(moment):
        return []
    lines, on = load_lines(AREA), returns.wanted(moment)
    name, verb = ("returns_off", "stop_returns") if on else ("returns_on", "start_returns")
    return [Button(lines.label(name), payload(AREA, verb))]
