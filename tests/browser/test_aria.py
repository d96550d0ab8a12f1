"""What a screen reader is given: each kind of message as it is read, what is announced, and where the focus stays."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser, Locator, expect

from tests.support import pages, states
from tests.support.kinds import BODIES
from tests.support.states import staged
from tests.support.widget import WidgetServer, running_widget

pytestmark = pytest.mark.browser
browser = pages.browser

SNAPSHOTS = Path(__file__).parent.parent / "support" / "aria"
# Read when the tests are collected: the suite then clears every PNE_ variable.
WRITE = os.environ.get("PNE_SNAPSHOTS") == "write"
_TIME = re.compile(r"(?<=, )\d\d:\d\d\b")
# How long each announcement stood in its region, in milliseconds.
STAYED = """() => {
  window.stayed = [];
  for (const region of everywhere("#polite, #assertive")) {
    const since = new Map();
    new MutationObserver((changes) => {
      for (const { addedNodes, removedNodes } of changes) {
        for (const node of addedNodes) since.set(node, performance.now());
        for (const node of removedNodes) if (since.has(node)) stayed.push(performance.now() - since.get(node));
      }
    }).observe(region, { childList: true });
  }
}"""
# In the order in which they are said: what comes before the first form.
SAID = [name for name in BODIES if name != "consent"]


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[WidgetServer]:
    with running_widget(Path(tmp_path_factory.mktemp("aria"))) as running:
        yield running


def reads_as(name: str, part: Locator) -> str:
    """A fault where a part of the page is read otherwise than its file says; empty where it is not."""
    read = _TIME.sub("03:04", part.aria_snapshot()) + "\n"
    path = SNAPSHOTS / f"{name}.yml"
    if WRITE:
        path.write_text(read, encoding="utf-8")
    kept = path.read_text(encoding="utf-8") if path.is_file() else "(no file)\n"
    mend = "If it is right as it is now: PNE_SNAPSHOTS=write pytest tests/browser/test_aria.py"
    return "" if read == kept else f"{name}.yml says\n{kept}the page says\n{read}{mend}"


def test_each_kind_is_read_as_its_file_says(browser: Browser, server: WidgetServer) -> None:
    with staged(browser, server) as stage:
        faults = [reads_as(name, stage.push_kind(name)) for name in BODIES]
        stage.chat.say("my back hurts")
        stage.chat.said("my back hurts").locator("[data-state=sent]").wait_for()
        faults.append(reads_as("patient", stage.chat.said("my back hurts")))
        questions = stage.ask()
        for name in ("choice", "text_item", "overview"):
            questions.get_by_text("Skip this one").click()
            faults.append(reads_as(f"questionnaire_{name}", questions))
        states.forward(questions)
        questions.get_by_text("were sent").wait_for()
        faults.append(reads_as("questionnaire_sent", questions))
    assert [fault for fault in faults if fault] == []


def test_what_stands_around_is_read_as_its_file_says(browser: Browser, server: WidgetServer) -> None:
    with staged(browser, server, consent=False) as stage:
        page = stage.page
        faults = [reads_as("header", page.locator(".top")), reads_as("composer", page.locator(".bottom"))]
        states.urgent_open(stage)
        faults.append(reads_as("urgent", page.locator("#urgent")))
        page.keyboard.press("Escape")
        page.click(".kind-consent .choice")
        page.locator("#input:not([disabled])").wait_for()
        states.kept_shown(stage)
        faults.append(reads_as("menu", page.locator("dialog")))
    assert [fault for fault in faults if fault] == []


def test_each_message_is_announced_once_in_plain_words_and_only_alarms_interrupt(
    browser: Browser, server: WidgetServer
) -> None:
    with staged(browser, server) as stage:
        page = stage.page
        page.evaluate("heard.length = 0")
        page.evaluate(STAYED)
        for name in SAID:
            stage.push_kind(name)
        heard = page.evaluate("heard")
        assert len(heard) == len(SAID)
        for name, (region, words) in zip(SAID, heard, strict=True):
            assert region == ("assertive" if BODIES[name]["kind"] == "safety" else "polite"), name
            assert first_words(BODIES[name]) in words, name
            assert not re.search(r"\*\*|\]\(|^\s*- ", words, re.M), words
        # An hour of reading the page meets none of it twice.
        page.wait_for_function(f"() => stayed.length === {len(SAID)}")
        # Seen a little late, where the machine is busy.
        stayed = page.evaluate("stayed")
        assert min(stayed) > 700 and max(stayed) < 5000, stayed
        expect(page.locator("#polite, #assertive").first).to_be_empty()


def first_words(body: dict[str, Any]) -> str:
    said = body["bubbles"][0] if body["kind"] in ("text", "safety") else body["fallback_text"]
    return str(said).split("\n")[0].replace("**", "")


def test_only_a_failed_sending_interrupts_beside_safety_words(browser: Browser, server: WidgetServer) -> None:
    with staged(browser, server) as stage:
        stage.page.evaluate("heard.length = 0")
        states.refused(stage)
        states.not_sent(stage)
        assert stage.chat.heard("polite") == []
        said = stage.chat.heard("assertive")
        assert [words.split(".")[0] for words in said] == ["Your message was not sent", "Your message is not sent yet"]


def test_a_message_that_comes_moves_no_focus_and_takes_no_words(browser: Browser, server: WidgetServer) -> None:
    with staged(browser, server) as stage:
        page = stage.page
        box = page.locator("#input")
        box.press_sequentially("it hurts wh")
        page.keyboard.press("ArrowLeft")
        for name in BODIES:
            stage.push_kind(name)
            expect(box).to_be_focused()
            assert box.evaluate("input => [input.value, input.selectionStart]") == ["it hurts wh", 10], name
        page.keyboard.type("!")
        expect(box).to_have_value("it hurts w!h")
        chosen = stage.push_kind("text").locator(".choice").first
        chosen.focus()
        for name in ("safety", "clinician", "questionnaire", "handoff_human"):
            stage.push_kind(name)
            expect(chosen).to_be_focused()


def test_the_end_of_a_session_keeps_the_words_that_were_being_written(browser: Browser, server: WidgetServer) -> None:
    with staged(browser, server) as stage:
        stage.page.locator("#input").press_sequentially("half a thought")
        stage.page.locator("pne-chat").evaluate("element => element.chat.end()")
        expect(stage.page.locator("#input")).to_be_focused()
        expect(stage.page.locator("#input")).to_have_value("half a thought")
        expect(stage.page.locator("#input")).not_to_be_editable()
