"""The reports page as people use it: both lights, the narrowest phone, keyboard, without JavaScript, on paper."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import datetime, timedelta, timezone
from pathlib import Path

import pytest
from playwright.sync_api import Browser, expect

from tests.support import pages
from tests.support.inbox_server import InboxServer, inbox_server
from tests.support.year import Year, fill

pytestmark = pytest.mark.browser
browser = pages.browser
PAGE = "/inbox/reports"
PHONE = {"width": 320, "height": 640}


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[InboxServer]:
    """A clinic that has been at work for a year until now."""
    with inbox_server(tmp_path_factory.mktemp("reports")) as running:
        first = datetime.now(timezone.utc) - timedelta(days=370)
        fill(running.db, Year(people=600, first=first))
        yield running


@pytest.fixture(scope="module")
def a_whole_quarter(server: InboxServer) -> str:
    before = datetime.now(timezone.utc) - timedelta(days=95)
    return f"{before.year}-Q{(before.month + 2) // 3}"


def test_nothing_bars_anybody_and_it_fits(browser: Browser, server: InboxServer, a_whole_quarter: str) -> None:
    for options in ({}, {"viewport": PHONE, "has_touch": True, "is_mobile": True}):
        tab = server.open(browser, "auditor", f"{PAGE}?quarter={a_whole_quarter}", **options)
        tab.page.locator("table").first.wait_for()
        assert tab.violations() == []
        assert tab.sideways() <= 0
        assert tab.small_targets() == []
        assert tab.errors == []
        tab.close()


def test_the_page_of_a_clinic_without_anybody(browser: Browser, tmp_path: Path) -> None:
    with inbox_server(tmp_path) as empty:
        tab = empty.open(browser, "auditor", PAGE, viewport=PHONE)
        expect(tab.page.locator(".empty")).to_be_visible()
        assert tab.violations() == [] and tab.errors == []
        tab.close()


def test_a_quarter_is_chosen_without_script(browser: Browser, server: InboxServer, a_whole_quarter: str) -> None:
    tab = server.open(browser, "clinician", PAGE, java_script_enabled=False)
    tab.page.select_option("#quarter", a_whole_quarter)
    tab.page.locator(".report-choice button").click()
    tab.page.wait_for_url(f"**{PAGE}?quarter={a_whole_quarter}")
    expect(tab.page.locator("#quarter")).to_have_value(a_whole_quarter)
    with tab.page.expect_download() as waiting:
        tab.page.locator("a[href$='format=json']").click()
    saved = json.loads(Path(waiting.value.path()).read_text())
    assert waiting.value.suggested_filename == f"pain-tutor-demo-{a_whole_quarter}.json"
    assert saved["clinic"] == "demo" and saved["escalations"]["ends"]["rows"]
    tab.close()


def test_a_wide_table_is_moved_by_keyboard(browser: Browser, server: InboxServer, a_whole_quarter: str) -> None:
    tab = server.open(browser, "clinician", f"{PAGE}?quarter={a_whole_quarter}", viewport=PHONE)
    wide = tab.page.locator(".report-scroll").first
    wide.focus()
    tab.page.keyboard.press("ArrowRight")
    tab.page.wait_for_function("() => document.querySelector('.report-scroll').scrollLeft > 0")
    tab.close()


def test_every_chart_stands_beside_its_words_and_its_table(
    browser: Browser, server: InboxServer, a_whole_quarter: str
) -> None:
    tab = server.open(browser, "clinician", f"{PAGE}?quarter={a_whole_quarter}")
    charts = tab.page.locator("figure.report-chart")
    assert charts.count() >= 1
    for place in range(charts.count()):
        chart = charts.nth(place)
        assert chart.locator("svg[aria-hidden='true'] rect").count() >= 13
        assert chart.locator("figcaption").inner_text().strip()
        assert chart.evaluate("node => node.nextElementSibling.querySelector('table') !== null")
    tab.close()


def test_on_paper_there_are_only_figures(browser: Browser, server: InboxServer, a_whole_quarter: str) -> None:
    tab = server.open(browser, "clinician", f"{PAGE}?quarter={a_whole_quarter}")
    tab.page.emulate_media(media="print")
    for away in (".report-choice", ".report-files", ".report-contents"):
        expect(tab.page.locator(away)).to_be_hidden()
    expect(tab.page.locator("table").first).to_be_visible()
    assert len(tab.page.pdf()) > 10_000
    tab.close()
