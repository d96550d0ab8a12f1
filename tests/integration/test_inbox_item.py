"""One item's page and the acts on it, over HTTP. A stub stands in for Rasa; the database is real."""

from __future__ import annotations

import json
from datetime import timedelta
from html import unescape
from typing import Any

import pytest
from starlette.testclient import TestClient

from bot.store import conversations, events, outbox, rights
from bot.store.handoffs import handoff_of
from bot.store.models import Audit
from bot.store.session import Database
from bot.web.inbox import item_view
from bot.web.services import Services
from tests.support import inbox
from tests.support.database import CLINIC, PATIENT_WORDS, HandClock, new_conversation, raise_one
from tests.support.inbox import WORDS, acts, hidden, press, said_to_patient
from tests.support.item_scenes import an_item

quick, services = inbox.quick, inbox.services
open_page, at_inbox = inbox.open_page, inbox.at_inbox


SEEN, CLAIMED = "handoff/handoff_seen", "handoff/handoff_claimed"


def told(db: Database, conversation: str) -> list[str]:
    """The ids of what the patient was told."""
    return [str(event["body"].get("answer_id")) for event in said_to_patient(db, conversation)]


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
    assert '<blockquote class="words" dir="auto">&lt;b&gt;I&lt;/b&gt; cannot **feel**\nit</blockquote>' in page
    assert page.index("blockquote") < page.index(WORDS.texts["transcript_heading"])
    assert "Call <strong>112</strong> now." in page
    for shown in (
        "saddle-numb",
        "cannot feel",
        WORDS.word("scope", "now"),
        WORDS.word("tier", "T1"),
        "04:04",
        WORDS.text("fact_shown_id", id="safety/RF01.T1.v1"),
        WORDS.texts["person_unknown"],
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
    browser.get(f"/inbox/{item}")
    browser.get(f"/inbox/{item}/part")
    browser.get(f"/inbox/{item}/noted")
    assert acts(db, item) == ["handoff.raised", "handoff.seen", "handoff.seen", "handoff.seen"]


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
        ("state", "system", "handoff"),
        ("message", "clinician", "clinician"),
        ("state", "system", "handoff"),
    ]
    seen_body, claimed_body, reply_body, returned_body = (e["body"] for e in shown)
    assert seen_body["state"] == "waiting"
    assert claimed_body["state"] == "human" and "Dr lee, clinician," in claimed_body["fallback_text"]
    assert "04:04" in claimed_body["fallback_text"]
    assert reply_body["bubbles"] == ["Please call 112.", "I stay here."]
    assert (reply_body["name"], reply_body["role"]) == ("Dr lee", "clinician")
    assert returned_body["state"] == "bot"
    did = [act for act in acts(db, item) if act != "handoff.seen"]
    assert did == [f"handoff.{act}" for act in ("raised", "claimed", "answered", "replied", "handed_back", "closed")]
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
    assert told(db, conversation) == [SEEN, CLAIMED]
    assert press(kim, item, "reply", text="Hello", client_id="form-0001").status_code == 409
    assert press(kim, item, "hand-back").status_code == 409
    assert press(kim, item, "close", outcome="duplicate").status_code == 409
    assert told(db, conversation) == [SEEN, CLAIMED]


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
    assert told(db, conversation) == [SEEN, CLAIMED]
    if key == "refused_too_long":
        assert "kept words" in answer.text


def test_a_reply_before_the_claim_is_refused_and_kept(at_inbox: Any, db: Database) -> None:
    conversation = new_conversation(db)
    item = raise_one(db, conversation).handoff_id
    answer = press(at_inbox("lee"), item, "reply", text="Hello there", client_id="form-0001")
    assert answer.status_code == 409 and WORDS.texts["refused_not_claimed"] in answer.text
    assert "Hello there" in answer.text and told(db, conversation) == [SEEN]


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
    assert told(db, conversation) == [SEEN, "handoff/handoff_closed"]
    changed = press(browser, item, "close", outcome="true_red_flag")
    assert changed.status_code == 409, "another outcome from an old page does not pass for the first one"


