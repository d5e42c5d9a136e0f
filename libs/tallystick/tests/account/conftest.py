"""The shop and its books, with fresh databases."""

from uuid import uuid4

import asyncpg
import pytest
from nats.aio.client import Client

from libs.tallystick.tests.account.site import Site
from tallystick.testing import PostgresServer, migrate


@pytest.fixture
async def site(postgres: PostgresServer, nats_url: str, client: Client) -> Site:
    urls = {}
    for name in ("shop", "books"):
        urls[name] = await postgres.create_database(f"{name}_{uuid4().hex[:8]}")
        await migrate("tallystick", urls[name])
    connection = await asyncpg.connect(urls["books"])
    await connection.execute("create table sales (item int)")
    await connection.close()
    return Site(urls, nats_url, client)
