"""The clinic's own page: what an admin changes holds at once, what is wrong comes back, and nobody else gets in."""

from __future__ import annotations

import base64
import re
from dataclasses import replace
from typing import Any

import pytest
from starlette.testclient import TestClient

from bot.content.clinics import load_clinics
from bot.content.hours import DAYS
from bot.store import audit
from bot.store.session import Database
from bot.web.inbox.clinic_view import SECTIONS
from bot.web.services import Services
from tests.support import inbox
from tests.support.clinic_page import fields_of, kept, saved, send
from tests.support.database import CLINIC, HandClock
from tests.support.inbox import OTHER_CLINIC, hidden
from tests.unit.test_branding import png

quick, services = inbox.quick, inbox.services
open_page, at_inbox = inbox.open_page, inbox.at_inbox

DEMO = load_clinics()["demo"]


@pytest.fixture
def admin(at_inbox: Any) -> TestClient:
    made: TestClient = at_inbox("ada", role="admin")
    return made


def test_the_page_shows_every_section_and_says_where_it_comes_from(admin: TestClient) -> None:
    page = admin.get("/inbox/clinic")
    assert page.status_code == 200
    for name in SECTIONS:
        assert f'id="{name}"' in page.text and f'href="/inbox/clinic/{name}"' in page.text
    assert "team@example.org" in page.text and DEMO.phone in page.text
    assert page.headers["cache-control"] == "no-store"


@pytest.mark.parametrize("name", SECTIONS)
def test_a_form_that_is_sent_as_it_came_changes_nothing(admin: TestClient, db: Database, name: str) -> None:
    """What the page shows can be read back: no hour, contact, line or reply is lost on the way."""
    part = {"numbers": "crisis", "replies": "hello"}.get(name, "")
    again = {"phone_again": DEMO.phone} if name == "phone" else {}
    if name == "logo":
        again = {"logo": base64.b64encode(png()).decode()}
    if name == "colour":
        again = {"accent": "#12575a"}
    answer = send(admin, name, part, **again)
    assert saved(answer, name), answer.text
    assert set(kept(db)) == ({SECTIONS[name].keys[0]} if name in ("logo", "colour") else set())


# --- what is changed holds ---


def test_a_new_phone_number_is_told_at_once_and_is_in_the_audit(
    admin: TestClient, services: Services, db: Database
) -> None:
    assert saved(send(admin, "phone", phone="020 7946 0999", phone_again="02079460999"), "phone")
    assert services.clinic(CLINIC).numbers["clinic_phone"] == "020 7946 0999"
    assert services.clinic(OTHER_CLINIC).phone == DEMO.phone
    page = admin.get("/inbox/clinic?saved=phone").text
    assert "Dr ada" in page and 'role="status"' in page
    with db.read() as session:
        (row,) = [one for one in audit.trail(session, CLINIC, CLINIC) if one.act == "clinic.changed"]
    assert row.details == {"part": "phone", "before": DEMO.phone, "after": "020 7946 0999"}


def test_new_hours_hold_with_closed_days_and_zone(admin: TestClient, services: Services) -> None:
    answer = send(
        admin,
        "hours",
        monday="8:30 - 12.00, 13:00–24:00",
        sunday="",
        closed_on="25/12/2031\n2031-12-26",
        time_zone="Australia/Lord_Howe",
    )
    assert saved(answer, "hours")
    about = services.clinic(CLINIC).about
    assert about["hours"]["monday"] == [["08:30", "12:00"], ["13:00", "24:00"]]
    assert about["closed_on"] == ["2031-12-25", "2031-12-26"]
    assert services.clinic(CLINIC).hours.zone.key == "Australia/Lord_Howe"


def test_own_lines_are_what_patients_are_told_to_call(admin: TestClient, services: Services) -> None:
    new = {"l0_label": "our nurse line on 020 7946 0199", "l0_value": "020 7946 0199", "l0_again": "020 7946 0199"}
    assert saved(send(admin, "numbers", "urgent", **new), "numbers")
    clinic = services.clinic(CLINIC)
    assert clinic.numbers["urgent_line"] == "our nurse line on 020 7946 0199"
    assert clinic.page_numbers()["urgent"]["tel"] == "020 7946 0199"
    assert clinic.calls["crisis"] == DEMO.calls["crisis"]


