"""The clinic's own page as an admin sees and uses it: without faults for axe, on a phone, by keyboard, without scripts;
and the clinic's looks in the chat."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser, expect

from bot.content.branding import read_colours, read_logo
from bot.web.inbox.clinic_view import SECTIONS
from tests.support import pages
from tests.support.inbox_server import InboxServer, inbox_server
from tests.support.pages import DESKTOP, Tab, open_tab
from tests.unit.test_branding import png

pytestmark = pytest.mark.browser
browser = pages.browser

NARROW = {"width": 320, "height": 720}
PARTS = {"numbers": "crisis", "replies": "hello"}
TEAL, PLUM = "#12575a", "#7a2a63"
# Lets the page say where it is wider than the screen.
WIDER = "document.documentElement.scrollWidth - document.documentElement.clientWidth"
SMALL = """[...document.querySelectorAll("main :is(a, button, select, input:not([type=hidden]), textarea)")]
  .map((one) => [one.closest("label")?.getBoundingClientRect() ?? one.getBoundingClientRect(), one])
  .filter(([box, one]) => !one.closest(".message li") && box.height && (box.height < 43.5 || box.width < 43.5))
  .map(([box, one]) => one.outerHTML.slice(0, 80))"""


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[InboxServer]:
    with inbox_server(tmp_path_factory.mktemp("clinic")) as running:
        yield running


@pytest.fixture(scope="module")
def admin(browser: Browser, server: InboxServer) -> Iterator[Tab]:
    tab = server.open(browser, "admin", "/inbox/clinic", viewport=DESKTOP)
    yield tab
    tab.page.context.close()


def every_page() -> list[str]:
    forms = [f"/inbox/clinic/{name}{f'?part={PARTS[name]}' if name in PARTS else ''}" for name in SECTIONS]
    return ["/inbox/clinic", "/inbox/clinic/numbers", "/inbox/clinic/replies", *forms]


@pytest.mark.parametrize("path", every_page())
@pytest.mark.parametrize("viewport", [NARROW, DESKTOP], ids=["narrow", "wide"])
def test_every_page_is_without_faults(admin: Tab, server: InboxServer, path: str, viewport: Any) -> None:
    admin.page.set_viewport_size(viewport)
    admin.page.goto(f"{server.url}{path}")
    admin.picture(f"clinic{re.sub('[^a-z]+', '-', path.removeprefix('/inbox/clinic'))}-{viewport['width']}")
    assert admin.violations() == []
    assert admin.page.evaluate(WIDER) <= 0
    assert admin.page.evaluate(SMALL) == []


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_a_refused_form_and_a_preview_are_without_faults(admin: Tab, server: InboxServer, scheme: Any) -> None:
    admin.page.set_viewport_size(NARROW)
    admin.page.emulate_media(color_scheme=scheme)
    admin.page.goto(f"{server.url}/inbox/clinic/phone")
    admin.page.fill("#phone", "020 7946 0999")
    admin.page.fill("#phone_again", "020 7946 0998")
    admin.page.press("#phone_again", "Enter")
    expect(admin.page.get_by_role("alert")).to_be_visible()
    expect(admin.page.locator("#phone")).to_have_value("020 7946 0999")
    expect(admin.page.locator("#phone_again")).to_have_attribute("aria-invalid", "true")
    admin.picture(f"clinic-refused-{scheme}")
    assert admin.violations() == [] and admin.page.evaluate(WIDER) <= 0
    admin.page.fill("#phone_again", "020 7946 0999")
    admin.page.click("button[value=preview]")
    expect(admin.page.locator(".preview")).to_contain_text("020 7946 0999")
    admin.page.emulate_media(color_scheme=scheme)
    admin.picture(f"clinic-preview-{scheme}")
    assert admin.violations() == [] and admin.page.evaluate(WIDER) <= 0
    assert server.services.clinic("demo").phone != "020 7946 0999"


def test_a_change_is_made_by_keyboard_without_scripts(browser: Browser, server: InboxServer) -> None:
    tab = server.open(browser, "admin", "/inbox/clinic", viewport=NARROW, java_script_enabled=False)
    tab.page.locator("#name").get_by_role("link").focus()
    tab.page.keyboard.press("Enter")
    field = tab.page.locator("#name")
    field.focus()
    tab.page.keyboard.press("Control+A")
    tab.page.keyboard.type("The North Street Clinic")
    tab.page.keyboard.press("Enter")
    expect(tab.page.get_by_role("status").first).to_be_visible()
    expect(tab.page.locator("#name")).to_contain_text("The North Street Clinic")
    assert server.services.clinic("demo").name == "The North Street Clinic"
    tab.page.context.close()


def test_a_logo_and_a_colour_are_seen_in_the_inbox(admin: Tab, server: InboxServer, tmp_path: Path) -> None:
    picture = tmp_path / "logo.png"
    picture.write_bytes(png(40, 40))
    admin.errors.clear()
    admin.page.emulate_media(color_scheme="light")
    admin.page.goto(f"{server.url}/inbox/clinic/logo")
    admin.page.set_input_files("#logo", picture)
    admin.page.locator(".clinic-form .main-act").click()
    expect(admin.page.locator(".bar img")).to_have_attribute("src", re.compile("/w/clinics/demo/logo-"))
    assert admin.page.locator(".own-logo").evaluate("image => image.complete && image.naturalWidth") == 40
    admin.page.goto(f"{server.url}/inbox/clinic/colour")
    admin.page.fill("#accent", PLUM)
    admin.page.press("#accent", "Enter")
    expect(admin.page.get_by_role("status").first).to_be_visible()
    assert admin.page.evaluate("getComputedStyle(document.body).getPropertyValue('--accent')") == PLUM
    assert admin.violations() == [] and admin.errors == []


def test_the_chat_has_the_clinics_colour_and_logo(browser: Browser, tmp_path: Path) -> None:
    """Within the chat's own policy: no style sheet is loaded, nothing is written into the page's styles."""
    logo, colours = read_logo(png(40, 40)), read_colours({"accent": PLUM})
    with inbox_server(tmp_path, colours=colours, logo=logo) as server:
        tab = open_tab(browser, f"{server.url}/chat/demo")
        tab.page.locator(".logo").wait_for()
        assert tab.page.locator(".logo").evaluate("image => image.decode().then(() => image.naturalWidth)") == 40
        accent = "getComputedStyle(document.querySelector('pne-chat').shadowRoot.querySelector('#app'))"
        assert tab.page.evaluate(f"{accent}.getPropertyValue('--accent')") == PLUM
        tab.page.emulate_media(color_scheme="dark")
        assert tab.page.evaluate(f"{accent}.getPropertyValue('--accent')") not in (PLUM, TEAL)
        assert tab.violations() == [] and tab.errors == []
        tab.page.context.close()
