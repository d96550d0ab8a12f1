"""What request handlers share. Made once by the app factory; nothing here is global."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Callable, Coroutine
from dataclasses import dataclass, field
from datetime import datetime
from functools import partial
from typing import Any, TypeVar
from weakref import WeakValueDictionary
from zoneinfo import ZoneInfo

import anyio.to_thread
import structlog

from bot.content import Clinic, Wording
from bot.content.opening import opening_words
from bot.live_clinics import LiveClinics
from bot.settings import Settings
from bot.store.session import Database
from bot.web.assistant import Assistant
from bot.web.fanout import Fanout
from bot.web.identity import Verifier
from bot.web.limits import Limits
from bot.web.metrics import Metrics
from bot.web.people.oidc import Providers
from bot.web.stream import NEW, Hub, conversation_topic, inbox_topic

log = structlog.get_logger(__name__)
# That the clinic is closed, and the same where nobody knows when it opens.
_CLOSED = {"handoff_closed_now": "handoff_closed_now_long", "team_closed": "team_closed_long"}
T = TypeVar("T")


@dataclass
class Services:
    """`read_message` turns a text into its packed reading (repaired texts and vectors) for Rasa."""

    settings: Settings
    db: Database
    clinics: dict[str, Clinic]
    wording: Wording
    assistant: Assistant
    read_message: Callable[[str], dict[str, Any]]
    limits: Limits
    # Tries to sign in to the inbox: per e-mail address and per network address, a minute.
    sign_in_limits: Limits = field(default_factory=lambda: Limits(6, 20))
    # Sign-ins that begin at a clinic's identity provider: per known browser, and per network address, a minute.
    oidc_limits: Limits = field(default_factory=lambda: Limits(30, 30))
    # Signs of patients' pages (typing, shown), apart from their messages.
    sign_limits: Limits = field(default_factory=lambda: Limits(60, 1200))
    identity: Verifier = field(default_factory=Verifier)
    oidc: Providers = field(default_factory=Providers)
    live: LiveClinics = field(default_factory=LiveClinics)
    metrics: Metrics = field(default_factory=Metrics)
    # Which safety rules screen here: kept with every handoff, so that it can be said later what raised it.
    rules_version: str = ""
    hub: Hub = field(default_factory=Hub)
    # The line to the other web processes; None where there is one alone.
    fanout: Fanout | None = None
    making_a_file: asyncio.Lock = field(default_factory=asyncio.Lock)
    stopping: asyncio.Event = field(default_factory=asyncio.Event)
    _turns: set[asyncio.Task[None]] = field(default_factory=set)
    # Weak: a lock lives as long as the turns that wait for it.
    _order: WeakValueDictionary[str, asyncio.Lock] = field(default_factory=WeakValueDictionary)
    # Counted, as a lock may outlive its turns until the collector comes by.
    _busy: Counter[str] = field(default_factory=Counter)

    def clinic(self, clinic_id: str) -> Clinic:
        return self.clinics.get(clinic_id) or self.clinics[self.settings.default_clinic]

    def news(self, conversation_id: str, clinic: str | None = None) -> None:
        """Wake whoever watches this conversation, and the clinic's inbox."""
        self.hub.wake(conversation_topic(conversation_id), NEW)
        if clinic is not None:
            self.inbox_news(clinic)

    def inbox_news(self, clinic: str) -> None:
        """Wake the clinic's inbox."""
        self.hub.wake(inbox_topic(clinic), NEW)

    def shown(self, clinic: Clinic, at: datetime) -> str:
        """A time as the clinic's patients read it: 10:32, or with the date where it was another day."""
        zone = ZoneInfo(clinic.about.get("time_zone", "UTC"))
        local, now = at.astimezone(zone), self.db.clock().astimezone(zone)
        return local.strftime("%H:%M" if local.date() == now.date() else "%d %B, %H:%M")

    def closed_words(self, clinic: Clinic, key: str = "handoff_closed_now") -> str:
        """What a patient is told while the clinic is closed (`key`: in which words): when it opens. Empty while it is
        open."""
        now = self.db.clock()
        if clinic.hours.is_open(now):
            return ""
        opens = opening_words(clinic, now, self.wording)
        return self.wording.bubbles(key if opens else _CLOSED[key], clinic=clinic.name, **opens)[0]

    def in_order(self, conversation_id: str, turn: Coroutine[Any, Any, None]) -> None:
        """Run a turn after the earlier turns of the same conversation, in the background."""

        line = self._order.setdefault(conversation_id, asyncio.Lock())

        async def run() -> None:
            async with line:
                try:
                    await turn
                except Exception as error:  # a turn must never end in silence in the log
                    log.error("turn_failed", cause=type(error).__name__, exc_info=not self.settings.production)

        task = asyncio.create_task(run())
        self._turns.add(task)
        self._busy[conversation_id] += 1
        task.add_done_callback(partial(self._done, conversation_id))

    def _done(self, conversation_id: str, task: asyncio.Task[None]) -> None:
        self._turns.discard(task)
        self._busy -= Counter({conversation_id: 1})  # what comes to nothing is dropped

    def aside(self, work: Coroutine[Any, Any, None]) -> None:
        """Run something small that no answer waits for. It must not raise."""
        task = asyncio.create_task(work)
        self._turns.add(task)
        task.add_done_callback(self._turns.discard)

    @property
    def waiting(self) -> int:
        """How many turns are under way or wait for their place."""
        return len(self._turns)

    def busy(self, conversation_id: str) -> bool:
        """Whether a turn of this conversation is under way or waits for its place."""
        return conversation_id in self._busy

    async def finish_turns(self, seconds: float) -> None:
        """Wait for the turns under way, for at most so many seconds."""
        if self._turns:
            await asyncio.wait(tuple(self._turns), timeout=seconds)


async def in_thread(function: Callable[..., T], *args: Any) -> T:
    """Run database work without holding up everybody else."""
    return await anyio.to_thread.run_sync(lambda: function(*args))
