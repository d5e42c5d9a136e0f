"""The port of probes and metrics."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from aiohttp import web
from prometheus_client import CONTENT_TYPE_LATEST, generate_latest

from tallystick_operator import metrics
from tallystick_operator.keeping import Keeping


@asynccontextmanager
async def served(keeping: Keeping, host: str, port: int) -> AsyncIterator[int]:
    """Serve `/livez` and `/metrics`; yield the port, which is a free one for 0."""

    async def livez(_: web.Request) -> web.Response:
        """Answer whether all loops run; a broker that is away is no reason to restart."""
        stuck = keeping.stuck()
        body = {"stuck": stuck, "broker": keeping.broker.connected.is_set()}
        return web.json_response(body, status=503 if stuck else 200)

    async def exposed(_: web.Request) -> web.Response:
        metrics.CONNECTED.set(keeping.broker.connected.is_set())
        return web.Response(body=generate_latest(), headers={"Content-Type": CONTENT_TYPE_LATEST})

    app = web.Application()
    app.add_routes([web.get("/livez", livez), web.get("/metrics", exposed)])
    runner = web.AppRunner(app, access_log=None)
    await runner.setup()
    site = web.TCPSite(runner, host, port)
    try:
        await site.start()
        yield runner.addresses[0][1]
    finally:
        await runner.cleanup()