def test_what_the_tutor_noted_is_a_part_of_its_own_and_fails_by_itself(
    at_inbox: Any, db: Database, services: Services, monkeypatch: pytest.MonkeyPatch
) -> None:
    item = raise_one(db, new_conversation(db)).handoff_id
    browser = at_inbox("lee")
    assert f"/inbox/{item}/noted" in browser.get(f"/inbox/{item}").text
    failed = browser.get(f"/inbox/{item}/noted")
    assert failed.status_code == 200 and WORDS.texts["noted_failed"] in failed.text, "the stub knows no facts"

    async def facts(_conversation: str) -> dict[str, str]:
        return {"body_part": "lower_back", "age": "47"}

    monkeypatch.setattr(services.assistant, "facts", facts, raising=False)
    page = unescape(browser.get(f"/inbox/{item}/noted").text)
    assert ">47<" in page and WORDS.texts["noted_about"] in page


def test_earlier_items_are_those_of_the_same_person(at_inbox: Any, db: Database) -> None:
    chats = [new_conversation(db) for _ in range(4)]
    with db.begin() as session:
        for chat, subject in zip(chats, ("p-1", "p-1", "p-2", None), strict=True):
            conversations.conversation_with(session, chat).subject = subject
    here, theirs, anothers, nobodys = (raise_one(db, chat, f"m-{chat}").handoff_id for chat in chats)
    page = at_inbox("lee").get(f"/inbox/{here}").text
    assert f'id="other-{theirs}"' in page and WORDS.text("person_signed", name="p-1", id="p-1") in page
    assert anothers not in page and nobodys not in page


def test_the_persons_later_words_and_answers_stand_by_the_first(at_inbox: Any, db: Database) -> None:
    item = an_item(db, words="first words")
    page = unescape(at_inbox("lee").get(f"/inbox/{item}").text)
    places = [page.index(text) for text in ("first words", "it is getting worse", "Is this new for you?", "<svg")]
    assert page.index("it is getting worse") < page.index('id="transcript"')
    assert places[0] == min(places) and 'points="34.0,' in page
    assert WORDS.text("attached_at", time="04:04", tier=WORDS.word("tier", "T1")) in page
    assert "2026-11-22.1" in page


def test_an_erased_chat_is_said_to_be_erased(at_inbox: Any, db: Database) -> None:
    item = an_item(db, words="first words")
    browser = at_inbox("lee")
    press(browser, item, "close", outcome="answered")
    with db.begin() as session:
        rights.erase(session, handoff_of(session, CLINIC, item).conversation_id)
    for path in ("", "/print"):
        page = browser.get(f"/inbox/{item}{path}").text
        assert WORDS.texts["erased_note"] in page and "first words" not in page and "getting worse" not in page


def test_copies_are_recorded_and_kept_nowhere(at_inbox: Any, db: Database) -> None:
    item = an_item(db, words="first <b>words</b>")
    browser = at_inbox("lee")
    page = browser.get(f"/inbox/{item}/print")
    assert page.headers["cache-control"] == "no-store" and "first &lt;b&gt;words&lt;/b&gt;" in page.text
    assert "<form" not in page.text and "2 January 2030, 04:04" in page.text
    file = browser.get(f"/inbox/{item}.pdf")
    assert (file.status_code, file.headers["content-type"]) == (200, "application/pdf")
    assert file.headers["cache-control"] == "no-store" and file.content.startswith(b"%PDF-")
    assert file.headers["content-disposition"] == f'attachment; filename="pain-tutor-item-{item[:8]}.pdf"'
    assert acts(db, item)[-2:] == ["handoff.printed", "handoff.exported"]
    assert browser.get("/inbox/none.pdf").status_code == 404


async def test_an_items_stream_hears_messages_claims_and_other_items(
    services: Services, db: Database
) -> None:
    conversation = new_conversation(db)
    item = raise_one(db, conversation).handoff_id

    def signature() -> str:
        with db.read() as session:
            return item_view.item_signature(session, CLINIC, item)

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
