"""Measures and the visit's summary over the patient API; the summary on the clinic's side: in the list, and quiet."""

from __future__ import annotations

from typing import Any

from bot.content.forms import load_forms
from bot.handoff import steps
from bot.handoff.climb import overdue
from bot.handoff.escalate import raise_handoff
from bot.store import conversations, learning, outbox, rights
from bot.store.handoffs import unclaimed_calls
from bot.store.models import Outbox
from bot.tutor.saying import payload
from bot.web.inbox import item_view, rows
from bot.web.inbox.acts import Desk, close, see
from bot.web.services import Services
from tests.support import patient_api as talking
from tests.support.database import add_person
from tests.support.inbox import WORDS
from tests.support.patient_api import RED, Patient, after, ids, kinds

rasa, services, patient = talking.rasa, talking.services, talking.patient
CORE = "tutor_measures_core"


async def press(patient: Patient, payload: str) -> list[dict[str, Any]]:
    return await after(patient, await patient.press(payload))


async def fill(patient: Patient, asked: dict[str, Any], **answers: Any) -> list[dict[str, Any]]:
    form = asked["body"]["form"]
    sent = await patient.send(
        kind="answer", text="x", payload=f"form:{form}", reply_to=asked["seq"], answers=answers,
        client_id=patient.new_id(),
    )  # fmt: skip
    return await after(patient, sent)


def pressable(said: list[dict[str, Any]], start: str) -> str:
    return next(
        one["payload"] for event in said for one in event["body"].get("buttons", ()) if one["payload"].startswith(start)
    )


async def sent_page(patient: Patient, own: str = "It wakes me.") -> list[dict[str, Any]]:
    asked = await press(patient, payload("summary"))
    asked = await press(patient, payload("summary", "begin"))
    asked = await fill(patient, asked[-1], own=own)
    page = await fill(patient, asked[-1], signs="on")
    return await press(patient, pressable(page, "tutor:summary:send"))


def desk_of(services: Services) -> Desk:
    return Desk(services, add_person(services.db, "lee", clinic="demo"), "csrf", WORDS)


async def test_the_short_form_is_kept_and_followed_by_a_chart(patient: Patient, services: Services) -> None:
    asked = await press(patient, payload("measures"))
    assert ids(asked) == ["measures/first"]
    form = await press(patient, payload("measures", "fill"))
    assert kinds(form) == ["questionnaire"] and form[0]["body"]["form"] == CORE
    said = await fill(patient, form[0], peg_pain=6, peg_enjoyment=6, peg_activity=6)
    assert ids(said) == ["measures/peg_first", "measures/more"]
    with services.db.read() as session:
        filled = [row for row in learning.journal(session, patient.conversation) if row.key == CORE]
    assert [row.value["peg_pain"] for row in filled] == [6] and set(filled[0].value) <= {
        item.id for item in load_forms()[CORE].items
    }
    services.db.clock.move(days=14)  # type: ignore[attr-defined]
    again = await press(patient, payload("measures", "fill"))
    said = await fill(patient, again[0], peg_pain=9, peg_enjoyment=9, peg_activity=9)
    assert ids(said)[0] == "measures/peg_worse_enough" and kinds(said)[0] == "visual"
    assert said[-1]["body"]["answer_id"].startswith("check/")


async def test_a_page_goes_into_the_list_and_nobody_is_called(patient: Patient, services: Services) -> None:
    said = await sent_page(patient)
    assert ids(said) == ["summary/sent"]
    [item] = patient.handoffs()
    assert (item.category, item.tier, item.rule, item.climb_at) == ("summary", "T4", None, None)
    assert "It wakes me." in item.words and item.words.index("It wakes me.") < 80
    with services.db.read() as session:
        assert session.query(Outbox).count() == 0 and outbox.dead_letters(session, "demo") == []
        assert conversations.conversation_with(session, patient.conversation).state == conversations.BOT
        assert not overdue(session) and not unclaimed_calls(session, "demo", 10)
        assert learning.open_flags(session, patient.conversation) == 0
    assert kinds(await press(patient, payload("home"))) == ["text"]  # the tutor goes on


