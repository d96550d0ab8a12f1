"""The clinician inbox: pages, acts, live streams. A stub stands in for Rasa; the database is real."""

from __future__ import annotations

import asyncio
import json
import re
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from argon2 import PasswordHasher
from starlette.testclient import TestClient

from bot.content import Clinic, load_wording
from bot.content.files import DATA
from bot.content.inbox import load_inbox_wording
from bot.handoff.states import OUTCOMES, TIERS
from bot.settings import PRODUCTION, Settings
from bot.store import audit, clinicians, conversations, events, outbox
from bot.store.handoffs import handoff_of
from bot.store.models import Audit
from bot.store.session import Database
from bot.web import auth, inbox_live, inbox_view
from bot.web.app import create_app
from bot.web.limits import Limits
from bot.web.services import Services
from bot.web.stream import inbox_topic
from tests.support.database import (
    CLINIC,
    PATIENT_WORDS,
    HandClock,
    new_conversation,
    raise_one,
    sqlite_database,
)

OTHER_CLINIC = "other"
PASSWORD = "a good long password"
WORDS = load_inbox_wording()


class StubAssistant:
    """Rasa that is there and says nothing."""

    async def say(self, **_asked: Any) -> list[dict[str, Any]]:
        return []


def clinic(clinic_id: str) -> Clinic:
    line = {"label": "112", "tel": "112"}
    calls = {"emergency": [line], "urgent": [line], "crisis": [line]}
    numbers = {"emergency_number": "112", "urgent_line": "112", "crisis_line": "112", "clinic": "The Clinic"}
    about = {"time_zone": "Europe/Paris"}
    return Clinic(clinic_id, "The Clinic", "FR", "team@clinic.invalid", calls, numbers, about)


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """Argon2 with little work: these tests are about the pages."""
    hasher = PasswordHasher(time_cost=1, memory_cost=8, parallelism=1)
    nobody = hasher.hash("nobody")
    monkeypatch.setattr(auth, "_hasher", lambda: hasher)
    monkeypatch.setattr(auth, "_nobody", lambda: nobody)


@pytest.fixture
def clock() -> HandClock:
    return HandClock()


@pytest.fixture
def db(tmp_path: Path, clock: HandClock) -> Database:
    return sqlite_database(tmp_path, clock)


@pytest.fixture
def services(db: Database, tmp_path: Path) -> Services:
    settings = Settings(var=str(tmp_path), rasa_secret="s" * 40)
    clinics = {name: clinic(name) for name in (CLINIC, OTHER_CLINIC)}
    stub: Any = StubAssistant()
    return Services(settings, db, clinics, load_wording(), stub, lambda _text: {}, Limits(1000, 1000))


@pytest.fixture
def open_page(services: Services) -> Iterator[Any]:
    """Gives browsers at the inbox, each with its own cookies. The app is not started: no rules, no worker."""
    app = create_app(services.settings, services)
    app.state.services = services
    yield lambda: TestClient(app, base_url="https://pne.test", follow_redirects=False)


def add_clinician(db: Database, name: str, clinic_id: str = CLINIC) -> str:
    with db.begin() as session:
        made = clinicians.add_clinician(
            session,
            clinic=clinic_id,
            email=f"{name}@{clinic_id}.invalid",
            name=f"Dr {name}",
            role="clinician",
            password_hash=auth.hash_password(PASSWORD),
        )
        return str(made.email)


def hidden(page: str, name: str) -> str:
    found = re.search(rf'name="{name}" value="([^"]*)"', page)
    assert found, f"no {name} on the page"
    return found[1]


def enter(browser: TestClient, email: str, password: str = PASSWORD, then: str = "/inbox") -> Any:
    page = browser.get("/inbox/sign-in").text
    fields = {"csrf": hidden(page, "csrf"), "email": email, "password": password, "next": then}
    return browser.post("/inbox/sign-in", data=fields)


