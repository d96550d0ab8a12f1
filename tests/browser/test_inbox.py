"""From a patient's first question to the clinician's hand-back: two people, two browsers, one product."""

from __future__ import annotations

import time

import pytest
from playwright.sync_api import Browser, expect

from tests.support import pages
from tests.support.pages import Tab, open_chat, open_inbox
from tests.support.stack import Stack

pytestmark = [pytest.mark.rasa, pytest.mark.browser]
browser = pages.browser

RED = "I woke up tonight and I can't pee and I am numb between my legs"
QUESTION = "why does my back still hurt after two years"
UNCLEAR = "something with my back and the pictures"
ANSWER = "pain/why_it_persists"
REPLY = "Hello, this is the clinic. Please call 999 now. Is someone with you?"
REPLY_SECONDS = 1.0


def open_item(inbox: Tab, words: str) -> None:
    inbox.page.locator(".row", has_text=words).locator("a").click()
    inbox.page.locator("#transcript").wait_for()


def test_a_red_flag_reaches_a_clinician_who_answers_and_hands_back(browser: Browser, stack: Stack) -> None:
    inbox = open_inbox(browser, stack)
    chat = open_chat(browser, stack, consent=False)
    chat.picture("01-consent")
    chat.accept()

    chat.say(QUESTION)
    answer = chat.answer(ANSWER)
    expect(answer).to_contain_text("alarm")
    expect(answer.locator(".review")).to_have_text("Not clinically reviewed yet")
    chat.picture("02-answer")
    chat.press("Why do you say that?")
    expect(chat.answer(f"{ANSWER}#why").locator("li").first).to_be_visible()  # the sources, in plain words
    chat.picture("03-sources")
    chat.press("Tell me more")
    chat.answer(f"{ANSWER}#more").wait_for()

    chat.say(UNCLEAR)
    asked = chat.answer("control/did_you_mean*")
    asked.wait_for()
    titles = asked.locator(".choice").all_inner_texts()
    assert 3 <= len(titles) <= 4
    assert titles[-1] == "None of these"
    chat.picture("04-did-you-mean")
    asked.locator(".choice").first.click()
    chat.answer("scans/*").wait_for()

    chat.say(RED)
    card = chat.page.locator(".kind-safety")
    expect(card.locator("a[href='tel:999']")).to_have_text("Call 999")
    expect(chat.page.locator(".kind-handoff .state-waiting")).to_be_visible()
    expect(chat.page.locator("#status")).to_have_text("Waiting for a person")
    (loud,) = chat.heard("assertive")
    assert "call 999" in loud
    assert "**" not in loud
    chat.picture("05-red-flag")

    row = inbox.page.locator(".row-waiting", has_text=RED)
    row.wait_for()  # by itself: this page was opened before
    expect(row).to_contain_text("Emergency")
    assert inbox.page.title().startswith("(")
    inbox.picture("06-queue")
    open_item(inbox, RED)
    expect(inbox.page.locator("blockquote.words")).to_have_text(RED)
    expect(inbox.page.locator("#facts")).to_contain_text("RF01")
    inbox.picture("07-item")
    inbox.page.click("#claim")
    inbox.page.locator("#reply").wait_for()
    expect(chat.page.locator(".kind-handoff .state-human")).to_be_visible()
    expect(chat.page.locator("#status")).to_have_text("A person is with you")

    inbox.page.evaluate("addEventListener('submit', () => (window.sentAt = Date.now()), true)")
    inbox.page.fill("#reply", REPLY)
    inbox.page.keyboard.press("Control+Enter")
    said = chat.page.locator(".clinician", has_text=REPLY)
    said.wait_for()
    came = chat.page.evaluate("cameAt")[said.get_attribute("data-seq")]
    seconds = (came - inbox.page.evaluate("sentAt")) / 1000
    assert 0 <= seconds < REPLY_SECONDS, f"the reply took {seconds} s"
    assert any(REPLY in heard for heard in chat.heard("polite"))
    chat.picture("08-reply")

    inbox.page.fill("#reply", "half a reply, not sent yet")
    chat.say("my sister is with me and she is calling")
    inbox.page.locator(".entry-patient", has_text="my sister is with me").wait_for()
    expect(inbox.page.locator("#reply")).to_have_value("half a reply, not sent yet")
    expect(inbox.page.locator("#reply")).to_be_focused()
    inbox.picture("09-conversation")
    inbox.page.check("#lift")
    inbox.page.locator("form[action$='/hand-back'] button").click()
    inbox.page.locator("#message", has_text="Handed back").wait_for()
    expect(chat.page.locator(".kind-handoff .state-bot")).to_be_visible()
    expect(chat.page.locator("#status")).to_have_text("An automatic guide, not a person")
    chat.say(QUESTION)
    expect(chat.page.locator(f"[data-answer='{ANSWER}']")).to_have_count(2)
    chat.picture("10-handed-back")

    assert chat.errors == []
    assert inbox.errors == []
    assert chat.hosts() == inbox.hosts() == {stack.url.removeprefix("http://")}
    chat.close()
    inbox.close()


def test_the_inbox_works_on_a_phone_and_without_script(browser: Browser, stack: Stack) -> None:
    words = "my chest feels tight and my left arm is heavy right now"
    patient = stack.patient()
    patient.say(words)
    phone = {"width": 320, "height": 640}
    inbox = open_inbox(browser, stack, viewport=phone, java_script_enabled=False)
    assert inbox.page.locator(".row", has_text=words).is_visible()
    open_item(inbox, words)
    inbox.page.click("#claim")
    inbox.page.fill("#reply", "Please call 999 now.")
    inbox.page.locator("#reply-form button.main-act").click()
    seen = patient.wait_for(lambda event: event["author"] == "clinician")
    assert seen["body"]["bubbles"] == ["Please call 999 now."]
    inbox.page.select_option("#outcome", "sent_to_emergency")
    inbox.page.locator("form[action$='/close'] button").click()
    expect(inbox.page.locator("#message")).to_contain_text("Closed")
    inbox.close()


def test_the_inbox_fits_the_narrowest_phone(browser: Browser, stack: Stack) -> None:
    words = "I have a fever and shaking chills and my back pain is much worse tonight"
    stack.patient().say(words)
    inbox = open_inbox(browser, stack, viewport={"width": 320, "height": 640}, has_touch=True, is_mobile=True)
    assert inbox.sideways() <= 0
    open_item(inbox, words)
    inbox.page.click("#claim")
    inbox.page.locator("#reply").wait_for()
    assert inbox.sideways() <= 0
    assert inbox.small_targets() == []
    inbox.close()


def test_a_link_that_is_lost_is_said_and_mended(browser: Browser, stack: Stack) -> None:
    inbox = open_inbox(browser, stack)
    inbox.page.context.set_offline(True)
    words = "I fell off a ladder today and now I cannot feel my legs"
    stack.patient().say(words)
    inbox.page.context.set_offline(False)
    started = time.monotonic()
    inbox.page.locator(".row", has_text=words).wait_for()
    assert time.monotonic() - started < 15
    inbox.close()
