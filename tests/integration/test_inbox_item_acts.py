"""What can be done with an item beside taking and answering it, over HTTP: each act once, the truth to the person."""

from __future__ import annotations

import json
from dataclasses import replace
from html import unescape
from typing import Any

import pytest
from starlette.testclient import TestClient

from bot.content.canned import SETTING, load_canned
from bot.store import clinicians, conversations, rights
from bot.store.handoffs import handoff_of
from bot.store.models import Clinician, Handoff
from bot.store.session import Database
from bot.web.inbox import passing
from bot.web.services import Services
from bot.web.stream import conversation_topic
from tests.support import inbox
from tests.support.database import CLINIC, HandClock, new_conversation, raise_one
from tests.support.inbox import OTHER_CLINIC, WORDS, acts, add_clinician, hidden, press, said_to_patient

quick, services = inbox.quick, inbox.services
open_page, at_inbox = inbox.open_page, inbox.at_inbox

TOPIC = "pain/why_it_persists"
NOTE = "Ask about the fall in May"


@pytest.fixture
def taken(at_inbox: Any, db: Database) -> tuple[TestClient, str, str]:
    """Dr lee's browser with an item that she has taken; the item and its conversation."""
    conversation = new_conversation(db)
    item = raise_one(db, conversation).handoff_id
    browser = at_inbox("lee")
    assert press(browser, item, "claim").status_code == 303
    return browser, item, conversation


def item_of(db: Database, item: str) -> Handoff:
    with db.read() as session:
        return handoff_of(session, CLINIC, item)


def state_of(db: Database, conversation: str) -> tuple[str, str | None]:
    with db.read() as session:
        found = conversations.conversation_with(session, conversation)
        return found.state, found.holder


def person(db: Database, name: str) -> str:
    """The id of somebody who can sign in."""
    with db.read() as session:
        found = clinicians.clinician_by_email(session, f"{name}@{CLINIC}.invalid")
        assert found is not None
        return str(found.id)


def last_told(db: Database, conversation: str) -> dict[str, Any]:
    return dict(said_to_patient(db, conversation)[-1]["body"])


# Handing back


def test_last_words_and_a_topic_reach_the_person_word_for_word(taken: Any, db: Database) -> None:
    browser, item, conversation = taken
    words = "Rest today.\n\n**Walk** a little tomorrow."
    fields = {"text": words, "topic": TOPIC, "client_id": "form-0001b"}
    assert press(browser, item, "hand-back", **fields).headers["location"].endswith("said=returned")
    written, returned = (event["body"] for event in said_to_patient(db, conversation)[-2:])
    assert (written["kind"], written["bubbles"], written["name"]) == (
        "clinician",
        ["Rest today.", "**Walk** a little tomorrow."],
        "Dr lee",
    )
    assert (returned["state"], returned["answer_id"]) == ("bot", "handoff/handoff_returned")
    assert returned["buttons"] == [{"title": passing.topics()[TOPIC].title, "payload": f"/{TOPIC}"}]
    with db.read() as session:
        assert conversations.was_offered(session, conversation, f"/{TOPIC}"), "the button's payload is taken"
    assert item_of(db, item).answered_at is not None, "the first words of a person stop the clock"
    press(browser, item, "hand-back", **fields)
    assert len([e for e in said_to_patient(db, conversation) if e["author"] == "clinician"]) == 1
    page = browser.get(f"/inbox/{item}").text
    assert WORDS.texts["outcome_owed"] in page and 'name="outcome"' in page


def test_last_words_after_the_hand_back_are_refused_and_kept(taken: Any, db: Database) -> None:
    browser, item, conversation = taken
    press(browser, item, "hand-back")
    before = said_to_patient(db, conversation)
    late = press(browser, item, "hand-back", text="One thing more", client_id="form-0002b")
    assert late.status_code == 409 and "One thing more" in late.text
    assert WORDS.texts["refused_last_words"] in late.text
    assert said_to_patient(db, conversation) == before


@pytest.mark.parametrize("lift", ["", "yes"])
def test_a_topic_is_offered_only_where_lessons_are_open(taken: Any, db: Database, lift: str) -> None:
    browser, item, conversation = taken
    with db.begin() as session:
        conversations.set_hold(session, conversation, {"tier": "T1"})
    press(browser, item, "hand-back", topic=TOPIC, **({"lift_hold": lift} if lift else {}))
    assert bool(last_told(db, conversation).get("buttons")) is bool(lift)