def test_a_patient_sees_a_new_number_before_it_is_saved(admin: TestClient, db: Database) -> None:
    new = {"l0_label": "our nurse line on 020 7946 0199", "l0_value": "020 7946 0199", "l0_again": "020 7946 0199"}
    shown = send(admin, "numbers", "urgent", **new, act="preview")
    assert shown.status_code == 200 and kept(db) == {}
    preview = shown.text[shown.text.index('id="preview-title"') : shown.text.index("clinic-form")]
    assert "our nurse line on 020 7946 0199" in preview and "<a " not in preview
    assert fields_of(shown.text)["l0_again"] == "020 7946 0199"  # what was typed is still there


def test_contacts_chain_and_times_are_changed_and_can_be_taken_back(admin: TestClient, services: Services) -> None:
    answer = send(admin, "contacts", c3_name="The night team", c3_to="night@example.org; pager@example.org")
    assert saved(answer, "contacts")
    clinic = services.clinic(CLINIC)
    assert clinic.chain.contacts["the_night_team"].to == ("night@example.org", "pager@example.org")
    assert saved(send(admin, "chain", s1_to_the_night_team="on", s1_when="closed", s2_to_lead=None), "chain")
    clinic = services.clinic(CLINIC)
    assert [[one.id for one in step.contacts] for step in clinic.chain.steps] == [
        ["team"],
        ["lead", "the_night_team"],
        ["manager"],
    ]
    assert clinic.chain.steps[1].when == "closed"
    assert saved(send(admin, "limits", T0="3", T3_open=None), "limits")
    limits = services.clinic(CLINIC).chain.limits
    assert limits["T0"].minutes == 3 and not limits["T3"].open_hours and limits["T4"].open_hours
    page = admin.get("/inbox/clinic/limits").text
    back = {"csrf": hidden(page, "csrf"), "seen": hidden(page, "seen")}
    assert saved(admin.post("/inbox/clinic/limits/file", data=back), "limits")
    assert services.clinic(CLINIC).chain == DEMO.chain


def test_a_contact_is_taken_out_only_once_nobody_of_the_chain_needs_it(admin: TestClient, services: Services) -> None:
    empty = {"c2_name": "", "c2_to": ""}
    refused = send(admin, "contacts", **empty)
    assert refused.status_code == 422 and "c2_name-wrong" in refused.text
    assert saved(send(admin, "chain", s2_to_manager=None), "chain")
    assert saved(send(admin, "contacts", **empty), "contacts")
    assert list(services.clinic(CLINIC).chain.contacts) == ["team", "lead"]


def test_languages_retention_and_channels(admin: TestClient, services: Services) -> None:
    assert saved(send(admin, "languages", language_ar=None, first="es"), "languages")
    assert services.clinic(CLINIC).languages == ("es", "en")
    assert saved(send(admin, "retention", conversation_days="400"), "retention")
    assert services.clinic(CLINIC).retention.conversation_days == 400
    assert services.clinic(CLINIC).retention.unaccepted_days == DEMO.retention.unaccepted_days
    unsure = send(admin, "retention", conversation_days="90")
    assert unsure.status_code == 422 and "sure-wrong" in unsure.text
    assert saved(send(admin, "retention", conversation_days="90", sure="on"), "retention")
    refused = send(admin, "channels", webhook="on")
    assert refused.status_code == 422 and "webhook-wrong" in refused.text  # the file has no address for it
    off = send(admin, "channels", email=None)
    assert off.status_code == 422 and services.clinic(CLINIC).chain.email  # the chain tells by e-mail


def test_replies_are_changed_hidden_and_added(admin: TestClient, services: Services) -> None:
    assert saved(send(admin, "replies", "hello", text="Hello from {clinic}."), "replies")
    assert saved(send(admin, "replies", "visit", hide="on"), "replies")
    assert saved(send(admin, "replies", "new", title="Own", text="Our own words."), "replies")
    changes = services.clinic(CLINIC).about["canned_replies"]
    assert changes["hello"]["text"] == "Hello from {clinic}." and changes["visit"] is None
    assert changes["own_1"] == {"title": "Own", "text": "Our own words."}
    assert saved(send(admin, "replies", "own_1", hide="on"), "replies")
    assert saved(send(admin, "replies", "visit", hide=None), "replies")
    assert set(services.clinic(CLINIC).about["canned_replies"]) == {"hello"}


# --- looks ---


