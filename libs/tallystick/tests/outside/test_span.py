import asyncio
from collections.abc import Iterator

import pytest
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from prometheus_client import REGISTRY

from tallystick._settings import Settings  # inside: no service is needed
from tallystick._telemetry import export  # inside: spans go into a list
from tallystick.outside import client_span


@pytest.fixture
def exporter() -> Iterator[InMemorySpanExporter]:
    exporter = InMemorySpanExporter()
    settings = Settings(database_url="postgresql://db", trace_ratio=1)
    export.configure(settings, exporter)
    yield exporter
    asyncio.run(export.shutdown())


def count(status: str) -> float:
    labels = {"server": "provider", "method": "POST", "status": status}
    return REGISTRY.get_sample_value("http_client_request_duration_seconds_count", labels) or 0


def test_a_call_is_a_span_whose_context_it_carries(exporter: InMemorySpanExporter) -> None:
    before = count("201")
    with client_span("provider", "POST") as call:
        call.status = 201
    (span,) = exporter.get_finished_spans()
    assert span.name == "POST provider"
    assert f"{span.context.span_id:016x}" in call.headers["traceparent"]
    assert count("201") == before + 1


def test_a_call_without_answer_is_measured_by_its_error(exporter: InMemorySpanExporter) -> None:
    before = count("TimeoutError")
    with pytest.raises(TimeoutError), client_span("provider", "POST"):
        raise TimeoutError
    (span,) = exporter.get_finished_spans()
    assert not span.status.is_ok
    assert count("TimeoutError") == before + 1