@pytest.fixture
def at_inbox(open_page: Any, db: Database) -> Any:
    """A browser that is signed in as a new clinician of the name."""

    def signed_in(name: str, clinic_id: str = CLINIC) -> TestClient:
        browser = open_page()
        assert enter(browser, add_clinician(db, name, clinic_id)).status_code == 303
        return browser

    return signed_in


def press(browser: TestClient, item: str, act: str, **fields: Any) -> Any:
    """Sends one of the item page's forms, with the page's own token and version."""
    page = browser.get(f"/inbox/{item}").text
    base = {"csrf": hidden(page, "csrf")}
    if act == "claim":
        base["version"] = hidden(page, "version") if 'name="version"' in page else "1"
    return browser.post(f"/inbox/{item}/{act}", data={**base, **fields})


def said_to_patient(db: Database, conversation_id: str) -> list[dict[str, Any]]:
    with db.read() as session:
        return [event.as_dict() for event in events.events_after(session, conversation_id, 0)]


def acts(db: Database, item: str) -> list[str]:
    with db.read() as session:
        return [row.act for row in audit.trail(session, CLINIC, item)]


# Sign-in


def test_the_cookie_is_strict_and_the_session_ends_with_sign_out(open_page: Any, db: Database) -> None:
    browser = open_page()
    away = browser.get("/inbox")
    assert (away.status_code, away.headers["location"]) == (303, "/inbox/sign-in?next=%2Finbox")
    answer = enter(browser, add_clinician(db, "lee"))
    cookie = next(c for c in answer.headers.get_list("set-cookie") if c.startswith("pne_inbox="))
    assert {"HttpOnly", "Path=/inbox", "SameSite=strict"} <= set(cookie.split("; "))
    assert "Secure" not in cookie
    page = browser.get("/inbox")
    assert page.status_code == 200 and page.headers["cache-control"] == "no-store"
    token = browser.cookies["pne_inbox"]
    left = browser.post("/inbox/sign-out", data={"csrf": hidden(page.text, "csrf")})
    assert left.headers["location"].startswith("/inbox/sign-in")
    browser.cookies.set("pne_inbox", token, path="/inbox")
    assert browser.get("/inbox").status_code == 303


def test_the_cookie_is_secure_in_production(open_page: Any, db: Database, services: Services) -> None:
    services.settings = Settings(environment=PRODUCTION, rasa_secret="s" * 40)
    for cookie in enter(open_page(), add_clinician(db, "lee")).headers.get_list("set-cookie"):
        assert "Secure" in cookie or "Max-Age=0" in cookie


def test_a_new_sign_in_ends_the_browsers_old_one(open_page: Any, db: Database) -> None:
    browser, email = open_page(), add_clinician(db, "lee")
    enter(browser, email)
    first = browser.cookies["pne_inbox"]
    page = open_page().get("/inbox/sign-in")
    browser.cookies.set("pne_inbox_form", page.cookies["pne_inbox_form"], path="/inbox")
    browser.post(
        "/inbox/sign-in", data={"csrf": hidden(page.text, "csrf"), "email": email, "password": PASSWORD}
    )
    assert browser.cookies["pne_inbox"] != first and auth.who(db, first) is None


def test_unknown_people_and_wrong_passwords_look_the_same(open_page: Any, db: Database) -> None:
    email = add_clinician(db, "lee")
    wrong, nobody = enter(open_page(), email, "wrong"), enter(open_page(), "none@none.invalid", "wrong")
    assert wrong.status_code == nobody.status_code == 403

    def without(text: str, address: str) -> str:
        return re.sub(r'name="csrf" value="[^"]*"', "", text.replace(address, ""))

    assert without(wrong.text, email) == without(nobody.text, "none@none.invalid")


def test_guessing_is_slowed_down_for_known_and_unknown_addresses(open_page: Any, db: Database) -> None:
    for email in (add_clinician(db, "lee"), "none@none.invalid"):
        codes = [enter(open_page(), email, f"guess {n}").status_code for n in range(7)]
        assert codes == [403] * 6 + [429]
    last = enter(open_page(), f"LEE@{CLINIC}.invalid ", PASSWORD)
    assert last.status_code == 429 and int(last.headers["retry-after"]) > 0


