"""A receiver of spans that does not answer costs spans, which are counted, and not the end."""

import asyncio
import time
from collections.abc import AsyncIterator

import pytest
from prometheus_client import REGISTRY
from structlog.testing import capture_logs

from tallystick._settings import Settings
from tallystick._telemetry import export, tracing
from tallystick._telemetry.recorder import CLOSE_TIMEOUT_S
from tallystick.testing import free_port


@pytest.fixture
async def mute() -> AsyncIterator[str]:
    """The URL of what accepts connections and never answers."""

    async def hold(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read()
        writer.close()

    server = await asyncio.start_server(hold, "127.0.0.1", 0)
    host, port = server.sockets[0].getsockname()
    yield f"http://me:swordfish@{host}:{port}/?token=swordfish"
    server.close()


def lost() -> float:
    return REGISTRY.get_sample_value("telemetry_spans_lost_total") or 0.0


def record_some(endpoint: str, number: int) -> None:
    export.configure(
        Settings(database_url="postgresql://db", otlp_endpoint=endpoint, trace_ratio=1)
    )
    for _ in range(number):
        with tracing.span("work", tracing.SERVER):
            pass


async def test_a_receiver_that_never_answers_does_not_hold_up_the_end(mute: str) -> None:
    before = lost()
    record_some(mute, 1_500)
    started = time.monotonic()
    with capture_logs() as lines:
        await export.shutdown()
    assert time.monotonic() - started < CLOSE_TIMEOUT_S + 1
    assert lost() - before == 1_500
    assert [line["event"] for line in lines] == ["spans lost"]
    assert "swordfish" not in str(lines)


async def test_spans_that_nobody_takes_are_counted_and_said_once() -> None:
    before = lost()
    with capture_logs() as lines:
        record_some(f"http://127.0.0.1:{free_port()}", 3)
        await export.shutdown()
    assert lost() - before == 3
    assert len(lines) == 1
