"""What the account knows goes a day after the outbox."""

from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from uuid import uuid4

import pytest

from tallystick._database.kept import Kept
from tallystick._database.postgres import Postgres
from tallystick._messages.ids import first_id
from tallystick._service.purging import forget_account
from tallystick.testing import PostgresServer, migrate

DAY = 86_400_000
NOW = int(datetime.now(UTC).timestamp() * 1000)
TODAY = NOW - NOW % DAY
KEPT_FROM = TODAY - 31 * DAY
"""Where the first partition begins."""


@pytest.fixture
async def database(postgres: PostgresServer) -> AsyncIterator[Postgres]:
    url = await postgres.create_database(f"purging_{uuid4().hex[:8]}")
    await migrate("tallystick", url)
    database = Postgres(url, name="tests")
    await database.open()
    yield database
    await database.close()


async def reader(database: Postgres, number: int, days_ago: int) -> None:
    """A reader that was looked at so many days ago, with something of each kind."""
    await database.fetch(
        "insert into tallystick.accounts values ($1, now() - $2::interval, '{}')",
        number,
        timedelta(days=days_ago),
    )
    await database.fetch("insert into tallystick.reads values ($1, 'a', 1, 1)", number)
    for start in (KEPT_FROM - 2 * DAY, KEPT_FROM - DAY, TODAY):
        await database.fetch(
            "insert into tallystick.settled values ($1, $2, $3, true, '{}', '{}', '{}')",
            *(number, start, DAY),
        )
        await database.fetch(
            "insert into tallystick.accepted values ($1, $2, 'ada', 'a test')",
            *(number, first_id(start)),
        )


async def column(database: Postgres, sql: str) -> list[object]:
    return [row[0] for row in await database.fetch(sql)]


async def test_sums_and_acceptances_go_a_day_after_the_messages_of_the_outbox(
    database: Postgres,
) -> None:
    await reader(database, 1, days_ago=0)
    for start in (KEPT_FROM - 2 * DAY, KEPT_FROM - DAY, TODAY):
        await database.fetch(
            "insert into tallystick.kept_sums values ($1, $2, '{}', '{}', '{}')", start, DAY
        )
    await forget_account(database, Kept())
    left = [KEPT_FROM - DAY, TODAY]
    assert await column(database, "select start from tallystick.settled order by 1") == left
    assert await column(database, "select start from tallystick.kept_sums order by 1") == left
    ids = await column(database, "select id from tallystick.accepted order by 1")
    assert ids == [first_id(start) for start in left]


async def test_a_durable_that_is_declared_no_more_is_forgotten_when_its_messages_are(
    database: Postgres,
) -> None:
    await reader(database, 1, days_ago=31)
    await reader(database, 2, days_ago=29)
    await forget_account(database, Kept())
    for table in ("accounts", "reads", "settled"):
        found = await column(database, f"select distinct reader from tallystick.{table}")
        assert found == [2], table