def test_a_topic_that_is_no_answer_changes_nothing(taken: Any, db: Database) -> None:
    browser, item, _conversation = taken
    refused = press(browser, item, "hand-back", topic="chat/hello", text="Kept words", client_id="form-0001b")
    assert refused.status_code == 422 and "Kept words" in refused.text
    assert item_of(db, item).status == "claimed"


# Passing on


def test_giving_it_to_a_colleague_tells_the_person_whose_it_is(taken: Any, at_inbox: Any, db: Database) -> None:
    browser, item, conversation = taken
    kim = at_inbox("kim")
    page = browser.get(f"/inbox/{item}").text
    assert WORDS.text("give_here", name="Dr kim", role=WORDS.word("role", "clinician")) in page
    for _ in range(2):
        press(browser, item, "reassign", to=person(db, "kim"))
    assert state_of(db, conversation) == ("human", person(db, "kim"))
    told = [e["body"] for e in said_to_patient(db, conversation) if "reassigned" in e["body"]["answer_id"]]
    assert len(told) == 1 and told[0]["state"] == "human"
    assert "Dr lee" in told[0]["fallback_text"] and "Dr kim" in told[0]["fallback_text"]
    assert "04:04" in told[0]["fallback_text"] and "{" not in told[0]["fallback_text"]
    assert acts(db, item).count("handoff.reassigned") == 1
    assert press(browser, item, "reply", text="Hello", client_id="form-0001").status_code == 409
    assert press(kim, item, "reply", text="Hello", client_id="form-0002").status_code == 303


def test_only_the_right_to_assign_gives_away_what_another_has(taken: Any, at_inbox: Any, db: Database) -> None:
    _browser, item, _conversation = taken
    kim, max_ = at_inbox("kim"), at_inbox("max", role="triage")
    refused = press(kim, item, "reassign", to=person(db, "kim"))
    assert refused.status_code == 409 and WORDS.text("refused_not_yours", name="Dr lee") in refused.text
    assert "/reassign" not in kim.get(f"/inbox/{item}").text and "/reassign" in max_.get(f"/inbox/{item}").text
    assert press(max_, item, "reassign", to=person(db, "kim")).status_code == 303
    assert item_of(db, item).claimed_by == person(db, "kim")


def test_nobody_else_can_be_given_an_item(taken: Any, db: Database) -> None:
    browser, item, conversation = taken
    add_clinician(db, "eve", OTHER_CLINIC)
    add_clinician(db, "adam", role="admin")
    add_clinician(db, "gone")
    with db.begin() as session:
        clinicians.disable(session, person(db, "gone"))
        everybody = {one.name: one.id for one in session.query(Clinician)}
    page = browser.get(f"/inbox/{item}").text
    for name in ("Dr eve", "Dr adam", "Dr gone"):
        assert everybody[name] not in page
        assert press(browser, item, "reassign", to=everybody[name]).status_code == 409
    assert press(browser, item, "reassign", to="").status_code == 409
    assert item_of(db, item).claimed_by == person(db, "lee") and state_of(db, conversation)[0] == "human"


def test_what_nobody_has_taken_cannot_be_given_away_and_goes_on_alarming(at_inbox: Any, db: Database) -> None:
    conversation = new_conversation(db)
    item = raise_one(db, conversation).handoff_id
    at_inbox("kim")
    before = item_of(db, item)
    refused = press(at_inbox("max", role="triage"), item, "reassign", to=person(db, "kim"))
    assert refused.status_code == 409 and WORDS.texts["refused_not_claimed"] in refused.text
    after = item_of(db, item)
    assert (after.claimed_by, after.climb_at) == (None, before.climb_at) and after.climb_at is not None


def test_back_in_the_queue_the_chain_begins_anew_and_the_person_knows(
    taken: Any, db: Database, clock: HandClock
) -> None:
    browser, item, conversation = taken
    clock.move(minutes=3)
    assert press(browser, item, "release").status_code == 303
    found = item_of(db, item)
    assert (found.status, found.claimed_by) == ("seen", None) and found.climb_at > clock()
    assert state_of(db, conversation) == ("waiting", None)
    told = last_told(db, conversation)
    assert (told["answer_id"], told["state"]) == ("handoff/handoff_released", "waiting")
    assert "04:07" in told["fallback_text"]
    assert press(browser, item, "release").status_code == 409
    assert last_told(db, conversation) == told


