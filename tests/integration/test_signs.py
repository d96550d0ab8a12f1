"""Signs of a patient's page: that something is being written, and which message has been on the screen."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

import pytest
from structlog.testing import capture_logs

from bot.store import conversations, events, rights
from bot.store.models import Audit, Conversation, Event
from bot.web import patient as patient_api
from bot.web import signs
from bot.web.limits import Limits
from bot.web.services import Services
from bot.web.stream import conversation_topic, inbox_topic
from tests.support import patient_api as asking
from tests.support.database import add_person, at_once
from tests.support.patient_api import Patient, broken, door

patient, rasa, services = asking.patient, asking.rasa, asking.services

TYPING = {"typing": True}


async def sign(patient: Patient, **body: Any) -> int:
    answer = await patient.client.post(patient.path("signs"), json=body, headers=patient.headers())
    assert answer.status_code == 204 or answer.json()["code"], answer.text
    return int(answer.status_code)


def held(services: Services, patient: Patient, state: str = conversations.HUMAN) -> None:
    """Somebody of the clinic holds the conversation, or waits or nobody does, as `state` says."""
    with services.db.begin() as session:
        known = conversations.conversation_with(session, patient.conversation)
        holder = known.holder
    if state == conversations.HUMAN and holder is None:
        holder = add_person(services.db, "lee").id
    with services.db.begin() as session:
        conversations.set_state(
            session, patient.conversation, state, holder if state == conversations.HUMAN else None
        )


def said(services: Services, patient: Patient, words: str = "Hello.") -> int:
    """A clinician's message; its number."""
    body = {"kind": "clinician", "bubbles": [words], "fallback_text": words, "name": "Dr Lee", "role": "Physio"}
    with services.db.begin() as session:
        added = events.append_event(
            session, patient.conversation, type=events.MESSAGE, author=events.CLINICIAN, body=body
        )
        return int(added.event.seq)


def shown(services: Services, patient: Patient) -> tuple[int, Any]:
    with services.db.read() as session:
        row = session.get(Conversation, patient.conversation)
        return row.shown_seq, row.shown_at


def stored(services: Services) -> tuple[int, ...]:
    with services.db.read() as session:
        return tuple(session.query(table).count() for table in (Event, Audit))


async def heard(services: Services, patient: Patient, do: Callable[[], Any]) -> list[dict[str, Any]]:
    """What a page that watches the conversation is woken with while something is done."""
    with services.hub.listen(conversation_topic(patient.conversation)) as queue:
        await do()
        return [queue.get_nowait() for _ in range(queue.qsize())]


@pytest.mark.parametrize("state", [conversations.BOT, conversations.WAITING, conversations.CLOSED])
async def test_while_nobody_holds_the_chat_typing_goes_nowhere(
    patient: Patient, services: Services, state: str
) -> None:
    held(services, patient, state)
    assert await heard(services, patient, lambda: sign(patient, **TYPING)) == []


async def test_typing_reaches_who_holds_the_chat_and_is_kept_nowhere(patient: Patient, services: Services) -> None:
    held(services, patient)
    before = stored(services)
    with services.hub.listen(inbox_topic("demo")) as queue, capture_logs() as logs:
        assert await heard(services, patient, lambda: sign(patient, **TYPING)) == [{"typing": {"by": "patient"}}]
        assert queue.empty(), "the whole clinic need not know"
    assert stored(services) == before and shown(services, patient) == (0, None) and logs == []


async def test_shown_goes_forward_only_and_never_beyond_the_last_event(patient: Patient, services: Services) -> None:
    held(services, patient)
    first, second = said(services, patient), said(services, patient)
    assert await heard(services, patient, lambda: sign(patient, shown=second)) == [{"shown": second}]
    at = shown(services, patient)
    assert at == (second, services.db.clock())
    services.db.clock.move(minutes=1)  # type: ignore[attr-defined]
    for number, status in ((first, 204), (second, 204), (second + 1, 422), (2**31 - 1, 422)):
        before = stored(services)
        assert await heard(services, patient, lambda number=number: sign(patient, shown=number)) == []
        assert await sign(patient, shown=number) == status, number
        assert shown(services, patient) == at and stored(services) == before


async def test_what_was_shown_counts_also_after_the_person_has_left(patient: Patient, services: Services) -> None:
    """The last message may be seen when the chat was closed already; it must not look unseen for ever."""
    held(services, patient)
    last = said(services, patient, "Please go to the hospital now.")
    held(services, patient, conversations.CLOSED)
    assert await sign(patient, shown=last) == 204
    assert shown(services, patient)[0] == last


async def test_nothing_is_noted_before_the_notice_is_accepted(services: Services) -> None:
    async with door(services) as client:
        early = Patient(client, services)
        await early.open()
        assert await heard(services, early, lambda: sign(early, shown=1)) == []
        assert shown(services, early) == (0, None)


