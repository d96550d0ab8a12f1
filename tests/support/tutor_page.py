"""The tutor in a real browser, used by keyboard alone: what was said is known by its id, buttons by their payload."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from playwright.sync_api import Locator
from playwright.sync_api import TimeoutError as PlaywrightTimeout

from tests.browser.test_keyboard import FOCUS
from tests.support.pages import DESKTOP, PHONE, SCREENSHOTS, WAIT_MS, Chat

MOST_STOPS = 90
MOST_NUMBERS = 15
ABOVE = ("#menu", "#flare")
# The newest message with one of these ids that came after a number, as {answer, seq}.
NEWER = """([ids, mark]) => {
  const found = everywhere("[data-answer][data-seq]").filter((one) => Number(one.dataset.seq) > mark
    && ids.some((id) => id.endsWith("*") ? one.dataset.answer.startsWith(id.slice(0, -1)) : one.dataset.answer === id));
  const last = found.at(-1);
  return last ? { answer: last.dataset.answer, seq: Number(last.dataset.seq) } : null;
}"""
# The way of the focus to what is looked for: 0 there, 1 further on, -1 further back; null: it is not on the page.
WAY = """([css, text]) => {
  const fits = (node) => text === null || node.textContent === text;
  const there = everywhere(css).filter((node) => fits(node) && node.checkVisibility());
  const at = focused();
  if (there.includes(at)) return 0;
  if (!there.length) return null;
  if (!at || at === document.body) return -1;  // what was said last is nearest to the end of the page
  return at.compareDocumentPosition(there.at(-1)) & Node.DOCUMENT_POSITION_FOLLOWING ? 1 : -1;
}"""
SINCE = """(mark) => everywhere("[data-seq]").filter((one) => Number(one.dataset.seq) > mark)
  .map((one) => one.dataset.answer ?? one.textContent)"""
LAST = "Math.max(0, ...everywhere('[data-seq]').map((one) => Number(one.dataset.seq)))"


@dataclass
class Reader:
    """Somebody who reads and presses keys. `mark`: the number of the last message before what was done last; `article`:
    the message that was waited for last. `unseen`: where the focus came to rest out of sight or without a mark."""

    chat: Chat
    mark: int = 0
    article: str = ""
    stops: int = 0
    seen: list[str] = field(default_factory=list)
    unseen: list[dict[str, Any]] = field(default_factory=list)

    def wait(self, *ids: str) -> str:
        """Until something with one of these ids (with * the start of one) was said since; the id."""
        page = self.chat.page
        try:
            found = page.wait_for_function(NEWER, arg=[list(ids), self.mark], timeout=WAIT_MS).json_value()
        except PlaywrightTimeout:
            said = page.evaluate(SINCE, self.mark)
            raise AssertionError(f"{ids} did not come, but {said}") from None
        self.seen.append(found["answer"])
        self.article = f"[data-seq='{found['seq']}']"
        return str(found["answer"])

    def shown(self, css: str = "") -> Locator:
        """What was waited for last, or something in it."""
        return self.chat.page.locator(f"{self.article} {css}".strip())

    def to(self, css: str, text: str | None = None) -> None:
        """Tab there, forward or back, as somebody does who sees where it is; the focus can be seen when it arrives."""
        page = self.chat.page
        for _ in range(MOST_STOPS):
            way = page.evaluate(WAY, [css, text])
            assert way is not None, f"there is no {css} {text or ''}"
            if way == 0:
                found = page.evaluate(FOCUS)
                if not (found["outline"] and found["seen"]):
                    self.unseen.append(found)
                return
            # What is above the messages is near from below them, round the end of the page.
            page.keyboard.press("Tab" if way > 0 or css in ABOVE else "Shift+Tab")
            self.stops += 1
        raise AssertionError(f"the keyboard does not reach {css} {text or ''}")

    def act(self, css: str, text: str | None = None) -> None:
        """Enter on it."""
        self.to(css, text)
        self.mark = int(self.chat.page.evaluate(LAST))
        self.chat.page.keyboard.press("Enter")

    def press(self, payload: str, then: str = "") -> None:
        """A button of the message that was waited for; a payload that ends with * is the start of one."""
        match = f'^="{payload[:-1]}"' if payload.endswith("*") else f'="{payload}"'
        self.act(f"{self.article} .choice[data-payload{match}]")
        if then:
            self.wait(then)

    def say(self, words: str) -> None:
        self.to("#input")
        self.mark = int(self.chat.page.evaluate(LAST))
        self.chat.page.keyboard.type(words)
        self.chat.page.keyboard.press("Enter")

    def menu(self, title: str) -> None:
        """A way into the tutor from the menu."""
        self.act("#menu")
        self.chat.page.locator("dialog .menu-part .choice").first.wait_for()
        self.act("dialog .choice", title)

    def payloads(self, start: str) -> list[str]:
        """The buttons of the message that begin so."""
        there = self.shown(f".choice[data-payload^='{start}']")
        return [str(one.get_attribute("data-payload")) for one in there.all()]

    def fill(self, *answers: int | str | None) -> None:
        """The questions of the message one by one: a number or a choice, words, or skipped (None); then sent."""
        inside = f"{self.article} .questions "
        for answer in answers:
            first = self.shown(".questions input[type=radio], .questions textarea").first
            words = first.evaluate("node => node.matches('textarea')")
            if answer is None:
                self.act(inside + ".row .choice:nth-last-child(2)")
                continue
            if words:
                self.write(f"{inside}textarea", str(answer))
            else:
                self.choose(inside + "[type=radio]", answer)
            self.act(inside + ".choice.main")
        if len(answers) > 1:  # a single one is sent as it is answered
            self.send()

    def choose(self, css: str, answer: int | str) -> None:
        """A radio button by arrow keys."""
        keyboard = self.chat.page.keyboard
        self.to(css)
        keyboard.press("Space")
        for _ in range(MOST_NUMBERS):
            if self.chat.page.evaluate("focused().value") == str(answer):
                return
            keyboard.press("ArrowRight")
        raise AssertionError(f"there is no {answer} to choose")

    def write(self, css: str, words: str) -> None:
        """Words in place of those that stand there."""
        self.to(css)
        self.chat.page.keyboard.press("Control+a")
        self.chat.page.keyboard.type(words)

    def chips(self, titles: Sequence[str]) -> None:
        for title in titles:
            self.act(f"{self.article} .chip", title)

    def send(self) -> None:
        self.act(f"{self.article} .questions .choice.main")

    def saved(self, path: str, folder: Path) -> bytes:
        """A paper of the message, given to the browser as a file."""
        titles = self.shown(".papers .choice")
        with self.chat.page.expect_download() as download:
            self.act(f"{self.article} .papers .choice", titles.nth(["html", "pdf", "ics"].index(path)).text_content())
        file = folder / f"paper.{path}"
        download.value.save_as(file)
        return file.read_bytes()

    def picture(self, name: str, desktop: bool = False) -> None:
        """How it looks; nothing sticks out."""
        assert self.chat.sideways() == 0, name
        self.chat.picture(f"tutor_{name}")
        if SCREENSHOTS and desktop:
            page = self.chat.page
            page.set_viewport_size(DESKTOP)
            page.emulate_media(color_scheme="dark")
            self.chat.picture(f"tutor_{name}_desktop_dark")
            page.emulate_media(color_scheme="light")
            page.set_viewport_size(PHONE)
