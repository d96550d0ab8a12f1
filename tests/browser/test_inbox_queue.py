"""The inbox's queue, search and overview in a real browser, without Rasa: live, by ear, by keyboard, on a phone."""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser, Page, expect

from bot.handoff import steps
from bot.store import outbox
from bot.store.handoffs import handoff_of
from tests.support import pages
from tests.support.database import CLINIC, add_person, new_conversation, raise_one
from tests.support.inbox_server import InboxServer, inbox_server
from tests.support.pages import DESKTOP, Tab

pytestmark = pytest.mark.browser
browser = pages.browser

NARROW = {"width": 320, "height": 640}
# How often it rang, where a locator can wait for it: the page's policy lets no test evaluate anything again and again.
HEAR = """() => {
  const kept = document.documentElement.dataset;
  kept.rang = 0;
  document.addEventListener("inbox:rang", () => (kept.rang = Number(kept.rang) + 1));
}"""
# A browser that grants notices and keeps what they said; nobody looks at its page.
NOTICES = """
window.shownNotices = [];
document.hasFocus = () => false;
window.Notification = class {
  static permission = "default";
  static async requestPermission() {
    return (this.permission = "granted");
  }
  constructor(text) {
    window.shownNotices.push(text);
  }
  addEventListener() {}
};
"""


@pytest.fixture
def server(tmp_path: Path) -> Iterator[InboxServer]:
    with inbox_server(tmp_path) as running:
        yield running


def raised(server: InboxServer, tier: str = "T1", words: str = "numb between my legs", **other: Any) -> str:
    return raise_one(server.db, new_conversation(server.db), tier=tier, words=words, **other).handoff_id


def set_up(server: InboxServer, item: str, **values: Any) -> None:
    with server.db.begin() as session:
        found = handoff_of(session, CLINIC, item)
        for name, value in values.items():
            setattr(found, name, value)


def give_up(server: InboxServer) -> str:
    """The next notice becomes a dead letter."""
    with server.db.begin() as session:
        [notice] = outbox.lease(session, "email", "w", timedelta(seconds=60), 1)
        outbox.record_dead(session, notice.id, "w", "550 no such mailbox")
        return notice.id


def listening(tab: Tab) -> Page:
    """The page, counting its sounds; a press has let it play them."""
    tab.page.evaluate(HEAR)
    tab.page.locator("#sound").click()
    expect(tab.page.locator("#sound")).to_have_attribute("data-state", "on")
    tab.page.locator("html[data-rang='1']").wait_for()
    tab.page.evaluate("document.documentElement.dataset.rang = 0")
    return tab.page


def rang(page: Page) -> int:
    return int(page.locator("html").get_attribute("data-rang") or 0)


def heard(page: Page, region: str) -> list[str]:
    return [words for name, words in page.evaluate("heard") if name == region]


# Live


def test_a_new_item_comes_by_itself_is_said_and_rung_for(browser: Browser, server: InboxServer) -> None:
    tab = server.open(browser)
    page = listening(tab)
    item = raised(server, "T4", "a question about walking")
    page.locator(f"#item-{item}").wait_for()
    expect(page.locator("#nav-count")).to_have_text("1")
    assert page.title().startswith("(1)")
    expect(page.locator("html")).to_have_attribute("data-rang", "1")
    assert any("a question about walking" in words for words in heard(page, "polite"))
    urgent = raised(server, "T0", "a crisis in words")
    page.locator(f"#item-{urgent}").wait_for()
    assert any("a crisis in words" in words for words in heard(page, "assertive"))
    assert [words for words in heard(page, "polite") if "crisis in words" in words] == []
    expect(page.locator("html")).to_have_attribute("data-rang", re.compile("[2-9]"))
    assert page.locator(".row").first.get_attribute("id") == f"item-{urgent}", "the gravest first"
    assert tab.errors == []
    tab.close()


def test_an_item_that_climbs_is_rung_for_again(browser: Browser, server: InboxServer) -> None:
    item = raised(server, "T3")
    tab = server.open(browser)
    page = listening(tab)
    set_up(server, item, step=1)
    expect(page.locator("html")).to_have_attribute("data-rang", "1")
    set_up(server, item, step=-1, exhausted_at=server.clock(), climb_at=None)
    expect(page.locator("html")).to_have_attribute("data-rang", "2")
    expect(page.locator(f"#item-{item} .row-alarm")).to_be_visible()
    tab.close()


def test_an_urgent_item_rings_until_it_is_taken_and_muting_is_remembered(
    browser: Browser, server: InboxServer
) -> None:
    tab = server.open(browser)
    tab.page.clock.install()
    tab.page.reload()
    page = listening(tab)
    item = raised(server, "T1")
    page.clock.run_for(2_000)
    page.locator(f"#item-{item}").wait_for()
    expect(page.locator("html")).to_have_attribute("data-rang", re.compile("[1-9]"))
    before = rang(page)
    page.clock.run_for(31_000)
    expect(page.locator("html")).not_to_have_attribute("data-rang", str(before))
    page.locator("#sound").click()
    expect(page.locator("#sound")).to_have_attribute("data-state", "muted")
    before = rang(page)
    page.clock.run_for(61_000)
    assert rang(page) == before
    page.reload()
    expect(page.locator("#sound")).to_have_attribute("data-state", "muted")
    assert page.evaluate("Object.keys(localStorage)") == ["pne-inbox-muted"]
    tab.close()


