"""What the chat costs: bytes on the way, the time to the first notice on a slow phone, nothing of its host's page."""

from __future__ import annotations

import statistics
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser, expect

from bot.cli_embed import loader_tag
from bot.web.assets import CHAT, FIRST, LATER, LOADER, load_assets
from tests.support import pages
from tests.support.host_page import running_site
from tests.support.pages import DESKTOP, PHONE, open_tab
from tests.support.widget import WidgetServer, embedded_at, running_widget

pytestmark = pytest.mark.browser
browser = pages.browser

FAST_3G = {
    "offline": False,
    "latency": 150,
    "downloadThroughput": 1_600_000 / 8,
    "uploadThroughput": 750_000 / 8,
}
RUNS = 5
# The aim is 1,000 ms. Tests share their machine with others.
MOST_MS = 1500
# The time at which a patient can read the notice, from the beginning of the page's loading.
READABLE = """
window.readableAt = 0;
if (location.pathname.startsWith("/chat/")) {
  const look = () => {
    const notice = document.querySelector("pne-chat")?.shadowRoot?.querySelector(".kind-consent .choice");
    if (notice?.checkVisibility()) requestAnimationFrame(() => (readableAt = performance.now()));
    else requestAnimationFrame(look);
  };
  look();
}
"""
LOADED = """[...performance.getEntriesByType("navigation"), ...performance.getEntriesByType("resource")].map(
  ({ name, startTime, responseEnd, transferSize }) =>
    [name.replace(location.origin, ""), Math.round(startTime), Math.round(responseEnd), transferSize])
"""
SHIFTS = """
window.shifts = [];
new PerformanceObserver((list) => shifts.push(...list.getEntries().map(({ value }) => value)))
  .observe({ type: "layout-shift", buffered: true });
"""


@pytest.fixture(scope="module")
def chat(tmp_path_factory: pytest.TempPathFactory) -> Iterator[WidgetServer]:
    with running_widget(tmp_path_factory.mktemp("budgets")) as made:
        yield made


def test_bytes_on_the_way() -> None:
    sizes = {plain: len(made.packed) for plain, made in load_assets().items()}
    print(sizes)
    most = {CHAT: 30_000, LOADER: 3_000, FIRST: 2_000, **{f"pne-{part}.js": 12_000 for part in LATER}}
    assert {plain: size for plain, size in sizes.items() if size > most.get(plain, 6_000)} == {}


def first_open(browser: Browser, chat: WidgetServer) -> tuple[float, list[Any]]:
    """Milliseconds until the notice can be read, with nothing in the browser's cache; and what was loaded when."""
    tab = open_tab(browser, "about:blank", viewport=PHONE)
    tab.page.add_init_script(READABLE)
    line = tab.page.context.new_cdp_session(tab.page)
    line.send("Network.enable")
    line.send("Network.setCacheDisabled", {"cacheDisabled": True})
    line.send("Network.emulateNetworkConditions", FAST_3G)
    tab.page.goto(f"{chat.url}/chat/demo", wait_until="commit")
    while not tab.page.evaluate("window.readableAt"):
        tab.page.wait_for_timeout(50)
    loaded = tab.page.evaluate(LOADED)
    at = float(tab.page.evaluate("readableAt"))
    tab.close()
    return at, loaded


def test_the_first_open_on_a_slow_line(browser: Browser, chat: WidgetServer) -> None:
    times, loaded = zip(*(first_open(browser, chat) for _ in range(RUNS)), strict=True)
    median = statistics.median(times)
    print(f"first open on fast 3G: median {median:.0f} ms of {[round(one) for one in times]}")
    for entry in loaded[times.index(median)]:
        print("  {:60} from {:5} to {:5} ms, {:6} bytes".format(*entry))
    assert median <= MOST_MS


@pytest.mark.parametrize("viewport", [DESKTOP, PHONE])
def test_the_host_page_does_not_move(browser: Browser, tmp_path: Path, viewport: dict[str, int]) -> None:
    with running_site() as site, running_widget(tmp_path, embedding=embedded_at(site.origin)) as chat:
        tab = open_tab(browser, "about:blank", viewport=viewport)
        page = tab.page
        page.add_init_script(SHIFTS)
        words = "<h1>Clinic</h1>" + "<p>A paragraph of the page.</p>" * 60
        page.goto(site.put("/", words + loader_tag("demo", chat.url)))
        page.evaluate("scrollTo(0, 300)")
        button = page.locator("pne-launcher button[aria-expanded]")
        for _ in range(2):
            button.click()
            page.frame_locator("pne-launcher iframe").locator(".kind-consent .choice").wait_for()
            page.frame_locator("pne-launcher iframe").locator("#close").click()
            expect(button).to_have_attribute("aria-expanded", "false")
        # By programs too, when no touch of the person excuses a shift.
        for call in ("open", "close", "open", "close"):
            page.evaluate(f"PneChat.{call}()")
            page.evaluate("new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(done)))")
        assert page.evaluate("shifts") == [] and page.evaluate("scrollY") == 300
        tab.close()
