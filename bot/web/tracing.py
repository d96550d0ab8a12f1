"""OpenTelemetry, where somebody wants it: how long the steps of a turn take, and never a word, a name or an id.

On with the extra ``tracing`` installed and ``OTEL_EXPORTER_OTLP_ENDPOINT`` set; otherwise a span is nothing at all.
"""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import AbstractContextManager, nullcontext
from typing import Any

import structlog

log = structlog.get_logger(__name__)
ENDPOINT = "OTEL_EXPORTER_OTLP_ENDPOINT"
SERVICE = "pne-tutor-web"
NOTHING: AbstractContextManager[Any] = nullcontext()
# The provider of this process and its tracer, from `set_up` to `shut_down`.
_at_work: tuple[Any, Any] | None = None


def set_up(environ: Mapping[str, str], exporter: Any = None) -> bool:
    """Begins to send spans where `environ` names an endpoint; says whether it does. `exporter` takes the place of the
    one over HTTP."""
    global _at_work
    if exporter is None and not environ.get(ENDPOINT):
        return False
    try:
        from opentelemetry.sdk.resources import SERVICE_NAME, Resource
        from opentelemetry.sdk.trace import TracerProvider
        from opentelemetry.sdk.trace.export import BatchSpanProcessor

        if exporter is None:
            from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter

            exporter = OTLPSpanExporter()
    except ImportError as error:
        log.warning("no_tracing", missing=error.name, install="the extra: tracing")
        return False
    name = environ.get("OTEL_SERVICE_NAME") or SERVICE
    provider = TracerProvider(resource=Resource.create({SERVICE_NAME: name}))
    provider.add_span_processor(BatchSpanProcessor(exporter))
    _at_work = (provider, provider.get_tracer("pne-tutor"))
    return True


def shut_down() -> None:
    """Sends what has not been sent yet and ends."""
    global _at_work
    if _at_work is not None:
        _at_work[0].shutdown()
        _at_work = None


def span(name: str) -> AbstractContextManager[Any]:
    """A step with this name, below the one that is open; gives the span, or None where nothing is traced.

    An exception that passes leaves only its kind behind: its text may be a patient's.
    """
    return NOTHING if _at_work is None else _Step(_at_work[1], name)


class _Step(AbstractContextManager[Any]):
    def __init__(self, tracer: Any, name: str) -> None:
        self._opened = tracer.start_as_current_span(name, record_exception=False, set_status_on_exception=False)

    def __enter__(self) -> Any:
        self._span = self._opened.__enter__()
        return self._span

    def __exit__(self, kind: type[BaseException] | None, *rest: Any) -> None:
        if kind is not None:
            self._span.set_attribute("error.type", kind.__name__)
        self._opened.__exit__(None, None, None)
