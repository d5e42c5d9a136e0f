"""The account's SQL on a real PostgreSQL, with the tables that it needs."""

from __future__ import annotations

from collections.abc import AsyncIterator
from datetime import timedelta
from typing import Any
from uuid import UUID, uuid4

import asyncpg
import pytest

from tallystick._account import statements
from tallystick._account.closing import Snapshot, closing
from tallystick._account.spans import Span
from tallystick._database.migrate import apply
from tallystick._messages.ids import first_id
from tallystick.testing import PostgresServer
from tallystick.testing.databases import create

START = 1_800_000_000_000
SPAN = Span(START, 10_000)
NEXT = Span(START + 10_000, 10_000)
READER, OTHER = 7, 8
T = timedelta(seconds=5)
SOLD = "shop.sold.v1"
PARTITIONS = """
create table tallystick.{table}_1 partition of tallystick.{table}
    for values from (minvalue) to ('{middle}');
create table tallystick.{table}_2 partition of tallystick.{table}
    for values from ('{middle}') to (maxvalue);
"""


@pytest.fixture
async def connection(postgres: PostgresServer) -> AsyncIterator[Any]:
    """A connection to a database of its own; one period is in each of two partitions."""
    url = await create(postgres.url, f"account-{uuid4().hex[:8]}")
    await apply("tallystick", url)
    connection = await asyncpg.connect(url, server_settings={"enable_seqscan": "off"})
    for table in ("inbox", "outbox"):
        middle = first_id(NEXT.start)
        await connection.execute(PARTITIONS.format(table=table, middle=middle))
    yield connection
    await connection.close()


def ids(span: Span, count: int) -> list[UUID]:
    return [UUID(int=span.bounds[0].int + n) for n in range(count)]


async def publish(connection: Any, messages: list[UUID], *, sent_ago: str = "1 minute") -> None:
    await connection.executemany(
        """insert into tallystick.outbox (id, type, subject, headers, body, correlation_id, key,
            stream_sequence, sent_at)
        values ($1, $2, '', '', '', '', '', 5, now() - $3::text::interval)""",
        [(each, SOLD, sent_ago) for each in messages],
    )


async def receive(connection: Any, messages: list[UUID], reader: int = READER) -> None:
    await connection.executemany(
        "insert into tallystick.inbox values ($1, $2)", [(reader, each) for each in messages]
    )


def ranges(*spans: Span) -> tuple[list[Any], ...]:
    """The arguments by which statements are given spans."""
    bounds = [span.bounds for span in spans]
    return (
        [span.start for span in spans],
        [span.length for span in spans],
        [first for first, _ in bounds],
        [last for _, last in bounds],
    )


async def test_both_sides_sum_the_same_ids_alike(connection: Any) -> None:
    messages = ids(SPAN, 3) + ids(NEXT, 2)
    await publish(connection, messages)
    await receive(connection, messages)
    published = await connection.fetch(statements.SUM_PUBLISHED, *ranges(SPAN, NEXT))
    received = await connection.fetch(statements.SUM_RECEIVED, READER, *ranges(SPAN, NEXT))
    assert sorted((r[0], r[3], r[4]) for r in published) == sorted((r[0], *r[2:]) for r in received)
    assert {row["count"] for row in received} == {3, 2}


async def test_a_sum_is_of_one_reader_alone(connection: Any) -> None:
    await receive(connection, ids(SPAN, 3))
    await receive(connection, ids(SPAN, 4), OTHER)
    (row,) = await connection.fetch(statements.SUM_RECEIVED, READER, *ranges(SPAN))
    assert row["count"] == 3


async def test_the_hash_is_what_every_release_computes(connection: Any) -> None:
    """`hash_bytes_extended` of PostgreSQL 11 and later, computed by hand from its source."""
    found = "select uuid_hash_extended('01890000-0000-7000-8000-0123456789ab', 0)"
    assert await connection.fetchval(found) == 3906720202642614864


async def test_a_page_has_the_first_id_of_the_next_one(connection: Any) -> None:
    messages = ids(SPAN, 5)
    await publish(connection, messages)
    rows = await connection.fetch(statements.PAGE, *SPAN.bounds, [SOLD], 3)
    assert [row["id"] for row in rows] == messages[:3]
    assert (rows[0]["place"], rows[0]["republication"]) == (5, 0)


async def test_only_ids_in_the_outbox_are_known(connection: Any) -> None:
    known, unknown = ids(SPAN, 2)
    await publish(connection, [known])
    assert [row["id"] for row in await connection.fetch(statements.KNOWN, [known, unknown])] == [
        known
    ]


async def test_what_is_received_deferred_or_accepted_is_known_to_a_reader(connection: Any) -> None:
    received, dead, accepted, unknown = ids(SPAN, 4)
    await receive(connection, [received])
    await connection.execute(
        "insert into tallystick.accepted values ($1, $2, 'ada', 'compared')", READER, accepted
    )
    await receive(connection, [unknown], OTHER)
    await connection.execute("insert into tallystick.readers values ($1, 'mail', 'shop')", READER)
    for durable, message in (("mail", dead), ("other", unknown)):
        await connection.execute(
            """insert into tallystick.deferred
                (durable, source, id, subject, headers, body, state, give_up_at)
            values ($1, 'shop', $2, '', '', '', 'discarded', now())""",
            durable,
            str(message),
        )
    asked = [received, dead, accepted, unknown]
    rows = await connection.fetch(statements.KNOWN_OF, READER, asked, [str(each) for each in asked])
    assert {row["id"] for row in rows} == {received, dead, accepted}


