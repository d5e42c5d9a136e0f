"""Runs a service in the event loop of the test, with the HTTP server of production."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from fastapi import FastAPI

from tallystick._http.server import Companion, bind, config

from .ports import HOST


@asynccontextmanager
async def served(app: FastAPI, port: int = 0) -> AsyncIterator[str]:
    """Run a service on 127.0.0.1, at `port` or a free one; yields its URL.

    The service has started when the block begins, and has drained when the block ends. Raises
    PortTaken, and the error of a service that cannot start.
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
