"""Traces by OpenTelemetry, which is not imported unless they are asked for.

FastAPI makes the span of a request, within the trace that the client's headers tell of. Here are
those of its sentences, and what keeps user text out of all of them. What this module imports at its
top is imported by FastAPI anyway.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Container
from typing import TYPE_CHECKING

from fastapi.telemetry import TelemetryConfig
from opentelemetry import context, trace
from starlette._utils import get_route_path

from service.errors import InvalidSettings

if TYPE_CHECKING:
    from opentelemetry.sdk.trace import SpanProcessor, TracerProvider

NANOSECONDS = 1_000_000_000
WITHHELD = "withheld"
"""Stands for a path and a query: both may hold user text, and a query a key. The route stays."""


class Tracing:
    """Makes spans and sends them."""

    def __init__(self, provider: TracerProvider) -> None:
        """provider: from provider()."""
        self.provider = provider
        self._tracer = provider.get_tracer("seq2serve")

    @classmethod
    def configured(cls) -> Tracing:
        """Traces that are sent by OTLP where OpenTelemetry's own variables say.

        Raises:
            InvalidSettings: what sends them is not installed.
        """
        try:
            from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
            from opentelemetry.sdk.trace.export import BatchSpanProcessor
        except ImportError as error:
            raise InvalidSettings(
                f"SEQ2SEQ_TELEMETRY__TRACES needs the extra otel: pip install 'seq2serve[otel]' "
                f"({error})."
            ) from None
        return cls(provider(BatchSpanProcessor(OTLPSpanExporter())))

    def begin(self, sentences: int, source_tokens: int) -> Callable[[float, float, float], None]:
        """As service.scheduling.timing.Begin: two spans below the current one, when all is over."""
        parent = context.get_current()
        attributes = {"seq2seq.sentences": sentences, "seq2seq.source_tokens": source_tokens}

        def tell(made: float, begun: float, ended: float) -> None:
            offset = time.time() - time.monotonic()
            for name, start, end in (("queue", made, begun), ("decode", begun, ended)):
                span = self._tracer.start_span(
                    name, parent, attributes=attributes, start_time=_nanoseconds(start + offset)
                )
                span.end(_nanoseconds(end + offset))

        return tell

    def close(self) -> None:
        """Send what is left. Takes time."""
        self.provider.shutdown()


def provider(processor: SpanProcessor) -> TracerProvider:
    """Makes spans without user text and hands them to the processor."""
    from opentelemetry.sdk.resources import OTELResourceDetector, Resource
    from opentelemetry.sdk.trace import ReadableSpan, Span, SpanProcessor, TracerProvider

    class Withhold(SpanProcessor):
        """Overwrites what a client wrote."""

        def on_start(self, span: Span, parent_context: context.Context | None = None) -> None:
            for name in ("url.path", "url.query"):
                if name in (span.attributes or {}):
                    span.set_attribute(name, WITHHELD)

        def on_end(self, span: ReadableSpan) -> None:
            """Nothing."""

    resource = Resource({"service.name": "seq2serve"}).merge(OTELResourceDetector().detect())
    made = TracerProvider(resource=resource, shutdown_on_exit=False)
    made.add_span_processor(Withhold())
    made.add_span_processor(processor)
    return made


def telemetry_of(tracing: Tracing | None, untraced: Container[str]) -> TelemetryConfig:
    """FastAPI's: spans of requests if there are traces, and nothing that the environment adds.

    untraced: paths that have none.
    """
    return TelemetryConfig(
        tracing=tracing is not None,
        tracer_provider=tracing.provider if tracing else None,
        metrics=False,
        logs=False,
        operation_spans=False,
        auto_configure=False,
        exclude=lambda scope: get_route_path(scope) in untraced,
    )


def trace_id() -> str | None:
    """The trace that the current request is part of."""
    found = trace.get_current_span().get_span_context()
    return f"{found.trace_id:032x}" if found.is_valid else None


def _nanoseconds(seconds: float) -> int:
    return int(seconds * NANOSECONDS)
