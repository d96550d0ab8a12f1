"""Replies made from answers: bubbles, buttons and where they lead, for every answer there is."""

from __future__ import annotations

import json

import pytest

from bot.content import load_answers, load_clinics, load_wording
from bot.content.answers import Answer, load_sources
from bot.content.replies import (
    MENU,
    MOST_NEXT,
    TALK_TO_PERSON,
    about,
    answer_reply,
    choices,
    more_reply,
    way_out,
    why_reply,
)

ANSWERS = load_answers()
WORDING = load_wording()
CLINIC = load_clinics()["demo"]


def leads_somewhere(payload: str) -> bool:
    name, brace, rest = payload.removeprefix("/").partition("{")
    if brace:
        return name in ("why", "tell_more") and json.loads(brace + rest)["answer"] in ANSWERS
    return name in ANSWERS or payload in (TALK_TO_PERSON, MENU, "/none_of_these")


@pytest.mark.parametrize("answer", ANSWERS.values(), ids=lambda answer: answer.id)
def test_every_answer_can_be_given_deepened_and_explained(answer: Answer) -> None:
    replies = [answer_reply(answer, ANSWERS, CLINIC, WORDING)]
    if answer.more:
        replies.append(more_reply(answer, ANSWERS, CLINIC, WORDING))
    replies.append(why_reply(answer, ANSWERS, load_sources(), CLINIC, WORDING))
    for reply in replies:
        assert reply["text"].strip()
        assert "{" not in reply["text"]
        assert all(leads_somewhere(button["payload"]) and button["title"] for button in reply["buttons"])
        assert len({button["payload"] for button in reply["buttons"]}) == len(reply["buttons"])
        assert reply["metadata"]["version"] == answer.version
        assert reply["metadata"]["review"] == answer.review
    following = [button for button in replies[0]["buttons"] if "{" not in button["payload"]]
    assert 1 <= len(following) <= MOST_NEXT or answer.subject == "chat"


def test_why_names_each_source_in_plain_words() -> None:
    answer, sources = ANSWERS["scans/shows_damage"], load_sources()
    text = why_reply(answer, ANSWERS, sources, CLINIC, WORDING)["text"]
    assert text.startswith(answer.why)
    assert all(sources[key].plain in text and sources[key].cite in text for key in answer.sources)


def test_a_second_worry_comes_first_among_the_next_questions() -> None:
    answer = ANSWERS["scans/shows_damage"]
    reply = answer_reply(answer, ANSWERS, CLINIC, WORDING, second="life/sleep")
    following = [button["payload"] for button in reply["buttons"] if "{" not in button["payload"]]
    assert following == ["/life/sleep", f"/{answer.next[0]}"]


@pytest.mark.parametrize("second", ["affirm", "talk_to_person", "no/such", "scans/report_words"])
def test_a_second_worry_that_is_no_new_answer_adds_nothing(second: str) -> None:
    answer = ANSWERS["scans/shows_damage"]
    assert answer_reply(answer, ANSWERS, CLINIC, WORDING, second) == answer_reply(answer, ANSWERS, CLINIC, WORDING)


def test_did_you_mean_shows_titles_a_person_and_none_of_these() -> None:
    shown = choices(["life/sleep", "talk_to_person", "no/such"], ANSWERS, WORDING, none=True)
    assert [button["payload"] for button in shown] == ["/life/sleep", TALK_TO_PERSON, "/none_of_these"]
    assert shown[0]["title"] == ANSWERS["life/sleep"].title
    assert choices([], ANSWERS, WORDING, none=False) == []


def test_the_ways_out_are_the_menu_and_a_person() -> None:
    assert [button["payload"] for button in way_out(WORDING)] == [MENU, TALK_TO_PERSON]


def test_a_button_about_an_answer_says_which() -> None:
    assert about("why", "life/sleep") == '/why{"answer": "life/sleep"}'


def test_titles_tell_answers_apart() -> None:
    titles = [answer.title for answer in ANSWERS.values()]
    assert len(set(titles)) == len(titles)


def test_answers_that_start_somebody_moving_say_so() -> None:
    first = {answer.id for answer in ANSWERS.values() if answer.check_first}
    assert first == {"movement/start_small", "movement/best_exercise", "flare/what_to_do"}
    for answer in ANSWERS.values():
        given = [answer_reply(answer, ANSWERS, CLINIC, WORDING), more_reply(answer, ANSWERS, CLINIC, WORDING)]
        assert [reply["metadata"].get("check_first", False) for reply in given] == [answer.check_first] * 2
        why = why_reply(answer, ANSWERS, load_sources(), CLINIC, WORDING)
        assert "check_first" not in why["metadata"]
