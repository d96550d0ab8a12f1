"""A person's answers to scales over time: whose they are, where they stand in the chart, what is said of them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bot.content import load_clinics, load_wording
from bot.settings import Settings
from bot.store.conversations import conversation_with
from bot.store.models import Survey
from bot.web.inbox import trend
from bot.web.inbox.acts import Desk
from bot.web.limits import Limits
from bot.web.services import Services
from tests.support.database import CLINIC, HandClock, add_person, new_conversation, sqlite_database
from tests.support.inbox import OTHER_CLINIC, WORDS, StubAssistant


@pytest.fixture
def desk(tmp_path: Path, clock: HandClock) -> Desk:
    db = sqlite_database(tmp_path, clock)
    stub: Any = StubAssistant()
    made = Settings(var=str(tmp_path), rasa_secret="s" * 40)
    clinics = {name: load_clinics()["demo"] for name in (CLINIC, OTHER_CLINIC)}
    services = Services(made, db, clinics, load_wording(), stub, lambda _text: {}, Limits(1000, 1000))
    return Desk(services, add_person(db, "lee"), "csrf", WORDS)


def answer(desk: Desk, clock: HandClock, conversation: str, seq: int, **answers: Any) -> None:
    with desk.services.db.begin() as session:
        row = Survey(conversation_id=conversation, seq=seq, form="survey", at=clock(), answers=answers, answer_ids=[])
        session.add(row)


def series(desk: Desk, conversation: str) -> dict[str, list[int]]:
    with desk.db.read() as session:
        found = trend.series_of(session, desk, conversation_with(session, conversation))
    return {one.id: [point.value for point in one.points] for one in found}


def signed(desk: Desk, subject: str | None, clinic: str = CLINIC) -> str:
    conversation = new_conversation(desk.services.db, clinic)
    with desk.services.db.begin() as session:
        conversation_with(session, conversation).subject = subject
    return conversation


def test_it_has_the_answers_of_one_chat_in_their_order(desk: Desk, clock: HandClock) -> None:
    conversation = signed(desk, None)
    for seq, use in enumerate((7, None, 3, 5), start=1):
        answer(desk, clock, conversation, seq, use=use, found="none", **{"else": "words"})
        clock.move(days=30)
    assert series(desk, conversation) == {"survey-use": [7, 3, 5]}


def test_of_somebody_signed_in_it_has_all_their_chats_at_this_clinic_and_nobody_elses(
    desk: Desk, clock: HandClock
) -> None:
    mine = [signed(desk, "p-1"), signed(desk, "p-1")]
    others = [signed(desk, "p-2"), signed(desk, None), signed(desk, None), signed(desk, "p-1", OTHER_CLINIC)]
    for number, conversation in enumerate([*mine, *others]):
        answer(desk, clock, conversation, 1, use=number)
        clock.move(days=1)
    assert series(desk, mine[1]) == {"survey-use": [0, 1]}
    assert series(desk, others[1]) == {"survey-use": [3]}, "without a name two chats are two people"


def test_what_no_form_knows_or_allows_is_not_drawn(desk: Desk, clock: HandClock) -> None:
    conversation = signed(desk, None)
    answer(desk, clock, conversation, 1, use=11, listened=True, gone=4)
    with desk.db.begin() as session:
        session.add(
            Survey(conversation_id=conversation, seq=2, form="old", at=clock(), answers={"pain": 4}, answer_ids=[])
        )
    assert series(desk, conversation) == {}


def test_its_words_say_what_the_chart_shows(desk: Desk, clock: HandClock) -> None:
    conversation = signed(desk, None)
    answer(desk, clock, conversation, 1, use=7)
    with desk.db.read() as session:
        (one,) = trend.series_of(session, desk, conversation_with(session, conversation))
    assert one.said(desk) == WORDS.text("trend_said_one", last=7, last_day="2 Jan 2030", low=0, high=10)
    clock.move(days=10)
    answer(desk, clock, conversation, 2, use=2)
    with desk.db.read() as session:
        (one,) = trend.series_of(session, desk, conversation_with(session, conversation))
    said = one.said(desk)
    assert all(part in said for part in ("7", "2 Jan 2030", "12 Jan 2030")) and "{" not in said


@given(values=st.lists(st.integers(0, 10), min_size=1, max_size=30), step=st.integers(0, 400))
def test_every_point_stands_inside_the_plot_and_higher_values_higher(values: list[int], step: int) -> None:
    clock = HandClock()
    points = []
    for value in values:
        points.append((clock(), value))
        clock.move(hours=step)
    services = type("S", (), {"clinic": lambda self, _clinic: load_clinics()["demo"]})()
    desk: Any = type("D", (), {"services": services, "clinic": CLINIC})()
    drawn = trend._drawn(desk, points, 0, 10)
    assert [point.value for point in drawn] == values
    for point in drawn:
        assert trend.LEFT <= float(point.x) <= trend.RIGHT and trend.TOP <= float(point.y) <= trend.BOTTOM
    assert [float(p.x) for p in drawn] == sorted(float(p.x) for p in drawn)
    by_value = sorted(drawn, key=lambda point: point.value)
    assert [float(p.y) for p in by_value] == sorted((float(p.y) for p in by_value), reverse=True)
