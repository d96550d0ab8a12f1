"""The loader on pages of other sites: what it shows and tells, whom it trusts, and what it leaves behind."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser, Page, Route, expect

from bot.web.assets import load_assets
from bot.web.embedding import host_policy
from tests.support import pages
from tests.support.embedded import (
    EXIT,
    World,
    accept,
    frame,
    launcher,
    open_host,
    running_world,
    told,
    until,
    until_true,
)
from tests.support.pages import PHONE, open_tab

pytestmark = pytest.mark.browser
browser = pages.browser

ANSWER = {"kind": "text", "bubbles": ["Hello again."], "fallback_text": "Hello again."}


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    with running_world(tmp_path_factory.mktemp("embedding")) as made:
        yield made


def test_nothing_is_asked_before_it_opens_and_focus_comes_back(browser: Browser, world: World) -> None:
    policy = f"default-src 'none'; {host_policy(world.chat.url)['loader']}; style-src 'none'"
    policy += "; require-trusted-types-for 'script'; trusted-types 'none'"
    tab = open_host(browser, world.site.put("/", "<h1>Our clinic</h1>" + world.loader(), policy))
    page, button = tab.page, launcher(tab.page)
    expect(button).to_have_attribute("aria-expanded", "false")
    expect(button).to_have_text("Ask the pain tutor")
    loader = f"{world.chat.url}/w/{load_assets()['loader.js'].name}"
    assert [url for url in tab.requested if world.chat.url in url] == [loader]
    button.click()
    expect(page.locator("pne-launcher iframe")).to_have_attribute("title", "Pain tutor chat")
    expect(button).to_have_attribute("aria-expanded", "true")
    expect(button).to_have_text("Close the pain tutor")
    accept(page)
    for close in ("Escape", "#close", "launcher", "Escape in the button"):
        inside = frame(page).locator("#input")
        expect(inside).to_be_focused()
        if close == "Escape":
            inside.press("Escape")
        elif close == "#close":
            frame(page).locator("#close").click()
        elif close == "launcher":
            button.click()
        else:
            button.press("Escape")
        expect(button).to_have_attribute("aria-expanded", "false")
        expect(button).to_be_focused()
        expect(page.locator("pne-launcher iframe")).to_be_hidden()
        button.click()
    # Escape closes what is on top first.
    frame(page).locator("#urgent summary").click()
    frame(page).locator("#urgent summary").press("Escape")
    frame(page).locator("#menu").click()
    expect(frame(page).locator("#menu-title")).to_be_focused()
    page.keyboard.press("Escape")
    expect(frame(page).locator("dialog")).to_have_count(0)
    expect(button).to_have_attribute("aria-expanded", "true")
    page.evaluate("document.querySelector('h1').tabIndex = -1; document.querySelector('h1').focus(); PneChat.close()")
    assert page.evaluate("document.activeElement.tagName") == "H1", "the person is elsewhere"
    assert tab.errors == []
    assert tab.hosts() == {world.site.origin[7:], world.chat.url[7:]}
    assert page.context.cookies() == []
    tab.close()


def test_events_unread_and_the_api(browser: Browser, world: World) -> None:
    tab = open_host(browser, world.site.put("/", "<p>Page</p>" + world.loader()))
    page = tab.page
    page.evaluate("PneChat.open()")
    until(page, "told.some(([type]) => type === 'ready')")
    accept(page)
    conversation = page.frames[1].evaluate("document.querySelector('pne-chat').chat.api.conversation")
    page.evaluate("PneChat.toggle()")
    expect(launcher(page)).to_have_attribute("aria-expanded", "false")
    world.chat.push(conversation, ANSWER)
    expect(launcher(page)).to_have_text("Ask the pain tutor, 1 new message")
    world.chat.push(conversation, ANSWER)
    expect(launcher(page)).to_have_text("Ask the pain tutor, 2 new messages")
    expect(page.locator("pne-launcher [role=status]")).to_have_text("Ask the pain tutor, 2 new messages")
    page.evaluate("PneChat.toggle()")
    until(page, "told.some(([type, data]) => type === 'unread' && data.count === 0)")
    assert [data["count"] for data in told(page, "unread")] == [1, 2, 0]
    page.evaluate("PneChat.close()")
    expect(launcher(page)).to_have_text("Ask the pain tutor")
    page.evaluate("PneChat.open()")
    world.chat.push(conversation, {**ANSWER, "kind": "handoff", "state": "waiting"})
    until(page, "told.some(([type]) => type === 'handoff')")
    assert told(page, "handoff") == [{"state": "waiting"}]
    assert [one for one, _ in page.evaluate("told") if one in ("open", "close")] == ["open", "close"] * 2 + ["open"]
    # Nothing of what was said goes out.
    assert "Hello again" not in str(page.evaluate("messages"))
    page.evaluate("PneChat.setColorScheme('dark')")
    expect(frame(page).locator("pne-chat")).to_have_attribute("style", "color-scheme: dark; --rem: 1rem;")
    frame(page).locator("#menu").click()
    frame(page).locator("input[name=scheme][value=light]").click()
    page.evaluate("PneChat.setColorScheme('dark')")
    expect(frame(page).locator("pne-chat")).to_have_attribute("style", "color-scheme: light; --rem: 1rem;")
    page.evaluate("PneChat.setLocale('es')")
    expect(launcher(page)).to_have_text("Cerrar el tutor del dolor")
    expect(page.locator("pne-launcher iframe")).to_have_attribute("title", "Chat del tutor del dolor")
    expect(frame(page).locator("#close")).to_contain_text("Cerrar el chat")
    assert tab.errors == []
    tab.close()


def test_closed_and_opened_at_once_it_is_open(browser: Browser, world: World) -> None:
    tab = open_host(browser, world.site.put("/", "<p>Page</p>" + world.loader()))
    page = tab.page
    page.evaluate("PneChat.open()")
    until(page, "told.some(([type]) => type === 'ready')")
    page.evaluate("() => { PneChat.close(); PneChat.open(); }")
    page.evaluate("() => new Promise((done) => setTimeout(done))")  # the browser tells of the closing only then
    expect(launcher(page)).to_have_attribute("aria-expanded", "true")
    assert [one for one, _ in page.evaluate("told") if one in ("open", "close")] == ["open", "close", "open"]
    tab.close()


@pytest.mark.parametrize("lang", ["en_US", "ar-EG", "xx-yy", ""])
def test_any_language_of_the_page(browser: Browser, world: World, lang: str) -> None:
    head = world.loader().replace(" defer", "")  # in the head, before there is a body
    tab = open_host(browser, world.site.put("/", "<p>Page</p>", head=head, lang=lang))
    expect(launcher(tab.page)).to_have_text("سؤال مرشد الألم" if lang == "ar-EG" else "Ask the pain tutor")
    assert tab.errors == []
    tab.close()


def test_buttons_of_the_page_open_it_and_two_tags_make_one(browser: Browser, world: World) -> None:
    body = "<p><button id=ask data-pne-open>Ask <b>here</b></button></p>"
    tab = open_host(browser, world.site.put("/", body + world.loader() + world.loader()))
    page = tab.page
    expect(page.locator("pne-launcher")).to_have_count(1)
    page.locator("#ask b").click()
    accept(page)
    frame(page).locator("#close").click()
    expect(page.locator("#ask")).to_be_focused()
    # Sites that swap the whole body run the tag again.
    page.evaluate(
        """(src) => { document.body.replaceChildren(); const tag = document.createElement("script");
        tag.src = src; tag.dataset.clinic = "demo"; document.body.append(tag); }""",
        f"{world.chat.url}/w/loader.js",
    )
    expect(launcher(page)).to_be_visible()
    expect(page.locator("pne-launcher")).to_have_count(1)
    assert tab.errors == []
    tab.close()


def identities(page: Page, world: World) -> list[Any]:
    """What each opening of a session brings as identity, from now on."""
    found: list[Any] = []

    def note(route: Route) -> None:
        if route.request.method == "POST":
            found.append((route.request.post_data_json or {}).get("identity"))
        route.continue_()

    page.route("**/v1/session", note)
    return found


def test_a_token_of_the_page_signs_in_and_signing_out_ends_it(browser: Browser, world: World) -> None:
    world.site.tokens[:] = [world.token(1)]
    # On the same site (chat.clinic.example beside www.clinic.example) a frame may keep its session from page to page.
    home = world.chat.url.replace("127.0.0.1", "localhost")
    url = world.site.put("/", "<p>Portal</p>" + world.loader('data-token-url="/token"', home=home))
    tab = open_host(browser, url)
    page, given = tab.page, identities(tab.page, world)
    before = world.live_sessions()
    launcher(page).click()
    accept(page)
    assert given == [world.token(1)] and world.site.asked[-1] == "/token"
    assert world.live_sessions() == before + 1
    page.evaluate("PneChat.logout()")  # waits until it is over
    assert world.live_sessions() == before
    expect(frame(page).locator("#log article")).to_have_count(1)
    expect(frame(page).locator("#log")).to_contain_text("ended")
    expect(frame(page).locator("#log .choice")).to_be_visible()
    assert page.frames[1].evaluate("sessionStorage.length + localStorage.length") == 0
    world.site.tokens[:] = [world.token(2)]
    frame(page).locator("#log .choice").click()
    # The same person, as on another device: what was said is there, and the notice was accepted then.
    frame(page).locator("#input:not([disabled])").wait_for()
    expect(frame(page).locator(".kind-consent")).to_have_count(1)
    expect(frame(page).locator(".kind-consent .choice")).to_have_attribute("aria-disabled", "true")
    assert frame(page).locator("#polite").inner_text() == "", "what was said before is not read out again"
    # On the portal's next page the chat was not opened: signing out there ends the session all the same.
    page.goto(url)
    given.clear()
    page.evaluate("PneChat.logout()")
    assert (world.live_sessions(), given) == (before, [])
    assert tab.errors == []
    tab.close()


def test_a_token_by_a_function_of_the_page(browser: Browser, world: World) -> None:
    tab = open_host(browser, world.site.put("/", "<p>Portal</p>" + world.loader()))
    page, given = tab.page, identities(tab.page, world)
    page.evaluate("(token) => PneChat.setToken(async () => token)", world.token(3, "bea"))
    launcher(page).click()
    accept(page)
    assert given == [world.token(3, "bea")]
    page.evaluate("PneChat.setToken(() => { throw new Error('the portal is down') })")
    page.evaluate("PneChat.logout()")
    frame(page).locator("#log .choice").click()
    accept(page)
    assert given == [world.token(3, "bea"), None], "at once, without waiting for a token that will not come"
    assert tab.errors == []
    tab.close()


# A page of somebody else that plays the loader.
IMPOSTOR = """
window.replies = [];
addEventListener("message", (event) => {
  replies.push(event.data);
  for (const type of ["hello", "token", "logout", "locale"])
    event.source.postMessage({ pne: 1, type, data: { signs: true, token: "x", value: "es" } }, "*");
});
"""


def test_a_site_that_the_clinic_does_not_name_cannot_frame_it(browser: Browser, world: World) -> None:
    inner = f'<iframe id=chat src="{world.chat.url}/chat/demo?framed"></iframe>'
    tab = open_host(browser, world.evil.put("/", inner))
    until(tab.page, "document.readyState === 'complete'")
    assert any("frame-ancestors" in line for line in tab.errors), tab.errors
    assert tab.page.frames[1].url == "chrome-error://chromewebdata/"
    assert not [url for url in tab.requested if "/w/" in url or "/v1/" in url]
    tab.close()
    # Nor from inside a page that the clinic does name: every page around counts.
    world.evil.put("/nested", inner)
    tab = open_host(browser, world.site.put("/", f'<iframe src="{world.evil.origin}/nested"></iframe>'))
    until(tab.page, "document.readyState === 'complete'")
    assert any("frame-ancestors" in line for line in tab.errors), tab.errors
    tab.close()


def test_where_apps_may_frame_it_a_foreign_page_is_told_nothing(browser: Browser, world: World) -> None:
    inner = f'<iframe id=chat src="{world.chat.url}/chat/app?framed"></iframe>'
    tab = open_tab(browser, "about:blank")
    given = identities(tab.page, world)
    tab.page.goto(world.evil.put("/", f"<script>{IMPOSTOR}</script>{inner}"))
    chat = tab.page.frame_locator("#chat")
    chat.locator(".kind-consent .choice").wait_for()
    chat.locator("#close").click()
    assert tab.page.evaluate("replies") == [{"pne": 1, "type": "loaded"}]
    assert given == [None]
    assert chat.locator("pne-chat").get_attribute("lang") == "en-GB"
    tab.close()


def test_a_frame_beside_the_chat_is_not_the_page_around_it(browser: Browser, world: World) -> None:
    world.evil.put("/beside", "<script>onmessage = () => {}</script>")
    body = f'<iframe id=beside src="{world.evil.origin}/beside"></iframe>{world.loader()}'
    tab = open_host(browser, world.site.put("/", body))
    page, given = tab.page, identities(tab.page, world)
    page.evaluate("PneChat.setToken(() => (window.askedFor = true, null))")
    launcher(page).click()
    accept(page)
    beside = next(one for one in page.frames if one.url.endswith("/beside"))
    page.evaluate("window.askedFor = false")
    # To the page, as if it were the chat; and to the chat, as if it were the page.
    beside.evaluate("""async () => {
      for (const type of ["close", "need-token", "unread", "handoff"])
        parent.postMessage({ pne: 1, type, data: { count: 9, id: 1, state: "human" } }, "*");
      parent.postMessage({ pne: 1, type: "leave", url: "https://exit.test/" }, "*");
      for (let i = 0; i < parent.frames.length; i++)
        for (const type of ["hello", "logout", "locale", "token"])
          parent.frames[i].postMessage({ pne: 1, type, data: { value: "es" } }, "*");
      await new Promise((resolve) => setTimeout(resolve));
    }""")
    until(page, f"messages.filter(([origin]) => origin === '{world.evil.origin}').length >= 5")
    expect(launcher(page)).to_have_attribute("aria-expanded", "true")
    expect(frame(page).locator("#input")).to_be_enabled()
    assert frame(page).locator("pne-chat").get_attribute("lang") == "en-GB"
    assert (page.evaluate("askedFor"), told(page, "unread"), told(page, "handoff"), given) == (False, [], [], [None])
    assert page.url.startswith(world.site.origin)
    tab.close()


def test_an_app_without_an_origin(browser: Browser, world: World, tmp_path: Path) -> None:
    for clinic, works in (("app", True), ("demo", False)):
        path = tmp_path / f"{clinic}.html"
        path.write_text(f"<!doctype html><body><p>App</p>{world.loader(clinic=clinic)}", encoding="utf-8")
        tab = open_host(browser, path.as_uri())
        tab.page.evaluate("(token) => PneChat.setToken(async () => token)", world.token(4, sub="in-the-app"))
        given = identities(tab.page, world)
        launcher(tab.page).click()
        if works:
            accept(tab.page)
            assert len(given) == 1 and given[0], "the app is heard"
            frame(tab.page).locator("#close").click()
            expect(launcher(tab.page)).to_be_focused()
            assert tab.errors == []
        else:
            until(tab.page, "true")
            expect(frame(tab.page).locator("pne-chat")).to_have_count(0)
            assert any("frame-ancestors" in line for line in tab.errors)
        tab.close()


def test_leaving_quickly_takes_the_page_around_with_it(browser: Browser, world: World) -> None:
    world.site.put("/before", "<p>Before</p>")
    tab = open_host(browser, f"{world.site.origin}/before")
    page = tab.page
    page.goto(world.site.put("/", "<h1>Our clinic</h1>" + world.loader()))
    launcher(page).click()
    accept(page)
    held: list[Route] = []
    page.route("https://exit.test/**", lambda route: held.append(route))
    page.evaluate("""() => {
      const report = () => console.log(`left ${document.body.children.length} ${document.title}`);
      new MutationObserver(report).observe(document.body, { childList: true });
    }""")
    # Blank before the next page has come.
    with page.expect_console_message(lambda line: line.text == "left 0 "), page.expect_request(EXIT):
        frame(page).locator("#leave").click(no_wait_after=True)
    until_true(page, lambda: bool(held))
    held[0].fulfill(body="weather", content_type="text/html")
    page.wait_for_url(EXIT)
    page.go_back()
    page.wait_for_url(f"{world.site.origin}/before")
    tab.close()


def test_on_a_phone_it_is_a_modal_dialog_with_a_way_back(browser: Browser, world: World) -> None:
    tab = open_host(browser, world.site.put("/", "<p><a href='#'>A link</a></p>" + world.loader()), viewport=PHONE)
    page = tab.page
    held: list[Route] = []
    page.route("**/chat/demo?**", lambda route: held.append(route))  # a slow line, or a server that is down
    launcher(page).click()
    assert page.locator("pne-launcher dialog").evaluate("(dialog) => dialog.matches(':modal')")
    page.locator("pne-launcher dialog button").click()
    expect(launcher(page)).to_be_focused()
    launcher(page).click()
    held[0].continue_()
    accept(page)
    expect(page.locator("pne-launcher dialog button")).to_have_count(0)
    box = page.locator("pne-launcher iframe").bounding_box()
    assert box and (box["x"], box["y"], box["width"], box["height"]) == (0, 0, PHONE["width"], PHONE["height"])
    assert page.evaluate("document.activeElement.localName") == "pne-launcher"
    frame(page).locator("#close").click()
    expect(launcher(page)).to_be_focused()
    assert tab.errors == []
    tab.close()


def test_a_chat_that_does_not_come_is_told(browser: Browser, world: World) -> None:
    tab = open_host(browser, "about:blank")
    page = tab.page
    page.clock.install()
    page.route("**/chat/demo?**", lambda route: route.abort())
    page.goto(world.site.put("/", "<p>Page</p>" + world.loader()))
    launcher(page).click()
    page.clock.run_for(11_000)
    assert told(page, "error") == [{"code": "not_loaded"}]
    tab.close()
