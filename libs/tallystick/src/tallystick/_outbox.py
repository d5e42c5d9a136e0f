"""The outbox: the replica that committed a message publishes it, a sweep stands in for the dead.

Never "where id > last": ids are given before the commit, so such a reader misses rows for ever.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Sequence
from datetime import timedelta

import structlog

from tallystick._broker import Broker
from tallystick._database import Database, Record
from tallystick._envelope import OutboxRow, wire_headers
from tallystick._errors import DatabaseUnavailable, InDoubt, TallystickError
from tallystick._metrics import OUTBOX_AGE, OUTBOX_PENDING, SEND_FAILED, SENT, child
from tallystick._publisher import NotStored, Outcome, PubAck, Publication
from tallystick._units import Write

log = structlog.get_logger()

WINDOW = 256  # messages published together
QUEUE = 10_000  # rows in memory; what does not fit is the sweep's
MARK_EVERY = 0.05  # seconds
SWEPT_AFTER = timedelta(seconds=2)

_INSERT = """insert into tallystick.outbox (id, subject, headers, body, cause)
values ($1, $2, $3, $4, $5)"""
_MARK = """update tallystick.outbox o set sent_at = now()
from unnest($1::text[], $2::int[]) u(id, emission)
where o.id = u.id and o.emission = u.emission and o.sent_at is null"""
_UNSENT = """select id, subject, headers, body, cause, emission from tallystick.outbox
where sent_at is null and queued_at < now() - $1::interval
order by queued_at limit $2 for update skip locked"""
_EMIT_AGAIN = """update tallystick.outbox set emission = $2, sent_at = null, queued_at = now()
where cause = $1 and emission < $2 and id <> $1
returning id, subject, headers, body, cause, emission"""
_BACKLOG = """select count(*), coalesce(extract(epoch from now() - min(queued_at)), 0)::float8
from tallystick.outbox where sent_at is null"""


def insert(row: OutboxRow) -> Write:
    """The write that puts a message into the outbox."""
    return Write(_INSERT, (row.id, row.subject, row.headers, row.body, row.cause))


class Outbox:
    """Publishes what was committed, and says in the row that it did."""

    def __init__(self, database: Database, broker: Broker, source: str) -> None:
        self._database = database
        self._broker = broker
        self._source = source
        self._queue: list[OutboxRow] = []
        self._wake = asyncio.Event()
        self._sent: list[OutboxRow] = []
        self._windows = 0

    def send(self, rows: Iterable[OutboxRow]) -> None:
        """Publishes committed rows as soon as the broker takes them."""
        if self._broker.connected.is_set() and len(self._queue) < QUEUE:
            self._queue.extend(rows)
            self._wake.set()

    async def emit_again(self, cause: str, emission: int) -> None:
        """Publishes the stored outputs of a message again, each at most once for an emission."""
        rows = await self._database.fetch(_EMIT_AGAIN, cause, emission)
        self.send(_row(row) for row in rows)

    async def run(self) -> None:
        """Publishes what is queued; ends when cancelled."""
        async with asyncio.TaskGroup() as windows:
            while True:
                await self._wake.wait()
                self._wake.clear()
                queue, self._queue = self._queue, []
                for rows in _by_stream(queue):
                    for window in _windows(rows):
                        windows.create_task(self._publish(window))

    async def mark(self) -> None:
        """Marks rows as sent, a batch at a time; ends when cancelled."""
        while True:
            await asyncio.sleep(MARK_EVERY)
            await self.flush()

    async def flush(self) -> None:
        """Marks what was published; what cannot be marked is published again by the sweep."""
        sent, self._sent = self._sent, []
        if not sent:
            return
        try:
            await self._database.fetch(_MARK, [r.id for r in sent], [r.emission for r in sent])
        except (DatabaseUnavailable, InDoubt) as error:
            log.warning("could not mark messages as sent", count=len(sent), error=str(error))

    async def drain(self) -> None:
        """Waits for what was handed over to be published, a second at most, and marks it."""
        deadline = asyncio.get_running_loop().time() + 1
        while self._queue or self._windows:
            if asyncio.get_running_loop().time() > deadline:
                break  # the next replica's sweep
            await asyncio.sleep(0.01)
        await self.flush()

    async def sweep(self) -> None:
        """Publishes rows that nobody has published; what another replica sweeps is passed over."""
        if self._broker.connected.is_set():
            async with self._database.connection() as connection:
                rows = [_row(r) for r in await connection.fetch(_UNSENT, SWEPT_AFTER, WINDOW)]
                for alike in _by_stream(rows):
                    sent = await self._store(alike)
                    await connection.execute(
                        _MARK, [r.id for r in sent], [r.emission for r in sent]
                    )
        await self._measure()

    async def _measure(self) -> None:
        count, age = (await self._database.fetch(_BACKLOG))[0]
        OUTBOX_PENDING.set(count)
        OUTBOX_AGE.set(age)

    async def _publish(self, rows: Sequence[OutboxRow]) -> None:
        self._windows += 1
        try:
            self._sent.extend(await self._store(rows))
        finally:
            self._windows -= 1

    async def _store(self, rows: Sequence[OutboxRow]) -> list[OutboxRow]:
        outcomes = await self._stored(rows)
        for row, outcome in zip(rows, outcomes, strict=True):
            _count(row.subject.rpartition(".")[0], outcome)
        failed = [o for o in outcomes if isinstance(o, TallystickError)]
        if failed:
            log.warning("messages wait in the outbox", count=len(failed), error=str(failed[0]))
        return [r for r, o in zip(rows, outcomes, strict=True) if isinstance(o, PubAck)]

    async def _stored(self, rows: Sequence[OutboxRow]) -> Sequence[Outcome]:
        """In one batch where the stream takes it; one by one where a row was sent before."""
        publisher = self._broker.publisher
        publications = [
            Publication(row.subject, wire_headers(row, self._source), row.body) for row in rows
        ]
        if len(rows) > 1:
            outcome = await publisher.publish_batch(publications)
            if not isinstance(outcome, NotStored):
                return [outcome] * len(rows)
        return await publisher.publish_all(publications)


def _count(template: str, outcome: Outcome) -> None:
    if isinstance(outcome, PubAck):
        child(SENT, template).inc()
    else:
        child(SEND_FAILED, template, type(outcome).__name__).inc()


def _by_stream(rows: Iterable[OutboxRow]) -> Iterable[list[OutboxRow]]:
    """A batch is of one stream; `evt.orders` and `dlq.orders` are in two."""
    found: dict[str, list[OutboxRow]] = {}
    for row in rows:
        kind, domain, _ = row.subject.split(".", 2)
        found.setdefault(f"{kind}.{domain}", []).append(row)
    return found.values()


def _windows(rows: list[OutboxRow]) -> Iterable[list[OutboxRow]]:
    return (rows[start : start + WINDOW] for start in range(0, len(rows), WINDOW))


def _row(record: Record) -> OutboxRow:
    return OutboxRow(*record.values())
