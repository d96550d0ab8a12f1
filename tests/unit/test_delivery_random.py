"""Whatever a receiver answers, and wherever a worker dies: one Task, nothing lost, and in the end the true state."""

from __future__ import annotations

import asyncio
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import select

from bot.handoff import fhir_codes, steps
from bot.handoff.calling import Line
from bot.handoff.states import NotAllowed
from bot.handoff.webhook import webhook_delivery
from bot.handoff.worker import LEASE, Delivery, send_due
from bot.store import audit, outbox
from bot.store.handoffs import WAITING
from bot.store.models import Audit, Handoff, Outbox
from tests.support.database import CLINIC, HandClock, add_person, sqlite_database
from tests.support.fhir_way import Way
from tests.support.receivers import (
    HANG,
    RESET,
    SECRETS,
    Fault,
    Faulty,
    FhirServer,
    Hook,
    Reply,
    clinic_with,
    no_network,
)

LATER = (Reply(500), Reply(503, {"retry-after": "30"}), Reply(429, {"retry-after": "5"}), Reply(408), HANG, RESET)
NEVER = (Reply(302, {"location": "http://elsewhere.invalid/"}), Reply(410), Reply(403))
FAULTS = st.builds(Fault, st.sampled_from(LATER + NEVER), st.booleans())
ACTS = ("seen", "claim", "answer", "hand_back", "close", "repeat")


@dataclass(frozen=True)
class Crash:
    """The worker dies with what it has leased: before sending it, or after, before it could say so."""

    after: bool


MOVES = st.lists(
    st.one_of(FAULTS, st.builds(Crash, st.booleans()), st.sampled_from(ACTS), st.just("pass")), max_size=25
)


class World:
    """A clinic with webhook and record, its one item, and a person at its inbox."""

    def __init__(self, folder: Path) -> None:
        self.clock = HandClock()
        self.db = sqlite_database(folder, self.clock)
        self.server = FhirServer(self.clock)
        clinic = clinic_with(base=self.server.base, hook="https://hook.invalid/")
        self.way = Way(self.db, self.server, clinic)
        self.way.faulty.counts = lambda request: "fhir" in request.path
        self.hook = Hook()
        self.at_hook = Faulty(self.hook)
        line = Line(no_network(self.at_hook))
        hooks = webhook_delivery(self.db, lambda _: clinic, SECRETS, "https://tutor.invalid", line)
        self.deliveries: dict[str, Delivery] = {"fhir": self.way.sender.send, "webhook": hooks}
        self.person = add_person(self.db, "ada")
        self.item = self.way.raised()

    async def move(self, move: Any) -> None:
        if isinstance(move, Fault):
            self.way.faulty.faults.append(move)
            self.at_hook.faults.append(move)
        elif isinstance(move, Crash):
            await self.crash(move)
        elif move == "pass":
            await self.one_pass()
        else:
            self.act(move)

    async def one_pass(self) -> None:
        """Sends what is due; if nothing is, waits for what is due next."""
        done = [await send_due(self.db, name, deliver, "w", lambda: 0.5) for name, deliver in self.deliveries.items()]
        if not any(done):
            due = [max(row.due_at, row.leased_until or row.due_at) for row in self.rows() if self.is_open(row)]
            self.clock.at = max([self.clock.at, *due[:1]])

    async def crash(self, crash: Crash) -> None:
        for name, deliver in self.deliveries.items():
            with self.db.begin() as session:
                leased = outbox.lease(session, name, "killed", LEASE, 1)
            for notice in leased if crash.after else ():
                try:
                    await deliver(notice)
                except Exception:
                    continue  # nobody is left to record it

    def act(self, act: str) -> None:
        try:
            with self.db.begin() as session:
                version = session.get(Handoff, self.item).version
                if act == "seen":
                    steps.mark_seen(session, self.item, self.person)
                elif act == "claim":
                    steps.claim(session, self.item, self.person, version)
                elif act == "answer":
                    steps.answered(session, "c", self.person)
                elif act == "hand_back":
                    steps.hand_back(session, self.item, self.person)
                elif act == "close":
                    steps.close(session, self.item, self.person, "answered")
                elif session.get(Handoff, self.item).status in WAITING:
                    self.way.raised_again(session, tier="T0")
        except NotAllowed:
            pass

    def rows(self) -> list[Outbox]:
        with self.db.read() as session:
            found = session.execute(select(Outbox).where(Outbox.contact == "").order_by(Outbox.due_at)).scalars()
            return list(found)

    @staticmethod
    def is_open(row: Outbox) -> bool:
        return row.sent_at is None and row.dead_at is None

    async def settle(self) -> None:
        """Everything gets well: no more faults, and the dead letters are replayed."""
        self.way.faulty.faults.clear()
        self.at_hook.faults.clear()
        with self.db.begin() as session:
            for row in session.execute(select(Outbox).where(Outbox.dead_at.is_not(None))).scalars():
                assert outbox.replay(session, row.id)
        for _ in range(100):
            if not any(map(self.is_open, self.rows())):
                return
            await self.one_pass()
        raise AssertionError("not everything was sent")


async def live(moves: list[Any]) -> None:
    with tempfile.TemporaryDirectory() as folder:
        world = World(Path(folder))
        for move in moves:
            await world.move(move)
            assert len(world.server.of("Task")) <= 1
        with world.db.read() as session:
            acts = [row.act for row in audit.trail(session, CLINIC, world.item)]
        dead = [row for row in world.rows() if row.dead_at is not None]
        assert acts.count("handoff.undeliverable") == len(dead) and all(row.last_error for row in dead)
        await world.settle()
        with world.db.read() as session:
            item = session.get(Handoff, world.item)
        task = world.server.task
        assert task["status"] == fhir_codes.TASK_STATUS[item.status]
        assert task["priority"] == "stat" and world.server.faults == []
        messages = [one["identifier"][0]["value"] for one in world.server.of("Communication")]
        assert len(messages) == len(set(messages))
        hooked = [row for row in world.rows() if row.channel == "webhook"]
        assert world.hook.events.keys() == {row.id for row in hooked}, "each event arrived, by one id each"
        assert item.delivered_at is not None and item.status != "raised"
        whole_chain(world)
        world.db.close()


def whole_chain(world: World) -> None:
    """The audit's rows are numbered without a gap, and each hash covers the one before it."""
    with world.db.read() as session:
        rows = list(session.execute(select(Audit).where(Audit.clinic == CLINIC).order_by(Audit.seq)).scalars())
    before = ""
    for number, row in enumerate(rows, 1):
        assert row.seq == number
        before = audit.row_hash(before, row.clinic, row.seq, row.at, row.actor, row.act, row.subject, row.details)
        assert row.hash == before


@settings(max_examples=60, deadline=None, derandomize=True, suppress_health_check=[HealthCheck.too_slow])
@given(MOVES)
def test_random_answers_crashes_and_steps(moves: list[Any]) -> None:
    asyncio.run(live(moves))


@pytest.mark.parametrize(
    "moves",
    [
        [Fault(RESET, after=True), "pass", "claim", "pass"],
        ["claim", Crash(after=True), "close", Crash(after=True), "pass"],
        [Fault(Reply(410)), "pass", "seen", "pass", "repeat", "pass"],
        [Crash(after=False), Crash(after=True), "pass", "claim", "answer", Fault(HANG, after=True), "pass", "close"],
    ],
)
async def test_known_hard_ones(moves: list[Any]) -> None:
    await live(moves)
