"""The service on a real database, without a broker: started once, emptied for each test."""

from collections.abc import AsyncIterator

import aiohttp
import pytest
from fastapi import FastAPI
from uuid_utils.compat import uuid7

from orders.main import app
from orders.settings import Settings
from tallystick import Database
from tallystick.testing import PostgresServer, clean, free_port, migrate, served

TOKEN = "a-token-of-enough-length"


@pytest.fixture(scope="module")
async def service(postgres: PostgresServer) -> AsyncIterator[FastAPI]:
    """The service, running."""
    url = await postgres.create_database(f"orders-{uuid7()}")
    await migrate("orders", url)
    settings = Settings(
        database_url=url,
        port=free_port(),
        admin_port=free_port(),
        admin_token=TOKEN,
        end_within_s=864_000,  # the tests say themselves which orders are late
    )
    service = app(settings)
    async with served(service, settings.port):
        yield service


@pytest.fixture(scope="module")
async def client(service: FastAPI) -> AsyncIterator[aiohttp.ClientSession]:
    """A client of the running service."""
    port = service.state.composition.settings.port
    async with aiohttp.ClientSession(f"http://127.0.0.1:{port}") as session:
        yield session


@pytest.fixture
async def database(service: FastAPI) -> Database:
    """The running service's database, empty."""
    composition = service.state.composition
    await clean(composition.settings.database_url)
    database: Database = composition.runtime.parts.database
    return database


@pytest.fixture
def http(client: aiohttp.ClientSession, database: Database) -> aiohttp.ClientSession:
    """A client of the running service, whose database is empty."""
    return client


@pytest.fixture(scope="module")
async def admin_client(service: FastAPI) -> AsyncIterator[aiohttp.ClientSession]:
    """A client of the running service's admin port, with its token."""
    port = service.state.composition.settings.admin_port
    headers = {"Authorization": f"Bearer {TOKEN}"}
    async with aiohttp.ClientSession(f"http://127.0.0.1:{port}", headers=headers) as session:
        yield session


@pytest.fixture
def admin(admin_client: aiohttp.ClientSession, database: Database) -> aiohttp.ClientSession:
    """A client of the admin port of the running service, whose database is empty."""
    return admin_client
