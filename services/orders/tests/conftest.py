"""The service on a real database, without a broker: started once, emptied for each test."""

from collections.abc import AsyncIterator

import pytest
from fastapi import FastAPI
from uuid_utils.compat import uuid7

from orders.main import app
from orders.settings import Settings
from tallystick.testing import PostgresServer, free_port, migrate, served
from tests.callers import admin, admin_client, client, database, http

__all__ = ["admin", "admin_client", "client", "database", "http"]

TOKEN = "a-token-of-enough-length"


@pytest.fixture(scope="module")
async def service(postgres: PostgresServer) -> AsyncIterator[FastAPI]:
    """The service, running."""
    url = await postgres.create_database(f"orders-{uuid7()}")
    await migrate("orders", url)
    settings = Settings(
        database_url=url,
        nats_url="nats://127.0.0.1:9",  # nobody: the broker is away
        port=free_port(),
        admin_port=free_port(),
        admin_token=TOKEN,
        end_within_s=864_000,  # the tests say themselves which orders are late
    )
    service = app(settings)
    async with served(service, settings.port):
        yield service
