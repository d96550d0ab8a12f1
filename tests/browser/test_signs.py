"""Signs between the chat and who holds it: "is writing" both ways, and which message has been on the screen. The
clinician here is a listener on the server's hub; nothing of the inbox is needed."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser, BrowserContext, Frame, Page, Request, expect

from bot.cli_embed import in_page, loader_tag
from bot.store import conversations, events
from bot.store.models import Conversation
from bot.web.stream import conversation_topic
from tests.support import pages
from tests.support.database import add_person
from tests.support.delivering import ACCEPT, Line, begin
from tests.support.host_page import running_site
from tests.support.widget import WidgetServer, embedded_at, running_widget

pytestmark = pytest.mark.browser
browser = pages.browser

NAME = "Dr Reed"
TYPED = "it hurts more at night, near zanzibar"
LONG = "\n\n".join(f"Line {number} of a long message." for number in range(60))
TO_END = "(log) => log.scrollTo(0, log.scrollHeight)"
PLACE = "document.querySelector('pne-chat').chat"
# What is in view is known after the next pictures of the page, where it has any; then what there is to tell is told.
TELL = f"""async () => {{
  const picture = () => new Promise((done) => {{ requestAnimationFrame(done); setTimeout(done, 100); }});
  for (let pictures = 0; pictures < 3; pictures += 1) await picture();
  await {PLACE}.signs.shown();
}}"""


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[WidgetServer]:
    with running_widget(tmp_path_factory.mktemp("signs")) as running:
        yield running


@pytest.fixture
def context(browser: Browser) -> Iterator[BrowserContext]:
    opened = browser.new_context(locale="en-GB")
    yield opened
    opened.close()


@dataclass
class Clinician:
    """Somebody of the clinic who may hold the conversation, write into it and watch it."""

    server: WidgetServer
    conversation: str
    woken: asyncio.Queue[dict[str, Any]]
    heard: list[dict[str, Any]] = field(default_factory=list)

    def holds(self, state: str = conversations.HUMAN) -> int:
        """From now on this person answers (or `state`), and the chat says so."""
        holder = add_person(self.server.services.db, f"reed-{self.conversation}") if state == "human" else None
        with self.server.services.db.begin() as session:
            conversations.set_state(session, self.conversation, state, holder and holder.id)
        words = f"{NAME} is with you." if holder else "Closed."
        body = {"kind": "handoff", "state": state, "bubbles": [words], "fallback_text": words}
        return self.server.push(self.conversation, body, events.SYSTEM)

    def writes(self, name: str = NAME) -> None:
        wake, topic = self.server.services.hub.wake, conversation_topic(self.conversation)
        self.server.services_loop.call_soon_threadsafe(wake, topic, {"typing": {"name": name}})

    def says(self, words: str) -> int:
        body = {"kind": "clinician", "bubbles": [words], "name": NAME, "role": "Physio", "fallback_text": words}
        return self.server.push(self.conversation, body, events.CLINICIAN)

    def sees_typing(self) -> int:
        """How often this person was told that the patient is writing."""
        while not self.woken.empty():
            self.heard.append(self.woken.get_nowait())
        return self.heard.count({"typing": {"by": "patient"}})

    def shown(self) -> int:
        with self.server.services.db.read() as session:
            return int(session.get(Conversation, self.conversation).shown_seq)


@contextmanager
def clinician(server: WidgetServer, conversation: str) -> Iterator[Clinician]:
    with server.services.hub.listen(conversation_topic(conversation)) as woken:
        yield Clinician(server, conversation, woken)


def signs_of(page: Page) -> list[Any]:
    """What the page sends as signs, from now on."""
    sent: list[Any] = []

    def asked(request: Request) -> None:
        if request.url.endswith("/signs"):
            sent.append(json.loads(request.post_data or "null"))

    page.on("request", asked)
    return sent


def status_is(line: Line, state: str) -> None:
    line.page.locator(f"#status[data-state={state}]").wait_for(state="attached")


def test_typing_is_told_to_who_holds_the_chat_and_never_what_is_typed(
    context: BrowserContext, server: WidgetServer
) -> None:
    line = begin(context, server)
    sent = signs_of(line.page)
    with clinician(server, line.conversation) as lee:
        line.page.locator("#input").press_sequentially(TYPED)
        lee.holds(conversations.WAITING)
        status_is(line, "waiting")
        line.page.locator("#input").press_sequentially(TYPED)
        assert sent == [], "nobody is there who could be told"
        lee.holds()
        status_is(line, "human")
        line.page.locator("#input").press_sequentially(TYPED)
        line.until(lambda: lee.sees_typing() == 1)
        assert sent == [{"typing": True}], "once in three seconds"
        line.page.evaluate(f"{PLACE}.signs.typedAt -= 3000")
        line.page.locator("#input").press_sequentially("x")
        line.until(lambda: lee.sees_typing() == 2)
        assert sent == [{"typing": True}] * 2
        lee.holds(conversations.BOT)
        line.page.locator("#status[data-state=bot]").wait_for(state="attached")
        line.page.evaluate(f"{PLACE}.signs.typedAt = 0")
        line.page.locator("#input").press_sequentially("x")
        line.page.evaluate(TELL)
        assert len(sent) == 2 and lee.sees_typing() == 2


def test_who_writes_is_said_until_the_message_comes_or_for_six_seconds(
    context: BrowserContext, server: WidgetServer
) -> None:
    line = begin(context, server)
    activity = line.page.locator("#activity")
    with clinician(server, line.conversation) as lee:
        lee.holds()
        status_is(line, "human")
        line.page.clock.install()
        lee.writes()
        expect(activity).to_have_text(f"{NAME} is writing")
        assert activity.get_attribute("role") == "status"
        # Said again every few seconds it must not be read out again and again.
        line.page.evaluate(
            "() => { window.changes = 0;"
            " new MutationObserver(() => (changes += 1)).observe(everywhere('#activity')[0], { childList: true }); }"
        )
        lee.writes()
        lee.says("There you are.")
        line.settle()
        expect(activity).to_have_text("")
        assert line.page.evaluate("changes") == 1
        lee.writes()
        expect(activity).to_have_text(f"{NAME} is writing")
        line.page.clock.run_for(4_000)
        expect(activity).to_have_text(f"{NAME} is writing")
        line.page.clock.run_for(2_500)
        expect(activity).to_have_text("")
        lee.writes("")
        lee.writes("<b>Eve</b>")
        expect(activity).to_have_text("<b>Eve</b> is writing")


def test_a_message_counts_as_shown_once_its_end_is_on_a_page_in_sight(
    context: BrowserContext, server: WidgetServer
) -> None:
    line = begin(context, server)
    sent = signs_of(line.page)
    with clinician(server, line.conversation) as lee:
        lee.holds()
        first = lee.says("Hello.")
        line.until(lambda: lee.shown() == first)
        line.hide()
        second = lee.says("Are you there?")
        line.settle()
        line.page.evaluate(TELL)
        assert sent == [{"shown": first}], "nobody can see a hidden page"
        line.hide(False)
        line.until(lambda: lee.shown() == second)
        # A long one is on the screen with its beginning first.
        third = lee.says(LONG)
        line.settle()
        line.page.evaluate(TELL)
        assert lee.shown() == second
        line.page.locator("#log").evaluate(TO_END)
        line.until(lambda: lee.shown() == third)
        line.page.locator("#log").evaluate("(log) => log.scrollTo(0, 0)")
        line.page.wait_for_function(f"() => !{PLACE}.log.follow")
        fourth = lee.says("One more thing.")
        line.settle()
        line.page.evaluate(TELL)
        assert lee.shown() == third, "below what is being read"
        line.page.locator("#more").click()
        line.until(lambda: lee.shown() == fourth)
        assert sent == [{"shown": seq} for seq in (first, second, third, fourth)]
        # After the end the last words still count, and a reload tells nothing anew but what is on the screen.
        lee.holds(conversations.CLOSED)
        line.again()
        line.settle()
        line.page.evaluate(TELL)
        assert lee.shown() == fourth


def test_nothing_is_sent_before_the_notice_is_accepted(context: BrowserContext, server: WidgetServer) -> None:
    context.set_default_timeout(pages.WAIT_MS)
    page = context.new_page()
    page.add_init_script(pages.WATCH)
    sent = signs_of(page)
    page.goto(f"{server.url}/chat/demo")
    page.locator(ACCEPT).wait_for()
    line = Line(page, server, page.evaluate(f"{PLACE}.api.conversation"))
    with clinician(server, line.conversation) as lee:
        lee.holds()
        last = lee.says("Hello.")
        page.locator(f"[data-seq='{last}']").wait_for()
        page.evaluate(f"{PLACE}.parts.input.dispatchEvent(new Event('input'))")
        page.evaluate(TELL)
        assert sent == [] and lee.shown() == 0
        page.locator(ACCEPT).click()
        line.until(lambda: lee.shown() == last)


def test_offline_nothing_is_tried_and_what_was_seen_is_told_afterwards(
    context: BrowserContext, server: WidgetServer
) -> None:
    line = begin(context, server)
    sent = signs_of(line.page)
    with clinician(server, line.conversation) as lee:
        lee.holds()
        status_is(line, "human")
        line.hide()
        last = lee.says("Hello.")
        line.settle()
        context.set_offline(True)
        line.page.locator("#activity[data-key=offline]").wait_for()
        line.hide(False)
        line.page.locator("#input").press_sequentially(TYPED)
        line.page.evaluate(TELL)
        assert sent == []
        context.set_offline(False)
        line.until(lambda: lee.shown() == last)


def test_a_server_that_refuses_signs_is_never_mentioned(context: BrowserContext, server: WidgetServer) -> None:
    line = begin(context, server)
    line.page.route("**/signs", lambda route: route.fulfill(status=503, body="{}"))
    with clinician(server, line.conversation) as lee:
        lee.holds()
        last = lee.says("Hello.")
        with line.page.expect_request("**/signs"):
            line.settle()
        said = line.page.locator("#log article").count()
        line.say("thank you")
        line.arrived("thank you")
        assert line.page.locator("#log article").count() == said + 1 and line.heard("assertive") == []
        line.page.unroute("**/signs")
        line.page.evaluate(f"{PLACE}.wake()")
        line.until(lambda: lee.shown() == last)


def test_two_tabs_tell_once_and_both_say_who_writes(context: BrowserContext, server: WidgetServer) -> None:
    behind = begin(context, server)
    behind.hide()
    front = behind.second()
    front.wait_to_lead()
    sent = [signs_of(behind.page), signs_of(front.page)]
    with clinician(server, front.conversation) as lee:
        lee.holds()
        status_is(behind, "human")
        lee.writes()
        for tab in (behind, front):
            expect(tab.page.locator("#activity")).to_have_text(f"{NAME} is writing")
        last = lee.says("Hello.")
        front.until(lambda: lee.shown() == last)
        behind.settle()
        assert sent == [[], [{"shown": last}]]
        for tab in (behind, front):
            expect(tab.page.locator("#activity")).to_have_text("")


def test_a_closed_panel_shows_nothing(browser: Browser, tmp_path: Path) -> None:
    with running_site() as site, running_widget(tmp_path, embedding=embedded_at(site.origin)) as chat:
        tab = pages.open_tab(browser, site.put("/", "<h1>Clinic</h1>" + loader_tag("demo", chat.url)))
        button = tab.page.locator("pne-launcher button[aria-expanded]")
        button.click()
        inside = tab.page.frame_locator("pne-launcher iframe")
        inside.locator(ACCEPT).click()
        inside.locator("#input:not([disabled])").wait_for()
        frame = next(one for one in tab.page.frames if "/chat/" in one.url)
        with clinician(chat, frame.evaluate(f"{PLACE}.api.conversation")) as lee:
            lee.holds()
            inside.locator("#close").click()
            last = lee.says("Hello.")
            wait_for_article(frame, last)
            frame.evaluate(TELL)
            assert lee.shown() == 0
            button.click()
            inside.locator("#log").evaluate(TO_END)
            until(tab.page, lee, last)
        tab.close()


def test_an_element_that_is_scrolled_away_shows_nothing(browser: Browser, tmp_path: Path) -> None:
    with running_site() as site, running_widget(tmp_path, embedding=embedded_at(site.origin)) as chat:
        words = "<h1>Clinic</h1>" + in_page(chat.services.clinics["demo"], chat.url)
        words += "<p>A paragraph of the page.</p>" * 90
        tab = pages.open_tab(browser, site.put("/", words))
        page = tab.page
        page.locator(ACCEPT).click()
        page.locator("#input:not([disabled])").wait_for()
        with clinician(chat, page.evaluate(f"{PLACE}.api.conversation")) as lee:
            lee.holds()
            page.evaluate("scrollTo(0, document.body.scrollHeight)")
            last = lee.says("Hello.")
            wait_for_article(page.main_frame, last)
            page.evaluate(TELL)
            assert lee.shown() == 0
            page.locator("#log").evaluate(TO_END)
            page.evaluate(TELL)
            assert lee.shown() == 0
            page.evaluate("scrollTo(0, 0)")
            until(page, lee, last)
        tab.close()


def wait_for_article(frame: Frame, seq: int) -> None:
    frame.locator(f"[data-seq='{seq}']").wait_for(state="attached")


def until(page: Page, lee: Clinician, seq: int) -> None:
    for _ in range(400):
        if lee.shown() == seq:
            return
        page.wait_for_timeout(25)
    assert lee.shown() == seq