def test_a_sign_in_form_from_elsewhere_is_refused(open_page: Any, db: Database) -> None:
    email = add_clinician(db, "lee")
    fields = {"csrf": "x", "email": email, "password": PASSWORD}
    assert open_page().post("/inbox/sign-in", data=fields).status_code == 403
    browser = open_page()
    browser.get("/inbox/sign-in")
    assert browser.post("/inbox/sign-in", data=fields).status_code == 403


@pytest.mark.parametrize("then", ["https://evil.invalid", "//evil.invalid", "/inbox/../x", "/chat/demo", ""])
def test_signing_in_leads_nowhere_else(open_page: Any, db: Database, then: str) -> None:
    assert enter(open_page(), add_clinician(db, "lee"), then=then).headers["location"] == "/inbox"


def test_the_links_item_opens_after_signing_in(open_page: Any, db: Database) -> None:
    item = raise_one(db, new_conversation(db)).handoff_id
    browser = open_page()
    there = browser.get(f"/inbox/{item}").headers["location"]
    assert there == f"/inbox/sign-in?next=%2Finbox%2F{item}"
    then = hidden(browser.get(there).text, "next")
    assert enter(browser, add_clinician(db, "lee"), then=then).headers["location"] == f"/inbox/{item}"


def test_a_link_in_a_web_mailer_is_opened_once_more_from_here(open_page: Any) -> None:
    page = open_page().get("/inbox/abc", headers={"Sec-Fetch-Site": "cross-site"})
    assert page.status_code == 200 and 'http-equiv="refresh" content="0; url=/inbox/abc"' in page.text


# What is shown


def test_the_queue_has_the_gravest_first_and_then_the_longest_wait(
    at_inbox: Any, db: Database, clock: HandClock
) -> None:
    shown = []
    for tier, words in (
        ("T4", "routine one"),
        ("T1", "late emergency"),
        ("T0", "crisis"),
        ("T2", "same day"),
    ):
        shown.append((tier, words))
        raise_one(db, new_conversation(db), tier=tier, words=words)
        clock.move(minutes=5)
    raise_one(db, new_conversation(db), tier="T1", words="later emergency")
    clock.move(minutes=65)
    page = at_inbox("lee").get("/inbox").text
    places = [
        page.index(w) for w in ("crisis", "late emergency", "later emergency", "same day", "routine one")
    ]
    assert places == sorted(places)
    assert WORDS.text("waited", time="1 h 25 min") in page and "<title>(5) Inbox</title>" in page
    assert "chip-T0" in page and WORDS.word("tier", "T0") in page


def test_the_items_page_shows_words_rule_times_and_delivery(
    at_inbox: Any, db: Database, clock: HandClock
) -> None:
    conversation = new_conversation(db)
    with db.begin() as session:
        events.append_event(
            session,
            conversation,
            type=events.MESSAGE,
            author=events.PATIENT,
            body={"kind": "text", "text": "<b>I</b> cannot **feel**\nit", "fallback_text": "x"},
            client_id="m1",
        )
        for body in (
            {
                "kind": "safety",
                "bubbles": ["Call **112** now."],
                "fallback_text": "x",
                "answer_id": "safety/RF01.T1.v1",
            },
            {
                "kind": "text",
                "bubbles": ["An idea."],
                "fallback_text": "x",
                "answer_id": "pain/persists",
                "review": "pending",
            },
        ):
            events.append_event(session, conversation, type=events.MESSAGE, author=events.BOT, body=body)
    item = raise_one(
        db, conversation, words="<b>I</b> cannot **feel**\nit", about={"scope": "now", "heard": "cannot feel"}
    )
    raise_one(db, conversation, "m2", tier="T3", category="RF09")
    with db.begin() as session:
        [notice] = outbox.lease(session, "email", "w", timedelta(seconds=60), 1)
        outbox.record_retry(session, notice.id, "w", clock(), "TryLater: status 451")
    page = at_inbox("lee").get(f"/inbox/{item.handoff_id}").text
    assert '<blockquote class="words">&lt;b&gt;I&lt;/b&gt; cannot **feel**\nit</blockquote>' in page
    assert page.index("blockquote") < page.index(WORDS.texts["transcript_heading"])
    assert "Call <strong>112</strong> now." in page
    for shown in (
        "saddle-numb",
        "cannot feel",
        WORDS.word("scope", "now"),
        WORDS.word("tier", "T1"),
        "04:04",
        WORDS.text("fact_shown_id", id="safety/RF01.T1.v1"),
        WORDS.text("note_answer", id="pain/persists"),
        WORDS.texts["note_raised"],
        WORDS.texts["others_heading"],
        "TryLater: status 451",
        WORDS.texts["who_patient"],
    ):
        assert shown in page, shown
    assert "<script>" not in page and "style=" not in page and "onclick" not in page


