"""A service in the test's own event loop, under the server that it has in production."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from fastapi import FastAPI

from tallystick._http.server import Companion, bind, config

from .ports import HOST


@asynccontextmanager
async def served(app: FastAPI, port: int = 0) -> AsyncIterator[str]:
    """Run a service on 127.0.0.1, at `port` or a free one; yields its URL.

    It has started when the block begins, and has drained when the block is left. Raises PortTaken,
    and whatever keeps the service from starting.
    """
    with bind(HOST, port, "port") as bound:
        async with app.router.lifespan_context(app):
            server = Companion(config(app, lifespan=False, grace_s=5))
            serving = asyncio.create_task(server.serve(sockets=[bound]), name="http")
            await server.until_started(serving)
            try:
                yield f"http://{HOST}:{bound.getsockname()[1]}"
            finally:
                server.should_exit = True
                await serving
