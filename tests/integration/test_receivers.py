"""Receivers that answer wrongly, hang or break off, over real sockets: what is made, recorded, and an alarm."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest

from bot.content import Clinic, load_wording
from bot.content.chain import read_chain
from bot.handoff import calling, recording, worker
from bot.handoff.climb import climb_overdue, overdue
from bot.handoff.deliveries import channels_on, deliveries, make_senders
from bot.handoff.trial import try_channels
from bot.handoff.worker import Delivery, send_due
from bot.settings import Settings
from bot.store import outbox
from bot.store import session as store
from bot.store.models import Handoff, Outbox
from bot.store.session import Database
from tests.support import postgres
from tests.support.database import CLINIC, HandClock, a_clinic, at_once, raise_one, sqlite_database
from tests.support.mailbox import serving
from tests.support.receivers import (
    HANG,
    KEY_VARIABLE,
    RESET,
    SECRETS,
    Fault,
    Faulty,
    FhirServer,
    Hook,
    Reply,
    Request,
    clinic_with,
    listening,
)

server = postgres.server
BUSY = Reply(429, {"retry-after": "120"})
MOVED = Reply(302, {"location": "/elsewhere"})
# What it answers, whether it does what was asked all the same, what the notice is then, and how many seconds it waits.
ANSWERS = [
    pytest.param(Reply(500), False, "later", 2, id="500"),
    pytest.param(Reply(500), True, "later", 2, id="500 after doing it"),
    pytest.param(BUSY, False, "later", 120, id="429"),
    pytest.param(MOVED, False, "dead", 0, id="302"),
    pytest.param(HANG, False, "later", 2, id="hangs"),
    pytest.param(HANG, True, "later", 2, id="hangs after doing it"),
    pytest.param(Reply(410), False, "dead", 0, id="410"),
    pytest.param(RESET, False, "later", 2, id="resets"),
    pytest.param(RESET, True, "later", 2, id="resets after doing it"),
]


@dataclass
class Side:
    """A clinic's receivers on loopback, and our deliveries to them."""

    db: Database
    clock: HandClock
    clinic: Clinic
    fhir: FhirServer
    at_fhir: Faulty
    hook: Hook
    at_hook: Faulty
    deliveries: dict[str, Delivery]

    async def go(self, *channels: str) -> None:
        for channel in channels:
            await send_due(self.db, channel, self.deliveries[channel], "w", lambda: 1.0)

    def raised(self) -> str:
        return raise_one(self.db, "c", clinic_of=lambda _: self.clinic).handoff_id

    def row(self, channel: str, contact: str = "") -> Outbox:
        with self.db.read() as session:
            (found,) = session.query(Outbox).filter_by(channel=channel, contact=contact)
            return found


def is_the_task(request: Request) -> bool:
    return request.path.startswith("/fhir/Task")


@asynccontextmanager
async def a_side(folder: Path, chain: dict[str, Any] | None = None) -> AsyncIterator[Side]:
    clock = HandClock()
    db = sqlite_database(folder, clock)
    hook, fhir = Hook(), FhirServer(clock)
    at_hook, at_fhir = Faulty(hook), Faulty(fhir, counts=is_the_task)
    async with listening(at_hook) as hook_url, listening(at_fhir) as fhir_url, serving() as mailbox:
        fhir.base = f"{fhir_url}/fhir"
        clinic = clinic_with(hook=f"{hook_url}/in", base=fhir.base)
        if chain is not None:
            given = {**clinic.about["handoff"], **chain}
            channels = {"webhook": {"on": True, "url": f"{hook_url}/in", "secrets": ["HOOK_NEW"]}}
            clinic = replace(clinic, chain=read_chain(given, channels))
        settings = Settings(smtp_url=mailbox.url, public_url="https://tutor.invalid", var=str(folder))
        environ = {**SECRETS, **fhir.environ}
        made = deliveries(lambda _: clinic, settings, load_wording(), db, environ)
        yield Side(db, clock, clinic, fhir, at_fhir, hook, at_hook, made)
    db.close()


@pytest.fixture
async def side(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Side]:
    monkeypatch.setattr(calling, "REQUEST_SECONDS", 0.4)
    async with a_side(tmp_path) as made:
        yield made


@pytest.mark.parametrize(("reply", "after", "then", "wait"), ANSWERS)
@pytest.mark.parametrize("channel", ["fhir", "webhook"])
async def test_one_task_one_event_and_the_right_record(
    side: Side, channel: str, reply: Reply, after: bool, then: str, wait: int
) -> None:
    raised = side.raised()
    faulty = side.at_fhir if channel == "fhir" else side.at_hook
    faulty.faults = [Fault(reply, after)]
    await side.go(channel)
    row = side.row(channel)
    assert row.sent_at is None and row.last_error
    assert (row.dead_at == side.clock()) is (then == "dead")
    with side.db.read() as session:
        assert session.get(Handoff, raised).status == "raised", "nobody has said that it arrived"
        assert bool(outbox.dead_letters(session, CLINIC)) is (then == "dead")
    if then == "dead":
        with side.db.begin() as session:
            assert outbox.replay(session, row.id, CLINIC)
    else:
        assert (row.due_at - side.clock()).total_seconds() == wait
        side.clock.move(seconds=wait)
    await side.go(channel)
    row = side.row(channel)
    assert row.sent_at == side.clock()
    assert not any("elsewhere" in request.path for request in faulty.seen), "a redirect is never followed"
    with side.db.read() as session:
        assert session.get(Handoff, raised).status == "delivered"
    if channel == "fhir":
        assert side.fhir.task["status"] == "requested" and side.fhir.faults == []
        assert len(side.fhir.of("Communication")) == 1
        assert row.receipt == f"{side.fhir.base}/Task/2"
    else:
        assert list(side.hook.events) == [row.id]


