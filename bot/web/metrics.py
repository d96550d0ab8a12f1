"""Numbers about this process and its installation, for Prometheus (``GET /metrics``, docs/operations.md).

Counts, times and ages alone: never a word, a name, an address or an id of a person. A clinic's id stands only with what
is wrong there (overdue handoffs, dead letters), because somebody has to call that clinic.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from importlib.metadata import version
from typing import TYPE_CHECKING, Any

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, Info, ProcessCollector
from sqlalchemy import event
from sqlalchemy.orm import Session
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from bot.handoff.worker import Delivery, Undeliverable
from bot.web import tracing

if TYPE_CHECKING:
    from bot.safety import Finding

# Seconds. A turn's own bars are 0.1 and 3; safety words have one second. Of every route a few are enough.
TIMES = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.0, 3.0, 5.0, 10.0)
ROUTE_TIMES = (0.05, 0.25, 1.0, 3.0, 10.0)
READING = ("GET", "HEAD")
METHODS = ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS")
ANSWERED, NO_ANSWER, AT_ONCE, TOO_BUSY = "answered", "no_answer", "at_once", "too_busy"
# What a failed call of Rasa is called, by what stands in its cause; anything else is "failed".
_CALLS = {
    "Timeout": "timeout", "Connect": "away", "Away": "away", "status": "refused", "no replies": "empty",
    "circuit": "circuit_open",
}  # fmt: skip
# When the request came in that is being handled; of a turn in the background, the request that began it.
_began: ContextVar[float | None] = ContextVar("pne_request_began", default=None)


class Metrics:
    """The instruments of one process, in a registry of their own. Whatever is counted is counted by its methods."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        named: dict[str, Any] = {"registry": self.registry, "namespace": "pne"}
        self._requests = Counter("http_requests", "Requests", ("method", "route", "status"), **named)
        self._request_seconds = Histogram(
            "http_request_seconds", "To the end of its answer", ("method", "route"), buckets=ROUTE_TIMES, **named
        )
        self._streams = Gauge("open_streams", "Open event streams", ("route",), **named)
        self._turns = Counter("turns", "Messages of patients that were dealt with", ("kind", "outcome"), **named)
        self._turn_seconds = Histogram(
            "turn_seconds", "From a message to what answers it", ("outcome",), buckets=TIMES, **named
        )
        self._flags = Counter("red_flags", "Red flags answered with safety words", ("tier", "category"), **named)
        self._words_seconds = Histogram(
            "safety_words_seconds", "From a message to its safety words", ("kept",), buckets=TIMES, **named
        )
        self._calls = Counter("rasa_calls", "Messages put to Rasa", ("outcome",), **named)
        self._stage_seconds = Histogram("stage_seconds", "Steps of a turn", ("stage",), buckets=TIMES, **named)
        self._notices = Counter("notices", "Attempts to tell a clinic", ("channel", "outcome"), **named)
        self._missed = Counter("deadlines_missed", "Handoffs that nobody took in time", ("tier", "chain"), **named)
        self._build = Info("build", "What runs here", **named)
        self.build()
        ProcessCollector(registry=self.registry)

    # Requests

    def request(self, method: str, route: str, status: int, seconds: float | None) -> None:
        """A request has been answered. `seconds`: None for a stream, which lasts as long as somebody reads."""
        method = method if method in METHODS else "other"
        self._requests.labels(method, route, str(status)).inc()
        if seconds is not None:
            self._request_seconds.labels(method, route).observe(seconds)

    def stream(self, route: str, change: int) -> None:
        """A stream was opened (1) or is over (-1)."""
        self._streams.labels(route).inc(change)

    # Turns

    def turn(self, kind: str, outcome: str) -> None:
        """A message has been dealt with. `kind`: of its plan; `outcome`: ANSWERED or NO_ANSWER by the assistant,
        TOO_BUSY to ask it, or AT_ONCE, by what the web app says itself."""
        self._turns.labels(kind, outcome).inc()
        self._since_began(self._turn_seconds.labels(outcome))

    def red_flag(self, session: Session, finding: Finding) -> None:
        """Safety words are being written in the session's transaction; counted once it is committed."""

        def counted(_session: Session) -> None:
            self._flags.labels(finding.tier, finding.category).inc()
            self._since_began(self._words_seconds.labels("yes"))

        event.listen(session, "after_commit", counted, once=True)

    def unkept_words(self, finding: Finding) -> None:
        """Safety words are shown with an error: the message could not be kept, or was refused."""
        self._flags.labels(finding.tier, finding.category).inc()
        self._since_began(self._words_seconds.labels("no"))

    @contextmanager
    def stage(self, name: str) -> Iterator[None]:
        """One step of a turn: screening, record, rasa."""
        began = time.perf_counter()
        try:
            with tracing.span(name):
                yield
        finally:
            self._stage_seconds.labels(name).observe(time.perf_counter() - began)

    @contextmanager
    def rasa_call(self) -> Iterator[None]:
        """One message put to Rasa. What is raised inside is counted by its kind, and passes."""
        outcome = "ok"
        try:
            with self.stage("rasa"):
                yield
        except BaseException as error:
            cause = f"{type(error).__name__} {error}"
            outcome = next((name for part, name in _CALLS.items() if part in cause), "failed")
            raise
        finally:
            self._calls.labels(outcome).inc()

    def _since_began(self, histogram: Histogram) -> None:
        began = _began.get()
        if began is not None:
            histogram.observe(time.perf_counter() - began)

    # Handoffs

    def counted(self, channel: str, deliver: Delivery) -> Delivery:
        """The delivery of a channel, with each attempt counted: sent, later (it will be tried again), dead."""

        async def attempt(notice: Any) -> str | None:
            outcome = "later"
            try:
                receipt = await deliver(notice)
                outcome = "sent"
                return receipt
            except Undeliverable:
                outcome = "dead"
                raise
            finally:
                self._notices.labels(channel, outcome).inc()

        return attempt

    def deadline_missed(self, session: Session, tier: str, ended: bool) -> None:
        """Nobody has taken a handoff in time: the next contacts are told, or (`ended`) the chain is over. Counted once
        the session's transaction is committed."""
        chain = "ended" if ended else "goes_on"
        event.listen(session, "after_commit", lambda _: self._missed.labels(tier, chain).inc(), once=True)

    def build(self, **labels: str) -> None:
        """What runs here, beside the program's version: model, rules, content, schema."""
        self._build.info({"version": version("pne-tutor"), **labels})