def test_every_view_is_audited_and_the_first_is_kept(at_inbox: Any, db: Database) -> None:
    item = raise_one(db, new_conversation(db)).handoff_id
    browser = at_inbox("lee")
    browser.get("/inbox")
    assert acts(db, item) == ["handoff.raised"]
    browser.get(f"/inbox/{item}")
    browser.get(f"/inbox/{item}/part")
    assert acts(db, item) == ["handoff.raised", "handoff.seen", "handoff.seen"]


def test_the_person_is_said_to_be_out_of_reach_where_nobody_can_read_a_reply(
    at_inbox: Any, db: Database, clock: HandClock
) -> None:
    item = raise_one(db, new_conversation(db)).handoff_id
    browser = at_inbox("lee")
    press(browser, item, "claim")
    assert WORDS.texts["unreachable"] not in browser.get(f"/inbox/{item}").text
    with db.begin() as session:
        conversations.revoke_tokens(session, handoff_of(session, CLINIC, item).conversation_id)
    assert WORDS.texts["unreachable"] in browser.get(f"/inbox/{item}").text


# Acts


def test_claim_reply_hand_back_and_close_as_the_patient_sees_them(at_inbox: Any, db: Database) -> None:
    conversation = new_conversation(db)
    item = raise_one(db, conversation).handoff_id
    browser = at_inbox("lee")
    claimed = press(browser, item, "claim")
    assert (claimed.status_code, claimed.headers["location"]) == (303, f"/inbox/{item}?said=claimed")
    sent = press(browser, item, "reply", text="Please call 112.\r\n\r\nI stay here.", client_id="form-0001")
    assert sent.status_code == 303
    assert press(browser, item, "hand-back").status_code == 303
    assert press(browser, item, "close", outcome="true_red_flag").status_code == 303
    shown = said_to_patient(db, conversation)
    assert [(e["type"], e["author"], e["body"]["kind"]) for e in shown] == [
        ("state", "system", "handoff"),
        ("message", "clinician", "clinician"),
        ("state", "system", "handoff"),
    ]
    claimed_body, reply_body, returned_body = (e["body"] for e in shown)
    assert claimed_body["state"] == "human" and "Dr lee, clinician," in claimed_body["fallback_text"]
    assert "04:04" in claimed_body["fallback_text"]
    assert reply_body["bubbles"] == ["Please call 112.", "I stay here."]
    assert (reply_body["name"], reply_body["role"]) == ("Dr lee", "clinician")
    assert returned_body["state"] == "bot"
    did = [act for act in acts(db, item) if act != "handoff.seen"]
    assert did == [f"handoff.{act}" for act in ("raised", "claimed", "replied", "handed_back", "closed")]
    with db.read() as session:
        details = [row.details for row in session.query(Audit).filter(Audit.subject == item)]
    assert PATIENT_WORDS not in json.dumps(details) and "112." not in json.dumps(details)
    finished = browser.get("/inbox").text
    assert WORDS.text("status_closed", outcome=WORDS.word("outcome", "true_red_flag")) in finished


