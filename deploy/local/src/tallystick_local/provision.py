"""Create a database and a role for every service, and migrate it before the service starts."""

from collections.abc import Iterable

import asyncpg

from tallystick import TallystickError
from tallystick.testing import migrate
from tallystick_local.errors import StartError
from tallystick_local.plan import Facts


async def databases(facts: Facts, services: Iterable[str]) -> None:
    """Create what is missing: a role that may log in, and its database, closed to other roles.

    Raises StartError.
    """
    try:
        connection: asyncpg.Connection = await asyncpg.connect(facts.database("postgres"))
    except asyncpg.InvalidPasswordError as error:
        raise StartError(
            "the data in the state folder has other passwords: run `make clean` to delete it"
        ) from error
    try:
        for service in services:
            await _role(connection, service, facts.passwords[service])
            await _database(connection, service)
    finally:
        await connection.close()


async def migrations(facts: Facts, services: Iterable[str]) -> None:
    """Migrate every database to its newest version; raise StartError."""
    for service in services:
        try:
            await migrate(service, facts.database(service))
        except TallystickError as error:
            raise StartError(f"the database of {service} cannot be migrated: {error}") from error


async def _role(connection: asyncpg.Connection, name: str, password: str) -> None:
    known = await connection.fetchval("select true from pg_roles where rolname = $1", name)
    verb = "alter" if known else "create"
    await connection.execute(f"{verb} role \"{name}\" login password '{password}'")


async def _database(connection: asyncpg.Connection, name: str) -> None:
    if await connection.fetchval("select true from pg_database where datname = $1", name):
        return
    await connection.execute(f'create database "{name}" owner "{name}"')
    await connection.execute(f'revoke connect on database "{name}" from public')
