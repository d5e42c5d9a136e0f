"""The script that gives each service its database, on a real PostgreSQL."""

import os
import subprocess
from urllib.parse import urlsplit

import asyncpg
import pytest

from tallystick.testing import PostgresServer
from tallystick.testing.cluster import programs
from tests.charts.rendering import HELM

ROLES = {"roles_orders": "porders1", "roles_payments": "ppayments1"}


def run(server: PostgresServer, roles: dict[str, str]) -> None:
    environment = {
        "PATH": f"{programs()}:{os.environ['PATH']}",
        "PGPORT": str(server.port),
        "POSTGRES_PASSWORD": urlsplit(server.url).password or "",
        "ROLES": " ".join(roles),
    } | {f"PASSWORD_{name.upper()}": password for name, password in roles.items()}
    script = str(HELM / "tallystick" / "files" / "roles.sh")
    done = subprocess.run(
        ["bash", script], env=environment, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr


def address(server: PostgresServer, role: str, password: str, database: str) -> str:
    return f"postgresql://{role}:{password}@127.0.0.1:{server.port}/{database}"


@pytest.fixture
async def prepared(postgres: PostgresServer) -> PostgresServer:
    run(postgres, ROLES)
    return postgres


async def test_a_service_may_make_tables_in_its_own_database(prepared: PostgresServer) -> None:
    own = address(prepared, "roles_orders", "porders1", "roles_orders")
    connection = await asyncpg.connect(own)
    await connection.execute("create schema if not exists tallystick")
    await connection.execute("create table if not exists orders (id int)")
    await connection.close()


async def test_a_service_may_not_enter_the_database_of_another(prepared: PostgresServer) -> None:
    with pytest.raises(asyncpg.InsufficientPrivilegeError):
        await asyncpg.connect(address(prepared, "roles_orders", "porders1", "roles_payments"))


async def test_a_service_is_no_superuser(prepared: PostgresServer) -> None:
    connection = await asyncpg.connect(prepared.url)
    powers = "select rolsuper or rolcreatedb or rolcreaterole from pg_roles where rolname = $1"
    assert not await connection.fetchval(powers, "roles_orders")
    await connection.close()


async def test_it_runs_again_with_a_new_service_and_a_new_password(
    prepared: PostgresServer,
) -> None:
    run(prepared, {"roles_orders": "pchanged1", "roles_shipping": "pshipping1"})
    for role, password in (("roles_orders", "pchanged1"), ("roles_shipping", "pshipping1")):
        connection = await asyncpg.connect(address(prepared, role, password, role))
        await connection.close()
