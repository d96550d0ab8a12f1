"""The learner model: what counts, what fades, and that more never makes less."""

from __future__ import annotations

from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bot.content.lessons import load_lessons
from bot.tutor import learner
from bot.tutor.journal import Entry, Journal
from bot.tutor.learner import FADES_AFTER, KNOWN, NEW, SHAKY
from bot.tutor.saying import Moment
from tests.support.course import FOLDER, LONDON, START

LESSON = load_lessons(FOLDER)["alarm"]
RANK = {NEW: 0, SHAKY: 1, KNOWN: 2}


def answered(day: float, fits: bool = True, at: str = "lesson") -> Entry:
    value = {"lesson": "alarm", "option": "a", "fits": fits, "at": at}
    return Entry("answered", "alarm_1", value, START + timedelta(days=day))


def taught(day: float, found: int = 2, missing: int = 0, at: str = "lesson") -> Entry:
    value = {"found": ["x"] * found, "missing": ["y"] * missing, "at": at}
    return Entry("taught", "alarm", value, START + timedelta(days=day))


def state(*entries: Entry, day: float = 3) -> str:
    moment = Moment(START + timedelta(days=day), Journal(entries), zone=LONDON)
    found = learner.states(moment, [LESSON])
    assert set(found) == set(LESSON.concepts) and len(set(found.values())) == 1
    return found["C03"]


@pytest.mark.parametrize(("entries", "expected"), [
    ((), NEW),
    ((Entry("lesson", "alarm", {"how": "begun"}, START),), NEW),
    ((Entry("lesson", "alarm", {"how": "finished"}, START),), SHAKY),
    ((answered(0),), SHAKY),
    ((answered(0), answered(0.01)), SHAKY),
    ((answered(0), answered(1)), KNOWN),
    ((answered(0), taught(0)), KNOWN),
    ((answered(0), taught(0, found=1, missing=1)), SHAKY),
    ((answered(0), answered(1), answered(2, fits=False)), SHAKY),
    ((answered(0), answered(1, fits=False), answered(2)), SHAKY),
    ((answered(0, fits=False),), SHAKY),
    ((answered(0), answered(1), Entry("reset", "course", None, START + timedelta(days=2))), NEW),
])  # fmt: skip
def test_the_rule(entries: tuple[Entry, ...], expected: str) -> None:
    assert state(*entries) == expected


def test_known_fades_and_a_return_makes_it_last_longer() -> None:
    once = (answered(0), answered(1))
    assert state(*once, day=1 + FADES_AFTER) == KNOWN and state(*once, day=2 + FADES_AFTER) == SHAKY
    again = (*once, answered(7, at="return"))
    assert state(*again, day=7 + 2 * FADES_AFTER) == KNOWN and state(*again, day=8 + 2 * FADES_AFTER) == SHAKY


def test_days_are_those_of_the_clinics_calendar() -> None:
    late = Entry("answered", "alarm_1", answered(0).value, START.replace(hour=23, minute=50))
    early = Entry("answered", "alarm_1", answered(0).value, START.replace(hour=23, minute=55) + timedelta(minutes=10))
    assert state(late, early) == KNOWN


def test_odd_entries_count_for_nothing() -> None:
    odd = [Entry("answered", "alarm_1", None, START), Entry("taught", "alarm", "x", START), Entry("taught", "alarm")]
    assert state(*odd) == NEW


days = st.floats(0, 200, allow_nan=False)
shown = st.one_of(
    st.builds(answered, days, st.booleans(), st.sampled_from(["lesson", "return"])),
    st.builds(taught, days, st.integers(0, 3), st.integers(0, 3), st.sampled_from(["lesson", "return"])),
    st.builds(lambda day: Entry("reset", "course", None, START + timedelta(days=day)), days),
)
journals = st.lists(shown, max_size=8).map(lambda found: sorted(found, key=lambda one: one.at))


@given(journals, st.floats(0, 100), st.booleans())
def test_what_fits_never_lowers_and_what_does_not_never_makes_known(
    entries: list[Entry], wait: float, in_words: bool
) -> None:
    day = 200 + wait
    before = state(*entries, day=day)
    assert RANK[state(*entries, taught(day) if in_words else answered(day), day=day)] >= RANK[before]
    assert state(*entries, answered(day, fits=False), day=day) == SHAKY


@given(journals, st.floats(0, 400), st.floats(0, 400))
def test_time_alone_never_raises(entries: list[Entry], wait: float, more: float) -> None:
    assert RANK[state(*entries, day=200 + wait + more)] <= RANK[state(*entries, day=200 + wait)]


@given(journals)
def test_a_reset_clears(entries: list[Entry]) -> None:
    assert state(*entries, Entry("reset", "course", None, START + timedelta(days=200)), day=201) == NEW
