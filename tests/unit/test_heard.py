"""What the log says of the last turns."""

from __future__ import annotations

from typing import Any

from bot.store.models import Event
from bot.web import bodies
from bot.web.heard import DENIED_TURNS, heard_in, last_said, refusals, turns_since


def said(text: str, payload: str = "") -> Event:
    body = {"kind": "text", "text": text, **({"payload": payload} if payload else {})}
    return Event(author="patient", type="message", body=body)


def told(kind: str, answer_id: str = "", author: str = "bot", **more: Any) -> Event:
    return Event(author=author, type="message", body={"kind": kind, "answer_id": answer_id, **more})


def question(category: str) -> Event:
    return told("question", f"safety/{category}.ask.v1", category=category)


QUIET = [said("why"), told("text", "pain/alarm")]


def test_typed_texts_come_oldest_first_and_buttons_are_not_typed() -> None:
    log = [said("one"), said("x", "/life/sleep"), said("two"), told("text")]
    assert heard_in(log).texts == ("one", "two")
    assert heard_in([said(str(n)) for n in range(9)]).texts == ("4", "5", "6", "7", "8")
    assert heard_in([said("numb bum"), question("RF01"), said("x", bodies.answer_payload("RF01", "no"))]).texts == (
        "numb bum",
        "no",
    )


def test_a_no_is_remembered_for_some_turns() -> None:
    for no in (said("No", bodies.answer_payload("RF01", "no")), said("no"), said("No", "check:saddle:no:none")):
        log = [said("numb"), question("RF01"), no]
        for turn in range(DENIED_TURNS):  # the turn that comes next
            assert heard_in([*log, *QUIET * turn]).denied == {"RF01"}, turn
        assert heard_in([*log, *QUIET * DENIED_TURNS]).denied == frozenset()


def test_only_a_no_to_the_question_itself_counts() -> None:
    asked = [said("numb"), question("RF01")]
    for answer in (
        said("Yes", bodies.answer_payload("RF01", "yes")),
        said("not sure"),
        said("no but it tingles"),
        said("Skip", "check:saddle:skip:none"),
        said("Stop", "check:saddle:stop:none"),
        said("None", "check:list:none"),
    ):
        assert heard_in([*asked, answer]).denied == frozenset()
    assert heard_in([*asked, *QUIET, said("no")]).denied == frozenset()
    assert heard_in([said("no")]).denied == frozenset()


def test_an_alarm_after_a_no_ends_it() -> None:
    log = [question("RF01"), said("no"), said("I can't pee"), told("safety", "safety/RF01.T1.v1", category="RF01")]
    assert heard_in(log).denied == frozenset()
    log = [question("RF01"), said("no"), said("hot calf"), told("safety", "safety/RF15.T2.v1", category="RF15")]
    assert heard_in(log).denied == {"RF01"}


def test_what_was_offered_last_is_what_a_typed_answer_may_mean() -> None:
    asked = told("question", buttons=[{"title": "Yes", "payload": "check:life:yes:none"}])
    assert heard_in([said("x"), asked]).offered == ("check:life:yes:none",)
    assert heard_in([asked, said("x")]).offered == ()
    assert heard_in([asked, said("x"), told("text")]).offered == ()
    assert heard_in([]).offered == ()


def test_turns_and_bodies_are_found_again() -> None:
    log = [told("question", "check/list"), said("a"), told("text", "pain/alarm"), said("b")]
    assert turns_since(log, "check/") == 2
    assert turns_since(log, "pain/", "check/") == 1
    assert turns_since(log, "life/") is None
    assert last_said(log, "check/list") == log[0].body
    assert last_said(log, "life/sleep") is None


def test_refusals_are_counted_since_the_last_alarm() -> None:
    alarm = told("safety", "safety/RF01.T1.v1", category="RF01")
    refused = told("safety", "safety/safety_refused")
    assert refusals([alarm, refused, said("no"), told("safety", "safety/safety_refused_again")]) == 2
    assert refusals([refused, alarm, told("safety", "safety/safety_hold"), refused]) == 1
    assert refusals([]) == 0
