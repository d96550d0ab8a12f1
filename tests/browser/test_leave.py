"""Leaving at once: the page goes blank, forgets, and is another page, whatever else on it works."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from playwright.sync_api import Browser, Page, expect

from tests.support import pages
from tests.support.pages import Chat, Tab, open_chat, open_tab
from tests.support.stack import Stack

pytestmark = pytest.mark.browser
browser = pages.browser

AWAY = "https://www.bbc.co.uk/weather"
WEATHER = "Sunny spells"
ABUSE = "my husband hits me and I am afraid to go home"
# What the page holds in the very moment of the click, before anything has been loaded.
AT_ONCE = """() => {
  everywhere("#leave")[0].click();
  return [document.body.childElementCount, sessionStorage.length, document.title];
}"""


@pytest.fixture(scope="module")
def web(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    """The web app alone: nothing here needs an answer from Rasa."""
    running = Stack.start(tmp_path_factory.mktemp("leave"), names=("web",))
    yield running
    running.stop()


def weather(page: Page) -> None:
    """The neutral page, without the network."""
    page.context.route(f"{AWAY}**", lambda route: route.fulfill(body=f"<h1>{WEATHER}</h1>", content_type="text/html"))


def chat_with_words(browser: Browser, web: Stack, **options: object) -> Chat:
    """A chat in which somebody has told what nobody else may read."""
    chat = open_chat(browser, web, **options)
    weather(chat.page)
    chat.say(ABUSE)
    chat.page.locator(".kind-safety, .kind-question").last.wait_for()
    chat.page.locator(".patient [data-state=sent]").last.wait_for()
    return chat


def gone(chat: Chat, web: Stack) -> None:
    """Another page stands here, and neither the way back nor the address shows what was written."""
    expect(chat.page).to_have_url(AWAY)
    expect(chat.page.locator("h1")).to_have_text(WEATHER)
    chat.page.go_back()
    assert "husband" not in chat.page.content()
    assert "/chat/" not in chat.page.url
    chat.page.goto(f"{web.url}/chat/demo")
    chat.page.locator(".kind-consent .choice:not([aria-disabled])").wait_for()
    assert chat.stored() == 0
    assert "husband" not in chat.page.content()
    assert [text for text in chat.errors if "husband" in text] == []


def test_the_button_blanks_forgets_and_leaves(browser: Browser, web: Stack) -> None:
    chat = chat_with_words(browser, web)
    before = chat.page.evaluate("history.length")
    chat.page.get_by_role("link", name="Leave this page quickly").first.click()
    expect(chat.page).to_have_url(AWAY)
    assert chat.page.evaluate("history.length") == before
    gone(chat, web)
    chat.close()


def test_the_page_is_blank_before_the_next_one_has_come(browser: Browser, web: Stack) -> None:
    chat = chat_with_words(browser, web)
    assert chat.page.evaluate(AT_ONCE) == [0, 0, ""]
    gone(chat, web)
    chat.close()


def test_shift_three_times_leaves_and_says_how_often_it_still_needs(browser: Browser, web: Stack) -> None:
    chat = chat_with_words(browser, web)
    chat.page.keyboard.press("Shift")
    chat.page.keyboard.press("Shift")
    expect(chat.page.locator("#leave")).to_have_attribute("data-left", "1")
    spoken = [words for words in chat.heard("assertive") if "Shift" in words]
    assert [("two more" in words, "once more" in words) for words in spoken] == [(True, False), (False, True)]
    chat.page.keyboard.press("Shift")
    gone(chat, web)
    chat.close()


def test_shift_for_capital_letters_and_shift_given_up_leave_nothing(browser: Browser, web: Stack) -> None:
    chat = open_chat(browser, web)
    weather(chat.page)
    chat.page.focus("#input")
    for letter in "ABCDE":
        chat.page.keyboard.press(f"Shift+{letter}")
    # A fast typist lets go of Shift before the letter.
    for letter in "FGH":
        chat.page.keyboard.down("Shift")
        chat.page.keyboard.down(letter)
        chat.page.keyboard.up("Shift")
        chat.page.keyboard.up(letter)
    assert len(chat.page.input_value("#input")) == 8
    for _ in range(4):
        chat.page.keyboard.press("Shift")
        chat.page.click("#log", modifiers=["Shift"])
    chat.page.clock.install()
    chat.page.keyboard.press("Shift")
    chat.page.keyboard.press("Shift")
    chat.page.clock.fast_forward(5_100)
    expect(chat.page.locator("#leave")).to_have_attribute("data-left", "")
    assert "not left" in chat.heard("assertive")[-1]
    chat.page.keyboard.press("Shift")
    assert chat.page.url.endswith("/chat/demo")
    chat.close()


def test_it_works_with_the_server_down_and_with_the_next_page_out_of_reach(browser: Browser, web: Stack) -> None:
    chats = [chat_with_words(browser, web) for _ in range(2)]
    web.stop_part("web")
    try:
        for chat in chats:
            reachable = chat is chats[0]
            if not reachable:
                chat.page.context.route(f"{AWAY}**", lambda route: route.abort())
            assert chat.page.evaluate(AT_ONCE) == [0, 0, ""]
            if reachable:
                expect(chat.page).to_have_url(AWAY)
            expect(chat.page).not_to_have_url(f"{web.url}/chat/demo")
            assert "husband" not in chat.page.content()
    finally:
        web.start_part("web")
    for chat in chats:
        chat.page.goto(f"{web.url}/chat/demo")
        chat.page.locator(".kind-consent .choice:not([aria-disabled])").wait_for()
        assert chat.stored() == 0
        chat.close()


def test_it_works_without_the_chat_and_without_any_script(browser: Browser, web: Stack) -> None:
    broken = open_tab(browser, "about:blank")
    weather(broken.page)
    broken.page.route("**/w/pne-chat*", lambda route: route.abort())
    broken.page.goto(f"{web.url}/chat/demo")
    for _ in range(3):
        broken.page.keyboard.press("Shift")
    expect(broken.page).to_have_url(AWAY)
    broken.close()
    plain = open_tab(browser, "about:blank", java_script_enabled=False)
    weather(plain.page)
    plain.page.goto(f"{web.url}/chat/demo")
    plain.page.click("a.leave")
    expect(plain.page).to_have_url(AWAY)
    plain.close()


def test_in_a_frame_the_whole_page_is_left(browser: Browser, web: Stack) -> None:
    home = open_tab(browser, f"{web.url}/")
    weather(home.page)
    home.page.click("[data-pne-open]")
    inner = home.page.frame_locator("iframe")
    inner.locator(".kind-consent .choice:not([aria-disabled])").click()
    inner.locator("#input:not([disabled])").fill(ABUSE)
    inner.locator("#input").press("Enter")
    inner.locator(".kind-safety, .kind-question").last.wait_for()
    inner.locator("#leave").click()
    expect(home.page).to_have_url(AWAY)
    home.page.goto(f"{web.url}/")
    home.page.click("[data-pne-open]")
    inner.locator(".kind-consent .choice:not([aria-disabled])").wait_for()
    assert "husband" not in str(inner.locator("body").inner_text())
    home.close()


def test_a_frame_that_may_not_move_the_page_around_it_goes_blank(browser: Browser, web: Stack) -> None:
    host = Tab(open_tab(browser, "about:blank").page)
    weather(host.page)
    shut_in = '<h1>Host</h1><iframe sandbox="allow-scripts allow-same-origin" src="/chat/demo"></iframe>'
    host.page.route(f"{web.url}/host", lambda route: route.fulfill(body=shut_in, content_type="text/html"))
    host.page.goto(f"{web.url}/host")
    inner = host.page.frame_locator("iframe")
    inner.locator(".kind-consent .choice:not([aria-disabled])").click()
    inner.locator("#input:not([disabled])").wait_for()
    inner.locator("#leave").click()
    expect(inner.locator("#app")).to_have_count(0)
    assert host.page.frames[1].url == "about:blank"
    assert host.page.evaluate("sessionStorage.length") == 0
    assert host.page.url.endswith("/host")
    host.close()


def test_words_about_abuse_say_how_to_leave_and_carry_the_button(browser: Browser, web: Stack) -> None:
    chat = chat_with_words(browser, web, viewport=pages.PHONE, has_touch=True, is_mobile=True)
    way = chat.page.locator(".kind-safety .leave-way, .kind-question .leave-way").last
    expect(way).to_contain_text("you can leave this page at once")
    expect(way).to_contain_text("Shift three times")
    assert chat.small_targets() == [] and chat.sideways() <= 0
    assert chat.violations() == []
    way.locator("a").click()
    gone(chat, web)
    chat.close()


def test_other_safety_words_do_not(browser: Browser, web: Stack) -> None:
    chat = open_chat(browser, web)
    chat.say("since this morning I can't pee and I am numb between my legs")
    chat.page.locator(".kind-safety").wait_for()
    expect(chat.page.locator(".leave-way")).to_have_count(0)
    chat.close()
