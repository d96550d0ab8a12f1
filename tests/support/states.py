"""Every state that the chat can be in, and how to bring a page there: by what the server says, or by a person's hands.

In a scene several states stand below each other, so that one look of axe sees them all.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from typing import Any

from playwright.sync_api import Browser, Locator, Page, Route

from bot.content.forms import SURVEY
from bot.store import conversations
from bot.web.stream import conversation_topic
from tests.support.kinds import AUTHORS, BODIES, KEPT, questionnaire
from tests.support.pages import Chat, open_tab
from tests.support.widget import WidgetServer

NARROW, WIDE = (320, 640), (1280, 900)
LATER_FILES = "**/w/pne-settings*"
WITHDRAW = [{"title": "I no longer need a person", "payload": "person:withdraw"}]
LANGUAGES = ("en", "ar")

FITS = """() => {
  const app = everywhere("#app")[0];
  return !app || Math.abs(app.getBoundingClientRect().height - innerHeight) < 1;
}"""
NEEDED = """() => innerHeight + Math.max(0, ...everywhere("#log, #app, dialog, .urgent-panel")
  .map((node) => node.scrollHeight - node.clientHeight + 200 * !node.matches("#log, #app")))"""


@dataclass
class Stage:
    """A chat page with the server behind it."""

    chat: Chat
    server: WidgetServer
    conversation: str

    @property
    def page(self) -> Page:
        return self.chat.page

    def shown(self, seq: int) -> Locator:
        return self.page.locator(f"[data-seq='{seq}']")

    def push(self, body: dict[str, Any], author: str = "bot") -> Locator:
        """Says a body into the conversation; its article, once it is there."""
        article = self.shown(self.server.push(self.conversation, body, author))
        article.wait_for(state="attached")
        return article

    def push_kind(self, name: str) -> Locator:
        return self.push(BODIES[name], AUTHORS.get(name, "bot"))

    def ask(self) -> Locator:
        """Puts a questionnaire whose answers the server takes; its box."""
        with self.server.services.db.begin() as session:
            conversations.offer(session, self.conversation, [f"form:{SURVEY}"])
        return self.push(questionnaire(SURVEY)).locator(".questions")

    def menu(self) -> Locator:
        """The menu, open."""
        dialog = self.page.locator("dialog.menu")
        if not dialog.count():
            self.page.click("#menu")
        dialog.wait_for()
        return dialog

    def close_menu(self) -> None:
        self.page.keyboard.press("Escape")
        self.page.locator("dialog.menu").wait_for(state="detached")

    def choose_looks(self, **chosen: str) -> None:
        """Presses radio buttons of the menu: `form`, `size`, `scheme`."""
        dialog = self.menu()
        for name, value in chosen.items():
            dialog.locator(f"input[name={name}][value='{value}']").check()
        self.close_menu()


@contextmanager
def staged(
    browser: Browser, server: WidgetServer, language: str = "en", consent: bool = True, **options: Any
) -> Iterator[Stage]:
    """A new chat page in a language of its labels."""
    options = {"viewport": {"width": WIDE[0], "height": WIDE[1]}, "timezone_id": "Europe/London", **options}
    chat = open_tab(browser, f"{server.url}/chat/demo?lang={language}", Chat, **options)
    accept = chat.page.locator(".kind-consent .choice:not([aria-disabled])")
    accept.wait_for()
    stage = Stage(chat, server, chat.page.locator("pne-chat").evaluate("element => element.chat.api.conversation"))
    if consent:
        accept.click()
        chat.page.locator("#input:not([disabled])").wait_for()
        chat.answer("notice/consent_recorded").wait_for()
    try:
        yield stage
    finally:
        chat.close()


def resize(stage: Stage, width: int, height: int) -> None:
    """Another size of the screen, and the chat in it."""
    stage.page.set_viewport_size({"width": width, "height": height})
    stage.page.wait_for_function(FITS)


def unfold(stage: Stage, width: int, least: int) -> None:
    """A screen so high that nothing is scrolled out of sight: axe calls that undecided."""
    resize(stage, width, least)
    resize(stage, width, max(least, stage.page.evaluate(NEEDED)))


def every_kind(stage: Stage) -> None:
    """After consent: each kind of body but the forms, with choices chosen and feedback asked why."""
    for name in BODIES:
        if name not in ("scale", "questionnaire", "unknown"):
            stage.push_kind(name)
    closed = stage.page.locator("#log details:not([open]) > summary")
    while closed.count():
        closed.first.click()
    stage.push_kind("unknown")
    answered = stage.push_kind("text")
    answered.locator(".choice").first.click()
    answered.locator(".choice.chosen").wait_for()
    answered.locator(".feedback button").last.click()
    answered.locator(".feedback button").nth(2).wait_for()
    thanked = stage.push_kind("text")
    thanked.locator(".feedback button").first.click()
    thanked.locator("span.feedback-said[tabindex]").wait_for()


def answer_scale(questions: Locator, number: int = 7) -> None:
    questions.locator(f".option:has(input[value='{number}'])").click()


def forward(questions: Locator) -> None:
    questions.locator(".choice.main").click()


def forms(stage: Stage) -> None:
    """A scale, and questionnaires: at the first item, with a fault, in the middle, at the text, looked over, sent."""
    stage.push_kind("scale")
    for place in range(6):
        questions = stage.ask()
        if place == 1:  # nothing chosen
            forward(questions)
            questions.locator(".problem:not(:empty)").wait_for()
        if place >= 2:
            answer_scale(questions)
            forward(questions)
        if place >= 3:
            questions.locator(".option").nth(1).click()
            forward(questions)
        if place >= 4:
            questions.locator("textarea").fill("You listened, thank you")
            forward(questions)
        if place == 5:
            forward(questions)
            questions.locator(".row .choice:only-child").wait_for()


def refuse(route: Route) -> None:
    problem = {"code": "too_long", "title": "Too long", "events": []}
    route.fulfill(status=422, content_type="application/problem+json", body=json.dumps(problem))


def refused(stage: Stage) -> None:
    """A message that the server does not take."""
    stage.page.route("**/messages", refuse)
    stage.chat.say("a message that the server refuses")
    stage.page.locator("[data-state=refused]").wait_for()
    stage.page.unroute("**/messages")


def not_sent(stage: Stage) -> None:
    """A message written while the device is offline."""
    stage.page.context.set_offline(True)
    stage.chat.say("a message that waits for the network")
    stage.page.locator("[data-state=not_sent]").wait_for()
    stage.page.locator("#activity[data-key=offline]").wait_for()


def trouble(stage: Stage) -> None:
    refused(stage)
    not_sent(stage)


def sign_in_briefly(page: Page) -> None:
    """From now on sessions are said to be signed, and to be so short that their end is announced at once."""

    def answer(route: Route) -> None:
        opened = route.fetch()
        route.fulfill(response=opened, json={**opened.json(), "level": "signed", "slides": 119})

    page.route("**/v1/session", answer)


def session_ends(stage: Stage) -> None:
    """A signed session that nobody uses is said to end soon."""
    sign_in_briefly(stage.page)
    stage.page.clock.install()
    stage.page.reload()
    stage.page.locator("#input:not([disabled])").wait_for()
    stage.page.clock.fast_forward(6_000)
    stage.page.locator(".session-ends").wait_for()


def ended(stage: Stage) -> None:
    """The session is no longer good, and cannot be renewed."""
    gone = json.dumps({"code": "no_session", "title": "No session"})
    for path in ("**/messages", "**/v1/session"):
        stage.page.route(
            path, lambda route: route.fulfill(status=401, content_type="application/problem+json", body=gone)
        )
    stage.chat.say("is anybody there")
    stage.page.locator(".kind-notice .choices .choice").last.wait_for()


def urgent_open(stage: Stage) -> None:
    """The numbers to call."""
    stage.page.click("#urgent summary")
    stage.page.locator(".urgent-panel").wait_for()


def menu_open(stage: Stage) -> None:
    """The menu as it opens."""
    stage.page.keyboard.press("Escape")
    stage.menu()


def menu_failed(stage: Stage) -> None:
    """The menu, whose file cannot be had."""
    stage.page.route(LATER_FILES, lambda route: route.abort())
    stage.menu().locator(".choice").wait_for()


def handed_over(stage: Stage) -> None:
    """Every state of a handoff, with choices under it; one was pressed. A person of the clinic is writing."""
    for state in ("waiting", "failed", "human", "bot", "closed"):
        words = f"Your message is with the clinic's team since 10:32. State: {state}."
        body = {"kind": "handoff", "state": state, "bubbles": [words], "buttons": WITHDRAW, "fallback_text": words}
        last = stage.push(body, "system")
    last.locator(".choice").first.click()
    last.locator(".choice.chosen").wait_for()
    stage.push_kind("clinician")
    server = stage.server
    wake = partial(server.services.hub.wake, conversation_topic(stage.conversation))
    server.services_loop.call_soon_threadsafe(wake, {"typing": {"name": "Dr Lee"}})
    stage.page.locator("#activity[data-key=typing_person]").wait_for()


def kept_shown(stage: Stage) -> None:
    """The menu with what is kept, and the question whether to erase it."""
    stage.page.route("**/v1/conversations/*/data", lambda route: route.fulfill(json=KEPT))
    dialog = stage.menu()
    dialog.locator("button[aria-expanded]").click()
    dialog.locator(".facts").first.wait_for()
    dialog.locator(".erase > button").click()
    dialog.locator(".danger").wait_for()


def flare(stage: Stage) -> None:
    """The calm of a flare."""
    stage.push_kind("text")
    stage.push_kind("question")
    stage.choose_looks(form="flare")


def plain_and_large(stage: Stage) -> None:
    """Simple words in the largest size of text."""
    for name in ("text", "safety", "scale", "carousel"):
        stage.push_kind(name)
    stage.choose_looks(form="plain", size="3")


def before_consent(stage: Stage) -> None:
    """The notice as it stands when the page is opened."""


# Each state or group of states below each other, by name; `before_consent` alone stands on a page not accepted yet.
SCENES: dict[str, Callable[[Stage], None]] = {
    "before_consent": before_consent,
    "every_kind": every_kind,
    "forms": forms,
    "trouble": trouble,
    "session_ends": session_ends,
    "ended": ended,
    "urgent_open": urgent_open,
    "menu_open": menu_open,
    "menu_failed": menu_failed,
    "handed_over": handed_over,
    "kept_shown": kept_shown,
    "flare": flare,
    "plain_and_large": plain_and_large,
}
# Scenes that follow each other on one page: loading it takes longer than looking at it.
PAGES = (
    ("before_consent",),
    ("every_kind",),
    ("forms",),
    ("trouble",),
    ("session_ends", "ended"),
    ("urgent_open", "menu_open", "kept_shown"),
    ("menu_failed",),
    ("handed_over",),
    ("flare", "plain_and_large"),
)