async def test_a_receiver_that_is_not_there_is_tried_again(side: Side, tmp_path: Path) -> None:
    async with listening(side.at_hook) as gone:
        pass
    side.clinic = clinic_with(hook=gone)
    settings = Settings(var=str(tmp_path))
    side.deliveries = deliveries(lambda _: side.clinic, settings, load_wording(), side.db, SECRETS)
    side.raised()
    await side.go("webhook")
    row = side.row("webhook")
    assert row.dead_at is None and row.due_at > side.clock() and "ConnectError" in row.last_error


async def test_a_pager_that_is_closed_makes_the_item_climb_at_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    people = a_clinic(CLINIC).about["handoff"]["contacts"]
    chain = {
        "contacts": {**people, "pager": {"name": "the pager", "channel": "webhook"}},
        "chain": [{"to": ["pager"]}, {"to": ["lead"]}],
    }
    async with a_side(tmp_path, chain) as side:
        raised = side.raised()
        side.at_hook.faults = [Fault(Reply(410)), Fault(Reply(410))]
        await side.go("webhook")
        with side.db.read() as session:
            assert overdue(session) == [raised]
        told: list[str] = []
        await climb_overdue(
            side.db, lambda _: side.clinic, lambda _s, _i, climbed: told.extend(climbed.contacts), lambda *_: None
        )
        assert told == ["the lead clinician"]
        await side.go("email")
        assert side.row("email", "lead").sent_at == side.clock()


async def test_a_dead_channel_holds_up_no_other(side: Side) -> None:
    side.raised()
    side.at_fhir.counts = lambda request: True
    side.at_fhir.faults = [Fault(HANG)] * 50
    stop = asyncio.Event()
    running = asyncio.create_task(worker.run(side.db, side.deliveries, stop, every=0.01))
    for _ in range(500):
        if side.row("webhook").sent_at and side.row("email", "team").sent_at:
            break
        await asyncio.sleep(0.01)
    stop.set()
    await running
    assert side.row("webhook").sent_at and side.row("email", "team").sent_at
    assert side.row("fhir").sent_at is None
    assert worker.alive(side.db, channels_on([side.clinic]))


async def test_the_try_of_all_channels_says_what_works_and_what_does_not(side: Side, tmp_path: Path) -> None:
    settings = Settings(smtp_url="", var=str(tmp_path))
    environ = {**SECRETS, **side.fhir.environ}
    senders = make_senders(lambda _: side.clinic, settings, load_wording(), side.clock, environ)
    results = await try_channels(side.clinic, senders)
    assert [one.channel for one in results] == ["email"] * 3 + ["webhook"] + ["fhir"] * 3
    assert not any(one.trouble for one in results)
    assert len(list((tmp_path / "mail").glob("*.eml"))) == 3
    (event,) = side.hook.events.values()
    assert event["type"] == "handoff.test"
    again = await try_channels(side.clinic, senders)
    assert all(not one.trouble for one in again)
    assert side.fhir.task["status"] == "cancelled" and side.fhir.faults == [], "each test finds the same one Task"
    side.at_hook.faults, side.at_fhir.faults = [Fault(Reply(410))], [Fault(Reply(403))]
    bad = {(one.channel, one.who): one.trouble for one in await try_channels(side.clinic, senders) if one.trouble}
    assert bad.keys() == {("webhook", "events"), ("fhir", "test Task")}
    assert "410" in bad["webhook", "events"] and "403" in bad["fhir", "test Task"]
    with side.db.read() as session:
        assert session.query(Outbox).count() == 0
    environ.pop(KEY_VARIABLE)
    senders.record.sign_in._tokens.clear()
    bad = {(one.channel, one.who): one.trouble for one in await try_channels(side.clinic, senders) if one.trouble}
    assert {channel for channel, _ in bad} == {"fhir"} and all(KEY_VARIABLE in trouble for trouble in bad.values())


@pytest.fixture
def on_postgres(server: Any) -> Iterator[Database]:
    with postgres.empty_database(server, "receivers") as url:
        store.upgrade(url)
        db = store.connect(url, HandClock())
        yield db
        db.close()


def test_on_postgresql_two_deaths_at_once_make_it_climb_and_three_workers_share_the_work(on_postgres: Database) -> None:
    db = on_postgres
    given = {**a_clinic(CLINIC).about["handoff"], "chain": [{"to": ["team", "lead"]}, {"to": ["manager"]}]}
    clinic = replace(a_clinic(CLINIC), chain=read_chain(given, {}))
    for number in range(10):
        raised = raise_one(db, f"c{number}", clinic_of=lambda _: clinic).handoff_id
        with db.begin() as session:
            leased = outbox.lease(session, "email", "w", worker.LEASE, 10)
        assert len(leased) == 2
        at_once(*[lambda one=one: recording.dead(db, one, "w", "closed") for one in leased])  # type: ignore[misc]
        with db.begin() as session:
            assert overdue(session) == [raised]
            session.get(Handoff, raised).climb_at = None
    for number in range(20):
        raise_one(db, f"d{number}", clinic_of=lambda _: clinic)
    sent: list[str] = []

    async def deliver(notice: Any) -> str:
        sent.append(notice.id)
        return "receipt"

    def works(owner: str) -> None:
        while asyncio.run(send_due(db, "email", deliver, owner)):
            pass

    at_once(*[lambda owner=owner: works(owner) for owner in ("a", "b", "c")])  # type: ignore[misc]
    assert len(sent) == len(set(sent)) == 40
    with db.read() as session:
        assert session.query(Handoff).filter_by(status="delivered").count() == 20
