"""The element on a clinic's own page and the full page, under policies that forbid nearly everything."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser, Locator, expect

from bot.cli_embed import in_page
from bot.web.assets import load_assets
from bot.web.embedding import CHAT_POLICY, host_policy
from tests.support import pages
from tests.support.host_page import Site, running_site
from tests.support.pages import Tab, open_tab
from tests.support.widget import WidgetServer, embedded_at, running_widget

pytestmark = pytest.mark.browser
browser = pages.browser

STRICT = "default-src 'none'; style-src 'none'; require-trusted-types-for 'script'; trusted-types 'none'"
# The element has no height of its own; a policy without style-src leaves constructed sheets.
HEIGHT = """
const sheet = new CSSStyleSheet();
sheet.replaceSync("pne-chat { height: 40rem }");
document.adoptedStyleSheets.push(sheet);
"""
PICTURE = {
    "kind": "image",
    "bubbles": ["Twenty of a hundred."],
    "fallback_text": "Twenty of a hundred.",
    "picture": {"src": "/pictures/dots-20.svg", "alt": "20 of 100 dots are filled"},
}


@dataclass
class World:
    chat: WidgetServer
    site: Site

    def page(self, *clinics: str, more: str = "") -> str:
        """A page with the snippet of each clinic. The policy is the one that ``pne embed`` prints, and nothing else."""
        made = [in_page(self.chat.services.clinics[clinic], self.chat.url) for clinic in clinics]
        policy = f"{STRICT}; {host_policy(self.chat.url)['in page']}"
        return self.site.put("/", "<h1 id=ours>Clinic</h1>" + "".join(made) + more, policy)


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    with (
        running_site() as site,
        running_widget(tmp_path_factory.mktemp("in_page"), embedding=embedded_at(site.origin)) as chat,
    ):
        demo = chat.services.clinics["demo"]
        chat.services.clinics["second"] = replace(demo, id="second", name="Second Clinic")
        yield World(chat, site)


def chat_of(tab: Tab, clinic: str = "demo") -> Locator:
    return tab.page.locator(f"pne-chat[clinic={clinic}]")


def stored(tab: Tab) -> int:
    return int(tab.page.evaluate("localStorage.length + sessionStorage.length + document.cookie.length"))


def accept(chat: Locator) -> None:
    chat.locator(".kind-consent .choice:not([aria-disabled])").click()
    chat.locator("#input:not([disabled])").wait_for()


def converse(world: World, tab: Tab, chat: Locator) -> None:
    """A whole conversation: the notice, a question, a button, a picture, thumbs, the menu, a person, the end."""
    assert stored(tab) == 0, "before the notice is accepted"
    accept(chat)
    chat.locator("#input").fill("why does it hurt")
    chat.locator("#input").press("Enter")
    chat.locator("[data-answer='pain/why_it_persists']").wait_for()
    conversation = chat.evaluate("(element) => element.chat.api.conversation")
    world.chat.push(conversation, PICTURE)
    picture = chat.locator("img[alt^='20 of 100']")
    picture.wait_for()
    picture.scroll_into_view_if_needed()
    expect(picture).to_have_js_property("complete", True)
    assert picture.evaluate("(image) => image.decode().then(() => image.naturalWidth)") > 0
    chat.locator("#menu").click()
    chat.locator("input[name=scheme][value=dark]").check()
    chat.locator("input[name=size][value='2']").check()
    chat.locator("input[name=form][value=plain]").check()
    tab.page.keyboard.press("Escape")
    chat.locator("#urgent summary").click()
    tab.page.keyboard.press("Escape")
    chat.locator("#person").click()
    chat.locator(".kind-handoff").first.wait_for()


def test_the_element_under_a_page_that_forbids_nearly_everything(browser: Browser, world: World) -> None:
    tab = open_tab(browser, world.page("demo"))
    tab.page.evaluate(HEIGHT)
    chat = chat_of(tab)
    before = tab.page.evaluate("getComputedStyle(document.body).marginTop")
    converse(world, tab, chat)
    assert before == "8px", "the page around keeps its own looks"
    assert tab.errors == []
    assert tab.hosts() == {world.site.origin[7:], world.chat.url[7:]}
    assert tab.page.context.cookies() == []
    box, log = chat.bounding_box(), chat.locator("#log").bounding_box()
    assert box and log and box["height"] == 640 and log["y"] + log["height"] <= box["y"] + box["height"]
    # Taken away: nothing is sent or received any more. Put back: the same chat.
    conversation = chat.evaluate("(element) => element.chat.api.conversation")
    count = chat.locator("#log article").count()
    tab.page.evaluate("window.kept = document.querySelector('pne-chat'); kept.remove()")
    tab.page.evaluate("new Promise((resolve) => setTimeout(resolve))")
    assert tab.page.evaluate("kept.chat === null && kept.shadowRoot.childElementCount === 0")
    world.chat.push(conversation, {"kind": "text", "bubbles": ["While away."], "fallback_text": "While away."})
    tab.page.evaluate("document.body.append(kept)")
    chat.locator(".bubble", has_text="While away.").wait_for()
    expect(chat.locator("#log article")).to_have_count(count + 1)
    # Taken away and put back before it is there: one chat, not two.
    tab.page.evaluate("""async () => {
      kept.remove(); await null; document.body.append(kept);
      await null; kept.remove(); await new Promise((resolve) => setTimeout(resolve)); document.body.append(kept);
    }""")
    expect(chat.locator("#log article")).to_have_count(count + 1)
    expect(chat.locator("#app")).to_have_count(1)
    assert tab.errors == []
    tab.close()


def test_the_full_page_under_its_own_policy(browser: Browser, world: World) -> None:
    for part in STRICT.split("; "):
        assert part in CHAT_POLICY
    tab = open_tab(browser, f"{world.chat.url}/chat/demo")
    converse(world, tab, chat_of(tab))
    assert tab.errors == []
    assert tab.hosts() == {world.chat.url[7:]}
    assert tab.page.context.cookies() == []
    tab.close()


def test_two_clinics_on_one_page(browser: Browser, world: World) -> None:
    tab = open_tab(browser, world.page("demo", "second"))
    tab.page.evaluate(HEIGHT)
    first, second = chat_of(tab), chat_of(tab, "second")
    accept(first)
    accept(second)
    first.locator("#input").fill("to the first")
    first.locator("#input").press("Enter")
    first.locator("[data-answer='pain/why_it_persists']").wait_for()
    second.locator("#input").fill("to the second")
    second.locator("#input").press("Enter")
    second.locator("[data-answer='pain/why_it_persists']").wait_for()
    assert second.locator("#log").inner_text().count("to the first") == 0
    assert first.locator("#log").inner_text().count("to the second") == 0
    names = [one.locator("h1 .clinic").inner_text() for one in (first, second)]
    assert names == ["Demo Pain Clinic", "Second Clinic"]
    assert tab.errors == []
    tab.close()


def test_the_numbers_stay_where_the_chat_does_not_come(browser: Browser, world: World) -> None:
    for spoilt in ("**/v1/clinics/**", "**/w/pne-chat*", "**/w/**"):
        tab = open_tab(browser, "about:blank")
        tab.page.route(spoilt, lambda route: route.abort())
        tab.page.goto(world.page("demo"))
        expect(tab.page.locator("a[href='tel:999']")).to_be_visible()
        tab.close()


def test_the_page_around_keeps_its_own_buttons(browser: Browser, world: World) -> None:
    more = "<p class='leave'><a id=own href='#here'>Ours</a></p>"
    tab = open_tab(browser, world.page("demo", more=more))
    chat_of(tab).locator("#leave").wait_for()
    tab.page.locator("#own").click()
    assert tab.page.url.endswith("#here") and tab.page.locator("#ours").count() == 1
    # Ours leaves: also with Shift, to where the clinic says.
    gone: list[Any] = []
    tab.page.route("https://www.bbc.co.uk/**", lambda route: (gone.append(1), route.fulfill(body="x")))
    for _ in range(3):
        tab.page.keyboard.press("Shift")
    tab.page.wait_for_url("https://www.bbc.co.uk/weather")
    tab.close()


def test_a_page_that_the_clinic_does_not_name_gets_numbers_and_no_chat(browser: Browser, world: World) -> None:
    with running_site() as other:
        url = other.put("/", in_page(world.chat.services.clinics["demo"], world.chat.url))
        tab = open_tab(browser, url)
        expect(tab.page.locator("a[href='tel:999']")).to_be_visible()
        expect(tab.page.locator("pne-chat #app")).to_have_count(0)
        assert not [one for one in tab.requested if one.endswith("/v1/session")]
        assert any("CORS" in line for line in tab.errors)
        tab.close()


def test_unversioned_addresses_need_no_hash(browser: Browser, world: World, tmp_path: Path) -> None:
    body = f'<script src="{world.chat.url}/w/first.js"></script>'
    body += f'<script type="module" src="{world.chat.url}/w/pne-chat.js"></script><pne-chat clinic="demo"></pne-chat>'
    tab = open_tab(browser, world.site.put("/plain", body))
    chat_of(tab).locator(".kind-consent .choice").wait_for()
    assert tab.errors == [] and load_assets()["pne-chat.js"].name not in str(tab.requested)
    tab.close()