def test_a_logo_is_served_as_nothing_but_a_picture(admin: TestClient, services: Services, open_page: Any) -> None:
    page = admin.get("/inbox/clinic/logo").text
    files = {"logo": ("logo.html", png(4, 4, (b"tEXt", b"Author\0Dr Lee")), "text/html")}
    plain = {"csrf": hidden(page, "csrf"), "seen": hidden(page, "seen")}
    assert saved(admin.post("/inbox/clinic/logo", data=plain, files=files), "logo")
    path = services.clinic(CLINIC).public()["logo"]
    shown = open_page().get(path)
    assert shown.status_code == 200 and shown.content == png(4, 4)
    assert shown.headers["content-type"] == "image/png" and shown.headers["x-content-type-options"] == "nosniff"
    assert shown.headers["content-security-policy"] == "default-src 'none'; sandbox"
    assert open_page().get(path.replace("logo-", "logo-0")).status_code == 404
    assert open_page().get(path.replace("/demo/", "/other/")).status_code == 404
    assert f'src="{path}"' in admin.get("/inbox/clinic").text


@pytest.mark.parametrize("data", [b"", b"<svg/>", b"GIF89a", png()[:-4], b"\x89PNG\r\n\x1a\n" + b"\0" * 120_000])
def test_what_is_no_logo_is_refused_kindly(admin: TestClient, db: Database, data: bytes) -> None:
    page = admin.get("/inbox/clinic/logo").text
    plain = {"csrf": hidden(page, "csrf"), "seen": hidden(page, "seen")}
    answer = admin.post("/inbox/clinic/logo", data=plain, files={"logo": ("a.png", data, "image/png")})
    assert answer.status_code == 422 and "logo-wrong" in answer.text and kept(db) == {}


def test_a_colour_is_in_the_chat_and_in_the_inbox(admin: TestClient, services: Services, open_page: Any) -> None:
    pale = send(admin, "colour", accent="#ffcc00")
    assert pale.status_code == 422 and "accent-wrong" in pale.text
    (nearest,) = set(re.findall(r"works is (#[0-9a-f]{6})", pale.text))
    assert saved(send(admin, "colour", accent=nearest), "colour")
    start = open_page().get("/v1/clinics/demo").json()["clinic"]
    assert f"--accent:{nearest}" in start["light"] and "--accent:" in start["dark"]
    assert "light" not in open_page().get("/v1/clinics/other").json()["clinic"]
    look = open_page().get("/w/clinics/demo/look.css")
    assert look.status_code == 200 and look.headers["content-type"].startswith("text/css")
    assert f"--accent:{nearest}" in look.text and open_page().get("/w/clinics/other/look.css").status_code == 404
    assert "/w/clinics/demo/look.css?v=" in admin.get("/inbox/clinic").text


# --- what is wrong comes back ---


@pytest.mark.parametrize(("section", "part", "changes", "field"), [
    ("name", "", {"name": " "}, "name"),
    ("name", "", {"name": "x" * 81}, "name"),
    ("name", "", {"name": "{clinic_phone}"}, "name"),
    ("hours", "", {"monday": "nine to five"}, "monday"),
    ("hours", "", {"monday": "17:00-09:00"}, "monday"),
    ("hours", "", {"monday": "09:00-25:00"}, "monday"),
    ("hours", "", {"monday": "09:00-12:00, 11:00-13:00"}, "monday"),
    ("hours", "", dict.fromkeys(DAYS, ""), "monday"),
    ("hours", "", {"closed_on": "Christmas"}, "closed_on"),
    ("hours", "", {"closed_on": "31/02/2031"}, "closed_on"),
    ("hours", "", {"time_zone": "Mars/Olympus"}, ""),
    ("phone", "", {"phone": "call us"}, "phone"),
    ("phone", "", {"phone": "020 7946 0999", "phone_again": "020 7946 0998"}, "phone_again"),
    ("phone", "", {"phone": "020 7946 0999", "phone_again": ""}, "phone_again"),
    ("numbers", "crisis", {"l0_label": "Samaritans on 116 124", "l0_value": "116 124"}, "l0_again"),
    ("numbers", "crisis", {"l0_label": "Samaritans on 116 124"}, "l0_label"),
    ("numbers", "crisis", {"l0_value": "x", "l0_again": "x"}, "l0_label"),
    ("numbers", "crisis", {"l0_kind": "url", "l0_value": "http://x", "l0_again": "http://x"}, "l0_value"),
    ("numbers", "urgent", {"l0_label": "", "l0_value": ""}, "l0_label"),
    ("contacts", "", {"c0_to": "nobody"}, "c0_to"),
    ("contacts", "", {"c3_to": "night@example.org"}, "c3_name"),
    ("chain", "", {"s0_when": "open"}, "s0_when"),
    ("limits", "", {"T0": "0"}, "T0"),
    ("limits", "", {"T1": "ten"}, "T1"),
    ("limits", "", {"T4": "99999999999999999999"}, "T4"),
    ("retention", "", {"conversation_days": "1", "sure": "on"}, "conversation_days"),
    ("languages", "", {"language_en": None, "language_es": None, "language_ar": None}, "first"),
    ("languages", "", {"language_en": None}, "first"),
    ("colour", "", {"accent": "teal"}, "accent"),
    ("replies", "new", {"title": "", "text": "x"}, "title"),
    ("replies", "hello", {"text": "x" * 2_001}, "text"),
])  # fmt: skip
def test_what_is_wrong_is_said_at_its_field_and_what_was_typed_stays(
    admin: TestClient, db: Database, section: str, part: str, changes: dict[str, Any], field: str
) -> None:
    answer = send(admin, section, part, **changes)
    assert answer.status_code == 422 and kept(db) == {}
    assert 'role="alert"' in answer.text
    if field:
        assert f'id="{field}-wrong"' in answer.text and f'href="#{field}"' in answer.text
    again = fields_of(answer.text)
    for name, value in changes.items():
        assert again.get(name) == value


