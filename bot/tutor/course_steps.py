"""The steps of a lesson, each one message: words, picture, metaphor, story, questions, action, teach-back, end."""

from __future__ import annotations

from dataclasses import replace

from bot.content.answers import load_answers
from bot.content.lessons import Lesson, Metaphor, Option, Question
from bot.content.tutor import load_lines
from bot.content.visuals import load_visuals
from bot.tutor.course_order import AREA, END, lessons_by_id, next_lesson
from bot.tutor.journal import Journal
from bot.tutor.pictures import picture_say
from bot.tutor.saying import LESSON as LESSON_KIND
from bot.tutor.saying import Button, Moment, Say, payload

# A metaphor was chosen (key: lesson, value: metaphor).
METAPHOR = "metaphor"
PICTURE, CHOOSE, STORY, ACTION, TEACH_BACK = "picture", "metaphor", "story", "action", "teach_back"
TEXT, QUESTION = "text_", "question_"
# So many bubbles fit in one message without scrolling on a phone.
BUBBLES_AT_ONCE = 2
MOST_READ_ON = 2


def steps_of(lesson: Lesson) -> tuple[str, ...]:
    """The lesson's steps in order. The picture is left out where there is none yet."""
    texts = tuple(f"{TEXT}{n}" for n in range(1, (2 if len(lesson.text) > BUBBLES_AT_ONCE else 1) + 1))
    questions = tuple(f"{QUESTION}{n}" for n in range(1, len(lesson.questions) + 1))
    picture = (PICTURE,) if lesson.picture in load_visuals() else ()
    return (*texts, *picture, CHOOSE, STORY, *questions, ACTION, TEACH_BACK, END)


def step_say(moment: Moment, lesson: Lesson, step: str) -> Say:
    """One step of a lesson, with its buttons. Raises KeyError for a step that it does not have."""
    lines = load_lines(AREA)
    steps = steps_of(lesson)
    if step not in steps:
        raise KeyError(step)
    if step == PICTURE:
        return _picture(moment, lesson)
    if step == END:
        return _end(moment, lesson)
    if step == CHOOSE:
        return _say(lesson, step, lines.bubbles("metaphor"), (*_metaphors(moment, lesson), _skip(lesson, step)))
    if step == STORY:
        return _say(lesson, step, (*lines.bubbles("story"), *lesson.story), (next_button(lesson, step),))
    if step == ACTION:
        titled = (f"**{lesson.action_title}**\n\n{lesson.action[0]}", *lesson.action[1:])
        return _say(lesson, step, titled, (next_button(lesson, step),))
    if step == TEACH_BACK:
        asked = (lesson.ask, *lines.bubbles("teach_back_hint"))
        made = _say(lesson, step, asked, (_skip(lesson, step),))
        return replace(made, awaits=f"{AREA}:{TEACH_BACK}:{lesson.id}")
    if step.startswith(QUESTION):
        question = question_at(lesson, step)
        options = tuple(
            Button(one.text, payload(AREA, "answer", lesson.id, question.id, one.id)) for one in question.options
        )
        return _say(lesson, step, (question.text,), (*options, _skip(lesson, step)))
    said = _say(lesson, step, _text(lesson, step), (next_button(lesson, step),))
    return _first(moment, lesson, said) if step == steps[0] else said


def _first(moment: Moment, lesson: Lesson, said: Say) -> Say:
    """A lesson begins with its title, and with the clinic's own videos about it."""
    first, *others = said.bubbles
    videos = [dict(one) for one in (moment.clinic.get("videos") or {}).get(lesson.id, ())]
    more = {**said.more, "videos": videos} if videos else said.more
    return replace(said, bubbles=(f"**{lesson.title}**\n\n{first}", *others), more=more)


def metaphor_say(lesson: Lesson, metaphor: Metaphor) -> Say:
    """The metaphor that was chosen."""
    other = Button(load_lines(AREA).label("other_metaphor"), payload(AREA, "go", lesson.id, CHOOSE))
    made = _say(lesson, CHOOSE, (metaphor.text,), (next_button(lesson, CHOOSE), other), back=False)
    return replace(made, id=f"lesson/{lesson.id}.{metaphor.id}")


def feedback_say(lesson: Lesson, question: Question, option: Option) -> Say:
    """What is said to an answer, inside a lesson."""
    step = f"{QUESTION}{lesson.questions.index(question) + 1}"
    made = _say(lesson, step, (option.feedback,), (next_button(lesson, step),))
    return replace(made, id=f"lesson/{question.id}.{option.id}")


def heard_bubbles(lesson: Lesson, found: list[str], missing: list[str]) -> tuple[str, ...]:
    """The reply to a teach-back: what was heard, and the one piece to add."""
    lines = load_lines(AREA)
    landed = [point.landed for point in lesson.points if point.id in found]
    piece = next((point.missing for point in lesson.points if point.id in missing), "")
    return tuple(
        part for part in (*(lines.bubbles("heard") if not landed else ()), " ".join(landed), piece) if part
    )


