"""Several tabs of one conversation: all show everything, one of them holds the stream; and what the browser keeps."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from playwright.sync_api import Browser, BrowserContext, expect

from tests.support import pages
from tests.support.delivering import ACCEPT, Line, begin
from tests.support.states import questionnaire
from tests.support.widget import WidgetServer, running_widget

pytestmark = pytest.mark.browser
browser = pages.browser

AWAY = "https://www.bbc.co.uk/weather"
FORBIDDEN = """
for (const kind of ["sessionStorage", "localStorage"]) {
  Object.defineProperty(window, kind, { get() { throw new DOMException("no", "SecurityError"); } });
}
"""
FULL = "Storage.prototype.setItem = () => { throw new DOMException('full', 'QuotaExceededError'); };"
NO_CHANNEL = "window.BroadcastChannel = function () { throw new DOMException('denied', 'SecurityError'); };"
NO_LOCKS = """
LockManager.prototype.request = () => Promise.reject(new DOMException("denied", "SecurityError"));
"""


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[WidgetServer]:
    with running_widget(tmp_path_factory.mktemp("tabs")) as running:
        yield running


@pytest.fixture
def context(browser: Browser) -> Iterator[BrowserContext]:
    opened = browser.new_context(locale="en-GB")
    yield opened
    opened.close()


def pair(context: BrowserContext, server: WidgetServer) -> tuple[Line, Line]:
    """Two tabs; the second one is in front."""
    first = begin(context, server)
    first.say("before")
    first.arrived("before")
    first.hide()
    return first, first.second()


def one_stream(line: Line) -> None:
    """Waits until exactly one request waits for events: the server notices within a second that one has gone."""
    line.until(lambda: line.streams() == 1)


def test_two_tabs_show_everything_once_and_only_the_one_in_front_holds_a_stream(
    context: BrowserContext, server: WidgetServer
) -> None:
    behind, front = pair(context, server)
    front.wait_to_lead()
    behind.wait_to_follow()
    one_stream(front)
    front.push("for both")
    front.say("typed in front")
    behind.say("typed behind")
    front.arrived("before", "typed in front", "typed behind")
    behind.settle()
    behind.hide(False)
    front.hide()
    behind.wait_to_lead()
    one_stream(behind)
    assert not front.leads()
    behind.push("after the change")
    behind.settle()
    front.settle()


def test_the_stream_goes_to_the_tab_that_is_left(context: BrowserContext, server: WidgetServer) -> None:
    behind, front = pair(context, server)
    front.wait_to_lead()
    front.page.close()
    behind.push("while nobody listens")
    behind.wait_to_lead()
    behind.push("to the new one")
    behind.settle()
    one_stream(behind)


def test_a_tab_that_missed_something_asks_for_it(context: BrowserContext, server: WidgetServer) -> None:
    behind, front = pair(context, server)
    front.wait_to_lead()
    behind.page.evaluate(
        "() => { const { channel } = document.querySelector('pne-chat').chat.tabs;"
        " const hear = channel.onmessage; channel.onmessage = null; window.listen = () => (channel.onmessage = hear); }"
    )
    front.push("missed")
    front.push("missed too")
    front.settle()
    behind.page.evaluate("() => { listen(); }")
    front.push("heard")
    behind.settle()


def test_a_tab_behind_that_becomes_the_first_skips_nothing(context: BrowserContext, server: WidgetServer) -> None:
    """Its own message has a higher number than what it has not been told."""
    behind, front = pair(context, server)
    front.wait_to_lead()
    behind.page.evaluate("document.querySelector('pne-chat').chat.tabs.channel.onmessage = null")
    front.push("not passed on")
    front.settle()
    behind.say("from behind")
    front.arrived("before", "from behind")
    front.page.close()
    behind.wait_to_lead()
    behind.settle()


def test_a_tab_behind_keeps_its_place_when_the_network_comes_back(
    context: BrowserContext, server: WidgetServer
) -> None:
    behind, front = pair(context, server)
    front.wait_to_lead()
    context.set_offline(True)
    for tab in (front, behind):
        tab.page.locator("#activity[data-key=offline]").wait_for()
    context.set_offline(False)
    for tab in (front, behind):
        tab.page.locator("#activity[data-key='']").wait_for(state="attached")
    front.push("back again")
    front.settle()
    behind.settle()
    assert front.leads() and not behind.leads()


def test_going_to_and_fro_leaves_one_place_in_the_queue_for_each_tab(
    context: BrowserContext, server: WidgetServer
) -> None:
    behind, front = pair(context, server)
    front.wait_to_lead()
    for _ in range(4):
        front.hide()
        behind.hide(False)
        behind.wait_to_lead()
        front.wait_to_follow()
        behind.hide()
        front.hide(False)
        front.wait_to_lead()
        behind.wait_to_follow()
    waiting = front.page.evaluate("navigator.locks.query().then(({ pending }) => pending.length)")
    assert waiting <= 2
    front.push("still here")
    front.settle()
    behind.settle()


@pytest.mark.parametrize(
    "script",
    [FORBIDDEN, FULL, NO_LOCKS, NO_CHANNEL, FORBIDDEN + NO_LOCKS],
    ids=["storage", "full", "locks", "channel", "both"],
)
def test_what_the_browser_forbids_is_not_needed(context: BrowserContext, server: WidgetServer, script: str) -> None:
    line = begin(context, server, script=script)
    line.say("can you hear me")
    line.arrived("can you hear me")
    line.push("yes")
    line.settle()
    assert line.page.evaluate("document.querySelector('pne-chat').chat.store.load().queue") == []


def test_nothing_is_kept_before_consent_and_what_is_needed_after(context: BrowserContext, server: WidgetServer) -> None:
    page = context.new_page()
    page.add_init_script(pages.WATCH)
    page.goto(f"{server.url}/chat/demo")
    page.locator(ACCEPT).wait_for()
    page.click("#menu")
    page.locator("dialog input[name=size][value='2']").check()
    page.keyboard.press("Escape")
    stored = "localStorage.length + sessionStorage.length + document.cookie.length"
    assert page.evaluate(stored) == 0
    page.locator(ACCEPT).click()
    page.locator("#input:not([disabled])").wait_for()
    line = Line(page, server, page.evaluate("document.querySelector('pne-chat').chat.api.conversation"))
    line.settle()
    server.push(line.conversation, questionnaire("survey"))
    page.locator(".question label").nth(3).click()
    page.locator(".question button[type=submit]").click()
    context.set_offline(True)
    line.say("kept for later")
    page.locator(".delivery[data-state=not_sent]").wait_for()
    (kept,) = line.kept()
    assert "kept for later" in kept and '"drafts"' in kept and '"size":"2"' in kept
    context.set_offline(False)
    line.arrived("kept for later")
    assert "kept for later" not in line.kept()[0]


def remember(line: Line, on: bool) -> None:
    line.page.click("#menu")
    box = line.page.locator("dialog label.option", has_text="emember").locator("input")
    box.set_checked(on)
    line.page.keyboard.press("Escape")


def kept_in(line: Line) -> list[int]:
    return list(line.page.evaluate("[localStorage.length, sessionStorage.length]"))


def test_to_remember_on_this_device_is_asked_for_and_taken_back(context: BrowserContext, server: WidgetServer) -> None:
    line = begin(context, server)
    line.say("remember me")
    line.arrived("remember me")
    assert kept_in(line) == [0, 1]
    remember(line, True)
    assert kept_in(line) == [1, 0]
    other = context.new_page()
    other.add_init_script(pages.WATCH)
    other.goto(line.page.url)
    other.locator("#input:not([disabled])").wait_for()
    second = Line(other, server, line.conversation)
    second.settle()
    remember(line, False)
    assert kept_in(line) == [0, 1]
    second.say("not to be remembered")
    second.arrived("remember me", "not to be remembered")
    assert kept_in(second) == [0, 1]
    line.settle()


def test_what_waits_in_two_tabs_is_kept_for_both(context: BrowserContext, server: WidgetServer) -> None:
    line = begin(context, server)
    line.say("first")
    line.arrived("first")
    remember(line, True)
    second = line.second()
    context.set_offline(True)
    line.say("waits in one")
    line.page.locator(".delivery[data-state=not_sent]").wait_for()
    second.say("waits in the other")
    second.page.locator(".delivery[data-state=not_sent]").wait_for()
    line.page.close()
    second.page.close()
    context.set_offline(False)
    page = context.new_page()
    page.add_init_script(pages.WATCH)
    page.goto(f"{server.url}/chat/demo")
    third = Line(page, server, line.conversation)
    third.arrived("first", "waits in one", "waits in the other")


def test_leaving_quickly_keeps_nothing_in_any_tab(context: BrowserContext, server: WidgetServer) -> None:
    line = begin(context, server)
    line.say("first")
    line.arrived("first")
    remember(line, True)
    second = line.second()
    second.settle()
    context.route(f"{AWAY}**", lambda route: route.fulfill(body="Sunny spells"))
    line.page.click("#leave")
    expect(line.page).to_have_url(AWAY)
    assert second.page.evaluate("localStorage.length") == 0
    second.say("said after that")
    second.arrived("first", "said after that")
    assert second.page.evaluate("localStorage.length") == 0


def test_a_choice_that_waits_is_not_offered_again(context: BrowserContext, server: WidgetServer) -> None:
    line = begin(context, server)
    line.say("first")
    line.arrived("first")
    context.route("**/messages", lambda route: route.abort())
    choice = line.page.locator(".kind-text .choice", has_text="Next").last
    choice.click()
    line.page.locator(".delivery[data-state=not_sent]").wait_for()
    line.again()
    expect(line.page.locator(".kind-text .choice", has_text="Next").last).to_have_attribute("aria-disabled", "true")
    context.unroute("**/messages")
    line.page.click(".retry")
    line.until(lambda: line.pressed("/life/sleep") == 1)
    line.settle()
    assert line.page.locator(".patient", has_text="Next").count() == 1
