"""The outbox: the replica that committed a message publishes it; a sweep publishes the rest.

No query reads "where id > last": ids are assigned before the commit, so such a query would miss
rows for ever. Section 6 of docs/delivery.md.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Sequence
from datetime import timedelta

import structlog

from tallystick._broker.connection import Connection
from tallystick._broker.publisher import CONFIRM_WITHIN
from tallystick._database.postgres import Postgres, PostgresError
from tallystick._database.units import RequiredWrite, Write
from tallystick._database.uuids import uuid_of
from tallystick._failpoints import failpoint
from tallystick._loops import Seldom
from tallystick._messages.envelope import COLUMNS, OutboxRow, outbox_row
from tallystick._messages.ids import time_of
from tallystick._outbox.sending import Published, Sending, by_stream
from tallystick._telemetry.metrics import OUTBOX_AGE, OUTBOX_PENDING, OUTBOX_REFUSED
from tallystick.errors import DatabaseUnavailable, InDoubt

log = structlog.get_logger()

SWEPT = 256  # rows of one query of the sweep
MARK_EVERY = 0.05  # seconds
LEASED_FOR = timedelta(seconds=CONFIRM_WITHIN + 2)
"""A sweep has rows for so long: longer than the broker may take to confirm them."""

# An id a minute away from the database's clock would come into a period that is closed.
_INSERT = """insert into tallystick.outbox
    (id, subject, headers, body, correlation_id, key, type)
select id, subject, headers, body, correlation_id, key, type from unnest(
    $1::uuid[], $2::text[], $3::bytea[], $4::bytea[], $5::text[], $6::text[], $7::text[],
    $8::bigint[]) made(id, subject, headers, body, correlation_id, key, type, at)
where abs(extract(epoch from clock_timestamp()) * 1000 - at) < 60000 returning id"""
# The mark need not wait for the disk: if a crash loses it, the row is published again, and the
# broker drops the duplicate. What was not stored may be swept again at once.
_MARK = """update tallystick.outbox o set stream_sequence = u.place, refused = u.refused,
    sent_at = case when u.place is null then null else now() end,
    due_at = case when u.place is null then now() else o.due_at end
from unnest($1::uuid[], $2::int[], $3::bigint[], $4::text[]) u(id, republication, place, refused),
    (select set_config('synchronous_commit', 'off', true)) quick
where o.id = u.id and o.id between $5 and $6
    and o.republication = u.republication and o.sent_at is null"""
_LEASE = f"""update tallystick.outbox o set due_at = now() + $1::interval
from (select id as due from tallystick.outbox
    where sent_at is null and refused is null and due_at <= now()
        and split_part(subject, '.', 1) || '.' || split_part(subject, '.', 2) <> all($3::text[])
    order by due_at limit $2 for update skip locked) unsent
where id = due returning {COLUMNS}"""  # noqa: S608  # a constant of ours
_BACKLOG = """select count(*), coalesce(extract(epoch from now() - min(queued_at)), 0)::float8
from tallystick.outbox where sent_at is null and refused is null"""
_REFUSED = (
    "select count(*) from tallystick.outbox where refused is not null and discarded_at is null"
)


def insert(row: OutboxRow) -> Write:
    """Return the write that puts a message into the outbox.

    It raises NotCurrent if the id is a minute away from the database's clock.
    """
    id_ = uuid_of(row.id)
    of_message = row.subject, row.headers, row.body, row.correlation_id, row.key, row.type
    return RequiredWrite(_INSERT, (id_, *of_message, time_of(row.id)), id_, arrays=True)


class Outbox:
    """Publishes committed rows and marks them as sent."""

    def __init__(self, database: Postgres, connection: Connection, source: str) -> None:
        self._database = database
        self._connection = connection
        self._published: list[Published] = []
        self._marking = asyncio.Lock()
        self._sending = Sending(connection, source, self._published_now)
        self._measuring = Seldom(self._measure)
        self.ahead_ms = 0
        """How far the database's clock is ahead of this machine's; ids are made by the former."""

    @property
    def max_payload(self) -> int:
        """The broker's largest message, in bytes; until the first connection, its default."""
        return self._connection.wire.max_payload

    def send(self, rows: Iterable[OutboxRow]) -> None:
        """Publish committed rows as soon as the broker takes them; without a connection, none."""
        if self._connection.connected.is_set():
            self._sending.send(rows)

    def _published_now(self, published: Sequence[Published]) -> None:
        self._published += [one for one in published if one.stream_sequence or one.refused]

    async def mark(self) -> None:
        """Mark rows as sent, a batch at a time, until cancelled."""
        while True:
            await asyncio.sleep(MARK_EVERY)
            await self.flush()

    async def flush(self) -> None:
        """Mark what was published; the sweep publishes again what cannot be marked."""
        async with self._marking:  # so that `drain` also waits for marks already being written
            published, self._published = self._published, []
            if published:
                await self._mark(published)

    async def _mark(self, published: Sequence[Published]) -> None:
        ids = [one.row.id for one in published]
        columns = (
            ids,
            [one.row.republication for one in published],
            [one.stream_sequence for one in published],
            [one.refused for one in published],
        )
        try:
            await self._database.fetch(_MARK, *columns, min(ids), max(ids))
        except (DatabaseUnavailable, InDoubt, PostgresError) as error:
            log.warning("outbox mark failed", count=len(published), error=str(error))

    async def drain(self) -> None:
        """Wait up to a second until the rows given to `send` are published, and mark them."""
        deadline = asyncio.get_running_loop().time() + 1
        while not self._sending.idle and asyncio.get_running_loop().time() < deadline:
            await asyncio.sleep(0.01)
        await self.flush()

    async def sweep(self) -> None:
        """Publish rows that were not published; skip those that another replica is sweeping.

        A stream that refuses messages does not delay the others.
        """
        refusing: set[str] = set()
        while self._connection.connected.is_set() and await self._sweep_some(refusing) == SWEPT:
            pass
        await self._measuring()

    async def _sweep_some(self, refusing: set[str]) -> int:
        """Lease the oldest rows, publish them and mark them; return how many there were.

        Skip the streams in `refusing`, and add to it each stream that did not take all its rows.
        No transaction is open meanwhile: it would hold up the database's own cleaning.
        """
        leased = await self._database.fetch(_LEASE, LEASED_FOR, SWEPT, refusing)
        for stream, rows in by_stream(map(outbox_row, leased)).items():
            published = await self._sending.store(rows)
            failpoint("after-sweep-before-mark")
            await self._mark(published)
            if any(one.stream_sequence is None and one.refused is None for one in published):
                refusing.add(stream)
        return len(leased)

    async def _measure(self) -> int:
        count, age = (await self._database.fetch(_BACKLOG))[0]
        OUTBOX_PENDING.set(count)
        OUTBOX_AGE.set(age)
        refused: int = (await self._database.fetch(_REFUSED))[0][0]
        OUTBOX_REFUSED.set(refused)
        return int(count) + refused
