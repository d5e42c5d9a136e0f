"""What the tests of the whole stand on: a migrated database for each service, made once."""

import asyncpg
import pytest

from tallystick.testing import PostgresServer, migrate
from tallystick_local.services import SERVICES
from tests.guest import GUESTS, NOTES

LIBRARY_ONLY = "tallystick.testing"  # a package without migrations of its own


@pytest.fixture(scope="session")
async def databases(postgres: PostgresServer) -> dict[str, str]:
    """The databases of the services, and one for each service of a test's own."""
    found = {name: await new_database(postgres, name) for name in SERVICES}
    guests = {name: await _with_notes(await new_database(postgres, name)) for name in GUESTS}
    return found | guests


async def new_database(postgres: PostgresServer, name: str) -> str:
    """The URL of a new database with this service's tables."""
    url = await postgres.create_database(f"whole_{name}")
    await migrate(LIBRARY_ONLY if name in GUESTS else name, url)
    return url


async def _with_notes(url: str) -> str:
    connection = await asyncpg.connect(url)
    await connection.execute(NOTES)
    await connection.close()
    return url