async def test_a_second_page_is_asked_about_and_put_with_the_first(patient: Patient) -> None:
    await sent_page(patient)
    asked = await sent_page(patient, "Once more.")
    assert ids(asked) == ["summary/twice"] and len(patient.handoffs()) == 1
    said = await press(patient, pressable(asked, "tutor:summary:send"))
    assert ids(said) == ["summary/sent_again"] and len(patient.handoffs()) == 1


async def test_the_clinic_sees_the_words_as_they_were_approved(patient: Patient, services: Services) -> None:
    await sent_page(patient)
    desk, [item] = desk_of(services), patient.handoffs()
    with services.db.read() as session:
        shown = item_view.item_view(session, desk, item.id)
        line = rows.row(session, desk, shown["item"], {})
    assert shown["item"].words == item.words and shown["asked_for"] == WORDS.text("summary_sent")
    assert not shown["deadline"] and not line.step and line.deadline is None and not shown["notices"]
    seq = (await patient.read())[-1]["seq"]
    assert see(desk, item.id) == patient.conversation
    assert ids(await patient.heard(seq)) == ["summary/seen"]
    close(desk, item.id, "answered")
    assert ids(await patient.heard(seq)) == ["summary/seen", "summary/read"]
    with services.db.read() as session:
        assert conversations.conversation_with(session, patient.conversation).state == conversations.BOT


async def test_it_changes_nothing_about_a_red_flag(patient: Patient, services: Services) -> None:
    await sent_page(patient)
    await patient.say(RED)
    desk = desk_of(services)
    flag = next(item for item in patient.handoffs() if item.category != "summary")
    assert flag.climb_at is not None
    claimed = steps.claim(services.db, flag.id, desk.me, flag.version)
    assert isinstance(claimed, steps.Claimed)
    page = next(item for item in patient.handoffs() if item.category == "summary")
    assert page.status == "raised"  # whoever takes the flag has not read the page
    stepped = steps.hand_back(services.db, flag.id, desk.me)
    assert stepped.state == conversations.BOT


async def test_a_clinician_may_take_it_and_put_it_back(patient: Patient, services: Services) -> None:
    await sent_page(patient)
    desk, [item] = desk_of(services), patient.handoffs()
    assert isinstance(steps.claim(services.db, item.id, desk.me, item.version), steps.Claimed)
    stepped = steps.release(services.db, item.id, desk.me, services.clinic("demo"))
    assert stepped.state == conversations.BOT
    with services.db.read() as session:
        assert session.query(Outbox).count() == 0 and not overdue(session)


async def test_an_open_red_flag_keeps_the_page_closed(patient: Patient, services: Services) -> None:
    page = await press(patient, payload("summary"))
    begun = await press(patient, pressable(page, "tutor:summary:begin"))
    raised = {"conversation_id": patient.conversation, "clinic": "demo", "clinic_of": services.clinic}
    flag = {"tier": "T3", "category": "RF06", "rule": "RF06.a", "words": "w", "message_shown": ""}
    raise_handoff(services.db, **raised, **flag, message_key="k")  # type: ignore[arg-type]
    assert ids(await fill(patient, begun[-1], own="It wakes me.")) == ["summary/blocked"]
    assert ids(await press(patient, payload("summary"))) == ["summary/blocked"]


async def test_the_page_can_be_taken_along(patient: Patient) -> None:
    await sent_page(patient)
    for kind in ("html", "pdf"):
        got = await patient.client.get(patient.path(f"papers/summary.{kind}"), headers=patient.headers())
        assert got.status_code == 200
    html = (await patient.client.get(patient.path("papers/summary.html"), headers=patient.headers())).text
    assert "It wakes me." in html and "{clinic}" not in html


async def test_everything_can_be_erased_while_a_page_lies_unread(patient: Patient, services: Services) -> None:
    await sent_page(patient)
    with services.db.begin() as session:
        rights.erase(session, patient.conversation)
    [item] = patient.handoffs()
    assert "It wakes me." not in item.words
