"""A connection that the broker refuses, and its log lines."""

import asyncio
from asyncio import StreamReader, StreamWriter

from structlog.testing import capture_logs

from tallystick._broker.connection import Connection
from tallystick.limiter import EVERY_S, Limiter


async def test_an_error_that_repeats_is_logged_once_in_a_while() -> None:
    broker, now = Connection("nats://nowhere:4222", "shop"), [0.0]
    broker._failures = Limiter(clock=lambda: now[0])
    with capture_logs() as lines:
        for error in (OSError("refused"), OSError("refused"), TimeoutError()):
            await broker._failed(error)
        now[0] += EVERY_S
        await broker._failed(OSError("refused"))
    assert [line["error"] for line in lines] == ["refused", "TimeoutError", "refused"]


async def test_a_tls_handshake_that_fails_is_tried_again() -> None:
    calls = 0
    often = asyncio.Event()

    async def refuse(reader: StreamReader, writer: StreamWriter) -> None:
        nonlocal calls
        calls += 1
        writer.write(b'INFO {"server_id": "shop", "tls_required": true, "max_payload": 1000}\r\n')
        await reader.read(100)
        writer.close()
        if calls == 3:
            often.set()

    async with await asyncio.start_server(refuse, "127.0.0.1", 0) as server:
        port = server.sockets[0].getsockname()[1]
        connecting = asyncio.create_task(Connection(f"tls://127.0.0.1:{port}", "shop").connect())
        async with asyncio.timeout(20):
            await often.wait()
        connecting.cancel()
        await asyncio.wait([connecting])
