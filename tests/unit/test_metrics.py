"""What is counted, how, and that nothing of a person gets into a label."""

from __future__ import annotations

import asyncio
import subprocess
import sys
from typing import Any

import httpx
import pytest
from sqlalchemy import text
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response, StreamingResponse
from starlette.routing import Mount, Route

from bot.handoff.worker import TryLater, Undeliverable
from bot.settings import ROOT
from bot.store.session import Database
from bot.web.assistant import AssistantAway, AssistantUnavailable
from bot.web.metrics import ANSWERED, AT_ONCE, Measured, Metrics, route_of
from tests.support.metrics import Scraped

MARK = "zqxjk"


class Found:
    """What metrics need to know of a finding."""

    tier, category = "T1", "RF01"


@pytest.fixture
def metrics() -> Metrics:
    return Metrics()


def scraped(metrics: Metrics) -> Scraped:
    return Scraped.of_registry(metrics.registry)


# Requests


def app(metrics: Metrics) -> Starlette:
    async def item(_request: Request) -> Response:
        return PlainTextResponse("x")

    async def breaks(_request: Request) -> Response:
        raise RuntimeError(MARK)

    async def events(_request: Request) -> Response:
        async def lines() -> Any:
            yield "data: 1\n\n"
            opened.set()
            await over.wait()

        return StreamingResponse(lines(), media_type="text/event-stream")

    opened, over = asyncio.Event(), asyncio.Event()
    made = Starlette(routes=[
        Route("/items/{id}", item, methods=["POST"]), Route("/breaks", breaks), Route("/items/{id}/events", events),
        Mount("/files", app=PlainTextResponse("x")),
    ])  # fmt: skip
    made.add_middleware(Measured)
    made.state.services = type("Services", (), {"metrics": metrics})
    made.state.opened, made.state.over = opened, over
    return made


def line_to(made: Starlette) -> httpx.AsyncClient:
    transport = httpx.ASGITransport(app=made, raise_app_exceptions=False)
    return httpx.AsyncClient(transport=transport, base_url="http://pne.test")


async def test_requests_are_counted_by_their_routes_pattern_and_never_by_their_path(metrics: Metrics) -> None:
    async with line_to(app(metrics)) as client:
        for path in (f"/items/{MARK}-1", f"/items/{MARK}-2"):
            await client.post(path)
        await client.get(f"/items/{MARK}")
        await client.get(f"/nothing/{MARK}")
        await client.get(f"/files/{MARK}")
        await client.get("/breaks")
        await client.request("BREW", "/breaks")
    found = scraped(metrics)
    count = "pne_http_requests_total"
    assert found.value(count, method="POST", route="/items/{id}", status="200") == 2
    assert found.value(count, method="GET", route="/items/{id}", status="405") == 1
    assert found.value(count, method="GET", route="none", status="404") == 1
    assert found.value(count, method="GET", route="/files", status="200") == 1
    assert found.value(count, method="GET", route="/breaks", status="500") == 1
    assert found.value(count, method="other", route="/breaks", status="405") == 1
    assert found.value("pne_http_request_seconds_count", method="POST", route="/items/{id}") == 2
    assert not any(MARK in label for label in found.labels())


async def test_a_stream_is_open_until_it_is_over_and_is_no_slow_request(metrics: Metrics) -> None:
    made = app(metrics)
    async with line_to(made) as client:
        reading = asyncio.create_task(client.get(f"/items/{MARK}/events"))
        await made.state.opened.wait()
        assert scraped(metrics).value("pne_open_streams", route="/items/{id}/events") == 1
        made.state.over.set()
        await reading
    found = scraped(metrics)
    assert found.value("pne_open_streams", route="/items/{id}/events") == 0
    assert found.value("pne_http_requests_total", method="GET", route="/items/{id}/events", status="200") == 1
    assert found.value("pne_http_request_seconds_count", method="GET", route="/items/{id}/events") == 0


def test_a_request_that_no_route_took_has_no_pattern() -> None:
    assert route_of({"type": "http", "path": f"/{MARK}"}) == "none"


# Turns