def test_what_one_page_has_heard_the_next_page_of_the_tab_does_not_ring_for(
    browser: Browser, server: InboxServer
) -> None:
    raised(server, "T4")
    tab = server.open(browser)
    page = listening(tab)
    expect(page.locator("#nav-count")).to_have_text("1")
    page.locator("#nav_search").click()
    page.locator("#search-words").wait_for()
    page.evaluate(HEAR)
    expect(page.locator("#nav-count")).to_have_text("1")
    assert rang(page) == 0
    kept = page.evaluate("JSON.stringify(sessionStorage)")
    assert "numb" not in kept
    tab.close()


def test_a_desktop_notice_names_the_tier_and_nothing_else(browser: Browser, server: InboxServer) -> None:
    tab = server.open(browser)
    page = tab.page
    page.add_init_script(NOTICES)
    page.reload()
    item = raised(server, "T1", "words that nobody else may read")
    page.locator(f"#item-{item}").wait_for()
    assert page.evaluate("shownNotices") == [], "only for those who asked for them"
    page.locator("#notices").click()
    other = raised(server, "T0", "words that nobody else may read")
    page.locator(f"#item-{other}").wait_for()
    assert page.evaluate("shownNotices") == ["Crisis: new in the inbox"]
    page.locator("#notices").click()
    third = raised(server, "T0", "more")
    page.locator(f"#item-{third}").wait_for()
    assert len(page.evaluate("shownNotices")) == 1
    tab.close()


def test_the_clocks_run(browser: Browser, server: InboxServer) -> None:
    item = raised(server, "T1")
    tab = server.open(browser)
    tab.page.clock.install()
    tab.page.reload()
    until = tab.page.locator(f"#item-{item} .until")
    expect(until).to_have_text("9 min left to take it")
    tab.page.clock.run_for(180_000)
    expect(until).to_have_text("6 min left to take it")
    tab.page.clock.run_for(480_000)
    expect(until).to_have_text("The time to take it is over")
    tab.close()


def test_a_focus_stays_where_it_was_when_the_queue_changes(browser: Browser, server: InboxServer) -> None:
    item = raised(server, "T4")
    tab = server.open(browser)
    tab.page.locator(f"#take-{item}").focus()
    more = raised(server, "T0")
    tab.page.locator(f"#item-{more}").wait_for()
    expect(tab.page.locator(f"#take-{item}")).to_be_focused()
    tab.close()


# By keyboard


def test_keys_move_take_and_search(browser: Browser, server: InboxServer) -> None:
    first, second = raised(server, "T0"), raised(server, "T1")
    tab = server.open(browser)
    page = tab.page
    page.keyboard.press("t")
    assert page.url.endswith("/inbox"), "no row was chosen, so none is taken"
    page.keyboard.press("j")
    expect(page.locator(f"#open-{first}")).to_be_focused()
    page.keyboard.press("ArrowDown")
    expect(page.locator(f"#open-{second}")).to_be_focused()
    page.keyboard.press("k")
    expect(page.locator(f"#open-{first}")).to_be_focused()
    page.keyboard.press("?")
    expect(page.locator("#keys")).to_be_visible()
    page.keyboard.press("Escape")
    expect(page.locator(f"#open-{first}")).to_be_focused()
    page.keyboard.press("/")
    page.wait_for_url("**/inbox/search")
    page.locator("html.scripted").wait_for()
    page.keyboard.press("/")
    expect(page.locator("#search-words")).to_be_focused()
    page.keyboard.type("jkt?/")
    expect(page.locator("#search-words")).to_have_value("jkt?/")
    expect(page.locator("#keys")).to_be_hidden()
    page.goto(f"{server.url}/inbox")
    page.keyboard.press("j")
    page.keyboard.press("t")
    page.wait_for_url(f"**/inbox/{first}**")
    with server.db.read() as session:
        assert handoff_of(session, CLINIC, first).claimed_by is not None
        assert handoff_of(session, CLINIC, second).claimed_by is None
    tab.close()


def test_keys_can_be_switched_off(browser: Browser, server: InboxServer) -> None:
    item = raised(server)
    tab = server.open(browser)
    page = tab.page
    page.locator("#keys-open").click()
    page.locator("#keys-use").uncheck()
    page.keyboard.press("Escape")
    page.reload()
    for key in ("j", "/", "?", "t"):
        page.keyboard.press(key)
    assert page.url.endswith("/inbox")
    expect(page.locator(f"#open-{item}")).not_to_be_focused()
    expect(page.locator("#keys")).to_be_hidden()
    tab.close()


