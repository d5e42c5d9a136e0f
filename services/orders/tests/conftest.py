"""The service on a real database, without a broker."""

import asyncio
from collections.abc import AsyncIterator

import aiohttp
import pytest
import uvicorn
from fastapi import FastAPI

from orders.main import app
from orders.settings import Settings
from tallystick import Database
from tallystick.testing import eventually, free_port


@pytest.fixture
def migrated() -> str:
    return "orders"


@pytest.fixture
async def service(database_url: str) -> AsyncIterator[FastAPI]:
    """The service, running."""
    settings = Settings(database_url=database_url, admin_port=free_port())
    service = app(settings)
    async with service.router.lifespan_context(service):
        yield service


@pytest.fixture
def database(service: FastAPI) -> Database:
    """The running service's database."""
    database: Database = service.state.composition.runtime.database
    return database


@pytest.fixture
async def http(service: FastAPI) -> AsyncIterator[aiohttp.ClientSession]:
    """A client of the running service."""
    port = free_port()
    server = uvicorn.Server(uvicorn.Config(service, port=port, lifespan="off", log_config=None))
    serving = asyncio.create_task(server.serve())
    await eventually(lambda: server.started)
    async with aiohttp.ClientSession(f"http://127.0.0.1:{port}") as session:
        yield session
    server.should_exit = True
    await serving
