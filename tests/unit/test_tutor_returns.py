"""Spaced returns: only for those who want them, once a day, one lesson, and never twice for the same day."""

from __future__ import annotations

from datetime import timedelta

import pytest

from bot.content.lessons import load_lessons
from bot.tutor import course, returns
from tests.support.course import START, Person, told
from tests.support.course import small_course as small_course

pytestmark = pytest.mark.usefixtures("small_course")


def reader(*lessons: str, wants: bool = True) -> Person:
    person = told(Person()).note("returns", "", wants)
    for lesson in lessons or ("alarm",):
        person.through(lesson)
    return person


def offer(person: Person) -> list[str]:
    found = course.due(person.moment)
    return person.take(found).ids if found else []


def test_they_are_asked_about_once_after_the_first_lesson() -> None:
    person = told(Person()).through("alarm")
    assert person.ids == ["lesson/alarm.end", "course/ask_returns"]
    person.press("tutor:course:returns_yes:alarm")
    assert person.journal.last("returns").value is True
    assert "tutor:course:open:moving" in person.offered, "the way on is there after the question"
    assert person.through("moving").ids == ["lesson/moving.end"]


def test_who_does_not_say_yes_is_not_asked_again_and_gets_none() -> None:
    person = told(Person()).through("alarm").through("moving")
    assert person.ids == ["lesson/moving.end"]
    assert offer(person.later(days=1)) == []
    assert "tutor:course:start_returns" in person.open().offered


@pytest.mark.parametrize(("day", "slot"), [
    (0, None), (1, 1), (2, 1), (6, 1), (7, 7), (12, 7), (29, 7), (30, 30), (89, 30), (90, 90), (400, 90),
])  # fmt: skip
def test_who_comes_late_gets_the_latest_day_only(day: int, slot: int | None) -> None:
    found = returns.due_now(reader().later(days=day).moment)
    assert (found.day if found else None) == slot


def test_days_are_those_of_the_clinics_calendar() -> None:
    person = Person(now=START.replace(hour=23, minute=30))
    told(person).note("returns", "", True).through("alarm")
    assert returns.due_now(person.later(minutes=45).moment) is not None


def test_a_return_has_another_question_a_recall_and_an_end() -> None:
    person = reader().note("answered", "alarm_1", {"lesson": "alarm", "option": "a", "fits": True, "at": "lesson"})
    person.note("metaphor", "alarm", "guard_dog").later(days=1)
    assert offer(person) == ["course/due"]
    person.press("tutor:course:again:alarm:1")
    assert person.ids == ["return/alarm.alarm_2"]
    assert any("guard dog" in bubble for bubble in person.said[0].bubbles)
    person.press("tutor:course:reply:alarm:1:alarm_2:c")
    assert person.journal.last("answered").value["at"] == "return"
    person.press("tutor:course:recall:alarm:1")
    assert person.said[0].bubbles[0] == load_lessons()["alarm"].recall
    person.type("it goes off too easily")
    assert person.journal.last("taught").value["at"] == "return"
    assert person.journal.last("returned").value == {"day": 1, "how": "done"}
    assert returns.due_now(person.moment, left_too=True) is None


def test_each_part_can_be_skipped_and_a_question_is_answered_as_one() -> None:
    person = reader().later(days=1)
    offer(person)
    person.press("tutor:course:again:alarm:1").press("tutor:course:recall:alarm:1")
    assert person.type("what is a guard dog?") is None
    person.type("")
    assert person.ids == ["return/alarm.again"]
    assert person.journal.last("returned").value["how"] == "done"


@pytest.mark.parametrize("how", ["tutor:course:not_now:alarm:1", ""])
def test_declined_or_left_it_is_not_offered_again_for_that_day(how: str) -> None:
    person = reader().later(days=1)
    offer(person)
    if how:
        person.press(how)
    assert [offer(person.later(days=1)) for _ in range(5)] == [[]] * 5
    assert offer(person.later(days=1)) == ["course/due"], "day 7"


def test_what_was_left_can_be_found_on_the_path_and_what_was_declined_cannot() -> None:
    person = reader().later(days=1)
    offer(person)
    assert "tutor:course:again:alarm:1" in person.open().offered
    person.jump("tutor:course:not_now:alarm:1")
    assert "tutor:course:again:alarm:1" not in person.later(days=1).open().offered


def test_stopping_them_stops_them() -> None:
    person = reader().later(days=1)
    offer(person)
    person.press("tutor:course:stop_returns")
    assert offer(person.later(days=10)) == [] and "tutor:course:start_returns" in person.open().offered


def test_one_lesson_at_a_time_and_one_a_day() -> None:
    person = reader("alarm", "moving").later(days=1)
    assert len(offer(person)) == 1
    assert offer(person) == []
    first = person.journal.last("returned").key
    assert offer(person.later(days=1)) == ["course/due"]
    assert person.journal.last("returned").key != first


def test_a_year_of_daily_visits_brings_four_returns_a_lesson_at_most() -> None:
    person = reader("alarm", "moving", "sleep_stress")
    for _ in range(365):
        offer(person.later(days=1))
    offered = [(one.key, one.value["day"]) for one in person.journal.of("returned")]
    assert len(offered) == len(set(offered)) == 12
    times = [one.at.date() for one in person.journal.of("returned")]
    assert len(times) == len(set(times))


def test_what_was_reset_or_is_not_for_the_person_does_not_come_back() -> None:
    assert returns.due_now(reader().note("reset", "course").later(days=1).moment) is None
    person = reader().note("lesson", "alarm", {"how": "not_for_me"}).later(days=1)
    assert returns.due_now(person.moment) is None


def test_nothing_is_due_while_a_red_flag_is_open() -> None:
    person = reader().later(days=1)
    person.open_flag = True
    assert course.due(person.moment) is None


def test_due_is_by_day_not_by_hour() -> None:
    person = reader()
    person.now = person.now.replace(hour=0, minute=30) + timedelta(days=1)
    assert returns.due_now(person.moment) is not None
