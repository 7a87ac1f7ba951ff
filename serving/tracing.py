"""OpenTelemetry traces of requests and their stages, sent by OTLP over HTTP; off unless an endpoint is named.

A span holds a route, a status, ids of versions and the names of stages: no member's id, no query and no message of an
error, which may hold a member's text. The spans of a request hang on that of the caller where it sends `traceparent`
(W3C Trace Context), so that a trace goes on from the shop's own front end.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager, nullcontext
from contextvars import ContextVar
from importlib.metadata import version
from typing import TYPE_CHECKING, Any, Protocol

from pydantic import Field

from contracts.values import FrozenModel

if TYPE_CHECKING:
    from opentelemetry.sdk.trace import TracerProvider
    from opentelemetry.trace import Tracer

EXPORT_SECONDS = 2.0
"""Longest wait of the exporter's own thread for the collector; a request never waits for it."""
QUEUE_SPANS = 2_048
"""Spans that wait for the collector; further ones are dropped."""


class Telemetry(FrozenModel):
    """Where traces go."""

    traces: str | None = Field(
        None,
        pattern=r"^https?://\S+$",
        description="OTLP/HTTP endpoint of a collector, such as http://localhost:4318/v1/traces; none: no traces.",
    )
    share: float = Field(
        1.0, ge=0, le=1, description="Share of requests that are traced; one with a `traceparent` follows its caller."
    )
    service: str = Field("rolecall", min_length=1, max_length=100, description="Name of the service in the traces.")


class Span(Protocol):
    """What of a span the service writes."""

    def set_attribute(self, key: str, value: str | bool | int | float) -> None: ...

    def update_name(self, name: str) -> None: ...


_TRACER: ContextVar[Tracer | None] = ContextVar("rolecall_tracer", default=None)
"""That of the request which this thread or task works on."""


class Tracing:
    """The tracer of one service. `close` sends what waits."""

    def __init__(self, config: Telemetry | None = None) -> None:
        """Connect to nothing yet: the exporter's thread does, and a collector that is away is no error."""
        self._provider = _provider(config) if config is not None and config.traces else None

    @contextmanager
    def request(self, name: str, headers: Mapping[str, str]) -> Iterator[Span | None]:
        """A server span around one request; None where there is no tracing.

        Args:
            name: Of the span until its route is known.
            headers: Of the request, of which `traceparent` and `tracestate` are read.
        """
        if self._provider is None:
            yield None
            return
        from opentelemetry.trace import SpanKind
        from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

        tracer = self._provider.get_tracer("rolecall")
        token = _TRACER.set(tracer)
        caller = TraceContextTextMapPropagator().extract(dict(headers))
        try:
            with tracer.start_as_current_span(
                name, caller, SpanKind.SERVER, record_exception=False, set_status_on_exception=False
            ) as span:
                yield span
        finally:
            _TRACER.reset(token)

    def close(self) -> None:
        if self._provider is not None:
            self._provider.shutdown()


def stage_span(name: str) -> Any:
    """A span around a stage of the request that this thread works on; nothing where it is not traced."""
    tracer = _TRACER.get()
    if tracer is None:
        return nullcontext()
    return tracer.start_as_current_span(name, record_exception=False, set_status_on_exception=False)


def note(**attributes: str | bool | int | float) -> None:
    """Attributes for the current span, named `rolecall.<name>`."""
    if _TRACER.get() is not None:
        from opentelemetry.trace import get_current_span

        for name, value in attributes.items():
            get_current_span().set_attribute(f"rolecall.{name}", value)


def trace_id() -> str:
    """The current trace's id as hex digits; empty where there is none."""
    if _TRACER.get() is None:
        return ""
    from opentelemetry.trace import format_trace_id, get_current_span

    context = get_current_span().get_span_context()
    return format_trace_id(context.trace_id) if context.is_valid else ""


def _provider(config: Telemetry) -> TracerProvider:
    from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
    from opentelemetry.sdk.resources import Resource
    from opentelemetry.sdk.trace import TracerProvider
    from opentelemetry.sdk.trace.export import BatchSpanProcessor
    from opentelemetry.sdk.trace.sampling import ParentBased, TraceIdRatioBased

    resource = Resource.create({"service.name": config.service, "service.version": version("rolecall")})
    provider = TracerProvider(sampler=ParentBased(TraceIdRatioBased(config.share)), resource=resource)
    exporter = OTLPSpanExporter(config.traces, timeout=EXPORT_SECONDS)
    provider.add_span_processor(BatchSpanProcessor(exporter, max_queue_size=QUEUE_SPANS))
    return provider
