"""Patients and clinicians at a real browser, for the tests in ``tests/browser``."""

from __future__ import annotations

import os
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar

import pytest
from playwright.sync_api import Browser, ConsoleMessage, Locator, Page, expect, sync_playwright

from bot.settings import ROOT
from bot.store import clinicians
from bot.web.people.auth import demo_clinician, hash_password
from tests.support.browser import ARGUMENTS, find_browser
from tests.support.stack import Stack

# Read when the tests are collected: the suite then clears every PNE_ variable.
SCREENSHOTS = bool(os.environ.get("PNE_SCREENSHOTS"))
SCREENSHOT_FOLDER = ROOT / "var" / "screenshots"
AXE = Path(__file__).parent / "vendor" / "axe.min.js"
AXE_TAGS = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"]
DESKTOP = {"width": 1280, "height": 900}
PHONE = {"width": 390, "height": 844}
WAIT_MS = 20_000

# What the live regions were given, and when a clinician's words came onto the page. The chat is in a shadow root.
WATCH = """
window.heard = [];
window.cameAt = {};
window.everywhere = (css) => [document, ...[...document.querySelectorAll("pne-chat")].map((chat) => chat.shadowRoot)]
  .flatMap((root) => [...root.querySelectorAll(css)]);
window.focused = () => {
  let node = document.activeElement;
  while (node?.shadowRoot?.activeElement) node = node.shadowRoot.activeElement;
  return node;
};
const watched = new WeakSet();
const watchIn = (root) => new MutationObserver(() => {
  for (const id of ["polite", "assertive"]) {
    const region = root.getElementById(id);
    if (!region || watched.has(region)) continue;
    watched.add(region);
    new MutationObserver((changes) => changes.forEach((change) => change.addedNodes.forEach(
      (node) => heard.push([id, node.textContent])))).observe(region, { childList: true });
  }
  for (const node of root.querySelectorAll(".clinician")) cameAt[node.dataset.seq] ??= Date.now();
}).observe(root, { childList: true, subtree: true });
watchIn(document);
const attach = Element.prototype.attachShadow;
Element.prototype.attachShadow = function (options) {
  const root = attach.call(this, options);
  watchIn(root);
  return root;
};
"""
SIDEWAYS = """() => Math.max(...[document.documentElement, ...everywhere(".app, .log, .menu")]
  .map((node) => node.scrollWidth - node.clientWidth))
"""
TARGETS = "button, summary, a, textarea, select, label.option, input:not([type=hidden], .option input)"
SMALL_TARGETS = """(targets) => everywhere(targets)
  .filter((node) => node.checkVisibility() && !node.matches(".skip, p a, li a:not(.call), [type=checkbox]"))
  .map((node) => [node, node.getBoundingClientRect()])
  .filter(([, box]) => box.height < 43.9 || box.width < 43.9)
  .map(([node, box]) => `${node.outerHTML.slice(0, 80)} ${box.width} x ${box.height}`)
"""
VIOLATIONS = """async ([scheme, tags]) => {
  const { violations } = await axe.run({ runOnly: tags, resultTypes: ["violations"] });
  return violations.map(({ id, nodes: [{ html, failureSummary }] }) =>
    `${scheme}: ${id}: ${html.slice(0, 160)} ${failureSummary}`);
}
"""


@dataclass
class Tab:
    """A page, what went wrong on it and what it asked for."""

    page: Page
    errors: list[str] = field(default_factory=list)
    requested: list[str] = field(default_factory=list)

    def wrote(self, line: ConsoleMessage) -> None:
        if line.type in ("error", "warning"):
            self.errors.append(line.text)

    def close(self) -> None:
        self.page.context.close()

    def hosts(self) -> set[str]:
        return {url.split("/")[2] for url in self.requested if not url.startswith(("data:", "blob:"))}

    def sideways(self) -> int:
        """Pixels that stick out of the page or of its parts that scroll."""
        return int(self.page.evaluate(SIDEWAYS))

    def small_targets(self) -> list[str]:
        """Buttons, links and fields that are smaller than a thumb (44 px), except links inside a text."""
        return list(self.page.evaluate(SMALL_TARGETS, TARGETS))

    def violations(self) -> list[str]:
        """What axe finds, in the light and in the dark."""
        found = []
        self.page.evaluate(AXE.read_text(encoding="utf-8"))
        for scheme in ("light", "dark"):
            self.page.emulate_media(color_scheme=scheme)  # type: ignore[arg-type]
            found += self.page.evaluate(VIOLATIONS, [scheme, AXE_TAGS])
        self.page.emulate_media(color_scheme="light")
        return found

    def picture(self, name: str) -> None:
        """A screenshot in var/screenshots, if PNE_SCREENSHOTS is set."""
        if SCREENSHOTS:
            SCREENSHOT_FOLDER.mkdir(parents=True, exist_ok=True)
            self.page.screenshot(path=SCREENSHOT_FOLDER / f"{name}.png")


