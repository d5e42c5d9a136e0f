import asyncio
import gc
import time
from collections.abc import Awaitable, Callable
from typing import Any

import pytest
from structlog.testing import capture_logs

from tallystick._database.postgres import Postgres
from tallystick._deferred.replicas import Replicas
from tallystick.errors import DatabaseUnavailable

Sql = Callable[..., Awaitable[list[Any]]]
GONE_AFTER_S = 2


@pytest.fixture
async def replicas(database: Postgres) -> Replicas:
    """A replica that has been connected to the database for long."""
    replicas = Replicas(database, "me", "1.0", GONE_AFTER_S)
    await replicas.renew()
    replicas._judges_from = 0
    return replicas


@pytest.fixture
def leased(sql: Sql) -> Callable[..., Awaitable[None]]:
    """Store a row for each name, leased by that replica; None is leased by none."""

    async def lease(*names: str | None) -> None:
        for number, name in enumerate(names):
            await sql(
                """insert into tallystick.deferred (durable, source, id, subject, headers, body,
                state, give_up_at, lease, replica, due_at)
                values ('d', 's', $1, 'x', '', '', 'waiting', now(), 3, $2,
                now() + interval '1 h')""",
                str(number),
                name,
            )

    return lease


Lease = Callable[..., Awaitable[None]]


async def seen(sql: Sql, name: str, ago_s: float) -> None:
    await sql(
        "insert into tallystick.replicas (name, seen_at) values ($1, now() - $2 * interval '1 s')",
        name,
        ago_s,
    )


async def deferred(sql: Sql) -> list[tuple[Any, ...]]:
    rows = await sql(
        "select replica, lease, expired_leases, due_at <= now()"
        " from tallystick.deferred order by id"
    )
    return [tuple(row) for row in rows]


async def test_the_leases_of_a_gone_replica_expire(
    replicas: Replicas, sql: Sql, leased: Lease
) -> None:
    await seen(sql, "old", GONE_AFTER_S + 1)
    await seen(sql, "young", 0)
    await leased("old", "young", "me", "never seen", None)
    with capture_logs() as lines:
        assert await replicas.expire_leases() == 2
    assert await deferred(sql) == [
        (None, 4, 1, True),
        ("young", 3, 0, False),
        ("me", 3, 0, False),
        (None, 4, 1, True),
        (None, 3, 0, False),
    ]
    assert {line["gone"] for line in lines} == {"old", "never seen"}


async def test_an_expired_lease_is_recorded_as_an_attempt_of_the_lost_replica(
    replicas: Replicas, sql: Sql, leased: Lease
) -> None:
    await leased("gone")
    await replicas.expire_leases()
    attempts = await sql("select id, lease, replica, version, outcome from tallystick.attempts")
    assert [tuple(attempt) for attempt in attempts] == [("0", 3, "gone", "1.0", "lease expired")]


async def test_a_replica_that_renews_is_never_gone(
    database: Postgres, replicas: Replicas, sql: Sql, leased: Lease
) -> None:
    other = Replicas(database, "other", "1.0", GONE_AFTER_S)
    await seen(sql, "other", 100)
    await leased("other")
    await other.renew()
    assert await replicas.expire_leases() == 0


async def test_a_replica_expires_no_lease_in_its_first_seconds(
    database: Postgres, sql: Sql, leased: Lease
) -> None:
    await leased("gone")
    fresh = Replicas(database, "fresh", "1.0", GONE_AFTER_S)
    assert await fresh.expire_leases() == 0
    await fresh.renew()
    assert await fresh.expire_leases() == 0
    assert await deferred(sql) == [("gone", 3, 0, False)]


async def test_a_replica_expires_no_lease_right_after_an_outage_of_the_database(
    replicas: Replicas, leased: Lease
) -> None:
    await leased("gone")
    replicas.lost_database()
    assert await replicas.expire_leases() == 0
    await replicas.renew()
    assert await replicas.expire_leases() == 0


async def test_a_row_that_is_being_changed_keeps_its_lease(
    database: Postgres, replicas: Replicas, leased: Lease, sql: Sql
) -> None:
    await leased("gone", "gone")
    async with database.connection() as other:
        await other.fetch("select from tallystick.deferred where id = '0' for update")
        assert await replicas.expire_leases() == 1
    assert await deferred(sql) == [("gone", 3, 0, False), (None, 4, 1, True)]


async def test_a_lease_expires_once(
    database: Postgres, replicas: Replicas, leased: Lease, sql: Sql
) -> None:
    await leased("gone")
    assert await replicas.expire_leases() == 1
    assert await replicas.expire_leases() == 0
    assert await deferred(sql) == [(None, 4, 1, True)]


async def test_a_replica_that_leaves_is_deleted_with_those_gone_for_long(
    replicas: Replicas, sql: Sql
) -> None:
    await seen(sql, "long ago", 100_000)
    await seen(sql, "gone", 100)
    await replicas.leave()
    assert [row[0] for row in await sql("select name from tallystick.replicas")] == ["gone"]


async def test_a_replica_that_has_left_shows_no_more_signs_of_life(
    replicas: Replicas, sql: Sql
) -> None:
    """Its loops still run while it ends."""
    await asyncio.gather(replicas.leave(), replicas.renew())
    await replicas.renew()
    assert await sql("select from tallystick.replicas") == []


class Leaving:
    """A database that is lost as soon as the service stops to wait for it."""

    def __init__(self) -> None:
        self.asked = asyncio.Event()
        self.lost = asyncio.Event()

    async def fetch(self, sql: str, *args: object) -> list[Any]:
        self.asked.set()
        await self.lost.wait()
        raise DatabaseUnavailable


async def test_a_renewal_that_fails_after_its_caller_was_cancelled_is_no_lost_error() -> None:
    complaints: list[dict[str, Any]] = []
    asyncio.get_running_loop().set_exception_handler(lambda _, context: complaints.append(context))
    leaving = Leaving()
    renewing = asyncio.create_task(Replicas(leaving, "me", "1.0", GONE_AFTER_S).renew())
    await leaving.asked.wait()
    renewing.cancel()
    await asyncio.wait([renewing])
    assert renewing.cancelled()
    leaving.lost.set()
    for _ in range(3):
        await asyncio.sleep(0)
    del renewing
    gc.collect()
    assert not complaints


async def test_the_databases_time_is_kept_when_the_clock_jumps(
    database: Postgres, sql: Sql, monkeypatch: pytest.MonkeyPatch
) -> None:
    replicas = Replicas(database, "me", "1", 3600)
    await replicas.renew()
    jumped = time.time() + 600
    monkeypatch.setattr(time, "time", lambda: jumped)
    ((now,),) = await sql("select extract(epoch from clock_timestamp()) * 1000")
    assert abs(replicas.now_ms() - int(now)) < 2_000
