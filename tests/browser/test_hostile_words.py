"""Hostile words in every place that the chat shows, from the server and from the patient: they stay words."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
from playwright.sync_api import Browser, expect

from bot.store import events
from bot.store.models import Conversation
from tests.support import pages
from tests.support.hostile import MARKUP
from tests.support.pages import Chat, open_chat
from tests.support.widget import WidgetServer, running_widget

pytestmark = pytest.mark.browser
browser = pages.browser

COMMANDS = ("/restart", '/inform{"body_part": "back"}', "{emergency_number}", "{who} {time} {role}", "consent:accept")
WORDS = (*COMMANDS, *MARKUP)
LAST = "and that is all"
BREAKOUT = "</script><script>window.hit=1</script><img src=x onerror=window.hit=1>"
# What may stand in the chat: no element that runs, loads or sends anything by itself.
TAGS = [
    *("a", "article", "aside", "br", "button", "dd", "details", "dialog", "div", "dl", "dt", "fieldset", "figcaption"),
    *("figure", "footer", "form", "h1", "h2", "h3", "header", "hr", "img", "input", "label", "legend", "li", "main"),
    *("nav", "ol", "option", "p", "path", "progress", "q", "section", "select", "slot", "span", "strong", "summary"),
    *("svg", "textarea", "time", "ul"),
]
AROUND = "body > :not(pne-chat, script, noscript, template, .pne-before)"
OWN_STYLE = r"^((--view-[a-z]+|height): -?[\d.]+px; ?)+$"
NO_ATTRIBUTE = "^on|^(srcdoc|srcset|action|formaction|ping|background|data|xlink:href|http-equiv)$"
HREFS = r"^((tel|sms):[\d+*#]+|https://\S+|#[\w-]+)$"
FAULTS = """([tags, no, hrefs, styles]) =>
  [...document.querySelector("pne-chat").shadowRoot.querySelectorAll("*")].flatMap((node) => {
    const bad = [];
    if (!tags.includes(node.localName)) bad.push(node.localName);
    for (const { name } of node.attributes) if (new RegExp(no).test(name)) bad.push(name);
    const style = node.getAttribute("style");
    if (style !== null && !new RegExp(styles).test(style)) bad.push(style);
    const href = node.getAttribute("href");
    if (href !== null && !new RegExp(hrefs).test(href)) bad.push(href);
    if (node.src && new URL(node.src).origin !== location.origin) bad.push(node.src);
    return bad.map((what) => `${what} in ${node.outerHTML.slice(0, 120)}`);
  })
