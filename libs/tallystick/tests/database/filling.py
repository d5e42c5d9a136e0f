"""Fills inbox and outbox with a month of messages, by SQL, partitions by day as a service makes."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from datetime import datetime, timedelta

import asyncpg

from tallystick._account import statements
from tallystick._account.inbox_port import span_columns
from tallystick._account.spans import MINUTE, divide
from tallystick._database.kept import Kept
from tallystick._database.partitions import PARTITIONED, Bounds, missing
from tallystick._database.pool import Target
from tallystick._database.retention import _make_one, _partitions  # inside: how they are made

ID = """(lpad(to_hex({time}), 12, '0') || '7' || substr(md5({salt}), 1, 3)
    || '8' || substr(md5({salt}), 4, 15))::uuid"""
"""A UUIDv7 of a time in milliseconds; the rest follows from a salt."""
TIME = "($1::bigint + (n * ($2::bigint - $1) / $3::bigint))"
OUTBOX = f"""insert into tallystick.outbox (id, type, subject, headers, body, correlation_id, key,
    stream_sequence, stored_at, queued_at, sent_at)
select {ID.format(time=TIME, salt="n::text")}, $4, $4 || '.00', $5, $6, 'c', 'old ' || n,
    $1::bigint * 1000 + n, to_timestamp($1 / 1000), to_timestamp($1 / 1000),
    to_timestamp($1 / 1000)
from generate_series(0, $3 - 1) n"""
OWN = """insert into tallystick.inbox (reader, id)
select $1, id from tallystick.outbox where id >= $2 and id < $3"""
OTHERS = f"""insert into tallystick.inbox (reader, id)
select $5::int, {ID.format(time=TIME, salt="$4::text || n")} from generate_series(0, $3 - 1) n"""
SUMMED = f"""select f.start, f.length, array[$5::text],
    array[coalesce(count, 0)], array[coalesce(bit_xor, 0)]
from unnest($1::bigint[], $2::bigint[]) f (start, length)
left join ({statements.SUM_PUBLISHED}) s using (start, length)"""
SPANS_AT_ONCE = 10
BESIDE = (
    """insert into tallystick.effects (durable, key, ended_at)
    select 'shop-charge', 'old ' || n, now() from generate_series(1, $1::int) n""",
    """insert into tallystick.foreign_inbox (reader, digest)
    select 1, md5(n::text)::uuid from generate_series(1, $1::int) n""",
    """insert into tallystick.attempts (durable, source, id, lease, replica, version, outcome)
    select 'shop-books', 'shop', 'old ' || n, 1, '', '', 'failed'
    from generate_series(1, $1::int) n""",
)
"""What is stored beside inbox and outbox: effects, foreign messages, attempts."""
DEFERRED = """insert into tallystick.deferred (durable, source, id, subject, headers, body, state,
    due_at, give_up_at, reason)
select 'shop-books', 'shop', 'old ' || n, '', '', '', case n % 2 when 0 then 'dead' else
    'waiting' end, now() + interval '1 day', now() + interval '2 days', 'permanent'
from generate_series(1, $1::int) n"""
"""Half of them dead letters, the others due tomorrow."""
HEADERS = b"NATS/1.0\r\nce-source: shop\r\nce-type: evt.shop.sold.v1\r\n\r\n" + b"x" * 120
BODY = b'{"item":1}'


async def partitions(url: str, days: int) -> list[Bounds]:
    """Make a partition for each of the last days and those that follow; return those of the past.

    As a service would have made them that has run for so long.
    """
    session = await Target(url, "filling").connect()
    try:
        now: datetime = await session.fetchval("select now()")
        for table in PARTITIONED:
            existing = [each.bounds for each in await _partitions(session, table)]
            for day in range(days, -1, -1):
                for bounds in list(missing(existing, now - timedelta(days=day), Kept().time)):
                    await _make_one(session, table, bounds)
                    existing.append(bounds)
        day_ms = 86_400_000
        low = int((now - timedelta(days=days)).timestamp() * 1000) // day_ms * day_ms
        today = int(now.timestamp() * 1000) // day_ms * day_ms
        return [Bounds(each, each + day_ms) for each in range(low, today, day_ms)]
    finally:
        session.drop()


async def fill(
    url: str, days: Sequence[Bounds], *, type_: str, reader: int, outbox: int, others: int
) -> AsyncIterator[Bounds]:
    """Store so many sent messages, received by a reader, and so many of other readers.

    Yields each day that is full. Nothing waits for the disk.
    """
    connection = await asyncpg.connect(url)
    try:
        await connection.execute("set synchronous_commit = off")
        for day in days:
            count, other = outbox // len(days), others // len(days) // 4
            await connection.execute(OUTBOX, day.low, day.high, count, type_, HEADERS, BODY)
            await connection.execute(OWN, reader, *day.ids)
            for number in range(1, 5):
                salt = str(number)
                await connection.execute(OTHERS, day.low, day.high, other, salt, number)
            yield day
    finally:
        await connection.close()


async def beside(url: str, count: int, *, deferred: int) -> None:
    """Store so many rows in each of the other tables that grow, and so many deferred messages."""
    connection = await asyncpg.connect(url)
    try:
        for sql in BESIDE:
            await connection.execute(sql, count)
        await connection.execute(DEFERRED, deferred)
    finally:
        await connection.close()


async def agree(url: str, *, type_: str, reader: int, since: int, period: int) -> None:
    """Note that a reader has judged a type since then, and that both sides agree so far."""
    connection = await asyncpg.connect(url)
    try:
        now = await connection.fetchval("select (extract(epoch from now()) * 1000)::bigint")
        await connection.execute(statements.BEGIN_READING, reader, [type_], 1, since)
        spans = divide(since, now - MINUTE, at=now, period=period)
        for begin in range(0, len(spans), SPANS_AT_ONCE):
            columns = span_columns(spans[begin : begin + SPANS_AT_ONCE])
            rows = await connection.fetch(SUMMED, *columns, type_)
            kept = [tuple(row) for row in rows]
            settled = [(reader, row[0], row[1], True, *row[2:]) for row in kept]
            await connection.executemany(statements.KEEP, kept)
            await connection.executemany(statements.PUT_SETTLED, settled)
        await connection.execute("analyze")
    finally:
        await connection.close()
