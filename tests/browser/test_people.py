"""Signing in, the lock, one's own account and the people page, as people use them: in a real browser."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
from playwright.sync_api import Browser, expect

from bot.store.models import Clinician
from bot.web.people import auth, second_factor, staff
from tests.support import pages
from tests.support.database import CLINIC, PATIENT_WORDS, new_conversation, raise_one
from tests.support.inbox_server import InboxServer, inbox_server
from tests.support.pages import DESKTOP, Tab, open_tab
from tests.support.people import NEW_PASSWORD

pytestmark = pytest.mark.browser
browser = pages.browser

NARROW = {"width": 320, "height": 720}
PASSWORD = "a good long password"


@pytest.fixture
def server(tmp_path: Any) -> Iterator[InboxServer]:
    with inbox_server(tmp_path) as running:
        running.services.settings = replace(running.services.settings, second_factor="required")
        yield running


def somebody(server: InboxServer, role: str = "triage") -> Clinician:
    """A person who can sign in with PASSWORD."""
    person = server.person(role)
    with server.db.begin() as session:
        session.get(Clinician, person.id).password_hash = auth.hash_password(PASSWORD)
    return person


def looks_right(tab: Tab, name: str) -> None:
    """Nothing for axe in the light or the dark, nothing too small or too wide, on a phone and on a desk."""
    for size in (NARROW, DESKTOP):
        tab.page.set_viewport_size(size)  # type: ignore[arg-type]
        tab.picture(f"people-{name}-{size['width']}")
        assert tab.violations() == [], name
        assert tab.sideways() <= 0, name
        assert tab.small_targets() == [], name
    tab.page.emulate_media(color_scheme="dark")
    tab.picture(f"people-{name}-dark")
    tab.page.emulate_media(color_scheme="light")


def sign_in(tab: Tab, email: str, password: str = PASSWORD) -> None:
    tab.page.fill("#email", email)
    tab.page.fill("#password", password)
    tab.page.press("#password", "Enter")


def app_code(tab: Tab, server: InboxServer) -> tuple[str, str]:
    """The secret that the page shows, and the code that an app makes of it now."""
    if not tab.page.locator(".factor-secret").is_visible():
        tab.page.click("summary")
    secret = tab.page.locator(".factor-secret").inner_text().replace(" ", "")
    return secret, second_factor.code_at(secret, second_factor.step_of(server.clock()))


@pytest.mark.parametrize("script", [True, False], ids=["script", "plain"])
def test_from_the_invitation_to_the_inbox(browser: Browser, server: InboxServer, script: bool) -> None:
    made, token = staff.add(server.db, CLINIC, "new@demo.invalid", "Dr New", "triage", "system")
    tab = open_tab(browser, f"{server.url}/inbox/invitation/{token}", java_script_enabled=script)
    if script:
        looks_right(tab, "invitation")
    tab.page.fill("#password", NEW_PASSWORD)
    tab.page.fill("#again", NEW_PASSWORD + "x")
    tab.page.press("#again", "Enter")
    expect(tab.page.locator("#message[role=alert]")).to_be_visible()
    tab.page.fill("#password", NEW_PASSWORD)
    tab.page.fill("#again", NEW_PASSWORD)
    tab.page.press("#again", "Enter")
    expect(tab.page.locator("#message[role=status]")).to_be_visible()
    if script:
        looks_right(tab, "sign-in")
    sign_in(tab, "new@demo.invalid", "wrong")
    expect(tab.page.locator("#message[role=alert]")).to_be_visible()
    sign_in(tab, "new@demo.invalid", NEW_PASSWORD)
    tab.page.locator(".qr").wait_for()
    if script:
        tab.page.click("summary")
        looks_right(tab, "set-up")
        assert tab.page.evaluate("document.querySelector('.qr').naturalWidth") > 0
    secret, code = app_code(tab, server)
    tab.page.fill("#code", code)
    tab.page.press("#code", "Enter")
    expect(tab.page.locator("#recovery li")).to_have_count(10)
    recovery = tab.page.locator("#recovery li").first.inner_text()
    if script:
        looks_right(tab, "recovery")
    tab.page.click("main a.main-act")
    tab.page.locator("#queue").wait_for()
    tab.page.locator("form[action='/inbox/sign-out'] button").click()
    sign_in(tab, "new@demo.invalid", NEW_PASSWORD)
    tab.page.locator("#code").wait_for()
    if script:
        looks_right(tab, "code")
    tab.page.fill("#code", recovery)
    tab.page.press("#code", "Enter")
    tab.page.locator("#queue").wait_for()
    assert [error for error in tab.errors if "status of 4" not in error] == []
    assert made.id and secret
    tab.close()


def test_ones_own_account(browser: Browser, server: InboxServer) -> None:
    server.services.settings = replace(server.services.settings, second_factor="optional")
    person = somebody(server)
    for _ in range(2):
        server.enter(person)
    tab = open_tab(browser, f"{server.url}/inbox/sign-in?next=/inbox/me")
    sign_in(tab, person.email)
    expect(tab.page.locator("#sessions > li")).to_have_count(3)
    looks_right(tab, "account")
    tab.page.locator("#sessions button").first.click()
    expect(tab.page.locator("#sessions > li")).to_have_count(2)
    tab.page.fill("#factor-password", PASSWORD)
    tab.page.press("#factor-password", "Enter")
    tab.page.locator(".qr").wait_for()
    looks_right(tab, "account-set-up")
    _secret, code = app_code(tab, server)
    tab.page.fill("#code", code)
    tab.page.press("#code", "Enter")
    expect(tab.page.locator("#recovery li")).to_have_count(10)
    tab.page.click("main a.main-act")
    expect(tab.page.locator("button[formaction='/inbox/me/recovery']")).to_be_visible()
    looks_right(tab, "account-with-app")
    assert tab.errors == []
    tab.close()


def test_an_admin_looks_after_the_people(browser: Browser, server: InboxServer) -> None:
    server.services.settings = replace(server.services.settings, second_factor="optional")
    other, gone = somebody(server, "clinician"), somebody(server)
    with server.db.begin() as session:
        found = session.get(Clinician, other.id)
        found.totp_secret, found.locked_until = "sealed", server.clock() + timedelta(minutes=9)
    staff.disable(server.db, CLINIC, gone.id, "system")
    tab = server.open(browser, "admin", "/inbox/people")
    looks_right(tab, "list")
    tab.page.fill("#name", "Dr New")
    tab.page.fill("#email", "new@demo.invalid")
    tab.page.select_option("#role", "triage")
    tab.page.press("#email", "Enter")
    expect(tab.page.locator("#invitation-link")).to_have_value(f"{server.url}/inbox/invitation/" + _tail(tab))
    looks_right(tab, "invited")
    for person, acts in ((other, 5), (gone, 1)):
        tab.page.goto(f"{server.url}/inbox/people/{person.id}")
        looks_right(tab, f"person-{acts}")
        expect(tab.page.locator(".person-acts form")).to_have_count(acts - (1 if person is other else 0))
    assert tab.errors == []
    tab.close()


def _tail(tab: Tab) -> str:
    return tab.page.locator("#invitation-link").input_value().rsplit("/", 1)[1]


def test_a_locked_wall_display_goes_on_counting_and_opens_where_it_was(
    browser: Browser, server: InboxServer
) -> None:
    server.services.settings = replace(server.services.settings, second_factor="optional")
    person = somebody(server)
    tab = open_tab(browser, f"{server.url}/inbox/sign-in")
    sign_in(tab, person.email)
    tab.page.locator("#queue").wait_for()
    raise_one(server.db, new_conversation(server.db))
    tab.page.locator(".row").first.wait_for()
    server.clock.ahead = timedelta(minutes=16)
    tab.page.locator("form[action='/inbox/lock']").wait_for()  # by itself: the stream says so
    assert PATIENT_WORDS not in tab.page.content()
    expect(tab.page.locator(".lock-number")).to_have_text(["1"])
    raise_one(server.db, new_conversation(server.db), tier="T0", category="RF13")
    expect(tab.page.locator(".lock-number")).to_have_text(["1", "1"])
    expect(tab.page.locator("#sound")).to_be_visible()
    assert tab.page.title().startswith("(2)")
    looks_right(tab, "lock")
    tab.page.fill("#password", "wrong")
    tab.page.press("#password", "Enter")
    expect(tab.page.locator("#message[role=alert]")).to_be_visible()
    tab.page.fill("#password", PASSWORD)
    tab.page.press("#password", "Enter")
    tab.page.locator("#queue").wait_for()
    expect(tab.page.locator(".row")).to_have_count(2)
    tab.close()


def test_a_reply_that_meets_the_lock_is_not_lost(browser: Browser, server: InboxServer) -> None:
    """Without script: the plainest browser, and the longest way round."""
    server.services.settings = replace(server.services.settings, second_factor="optional")
    person = somebody(server)
    item = raise_one(server.db, new_conversation(server.db)).handoff_id
    tab = open_tab(browser, f"{server.url}/inbox/{item}", java_script_enabled=False)
    sign_in(tab, person.email)
    tab.page.locator("form[action$='/claim'] button").first.click()
    tab.page.fill("#reply", "Please call 999 now.\nI stay here.")
    server.clock.ahead = timedelta(minutes=16)
    tab.page.locator("#reply-form button[type=submit]").first.click()
    tab.page.locator("form[action='/inbox/lock']").wait_for()
    assert "Please call 999" not in tab.page.locator("main").inner_text()
    tab.picture("people-lock-kept")
    tab.page.fill("#password", PASSWORD)
    tab.page.press("#password", "Enter")
    expect(tab.page.locator("#kept-text")).to_have_value("Please call 999 now.\nI stay here.")
    tab.picture("people-kept")
    tab.page.locator("main form button").click()
    expect(tab.page.locator(".entry-clinician")).to_contain_text("Please call 999 now.")
    tab.close()


def test_a_draft_that_meets_the_lock_is_all_that_stays_on_the_screen(browser: Browser, server: InboxServer) -> None:
    server.services.settings = replace(server.services.settings, second_factor="optional")
    person = somebody(server)
    item = raise_one(server.db, new_conversation(server.db)).handoff_id
    tab = open_tab(browser, f"{server.url}/inbox/{item}")
    sign_in(tab, person.email)
    tab.page.locator("form[action$='/claim'] button").first.click()
    tab.page.fill("#reply", "Please call 999 now.")
    assert PATIENT_WORDS in tab.page.locator("body").inner_text()
    server.clock.ahead = timedelta(minutes=16)
    expect(tab.page.locator("#reply-state")).to_be_visible()  # by itself: the stream says so
    expect(tab.page.locator("#reply")).to_be_visible()
    expect(tab.page.locator("#reply")).to_be_in_viewport()
    assert PATIENT_WORDS not in tab.page.locator("body").inner_text()
    assert tab.page.locator("#transcript, .words, header, #nav_queue").filter(visible=True).count() == 0
    looks_right(tab, "draft-at-lock")
    other = tab.page.context.new_page()  # unlocked in another tab: the page is there again
    other.goto(f"{server.url}/inbox/lock")
    other.fill("#password", PASSWORD)
    other.press("#password", "Enter")
    other.locator("#queue").wait_for()
    tab.page.press("#reply", "Control+Enter")
    expect(tab.page.locator(".entry-clinician")).to_contain_text("Please call 999 now.")
    expect(tab.page.locator("header").first).to_be_visible()
    tab.close()


def test_the_copy_for_the_printer_goes_when_the_time_is_up(browser: Browser, server: InboxServer) -> None:
    item = raise_one(server.db, new_conversation(server.db)).handoff_id
    tab = server.open(browser, "triage", "/inbox")
    tab.page.clock.install()
    tab.page.goto(f"{server.url}/inbox/{item}/print")
    assert PATIENT_WORDS in tab.page.content()
    server.clock.ahead = timedelta(minutes=16)
    tab.page.clock.run_for(16 * 60_000)
    tab.page.wait_for_url(f"**/inbox/lock?next=%2Finbox%2F{item}")
    assert PATIENT_WORDS not in tab.page.content()
    tab.close()


def test_two_open_pages_do_not_keep_each_other_from_the_lock(browser: Browser, server: InboxServer) -> None:
    """A page whose time is up looks whether it is locked. Looking is no use."""
    tab = server.open(browser, "admin", "/inbox/people")
    tab.page.clock.install()
    tab.page.reload()
    idle = int(tab.page.locator("#main").get_attribute("data-idle-seconds") or 0)
    server.clock.ahead = timedelta(seconds=idle - 40)  # another page of theirs was used a little later than this one
    tab.page.clock.run_for((idle + 5) * 1000)
    tab.page.wait_for_url("**/inbox/people?still=1")
    expect(tab.page.locator("#idle")).to_be_visible()
    server.clock.ahead = timedelta(seconds=idle + 5)
    tab.page.clock.run_for(70_000)
    tab.page.wait_for_url("**/inbox/lock?next=%2Finbox%2Fpeople")
    tab.close()
