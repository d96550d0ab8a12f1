"""The auditor's page as people use it: both lights, the narrowest phone, keyboard, without JavaScript."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, expect
from sqlalchemy import text

from bot.handoff import steps
from bot.store import audit, audit_check
from tests.support import pages
from tests.support.database import CLINIC, new_conversation, raise_one
from tests.support.inbox_server import InboxServer, inbox_server

pytestmark = pytest.mark.browser
browser = pages.browser
PAGE = "/inbox/audit"
PHONE = {"width": 320, "height": 640}


@pytest.fixture
def server(tmp_path: Path) -> Iterator[InboxServer]:
    """A clinic with a few days' work behind it."""
    with inbox_server(tmp_path) as running:
        db, person = running.db, running.person(name="Dr Maximiliane Oberwaldstätten-Smith")
        items = [raise_one(db, new_conversation(db)).handoff_id for _ in range(3)]
        with db.begin() as session:
            audit.viewed(session, person, "inbox.queue", items, refresh=False)
        for item in items:
            steps.mark_seen(db, item, person)
            steps.claim(db, item, person, 1)
            steps.close(db, item, person, "true_red_flag")
        with db.begin() as session:
            audit.record(session, clinic=CLINIC, actor="someone-unknown", act="never.heard_of", subject="x" * 60)
        yield running


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_nothing_bars_anybody_and_it_fits(browser: Browser, server: InboxServer, scheme: str) -> None:
    for name, options in (("wide", {}), ("phone", {"viewport": PHONE, "has_touch": True, "is_mobile": True})):
        tab = server.open(browser, "auditor", PAGE, color_scheme=scheme, **options)
        tab.page.locator("tbody tr").first.wait_for()
        assert tab.violations() == []
        assert tab.sideways() <= 0
        assert tab.small_targets() == []
        tab.picture(f"audit-{name}-{scheme}")
        tab.page.click("#verify")
        tab.page.locator("#checked[role=status]").wait_for()
        assert tab.violations() == [] and tab.sideways() <= 0
        tab.picture(f"audit-checked-{name}-{scheme}")
        assert tab.errors == []
        tab.close()


def test_filters_checking_and_the_copy_work_without_script(browser: Browser, server: InboxServer) -> None:
    tab = server.open(browser, "auditor", PAGE, java_script_enabled=False)
    tab.page.select_option("#act", "handoff.closed")
    tab.page.locator(".audit-filter button").click()
    expect(tab.page.locator("tbody tr")).to_have_count(3)
    expect(tab.page.locator("#act")).to_have_value("handoff.closed")
    with tab.page.expect_download() as waiting:
        tab.page.locator("#download").click()
    assert audit_check.check_file(Path(waiting.value.path()))[0].fault is None
    tab.page.locator("#everything").click()
    tab.page.locator("#verify").click()
    expect(tab.page.locator("#checked")).not_to_have_attribute("data-fault", "changed")
    tab.close()


def test_a_broken_audit_is_said_loudly(browser: Browser, server: InboxServer) -> None:
    with server.db.engine.begin() as connection:
        connection.execute(text("DROP TRIGGER audit_no_update"))
        connection.execute(text("UPDATE audit SET actor = 'nobody' WHERE seq = 2"))
    tab = server.open(browser, "auditor", PAGE)
    tab.page.locator("#verify").focus()
    tab.page.keyboard.press("Enter")
    expect(tab.page.locator("#checked[role=alert]")).to_have_attribute("data-fault", "changed")
    assert tab.violations() == []
    tab.close()


def test_nothing_found_is_said(browser: Browser, server: InboxServer) -> None:
    for query, marked in (("?item=none", ".empty"), ("?day=tomorrow", "#day-wrong")):
        tab = server.open(browser, "auditor", f"{PAGE}{query}", viewport=PHONE)
        expect(tab.page.locator(marked)).to_be_visible()
        assert tab.violations() == [] and tab.sideways() <= 0
        tab.close()
