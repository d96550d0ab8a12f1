"""How this process and its installation stand: the parts that ``/readyz`` names, and what ``/metrics`` reads.

A database that is down or hangs holds neither up: one look at a time goes to it, and nobody waits for that long.
"""

from __future__ import annotations

import asyncio
import math
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import timedelta
from typing import Any, Generic, TypeVar

import anyio
import anyio.to_thread
from prometheus_client import CollectorRegistry
from prometheus_client.core import GaugeMetricFamily
from prometheus_client.exposition import generate_latest

from bot import screening
from bot.content.chain import EMAIL, FHIR, WEBHOOK
from bot.handoff.climb import CLIMB
from bot.handoff.deliveries import channels_on
from bot.handoff.worker import STOPPED_AFTER, heartbeat_name
from bot.operate import state
from bot.operate.state import Disk, Figures, Vitals
from bot.training import model_path, soft_path
from bot.web.clinics import CLINICS
from bot.web.retention import RETENTION
from bot.web.services import Services, in_thread
from bot.web.silence import SILENCE
from bot.web.unanswered import UNANSWERED

OK, DEGRADED, DOWN = "ok", "degraded", "down"
# Every loop of the worker: channels and chores.
LOOPS = (EMAIL, WEBHOOK, FHIR, SILENCE, CLIMB, UNANSWERED, RETENTION, CLINICS)
# Seconds that anybody waits for a look, and for which what was read for the metrics is good.
PATIENCE, KEEP = 2.5, 10.0
# Looks once an hour and may then be busy for a while; so long after it last came through, something is wrong.
RETENTION_STOPPED_AFTER, RETENTION_OVERDUE = timedelta(minutes=15), timedelta(hours=3)
# A heartbeat from so far in the future was written by a clock that is wrong, or is read by one.
SKEW = timedelta(seconds=60)
T = TypeVar("T")


@dataclass(frozen=True)
class Part:
    """One part: OK; DEGRADED: patients are answered, but somebody should look; DOWN: patients would miss something."""

    state: str = OK
    reason: str = ""


class OneLook(Generic[T]):
    """A look that may hang: in a thread of its own, one at a time, and nobody waits longer than PATIENCE for it."""

    def __init__(self, look: Callable[[], T]) -> None:
        self._look = look
        self._task: asyncio.Task[T] | None = None

    async def __call__(self) -> T | None:
        """What was seen; None where it failed or takes too long."""
        if self._task is None or self._task.done():
            self._task = asyncio.ensure_future(anyio.to_thread.run_sync(self._look, limiter=_alone()))
        await asyncio.wait({self._task}, timeout=PATIENCE)
        if not self._task.done() or self._task.cancelled() or self._task.exception() is not None:
            return None
        return self._task.result()


def _alone() -> anyio.CapacityLimiter:
    """Not one of the threads that work for patients: they may all hang on the same database."""
    return anyio.CapacityLimiter(1)


