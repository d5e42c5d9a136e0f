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
from tallystick._database.postgres import Postgres, PostgresError, Record
from tallystick._database.units import Write
from tallystick._failpoints import failpoint
from tallystick._messages.envelope import OutboxRow
from tallystick._outbox.sending import Sending, by_stream
from tallystick._telemetry.metrics import OUTBOX_AGE, OUTBOX_PENDING, REPUBLISHED, child
from tallystick.errors import DatabaseUnavailable, InDoubt

log = structlog.get_logger()

SWEPT = 256  # rows of one query of the sweep
MARK_EVERY = 0.05  # seconds
SWEPT_AFTER = timedelta(seconds=2)

_INSERT = """insert into tallystick.outbox (id, subject, headers, body, cause, key)
values ($1, $2, $3, $4, $5, $6)"""
# The mark need not wait for the disk: if a crash loses it, the row is published again, and the
# broker drops the duplicate.
_MARK = """update tallystick.outbox o set sent_at = now()
from unnest($1::text[], $2::int[]) u(id, emission),
    (select set_config('synchronous_commit', 'off', true)) quick
where o.id = u.id and o.emission = u.emission and o.sent_at is null"""
_UNSENT = """select id, subject, headers, body, cause, key, emission from tallystick.outbox
where sent_at is null and queued_at < now() - $1::interval
    and split_part(subject, '.', 1) || '.' || split_part(subject, '.', 2) <> all($3::text[])
order by queued_at limit $2 for update skip locked"""
_REPUBLISH_OUTPUTS = """update tallystick.outbox set emission = $2, sent_at = null,
    queued_at = now()
where cause = $1 and emission < $2 and id <> $1
returning id, subject, headers, body, cause, key, emission"""
_BACKLOG = """select count(*), coalesce(extract(epoch from now() - min(queued_at)), 0)::float8
from tallystick.outbox where sent_at is null"""


def insert(row: OutboxRow) -> Write:
    """Return the write that puts a message into the outbox."""
    return Write(_INSERT, (row.id, row.subject, row.headers, row.body, row.correlation_id, row.key))


class Outbox:
    """Publishes committed rows and marks them as sent."""

    def __init__(self, database: Postgres, connection: Connection, source: str) -> None:
        self._database = database
        self._connection = connection
        self._sent: list[OutboxRow] = []
        self._marking = asyncio.Lock()
        self._sending = Sending(connection, source, self._sent_now)

    @property
    def max_payload(self) -> int:
        """The broker's largest message, in bytes; until the first connection, its default."""
        return self._connection.wire.max_payload

    def send(self, rows: Iterable[OutboxRow]) -> None:
        """Publish committed rows as soon as the broker takes them; without a connection, none."""
        if self._connection.connected.is_set():
            self._sending.send(rows)

    def _sent_now(self, rows: Sequence[OutboxRow]) -> None:
        self._sent.extend(rows)

    async def republish(self, correlation_id: str, republication: int) -> None:
        """Publish the stored outputs of a message again, each at most once per republication."""
        rows = [
            _row(row)
            for row in await self._database.fetch(_REPUBLISH_OUTPUTS, correlation_id, republication)
        ]
        for row in rows:
            child(REPUBLISHED, row.subject.rpartition(".")[0]).inc()
        self.send(rows)

    async def mark(self) -> None:
        """Mark rows as sent, a batch at a time, until cancelled."""
        while True:
            await asyncio.sleep(MARK_EVERY)
            await self.flush()

    async def flush(self) -> None:
        """Mark what was published; the sweep publishes again what cannot be marked."""
        async with self._marking:  # so that `drain` also waits for marks already being written
            sent, self._sent = self._sent, []
            if sent:
                await self._mark(sent)

    async def _mark(self, sent: Sequence[OutboxRow]) -> None:
        try:
            await self._database.fetch(_MARK, [r.id for r in sent], [r.republication for r in sent])
        except (DatabaseUnavailable, InDoubt, PostgresError) as error:
            log.warning("outbox mark failed", count=len(sent), error=str(error))

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
        refused: set[str] = set()
        while self._connection.connected.is_set() and await self._sweep_some(refused) == SWEPT:
            pass
        await self._measure()

    async def _sweep_some(self, refused: set[str]) -> int:
        """Publish the oldest rows and keep them locked meanwhile; return how many there were.

        Skip the streams in `refused`, and add to it each stream that did not take all its rows.
        """
        async with self._database.connection() as connection:
            rows = await connection.fetch(_UNSENT, SWEPT_AFTER, SWEPT, refused)
            for stream, of_stream in by_stream(map(_row, rows)).items():
                sent = await self._sending.store(of_stream)
                failpoint("after-sweep-before-mark")
                await connection.execute(
                    _MARK, [r.id for r in sent], [r.republication for r in sent]
                )
                if len(sent) < len(of_stream):
                    refused.add(stream)
        return len(rows)

    async def _measure(self) -> None:
        count, age = (await self._database.fetch(_BACKLOG))[0]
        OUTBOX_PENDING.set(count)
        OUTBOX_AGE.set(age)


def _row(record: Record) -> OutboxRow:
    return OutboxRow(*record.values())
