import asyncio
from collections.abc import Iterator

import pytest
from opentelemetry.sdk.trace import ReadableSpan
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.trace import format_span_id, format_trace_id

from tallystick._settings import Settings
from tallystick._telemetry import export, traceparent, tracing

TRACE = "0af7651916cd43dd8448eb211c80319c"
SAMPLED = f"00-{TRACE}-b7ad6b7169203331-01"
UNSAMPLED = f"00-{TRACE}-b7ad6b7169203331-00"


def settings(ratio: float) -> Settings:
    return Settings(database_url="postgresql://db", trace_ratio=ratio)


class Spans:
    def __init__(self) -> None:
        self._exporter = InMemorySpanExporter()

    def record(self, ratio: float = 0) -> None:
        export.configure(settings(ratio), self._exporter)

    def __iter__(self) -> Iterator[ReadableSpan]:
        return iter(self._exporter.get_finished_spans())

    def named(self, name: str) -> ReadableSpan:
        return next(span for span in self if span.name == name)

    @property
    def names(self) -> list[str]:
        return [span.name for span in self]


@pytest.fixture
def spans() -> Iterator[Spans]:
    found = Spans()
    found.record()
    yield found
    asyncio.run(export.shutdown())


def process(parent: str | None = None, previous: str | None = None) -> tracing.Span:
    return tracing.process_span(
        lambda subject: subject.removesuffix(".00"),
        "evt.orders.placed.v1.00",
        "payments-open",
        "id-1",
        parent=parent,
        previous=previous,
    )


@pytest.mark.parametrize(
    "text",
    [
        None,
        "",
        "00",
        SAMPLED.upper(),
        f"ff-{TRACE}-b7ad6b7169203331-01",
        f"00-{'0' * 32}-b7ad6b7169203331-01",
        f"00-{TRACE}-{'0' * 16}-01",
        f"{SAMPLED}-more",
        f"{SAMPLED}\n",
        f" {SAMPLED}",
        "00-" + "é" * 32 + "-b7ad6b7169203331-01",
    ],
)
def test_a_malformed_context_is_none(text: str | None) -> None:
    assert traceparent.parse(text) is None


@pytest.mark.parametrize(
    ("text", "context"),
    [
        (SAMPLED, SAMPLED),
        (UNSAMPLED, UNSAMPLED),
        (SAMPLED[:-2] + "ff", SAMPLED),
        (SAMPLED[:-2] + "02", UNSAMPLED),
        ("cc" + SAMPLED[2:] + "-from-the-future", SAMPLED),
    ],
)
def test_a_valid_context_is_read_as_version_00(text: str, context: str) -> None:
    assert traceparent.parse(text) == context


def test_a_child_keeps_trace_and_sampling_and_has_an_id_of_its_own() -> None:
    child = traceparent.child_of(SAMPLED)
    assert child.startswith(f"00-{TRACE}-")
    assert child.endswith("-01")
    assert child != SAMPLED
    assert traceparent.parse(child) == child


def test_nothing_is_sampled_where_nothing_records() -> None:
    with tracing.span("work") as span:
        assert not span.sampled
        assert tracing.current() == span.traceparent
    assert tracing.current() is None


def test_a_sampled_delivery_is_recorded_under_the_context_it_carried(spans: Spans) -> None:
    with process(SAMPLED) as span:
        assert tracing.current() == span.traceparent
    recorded = spans.named("process evt.orders.placed.v1")
    context = recorded.get_span_context()
    assert context is not None
    assert format_trace_id(context.trace_id) == TRACE
    assert format_span_id(context.span_id) == traceparent.span_id(span.traceparent)
    assert recorded.parent is not None
    assert format_span_id(recorded.parent.span_id) == "b7ad6b7169203331"
    assert dict(recorded.attributes or {})["messaging.consumer.group.name"] == "payments-open"


def test_an_unsampled_delivery_that_goes_well_is_not_recorded(spans: Spans) -> None:
    with process(UNSAMPLED):
        pass
    assert spans.names == []


def test_an_unsampled_delivery_that_fails_is_recorded_late(spans: Spans) -> None:
    with process(UNSAMPLED) as span:
        handed_on = tracing.create("evt.payments.captured.v1", "id-2")
        span.fail(ValueError("no"))
    assert handed_on == span.traceparent
    recorded = spans.named("process evt.orders.placed.v1")
    context = recorded.get_span_context()
    assert context is not None
    assert format_span_id(context.span_id) == traceparent.span_id(span.traceparent)
    assert not recorded.status.is_ok
    assert dict(recorded.attributes or {})["error.type"] == "ValueError"


def test_an_unsampled_delivery_that_was_slow_is_recorded_late(
    spans: Spans, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tracing, "SLOW_NS", -1)
    with process(UNSAMPLED):
        pass
    assert spans.names == ["process evt.orders.placed.v1"]


def test_an_error_that_leaves_the_block_is_the_spans(spans: Spans) -> None:
    with pytest.raises(ValueError, match="no"), process(SAMPLED):
        raise ValueError("no")
    assert spans.named("process evt.orders.placed.v1").status.description == "no"
    assert tracing.current() is None


def test_a_message_carries_the_context_of_its_create_span(spans: Spans) -> None:
    with process(SAMPLED) as span:
        carried = tracing.create("evt.payments.captured.v1", "id-2", "order-1")
    created = spans.named("create evt.payments.captured.v1")
    context = created.get_span_context()
    assert context is not None
    assert format_span_id(context.span_id) == traceparent.span_id(carried)
    assert created.parent is not None
    assert format_span_id(created.parent.span_id) == traceparent.span_id(span.traceparent)


def test_a_malformed_parent_begins_a_new_trace_whatever_runs_here(spans: Spans) -> None:
    with process(SAMPLED), process("00-nonsense") as inner:
        assert TRACE not in inner.traceparent
    assert spans.names == ["process evt.orders.placed.v1"]


@pytest.mark.parametrize(("ratio", "sampled"), [(0, False), (1, True)])
def test_a_new_trace_is_sampled_by_the_ratio(spans: Spans, ratio: float, sampled: bool) -> None:
    spans.record(ratio)
    with process() as span:
        assert span.sampled is sampled


def test_a_retry_is_linked_to_the_attempt_before(spans: Spans) -> None:
    with process(SAMPLED) as first:
        pass
    with process(SAMPLED, previous=first.traceparent):
        pass
    link = list(spans)[1].links[0]
    assert format_span_id(link.context.span_id) == traceparent.span_id(first.traceparent)


def test_a_publication_is_linked_to_its_message(spans: Spans) -> None:
    tracing.published("evt.orders.placed.v1", "id-1", SAMPLED, 1)
    tracing.published("evt.orders.placed.v1", "id-2", UNSAMPLED, 1)
    assert spans.names == ["publish evt.orders.placed.v1"]
    assert next(iter(spans)).links[0].context.span_id == int("b7ad6b7169203331", 16)