class Standing:
    """What one app knows of how things stand, with its figures as metrics."""

    def __init__(self, services: Services) -> None:
        self.services = services
        self._vitals = OneLook(lambda: state.read_vitals(services.db))
        self._figures = OneLook(lambda: state.read_figures(services.db))
        self._disks = OneLook(lambda: state.disks(services.settings))
        self._seen: tuple[Figures | None, list[Disk] | None, bool, bool] = (None, None, False, False)
        self._seen_at = -math.inf
        self.registry = CollectorRegistry()
        self.registry.register(self)

    async def parts(self, warm: bool = True) -> dict[str, Part]:
        """Every part by its name. `warm`: whether this process has loaded what its first answer needs."""
        vitals, disks, rasa, soft = await asyncio.gather(
            self._vitals(), self._disks(), self._rasa(), in_thread(screening.soft_layer)
        )
        channels = channels_on(self.services.clinics.values())
        fanout = self.services.fanout
        away = Part(DOWN, "Redis does not answer: no question is answered, and news come some seconds later.")
        return {
            "database": Part() if vitals else Part(DOWN, "The database does not answer: no message can be kept."),
            "migrations": _migrations(vitals),
            "assistant": Part() if rasa else Part(DOWN, "No Rasa answers: patients get safety words and no answers."),
            "warm_up": Part() if warm else Part(DOWN, "Dictionary and encoder are being loaded."),
            "outbox_worker": _loops(vitals, channels, "Notices to the clinics are not being sent."),
            "silence_watch": _loops(vitals, (SILENCE,), "Safety questions without an answer raise no alarm."),
            "climb_watch": _loops(vitals, (CLIMB,), "Handoffs that nobody takes are not passed on."),
            "unanswered_watch": _loops(vitals, (UNANSWERED,), "What a dead process left is not answered.", DEGRADED),
            "clinics_watch": _loops(vitals, (CLINICS,), "Changes of the clinics' admins do not arrive.", DEGRADED),
            "retention": _retention(vitals),
            "soft_layer": Part() if soft else Part(DEGRADED, "Safety's soft layer is missing: the rules work alone."),
            "disk": _disk(disks),
            "clock": _clock(vitals),
            **({} if fanout is None else {"redis": Part() if fanout.up else away}),
        }

    async def shown(self) -> bytes:
        """The process's metrics and what is read here, as Prometheus reads it. Never raises for what is away."""
        await self._refresh()
        registries = (self.services.metrics.registry, self.registry)
        # In a thread of its own: some 30 ms of work, for which no patient's turn should stand still.
        made = await anyio.to_thread.run_sync(lambda: [generate_latest(one) for one in registries], limiter=_alone())
        return b"".join(made)

    async def _refresh(self) -> None:
        if time.monotonic() - self._seen_at < KEEP:
            return
        if self._seen_at == -math.inf:
            self.services.metrics.build(**await in_thread(_built))
        figures, disks, rasa, soft = await asyncio.gather(
            self._figures(), self._disks(), self._rasa(), in_thread(screening.soft_layer)
        )
        self._seen = (figures, disks, rasa, soft is not None)
        self._seen_at = time.monotonic()

    async def _rasa(self) -> bool:
        try:
            return bool(await asyncio.wait_for(self.services.assistant.ready(), PATIENCE))
        except Exception:  # whatever it was: it did not say that it is ready
            return False

    def collect(self) -> Iterator[GaugeMetricFamily]:
        """The figures that were read last, for the registry."""
        figures, disks, rasa, soft = self._seen
        yield _one("pne_database_up", "Whether the database answers", float(figures is not None))
        yield _one("pne_rasa_up", "Whether a Rasa is ready", float(rasa))
        yield _one("pne_soft_layer_up", "Whether safety's soft layer is loaded", float(soft))
        yield _one("pne_turns_waiting", "Turns under way or waiting for their place", self.services.waiting)
        pool: Any = self.services.db.engine.pool
        yield _one("pne_database_connections", "Connections of this process that are in use", pool.checkedout())
        if self.services.fanout is not None:
            yield _one("pne_redis_up", "Whether the line to the others is open", float(self.services.fanout.up))
        # By their place in PNE_RASA_URLS.
        known: list[dict[str, Any]] = getattr(self.services.assistant, "states", list)()
        opened = {(str(number),): one["state"] == "open" for number, one in enumerate(known)}
        yield _many("pne_rasa_circuit_open", "Whether a Rasa is not asked for now", ("rasa",), opened)
        names = ["database" if disk.holds_database else "var" for disk in disks or ()]
        about = "of the disks that are written to"
        yield _many("pne_disk_free_bytes", f"Free bytes {about}", ("disk",),
                    {(name,): disk.free for name, disk in zip(names, disks or (), strict=True)})  # fmt: skip
        yield _many("pne_disk_size_bytes", f"Bytes {about}", ("disk",),
                    {(name,): disk.size for name, disk in zip(names, disks or (), strict=True)})  # fmt: skip
        if figures is not None:
            yield from self._of_the_database(figures)

    def _of_the_database(self, figures: Figures) -> Iterator[GaugeMetricFamily]:
        vitals = figures.vitals
        yield _one("pne_database_migrated", "Whether its tables are this program's", float(not _unfit(vitals.revision)))
        own = {(name,): vitals.beats.get(heartbeat_name(name), math.inf) for name in LOOPS}
        yield _many("pne_heartbeat_age_seconds", "Since a part of the worker showed life", ("part",), own)
        for name, beat in (("backup", state.BACKUP), ("retention", state.RETENTION)):
            yield _one(f"pne_{name}_age_seconds", f"Since {name} last succeeded", vitals.beats.get(beat, math.inf))
        due = {channel: (0, 0.0) for channel in channels_on(self.services.clinics.values())} | dict(figures.due)
        yield _many("pne_outbox_due", "Notices that wait to be sent", ("channel",),
                    {(channel,): waiting for channel, (waiting, _) in due.items()})  # fmt: skip
        yield _many("pne_outbox_oldest_due_seconds", "Age of the oldest of them", ("channel",),
                    {(channel,): age for channel, (_, age) in due.items()})  # fmt: skip
        yield _many("pne_dead_letters", "Notices that were given up", ("clinic", "channel"), figures.dead)
        number: dict[tuple[str, ...], float] = {}
        oldest: dict[tuple[str, ...], float] = {}
        late: dict[tuple[str, ...], float] = {}
        exhausted: dict[tuple[str, ...], float] = {}
        for item in figures.handoffs:
            key, here = (item.tier, item.status), (item.clinic, item.tier)
            number[key] = number.get(key, 0) + item.number
            if item.status in state.WAITING:
                oldest[(item.tier,)] = max(oldest.get((item.tier,), 0.0), item.oldest)
            if item.late:
                late[here] = late.get(here, 0) + item.late
            if item.exhausted:
                exhausted[here] = exhausted.get(here, 0) + item.exhausted
        yield _many("pne_handoffs_open", "Open handoffs", ("tier", "status"), number)
        yield _many("pne_handoff_oldest_unclaimed_seconds", "Age of the oldest untaken one", ("tier",), oldest)
        yield _many("pne_handoffs_late", "Untaken past a deadline", ("clinic", "tier"), late)
        yield _many("pne_handoffs_exhausted", "Untaken with all contacts told", ("clinic", "tier"), exhausted)


