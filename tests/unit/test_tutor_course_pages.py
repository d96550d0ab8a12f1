"""What the person can see and have forgotten, and learning minutes."""

from __future__ import annotations

from datetime import timedelta

import pytest

from bot.tutor import course_order
from bot.tutor.journal import Entry, Journal
from bot.tutor.minutes import LONGEST_GAP, SITTING_GAP, minutes, sitting_now
from tests.support.course import START, Person, told
from tests.support.course import small_course as small_course

pytestmark = pytest.mark.usefixtures("small_course")


def test_what_was_seen_stands_in_three_lists_and_is_forgotten_only_after_asking() -> None:
    person = told(Person()).through("alarm").open().press("tutor:course:seen")
    assert len(person.said[0].bubbles) == 4
    assert "Alarm" not in person.said[0].bubbles[3] and "alarm" in person.said[0].bubbles[2]
    person.press("tutor:course:clear")
    assert person.journal.last("reset") is None
    person.press("tutor:course:cleared")
    assert person.journal.last("reset") is not None
    assert course_order.read(person.moment) == 0
    assert person.press("tutor:course:path").offered[0] == "tutor:course:open:alarm"


def test_keeping_it_leads_back() -> None:
    person = told(Person()).press("tutor:course:seen").press("tutor:course:clear").press("tutor:course:seen")
    assert person.ids == ["course/seen"]


def test_what_matters_and_the_wish_for_returns_outlive_a_reset() -> None:
    person = told(Person()).note("returns", "", True).note("reset", "course").open()
    assert person.ids == ["course/path"] and "tutor:course:stop_returns" in person.offered


def journal(*seconds: float, kind: str = "seen") -> Journal:
    return Journal(tuple(Entry(kind, "alarm:text_1", None, START + timedelta(seconds=one)) for one in seconds))


def test_gaps_count_up_to_two_minutes() -> None:
    assert minutes(journal(0, 60, 90)).total == 1.5
    assert minutes(journal(0, 600)).total == LONGEST_GAP / 60
    assert minutes(journal(0)).total == 0 and minutes(Journal()).sittings == ()


def test_a_long_pause_begins_a_new_sitting_and_counts_nothing() -> None:
    found = minutes(journal(0, 60, 60 + SITTING_GAP + 1, 60 + SITTING_GAP + 31))
    assert [one.seconds for one in found.sittings] == [60, 30] and found.total == 1.5


def test_only_steps_and_answers_are_time_spent_learning() -> None:
    assert minutes(journal(0, 60, kind="factor")).total == 0
    assert minutes(journal(0, 60, kind="answered")).total == 1


def test_the_sitting_that_is_under_way() -> None:
    assert sitting_now(journal(0, 60), START + timedelta(seconds=90)).seconds == 90
    assert sitting_now(journal(0, 60), START + timedelta(hours=2)) is None