# Search and overview


def test_what_is_typed_is_searched_for(browser: Browser, server: InboxServer) -> None:
    item = raised(server, words="a zebrafish in my back")
    raised(server, words="another thing")
    tab = server.open(browser, path="/inbox/search")
    page = tab.page
    page.locator("#search-words").focus()
    page.keyboard.type("zebra")
    page.locator("#found").wait_for()
    assert [row.get_attribute("id") for row in page.locator(".row").all()] == [f"item-{item}"]
    expect(page.locator("#search-words")).to_be_focused()
    assert "zebra" not in page.url and all("zebra" not in url for url in tab.requested)
    assert any("1 item" in words for words in heard(page, "polite"))
    page.keyboard.type("xyz")
    expect(page.locator(".row")).to_have_count(0)
    assert tab.errors == []
    tab.close()


def test_everything_works_without_script(browser: Browser, server: InboxServer) -> None:
    item, notice = raised(server, words="a zebrafish in my back"), give_up(server)
    tab = server.open(browser, java_script_enabled=False, viewport=NARROW)
    page = tab.page
    assert page.locator("#alerts").is_hidden()
    page.goto(f"{server.url}/inbox/search")
    page.fill("#search-words", "zebra")
    page.locator("#search-form button").click()
    assert page.locator(f"#item-{item}").is_visible()
    page.goto(f"{server.url}/inbox/supervise")
    page.locator(f"#replay-{notice}").click()
    assert page.locator("#message").is_visible() and page.locator(f"#letter-{notice}").count() == 0
    page.goto(f"{server.url}/inbox?show=waiting")
    page.locator(f"#take-{item}").click()
    assert f"/inbox/{item}" in page.url
    tab.close()


def test_the_overview_is_live(browser: Browser, server: InboxServer) -> None:
    tab = server.open(browser, role="admin", path="/inbox/supervise")
    item = raised(server)
    tab.page.locator(f"#item-{item}").wait_for()
    notice = give_up(server)
    tab.page.locator(f"#replay-{notice}").click()
    expect(tab.page.locator("#message")).to_be_visible()
    assert tab.errors == []
    tab.close()


# The lock


def test_a_minute_before_the_lock_the_page_asks_who_is_there(browser: Browser, server: InboxServer) -> None:
    tab = server.open(browser)
    page = tab.page
    page.clock.install()
    page.reload()
    idle = int(page.locator("#main").get_attribute("data-idle-seconds") or 0)
    assert idle > 60
    page.clock.run_for((idle - 50) * 1000)
    expect(page.locator("#idle")).to_be_visible()
    with page.expect_response("**/inbox/stay") as answer:
        page.locator("#idle-stay").click()
    assert answer.value.status == 200
    expect(page.locator("#idle")).to_be_hidden()
    server.clock.ahead = timedelta(seconds=idle + 1)
    page.clock.run_for((idle + 60) * 1000)
    page.wait_for_url("**/inbox/lock**")
    tab.close()


# For everybody


def everything(server: InboxServer) -> None:
    """Items in every state that the queue and the overview show."""
    kim = add_person(server.db, "kim")
    ended, taken = raised(server, "T0"), raised(server, "T2", "held by kim")
    set_up(server, ended, exhausted_at=server.clock(), step=-1, climb_at=server.clock() + timedelta(hours=5))
    steps.claim(server.db, taken, kim, 1)
    aside = raised(server, "T3", "put aside for an hour")
    steps.claim(server.db, aside, kim, 1)
    steps.snooze(server.db, aside, kim, server.clock() + timedelta(hours=1))
    steps.close(server.db, raised(server, "T4", "x" * 300), kim, "answered")
    raised(server, "T1", "A very long message of somebody who has much to say. " * 8)
    give_up(server)
    with server.db.begin() as session:
        for beat in session.query(outbox.Heartbeat):
            beat.at -= timedelta(minutes=5)


@pytest.mark.parametrize("size", [DESKTOP, NARROW], ids=["1280", "320"])
@pytest.mark.parametrize("full", [True, False], ids=["full", "empty"])
def test_every_page_fits_and_axe_finds_nothing(
    browser: Browser, server: InboxServer, size: dict[str, int], full: bool
) -> None:
    if full:
        everything(server)
    tab = server.open(browser, viewport=size)
    page = tab.page
    for path in ("/inbox", "/inbox?show=aside", "/inbox/supervise", "/inbox/search", "/inbox/people"):
        page.goto(f"{server.url}{path}")  # the last one is not for this role: a page that says so
        if path == "/inbox/search":
            page.fill("#search-words", "a")
            page.locator("#found").wait_for()
            page.locator("summary").click()
        page.wait_for_timeout(200)
        assert tab.violations() == [], path
        assert tab.sideways() <= 0, path
        assert tab.small_targets() == [], path
    page.goto(f"{server.url}/inbox")
    page.locator("#keys-open").click()
    assert tab.violations() == [], "keys"
    tab.close()
