""""Urgent help" with everything dead, and the page of somebody who does not answer a safety question."""

from __future__ import annotations

from collections.abc import Iterator
from urllib.parse import urlsplit

import pytest
from playwright.sync_api import Browser, Route, expect
from sqlalchemy import select

from bot.store.models import Conversation
from tests.support import pages
from tests.support.pages import Tab, open_chat, open_tab
from tests.support.stack import Stack

pytestmark = pytest.mark.browser
browser = pages.browser

VAGUE = "I can't take this any more"
LONG_AGO = "2020-01-01T00:00:00.000000+00:00"


@pytest.fixture(scope="module")
def web(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    running = Stack.start(tmp_path_factory.mktemp("urgent"), names=("web",))
    yield running
    running.stop()


def thrown(tab: Tab) -> list[str]:
    """Errors of scripts; a request that fails is none."""
    return [text for text in tab.errors if "Failed to load resource" not in text and "net::" not in text]


def numbers_open(tab: Tab) -> None:
    tab.page.click("#urgent summary")
    numbers_shown(tab, "#urgent")


def numbers_shown(tab: Tab, where: str) -> None:
    for number in ("tel:999", "tel:111", "tel:116123", "sms:85258"):
        expect(tab.page.locator(f"{where} a[href='{number}']").first).to_be_visible()
    assert thrown(tab) == []


def test_the_first_html_alone_is_enough(browser: Browser, web: Stack) -> None:
    tab = open_tab(browser, "about:blank")

    def only_the_page(route: Route) -> None:
        if urlsplit(route.request.url).path == "/chat/demo":
            route.continue_()
        else:
            route.abort()

    tab.page.route("**/*", only_the_page)
    tab.page.goto(f"{web.url}/chat/demo")
    numbers_shown(tab, ".pne-before")
    tab.close()


def test_a_chat_that_never_comes_leaves_the_numbers_in_sight(browser: Browser, web: Stack) -> None:
    tab = open_tab(browser, "about:blank")
    tab.page.route("**/w/pne-chat*", lambda route: route.fulfill(body="throw 1", content_type="text/javascript"))
    tab.page.goto(f"{web.url}/chat/demo")
    numbers_shown(Tab(tab.page), ".pne-before")
    tab.close()


def test_a_page_that_outlives_its_network(browser: Browser, web: Stack) -> None:
    chat = open_chat(browser, web)
    chat.page.route("**/*", lambda route: route.abort())
    chat.page.context.set_offline(True)
    chat.say("is anybody there")
    chat.page.locator("[data-state=not_sent]").wait_for()
    before = len(chat.requested)
    numbers_open(chat)
    assert not [url for url in chat.requested[before:] if "/messages" not in url and "/events" not in url]
    chat.close()


def test_the_way_back_to_the_page_shows_it_with_the_server_dead(browser: Browser, web: Stack) -> None:
    tab = open_tab(browser, f"{web.url}/chat/demo")
    tab.page.locator(".kind-consent .choice").wait_for()
    tab.page.goto("about:blank")
    web.stop_part("web")
    try:
        tab.page.go_back()
        numbers_open(tab)  # kept by the browser, chat and all
    finally:
        web.start_part("web")
    tab.close()


def test_a_question_without_an_answer_shows_the_words_by_itself(browser: Browser, web: Stack) -> None:
    chat = open_chat(browser, web)
    chat.say(VAGUE)
    chat.page.locator(".kind-question .choice").first.wait_for()
    with web.database().begin() as session:
        for waiting in session.execute(select(Conversation).where(Conversation.pending.is_not(None))).scalars():
            waiting.pending = {**waiting.pending, "asked_at": LONG_AGO}
    chat.page.locator(".kind-handoff .state-waiting").wait_for()
    words = chat.page.locator(".kind-safety")
    expect(words).to_contain_text("I asked you something and have not heard back")
    expect(words.locator(".bubble.first")).not_to_contain_text("I asked you")
    expect(words.locator(".calls").first.locator("a").first).to_be_in_viewport(ratio=1)
    assert any("have not heard back" in heard for heard in chat.heard("assertive"))
    expect(chat.page.locator(".kind-question .choice[aria-disabled]")).to_have_count(4)
    assert thrown(chat) == []
    chat.close()