def test_closing_a_claimed_item_tells_the_patient_and_ends_the_chat(at_inbox: Any, db: Database) -> None:
    conversation = new_conversation(db)
    item = raise_one(db, conversation).handoff_id
    browser = at_inbox("lee")
    press(browser, item, "claim")
    press(browser, item, "close", outcome="answered")
    assert said_to_patient(db, conversation)[-1]["body"]["state"] == "closed"


def test_of_two_who_claim_one_wins_and_the_other_is_told_who(at_inbox: Any, db: Database) -> None:
    conversation = new_conversation(db)
    item = raise_one(db, conversation).handoff_id
    lee, kim = at_inbox("lee"), at_inbox("kim")
    pages = {browser: browser.get(f"/inbox/{item}").text for browser in (lee, kim)}

    def claim(browser: TestClient) -> Any:
        fields = {name: hidden(pages[browser], name) for name in ("csrf", "version")}
        return browser.post(f"/inbox/{item}/claim", data=fields)

    assert claim(lee).status_code == 303
    lost = claim(kim)
    assert lost.status_code == 409
    assert WORDS.text("refused_claimed", name="Dr lee", time="04:04") in lost.text
    assert claim(lee).status_code == 303, "a double click is no error"
    assert len(said_to_patient(db, conversation)) == 1
    assert press(kim, item, "reply", text="Hello", client_id="form-0001").status_code == 409
    assert press(kim, item, "hand-back").status_code == 409
    assert press(kim, item, "close", outcome="duplicate").status_code == 409
    assert len(said_to_patient(db, conversation)) == 1


def test_a_claim_of_a_page_that_is_out_of_date_is_refused(at_inbox: Any, db: Database) -> None:
    item = raise_one(db, new_conversation(db)).handoff_id
    refused = press(at_inbox("lee"), item, "claim", version="7")
    assert refused.status_code == 409 and WORDS.texts["refused_changed"] in refused.text


def test_a_reply_is_sent_once_however_often_its_form_is(at_inbox: Any, db: Database) -> None:
    conversation = new_conversation(db)
    item = raise_one(db, conversation).handoff_id
    browser = at_inbox("lee")
    press(browser, item, "claim")
    for _ in range(3):
        assert press(browser, item, "reply", text="Hello", client_id="form-0001").status_code == 303
    # The same old form with other words, as the back button brings it, is another reply.
    press(browser, item, "reply", text="Hello again", client_id="form-0001")
    press(browser, item, "reply", text="Hello", client_id="form-0002")
    words = [e["body"]["bubbles"] for e in said_to_patient(db, conversation) if e["author"] == "clinician"]
    assert words == [["Hello"], ["Hello again"], ["Hello"]]
    assert acts(db, item).count("handoff.replied") == 3


@pytest.mark.parametrize(
    ("fields", "status", "key"),
    [
        ({"text": "  \r\n "}, 422, "refused_empty"),
        ({"text": "kept words " + "a" * 4000}, 422, "refused_too_long"),
        ({"text": "kept words", "client_id": "x"}, 400, "problem_form"),
    ],
)
def test_a_reply_that_cannot_be_sent_is_kept_on_the_page(
    at_inbox: Any, db: Database, fields: dict[str, str], status: int, key: str
) -> None:
    conversation = new_conversation(db)
    item = raise_one(db, conversation).handoff_id
    browser = at_inbox("lee")
    press(browser, item, "claim")
    answer = press(browser, item, "reply", **{"client_id": "form-0001", **fields})
    assert answer.status_code == status
    assert WORDS.texts[key].split("{")[0] in answer.text
    assert len(said_to_patient(db, conversation)) == 1
    if key == "refused_too_long":
        assert "kept words" in answer.text


def test_a_reply_before_the_claim_is_refused_and_kept(at_inbox: Any, db: Database) -> None:
    conversation = new_conversation(db)
    item = raise_one(db, conversation).handoff_id
    answer = press(at_inbox("lee"), item, "reply", text="Hello there", client_id="form-0001")
    assert answer.status_code == 409 and WORDS.texts["refused_not_claimed"] in answer.text
    assert "Hello there" in answer.text and said_to_patient(db, conversation) == []