class Measured:
    """Counts and times every request by its route's pattern, never by its path. Pure ASGI, so that streams are not
    buffered; the outermost. What only reads is not traced: probes, files, streams that stay open."""

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        services = getattr(scope["app"].state, "services", None) if scope["type"] == "http" else None
        if services is None:
            await self.app(scope, receive, send)
            return
        metrics: Metrics = services.metrics
        status, streams = 500, False

        async def noted(message: Message) -> None:
            nonlocal status, streams
            if message["type"] == "http.response.start":
                status = message["status"]
                streams = any(name.lower() == b"content-type" and value.startswith(b"text/event-stream")
                              for name, value in message.get("headers", ()))  # fmt: skip
                if streams:
                    metrics.stream(route_of(scope), 1)
            await send(message)

        began = time.perf_counter()
        before = _began.set(began)
        try:
            with tracing.span("request") if scope["method"] not in READING else tracing.NOTHING as span:
                await self.app(scope, receive, noted)
                if span is not None:
                    span.update_name(f"{scope['method']} {route_of(scope)}")
                    span.set_attribute("http.response.status_code", status)
        finally:
            _began.reset(before)
            route = route_of(scope)
            if streams:
                metrics.stream(route, -1)
            metrics.request(scope["method"], route, status, None if streams else time.perf_counter() - began)


def route_of(scope: Scope) -> str:
    """The pattern of the route that took a request; "none" where there is none."""
    return str(getattr(scope.get("route"), "path", "") or "none")