async def republish(connection: Any, message: UUID, seen: int) -> bool:
    return bool(await connection.fetch(statements.REPUBLISH, [message], [seen], T))


async def test_a_message_is_republished_once_for_each_republication_seen(connection: Any) -> None:
    (message,) = ids(SPAN, 1)
    await publish(connection, [message])
    assert await republish(connection, message, 0)
    assert not await republish(connection, message, 0)
    row = await connection.fetchrow(
        "select republication, stream_sequence, sent_at from tallystick.outbox"
    )
    assert tuple(row) == (1, None, None)


async def test_an_unsent_message_is_not_republished(connection: Any) -> None:
    (message,) = ids(SPAN, 1)
    await publish(connection, [message])
    await connection.execute("update tallystick.outbox set stream_sequence = null, sent_at = null")
    assert not await republish(connection, message, 0)


async def test_a_message_waits_twice_as_long_for_each_republication(connection: Any) -> None:
    (message,) = ids(SPAN, 1)
    await publish(connection, [message], sent_ago="15 seconds")
    await connection.execute("update tallystick.outbox set republication = 2")
    assert not await republish(connection, message, 2)  # 4T are 20 seconds
    await connection.execute("update tallystick.outbox set sent_at = now() - interval '21 s'")
    assert await republish(connection, message, 2)


async def settle(connection: Any, span: Span, own: tuple[int, int], closed: bool = True) -> bool:
    arguments = (READER, *span.bounds, *own, span.start, span.length, closed)
    return bool(await connection.fetch(statements.SETTLE, *arguments, [SOLD], [own[0]], [own[1]]))


async def own_sum(connection: Any, span: Span) -> tuple[int, int]:
    rows = await connection.fetch(statements.SUM_RECEIVED, READER, *ranges(span))
    return (rows[0][2], rows[0][3]) if rows else (0, 0)


async def settled(connection: Any) -> list[tuple[int, int, bool]]:
    rows = await connection.fetch(statements.SETTLED, READER, 0)
    return sorted((row["start"], row["length"], row["closed"]) for row in rows)


async def test_a_span_is_settled_only_while_the_inbox_has_what_was_compared(
    connection: Any,
) -> None:
    await receive(connection, ids(SPAN, 2))
    own = await own_sum(connection, SPAN)
    await connection.execute("delete from tallystick.inbox where id = $1", ids(SPAN, 1)[0])
    assert not await settle(connection, SPAN, own)
    assert await settle(connection, SPAN, await own_sum(connection, SPAN))
    assert await settled(connection) == [(SPAN.start, SPAN.length, True)]


async def test_a_span_without_messages_can_be_settled(connection: Any) -> None:
    assert await settle(connection, SPAN, (0, 0))


async def test_what_is_settled_is_replaced(connection: Any) -> None:
    assert await settle(connection, SPAN, (0, 0), closed=False)
    assert await settle(connection, SPAN, (0, 0), closed=True)
    assert await settled(connection) == [(SPAN.start, SPAN.length, True)]


async def test_an_hour_replaces_its_periods_and_a_period_its_hour(connection: Any) -> None:
    hour = Span(START, 3_600_000)
    for span in (SPAN, NEXT, hour):
        assert await settle(connection, span, (0, 0))
    assert await settled(connection) == [(hour.start, hour.length, True)]
    assert await settle(connection, SPAN, (0, 0))
    assert await settled(connection) == [(SPAN.start, SPAN.length, True)]


async def test_a_late_message_reopens_its_span_alone(connection: Any) -> None:
    for span in (SPAN, NEXT):
        assert await settle(connection, span, (0, 0))
    await connection.execute(f"{statements.REOPENED} select", READER, first_id(SPAN.end - 1))
    assert await settled(connection) == [(NEXT.start, NEXT.length, True)]


async def test_a_period_is_not_closed_while_an_earlier_transaction_runs(
    connection: Any, postgres: PostgresServer
) -> None:
    """The other transaction is in another database: xmin is the whole server's."""
    other = await asyncpg.connect(postgres.url)
    block = other.transaction()
    await block.start()
    await other.execute("select pg_current_xact_id()")
    marks = {SPAN: await connection.fetchval(statements.MARK)}
    while_it_runs = await snapshot(connection)
    await block.rollback()
    await other.close()
    assert closing([SPAN], marks, while_it_runs).to_keep == ()
    assert closing([SPAN], marks, await snapshot(connection)).to_keep == (SPAN,)


async def snapshot(connection: Any) -> Snapshot:
    """The server's snapshot, a long time after the period."""
    _, xmin, xmax = await connection.fetchrow(statements.SNAPSHOT)
    return Snapshot(SPAN.end + 3_600_000, xmin, xmax)
