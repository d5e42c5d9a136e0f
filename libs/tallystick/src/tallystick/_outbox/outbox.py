"""The outbox: the replica that committed a message publishes it, a sweep stands in for the dead.

Never "where id > last": ids are given before the commit, so such a reader misses rows for ever.
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

SWEPT = 256  # rows of one sweep
MARK_EVERY = 0.05  # seconds
SWEPT_AFTER = timedelta(seconds=2)

_INSERT = """insert into tallystick.outbox (id, subject, headers, body, cause, key)
values ($1, $2, $3, $4, $5, $6)"""
# A mark that a crash forgets is published again and deduped: it need not wait for the disk.
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
    """The write that puts a message into the outbox."""
    return Write(_INSERT, (row.id, row.subject, row.headers, row.body, row.correlation_id, row.key))


class Outbox:
    """Publishes what was committed, and says in the row that it did."""

    def __init__(self, database: Postgres, connection: Connection, source: str) -> None:
        self._database = database
        self._connection = connection
        self._sent: list[OutboxRow] = []
        self._marking = asyncio.Lock()
        self._sending = Sending(connection, source, self._sent_now)

    @property
    def max_payload(self) -> int:
        """What the broker takes at most, in bytes; its default until it was asked."""
        return self._connection.wire.max_payload

    def send(self, rows: Iterable[OutboxRow]) -> None:
        """Publishes committed rows as soon as the broker takes them."""
        if self._connection.connected.is_set():
            self._sending.send(rows)

    def _sent_now(self, rows: Sequence[OutboxRow]) -> None:
        self._sent.extend(rows)

    async def republish(self, correlation_id: str, republication: int) -> None:
        """Publishes the stored outputs of a message again, each at most once for an emission."""
        rows = [
            _row(row)
            for row in await self._database.fetch(_REPUBLISH_OUTPUTS, correlation_id, republication)
        ]
        for row in rows:
            child(REPUBLISHED, row.subject.rpartition(".")[0]).inc()
        self.send(rows)

    async def mark(self) -> None:
        """Marks rows as sent, a batch at a time; ends when cancelled."""
        while True:
            await asyncio.sleep(MARK_EVERY)
            await self.flush()

    async def flush(self) -> None:
        """Marks what was published; what cannot be marked is published again by the sweep."""
        async with self._marking:  # who drains waits for the marks that are on their way
            sent, self._sent = self._sent, []
            if sent:
                await self._mark(sent)

    async def _mark(self, sent: Sequence[OutboxRow]) -> None:
        try:
            await self._database.fetch(_MARK, [r.id for r in sent], [r.republication for r in sent])
        except (DatabaseUnavailable, InDoubt, PostgresError) as error:
            log.warning("outbox mark failed", count=len(sent), error=str(error))

    async def drain(self) -> None:
        """Waits for what was handed over to be published, a second at most, and marks it."""
        deadline = asyncio.get_running_loop().time() + 1
        while not self._sending.idle and asyncio.get_running_loop().time() < deadline:
            await asyncio.sleep(0.01)
        await self.flush()

    async def sweep(self) -> None:
        """Publishes rows that nobody has published; what another replica sweeps is passed over.

        A stream that takes nothing now holds up no other one.
        """
        refused: set[str] = set()
        while self._connection.connected.is_set() and await self._sweep_some(refused) == SWEPT:
            pass
        await self._measure()

    async def _sweep_some(self, refused: set[str]) -> int:
        """Publishes the oldest rows, locked meanwhile; returns how many there were.

        Adds the streams that did not take all of theirs to those that it passes over.
        """
        async with self._database.connection() as connection:
            rows = await connection.fetch(_UNSENT, SWEPT_AFTER, SWEPT, refused)
            for stream, alike in by_stream(map(_row, rows)).items():
                sent = await self._sending.store(alike)
                failpoint("after-sweep-before-mark")
                await connection.execute(
                    _MARK, [r.id for r in sent], [r.republication for r in sent]
                )
                if len(sent) < len(alike):
                    refused.add(stream)
        return len(rows)

    async def _measure(self) -> None:
        count, age = (await self._database.fetch(_BACKLOG))[0]
        OUTBOX_PENDING.set(count)
        OUTBOX_AGE.set(age)


def _row(record: Record) -> OutboxRow:
    return OutboxRow(*record.values())