def _migrations(vitals: Vitals | None) -> Part:
    if vitals is None:
        return Part(DOWN, "Not known without the database.")
    if vitals.revision > state.newest_revision():
        return Part(DEGRADED, "The tables are newer than this program: it is being updated, or was taken back.")
    if _unfit(vitals.revision):
        return Part(DOWN, "The tables are older than this program. Run: pne migrate")
    return Part()


def _unfit(revision: str) -> bool:
    return revision < state.newest_revision()


def _loops(vitals: Vitals | None, names: tuple[str, ...], missing: str, otherwise: str = DOWN) -> Part:
    """Whether all of these loops of the worker have shown life lately."""
    beats = vitals.beats if vitals is not None else {}
    ages = [beats.get(heartbeat_name(name), math.inf) for name in names]
    alive = vitals is not None and all(age < STOPPED_AFTER.total_seconds() for age in ages)
    return Part() if alive else Part(otherwise, missing)


def _retention(vitals: Vitals | None) -> Part:
    """Nobody waits for it: late, it is a broken promise to patients, but they are answered."""
    beats = vitals.beats if vitals is not None else {}
    if beats.get(heartbeat_name(RETENTION), math.inf) >= RETENTION_STOPPED_AFTER.total_seconds():
        return Part(DEGRADED, "The look at what is due for erasing has stopped.")
    if beats.get(state.RETENTION, math.inf) >= RETENTION_OVERDUE.total_seconds():
        return Part(DEGRADED, "What is due for erasing has not been erased for hours.")
    return Part()


def _disk(disks: list[Disk] | None) -> Part:
    if disks is None:
        return Part(DEGRADED, "The disk does not say how full it is.")
    full = [disk for disk in disks if disk.free < state.LEAST_FREE]
    if any(disk.holds_database for disk in full):
        return Part(DOWN, "The disk of the database is full: no message can be kept.")
    if full:
        return Part(DEGRADED, "The disk of logs and mail is full.")
    if any(disk.free < state.LOW_FREE for disk in disks):
        return Part(DEGRADED, "Less than 1 GB of a disk is free.")
    return Part()


def _clock(vitals: Vitals | None) -> Part:
    ahead = any(age < -SKEW.total_seconds() for age in (vitals.beats.values() if vitals is not None else ()))
    return Part(DEGRADED, "A clock is wrong: something was written in the future.") if ahead else Part()


def _built() -> dict[str, str]:
    return {
        "model": model_path().name.partition(".")[0],
        "rules": soft_path().name,
        "content": state.content_version(),
        "schema": state.newest_revision(),
    }


def _one(name: str, about: str, value: float) -> GaugeMetricFamily:
    return GaugeMetricFamily(name, about, value=value)


def _many(name: str, about: str, labels: tuple[str, ...], values: Any) -> GaugeMetricFamily:
    family = GaugeMetricFamily(name, about, labels=labels)
    for key, value in values.items():
        family.add_metric(key, float(value))
    return family
