"""Replies made from answers: bubbles, buttons, where they lead, and that the same spec makes the same bytes."""

from __future__ import annotations

import json

import pytest

from bot.content import cards, load_clinics
from bot.content.answers import Answer
from bot.content.library import load_library
from bot.content.replies import (
    HELPER,
    MENU,
    MORE,
    MOST_NEXT,
    TALK_TO_PERSON,
    TEXT,
    WHY,
    about,
    choices,
    pick,
    render,
    terms_in,
    way_out,
)

LIBRARY = load_library()
ANSWERS = LIBRARY.answers
CLINIC = load_clinics()["demo"]


def given(answer_id: str, part: str = TEXT, **more: object) -> dict:
    return render({"reply": "answer", "id": answer_id, "part": part, **more}, LIBRARY, CLINIC)


def leads_somewhere(payload: str) -> bool:
    name, brace, rest = payload.removeprefix("/").partition("{")
    if brace:
        named = json.loads(brace + rest)
        return name in ("why", "tell_more", "finding") and (
            named.get("answer") in ANSWERS or named["finding"] in LIBRARY.words
        )
    return name in ANSWERS or payload in (TALK_TO_PERSON, MENU, "/none_of_these")


@pytest.mark.parametrize("answer", ANSWERS.values(), ids=lambda answer: answer.id)
def test_every_answer_can_be_given_deepened_and_explained(answer: Answer) -> None:
    parts = [TEXT, WHY, *([MORE] if answer.more else []), *([HELPER] if answer.helper else [])]
    for part in parts:
        reply = given(answer.id, part)
        assert reply["text"].strip()
        assert "{" not in reply["text"]
        assert all(leads_somewhere(button["payload"]) and button["title"] for button in reply["buttons"])
        assert len({button["payload"] for button in reply["buttons"]}) == len(reply["buttons"])
        assert reply["metadata"]["version"] == answer.version
        assert reply["metadata"]["review"] == answer.review
    following = [button for button in given(answer.id)["buttons"] if "{" not in button["payload"]]
    assert 1 <= len(following) <= MOST_NEXT or answer.subject == "chat"


@pytest.mark.parametrize("answer", ANSWERS.values(), ids=lambda answer: answer.id)
def test_every_opening_stands_before_the_same_words(answer: Answer) -> None:
    texts = [given(answer.id, opening=i)["text"] for i in range(len(answer.openings))]
    assert len(set(texts)) == len(texts)
    if len(texts) > 1:
        assert {text.split("\n\n", 1)[1] for text in texts} == {"\n\n".join(given(answer.id)["text"].split("\n\n")[1:])}


def test_a_conversation_keeps_its_opening_and_others_get_others() -> None:
    assert {pick("conversation-1", "pain/alarm", 4) for _ in range(5)} == {pick("conversation-1", "pain/alarm", 4)}
    assert {pick(f"conversation-{n}", "pain/alarm", 4) for n in range(60)} == {0, 1, 2, 3}


def test_why_names_each_source_in_plain_words_how_sure_and_who_has_read_it() -> None:
    answer = ANSWERS["scans/shows_damage"]
    text = given("scans/shows_damage", WHY)["text"]
    assert text.startswith(answer.why)
    assert all(LIBRARY.sources[key].plain in text and LIBRARY.sources[key].cite in text for key in answer.sources)
    assert LIBRARY.sure[answer.certainty] in text
    assert LIBRARY.reviewed["pending"] in text


def test_why_tells_of_a_review() -> None:
    review = {"state": "reviewed", "at": "2026-01-02", "reviewer": "A. Example", "role": "physiotherapist"}
    text = given("pain/alarm", WHY, review=review)["text"]
    assert "2026-01-02" in text and "A. Example" in text and "physiotherapist" in text


def test_a_second_worry_comes_first_among_the_next_questions() -> None:
    reply = given("scans/shows_damage", second="life/sleep")
    following = [button["payload"] for button in reply["buttons"] if "{" not in button["payload"]]
    assert following == ["/life/sleep", f"/{ANSWERS['scans/shows_damage'].next[0]}"]


def test_a_second_worry_may_be_a_word_of_a_report() -> None:
    reply = given("scans/shows_damage", second="finding/disc_bulge")
    assert '/finding{"finding": "disc_bulge"}' in [button["payload"] for button in reply["buttons"]]


@pytest.mark.parametrize("second", ["affirm", "talk_to_person", "no/such"])
def test_a_second_worry_that_is_no_answer_adds_nothing(second: str) -> None:
    assert given("scans/shows_damage", second=second)["buttons"] == given("scans/shows_damage")["buttons"]


def test_did_you_mean_shows_titles_a_person_and_none_of_these() -> None:
    shown = choices(["life/sleep", "talk_to_person", "no/such"], LIBRARY, none=True)
    assert [button["payload"] for button in shown] == ["/life/sleep", TALK_TO_PERSON, "/none_of_these"]
    assert shown[0]["title"] == ANSWERS["life/sleep"].title
    assert choices([], LIBRARY, none=False) == []


