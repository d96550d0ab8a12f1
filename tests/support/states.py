"""Every state that the chat can be in, and how to bring a page there: by what the server says, or by a person's hands.

A scene is one page on which several states stand below each other, so that one look of axe sees them all.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from playwright.sync_api import Browser, Locator, Page, Route

from bot.content.forms import SURVEY
from bot.store import conversations
from tests.support.pages import Chat, open_tab
from tests.support.widget import WidgetServer

NARROW, WIDE = (320, 640), (1280, 900)
LANGUAGES = ("en", "ar")

BUTTONS = [{"title": "Why do you say that?", "payload": "/why"}, {"title": "Talk to a person", "payload": "person:ask"}]
DOTS = {
    "src": "/pictures/dots-60.svg",
    "alt": "100 dots, 60 of them filled: 60 of every 100 people around age 50.",
    "caption": "Of 100 people around age 50 with no back pain, 60 have this on a scan.",
}
CALLS = [
    {"label": "Emergency services", "tel": "999"},
    {"label": "NHS 111", "tel": "111"},
    {"label": "Shout", "sms": "85258"},
    {"label": "A web page of the clinic", "url": "https://clinic.example/urgent"},
    {"label": "Your clinic or nurse line"},
]
ITEMS = [
    {
        "id": "use",
        "text": "Was this of use to you?",
        "kind": "scale",
        "min": 0,
        "max": 10,
        "low": "Not at all",
        "high": "Very",
    },
    {
        "id": "found",
        "text": "Did you find what you came for?",
        "kind": "choice",
        "choices": [
            {"value": "yes", "title": "Yes"},
            {"value": "part", "title": "In part"},
            {"value": "no", "title": "No"},
        ],
    },
    {"id": "else", "text": "Is there anything else you want to say?", "kind": "text", "max": 500},
]
FULL = [
    "Pain is made by the nervous system, and it is **always real**.\nIt can go on after tissues have healed.",
    "What can help:\n- moving a little\n- [pacing, on the clinic's page](https://clinic.example/pacing)\n- sleep",
]


def questionnaire(form: str) -> dict[str, Any]:
    return {
        "kind": "questionnaire",
        "skipped": "Skipped",
        "form": form,
        "title": "Three short questions",
        "bubbles": ["Three short questions. You can skip any of them."],
        "items": ITEMS,
        "fallback_text": "Three short questions.",
    }


# What the server can say, by the name of its state.
BODIES: dict[str, dict[str, Any]] = {
    "text": {
        "kind": "text",
        "bubbles": FULL,
        "forms": {
            "full": FULL,
            "plain": ["Pain is real. It can last when the body has healed."],
            "flare": ["Rest. It is real."],
        },
        "buttons": BUTTONS,
        "notes": ["Nervous system: the brain, the spinal cord and the nerves."],
        "picture": DOTS,
        "version": "pain/why_it_persists.v1",
        "answer_id": "pain/why_it_persists",
        "review": "pending",
        "fallback_text": "Pain is made by the nervous system.",
    },
    "safety": {
        "kind": "safety",
        "bubbles": ["Call 999 now.", "Numbness like this needs to be seen **today**.", "Do not drive yourself."],
        "tier": "T1",
        "category": "cauda_equina",
        "answer_id": "safety/RF01",
        "calls": CALLS,
        "leave": True,
        "fallback_text": "Call 999 now.\n\nNumbness like this needs to be seen **today**.",
    },
    "question": {
        "kind": "question",
        "bubbles": ["I want to be sure that you are safe.", "Are you thinking of ending your life?"],
        "lead": "I want to be sure that you are safe.",
        "text": "Are you thinking of ending your life?",
        "category": "RF34",
        "answer_id": "safety/RF34.direct",
        "calls": CALLS[:2],
        "buttons": [
            {"title": title, "payload": f"answer:RF34:{title}"} for title in ("Yes, right now", "Sometimes", "No")
        ],
        "fallback_text": "I want to be sure that you are safe.\n\nAre you thinking of ending your life?",
    },
    **{
        f"handoff_{state}": {
            "kind": "handoff",
            "state": state,
            "at": "10:32",
            "bubbles": [f"{words} If it gets worse, call 999."],
            "answer_id": f"handoff/{state}",
            "fallback_text": words,
        }
        for state, words in {
            "waiting": "The clinic's team was told at 10:32. Nobody has opened it yet.",
            "human": "Dr Lee has joined the chat.",
            "failed": "We could not reach the team. Please phone the clinic.",
            "closed": "Dr Lee has left the chat.",
        }.items()
    },
    "clinician": {
        "kind": "clinician",
        "bubbles": ["Hello, I am Dr Lee. I have read what you wrote."],
        "name": "Dr Lee",
        "role": "Physiotherapist",
        "fallback_text": "Hello, I am Dr Lee.",
    },
    "notice": {
        "kind": "notice",
        "bubbles": ["That is not something I can answer."],
        "buttons": BUTTONS[1:],
        "answer_id": "notice/cannot_answer",
        "fallback_text": "That is not something I can answer.",
    },
    "consent": {
        "kind": "consent",
        "bubbles": ["This is an automatic guide. **It is not for emergencies.**"],
        "version": "earlier",
        "buttons": [{"title": "I have read this. Start", "payload": "consent:earlier"}],
        "fallback_text": "This is an automatic guide. It is not for emergencies.",
    },
    "language_card": {
        "kind": "safety",
        "bubbles": ["هذه المحادثة تفهم الإنجليزية فقط."],
        "answer_id": "language/card",
        "lang": "ar",
        "calls": CALLS[:1],
        "fallback_text": "هذه المحادثة تفهم الإنجليزية فقط.",
    },
    "image": {
        "kind": "image",
        "bubbles": ["This is what a scan shows."],
        "picture": {**DOTS, "long": "Ten rows of ten dots.\n- The first six rows are full."},
        "fallback_text": "60 of 100 dots are full.",
    },
    "card": {
        "kind": "card",
        "title": "A short walk",
        "bubbles": ["Five minutes, as slow as you like."],
        "picture": DOTS,
        "buttons": [{"title": "Tell me more", "payload": "/walk"}],
        "fallback_text": "A short walk",
    },
    "carousel": {
        "kind": "carousel",
        "bubbles": ["Three things to try."],
        "cards": [
            {
                "kind": "card",
                "title": title,
                "bubbles": [words],
                "buttons": [{"title": f"Try {title.lower()}", "payload": f"/{title}"}],
            }
            for title, words in (
                ("Breathing", "Slow, and low."),
                ("Walking", "A little, often."),
                ("Warmth", "As you like it."),
            )
        ],
        "fallback_text": "Three things to try.",
    },
    "accordion": {
        "kind": "accordion",
        "bubbles": ["More about this:"],
        "sections": [
            {"title": "Why does it hurt?", "bubbles": ["Nerves can stay on guard.", "- for weeks\n- for years"]},
            {"title": "Will it stop?", "bubbles": ["It often eases."]},
        ],
        "fallback_text": "More about this.",
    },
    "lesson": {
        "kind": "lesson",
        "step": 2,
        "answer_id": "lesson/2",
        "of": 5,
        "bubbles": ["Hurt does not always mean harm."],
        "buttons": [{"title": "Next step", "payload": "/lesson/3"}],
        "fallback_text": "Hurt does not always mean harm.",
    },
    "scale": {
        "kind": "scale",
        "form": "pain_now",
        "bubbles": ["How is your pain now?"],
        "items": [{**ITEMS[0], "text": "How is your pain now?", "low": "No pain", "high": "Worst pain"}],
        "fallback_text": "How is your pain now, from 0 to 10?",
    },
    "questionnaire": questionnaire("survey"),
    "unknown": {"kind": "hologram", "fallback_text": "Something that this page cannot show yet, in words."},
}
FITS = """() => {
  const app = everywhere("#app")[0];
  return !app || Math.abs(app.getBoundingClientRect().height - innerHeight) < 1;
}"""
NEEDED = """() => innerHeight + Math.max(0, ...everywhere("#log, #app, dialog, .urgent-panel")
  .map((node) => node.scrollHeight - node.clientHeight + 200 * !node.matches("#log, #app")))"""
AUTHORS = {
    "notice": "system",
    "consent": "system",
    "clinician": "clinician",
    **{name: "system" for name in BODIES if name.startswith("handoff")},
}
KEPT = {
    "created_at": "2030-01-02T03:04:05Z",
    "facts": [
        {"key": "body_part", "title": "Body part", "value": "low_back", "shown": "low back"},
        {"key": "age", "title": "Age", "value": 52, "shown": "52"},
    ],
    "events": [
        {"seq": 3, "author": "patient", "body": {"kind": "text", "text": "my back hurts when I sit"}},
        {"seq": 4, "author": "bot", "body": {"kind": "text", "bubbles": ["I hear you."]}},
    ],
}


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
    stage.page.reload()
    stage.page.locator("#input:not([disabled])").wait_for()
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
    stage.page.click("#urgent summary")
    stage.page.locator(".urgent-panel").wait_for()


def menu_open(stage: Stage) -> None:
    stage.menu()


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


@dataclass(frozen=True)
class Scene:
    """States that stand on one page."""

    bring: Callable[[Stage], None]
    consent: bool = True


SCENES: dict[str, Scene] = {
    "before_consent": Scene(before_consent, consent=False),
    "every_kind": Scene(every_kind),
    "forms": Scene(forms),
    "trouble": Scene(trouble),
    "session_ends": Scene(session_ends),
    "ended": Scene(ended),
    "urgent_open": Scene(urgent_open),
    "menu_open": Scene(menu_open),
    "kept_shown": Scene(kept_shown),
    "flare": Scene(flare),
    "plain_and_large": Scene(plain_and_large),
}
