"""axe finds nothing on any state of the chat, the demo page and the inbox, in the light and in the dark."""

from __future__ import annotations

import pytest
from playwright.sync_api import Browser

from tests.support import pages
from tests.support.pages import PHONE, open_chat, open_inbox, open_tab
from tests.support.stack import Stack

pytestmark = [pytest.mark.rasa, pytest.mark.browser]
browser = pages.browser

RED = "since this morning I can't pee and I am numb between my legs"


def test_the_chat_in_every_state(browser: Browser, stack: Stack) -> None:
    chat = open_chat(browser, stack, consent=False, viewport=PHONE)
    assert chat.violations() == [], "consent"
    chat.accept()
    for words, css in (
        ("why does my back still hurt after two years", "[data-answer='pain/why_it_persists']"),
        ("my scan and my back", "[data-answer^='control/']"),
        ("I can't take this any more", ".kind-question"),
        (RED, ".kind-handoff"),
        ("why does it hurt", "[data-answer^='safety/safety_hold']"),
    ):
        chat.say(words)
        chat.page.locator(css).last.wait_for()
    chat.page.wait_for_timeout(1_100)  # the live regions are empty again
    assert chat.violations() == [], "messages of every kind"
    chat.page.click("summary")
    assert chat.violations() == [], "urgent help"
    chat.close()


def test_the_demo_page(browser: Browser, stack: Stack) -> None:
    home = open_tab(browser, f"{stack.url}/")
    assert home.violations() == []
    home.page.click("[data-pne-open]")
    home.page.frame_locator("iframe").locator(".kind-consent .choice").wait_for()
    assert home.violations() == []
    assert home.errors == []
    home.close()


def test_the_inbox(browser: Browser, stack: Stack) -> None:
    stack.patient().say(RED)
    door = open_tab(browser, f"{stack.url}/inbox")
    assert door.violations() == [], "sign-in"
    door.close()
    inbox = open_inbox(browser, stack)
    assert inbox.violations() == [], "queue"
    inbox.page.locator(".row-waiting a").first.click()
    inbox.page.locator("#claim").wait_for()
    assert inbox.violations() == [], "item"
    inbox.page.click("#claim")
    inbox.page.locator("#reply").wait_for()
    assert inbox.violations() == [], "conversation"
    assert inbox.errors == []
    inbox.close()