def test_lessons_stay_closed_after_a_hand_back_unless_the_clinician_opens_them(
    at_inbox: Any, db: Database
) -> None:
    browser, kept = at_inbox("lee"), {}
    for lift in ("", "yes"):
        conversation = new_conversation(db)
        item = raise_one(db, conversation).handoff_id
        with db.begin() as session:
            conversations.set_hold(session, conversation, {"tier": "T1"})
        press(browser, item, "claim")
        assert 'name="lift_hold"' in browser.get(f"/inbox/{item}").text
        press(browser, item, "hand-back", **({"lift_hold": lift} if lift else {}))
        with db.read() as session:
            kept[lift] = conversations.conversation_with(session, conversation).hold
    assert kept == {"": {"tier": "T1"}, "yes": None}


def test_closing_twice_is_no_error_and_tells_the_patient_once(at_inbox: Any, db: Database) -> None:
    conversation = new_conversation(db)
    item = raise_one(db, conversation).handoff_id
    browser = at_inbox("lee")
    assert press(browser, item, "close", outcome="nonsense").status_code == 422
    for _ in range(2):
        assert press(browser, item, "close", outcome="duplicate").status_code == 303
    assert len(said_to_patient(db, conversation)) == 1


# Who may what


def test_no_route_shows_or_changes_another_clinics_item(at_inbox: Any, db: Database) -> None:
    conversation = new_conversation(db)
    item = raise_one(db, conversation).handoff_id
    stranger = at_inbox("eve", OTHER_CLINIC)
    csrf = hidden(stranger.get("/inbox").text, "csrf")
    assert PATIENT_WORDS not in stranger.get("/inbox").text
    for path in ("", "/part", "/live"):
        answer = stranger.get(f"/inbox/{item}{path}")
        assert answer.status_code == 404 and PATIENT_WORDS not in answer.text
    fields = {"csrf": csrf, "version": "1", "text": "x", "client_id": "form-0001", "outcome": "answered"}
    for act in ("claim", "reply", "hand-back", "close"):
        assert stranger.post(f"/inbox/{item}/{act}", data=fields).status_code == 404
    assert said_to_patient(db, conversation) == [] and acts(db, item) == ["handoff.raised"]
    assert stranger.get("/inbox/none").status_code == 404


@pytest.mark.parametrize("token", [None, "", "wrong"])
def test_every_form_needs_its_sign_ins_token(at_inbox: Any, db: Database, token: str | None) -> None:
    conversation = new_conversation(db)
    item = raise_one(db, conversation).handoff_id
    browser = at_inbox("lee")
    fields = {"version": "1", "text": "x", "client_id": "form-0001", "outcome": "answered"}
    if token is not None:
        fields["csrf"] = token
    paths = [f"/inbox/{item}/{act}" for act in ("claim", "reply", "hand-back", "close")]
    for path in [*paths, "/inbox/sign-out"]:
        assert browser.post(path, data=fields).status_code == 403
        assert browser.post(path, json=fields).status_code == 400
        assert browser.post(path, data={**fields, "text": "x" * 70_000}).status_code == 400
    assert said_to_patient(db, conversation) == [] and browser.get("/inbox").status_code == 200


def test_nothing_opens_without_a_sign_in(open_page: Any, db: Database) -> None:
    item = raise_one(db, new_conversation(db)).handoff_id
    browser = open_page()
    for path in ("/inbox", f"/inbox/{item}"):
        assert browser.get(path).status_code == 303
    for path in ("/inbox/queue", "/inbox/live", f"/inbox/{item}/part", f"/inbox/{item}/live"):
        answer = browser.get(path)
        assert answer.status_code == 401 and PATIENT_WORDS not in answer.text
    for act in ("claim", "reply", "hand-back", "close"):
        assert browser.post(f"/inbox/{item}/{act}", data={"csrf": "x"}).status_code == 401


