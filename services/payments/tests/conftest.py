"""The service on a real database, without a broker."""

from collections.abc import AsyncIterator

import pytest
from fastapi import FastAPI

from payments.main import app
from payments.settings import Settings
from tallystick import Database
from tallystick.testing import free_port


@pytest.fixture
def migrated() -> str:
    return "payments"


@pytest.fixture
async def service(database_url: str) -> AsyncIterator[FastAPI]:
    """The service, running."""
    settings = Settings(
        database_url=database_url, admin_port=free_port(), provider_url="http://127.0.0.1:9"
    )
    service = app(settings)
    async with service.router.lifespan_context(service):
        yield service


@pytest.fixture
def database(service: FastAPI) -> Database:
    """The running service's database."""
    database: Database = service.state.composition.runtime.database
    return database
