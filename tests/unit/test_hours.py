"""Opening hours: every minute of every zone, days on which the clocks change, and how an opening is said."""

from __future__ import annotations

from datetime import date, datetime, time, timedelta, timezone
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bot.content import load_clinics, load_wording
from bot.content.hours import DAYS, Hours, opening, read_hours
from bot.content.opening import opening_words

UTC = timezone.utc
# Both changes of the clocks in one year each; Lord Howe moves them by half an hour only.
ZONES = ("Europe/London", "America/New_York", "Australia/Lord_Howe", "UTC", "Asia/Kolkata")
CHANGES = {
    "Europe/London": (date(2026, 3, 29), date(2026, 10, 25)),
    "America/New_York": (date(2026, 3, 8), date(2026, 11, 1)),
    "Australia/Lord_Howe": (date(2026, 4, 5), date(2026, 10, 4)),
}
CLOSED: dict[str, Any] = {day: [] for day in DAYS}
OFFICE = {**{day: [["09:00", "17:00"]] for day in DAYS[:5]}, "saturday": [], "sunday": []}
ALWAYS = {day: [["00:00", "24:00"]] for day in DAYS}


def hours(zone: str, week: dict[str, Any], *closed: str) -> Hours:
    return read_hours(zone, week, closed)


def by_the_wall(given: Hours, at: datetime) -> bool:
    """Whether a clock on the clinic's wall shows an opening time: the slow and plain way to say it."""
    local = at.astimezone(given.zone)
    if local.date() in given.closed_on:
        return False
    spans = given.week[local.weekday()]
    return any(opens <= local.time() and (local.time() < closes or closes == time(0)) for opens, closes in spans)


@st.composite
def weeks(draw: st.DrawFn, by_day_only: bool = False) -> dict[str, Any]:
    """A week of up to three spans a day; `by_day_only`: none of their times is one that the clocks may leap over."""
    made: dict[str, Any] = {}
    times = [t for t in range(0, 1441, 15) if not by_day_only or not 0 < t < 240]
    for day in DAYS:
        ends = sorted(draw(st.lists(st.sampled_from(times), unique=True, max_size=6)))
        spans = [ends[n : n + 2] for n in range(0, len(ends) - 1, 2)]
        made[day] = [[f"{end // 60:02}:{end % 60:02}" for end in span] for span in spans]
    if not any(made.values()):
        made["monday"] = [["09:00", "10:00"]]
    return made


@st.composite
def moments(draw: st.DrawFn, zone: str) -> datetime:
    """A minute near a change of that zone's clocks, or of any other week."""
    days = CHANGES.get(zone, (date(2026, 6, 1), date(2026, 12, 1)))
    near = draw(st.sampled_from(days))
    start = datetime.combine(near, time(0), UTC) - timedelta(days=1)
    return start + timedelta(minutes=draw(st.integers(0, 3 * 24 * 60)))


@pytest.mark.parametrize("zone", ZONES)
@given(data=st.data())
@settings(max_examples=60, deadline=None, derandomize=True)
def test_it_is_open_when_the_clock_on_the_wall_says_so(zone: str, data: st.DataObject) -> None:
    found = hours(zone, data.draw(weeks(by_day_only=True)))
    at = data.draw(moments(zone))
    assert found.is_open(at) == by_the_wall(found, at)


@pytest.mark.parametrize("zone", ZONES)
@given(data=st.data())
@settings(max_examples=20, deadline=None, derandomize=True)
def test_open_minutes_are_counted_as_by_hand(zone: str, data: st.DataObject) -> None:
    found = hours(zone, data.draw(weeks()))
    at = data.draw(moments(zone))
    wanted = data.draw(st.integers(1, 600))
    reckoned = found.after_open(at, wanted)
    counted, minute = 0, at
    while counted < wanted and minute < at + timedelta(days=16):
        counted += found.is_open(minute)
        minute += timedelta(minutes=1)
    if counted < wanted:
        assert reckoned is None or reckoned > minute
    else:
        assert reckoned == minute


