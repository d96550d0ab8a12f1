"""Spans where somebody wants them, and nothing at all otherwise. What goes out holds no word and no id."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from typing import Any

import httpx
import pytest
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import Route

from bot.web import tracing
from bot.web.metrics import Measured, Metrics

MARK = "zqxjk"


@pytest.fixture(autouse=True)
def _ended() -> Iterator[None]:
    yield
    tracing.shut_down()


def app(metrics: Metrics) -> Starlette:
    async def message(_request: Request) -> Response:
        with metrics.stage("screening"):
            pass
        try:
            with metrics.rasa_call():
                raise ValueError(f"Failing row contains ({MARK})")
        except ValueError:
            pass
        return PlainTextResponse("x", 202)

    async def page(_request: Request) -> Response:
        return PlainTextResponse("x")

    made = Starlette(routes=[Route("/c/{conversation}/messages", message, methods=["POST"]), Route("/x", page)])
    made.add_middleware(Measured)
    made.state.services = type("Services", (), {"metrics": metrics})
    return made


async def put(made: Starlette) -> None:
    transport = httpx.ASGITransport(app=made)
    async with httpx.AsyncClient(transport=transport, base_url="http://pne.test") as client:
        await client.post(f"/c/{MARK}/messages?{MARK}", content=MARK, headers={"authorization": f"Bearer {MARK}"})
        await client.get(f"/x?{MARK}")


def test_without_an_endpoint_a_span_is_the_same_nothing_each_time() -> None:
    assert tracing.set_up({}) is False
    assert tracing.span("a") is tracing.span("b") is tracing.NOTHING
    with tracing.span("a") as span:
        assert span is None


def test_an_endpoint_without_the_packages_is_said_and_stops_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("opentelemetry", "opentelemetry.sdk", "opentelemetry.sdk.resources"):
        monkeypatch.setitem(sys.modules, name, None)
    assert tracing.set_up({tracing.ENDPOINT: "http://127.0.0.1:1"}) is False
    assert tracing.span("a") is tracing.NOTHING


async def test_with_nothing_traced_a_request_is_the_same() -> None:
    metrics = Metrics()
    await put(app(metrics))


async def test_a_turn_is_traced_without_words_and_ids() -> None:
    """Where the extra `tracing` is installed."""
    memory = pytest.importorskip("opentelemetry.sdk.trace.export.in_memory_span_exporter")
    exporter = memory.InMemorySpanExporter()
    assert tracing.set_up({}, exporter)
    await put(app(Metrics()))
    tracing.shut_down()
    spans: list[Any] = list(exporter.get_finished_spans())
    assert [span.name for span in spans] == ["screening", "rasa", "POST /c/{conversation}/messages"]
    screening, rasa, request = spans
    assert screening.parent.span_id == rasa.parent.span_id == request.context.span_id
    assert dict(request.attributes) == {"http.response.status_code": 202}
    assert dict(rasa.attributes) == {"error.type": "ValueError"} and not rasa.events
    assert not any(MARK in span.to_json() for span in spans)
