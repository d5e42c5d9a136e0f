"""Fixtures: one NATS and one PostgreSQL for a session, cleaned before each test that uses them.

Name it in the root conftest: ``pytest_plugins = ["tallystick.testing.pytest_plugin"]``.
"""

import asyncio
from collections.abc import Coroutine, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any, TypeVar

import pytest

from . import databases
from .nats import NatsServer, nats_server
from .postgres import PostgresServer, postgres_server

T = TypeVar("T")


@pytest.fixture(scope="session")
def nats() -> Iterator[NatsServer]:
    """Run the NATS server of the session; it is as the tests before left it."""
    with nats_server() as server:
        yield server


@pytest.fixture(scope="session")
def postgres() -> Iterator[PostgresServer]:
    """Run the PostgreSQL server of the session; it is as the tests before left it."""
    with postgres_server() as server:
        yield server


@pytest.fixture
def nats_url(nats: NatsServer) -> str:
    """Return the URL of a NATS without any stream."""
    _run(nats.clean())
    return nats.url


@pytest.fixture
def migrated() -> str:
    """Return the package whose migrations the database has; a service's conftest overrides it.

    A package without migrations of its own has the library's tables.
    """
    return "tallystick.testing"


@pytest.fixture
def database_url(postgres: PostgresServer, migrated: str) -> str:
    """Return the URL of a migrated database without any row."""
    url = _run(_database(postgres, migrated))
    _run(databases.clean(url))
    return url


_migrated: dict[tuple[int, str], str] = {}  # of servers by port: one database for each package


async def _database(postgres: PostgresServer, package: str) -> str:
    key = postgres.port, package
    if key not in _migrated:
        url = await postgres.create_database(f"test_{package}")
        await databases.migrate(package, url)
        _migrated[key] = url
    return _migrated[key]


def _run(work: Coroutine[Any, Any, T]) -> T:
    """Run a coroutine on an event loop of its own, beside that of the test."""
    with ThreadPoolExecutor(1) as thread:
        return thread.submit(asyncio.run, work).result()
