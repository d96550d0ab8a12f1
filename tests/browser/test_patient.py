"""The chat page as a patient meets it, in a real browser against the real product."""

from __future__ import annotations

import re
from collections.abc import Iterator

import pytest
from playwright.sync_api import Browser, expect
from sqlalchemy import text

from bot.store import events
from tests.support import pages
from tests.support.pages import Chat, open_chat, open_tab
from tests.support.stack import Stack

pytestmark = [pytest.mark.rasa, pytest.mark.browser]
browser = pages.browser

RED = "since this morning I can't pee and I am numb between my legs"
QUESTION = "why does my back still hurt after two years"
ANSWER = "pain/why_it_persists"
NARROW = {"width": 320, "height": 640}


@pytest.fixture(scope="module")
def lame(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    """A web app of its own, to be killed. What it keeps needs no Rasa."""
    running = Stack.start(tmp_path_factory.mktemp("lame"), names=("web",))
    yield running
    running.stop()


def kept(stack: Stack, words: str) -> int:
    """How often the server has a patient's message with these words."""
    with stack.database().read() as session:
        found = session.execute(text("SELECT body FROM event WHERE author = :who"), {"who": events.PATIENT})
        return sum(words in str(row[0]) for row in found)


def sound(chat: Chat, stack: Stack) -> None:
    """Nothing went wrong on the page, and nothing was asked of anybody else."""
    assert chat.errors == []
    assert chat.hosts() == {stack.url.removeprefix("http://")}


def test_nothing_is_kept_or_sent_before_the_notice_is_accepted(browser: Browser, stack: Stack) -> None:
    chat = open_chat(browser, stack, consent=False)
    expect(chat.page.locator("#input")).to_be_disabled()
    assert chat.stored() == 0
    assert chat.page.evaluate("document.activeElement === document.body"), "the page takes no focus"
    chat.page.click("#person")
    expect(chat.page.locator(".kind-consent .choice")).to_be_focused()
    assert chat.stored() == 0
    chat.accept()
    assert chat.page.evaluate("Object.keys(sessionStorage).join()") == "pne:demo"
    assert chat.page.evaluate("localStorage.length + document.cookie.length") == 0
    assert chat.page.context.cookies() == []
    sound(chat, stack)
    chat.close()


def test_a_reload_keeps_the_chat_and_is_not_read_out(browser: Browser, stack: Stack) -> None:
    chat = open_chat(browser, stack)
    chat.say(QUESTION)
    chat.answer(ANSWER).wait_for()
    chat.press("Why do you say that?")
    chat.answer(f"{ANSWER}#why").wait_for()
    bubbles = chat.page.locator("#log .bubble")
    before = bubbles.all_inner_texts()
    chat.page.reload()
    chat.page.locator("#input:not([disabled])").wait_for()
    expect(bubbles).to_have_count(len(before))
    assert bubbles.all_inner_texts() == before
    assert chat.page.evaluate("heard") == []
    chosen = chat.answer(ANSWER).locator(".choice.chosen")
    expect(chosen).to_contain_text("Why do you say that?")
    chat.press("Tell me more")
    chat.answer(f"{ANSWER}#more").wait_for()
    sound(chat, stack)
    chat.close()


def test_a_double_click_sends_once(browser: Browser, stack: Stack) -> None:
    chat = open_chat(browser, stack, consent=False)
    chat.page.locator(".kind-consent .choice").dblclick()
    chat.page.locator("#input:not([disabled])").wait_for()
    words = "why do scans not show pain, asked twice"
    chat.page.fill("#input", words)
    chat.page.dblclick("#send")
    chat.page.locator("[data-answer^='scans/'], [data-answer^='control/']").last.wait_for()
    chat.open_choices().last.dblclick()
    chat.page.wait_for_timeout(700)
    sent = chat.page.locator(".patient .bubble").all_inner_texts()
    assert len(sent) == len(set(sent)) == 3, sent
    assert kept(stack, words) == 1
    chat.close()


def test_everything_works_with_the_keyboard_alone(browser: Browser, stack: Stack) -> None:
    chat = open_chat(browser, stack, consent=False)
    keys = chat.page.keyboard

    def tab_to(css: str, key: str = "Tab") -> None:
        for _ in range(15):
            keys.press(key)
            if chat.page.evaluate("css => focused().matches(css)", css):
                return
        raise AssertionError(f"{key} does not reach {css}")

    tab_to("summary")
    keys.press("Enter")
    expect(chat.page.locator("#urgent a[href='tel:999']")).to_be_visible()
    keys.press("Tab")
    assert chat.page.evaluate("focused().href") == "tel:999"
    keys.press("Escape")
    expect(chat.page.locator("#urgent a[href='tel:999']")).to_be_hidden()
    assert chat.page.evaluate("focused().tagName") == "SUMMARY"
    tab_to(".kind-consent .choice")
    keys.press("Enter")
    expect(chat.page.locator("#input")).to_be_focused()
    keys.type(QUESTION)
    keys.press("Enter")
    chat.answer(ANSWER).wait_for()
    tab_to(".choice[data-payload^='/why']", "Shift+Tab")
    keys.press("Space")
    chat.answer(f"{ANSWER}#why").wait_for()
    expect(chat.page.locator("#input")).to_be_focused()
    chat.close()


def test_on_the_narrowest_phone_nothing_sticks_out(browser: Browser, stack: Stack) -> None:
    chat = open_chat(browser, stack, consent=False, viewport=NARROW, has_touch=True, is_mobile=True)
    assert chat.sideways() <= 0
    chat.accept()
    for words, css in (
        (QUESTION, f"[data-answer='{ANSWER}']"),
        ("Pneumonoultramicroscopicsilicovolcanoconiosis" * 3, "[data-answer^='control/']"),
        ("I can't take this any more", ".kind-question"),
        (RED, ".kind-safety"),
    ):
        chat.say(words)
        chat.page.locator(css).last.wait_for()
        assert chat.sideways() <= 0, words
    assert chat.small_targets() == []
    chat.page.click("summary")
    assert chat.sideways() <= 0
    assert chat.small_targets() == []
    home = open_tab(browser, f"{stack.url}/", viewport=NARROW)
    assert home.sideways() <= 0
    assert home.errors == []
    home.close()
    chat.close()


def test_the_number_to_call_is_in_sight_with_the_keyboard_open(browser: Browser, stack: Stack) -> None:
    """A phone's keyboard takes half of the screen, and it is open when a red flag has just been typed."""
    chat = open_chat(browser, stack, viewport={"width": 390, "height": 470}, has_touch=True, is_mobile=True)
    chat.say(RED)
    chat.page.locator(".kind-handoff").wait_for()
    call = chat.page.locator(".kind-safety a[href='tel:999']")
    expect(call).to_have_text("Call 999")
    expect(call).to_be_in_viewport(ratio=1)
    chat.close()


def test_a_safety_question_shows_its_answers_without_scrolling(browser: Browser, stack: Stack) -> None:
    chat = open_chat(browser, stack, viewport=pages.PHONE, has_touch=True, is_mobile=True)
    chat.say("I can't take this any more")
    answers = chat.page.locator(".kind-question .choice")
    expect(answers).to_have_text(["Yes, right now", "Yes, sometimes", "No", "I'd rather not say"])
    for answer in answers.all():
        expect(answer).to_be_in_viewport(ratio=1)
    answers.first.click()
    for call in chat.page.locator(".kind-safety .calls").first.locator("a").all():
        expect(call).to_be_in_viewport(ratio=1)
    chat.close()


def test_a_crisis_is_followed_by_one_question_and_its_answer_by_the_number(browser: Browser, stack: Stack) -> None:
    chat = open_chat(browser, stack, viewport=pages.PHONE, has_touch=True, is_mobile=True)
    chat.say("I want to die")
    expect(chat.answer("safety/RF34.T0*").locator("a").first).to_be_visible()
    question = chat.answer("safety/RF34.direct*")
    expect(question.locator(".choice").last).to_be_in_viewport(ratio=1)
    chat.picture("crisis-question")
    chat.press("Yes, right now")
    now = chat.answer("safety/RF34.now*")
    expect(now.locator("a[href='tel:999']").first).to_be_in_viewport(ratio=1)
    expect(now.locator(".choice")).to_have_text(["Talk to a person"])
    chat.picture("crisis-now")
    assert chat.violations() == [] and chat.sideways() == 0
    chat.close()


def test_a_word_of_a_report_comes_with_a_hundred_dots_and_their_words(browser: Browser, stack: Stack) -> None:
    chat = open_chat(browser, stack, viewport=pages.PHONE, has_touch=True, is_mobile=True)
    chat.say("my L5/S1 bulges, I'm 52")
    card = chat.answer("finding/disc_bulge")
    dots = card.locator(".picture img")
    expect(dots).to_have_attribute("alt", re.compile("60"))
    assert dots.evaluate("image => image.complete && image.naturalWidth > 0")
    expect(card.locator("figcaption")).to_contain_text("people around age 50 with no back pain")
    expect(card.locator(".notes li").first).to_be_visible()
    chat.say("and in the neck?")
    expect(chat.page.locator("[data-answer='finding/disc_bulge']")).to_have_count(2)
    chat.picture("report-word")
    assert chat.violations() == [] and chat.sideways() == 0
    chat.close()


def test_urgent_help_needs_no_script(browser: Browser, stack: Stack) -> None:
    tab = open_tab(browser, f"{stack.url}/chat/demo", java_script_enabled=False)
    expect(tab.page.locator(".pne-before a[href='tel:999']")).to_be_visible()
    expect(tab.page.locator(".pne-before noscript")).to_be_visible()
    tab.close()


def test_a_message_waits_for_a_dead_server_and_arrives_once(browser: Browser, lame: Stack) -> None:
    chat = open_chat(browser, lame)
    lame.stop_part("web")
    words = "is anybody there while the server is down"
    chat.say(words)
    chat.page.locator("[data-state=not_sent]").wait_for()
    expect(chat.said(words)).to_contain_text("Not sent yet")
    assert any("not sent" in heard for heard in chat.heard("assertive"))
    expect(chat.page.locator("#activity")).not_to_be_empty()
    chat.page.click("summary")
    expect(chat.page.locator("#urgent a[href='tel:999']")).to_be_visible()
    chat.picture("not-sent")
    chat.page.keyboard.press("Escape")
    lame.start_part("web")
    chat.page.locator("[data-state=not_sent]").wait_for(state="detached", timeout=40_000)
    chat.answer("notice/cannot_answer").wait_for()
    expect(chat.said(words)).to_have_count(1)
    assert kept(lame, words) == 1
    chat.close()


def test_safety_words_come_while_nothing_can_be_stored_and_stay_single(browser: Browser, lame: Stack) -> None:
    chat = open_chat(browser, lame)
    with lame.database().begin() as session:
        session.execute(
            text("CREATE TRIGGER refuse BEFORE INSERT ON event BEGIN SELECT RAISE(ABORT, 'read only'); END")
        )
    try:
        chat.say(RED)
        expect(chat.page.locator(".kind-safety a[href='tel:999']")).to_be_visible()
        expect(chat.page.locator(".kind-handoff .state-failed")).to_be_visible()
        expect(chat.said(RED)).to_contain_text("Not sent yet")
    finally:
        with lame.database().begin() as session:
            session.execute(text("DROP TRIGGER refuse"))
    chat.page.locator(".kind-handoff .state-waiting").wait_for(timeout=40_000)
    expect(chat.page.locator(".kind-safety")).to_have_count(1)
    assert kept(lame, RED) == 1
    chat.close()