def test_a_database_that_is_away_gives_a_page_that_says_so(
    at_inbox: Any, db: Database, tmp_path: Path
) -> None:
    browser = at_inbox("lee")
    db.close()
    (tmp_path / "pne.db").write_bytes(b"not a database any more" * 100)
    for extra in ("-wal", "-shm"):
        (tmp_path / f"pne.db{extra}").unlink(missing_ok=True)
    page = browser.get("/inbox")
    assert page.status_code == 503 and WORDS.texts["problem_database"] in page.text


# Live streams


async def hear(stream: Any, seconds: float = 3.0) -> str:
    """The next thing that the stream says."""
    return str(await asyncio.wait_for(stream.__anext__(), seconds))


async def test_the_queue_stream_speaks_when_another_process_adds_an_item(
    services: Services, db: Database
) -> None:
    token = _token(services, db)
    with db.read() as session:
        have = inbox_view.queue_signature(session, CLINIC)
    stream = inbox_live.changes(
        services, token, inbox_topic(CLINIC), have, lambda s: inbox_view.queue_signature(s, CLINIC)
    )
    assert "retry" in await hear(stream)
    waiting = asyncio.ensure_future(hear(stream))
    await asyncio.sleep(0.2)
    assert not waiting.done(), "it says nothing while nothing changes"
    raise_one(db, new_conversation(db, OTHER_CLINIC), clinic=OTHER_CLINIC)
    raise_one(db, new_conversation(db))
    assert "event: changed" in await waiting
    await stream.aclose()


async def test_a_stream_ends_when_the_sign_in_does(services: Services, db: Database) -> None:
    token = _token(services, db)
    stream = inbox_live.changes(services, token, inbox_topic(CLINIC), "", lambda _session: "same")
    await hear(stream)
    assert "changed" in await hear(stream)
    auth.sign_out(db, token)
    services.news("c", CLINIC)
    assert "event: signed-out" in await hear(stream)
    with pytest.raises(StopAsyncIteration):
        await hear(stream)


async def test_an_items_stream_hears_messages_claims_and_other_items(
    services: Services, db: Database
) -> None:
    conversation = new_conversation(db)
    item = raise_one(db, conversation).handoff_id

    def signature() -> str:
        with db.read() as session:
            return inbox_view.item_signature(session, CLINIC, item)

    seen = [signature()]
    with db.begin() as session:
        body = {"kind": "text", "text": "more", "fallback_text": "more"}
        events.append_event(session, conversation, type=events.MESSAGE, author=events.PATIENT, body=body)
    seen.append(signature())
    raise_one(db, new_conversation(db))
    seen.append(signature())
    with db.begin() as session:
        [first, *_] = outbox.lease(session, "email", "w", timedelta(seconds=9), 5)
        outbox.record_sent(session, first.id)
    seen.append(signature())
    assert len(set(seen)) == 4


# Wording


def test_every_text_of_the_inbox_is_used_and_every_code_has_its_word() -> None:
    folder = Path(inbox_view.__file__).parent
    sources = [*folder.glob("inbox*.py"), *(folder / "templates").glob("inbox*.html")]
    code = "\n".join(path.read_text(encoding="utf-8") for path in sources)
    made = ("tier_", "status_", "scope_", "state_", "channel_", "notice_", "history_", "role_", "outcome_")
    made += ("note_", "said_", "problem_", "count_waiting", "others_waiting", "dead_notices", "time_")
    unused = [key for key in WORDS.texts if key not in code and not key.startswith(made)]
    assert unused == []
    for tier in TIERS:
        assert {f"tier_{tier}", f"tier_about_{tier}"} <= set(WORDS.texts)
    assert all(f"outcome_{outcome}" in WORDS.texts for outcome in OUTCOMES)
    assert (DATA / "inbox.yml").exists()


def _token(services: Services, db: Database) -> str:
    signed = auth.sign_in(db, add_clinician(db, "lee"), PASSWORD, timedelta(hours=1))
    assert signed is not None
    return signed.token
