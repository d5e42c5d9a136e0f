"""A source closes its periods, keeps their sums and folds them, on a real PostgreSQL."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any

import pytest

from tallystick._account.keeping import Keeping
from tallystick._account.leases import WorkLeases
from tallystick._account.outbox_port import SourceOutbox
from tallystick._account.spans import HOUR, MINUTE, Span, floor
from tallystick._account.sums import Sum
from tallystick._broker.connection import Connection
from tallystick._database.postgres import Postgres
from tallystick._messages.ids import first_id
from tallystick._outbox.outbox import Outbox

Sql = Callable[..., Awaitable[list[Any]]]
PERIOD = 10_000
STORE = """insert into tallystick.outbox
(id, type, subject, headers, body, correlation_id, key) values ($1, $2, '', '', '', '', '')"""


@pytest.fixture
def outbox(database: Postgres, broker: Connection) -> SourceOutbox:
    return SourceOutbox(database, Outbox(database, broker, "shop"))


@pytest.fixture
def keeping(database: Postgres, outbox: SourceOutbox) -> Keeping:
    return Keeping(outbox, WorkLeases(database, "me", 10), PERIOD)


async def now(outbox: SourceOutbox) -> int:
    return (await outbox.snapshot()).now


async def test_a_period_is_kept_once_it_is_a_minute_old(
    outbox: SourceOutbox, keeping: Keeping, sql: Sql
) -> None:
    old = floor(await now(outbox) - 2 * MINUTE, PERIOD)
    await sql(STORE, first_id(old + 5), "evt.shop.sold.v1")
    await sql(STORE, first_id(old + 6), "")  # a dead letter's copy is in no account
    await keeping.round()  # takes the mark
    await keeping.round()
    kept = await outbox.kept(old, old + PERIOD)
    assert kept[Span(old, PERIOD)]["evt.shop.sold.v1"].count == 1
    assert set(kept[Span(old, PERIOD)]) == {"evt.shop.sold.v1"}
    last = await outbox.last_kept()
    assert last is not None
    assert MINUTE - 1_000 <= await now(outbox) - last <= MINUTE + 2 * PERIOD + 5_000


async def test_a_transaction_that_hangs_keeps_its_period_open(
    outbox: SourceOutbox, keeping: Keeping, database: Postgres, sql: Sql
) -> None:
    async with database.transactions.connection() as hanging:
        await hanging.fetch("select pg_current_xact_id()")
        await keeping.round()
        await keeping.round()
        assert await outbox.last_kept() is None
    await keeping.round()
    assert await outbox.last_kept() is not None


async def test_no_two_replicas_close_at_once(
    outbox: SourceOutbox, keeping: Keeping, database: Postgres
) -> None:
    await keeping.round()
    other = Keeping(outbox, WorkLeases(database, "another", 10), PERIOD)
    await other.round()
    await other.round()
    assert await outbox.last_kept() is None
    await keeping.round()
    assert await outbox.last_kept() is not None


async def test_old_periods_are_folded_to_hours(
    outbox: SourceOutbox, keeping: Keeping, database: Postgres
) -> None:
    hour = floor(await now(outbox) - 5 * HOUR, HOUR)
    periods = [Span(start, PERIOD) for start in range(hour, hour + HOUR, PERIOD)]
    await outbox.keep({span: {"evt.shop.sold.v1": Sum(1, 7)} for span in periods})
    await keeping._fold()
    kept = await outbox.kept(hour, hour + HOUR)
    assert kept == {Span(hour, HOUR): {"evt.shop.sold.v1": Sum(360, 0)}}
