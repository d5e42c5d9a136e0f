"""Whose trace a request belongs to, and who decides whether it is sampled."""

import asyncio
from collections.abc import Iterator
from unittest.mock import AsyncMock

import pytest
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from tallystick._http.edge import Edge
from tallystick._settings import Settings
from tallystick._telemetry import export, traceparent, tracing

TRACE = "0af7651916cd43dd8448eb211c80319c"
SPAN = "b7ad6b7169203331"
SAMPLED = f"00-{TRACE}-{SPAN}-01"


@pytest.fixture
def spans() -> Iterator[InMemorySpanExporter]:
    exporter = InMemorySpanExporter()
    yield exporter
    asyncio.run(export.shutdown())


async def asked(exporter: InMemorySpanExporter, ratio: float, *, trust: bool, sent: str) -> str:
    """Return the context under which a request that brought one was answered."""
    settings = Settings(database_url="postgresql://db", trace_ratio=ratio)
    export.configure(settings, exporter)
    contexts: list[str | None] = []

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        contexts.append(tracing.current())
        await Response()(scope, receive, send)

    headers = [(b"traceparent", sent.encode())]
    scope = {"type": "http", "method": "GET", "path": "/", "query_string": b"", "headers": headers}
    await Edge(app, trust_traceparent=trust)(scope, AsyncMock(), AsyncMock())
    return str(contexts[0])


@pytest.mark.parametrize("sent", [SAMPLED, SAMPLED[:-2] + "00", SAMPLED[:-2] + "ff", "00-broken"])
async def test_a_stranger_does_not_decide_what_is_sampled(
    spans: InMemorySpanExporter, sent: str
) -> None:
    for ratio, sampled in ((0, False), (1, True)):
        context = await asked(spans, ratio, trust=False, sent=sent)
        assert traceparent.is_sampled(context) is sampled
        assert traceparent.trace_id(context) != TRACE
    assert len(spans.get_finished_spans()) == 1


async def test_a_strangers_trace_is_linked_to(spans: InMemorySpanExporter) -> None:
    await asked(spans, 1, trust=False, sent=SAMPLED)
    (span,) = spans.get_finished_spans()
    assert span.parent is None
    (link,) = span.links
    assert f"{link.context.trace_id:032x}-{link.context.span_id:016x}" == f"{TRACE}-{SPAN}"


@pytest.mark.parametrize("flags", ["00", "01"])
async def test_a_trace_that_is_trusted_goes_on_as_it_was_sampled(
    spans: InMemorySpanExporter, flags: str
) -> None:
    context = await asked(spans, 1 - int(flags), trust=True, sent=SAMPLED[:-2] + flags)
    assert (traceparent.trace_id(context), context[-2:]) == (TRACE, flags)
    assert len(spans.get_finished_spans()) == int(flags)
