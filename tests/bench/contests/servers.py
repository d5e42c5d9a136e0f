"""Servers of `POST /orders`, each a process: the orders service, and FastAPI that keeps nothing."""

from __future__ import annotations

import sys
import time
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from importlib import import_module

from tallystick.testing import Child, free_port, is_free
from tallystick.topology import declared, reconcile
from tests.bench.contestants.ours_reading import TOKEN
from tests.bench.contests.requesting import Server
from tests.bench.ground import Ground
from tests.bench.taking_part import ROOT


@asynccontextmanager
async def orders_server(on: Ground) -> AsyncIterator[tuple[Server, int]]:
    """Run the orders service as production does; yields it and its port."""
    names = ("orders", "payments", "shipping")
    wanted = [declared(import_module(f"{name}.handlers").router) for name in names]
    if refused := await reconcile(on.client, wanted):
        raise RuntimeError(str(refused))
    database, port = await on.database("orders", package="orders"), free_port()
    settings = {
        "DATABASE_URL": database,
        "NATS_URL": on.nats,
        "PORT": port,
        "ADMIN_PORT": 0,
        "ADMIN_TOKEN": TOKEN,
        "LOG_LEVEL": "error",
    }
    environment = {f"ORDERS_{name}": str(value) for name, value in settings.items()}
    command = [sys.executable, "-m", "tallystick", "serve", "orders"]
    since = time.monotonic()
    async with _served(on, command, port, environment) as pid:
        yield Server(pid, since, database, on.client), port


@asynccontextmanager
async def empty_server(on: Ground) -> AsyncIterator[tuple[Server, int]]:
    """Run FastAPI as its documentation advises; yields it and its port."""
    port = free_port()
    options = f"--port {port} --loop uvloop --http httptools --no-access-log --log-level error"
    app = "tests.bench.contestants.empty_api:app"
    command = [sys.executable, "-m", "uvicorn", "--app-dir", str(ROOT), app, *options.split()]
    async with _served(on, command, port, {}) as pid:
        yield Server(pid), port


@asynccontextmanager
async def _served(
    on: Ground, command: list[str], port: int, environment: Mapping[str, str]
) -> AsyncIterator[int]:
    """Run a server until the block ends; yields its process id once it listens."""
    prefix = ["/usr/bin/env", *(f"{name}={value}" for name, value in environment.items())]
    child = Child([*prefix, *command], on.folder / f"server-{port}.log")
    try:
        child.wait_until(lambda: not is_free(port), 30)
        yield child.process.pid
    finally:
        child.stop()