async def test_a_turn_is_timed_from_its_request_also_in_the_background(metrics: Metrics) -> None:
    async def behind() -> None:
        await asyncio.sleep(0.02)
        metrics.turn("converse", ANSWERED)

    async def message(_request: Request) -> Response:
        metrics.turn("check", AT_ONCE)
        turns.append(asyncio.create_task(behind()))
        return PlainTextResponse("x", 202)

    turns: list[asyncio.Task[None]] = []
    made = Starlette(routes=[Route("/", message, methods=["POST"])])
    made.add_middleware(Measured)
    made.state.services = type("Services", (), {"metrics": metrics})
    async with line_to(made) as client:
        await client.post("/")
    await asyncio.gather(*turns)
    metrics.turn("converse", ANSWERED)  # without a request nobody has waited
    found = scraped(metrics)
    assert found.value("pne_turns_total", kind="converse", outcome=ANSWERED) == 2
    assert found.value("pne_turn_seconds_count", outcome=ANSWERED) == 1
    assert found.value("pne_turn_seconds_sum", outcome=ANSWERED) >= 0.02
    assert found.value("pne_turn_seconds_count", outcome=AT_ONCE) == 1


def test_a_red_flag_counts_once_its_words_are_kept(metrics: Metrics, db: Database) -> None:
    found: Any = Found()
    with pytest.raises(RuntimeError), db.begin() as session:
        metrics.red_flag(session, found)
        raise RuntimeError
    with db.begin() as session:
        session.execute(text("SELECT 1"))
    assert scraped(metrics).total("pne_red_flags_total") == 0
    with db.begin() as session:
        session.execute(text("SELECT 1"))
        metrics.red_flag(session, found)
        assert scraped(metrics).total("pne_red_flags_total") == 0
    metrics.unkept_words(found)
    assert scraped(metrics).value("pne_red_flags_total", tier="T1", category="RF01") == 2


def test_a_deadline_counts_once_it_is_kept_that_it_was_missed(metrics: Metrics, db: Database) -> None:
    for ended in (False, True, True):
        with db.begin() as session:
            session.execute(text("SELECT 1"))
            metrics.deadline_missed(session, "T0", ended)
    found = scraped(metrics)
    missed = [found.value("pne_deadlines_missed_total", tier="T0", chain=one) for one in ("goes_on", "ended")]
    assert missed == [1, 2]


@pytest.mark.parametrize(
    ("error", "outcome"),
    [
        (None, "ok"),
        (AssistantUnavailable("ReadTimeout"), "timeout"),
        (AssistantUnavailable("ConnectError"), "away"),
        (AssistantUnavailable("status 503"), "refused"),
        (AssistantUnavailable("circuit open"), "circuit_open"),
        (AssistantAway("ConnectError"), "away"),
        (AssistantUnavailable("no replies"), "empty"),
        (RuntimeError(MARK), "failed"),
        (asyncio.CancelledError(), "failed"),
    ],
)
def test_calls_of_rasa_are_counted_by_what_came_of_them(
    metrics: Metrics, error: BaseException | None, outcome: str
) -> None:
    try:
        with metrics.rasa_call():
            if error is not None:
                raise error
    except (Exception, asyncio.CancelledError) as raised:
        assert raised is error
    found = scraped(metrics)
    assert found.value("pne_rasa_calls_total", outcome=outcome) == found.total("pne_rasa_calls_total") == 1
    assert found.value("pne_stage_seconds_count", stage="rasa") == 1


@pytest.mark.parametrize(("error", "outcome"), [(None, "sent"), (TryLater("x"), "later"), (Undeliverable("x"), "dead")])
async def test_attempts_to_tell_a_clinic_are_counted_by_channel(
    metrics: Metrics, error: Exception | None, outcome: str
) -> None:
    async def deliver(_notice: Any) -> str | None:
        if error is not None:
            raise error
        return "receipt"

    notice: Any = object()
    if error is None:
        assert await metrics.counted("email", deliver)(notice) == "receipt"
    else:
        with pytest.raises(type(error)):
            await metrics.counted("email", deliver)(notice)
    assert scraped(metrics).value("pne_notices_total", channel="email", outcome=outcome) == 1


# The registry


def test_two_apps_in_one_process_share_nothing(metrics: Metrics) -> None:
    metrics.turn("converse", ANSWERED)
    assert scraped(Metrics()).total("pne_turns_total") == 0
    assert scraped(metrics).total("process_resident_memory_bytes") > 10**7


def test_importing_it_registers_nothing() -> None:
    code = (
        "import prometheus_client.registry as r; before = len(list(r.REGISTRY.collect()));"
        "import bot.web.metrics, bot.web.tracing, sys;"
        "assert len(list(r.REGISTRY.collect())) == before;"
        "print(sorted(name for name in sys.modules if name.startswith('opentelemetry')))"
    )
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
