"""OpenTelemetry traces: a span a request, a child of the span that the caller's traceparent names.

Needs the extra `otel`; without it, or when not asked for, spans cost nothing and go nowhere.
"""

import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from rerank.errors import MissingExtraError, PolyrankError

if TYPE_CHECKING:
    from opentelemetry.sdk.trace.export import SpanExporter


class Span:
    """What an endpoint may say of its request; says nothing to anybody."""

    def status(self, status: int) -> None:
        """Set the HTTP status of the answer."""

    def fail(self, error: PolyrankError) -> None:
        """Set the error that the answer tells."""

    def stages(self, stages: Sequence[tuple[str, float]]) -> None:
        """Add what the request went through: names and seconds, one after the other, the last ending now."""


class Tracer:
    """Makes spans that go nowhere."""

    @contextmanager
    def span(self, endpoint: str, headers: Mapping[str, str]) -> Iterator[Span]:
        """Open a span for a request."""
        yield Span()

    def close(self) -> None:
        """Send what is left."""


class OtelTracer(Tracer):
    """Sends spans to an exporter, in the background."""

    def __init__(self, exporter: "SpanExporter", *, batch: bool = True) -> None:
        """Take what sends spans; without `batch` each is sent when it ends."""
        from opentelemetry.sdk.resources import Resource
        from opentelemetry.sdk.trace import TracerProvider
        from opentelemetry.sdk.trace.export import BatchSpanProcessor, SimpleSpanProcessor
        from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

        self._provider = TracerProvider(resource=Resource.create({"service.name": "polyrank"}), shutdown_on_exit=False)
        self._provider.add_span_processor((BatchSpanProcessor if batch else SimpleSpanProcessor)(exporter))
        self._tracer = self._provider.get_tracer("polyrank")
        self._propagator = TraceContextTextMapPropagator()

    @contextmanager
    def span(self, endpoint: str, headers: Mapping[str, str]) -> Iterator[Span]:
        """Open a span for a request."""
        from opentelemetry.trace import SpanKind

        carrier = {name: headers[name] for name in ("traceparent", "tracestate") if name in headers}
        context = self._propagator.extract(carrier)
        with self._tracer.start_as_current_span(endpoint, context, SpanKind.SERVER) as span:
            span.set_attribute("http.route", endpoint)
            yield _OtelSpan(span, self._tracer)

    def close(self) -> None:
        """Send what is left."""
        self._provider.shutdown()


class _OtelSpan(Span):
    def __init__(self, span: Any, tracer: Any) -> None:
        self._span, self._tracer = span, tracer

    def status(self, status: int) -> None:
        self._span.set_attribute("http.response.status_code", status)

    def fail(self, error: PolyrankError) -> None:
        from opentelemetry.trace import StatusCode

        self._span.set_attribute("error.type", type(error).__name__)
        self._span.set_status(StatusCode.ERROR)  # not the message: it may quote the request

    def stages(self, stages: Sequence[tuple[str, float]]) -> None:
        start = time.time_ns() - sum(_nanoseconds(seconds) for _, seconds in stages)
        for name, seconds in stages:
            end = start + _nanoseconds(seconds)
            self._tracer.start_span(name, start_time=start).end(end)
            start = end


def _nanoseconds(seconds: float) -> int:
    return int(seconds * 1e9)


def otlp_tracer() -> Tracer:
    """Return a tracer that sends to where the variables OTEL_EXPORTER_OTLP_* say.

    Raises:
        MissingExtraError: the extra `otel` is not installed.
    """
    try:
        from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
    except ImportError as error:
        raise MissingExtraError(f"traces need OpenTelemetry ({error}): pip install 'polyrank[otel]'") from error
    return OtelTracer(OTLPSpanExporter())
