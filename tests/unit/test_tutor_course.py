"""The course: its order, its path, the steps of a lesson, the ways out of each, and where it goes on."""

from __future__ import annotations

import random

import pytest

from bot.content import lessons
from bot.tutor import areas, course, course_order, course_steps, home
from bot.tutor.course_pages import MATTERS_FORM
from bot.tutor.saying import LESSON, QUESTIONNAIRE, VISUAL
from tests.support.course import Person, told
from tests.support.course import small_course as small_course

pytestmark = pytest.mark.usefixtures("small_course")
ALARM = "tutor:course:open:alarm"


def matter(*ids: str) -> Person:
    person = Person().open()
    return person.take(course.filled(person.moment, MATTERS_FORM, dict.fromkeys(ids, "on")))


# What matters, and the order


def test_the_first_opening_asks_what_matters_and_it_can_be_skipped() -> None:
    person = Person().open()
    assert person.said[0].kind == QUESTIONNAIRE and person.said[0].more["look"] == "chips"
    assert person.press("tutor:course:skip_matters").ids == ["course/path"]
    assert person.open().ids == ["course/path"], "asked once"


def test_what_matters_is_noted_and_shown_again_where_it_is_changed() -> None:
    person = matter("sleep", "mood")
    assert person.journal.last("matters").value == ["sleep", "mood"]
    assert person.press("tutor:course:matters").said[0].more["given"] == {"sleep": "on", "mood": "on"}


def test_the_order_follows_what_was_confirmed_and_what_matters() -> None:
    assert course_order.order(told(Person()).moment) == ["alarm", "moving", "sleep_stress"]
    assert course_order.order(matter("sleep").moment)[0] == "sleep_stress"
    afraid = told(Person()).note("factor", "fear_of_moving", {"kept": True, "words": ""})
    assert course_order.order(afraid.moment)[0] == "moving"
    afraid.note("factor", "fear_of_moving", {"kept": False, "words": ""})
    assert course_order.order(afraid.moment)[0] == "alarm", "the newest counts"


def test_the_same_person_twice_has_the_same_order_and_two_people_differ() -> None:
    one, other = matter("sleep"), matter("move")
    assert course_order.order(one.moment) == course_order.order(matter("sleep").moment)
    assert course_order.order(one.moment) != course_order.order(other.moment)


def test_the_person_can_put_another_lesson_first_or_choose_any() -> None:
    person = told(Person()).press("tutor:course:order").press("tutor:course:first:sleep_stress")
    assert person.offered[0] == "tutor:course:open:sleep_stress"
    assert {f"tutor:course:open:{id}" for id in lessons.load_lessons()} <= set(
        person.press("tutor:course:choose").offered
    )


def test_what_is_known_goes_last_and_is_not_offered() -> None:
    person = told(Person())
    for _ in range(2):
        person.note("answered", "alarm_1", {"lesson": "alarm", "option": "a", "fits": True, "at": "lesson"})
        person.later(days=1)
    assert course_order.order(person.moment)[-1] == "alarm"
    assert course_order.next_lesson(person.moment) == "moving"
    assert "tutor:course:open:alarm" in person.open().press("tutor:course:choose").offered


# A lesson


def test_a_lesson_goes_through_all_its_steps() -> None:
    person = told(Person()).press(ALARM)
    seen = []
    for _ in range(20):
        seen.append(person.said[0])
        if person.said[0].id.endswith(".end"):
            break
        step = person.journal.last("seen").key.partition(":")[2]
        person.press(f"tutor:course:go:alarm:{course_steps.after(lessons.load_lessons()['alarm'], step)}")
    assert [say.more["step"] for say in seen] == list(range(1, len(seen) + 1))
    assert {say.more["of"] for say in seen} == {len(seen)}
    assert {say.kind for say in seen} == {LESSON, VISUAL}
    assert course_order.status(person.journal, "alarm") == "read"


def test_a_lesson_without_its_picture_has_a_step_less(monkeypatch: pytest.MonkeyPatch) -> None:
    lesson = lessons.load_lessons()["alarm"]
    whole = course_steps.steps_of(lesson)
    monkeypatch.setattr(course_steps, "load_visuals", dict)
    assert course_steps.steps_of(lesson) == tuple(step for step in whole if step != "picture")