def test_putting_aside_is_ones_own_and_ends_by_itself(
    taken: Any, at_inbox: Any, db: Database, clock: HandClock, services: Services
) -> None:
    browser, item, conversation = taken
    before = said_to_patient(db, conversation)
    assert press(browser, item, "aside", until="forever").status_code == 422
    assert press(at_inbox("kim"), item, "aside", until="30").status_code == 409
    for code, minutes in (("30", 30), ("120", 120)):
        for _ in range(2):  # pressed twice, told once
            press(browser, item, "aside", until=code)
        assert (item_of(db, item).snoozed_until - clock()).total_seconds() == minutes * 60
    press(browser, item, "aside", until="opening")
    assert item_of(db, item).snoozed_until == services.clinic(CLINIC).hours.opens_after(clock())
    aside = WORDS.text("item_aside_until", time="09:00")
    assert aside in browser.get(f"/inbox/{item}").text
    press(browser, item, "aside", until="back")
    assert item_of(db, item).snoozed_until is None and aside not in browser.get(f"/inbox/{item}").text
    press(browser, item, "aside", until="30")
    for _ in range(3):  # in steps, each with a look at the page: an idle one would be locked
        clock.move(minutes=10.5)
        browser.get(f"/inbox/{item}")
    assert WORDS.texts["aside_back"] not in browser.get(f"/inbox/{item}").text
    told = [one["body"]["answer_id"] for one in said_to_patient(db, conversation)[len(before) :]]
    assert told == ["handoff/handoff_aside"] * 4, "each time once: half an hour, two hours, the opening, half an hour"


# Notes


def test_a_private_note_never_leaves_the_inbox(
    taken: Any, at_inbox: Any, open_page: Any, db: Database, clock: HandClock
) -> None:
    browser, item, conversation = taken
    with db.begin() as session:
        token = conversations.new_token(session, conversation, clock().resolution * 10**10).token
    for _ in range(2):
        press(browser, item, "note", text=NOTE, client_id="form-0009")
    assert press(at_inbox("kim"), item, "note", text="Also <b>this</b>", client_id="form-0001").status_code == 303
    page = browser.get(f"/inbox/{item}").text
    assert page.count(NOTE) == 1 and "Also &lt;b&gt;this&lt;/b&gt;" in page and "Dr kim" in page
    patient = open_page()
    patient.headers["Authorization"] = f"Bearer {token}"
    here = f"/v1/conversations/{conversation}"
    for path in (f"{here}/events?after=0&wait=0", f"{here}/data", f"{here}/data?format=html"):
        answer = patient.get(path)
        assert answer.status_code == 200 and NOTE not in answer.text and "Also" not in answer.text
    with db.read() as session:
        assert NOTE not in json.dumps(rights.kept(session, conversation), default=str)
    for path in ("/print", ".pdf"):
        assert NOTE not in browser.get(f"/inbox/{item}{path}").text
    trail = acts(db, item)
    assert trail.count("handoff.noted") == 2
    press(browser, item, "close", outcome="answered")
    assert press(browser, item, "note", text="Afterwards", client_id="form-0010").status_code == 303


@pytest.mark.parametrize(("text", "key"), [(" ", "refused_note_empty"), ("kept " + "x" * 4000, "refused_too_long")])
def test_a_note_that_cannot_be_kept_stays_in_the_box(taken: Any, db: Database, text: str, key: str) -> None:
    browser, item, _conversation = taken
    answer = press(browser, item, "note", text=text, client_id="form-0001")
    assert answer.status_code == 422 and WORDS.texts[key].split("{")[0] in answer.text
    assert text.strip() in answer.text and "handoff.noted" not in acts(db, item)


# Ready replies


