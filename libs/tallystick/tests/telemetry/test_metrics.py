import asyncio
from collections.abc import Awaitable, Callable

import pytest
from prometheus_client import REGISTRY
from uuid_utils.compat import uuid7

from tallystick import Write
from tallystick._database.postgres import Postgres
from tallystick._database.units import Unit
from tallystick._deferred.replicas import Replicas
from tallystick._telemetry import metrics
from tallystick.testing import eventually, free_port


def reports_errors(name: str, **labels: str) -> float | None:
    return REGISTRY.get_sample_value(name, labels)


def test_a_bound_child_is_made_once() -> None:
    one = metrics.child(metrics.CONSUMED, "test-metrics")
    assert metrics.child(metrics.CONSUMED, "test-metrics") is one


def test_what_is_counted_of_a_durable_begins_at_zero() -> None:
    durable = f"test-{uuid7()}"
    metrics.begin([durable], ["poison", "schema"])
    dead = "messaging_dead_lettered_messages_total"
    assert reports_errors(dead, durable=durable, reason="poison") == 0
    assert reports_errors("messaging_client_consumed_messages_total", durable=durable) == 0


async def test_a_database_that_answers_is_told_with_its_connections(database: Postgres) -> None:
    await database.open()
    watch = asyncio.create_task(database.watch())
    await database.deliveries.submit(Unit((Write("select 1"),)))
    await eventually(lambda: reports_errors("db_client_available") == 1)
    await eventually(lambda: (reports_errors("db_client_connection_count", state="idle") or 0) >= 2)
    assert reports_errors("db_client_commit_waiting_units", group="deliveries") == 0
    watch.cancel()


async def test_a_database_that_is_away_is_told() -> None:
    database = Postgres(f"postgresql://me:secret@127.0.0.1:{free_port()}/none", name="tests")
    watch = asyncio.create_task(database.watch())
    await eventually(lambda: reports_errors("db_client_available") == 0)
    watch.cancel()
    await database.close()


@pytest.fixture
async def gone(sql: Callable[..., Awaitable[object]]) -> str:
    """A durable of which a replica that went has claimed a message."""
    durable = f"test-{uuid7()}"
    await sql(
        """insert into tallystick.deferred (durable, source, id, subject, headers, body, state,
        give_up_at, lease, replica, due_at)
        values ($1, 's', '1', 'x', '', '', 'waiting', now(), 1, 'gone', now())""",
        durable,
    )
    return durable


async def test_a_lapse_is_counted(database: Postgres, gone: str) -> None:
    replicas = Replicas(database, "me", "1.0", 2)
    await replicas.renew()
    replicas._judges_from = 0
    await replicas.expire_leases()
    assert reports_errors("messaging_expired_leases_total", durable=gone) == 1