def test_every_option_has_feedback_and_is_noted() -> None:
    for option in lessons.load_lessons()["alarm"].questions[0].options:
        person = told(Person()).press(ALARM).jump("tutor:course:go:alarm:question_1")
        person.press(f"tutor:course:answer:alarm:alarm_1:{option.id}")
        assert person.said[0].bubbles == (option.feedback,)
        value = person.journal.last("answered", "alarm_1").value
        assert value == {"lesson": "alarm", "option": option.id, "fits": option.fits, "at": "lesson"}


def test_a_typed_option_is_an_answer() -> None:
    person = told(Person()).press(ALARM).jump("tutor:course:go:alarm:question_1")
    person.type("I am not sure.")
    assert person.journal.last("answered").value["option"] == "c"


def test_the_metaphor_that_was_chosen_is_remembered_and_comes_first_elsewhere() -> None:
    person = told(Person()).press(ALARM).jump("tutor:course:go:alarm:metaphor")
    person.press("tutor:course:pick:alarm:guard_dog")
    assert person.journal.last("metaphor", "alarm").value == "guard_dog"
    person.jump("tutor:course:go:moving:metaphor")
    assert person.offered[0] == "tutor:course:pick:moving:guard_dog"


def test_the_story_stands_under_a_line_that_it_is_made_up() -> None:
    said = told(Person()).press(ALARM).jump("tutor:course:go:alarm:story").said[0]
    assert len(said.bubbles) == 1 + len(lessons.load_lessons()["alarm"].story)


def test_own_words_are_heard_and_one_piece_is_offered() -> None:
    person = told(Person()).press(ALARM).jump("tutor:course:go:alarm:teach_back")
    person.type("pain is an alarm, it is there to protect you")
    assert person.journal.last("taught", "alarm").value == {
        "found": ["protects"], "missing": ["too_high"], "at": "lesson"
    }  # fmt: skip
    points = lessons.load_lessons()["alarm"].points
    assert person.said[0].bubbles == (points[0].landed, points[1].missing)


def test_a_question_in_place_of_own_words_is_for_the_assistant() -> None:
    person = told(Person()).press(ALARM).jump("tutor:course:go:alarm:teach_back")
    assert person.type("is it safe to bend?") is None
    assert person.type("why does it hurt at night") is None


def test_the_end_leads_to_the_next_lesson_and_to_answers() -> None:
    person = told(Person()).note("returns", "", False).through("alarm")
    assert {"tutor:course:open:moving", "/pain/alarm", "tutor:course:path"} <= set(person.offered)


# Ways out, and going on


@pytest.mark.parametrize("lesson", ["alarm", "moving"])
def test_every_step_can_be_skipped_left_and_gone_back_from(lesson: str) -> None:
    steps = course_steps.steps_of(lessons.load_lessons()[lesson])
    for place, step in enumerate(steps[:-1]):
        def at(step: str = step) -> Person:
            return told(Person()).jump(f"tutor:course:stay:{lesson}:{step}")

        person = at()
        assert any("skip" in one or f":{steps[place + 1]}" in one for one in person.offered)
        person.type("")
        assert person.journal.last("seen").key == f"{lesson}:{steps[place + 1]}"
        person = at()
        person.type("back")
        assert person.journal.last("seen").key == f"{lesson}:{steps[max(place - 1, 0)]}"
        person = at()
        person.type("not for me")
        assert course_order.status(person.journal, lesson) == "not_for_me"
        person = at()
        person.type("something else")
        assert person.ids == ["course/choose"]
        assert at().type("my dog is called Rex") is None or step == "teach_back"


def test_a_lesson_that_is_left_out_goes_down_and_one_not_for_me_off_the_path() -> None:
    person = told(Person()).press(ALARM).press("tutor:course:skip:alarm")
    assert course_order.order(person.moment)[-1] == "alarm"
    assert "tutor:course:open:moving" in person.offered
    person.press("tutor:course:not_for_me:alarm").press("tutor:course:path")
    assert "tutor:course:open:alarm" not in person.offered
    assert "tutor:course:open:alarm" in person.press("tutor:course:choose").offered


def test_a_lesson_goes_on_another_day_where_it_was_left() -> None:
    person = told(Person()).press(ALARM).jump("tutor:course:go:alarm:story").later(days=5).open()
    assert person.offered[0] == ALARM
    assert person.press(ALARM).ids == ["lesson/alarm.story"]


