"""Reading aloud: voices of the device only, at the speed that was chosen, and silent until it is switched on."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from playwright.sync_api import Browser, Page, expect

from tests.support import pages
from tests.support.widget import WidgetServer, running_widget

pytestmark = pytest.mark.browser
browser = pages.browser

LOCAL = {"name": "Here", "lang": "en-GB", "localService": True}
REMOTE = {"name": "Elsewhere", "lang": "en-GB", "localService": False}
FOREIGN = {"name": "Aquí", "lang": "es-ES", "localService": True}
# A browser with voices: this machine may have none.
SPEECH = """(voices) => {
  window.read = [];
  window.SpeechSynthesisUtterance = class { constructor(text) { this.text = text; } };
  Object.defineProperty(window, "speechSynthesis", { value: {
    getVoices: () => voices, addEventListener: () => {}, cancel: () => read.push(["stop"]),
    speak: ({ text, voice, rate }) => read.push([text, voice.name, rate]),
  } });
}"""


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[WidgetServer]:
    with running_widget(tmp_path_factory.mktemp("aloud")) as running:
        yield running


def opened(browser: Browser, server: WidgetServer, voices: list[dict[str, object]]) -> Page:
    page = browser.new_context(locale="en-GB").new_page()
    page.add_init_script(f"({SPEECH})({voices!r})".replace("True", "true").replace("False", "false"))
    page.goto(f"{server.url}/chat/demo")
    page.locator(".kind-consent .choice").click()
    page.locator("#input:not([disabled])").wait_for()
    return page


def test_a_voice_of_the_device_reads_what_comes_once_it_is_asked_to(browser: Browser, server: WidgetServer) -> None:
    page = opened(browser, server, [REMOTE, FOREIGN, LOCAL])
    conversation = server.newest()
    body = {"kind": "text", "bubbles": ["One **idea**."], "fallback_text": "One **idea**."}
    server.push(conversation, body)
    page.get_by_text("idea").last.wait_for()
    assert page.evaluate("read") == [], "silent by itself"
    page.click("#menu")
    page.get_by_label("Read new messages aloud").check()
    page.get_by_label("Slow").check()
    page.keyboard.press("Escape")
    server.push(conversation, {**body, "bubbles": ["Two."], "fallback_text": "Two."})
    page.wait_for_function("read.length > 0")
    assert page.evaluate("read") == [["Two.", "Here", 0.75]]
    page.get_by_role("button", name="Read this aloud").last.click()
    assert page.evaluate("read.length") == 2
    page.context.close()


def test_without_a_voice_of_its_own_the_device_stays_silent(browser: Browser, server: WidgetServer) -> None:
    page = opened(browser, server, [REMOTE, FOREIGN])
    page.click("#menu")
    expect(page.get_by_label("Read new messages aloud")).to_be_disabled()
    expect(page.get_by_text("We use no voices from the internet")).to_be_visible()
    page.context.close()
