"""The tutor's action: whole in a dialogue of Rasa alone, silent behind the web app."""

from __future__ import annotations

import json
from typing import Any

from rasa_sdk import Tracker
from rasa_sdk.executor import CollectingDispatcher

from actions.tutor import JOURNAL, ActionTutor


def run(intent: str, channel: str = "cmdline", pressed: str = "", journal: Any = None) -> tuple[list[Any], list[Any]]:
    entities = [{"entity": "tutor", "value": pressed}] if pressed else []
    message = {"intent": {"name": intent}, "entities": entities}
    events = [{"event": "user", "input_channel": channel, "parse_data": message}]
    tracker = Tracker("me", {JOURNAL: journal}, message, events, False, None, {}, "action_listen")
    dispatcher = CollectingDispatcher()
    return dispatcher.messages, ActionTutor().run(dispatcher, tracker, {})


def test_behind_the_web_app_it_says_nothing() -> None:
    assert run("open_course", channel="web") == ([], [])


def test_alone_an_area_opens_with_buttons_that_rasa_reads() -> None:
    said, events = run("tutor", pressed="tutor:home")
    assert len(said) == 1 and said[0]["text"]
    pressed = [json.loads(one["payload"].removeprefix("/tutor"))["tutor"] for one in said[0]["buttons"]]
    assert all(one.startswith("tutor:") for one in pressed)
    assert events[0]["name"] == JOURNAL


def test_what_was_done_is_kept_from_step_to_step() -> None:
    kept = [["lesson", "alarm", {"how": "begun"}, "2030-01-02T03:04:05+00:00"]]
    _, events = run("tutor", pressed="tutor:home", journal=kept)
    assert events[0]["value"] == kept
