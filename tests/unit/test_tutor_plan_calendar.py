"""The plan's calendar file, read again by a strict reader of RFC 5545."""

from __future__ import annotations

import re
from datetime import date, datetime, timedelta, timezone

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bot.tutor import plan
from bot.tutor.calendar_file import Event, calendar, first_on, spread
from bot.tutor.journal import Journal
from bot.tutor.saying import Moment
from tests.support.plans import GATE_OPEN, NOW, a_plan

_LINE = re.compile(r"([A-Z][A-Z0-9-]*)((?:;[A-Z-]+=[^\x00-\x1f\";:,]+)*):([^\x00-\x08\x0a-\x1f\x7f]*)")
_ESCAPES = {"\\\\": "\\", "\\;": ";", "\\,": ",", "\\n": "\n", "\\N": "\n"}
TEXTS = ("SUMMARY", "DESCRIPTION")


def read(text: str) -> list[dict[str, str]]:
    """The events of a calendar; fails on anything that the standard does not allow."""
    assert text.endswith("\r\n") and "\n" not in text.replace("\r\n", "") and "\r" not in text.replace("\r\n", "")
    pieces = text.removesuffix("\r\n").split("\r\n")
    assert all(0 < len(piece.encode()) <= 75 for piece in pieces)
    lines: list[str] = []
    for piece in pieces:
        if piece.startswith(" "):
            lines[-1] += piece[1:]
        else:
            lines.append(piece)
    found = [_LINE.fullmatch(line) for line in lines]
    assert all(found), [line for line, match in zip(lines, found, strict=True) if not match]
    parts = [(match[1], match[2], match[3]) for match in found if match]
    assert parts[0] == ("BEGIN", "", "VCALENDAR") and parts[-1] == ("END", "", "VCALENDAR")
    events: list[dict[str, str]] = []
    head: dict[str, str] = {}
    inside: dict[str, str] | None = None
    for name, parameters, value in parts[1:-1]:
        if (name, value) == ("BEGIN", "VEVENT"):
            assert inside is None
            inside = {}
        elif (name, value) == ("END", "VEVENT"):
            assert inside is not None and {"UID", "DTSTAMP", "DTSTART"} <= set(inside)
            events.append(inside)
            inside = None
        else:
            there = head if inside is None else inside
            assert name not in there, name
            if name in ("DTSTART", "DTEND"):
                assert parameters == ";VALUE=DATE" and re.fullmatch(r"\d{8}", value)
            else:
                assert not parameters
            there[name] = unescaped(value) if name in TEXTS else value
    assert inside is None and events and head["VERSION"] == "2.0" and head["PRODID"]
    assert len({event["UID"] for event in events}) == len(events)
    for event in events:
        assert re.fullmatch(r"\d{8}T\d{6}Z", event["DTSTAMP"])
        assert day(event["DTEND"]) > day(event["DTSTART"])
    return events


def unescaped(value: str) -> str:
    assert re.fullmatch(r"(?:[^\\;,]|\\[\\;,nN])*", value), value
    return re.sub(r"\\.", lambda found: _ESCAPES[found[0]], value)


def day(text: str) -> date:
    return datetime.strptime(text, "%Y%m%d").date()


def test_the_plan_in_the_calendar() -> None:
    moment = Moment(NOW, Journal().with_((GATE_OPEN, a_plan()), NOW), person="somebody")
    text = plan.calendar(moment)
    do, review = read(text)
    assert do["RRULE"] == "FREQ=WEEKLY;BYDAY=MO,WE,FR;UNTIL=20270308" and do["DTSTART"] == "20270222"
    assert review["DTSTART"] == "20270308" and "RRULE" not in review
    assert do["DTSTAMP"] == "20270301T093000Z" and do["TRANSP"] == "TRANSPARENT"
    assert "10 minutes" in do["SUMMARY"] and "{" not in text and "somebody" not in text


def test_the_same_plan_keeps_its_names_and_another_person_has_others() -> None:
    def names(person: str, **later: int) -> list[str]:
        moment = Moment(NOW + timedelta(**later), Journal().with_((GATE_OPEN, a_plan()), NOW), person=person)
        return [event["UID"] for event in read(plan.calendar(moment))]

    assert names("one") == names("one", days=3) and not set(names("one")) & set(names("two"))


def test_a_review_that_is_past_is_today() -> None:
    now = NOW + timedelta(days=20)
    do, review = read(plan.calendar(Moment(now, Journal().with_((GATE_OPEN, a_plan()), now), person="x")))
    assert review["DTSTART"] == "20270321" and do["RRULE"].endswith("UNTIL=20270321")


@given(st.text(max_size=300), st.text(max_size=300))
def test_any_words_come_out_as_they_went_in(title: str, about: str) -> None:
    text = calendar("x", [Event("a", date(2027, 3, 1), title, about)], NOW)
    (event,) = read(text)
    for key, words in (("SUMMARY", title), ("DESCRIPTION", about)):
        plain = re.sub(r"[\x00-\x08\x0b-\x1f\x7f]", "", words.replace("\r\n", "\n").replace("\r", "\n"))
        assert event.get(key, "") == plain


@pytest.mark.parametrize("days", range(1, 8))
def test_days_are_spread_over_the_week(days: int) -> None:
    chosen = spread(days)
    assert len(set(chosen)) == days and all(0 <= one < 7 for one in chosen)
    gaps = [(later - one) % 7 or 7 for one, later in zip(chosen, (*chosen[1:], chosen[0]), strict=True)]
    assert max(gaps) - min(gaps) <= 1
    for n in range(7):
        start = first_on(date(2027, 3, 1) + timedelta(days=n), chosen)
        assert start.weekday() in chosen and 0 <= (start - date(2027, 3, 1)).days - n < 7


def test_times_are_told_in_utc() -> None:
    now = datetime(2027, 3, 1, 1, 0, tzinfo=timezone(timedelta(hours=3)))
    assert read(calendar("x", [Event("a", date(2027, 3, 1), "t")], now))[0]["DTSTAMP"] == "20270228T220000Z"