def test_what_a_person_types_is_never_a_tag(admin: TestClient) -> None:
    answer = send(admin, "name", name="</textarea><script>x</script>" + "x" * 80)
    assert answer.status_code == 422 and "<script>x" not in answer.text


def test_a_form_that_is_too_large_or_none_is_refused(admin: TestClient, db: Database) -> None:
    page = admin.get("/inbox/clinic/name").text
    good = {"csrf": hidden(page, "csrf"), "seen": hidden(page, "seen")}
    assert admin.post("/inbox/clinic/name", data={**good, "name": "x" * 300_000}).status_code == 400
    assert admin.post("/inbox/clinic/name", data={**good, **{f"f{n}": "x" for n in range(200)}}).status_code == 400
    large = {"logo": ("a.png", b"\0" * 300_000, "image/png")}
    assert admin.post("/inbox/clinic/logo", data=good, files=large).status_code == 400
    assert admin.post("/inbox/clinic/name", json={**good, "name": "x"}).status_code == 400
    broken = {"content-type": "multipart/form-data; boundary=x"}
    assert admin.post("/inbox/clinic/name", content=b"--y", headers=broken).status_code in (400, 403)
    nameless = {"content-type": "multipart/form-data"}
    assert admin.post("/inbox/clinic/name", content=b"--y", headers=nameless).status_code == 400
    assert kept(db) == {}


# --- a test to each contact ---


def test_a_test_goes_to_each_contact_once_a_minute(
    admin: TestClient, services: Services, db: Database, clock: HandClock
) -> None:
    csrf = hidden(admin.get("/inbox/clinic").text, "csrf")
    answer = admin.post("/inbox/clinic/test", data={"csrf": csrf})
    assert answer.status_code == 200
    for contact in DEMO.chain.contacts.values():
        assert contact.to[0] in answer.text
    assert len(list((services.settings.var_folder / "mail").iterdir())) == 3
    assert admin.post("/inbox/clinic/test", data={"csrf": csrf}).status_code == 429
    assert len(list((services.settings.var_folder / "mail").iterdir())) == 3
    clock.move(seconds=61)
    assert admin.post("/inbox/clinic/test", data={"csrf": csrf}).status_code == 200
    with db.read() as session:
        assert [row.act for row in audit.trail(session, CLINIC, CLINIC)].count("clinic.tested") == 2


def test_a_webhook_whose_secret_is_missing_is_not_turned_on(
    admin: TestClient, services: Services, db: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("PNE_TEST_HOOK", raising=False)
    demo = services.clinics[CLINIC]
    hook = {"on": False, "url": "https://clinic.example/hook", "secrets": ["PNE_TEST_HOOK"]}
    about = {**demo.about, "channels": {**demo.about["channels"], "webhook": hook}}
    services.clinics = {**services.clinics, CLINIC: replace(demo, about=about)}
    refused = send(admin, "channels", webhook="on")
    assert refused.status_code == 422 and "PNE_TEST_HOOK" in refused.text and kept(db) == {}
    monkeypatch.setenv("PNE_TEST_HOOK", "whsec_" + base64.b64encode(b"k" * 32).decode())
    assert saved(send(admin, "channels", webhook="on", webhook_words="on"), "channels")
    webhook = services.clinic(CLINIC).chain.webhook
    assert webhook is not None and webhook.words
    with db.read() as session:
        (row,) = [one for one in audit.trail(session, CLINIC, CLINIC) if one.act == "clinic.changed"]
    assert "PNE_TEST_HOOK" not in str(row.details) and "clinic.example" not in str(row.details)
