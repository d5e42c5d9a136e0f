"""One order is one trace: over all services, its outside calls and a retry included."""

import pytest
from opentelemetry.sdk.trace import ReadableSpan
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.trace import SpanContext

from tallystick import Settings
from tallystick._telemetry import export  # inside: spans go into a list
from tests.order import Order, until
from tests.platform import Platform

TRACE, CUSTOMER = 0x5EED, 0xC0DE
SHARE = {"traceparent": f"00-{TRACE:032x}-{CUSTOMER:016x}-01"}

EVENTS = {
    "evt.orders.placed.v1": {"payments-open", "shipping-orders", "orders-statistics"},
    "evt.payments.captured.v1": {"payments-totals", "shipping-payments", "orders-payments"},
    "evt.shipping.dispatched.v1": {"orders-shipping"},
    "evt.orders.ended.v1": {"orders-statistics"},
}
JOBS = {"job.shipping.print-label.v1": {"shipping-labels"}}
EFFECTS = {
    "eff.payments.capture.v1": {"payments-capture"},
    "eff.shipping.book.v1": {"shipping-book"},
    "eff.shipping.dispatch.v1": {"shipping-dispatch"},
    "eff.sandbox.webhook.v1": {"sandbox-webhook"},  # the provider's, who knows no order by its key
}
HANDLED = EVENTS | JOBS | EFFECTS
CALLS = {
    "POST provider": "POST /provider/captures",
    "POST carrier": "POST /carrier/bookings",
    "POST subscriber": "POST /webhooks/provider",
}


class Spans:
    """The spans of this process that have ended."""

    def __init__(self, exporter: InMemorySpanExporter) -> None:
        self._exporter = exporter

    def all(self) -> list[ReadableSpan]:
        return list(self._exporter.get_finished_spans())

    def named(self, name: str) -> list[ReadableSpan]:
        """In the order in which they began."""
        found = [span for span in self.all() if span.name == name]
        return sorted(found, key=lambda span: span.start_time or 0)

    def durables(self, template: str) -> set[object]:
        found = self.named(f"process {template}")
        return {(span.attributes or {})["messaging.consumer.group.name"] for span in found}

    def kinds(self) -> dict[str, str]:
        return {span.name: span.kind.name for span in self.all()}


@pytest.fixture
def spans(platform: Platform) -> Spans:
    """All spans from now on."""
    exporter = InMemorySpanExporter()
    settings = Settings(database_url=platform.databases["orders"], trace_ratio=1)
    export.configure(settings, exporter)
    return Spans(exporter)


async def test_one_order_is_one_trace(platform: Platform, spans: Spans) -> None:
    await shipped(platform, spans)
    found = spans.all()
    assert {context(span).trace_id for span in found} == {TRACE}
    known = {context(span).span_id for span in found} | {CUSTOMER}
    assert [span.name for span in found if parent(span) not in known] == []


async def test_its_spans_are_named_and_are_of_the_kinds_that_are_usual(
    platform: Platform, spans: Spans
) -> None:
    await shipped(platform, spans)
    kinds = {"POST /orders": "SERVER", "GET /orders/{order_id}": "SERVER"}
    kinds |= {f"create {template}": "PRODUCER" for template in HANDLED}
    kinds |= {f"publish {template}": "CLIENT" for template in EVENTS | JOBS}
    kinds |= {f"process {template}": "CONSUMER" for template in HANDLED}
    kinds |= dict.fromkeys(CALLS, "CLIENT") | dict.fromkeys(CALLS.values(), "SERVER")
    assert spans.kinds() == kinds
    assert {template: spans.durables(template) for template in HANDLED} == HANDLED


async def test_whoever_handles_a_message_is_below_the_one_who_made_it(
    platform: Platform, spans: Spans
) -> None:
    await shipped(platform, spans)
    for template in HANDLED:
        (created,) = spans.named(f"create {template}")
        handled = spans.named(f"process {template}")
        assert {parent(span) for span in handled} == {context(created).span_id}
    for ours, theirs in CALLS.items():
        calls, answers = spans.named(ours), spans.named(theirs)
        assert [parent(span) for span in answers] == [context(span).span_id for span in calls]


async def test_an_order_is_found_by_its_id(platform: Platform, spans: Spans) -> None:
    order = await shipped(platform, spans)
    for template in HANDLED.keys() - {"eff.sandbox.webhook.v1"}:
        (created,) = spans.named(f"create {template}")
        assert (created.attributes or {})["messaging.message.conversation_id"] == str(order.id)


async def test_a_further_attempt_is_linked_to_the_one_before(
    platform: Platform, spans: Spans
) -> None:
    await shipped(platform, spans, payment_token="tok_visa__error_before_x2")
    attempts = spans.named("process eff.payments.capture.v1")
    assert [span.status.is_ok for span in attempts] == [False, False, True]
    links = [[link.context.span_id for link in span.links] for span in attempts]
    first, second, _ = (context(span).span_id for span in attempts)
    assert links == [[], [first], [second]]
    assert len(spans.named("POST provider")) == 3


async def shipped(platform: Platform, spans: Spans, **wishes: str) -> Order:
    """An order of this trace that has ended, and its spans with it."""
    platform.http.headers.update(SHARE)
    order = await platform.place(**wishes)
    assert await order.end() == ("shipped", None)

    async def is_told() -> bool:
        return all(spans.durables(template) == HANDLED[template] for template in HANDLED)

    await until(is_told)
    return order


def context(span: ReadableSpan) -> SpanContext:
    found = span.get_span_context()
    assert found is not None
    return found


def parent(span: ReadableSpan) -> int | None:
    return span.parent and span.parent.span_id
