"""The whole way through the chat by keyboard alone, with the place of the focus to be seen at every stop."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page, expect

from tests.support import pages
from tests.support.kinds import KEPT
from tests.support.states import Stage, staged
from tests.support.widget import WidgetServer, running_widget

pytestmark = pytest.mark.browser
browser = pages.browser

MOST_STOPS = 60
# The mark around what has the focus, and whether it lies in sight and on top.
FOCUS = """() => {
  const node = focused();
  const shown = node.matches("[type=radio], [type=checkbox]") ? node.closest("label") : node;
  const { outlineStyle, outlineWidth, outlineColor } = getComputedStyle(node);
  const box = shown.getBoundingClientRect();
  const middle = (from, size, most) => Math.max(from, 0) + Math.min(size, most) / 2;
  const y = Math.min(middle(box.top, box.height, innerHeight), innerHeight - 2);
  const hit = node.getRootNode().elementFromPoint(middle(box.left, box.width, innerWidth), y);
  return {
    where: node.outerHTML.slice(0, 90),
    outline: outlineStyle !== "none" && parseFloat(outlineWidth) >= 2 && !/, 0\\)$/.test(outlineColor),
    seen: Boolean(hit) && (shown.contains(hit) || hit.contains(shown)),
  };
}"""


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[WidgetServer]:
    with running_widget(Path(tmp_path_factory.mktemp("keyboard"))) as running:
        yield running


class Keys:
    """A keyboard, and nothing else."""

    def __init__(self, page: Page) -> None:
        self.page = page
        self.press = page.keyboard.press
        self.type = page.keyboard.type
        self.stops = 0

    def on(self, css: str) -> bool:
        return bool(self.page.evaluate("css => Boolean(focused()?.matches(css))", css))

    def to(self, css: str, key: str = "Tab") -> None:
        """Tab until the focus is there; at each stop on the way it can be seen."""
        for _ in range(MOST_STOPS):
            self.press(key)
            self.see()
            if self.on(css):
                return
        raise AssertionError(f"{key} does not reach {css}")

    def back_to(self, css: str) -> None:
        self.to(css, "Shift+Tab")

    def see(self) -> None:
        self.stops += 1
        found = self.page.evaluate(FOCUS)
        if found["where"].startswith("<body"):  # beyond the last and the first of the page: the browser's own
            return
        assert found["outline"] and found["seen"], found


@pytest.mark.parametrize("size", ({"width": 1280, "height": 900}, {"width": 390, "height": 640}), ids=("wide", "phone"))
def test_from_the_notice_to_the_end(browser: Browser, server: WidgetServer, size: dict[str, int]) -> None:
    with staged(browser, server, consent=False, viewport=size) as stage:
        keys, page = Keys(stage.page), stage.page
        accept_and_ask(stage, keys)
        a_scale(stage, keys)
        a_questionnaire(stage, keys)
        the_menu(stage, keys)
        urgent_help(stage, keys)
        # A person.
        keys.back_to("#person")
        keys.press("Enter")
        page.locator(".kind-handoff").wait_for()
        # The end, with the questions that it asks.
        keys.back_to("#menu")
        keys.press("Enter")
        page.locator("dialog").wait_for()
        keys.back_to(".menu-part:last-child .choice")
        keys.press("Enter")
        page.locator("[data-answer='form/survey'] .questions").wait_for()
        keys.to("[data-answer='form/survey'] .questions [type=radio]")
        assert keys.stops > 40


def accept_and_ask(stage: Stage, keys: Keys) -> None:
    keys.to(".kind-consent .choice")
    keys.press("Enter")
    expect(stage.page.locator("#input")).to_be_focused()
    keys.type("why does my back still hurt after two years")
    keys.press("Enter")
    stage.chat.answer("pain/why_it_persists").wait_for()
    expect(stage.page.locator("#input")).to_be_focused()
    keys.back_to(".kind-text .choice")
    keys.press("Enter")
    stage.page.locator(".choice.chosen").last.wait_for()
    expect(stage.page.locator("#input")).to_be_focused()


def a_scale(stage: Stage, keys: Keys) -> None:
    """Arrow keys choose, and what is chosen is in the name of the number."""
    scale = stage.push_kind("scale")
    keys.back_to(".kind-scale .choice.main")
    keys.back_to(".kind-scale [type=radio]")
    keys.press("Space")
    chosen = scale.locator("input:checked")
    start = int(chosen.input_value())
    keys.press("ArrowLeft" if start else "ArrowRight")
    keys.see()
    assert int(chosen.input_value()) == (start - 1 if start else 1)
    for _ in range(3):
        keys.press("ArrowUp")
    expect(scale.get_by_role("radio", name=re.compile("10.*Worst pain"))).to_have_count(1)
    expect(scale.get_by_role("group", name="How is your pain now?")).to_have_count(1)


def a_questionnaire(stage: Stage, keys: Keys) -> None:
    """Forward, back, skip, look over, change and send; the focus goes to each question in turn."""
    questions = stage.ask()
    stage.page.locator("#input").focus()
    inside = ".kind-questionnaire "
    title = stage.page.locator(".kind-questionnaire [data-first]").last

    def go(css: str) -> None:
        keys.to(inside + css)
        keys.press("Enter")
        expect(title).to_be_focused()
        keys.see()

    keys.back_to(inside + "[type=radio]")
    keys.press("Space")
    go(".choice.main")
    expect(title).to_contain_text("Question 2 of 3")
    go(".row .choice:first-child")  # back
    expect(title).to_contain_text("Question 1 of 3")
    expect(questions.locator("input:checked")).to_have_count(1)
    go(".choice.main")
    go(".row .choice:nth-child(2)")  # skip
    expect(title).to_contain_text("Question 3 of 3")
    keys.to(inside + "textarea")
    keys.type("Thank you")
    go(".choice.main")
    expect(title).to_contain_text("Your answers")
    go(".row .choice:first-child")  # change
    for _ in range(2):
        go(".row .choice:nth-last-child(2)")  # skip
    go(".choice.main")
    expect(questions.locator("dd").last).to_have_text("Thank you")
    go(".choice.main")
    expect(title).to_have_text("Your answers were sent.")
    expect(title).to_be_focused()


def the_menu(stage: Stage, keys: Keys) -> None:
    """The focus stays inside, and goes back to the button."""
    stage.page.route("**/v1/conversations/*/data", lambda route: route.fulfill(json=KEPT))
    stage.page.route("**/v1/conversations/*/data/**", lambda route: route.fulfill(status=204))
    keys.back_to("#menu")
    keys.press("Enter")
    expect(stage.page.locator("#menu-title")).to_be_focused()
    for _ in range(2 * stage.page.locator("dialog :is(button, input)").count()):
        keys.press("Tab")
        assert stage.page.evaluate("focused() === document.body || Boolean(focused().closest('dialog'))")
    keys.to("dialog [aria-expanded]")
    keys.press("Enter")
    stage.page.locator(".facts button").first.wait_for()
    keys.to(".facts button")
    keys.press("Enter")
    expect(stage.page.locator("dialog [role=status]").last).not_to_be_empty()
    expect(stage.page.locator("dialog [aria-expanded]")).to_be_focused()
    keys.press("Escape")
    expect(stage.page.locator("#menu")).to_be_focused()
    keys.see()


def urgent_help(stage: Stage, keys: Keys) -> None:
    keys.to("#urgent summary")
    keys.press("Enter")
    keys.to("#urgent a[href^='tel:']")
    keys.press("Escape")
    expect(stage.page.locator("#urgent summary")).to_be_focused()
    expect(stage.page.locator(".urgent-panel")).to_be_hidden()


def test_a_carousel_and_things_that_open(browser: Browser, server: WidgetServer) -> None:
    with staged(browser, server) as stage:
        keys, page = Keys(stage.page), stage.page
        carousel = stage.push_kind("carousel")
        page.locator("#input").focus()
        keys.back_to(".carousel .icon-button")
        keys.press("Enter")
        expect(carousel.get_by_text("Card 2 of 3")).to_be_visible()
        expect(carousel.get_by_role("button", name="Try walking")).to_be_visible()
        stage.push_kind("accordion")
        page.locator("#input").focus()
        keys.back_to(".accordion summary")
        keys.press("Enter")
        expect(page.get_by_text("It often eases.")).to_be_visible()


def test_saying_why_an_answer_was_of_no_use(browser: Browser, server: WidgetServer) -> None:
    with staged(browser, server) as stage:
        keys = Keys(stage.page)
        stage.push_kind("text")
        stage.page.locator("#input").focus()
        keys.back_to(".feedback button")
        keys.press("Enter")
        expect(stage.page.locator(".feedback button").first).to_be_focused()
        keys.see()
        keys.press("Enter")
        expect(stage.page.locator(".feedback [tabindex]")).to_be_focused()