def test_a_ready_reply_goes_into_the_box_and_not_to_the_person(taken: Any, db: Database) -> None:
    browser, item, conversation = taken
    before = said_to_patient(db, conversation)
    answer = press(browser, item, "canned", canned="visit", text="Half a reply")
    box = answer.text.partition('id="reply"')[2].partition("</textarea>")[0]
    assert answer.status_code == 200 and "Half a reply\n\nI would like to see you at" in box
    assert "020 7946 0101" in box and "{" not in box
    assert said_to_patient(db, conversation) == before
    assert press(browser, item, "canned", canned="nothing", text="Kept").status_code == 422


def test_a_clinics_own_replies_take_the_place_of_ours(taken: Any, services: Services) -> None:
    browser, item, _conversation = taken
    own = {"hello": {"title": "Our hello", "text": "Hello from {clinic}, {name}."}, "goodbye": None}
    known = services.clinics[CLINIC]
    services.clinics[CLINIC] = replace(known, about={**known.about, SETTING: own})
    page = browser.get(f"/inbox/{item}").text
    assert "Our hello" in page and "Hello from Demo Pain Clinic, Dr lee." in page and 'value="goodbye"' not in page
    services.clinics[CLINIC] = replace(known, about={**known.about, SETTING: ["not", "a", "document"]})
    page = browser.get(f"/inbox/{item}").text
    assert all(f'value="{one.id}"' in page for one in load_canned()), "what cannot be read leaves ours"


# Signs


async def test_the_person_hears_that_their_clinician_is_writing(taken: Any, at_inbox: Any, services: Services) -> None:
    browser, item, conversation = taken
    csrf = hidden(browser.get(f"/inbox/{item}").text, "csrf")
    with services.hub.listen(conversation_topic(conversation)) as heard:
        assert browser.post(f"/inbox/{item}/typing", data={"csrf": csrf}).status_code == 204
        assert heard.get_nowait() == {"typing": {"name": "Dr lee"}}
        kim = at_inbox("kim")
        csrf = hidden(kim.get(f"/inbox/{item}").text, "csrf")
        while not heard.empty():
            heard.get_nowait()
        assert kim.post(f"/inbox/{item}/typing", data={"csrf": csrf}).status_code == 409
        assert heard.empty(), "somebody who only looks is no sign for the person"


def test_each_reply_says_whether_the_persons_page_has_shown_it(taken: Any, db: Database, clock: HandClock) -> None:
    browser, item, conversation = taken
    for number in range(3):
        press(browser, item, "reply", text=f"Words {number}", client_id=f"form-000{number}")
    seqs = [e["seq"] for e in said_to_patient(db, conversation) if e["author"] == "clinician"]
    assert unescape(browser.get(f"/inbox/{item}").text).count(WORDS.texts["sign_not_shown"]) == 3
    with db.begin() as session:
        found = conversations.locked_conversation(session, conversation)
        found.shown_seq, found.shown_at = seqs[1], clock()
    page = unescape(browser.get(f"/inbox/{item}").text)
    assert page.count(WORDS.texts["sign_not_shown"]) == 1
    assert WORDS.text("sign_shown_at", time="04:04") in page


# Who may


ACTS = ("claim", "reply", "canned", "note", "aside", "release", "reassign", "hand-back", "close", "typing")


def test_every_act_needs_a_sign_in_a_token_and_the_right(at_inbox: Any, open_page: Any, db: Database) -> None:
    conversation = new_conversation(db)
    item = raise_one(db, conversation).handoff_id
    stranger, auditor, lee = at_inbox("eve", OTHER_CLINIC), at_inbox("ann", role="auditor"), at_inbox("lee")
    for act in ACTS:
        path = f"/inbox/{item}/{act}"
        assert open_page().post(path, data={"csrf": "x"}).status_code == 401
        assert lee.post(path, data={"csrf": "x"}).status_code == 403
        assert auditor.post(path, data={"csrf": "x"}).status_code == 403
        csrf = hidden(stranger.get("/inbox").text, "csrf")
        fields = {"text": "x", "client_id": "form-0001", "outcome": "answered", "until": "30", "canned": "hello"}
        assert stranger.post(path, data={"csrf": csrf, **fields}).status_code == 404
    for path in ("", "/part", "/live", "/noted", "/print", ".pdf"):
        assert stranger.get(f"/inbox/{item}{path}").status_code == 404
        assert auditor.get(f"/inbox/{item}{path}").status_code == 403
    assert said_to_patient(db, conversation) == [] and acts(db, item) == ["handoff.raised"]