def test_a_lesson_that_was_read_begins_again_from_its_start() -> None:
    person = told(Person()).through("alarm").later(days=1)
    assert person.jump(ALARM).ids == ["lesson/alarm.text_1"]
    assert course_order.status(person.journal, "alarm") == "read"


def test_the_button_back_lasts_half_an_hour_and_not_beyond_the_end() -> None:
    person = told(Person()).press(ALARM)
    assert course.back(person.moment).payload == "tutor:course:go:alarm:text_1"
    assert course.back(person.later(minutes=29).moment) is not None
    assert course.back(person.later(minutes=2).moment) is None
    assert course.back(told(Person()).through("alarm").moment) is None
    assert course.back(told(Person()).press(ALARM).press("tutor:course:skip:alarm").moment) is None


def test_a_step_that_is_there_no_more_gives_no_way_back_and_the_lesson_begins() -> None:
    person = told(Person()).note("seen", "alarm:video").note("seen", "gone:text_1")
    assert course.back(person.moment) is None
    assert person.jump(ALARM).ids == ["lesson/alarm.text_1"]


def test_ten_minutes_bring_one_offer_to_stop_a_sitting() -> None:
    person = told(Person()).press(ALARM)
    pauses = []
    for _ in range(30):
        person.jump("tutor:course:go:alarm:text_2", 90)
        pauses.append(person.ids == ["course/pause"])
    assert sum(pauses) == 1 and pauses.index(True) == 6
    assert not any(person.jump("tutor:course:go:alarm:text_2", 90).ids == ["course/pause"] for _ in range(20))


def test_the_offer_to_stop_leads_on_to_the_same_step() -> None:
    person = told(Person()).press(ALARM)
    for _ in range(20):
        if person.jump("tutor:course:go:alarm:text_2", 90).ids == ["course/pause"]:
            break
    assert home.STOP in person.offered
    assert person.press("tutor:course:stay:alarm:text_2").ids == ["lesson/alarm.text_2"]


def test_an_open_red_flag_closes_lessons_and_not_what_is_kept() -> None:
    person = told(Person()).press(ALARM)
    person.open_flag = True
    assert course.back(person.moment) is None and course.due(person.moment) is None
    for payload in ("tutor:course:go:alarm:text_2", ALARM, "tutor:course:path", "tutor:course"):
        assert person.jump(payload).ids == ["home/closed"]
    assert person.jump("tutor:course:seen").ids == ["course/seen"]


@pytest.mark.parametrize("payload", [
    "tutor:course:go:gone:text_1", "tutor:course:go:alarm:video", "tutor:course:answer:alarm:alarm_9:a",
    "tutor:course:answer:alarm:alarm_1:z", "tutor:course:pick:alarm:dragon", "tutor:course:odd",
    "tutor:course:go:alarm", "tutor:course:again:alarm:x", "tutor:course:reply:alarm:7:alarm_9:a",
    "tutor:course:answer:alarm", "tutor:course::",
])  # fmt: skip
def test_a_button_of_another_version_opens_the_path(payload: str) -> None:
    assert areas.pressed(told(Person()).moment, payload).says[0].id == "course/path"


def test_no_lessons_at_all_is_no_dead_end(monkeypatch: pytest.MonkeyPatch, tmp_path) -> None:
    monkeypatch.setattr(lessons, "FOLDER", tmp_path)
    assert told(Person()).ids == ["course/no_lessons"]
    assert course.due(Person().note("returns", "", True).moment) is None


@pytest.mark.parametrize("seed", range(60))
def test_no_walk_through_the_course_breaks_or_ends_nowhere(seed: int) -> None:
    chance = random.Random(seed)
    person = Person().open()
    for _ in range(60):
        last = person.said[-1]
        assert last.bubbles and (last.buttons or last.awaits or last.ways)
        assert len({one.payload for one in last.buttons}) == len(last.buttons)
        ours = [one for one in person.offered if one.startswith("tutor:course")]
        if last.awaits and chance.random() < 0.3:
            person.type(chance.choice(["", "back", "pain is an alarm", "why is that?", "not for me", "something else"]))
        elif ours:
            person.press(chance.choice(ours), chance.choice([5, 60, 4000, 90000]))
        else:
            person.open()
        offer = course.due(person.moment) if chance.random() < 0.1 else None
        if offer:
            person.take(offer)
