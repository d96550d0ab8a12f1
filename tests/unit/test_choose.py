"""Which reply comes next: follow-ups, corrections, "it", nothing asked twice, no bubble twice running."""

from __future__ import annotations

from typing import Any

import pytest

from bot.content import load_clinics
from bot.content.library import load_library
from bot.dialogue import Turn, choose

LIBRARY = load_library()
CLINIC = load_clinics()["demo"]


class Chat:
    """A conversation by actions: what Rasa's rules would choose, with the facts that were heard."""

    def __init__(self, conversation: str = "c1") -> None:
        self.said: list[dict[str, Any]] = []
        self.known: dict[str, Any] = {}
        self.conversation = conversation

    def does(
        self,
        action: str,
        choices: tuple[str, ...] = (),
        concerns: str | None = None,
        helper: bool = False,
        **heard: Any,
    ) -> dict[str, Any]:
        self.known.update(heard)
        turn = Turn(self.conversation, heard, dict(self.known), tuple(self.said), choices, concerns, helper)
        reply = choose(f"utter_{action}", turn, LIBRARY, CLINIC)
        assert reply is not None, action
        self.said.insert(0, reply["metadata"]["spec"])
        return reply

    def id(self, action: str, **more: Any) -> str:
        return self.does(action, **more)["metadata"]["answer_id"]


def test_an_answer_goes_deeper_instead_of_saying_the_same_again() -> None:
    chat = Chat()
    ids = [chat.id("pain/alarm") for _ in range(4)]
    assert ids[:3] == ["pain/alarm", "pain/alarm#more", "pain/alarm#why"]
    assert ids[3].startswith("control/no_more")
    assert chat.id("pain/is_real") == "pain/is_real"
    assert chat.id("pain/alarm") == "pain/alarm"


def test_more_and_why_are_about_the_last_answer_or_the_one_that_a_button_names() -> None:
    chat = Chat()
    chat.does("pain/alarm")
    assert chat.id("why") == "pain/alarm#why"
    assert chat.id("tell_more", concerns="life/sleep") == "life/sleep#more"
    assert chat.id("why") == "life/sleep#why"
    assert chat.id("why").startswith("control/no_more")


def test_without_an_answer_more_and_why_ask_what_about() -> None:
    chat = Chat()
    first, second = chat.id("why"), chat.id("why")
    assert first.startswith("control/why") and second.startswith("control/why") and first != second


def test_why_works_on_every_answer() -> None:
    for answer_id in LIBRARY.answers:
        chat = Chat()
        chat.does(answer_id)
        assert chat.id("why") == f"{answer_id}#why"


def test_a_helper_is_told_the_same_as_a_helper() -> None:
    assert Chat().id("pain/alarm", helper=True) == "pain/alarm#helper"
    assert Chat().id("chat/greet", helper=True) == "chat/greet"


def test_a_second_worry_is_offered() -> None:
    reply = Chat().does("pain/alarm", choices=("pain/alarm", "life/sleep"))
    assert "/life/sleep" in [button["payload"] for button in reply["buttons"]]


def test_hard_words_are_explained_once_in_a_chat() -> None:
    chat = Chat()
    first = chat.does("scans/when_needed")
    assert any(note.startswith("Clinician") for note in first["metadata"]["notes"])
    later = chat.does("scans/another_scan")
    assert not any(note.startswith("Clinician") for note in later["metadata"].get("notes", ()))


# Words of a report


def test_word_region_and_age_in_one_message_give_the_figure() -> None:
    reply = Chat().does("finding", finding="disc_bulge", body_part="lower_back", age="52")
    assert reply["metadata"]["answer_id"] == "finding/disc_bulge"
    assert reply["metadata"]["picture"] == {"kind": "dots", "cell": "lower_back/disc_bulge@50"}
    assert "6 in 10 people around age 50 with no back pain" in reply["text"]


def test_what_is_missing_is_asked_once_and_then_answered() -> None:
    chat = Chat()
    assert chat.id("finding", finding="disc_bulge") == "finding/disc_bulge#ask_region"
    assert chat.id("fact", body_part="lower_back") == "finding/disc_bulge#ask_age"
    assert chat.id("fact", age="31") == "finding/disc_bulge"
    assert chat.said[0]["age"] == 31


