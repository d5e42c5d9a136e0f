"""Record work that has ended as OpenTelemetry spans, under ids that were made when it began."""

import threading
from collections.abc import Sequence

import structlog
from opentelemetry.context import Context
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import ReadableSpan, TracerProvider
from opentelemetry.sdk.trace.export import (
    BatchSpanProcessor,
    SimpleSpanProcessor,
    SpanExporter,
    SpanExportResult,
)
from opentelemetry.sdk.trace.id_generator import IdGenerator
from opentelemetry.sdk.trace.sampling import ALWAYS_ON
from opentelemetry.trace import (
    Link,
    NonRecordingSpan,
    SpanContext,
    SpanKind,
    Status,
    StatusCode,
    TraceFlags,
    set_span_in_context,
)
from typing_extensions import override

from tallystick._telemetry import traceparent
from tallystick._telemetry.metrics import SPANS_LOST
from tallystick._telemetry.release import release_of
from tallystick._telemetry.tracing import Attributes
from tallystick.limiter import Limiter

CLOSE_TIMEOUT_S = 2.0

log = structlog.get_logger()


class _GivenIds(IdGenerator):
    """Gives the next span the ids of the context under which it is recorded."""

    def __init__(self) -> None:
        self._next = threading.local()

    def give(self, context: str) -> None:
        self._next.context = context

    @override
    def generate_span_id(self) -> int:
        return int(traceparent.span_id(self._next.context), 16)

    @override
    def generate_trace_id(self) -> int:
        return int(traceparent.trace_id(self._next.context), 16)


class Recorder:
    """Records the spans of `service` and sends them by `exporter`, in batches or one by one.

    `address` is where they go, for the log line about lost spans.
    """

    def __init__(
        self, service: str, replica: str, exporter: SpanExporter, *, batch: bool, address: str = ""
    ) -> None:
        self._ids = _GivenIds()
        resource = Resource.create(
            {
                "service.name": service,
                "service.version": release_of(service),
                "service.instance.id": replica,
            }
        )
        # ALWAYS_ON, because the caller has already decided which spans to record.
        self._provider = TracerProvider(
            ALWAYS_ON, resource, shutdown_on_exit=False, id_generator=self._ids
        )
        self._recorded = 0
        self._exporter = _Counted(exporter, address)
        process = BatchSpanProcessor if batch else SimpleSpanProcessor
        self._provider.add_span_processor(process(self._exporter))
        self._tracer = self._provider.get_tracer("tallystick")

    def record(
        self,
        name: str,
        kind: SpanKind,
        context: str,
        *,
        parent: str | None,
        links: Sequence[str],
        attributes: Attributes | None,
        start_ns: int,
        end_ns: int,
        error: BaseException | None,
    ) -> None:
        """Record work that has ended as the span that has the ids of `context`."""
        self._ids.give(context)
        above = Context()
        if parent is not None:
            above = set_span_in_context(NonRecordingSpan(_remote(parent)), above)
        linked = [Link(_remote(link)) for link in links]
        span = self._tracer.start_span(name, above, kind, attributes, linked, start_ns)
        if error is not None:
            span.set_attribute("error.type", type(error).__qualname__)
            span.set_status(Status(StatusCode.ERROR, str(error)[:500]))
        span.end(end_ns)
        self._recorded += 1

    def close(self, within_s: float = CLOSE_TIMEOUT_S) -> None:
        """Send the spans that are left within `within_s`, and stop; count and log the lost ones."""
        # A daemon thread, for which the end of the process does not wait: the exporter may hang.
        last = threading.Thread(target=self._provider.shutdown, name="last spans", daemon=True)
        last.start()
        last.join(within_s)
        self._exporter.close(self._recorded)


class _Counted(SpanExporter):
    """Passes spans to another exporter, and counts and logs those that it could not send."""

    def __init__(self, exporter: SpanExporter, address: str) -> None:
        self._exporter = exporter
        self._address = address
        self._warnings = Limiter()
        self._ended = 0
        self._closed = False

    @override
    def export(self, spans: Sequence[ReadableSpan]) -> SpanExportResult:
        result = SpanExportResult.FAILURE
        try:
            result = self._exporter.export(spans)
        finally:
            if not self._closed:
                self._ended += len(spans)
                if result is not SpanExportResult.SUCCESS:
                    self._lose(len(spans))
        return result

    @override
    def shutdown(self) -> None:
        self._exporter.shutdown()

    def close(self, recorded: int) -> None:
        """Count as lost those of the `recorded` spans whose export has not ended by now."""
        self._closed = True
        if recorded > self._ended:
            self._lose(recorded - self._ended)

    def _lose(self, number: int) -> None:
        SPANS_LOST.inc(number)
        if self._warnings.is_due(self._address):
            log.warning("spans lost", to=self._address, lost=number)


def otlp(endpoint: str) -> SpanExporter:
    """Return an exporter of spans to an OTLP/HTTP receiver such as `http://host:4318`."""
    from opentelemetry.exporter.otlp.proto.http.trace_exporter import (  # noqa: PLC0415
        OTLPSpanExporter,  # tests record without sending
    )

    url = endpoint if endpoint.endswith("/v1/traces") else f"{endpoint.rstrip('/')}/v1/traces"
    return OTLPSpanExporter(endpoint=url)


def _remote(context: str) -> SpanContext:
    return SpanContext(
        int(traceparent.trace_id(context), 16),
        int(traceparent.span_id(context), 16),
        is_remote=True,
        trace_flags=TraceFlags(int(context[53:], 16)),
    )