@pytest.mark.parametrize("zone", ZONES)
@given(data=st.data())
@settings(max_examples=60, deadline=None, derandomize=True)
def test_later_never_ends_earlier_and_openings_are_open(zone: str, data: st.DataObject) -> None:
    found = hours(zone, data.draw(weeks()))
    at = data.draw(moments(zone))
    later = at + timedelta(minutes=data.draw(st.integers(0, 2_000)))
    minutes = data.draw(st.integers(1, 600))
    more = minutes + data.draw(st.integers(0, 600))
    first, second = found.after_open(at, minutes), found.after_open(later, minutes)
    longer = found.after_open(at, more)
    assert first is not None and second is not None and longer is not None
    assert at < first <= second and first <= longer
    opens = found.next_opening(at)
    assert opens is not None and opens >= at and found.is_open(opens)
    assert (opens == at) == found.is_open(at)
    again = found.opens_after(at)
    assert again is not None and again > at and found.is_open(again)


@pytest.mark.parametrize(("zone", "day", "minutes"), [
    ("Europe/London", date(2026, 3, 29), 23 * 60),
    ("Europe/London", date(2026, 10, 25), 25 * 60),
    ("America/New_York", date(2026, 3, 8), 23 * 60),
    ("America/New_York", date(2026, 11, 1), 25 * 60),
    ("Australia/Lord_Howe", date(2026, 10, 4), 23 * 60 + 30),
    ("Australia/Lord_Howe", date(2026, 4, 5), 24 * 60 + 30),
])  # fmt: skip
def test_a_day_on_which_the_clocks_change_has_as_many_minutes_as_it_has(zone: str, day: date, minutes: int) -> None:
    found = hours(zone, ALWAYS)
    start = datetime.combine(day, time(0), ZoneInfo(zone)).astimezone(UTC)
    end = datetime.combine(day + timedelta(days=1), time(0), ZoneInfo(zone)).astimezone(UTC)
    assert found.after_open(start, minutes) == end
    assert all(found.is_open(start + timedelta(minutes=n)) for n in range(minutes))


def test_a_span_that_the_clocks_leap_over_is_no_opening() -> None:
    """In London there is no 01:15 to 01:45 on 29 March 2026: the next one is a week later."""
    found = hours("Europe/London", {**CLOSED, "sunday": [["01:15", "01:45"], ["01:50", "02:10"]]})
    night = datetime(2026, 3, 29, 0, 30, tzinfo=UTC)
    opens = found.next_opening(night)
    assert opens is not None and found.is_open(opens)


def test_no_minute_is_counted_twice_where_the_clocks_push_two_spans_together() -> None:
    """01:45 does not exist on that day in London; taken for 02:45, it would reach into the span from 02:00 on."""
    found = hours("Europe/London", {**CLOSED, "sunday": [["00:30", "01:45"], ["02:00", "03:00"]]})
    night = datetime(2026, 3, 29, tzinfo=UTC)
    assert found.after_open(night, 90) == night + timedelta(hours=2)


def test_a_clinic_that_is_open_all_day_has_no_gap_at_midnight() -> None:
    found = hours("Europe/London", ALWAYS)
    midnight = datetime(2026, 6, 1, 23, 0, tzinfo=UTC)  # 00:00 in London
    for seconds in (-1, 0, 1):
        assert found.is_open(midnight + timedelta(seconds=seconds))


def test_closed_days_have_no_openings() -> None:
    found = hours("Europe/London", OFFICE, "2026-12-25", "2026-12-28")
    assert found.next_opening(datetime(2026, 12, 24, 18, tzinfo=UTC)) == datetime(2026, 12, 29, 9, tzinfo=UTC)
    assert found.after_open(datetime(2026, 12, 24, 16, tzinfo=UTC), 90) == datetime(2026, 12, 29, 9, 30, tzinfo=UTC)