@dataclass
class Chat(Tab):
    """The chat page, used as a patient uses it."""

    def accept(self) -> None:
        self.page.locator(".kind-consent .choice:not([aria-disabled])").click()
        self.page.locator("#input:not([disabled])").wait_for()
        self.answer("notice/consent_recorded").wait_for()

    def say(self, words: str) -> None:
        self.page.fill("#input", words)
        self.page.press("#input", "Enter")

    def press(self, title: str) -> None:
        """The newest button with these words on it."""
        self.open_choices().filter(has_text=title).last.click()

    def open_choices(self) -> Locator:
        return self.page.locator(".choice:not([aria-disabled])")

    def answer(self, answer_id: str) -> Locator:
        """The newest message with this answer; an id that ends with * is the start of one."""
        match = f'^="{answer_id[:-1]}"' if answer_id.endswith("*") else f'="{answer_id}"'
        return self.page.locator(f"[data-answer{match}]").last

    def said(self, words: str) -> Locator:
        return self.page.locator(".patient", has_text=words)

    def heard(self, region: str) -> list[str]:
        """What a screen reader was given through one of the live regions."""
        return [words for name, words in self.page.evaluate("heard") if name == region]

    def stored(self) -> int:
        return int(self.page.evaluate("localStorage.length + sessionStorage.length + document.cookie.length"))


Kind = TypeVar("Kind", bound=Tab)


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    """Chromium. By module: while it is open, no test of the same process can run an event loop of its own."""
    with open_browser() as opened:
        yield opened


@contextmanager
def open_browser() -> Iterator[Browser]:
    path = find_browser()
    assert path, "No browser: python -m tests.support.browser installs one"
    expect.set_options(timeout=WAIT_MS)
    with sync_playwright() as playwright:
        opened = playwright.chromium.launch(executable_path=path, args=ARGUMENTS)
        yield opened
        opened.close()


def open_tab(browser: Browser, url: str, kind: type[Kind] = Tab, **options: Any) -> Kind:
    """A page in a context of its own: no cookie or storage of another."""
    context = browser.new_context(**{"viewport": DESKTOP, "locale": "en-GB", **options})
    context.set_default_timeout(WAIT_MS)
    page = context.new_page()
    page.add_init_script(WATCH)
    tab = kind(page)
    page.on("console", tab.wrote)
    page.on("pageerror", lambda error: tab.errors.append(str(error)))
    page.on("request", lambda request: tab.requested.append(request.url))
    page.goto(url)
    return tab


def open_chat(browser: Browser, stack: Stack, consent: bool = True, **options: Any) -> Chat:
    """A patient's chat page, with the first notice accepted or still to be read."""
    chat = open_tab(browser, f"{stack.url}/chat/demo", Chat, **options)
    chat.page.locator(".kind-consent .choice:not([aria-disabled])").wait_for()
    if consent:
        chat.accept()
    return chat


def open_inbox(browser: Browser, stack: Stack, **options: Any) -> Tab:
    """The inbox's queue, signed in as a clinician made for it."""
    email, password = f"{uuid.uuid4().hex[:8]}@demo.invalid", uuid.uuid4().hex
    made = demo_clinician(stack.database(), "demo")
    if made is not None:
        email, password = made.email, made.password
    else:
        with stack.database().begin() as session:
            clinicians.add_clinician(
                session,
                clinic="demo",
                email=email,
                name="Sam Reed",
                role="clinician",
                password_hash=hash_password(password),
            )
    tab = open_tab(browser, f"{stack.url}/inbox", **options)
    tab.page.fill("#email", email)
    tab.page.fill("#password", password)
    tab.page.press("#password", "Enter")
    tab.page.locator("#queue").wait_for()
    return tab
