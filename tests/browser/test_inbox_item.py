"""One item's page as people use it: every state in both lights and on the narrowest phone, keys, signs, no script."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from playwright.sync_api import Browser, expect

from bot.store import events
from bot.store.handoffs import handoff_of
from bot.store.models import Clinician
from bot.web.inbox.door import COOKIE
from bot.web.stream import conversation_topic
from tests.support import pages
from tests.support.database import CLINIC
from tests.support.inbox_server import InboxServer, inbox_server
from tests.support.item_scenes import WORDS, an_item, scenes
from tests.support.pages import DESKTOP, Tab, open_tab

pytestmark = pytest.mark.browser
browser = pages.browser
PHONE = {"width": 320, "height": 640}
STATES = (
    "waiting", "mine", "anothers", "aside", "returned", "resolved", "withdrawn", "exhausted", "erased", "elsewhere",
)  # fmt: skip


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[InboxServer]:
    with inbox_server(tmp_path_factory.mktemp("item")) as running:

        async def facts(_conversation: str) -> dict[str, str]:
            return {"body_part": "lower_back", "age": "47"}

        running.services.assistant.facts = facts  # type: ignore[method-assign]
        yield running


@pytest.fixture(scope="module")
def me(server: InboxServer) -> Clinician:
    return server.person("clinician", "Dr Lee Ashworth")


@pytest.fixture(scope="module")
def made(server: InboxServer, me: Clinician) -> dict[str, str]:
    return scenes(server.db, me, server.person("clinician", "Dr Kim Osei"))


def open_item(browser: Browser, server: InboxServer, who: Clinician, item: str, **options: Any) -> Tab:
    tab = open_tab(browser, f"{server.url}/healthz", **options)
    cookie: Any = {"name": COOKIE, "value": server.enter(who), "url": f"{server.url}/inbox"}
    tab.page.context.add_cookies([cookie])
    tab.page.mouse.click(5, 5)  # as people do who sign in: the browser lets the next page play a sound
    tab.page.evaluate("url => { location.href = url }", f"{server.url}/inbox/{item}")
    tab.page.locator("main").wait_for()
    tab.errors.clear()
    return tab


def conversation_of(server: InboxServer, item: str) -> str:
    with server.db.read() as session:
        return str(handoff_of(session, CLINIC, item).conversation_id)


@pytest.mark.parametrize("state", STATES)
def test_nothing_bars_anybody_and_it_fits(
    browser: Browser, server: InboxServer, me: Clinician, made: dict[str, str], state: str
) -> None:
    for name, options in {"wide": {"viewport": DESKTOP}, "phone": {"viewport": PHONE}}.items():
        tab = open_item(browser, server, me, made[state], **options)
        tab.page.locator("#noted dl, #noted p:not(.without-script)").first.wait_for()
        for details in tab.page.locator("details").all():
            details.evaluate("node => { node.open = true }")
        assert tab.violations() == []
        assert tab.sideways() <= 0
        assert tab.small_targets() == []
        tab.page.emulate_media(forced_colors="active")
        assert tab.sideways() <= 0
        tab.page.emulate_media(forced_colors="none")
        assert tab.errors == []
        tab.picture(f"item-{state}-{name}")
        tab.close()


@pytest.mark.parametrize("state", ["mine", "erased", "elsewhere"])
def test_the_copy_for_the_printer_has_all_and_no_bars(
    browser: Browser, server: InboxServer, me: Clinician, made: dict[str, str], state: str
) -> None:
    for viewport in (DESKTOP, PHONE):
        tab = open_item(browser, server, me, f"{made[state]}/print", viewport=viewport)
        expect(tab.page.locator("#print")).to_be_visible()
        assert tab.violations() == [] and tab.sideways() <= 0 and tab.small_targets() == []
        tab.page.emulate_media(media="print")
        expect(tab.page.locator(".on-screen")).to_be_hidden()
        assert tab.page.locator("form").count() == 0 and tab.errors == []
        tab.picture(f"print-{state}")
        tab.close()


def test_the_words_come_first_and_the_rest_says_what_it_is(
    browser: Browser, server: InboxServer, me: Clinician, made: dict[str, str]
) -> None:
    tab = open_item(browser, server, me, made["mine"], viewport=DESKTOP)
    expect(tab.page.locator("blockquote.words")).to_have_text(WORDS)
    order = tab.page.evaluate(
        """() => ['.words', '.later', '#transcript', '#facts', '#noted', '#trend', '#earlier', '#notes', '#history']
        .map((css) => document.querySelector(css))
        .every((node, place, all) => !place || all[place - 1].compareDocumentPosition(node) & 4)"""
    )
    assert order
    expect(tab.page.locator("#noted dd").first).to_have_text("Lower back", ignore_case=True)
    expect(tab.page.locator("#trend svg")).to_have_attribute("role", "img")
    assert tab.page.locator("#trend circle").count() == 3
    expect(tab.page.locator("#facts .asked strong")).to_have_text("Yes")
    tab.close()


def test_a_dialogue_that_cannot_be_asked_holds_nothing_up(
    browser: Browser, server: InboxServer, me: Clinician, made: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    async def away(_conversation: str) -> dict[str, str]:
        raise RuntimeError("away")

    monkeypatch.setattr(server.services.assistant, "facts", away)
    tab = open_item(browser, server, me, made["waiting"])
    expect(tab.page.locator("#noted [role=status]")).to_be_visible()
    expect(tab.page.locator("#noted dl")).to_have_count(0)
    expect(tab.page.locator("#claim")).to_be_visible()
    tab.close()


def test_a_ready_reply_goes_into_the_box_by_keyboard_and_the_person_sees_the_writing(
    browser: Browser, server: InboxServer, me: Clinician
) -> None:
    item = an_item(server.db)
    tab = open_item(browser, server, me, item)
    tab.page.locator("html.scripted").wait_for()
    tab.page.keyboard.press("t")
    tab.page.locator("html.scripted #reply").wait_for()
    tab.page.locator("#noted dl").wait_for()
    told: list[Any] = []
    wake = server.services.hub.wake

    def listen(topic: str, *what: Any) -> None:
        told.append((topic, *what))
        wake(topic, *what)

    server.services.hub.wake = listen  # type: ignore[method-assign]
    try:
        tab.page.keyboard.press("r")
        expect(tab.page.locator("#reply")).to_be_focused()
        with tab.page.expect_response("**/typing"):
            tab.page.keyboard.type("Well,")
        tab.page.locator("#canned").focus()
        tab.page.select_option("#canned", "call_me")
        tab.page.locator("#canned-put").press("Enter")
        expect(tab.page.locator("#reply")).to_be_focused()
    finally:
        server.services.hub.wake = wake  # type: ignore[method-assign]
    text = tab.page.locator("#reply").input_value()
    assert text.startswith("Well,\n\nIt would be good to talk.") and me.name in text and "{" not in text
    topic = conversation_topic(conversation_of(server, item))
    assert (topic, {"typing": {"name": me.name}}) in told
    with server.db.read() as session:
        found = events.latest_events(session, conversation_of(server, item), 50, events.CLINICIAN)
    assert found == [], "nothing is sent by putting it in"
    tab.close()


def test_the_person_who_writes_is_seen_writing_and_then_no_more(
    browser: Browser, server: InboxServer, me: Clinician, made: dict[str, str]
) -> None:
    tab = open_item(browser, server, me, made["mine"])
    tab.page.locator("#noted dl").wait_for()  # the page's script is at work
    sign = tab.page.locator("#writing")
    expect(sign).to_have_text("")
    tab.page.clock.install()
    tab.page.evaluate("document.dispatchEvent(new CustomEvent('inbox:typing', {detail: {name: 'Dr Lee'}}))")
    expect(sign).to_have_text("")
    tab.page.evaluate("document.dispatchEvent(new CustomEvent('inbox:typing', {detail: {by: 'patient'}}))")
    expect(sign).not_to_have_text("")
    tab.page.clock.fast_forward(6_100)
    expect(sign).to_have_text("")
    tab.close()


def test_all_acts_work_without_script(browser: Browser, server: InboxServer, me: Clinician) -> None:
    server.person("clinician", "Dr Zoe Hart")
    item = an_item(server.db)
    tab = open_item(browser, server, me, item, java_script_enabled=False, viewport=PHONE)
    page = tab.page
    page.click("#claim")
    page.fill("#reply", "Half")
    page.select_option("#canned", "hello")
    page.click("#canned-put")
    assert page.locator("#reply").input_value().startswith("Half\n\nHello, this is Dr Lee Ashworth")
    page.locator("#reply-form button.main-act").click()
    expect(page.locator(".entry-clinician")).to_have_count(1)
    expect(page.locator(".entry-sign")).to_have_count(1)
    page.fill("#note", "For my colleagues")
    page.locator("form[action$='/note'] button").click()
    expect(page.locator(".notes .note-words")).to_have_text("For my colleagues")
    page.locator("#pass summary").click()
    page.locator("form[action$='/aside'] button").click()
    page.locator("#pass summary").click()
    page.locator("form[action$='/aside'] button").click()
    page.locator("#noted a").click()
    expect(page.locator("#noted-read dd").first).to_be_visible()
    page.locator("#noted a").click()
    page.fill("#last-words", "Goodbye for now.")
    page.select_option("#topic", "pain/why_it_persists")
    page.locator("form[action$='/hand-back'] button").click()
    expect(page.locator(".entry-clinician")).to_have_count(2)
    page.select_option("#outcome", "answered")
    page.locator("form[action$='/close'] button").click()
    expect(page.locator("#outcome")).to_have_count(0)
    tab.close()


def test_what_is_written_stays_while_the_page_changes(browser: Browser, server: InboxServer, me: Clinician) -> None:
    item = an_item(server.db)
    tab = open_item(browser, server, me, item)
    tab.page.click("#claim")
    tab.page.fill("#note", "half a note")
    tab.page.fill("#reply", "half a reply")
    tab.page.locator("#pass summary").click()
    conversation = conversation_of(server, item)
    with server.db.begin() as session:
        body = {"kind": "text", "text": "are you there?", "fallback_text": "x"}
        events.append_event(session, conversation, type=events.MESSAGE, author=events.PATIENT, body=body)
    server.services.news(conversation, CLINIC)
    tab.page.locator(".entry-patient", has_text="are you there?").wait_for()
    expect(tab.page.locator("#reply")).to_have_value("half a reply")
    expect(tab.page.locator("#note")).to_have_value("half a note")
    expect(tab.page.locator("#pass")).to_have_attribute("open", "")
    expect(tab.page.locator("#reply")).to_be_visible()
    tab.close()