def test_an_age_that_stays_unsaid_gives_the_range() -> None:
    for refuse in (lambda chat: chat.does("deny"), lambda chat: chat.does("fact", age="refused")):
        chat = Chat()
        chat.does("finding", finding="disc_bulge", body_part="lower_back")
        reply = refuse(chat)
        assert reply["metadata"]["answer_id"] == "finding/disc_bulge"
        assert "around age 20" in reply["text"] and "around age 80" in reply["text"]
        assert "picture" not in reply["metadata"]


def test_a_question_that_was_put_is_not_put_again() -> None:
    chat = Chat()
    chat.does("finding", finding="disc_bulge", body_part="lower_back")
    chat.does("pain/alarm")
    assert chat.id("finding", finding="disc_bulge") == "finding/disc_bulge"


def test_another_part_of_the_body_is_taken_over() -> None:
    chat = Chat()
    chat.does("finding", finding="disc_bulge", body_part="lower_back", age="52")
    assert chat.id("fact", body_part="neck") == "finding/disc_bulge"
    assert chat.said[0]["region"] == "neck"
    assert chat.id("fact", body_part="knee") == "region/knee"  # discs are not in knees: what is common there


def test_and_for_the_knee_after_an_answer_about_scans_and_after_another() -> None:
    chat = Chat()
    chat.does("scans/common_without_pain")
    assert chat.id("fact", body_part="knee") == "region/knee"
    chat = Chat()
    chat.does("pain/alarm")
    assert chat.id("fact", body_part="knee").startswith("control/same_for_region")


def test_a_part_of_the_body_without_figures_says_so() -> None:
    chat = Chat()
    chat.does("scans/common_without_pain")
    reply = chat.does("fact", body_part="elbow")
    assert reply["metadata"]["answer_id"] == "region/elbow"
    assert LIBRARY.card.texts["region_none"].split(".")[0] in reply["text"]
    assert "picture" not in reply["metadata"] and " in 10" not in reply["text"]
    assert chat.id("fact", body_part="head") == "imaging/brain_finding"


def test_it_is_the_last_word_of_a_report() -> None:
    chat = Chat()
    chat.does("finding", finding="meniscal_tear", age="47")
    assert chat.id("it_heals") == "finding/meniscal_tear#outlook"
    assert chat.id("is_it_serious") == "finding/meniscal_tear#serious"


def test_without_a_word_it_is_about_pain() -> None:
    assert Chat().id("it_heals") == "pain/can_it_change"
    assert Chat().id("is_it_serious") == "care/when_to_get_help"


@pytest.mark.parametrize("key", [key for key, word in LIBRARY.words.items() if word.handling == "urgent"])
def test_a_word_that_must_be_checked_is_never_made_to_sound_common(key: str) -> None:
    for part in ("main", "outlook", "serious", "more"):
        chat = Chat()
        reply = chat.does("finding", finding=key, age="50")
        if part != "main":
            reply = chat.does({"outlook": "it_heals", "serious": "is_it_serious", "more": "tell_more"}[part])
        assert " in 10" not in reply["text"] and "picture" not in reply["metadata"]
        assert "/talk_to_person" in [button["payload"] for button in reply["buttons"]]


def test_a_word_that_nobody_knows_is_not_guessed() -> None:
    assert Chat().id("finding").startswith("control/which_word")


def test_after_an_answer_what_fits_nothing_is_likely_about_it() -> None:
    chat = Chat()
    chat.does("pain/alarm")
    reply = chat.does("not_understood")
    assert reply["metadata"]["answer_id"].startswith("control/follow_up")
    assert '/tell_more{"answer": "pain/alarm"}' in [button["payload"] for button in reply["buttons"]]


def test_say_again_says_the_same() -> None:
    chat = Chat()
    said = chat.does("pain/alarm")
    assert chat.does("repeat")["text"] == said["text"]


def test_a_text_whose_review_has_run_out_is_withheld() -> None:
    turn = Turn("c1")
    reply = choose("utter_pain/alarm", turn, LIBRARY, CLINIC, lambda version: {"state": "expired", "withheld": True})
    assert reply is not None and reply["metadata"]["answer_id"] == "control/withheld.1"


@pytest.mark.parametrize(
    "action", ["affirm", "deny", "none_of_these", "tell_more", "why", "no_more", "noted", "repeat"]
)
def test_no_control_says_the_same_bubble_twice_running(action: str) -> None:
    chat = Chat()
    texts = [chat.does(action)["text"] for _ in range(2)]
    assert texts[0] != texts[1] or action == "repeat"
