import pytest
from nats.aio.client import Client

from libs.tallystick.tests.account.site import Site, made
from tallystick.testing import PostgresServer


@pytest.fixture
async def site(postgres: PostgresServer, nats_url: str, client: Client) -> Site:
    """A shop and its books, which do not run yet."""
    return await made(postgres, nats_url, client)
