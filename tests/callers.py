"""Who calls a service that the fixture `service` runs: over HTTP, its admin port, its database."""

from collections.abc import AsyncIterator

import aiohttp
import pytest
from fastapi import FastAPI

from tallystick import Database
from tallystick.testing import clean


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
    settings = service.state.composition.settings
    headers = {"Authorization": f"Bearer {settings.admin_token.get_secret_value()}"}
    base = f"http://127.0.0.1:{settings.admin_port}"
    async with aiohttp.ClientSession(base, headers=headers) as session:
        yield session


@pytest.fixture
def admin(admin_client: aiohttp.ClientSession, database: Database) -> aiohttp.ClientSession:
    """A client of the admin port of the running service, whose database is empty."""
    return admin_client
