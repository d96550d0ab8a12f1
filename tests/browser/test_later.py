"""What the chat loads when it is needed: not before, only what it was made with, and kindly where it cannot be had."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from playwright.sync_api import Browser, Route, expect

from bot.content import load_wording
from bot.web.assets import load_assets
from tests.support import pages
from tests.support.states import LATER_FILES, Stage, staged
from tests.support.widget import WidgetServer, running_widget

pytestmark = pytest.mark.browser
browser = pages.browser

PART = load_assets()["pne-settings.js"]
WORDS = load_wording().interface


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[WidgetServer]:
    with running_widget(tmp_path_factory.mktemp("later")) as running:
        yield running


@pytest.fixture
def stage(browser: Browser, server: WidgetServer) -> Iterator[Stage]:
    with staged(browser, server) as made:
        yield made


def asked_for(stage: Stage) -> list[str]:
    return [url.rpartition("/")[2] for url in stage.chat.requested if "pne-settings" in url]


def test_it_is_asked_for_once_and_not_before_it_is_needed(stage: Stage) -> None:
    stage.chat.say("why does it hurt")
    stage.chat.answer("pain/why_it_persists").wait_for()
    assert asked_for(stage) == []
    for _ in range(2):
        expect(stage.menu().locator("h3").first).to_be_visible()
        expect(stage.page.locator("#menu-title")).to_be_focused()
        stage.close_menu()
        expect(stage.page.locator("#menu")).to_be_focused()
    assert asked_for(stage) == [PART.name]
    assert stage.chat.errors == []


def spoilt(route: Route) -> None:
    """Something else than what the chat was made with, as a server in the middle might give it."""
    headers = {"Access-Control-Allow-Origin": "*"}
    body = PART.body + b"\nwindow.spoilt = true;\n"
    route.fulfill(status=200, content_type="text/javascript", headers=headers, body=body)


FAULTS = {
    "no answer": lambda route: route.abort(),
    "gone after an upgrade": lambda route: route.fulfill(status=404, body="{}"),
    "a hotel's page": lambda route: route.fulfill(status=200, content_type="text/html", body="<p>Sign in</p>"),
    "changed on the way": spoilt,
}


@pytest.mark.parametrize("fault", FAULTS)
def test_where_it_cannot_be_had_the_menu_says_so_and_tries_again(stage: Stage, fault: str) -> None:
    page = stage.page
    page.route(LATER_FILES, FAULTS[fault])
    dialog = stage.menu()
    expect(dialog.locator("[role=status]")).to_have_text(WORDS["menu_failed"])
    again = dialog.get_by_role("button", name=WORDS["retry_button"])
    again.press("Enter")
    expect(dialog.locator("[role=status]")).to_have_text(WORDS["menu_failed"])
    expect(again).to_have_count(1)
    assert page.evaluate("window.spoilt") is None
    # The chat itself goes on.
    stage.close_menu()
    stage.chat.say("why does it hurt")
    stage.chat.answer("pain/why_it_persists").wait_for()
    page.unroute(LATER_FILES)
    stage.menu()
    expect(dialog.locator("h3").first).to_be_visible()
    expect(dialog.locator("[role=status]").filter(has_text=WORDS["menu_failed"])).to_have_count(0)


def test_trying_again_keeps_the_focus_in_the_menu(stage: Stage) -> None:
    page = stage.page
    page.route(LATER_FILES, lambda route: route.abort())
    dialog = stage.menu()
    again = dialog.get_by_role("button", name=WORDS["retry_button"])
    again.wait_for()
    page.unroute(LATER_FILES)
    again.press("Enter")
    expect(dialog.locator("h3").first).to_be_visible()
    assert page.evaluate("focused().closest('dialog') !== null")
    dialog.locator("input[name=size][value='2']").check()


def test_while_it_comes_that_is_said_and_the_menu_can_be_closed(stage: Stage) -> None:
    held: list[Route] = []
    stage.page.route(LATER_FILES, lambda route: held.append(route))
    dialog = stage.menu()
    expect(dialog.locator("[role=status]")).to_have_text(WORDS["connecting"])
    stage.close_menu()
    held.pop().continue_()
    expect(stage.menu().locator("h3").first).to_be_visible()
    expect(stage.page.locator("dialog.menu")).to_have_count(1)
    assert stage.chat.errors == []


def test_a_file_that_never_comes_is_given_up(stage: Stage) -> None:
    stage.page.clock.install()
    stage.page.route(LATER_FILES, lambda route: None)
    dialog = stage.menu()
    stage.page.clock.run_for(21_000)
    expect(dialog.locator("[role=status]")).to_have_text(WORDS["menu_failed"])