@pytest.mark.parametrize(("zone", "week", "closed", "said"), [
    ("Mars/Olympus", OFFICE, [], "time_zone"),
    ("", OFFICE, [], "time_zone"),
    ("Europe", OFFICE, [], "time_zone"),
    ("../../etc/passwd", OFFICE, [], "time_zone"),
    (None, OFFICE, [], "time_zone"),
    ("UTC", None, [], "hours"),
    ("UTC", [], [], "hours"),
    ("UTC", {"monday": []}, [], "hours"),
    ("UTC", {**OFFICE, "someday": []}, [], "hours"),
    ("UTC", CLOSED, [], "never opens"),
    ("UTC", {**OFFICE, "monday": "09:00-17:00"}, [], "hours.monday"),
    ("UTC", {**OFFICE, "monday": ["09:00", "17:00"]}, [], "hours.monday"),
    ("UTC", {**OFFICE, "monday": [["09:00"]]}, [], "hours.monday"),
    ("UTC", {**OFFICE, "monday": [["9:00", "17:00"]]}, [], "hours.monday"),
    ("UTC", {**OFFICE, "monday": [["17:00", "09:00"]]}, [], "ends before it begins"),
    ("UTC", {**OFFICE, "monday": [["09:00", "09:00"]]}, [], "ends before it begins"),
    ("UTC", {**OFFICE, "monday": [["22:00", "00:00"]]}, [], "ends before it begins"),
    ("UTC", {**OFFICE, "monday": [["24:00", "24:00"]]}, [], "hours.monday"),
    ("UTC", {**OFFICE, "monday": [["09:00", "24:30"]]}, [], "hours.monday"),
    ("UTC", {**OFFICE, "monday": [["09:00", "12:00"], ["11:00", "13:00"]]}, [], "follow one another"),
    ("UTC", {**OFFICE, "monday": [["09:00", "24:00"], ["10:00", "11:00"]]}, [], "follow one another"),
    ("UTC", OFFICE, "2026-12-25", "closed_on"),
    ("UTC", OFFICE, ["25/12/2026"], "closed_on"),
    ("UTC", OFFICE, [None], "closed_on"),
])  # fmt: skip
def test_what_cannot_be_hours_is_refused_with_a_sentence(zone: object, week: object, closed: object, said: str) -> None:
    with pytest.raises(ValueError, match=said):
        read_hours(zone, week, closed)


def test_a_time_without_quotes_is_refused() -> None:
    """YAML reads 16:40 as 1000, and "1000" would be ten in the morning: the clinic would close by it."""
    with pytest.raises(ValueError, match="quotes"):
        read_hours("UTC", {**OFFICE, "friday": [["09:00", 1000]]}, [])


@pytest.mark.parametrize(("at", "said"), [
    (datetime(2026, 11, 20, 12, 0), None),  # Friday, open
    (datetime(2026, 11, 20, 3, 0), "today at 09:00"),
    (datetime(2026, 11, 19, 18, 0), "tomorrow at 09:00"),
    (datetime(2026, 11, 20, 16, 30), "on Monday at 09:00"),  # Friday's end
    (datetime(2026, 11, 22, 23, 59), "tomorrow at 09:00"),  # Sunday night
    (datetime(2026, 11, 23, 0, 0), "today at 09:00"),
    (datetime(2026, 12, 24, 17, 0), "on Tuesday at 09:00"),
])  # fmt: skip
def test_an_opening_is_said_as_people_say_it(at: datetime, said: str | None) -> None:
    found = opening_words(load_clinics()["demo"], at.replace(tzinfo=UTC), load_wording())
    assert found == ({} if said is None else {"opens": said})


def test_the_same_weekday_in_a_week_is_said_by_its_date() -> None:
    """ "On Monday", said on a Monday evening, would be taken for the day that is over."""
    found = hours("UTC", {**CLOSED, "monday": [["09:00", "10:00"]]})
    said = opening(found, datetime(2027, 1, 4, 12, tzinfo=UTC))
    assert said is not None and (said.how, said.at.date()) == ("date", date(2027, 1, 11))
    assert opening(found, datetime(2027, 1, 4, 9, 30, tzinfo=UTC)) is None


def test_an_opening_is_said_in_the_clinics_own_time() -> None:
    found = hours("Australia/Lord_Howe", OFFICE)
    said = opening(found, datetime(2026, 11, 22, 10, tzinfo=UTC))  # 21:00 on Sunday there
    assert said is not None and (said.how, said.at.strftime("%H:%M")) == ("tomorrow", "09:00")


def test_nobody_is_told_an_opening_where_there_is_none() -> None:
    never = Hours(ZoneInfo("UTC"), ((),) * 7)
    assert opening(never, datetime(2026, 1, 1, tzinfo=UTC)) is None
    assert never.after_open(datetime(2026, 1, 1, tzinfo=UTC), 1) is None