async def test_pages_that_report_at_once_leave_the_highest_number(patient: Patient, services: Services) -> None:
    held(services, patient)
    numbers = [said(services, patient) for _ in range(8)]

    def note(number: int) -> bool:
        with services.db.begin() as session:
            return conversations.note_shown(session, patient.conversation, number)

    at_once(*(lambda number=number: note(number) for number in numbers))
    assert shown(services, patient)[0] == numbers[-1]


@pytest.mark.parametrize(
    "body",
    [
        {}, {"typing": False}, {"typing": 1}, {"typing": "yes"}, {"typing": "the words themselves"}, {"shown": 0},
        {"shown": -1}, {"shown": True}, {"shown": "3"}, {"shown": 1.5}, {"shown": 2**31}, {"shown": None},
        {"typing": True, "shown": 1}, {"name": "Dr Eve"}, {"typing": {"name": "Dr Eve"}},
    ],
)  # fmt: skip
async def test_anything_else_is_refused(patient: Patient, services: Services, body: dict[str, Any]) -> None:
    held(services, patient)
    assert await sign(patient, **body) == 422
    assert shown(services, patient) == (0, None)


async def test_signs_are_limited_and_never_make_a_message_wait(patient: Patient, services: Services) -> None:
    services.sign_limits = Limits(2, 100, clock=lambda: 0.0)
    services.limits = Limits(1, 100, clock=lambda: 0.0)
    held(services, patient)
    assert [await sign(patient, **TYPING) for _ in range(3)] == [204, 204, 429]
    assert (await patient.say("it has got worse")).status_code == 202


@pytest.mark.parametrize("body", [TYPING, {"shown": 1}])
async def test_without_a_database_it_is_said(patient: Patient, services: Services, body: dict[str, Any]) -> None:
    good = services.db
    try:
        services.db = broken(services.db)
        assert await sign(patient, **body) == 503
    finally:
        services.db = good


# What the patient's own pages hear


def frames(live: Any) -> Callable[[], Any]:
    async def next_frame() -> str:
        return str(await asyncio.wait_for(anext(live), 5))

    return next_frame


async def test_a_stream_says_who_is_writing_and_nothing_of_the_patients_own_signs(
    patient: Patient, services: Services
) -> None:
    held(services, patient)
    last = said(services, patient)
    topic = conversation_topic(patient.conversation)
    live = patient_api._stream(services, patient.conversation, last, patient.token)
    following = frames(live)
    await following()
    for own in (signs.PATIENT_TYPES, {"shown": last}, {"typing": True}, {"typing": {"name": ""}}, {"typing": None}):
        services.hub.wake(topic, own)
    services.hub.wake(topic, {"typing": {"name": "Dr Lee"}})
    assert await following() == 'event: typing\ndata: {"name": "Dr Lee"}\n\n'
    # What has been written takes the place of its being written.
    services.hub.wake(topic, {"typing": {"name": "Dr Lee"}})
    said(services, patient, "There you are.")
    services.news(patient.conversation)
    services.hub.wake(topic, {"status": {"open": True}})
    assert "There you are." in await following()
    assert await following() == 'event: status\ndata: {"open": true}\n\n'
    await live.aclose()


async def test_a_stream_whose_token_was_revoked_names_nobody(patient: Patient, services: Services) -> None:
    held(services, patient)
    live = patient_api._stream(services, patient.conversation, said(services, patient), patient.token)
    following = frames(live)
    await following()
    assert (await patient.client.delete("/v1/session", headers=patient.headers())).status_code == 204
    services.hub.wake(conversation_topic(patient.conversation), {"typing": {"name": "Dr Lee"}})
    with pytest.raises(StopAsyncIteration):
        await following()


async def test_a_long_poll_is_not_ended_by_signs(patient: Patient, services: Services) -> None:
    held(services, patient)
    last = said(services, patient)
    asked = asyncio.create_task(patient.read(last, wait=5))
    topic = conversation_topic(patient.conversation)
    while not services.hub._listeners.get(topic):
        await asyncio.sleep(0)
    for item in (signs.PATIENT_TYPES, {"shown": last}, {"typing": {"name": "Dr Lee"}}):
        services.hub.wake(topic, item)
    number = said(services, patient, "There you are.")
    services.news(patient.conversation)
    assert [event["seq"] for event in await asked] == [number]


# What belongs to the patient


async def test_what_was_shown_is_in_the_copy_and_goes_with_everything(patient: Patient, services: Services) -> None:
    held(services, patient)
    last = said(services, patient)
    await sign(patient, shown=last)
    kept = (await patient.client.get(patient.path("data"), headers=patient.headers())).json()
    assert (kept["shown_seq"], kept["shown_at"]) == (last, services.db.clock().isoformat())
    document = await patient.client.get(patient.path("data?format=html"), headers=patient.headers())
    assert "on your screen" in document.text
    with services.db.begin() as session:
        rights.erase(session, patient.conversation)
    assert shown(services, patient) == (0, None)


async def test_a_page_that_opens_again_is_told_how_far_the_chat_had_come(patient: Patient, services: Services) -> None:
    last = said(services, patient)
    answer = await patient.client.post("/v1/session", json={"clinic": "demo", "token": patient.token})
    assert answer.json()["last_seq"] == last