"""


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[WidgetServer]:
    with running_widget(Path(tmp_path_factory.mktemp("hostile")), name=f"Clinic {BREAKOUT}") as running:
        yield running


def bodies(words: str, all_kinds: bool = False) -> list[dict[str, Any]]:
    """The same words in every field that the chat shows; `all_kinds`: in every kind of body too."""
    picture = {"src": words, "alt": words, "caption": words, "long": words}
    buttons = [{"title": words, "payload": words}]
    calls = [{"label": words, "tel": words}, {"label": words, "sms": words}, {"label": words, "url": words}]
    part = {"title": words, "bubbles": [words], "picture": picture, "buttons": buttons}
    scale = {"id": "one", "text": words, "kind": "scale", "low": words, "high": words}
    choices = [{"value": words, "title": words}, {"value": "no", "title": words}]
    choice = {"id": "one", "text": words, "kind": "choice", "choices": choices}
    forms = {"full": [words], "plain": [words], "flare": [words]}
    ids = {"answer_id": words, "version": words, "review": words, "form": words, "tier": words, "category": words}
    said = {"bubbles": [words, words], "buttons": buttons, "calls": calls, "notes": [words], "picture": picture, **ids}
    made: list[dict[str, Any]] = [
        {"kind": "text", **said, "forms": forms},
        {"kind": "clinician", "bubbles": [words], "name": words, "role": words},
        {"kind": "carousel", "cards": [part, part]},
        {"kind": "accordion", "bubbles": [words], "sections": [{"title": words, "bubbles": [words]}]},
        {"kind": "questionnaire", "form": words, "title": words, "bubbles": [words], "items": [choice]},
        {"kind": words},
    ]
    if all_kinds:
        made += [
            {"kind": "safety", **said, "lead": words, "leave": True},
            {"kind": "question", **said, "text": words},
            {"kind": "handoff", **said, "state": words, "at": words},
            {"kind": "card", **said, **part},
            {"kind": "lesson", **said, "step": words, "of": words},
            {"kind": "scale", **said, "items": [scale]},
            {"kind": "image", **said},
        ]
    return [{**body, "fallback_text": words} for body in made]


def fill(server: WidgetServer, conversation: str) -> int:
    """Says everything into the conversation, in one step; gives the number of the last event."""
    with server.services.db.begin() as session:
        kept = session.get(Conversation, conversation)
        kept.person_name = kept.locale = BREAKOUT
        for place, words in enumerate(WORDS):
            for body in bodies(words, all_kinds=place % 8 == 0):
                author = {"clinician": events.CLINICIAN, "handoff": events.SYSTEM}.get(body["kind"], events.BOT)
                events.append_event(session, conversation, type=events.MESSAGE, author=author, body=body)
        return int(kept.last_seq)


def unharmed(chat: Chat, server: WidgetServer, came: list[Any]) -> None:
    """Nothing ran, opened, asked elsewhere or left the page, and only safe elements stand in the chat."""
    assert chat.page.evaluate("[window.hit ?? 0, frames.length]") == [0, 0]
    assert chat.page.evaluate(FAULTS, [TAGS, NO_ATTRIBUTE, HREFS, OWN_STYLE]) == []
    assert chat.page.evaluate(f"[...document.querySelectorAll('{AROUND}')].map((node) => node.outerHTML)") == []
    assert chat.hosts() == {urlsplit(server.url).netloc}
    assert (came, chat.errors) == ([], [])
    assert chat.page.url == f"{server.url}/chat/demo"


def test_hostile_words_stay_words(browser: Browser, server: WidgetServer) -> None:
    assert len(WORDS) >= 60
    chat = open_chat(browser, server)  # type: ignore[arg-type]
    page, came = chat.page, []
    conversation = server.newest()
    page.on("dialog", lambda dialog: (came.append(dialog.message), dialog.dismiss()))
    page.context.on("page", lambda opened: came.append(opened.url))

    # Live, then all of it as history.
    for words in WORDS[4:9]:
        for body in bodies(words, all_kinds=True):
            last = server.push(conversation, body)
    page.locator(f"[data-seq='{last}']").wait_for()
    last = fill(server, conversation)
    page.reload()
    page.locator(f"[data-seq='{last}']").wait_for(timeout=90_000)  # hundreds of messages, on a busy computer
    page.on("framenavigated", lambda frame: came.append(frame.url))
    shown = page.locator(".kind-clinician .bubble").all_text_contents()
    assert set(COMMANDS) <= set(shown)
    page.evaluate("everywhere('details').forEach((node) => { node.open = true; })")
    unharmed(chat, server, came)

    # A button and an answer with hostile words, pressed.
    page.locator(".kind-text .choice:not([aria-disabled])", has_text=MARKUP[7]).last.click()
    question = page.locator(".question", has=page.locator(".option", has_text=MARKUP[7])).last
    question.locator(".option").first.click()
    question.locator(".main").click()
    expect(page.locator(".overview dd").last).to_contain_text(MARKUP[7])

    # Typed: the assistant hears words, and no command.
    server.rasa.asked.clear()
    for words in (*WORDS, LAST):
        chat.say(words)
    page.locator(".patient[data-seq]", has_text=LAST).wait_for(timeout=60_000)
    asked = [(one["text"], one["payload"]) for one in server.rasa.asked]
    assert ("/restart", "") in asked
    assert {payload for _, payload in asked} <= {"", MARKUP[7]}
    page.click("#menu")
    page.get_by_role("button", name=server.services.wording.interface["data_show"], exact=True).click()
    page.locator(".kept q", has_text=LAST).wait_for()
    unharmed(chat, server, came)
    chat.close()