def chosen(journal: Journal, lesson: Lesson) -> Metaphor | None:
    """The metaphor that the person chose for a lesson."""
    last = journal.last(METAPHOR, lesson.id)
    return lesson.metaphor(str(last.value)) if last else None


def question_at(lesson: Lesson, step: str) -> Question:
    return lesson.questions[int(step.removeprefix(QUESTION)) - 1]


def after(lesson: Lesson, step: str) -> str:
    """The step behind a step; the last one is its own."""
    steps = steps_of(lesson)
    return steps[min(steps.index(step) + 1, len(steps) - 1)]


def before(lesson: Lesson, step: str) -> str:
    """The step in front of a step; empty in front of the first."""
    steps = steps_of(lesson)
    place = steps.index(step)
    return steps[place - 1] if place else ""


def next_button(lesson: Lesson, step: str) -> Button:
    return Button(load_lines(AREA).label("next"), payload(AREA, "go", lesson.id, after(lesson, step)))


def path_button() -> Button:
    return Button(load_lines(AREA).label("path"), payload(AREA, "path"))


def end_buttons(moment: Moment, lesson: Lesson) -> tuple[Button, ...]:
    """After a lesson: the next one, what can be read on, and the way back to all."""
    lines, answers = load_lines(AREA), load_answers()
    follows = next_lesson(moment, after=lesson.id)
    then = []
    if follows:
        title = lessons_by_id()[follows].title
        then.append(Button(lines.label("then", title=title), payload(AREA, "open", follows)))
    read_on = [Button(answers[id].title, f"/{id}") for id in lesson.next if id in answers][:MOST_READ_ON]
    return (*then, *read_on, path_button())


def _say(lesson: Lesson, step: str, bubbles: tuple[str, ...], buttons: tuple[Button, ...], back: bool = True) -> Say:
    """A step as a message. Words that name a way ("skip", "back") are understood at each of them."""
    steps = steps_of(lesson)
    more = {
        "title": lesson.title, "step": steps.index(step) + 1, "of": len(steps), "review": lesson.review
    }  # fmt: skip
    ways = (*buttons, *(_ways(lesson, step) if back else ()))
    awaits = f"{AREA}:step:{lesson.id}:{step}"
    return Say(f"lesson/{lesson.id}.{step}", bubbles, ways, kind=LESSON_KIND, awaits=awaits, more=more)


def _ways(lesson: Lesson, step: str) -> tuple[Button, ...]:
    """The way back, and past the lesson: in front of the first step, and wherever nothing is asked."""
    lines = load_lines(AREA)
    earlier = before(lesson, step)
    skip = Button(lines.label("skip_lesson"), payload(AREA, "skip", lesson.id))
    if not earlier:
        return skip, Button(lines.label("not_for_me"), payload(AREA, "not_for_me", lesson.id)), path_button()
    back = Button(lines.label("back"), payload(AREA, "go", lesson.id, earlier))
    asks = step in (CHOOSE, TEACH_BACK) or step.startswith(QUESTION)
    return (back,) if asks or step == END else (back, skip)


def _skip(lesson: Lesson, step: str) -> Button:
    return Button(load_lines(AREA).label("skip"), payload(AREA, "go", lesson.id, after(lesson, step)))


def _text(lesson: Lesson, step: str) -> tuple[str, ...]:
    if len(lesson.text) <= BUBBLES_AT_ONCE:
        return lesson.text
    half = (len(lesson.text) + 1) // 2
    return lesson.text[:half] if step == f"{TEXT}1" else lesson.text[half:]


def _picture(moment: Moment, lesson: Lesson) -> Say:
    framed = _say(lesson, PICTURE, (), (next_button(lesson, PICTURE),))
    shown = picture_say(lesson.picture, moment, buttons=framed.buttons)
    progress = {key: framed.more[key] for key in ("step", "of")}
    return replace(shown, awaits=framed.awaits, more={**shown.more, **progress})


def _metaphors(moment: Moment, lesson: Lesson) -> tuple[Button, ...]:
    """The lesson's metaphors; those that were chosen in other lessons come first."""
    liked = {str(one.value) for one in moment.journal.of(METAPHOR)}
    ordered = sorted(lesson.metaphors, key=lambda one: one.id not in liked)
    return tuple(Button(one.title, payload(AREA, "pick", lesson.id, one.id)) for one in ordered)


def _end(moment: Moment, lesson: Lesson) -> Say:
    made = _say(lesson, END, (*load_lines(AREA).bubbles("end"), lesson.idea), end_buttons(moment, lesson))
    return replace(made, awaits="")