def test_the_ways_out_are_the_menu_and_a_person() -> None:
    assert [button["payload"] for button in way_out(LIBRARY.wording)] == [MENU, TALK_TO_PERSON]


def test_a_button_about_an_answer_says_which() -> None:
    assert about("why", "life/sleep") == '/why{"answer": "life/sleep"}'


def test_a_hard_word_is_explained_once() -> None:
    text = "Your MRI and the clinician's view. Another MRI."
    assert terms_in(text, LIBRARY.terms, ()) == ["clinician", "mri"]
    assert terms_in(text, LIBRARY.terms, {"mri"}) == ["clinician"]
    assert terms_in("Nothing hard.", LIBRARY.terms, ()) == []
    reply = given("pain/alarm", explained=["mri"])
    assert reply["metadata"]["notes"] == [f"{LIBRARY.terms['mri'].title}: {LIBRARY.terms['mri'].plain}."]


def test_an_answer_with_a_figure_has_its_picture() -> None:
    with_figure = [answer for answer in ANSWERS.values() if answer.figure]
    assert len(with_figure) >= 8
    for answer in with_figure:
        assert given(answer.id)["metadata"]["picture"] == {"kind": "dots", "cell": answer.figure}
        assert "picture" not in given(answer.id, MORE)["metadata"]


def test_answers_that_start_somebody_moving_say_so() -> None:
    first = {answer.id for answer in ANSWERS.values() if answer.check_first}
    assert {"movement/start_small", "movement/best_exercise", "flare/what_to_do", "activity/running"} <= first
    for answer in ANSWERS.values():
        for part in (TEXT, MORE):
            assert given(answer.id, part)["metadata"].get("check_first", False) == answer.check_first
        assert "check_first" not in given(answer.id, WHY)["metadata"]


@pytest.mark.parametrize("part", [TEXT, MORE, WHY, HELPER])
def test_the_same_spec_makes_the_same_bytes(part: str) -> None:
    for answer in ANSWERS.values():
        if part == HELPER and not answer.helper:
            continue
        reply = given(answer.id, part, opening=0)
        again = render(json.loads(json.dumps(reply["metadata"]["spec"])), LIBRARY, CLINIC)
        assert json.dumps(again, sort_keys=True) == json.dumps(reply, sort_keys=True)


def forms_of_card(word: str, **more: object) -> dict[str, str]:
    """The shorter forms of a report word's card, their bubbles in one line."""
    made = cards.card({"reply": "card", "word": word, **more}, LIBRARY)["metadata"]["forms"]
    return {form: " ".join(texts) for form, texts in made.items()}


@pytest.mark.parametrize("word", LIBRARY.words)
def test_every_card_has_a_plain_and_a_flare_form(word: str) -> None:
    forms, about_it = forms_of_card(word), LIBRARY.words[word]
    assert set(forms) == {"plain", "flare"}
    assert about_it.meaning in forms["plain"] and about_it.meaning not in forms["flare"]
    assert len(forms["flare"].split()) <= 25
    for text in forms.values():
        assert not set("0123456789") & set(text)
        assert not {"{check}", "{meaning}"} & set(text.split())


@pytest.mark.parametrize("part", [cards.MORE, cards.WHY, cards.OUTLOOK, cards.SERIOUS, cards.ASK_AGE])
def test_only_the_card_itself_has_shorter_forms(part: str) -> None:
    reply = cards.card({"reply": "card", "word": "disc_bulge", "part": part}, LIBRARY)
    assert "forms" not in reply["metadata"]


@pytest.mark.parametrize("word", [key for key, word in LIBRARY.words.items() if word.handling == "urgent"])
def test_a_shorter_form_of_an_urgent_word_sends_to_help_and_does_not_excuse(word: str) -> None:
    for text in forms_of_card(word).values():
        assert "{urgent_line}" in text and "{emergency_number}" in text
        assert "today" in text.lower()
        assert "or not" not in text and "common" not in text


def test_a_shorter_form_of_a_common_word_tells_both_sides_and_when_a_check_is_right() -> None:
    for text in forms_of_card("cuff_tear", region="shoulder", age=60).values():
        assert "or not" in text and "prompt check" in text
    for text in forms_of_card("follow_up_advised").values():
        assert "your clinician" in text and "or not" not in text


def test_a_flare_keeps_the_sign_that_stands_in_the_meaning() -> None:
    assert "calf" in forms_of_card("bakers_cyst")["flare"]
    assert "hot or red joint" in forms_of_card("effusion")["flare"]
    assert "Sudden, very bad pain" in forms_of_card("aneurysm")["flare"]


def test_the_sign_that_needs_a_check_is_that_of_the_region() -> None:
    signs = {region: forms_of_card("disc_degeneration", region=region)["plain"] for region in ("lower_back", "neck")}
    assert "poo trouble" in signs["lower_back"] and "clumsy hands" in signs["neck"]
    assert "headache" in forms_of_card("white_matter")["flare"]


def test_a_clear_scan_leaves_the_pain_real_and_excuses_no_finding() -> None:
    forms = forms_of_card("nothing_found")
    assert "real" in forms["plain"] and "real" in forms["flare"]
    assert "or not" not in forms["plain"]
