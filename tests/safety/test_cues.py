"""What a message tells besides red flags: of the body, of a change, of not wanting to go."""

from __future__ import annotations

import pytest

from bot import safety
from bot.safety.check import load_check
from tests.safety.test_words import BANNED, _grade

REFUSALS = {
    "go": [
        "I'm not going to A&E",
        "I don't want to go",
        "i dont want to go to hospital",
        "not going back to the hospital again",
        "No way am I going there, I'm staying at home",
        "I can't face going",
        "I hate hospitals",
        "theres no one to take me",
        "I can't leave the kids",
        "I would rather not go in",
        "no hospital please",
        "i refuse to go",
    ],
    "wait": [
        "can't it wait",
        "cant it wait till monday?",
        "I'll sleep on it",
        "ill see how it goes",
        "I'll wait and see",
        "I'll leave it until the morning",
        "it's not an emergency",
        "surely its not that bad",
        "do I really have to",
        "I'll give it a few days",
        "I'll ring tomorrow",
        "it will pass",
        "not tonight",
    ],
    "bother": [
        "don't want to bother them",
        "I dont want to be a burden",
        "I don't want to waste their time",
        "they're too busy",
        "other people need it more",
        "I'd feel silly",
        "they'll just send me home",
        "I don't want to make a fuss",
        "last time i sat there for hours waiting",
        "im too embarrassed",
    ],
    "call": [
        "no ambulance",
        "I'm not calling 999",
        "i dont want an ambulance",
        "I won't call anyone",
        "leave me alone",
        "I can't afford an ambulance",
        "I don't need any help",
        "stop telling me that",
        "I hate phones",
        "i'm fine at home really",
    ],
    "another": ["he won't go", "she refuses to be seen", "I can't make him go", "my husband won't go"],
}
NOT_REFUSALS = [
    "I'm going to A&E now",
    "I'm not going to wait, I'm going to hospital",
    "my wife is driving me there",
    "ok I have called them",
    "the ambulance is here",
    "I am at the hospital",
    "I rang and they are sending someone",
    "what is a disc bulge",
    "yes",
    "no",
    "I am safe now",
    "why does my back hurt",
    "how long will it take",
    "",
    "?",
    "thank you",
]


@pytest.mark.parametrize(("kind", "text"), [(kind, text) for kind, texts in REFUSALS.items() for text in texts])
def test_refusals_are_heard_in_their_own_terms(kind: str, text: str) -> None:
    heard = safety.refusal(text)
    assert heard is not None and heard.id == kind
    assert safety.is_refusal(text)


@pytest.mark.parametrize("text", NOT_REFUSALS)
def test_other_messages_are_no_refusals(text: str) -> None:
    assert not safety.is_refusal(text)


def test_there_are_many_phrases_and_what_answers_them_is_calm() -> None:
    refusals = load_check().lists["refusals"]
    assert sum(len(one["phrases"]) for one in refusals) >= 60
    for one in safety.load_cues().refusals:
        for text in one.heard:
            assert _grade(text) <= 5, text
            assert not [banned for banned in BANNED if banned.lower() in text.lower()]
        assert one.heard[0] != one.heard[1]


@pytest.mark.parametrize(
    ("text", "symptom", "change"),
    [
        ("my left knee feels weird since tuesday", True, True),
        ("the pain is worse this week", True, True),
        ("my foot has gone funny today", True, True),
        ("I have new tingling in my hand", True, True),
        ("my back feels funny", True, False),
        ("why does my back still hurt after two years", True, False),
        ("what is a disc bulge", False, False),
        ("when will you get back to me", False, False),
        ("you are useless", False, False),
        ("what is the capital of peru", False, False),
        ("a new taxi for yesterday", False, False),
        ("", False, False),
        ("\ud800 ☹", False, False),
    ],
)
def test_words_for_the_body_and_for_change(text: str, symptom: bool, change: bool) -> None:
    assert (safety.tells_of_symptom(text), safety.tells_of_change(text)) == (symptom, change)
