"""Publish outbox rows, in large batches for each stream.

Section 6 of docs/delivery.md.
"""

from __future__ import annotations

import asyncio
import time
from collections import Counter
from collections.abc import Callable, Iterable, Sequence

import msgspec
import structlog

from tallystick._broker.connection import Connection
from tallystick._broker.publisher import Outcome, PubAck, Publication
from tallystick._failpoints import failpoint
from tallystick._messages.envelope import OutboxRow, parse_headers, wire_headers
from tallystick._telemetry import tracing
from tallystick._telemetry.metrics import SEND_FAILED, SENT, child
from tallystick.errors import InvalidMessage, NotStored, TallystickError
from tallystick.limiter import Limiter

log = structlog.get_logger()

WINDOW = 256  # messages in a batch
IN_FLIGHT = 2  # batches of one stream at a time; the next batch grows while they are sent
QUEUE = 10_000  # rows of one stream in memory; the sweep publishes what does not fit


class Published(msgspec.Struct, frozen=True):
    """What became of a row: its sequence in the stream, or why the broker refuses it for good.

    Both are None if it was not stored and may be later.
    """

    row: OutboxRow
    stream_sequence: int | None = None
    refused: str | None = None


def by_stream(rows: Iterable[OutboxRow]) -> dict[str, list[OutboxRow]]:
    """Group rows by stream, because a batch goes to one; `evt.orders` and `dlq.orders` are two."""
    found: dict[str, list[OutboxRow]] = {}
    for row in rows:
        kind, domain, _ = row.subject.split(".", 2)
        found.setdefault(f"{kind}.{domain}", []).append(row)
    return found


class Sending:
    """Publishes rows; calls `published` with what became of those of each batch."""

    def __init__(
        self,
        connection: Connection,
        source: str,
        published: Callable[[Sequence[Published]], None],
    ) -> None:
        self._connection = connection
        self._source = source
        self._published = published
        self._failures = Limiter()
        self._queues: dict[str, list[OutboxRow]] = {}
        self._in_flight: dict[str, int] = {}
        self._begins = False
        self._tasks: set[asyncio.Task[None]] = set()

    @property
    def idle(self) -> bool:
        return not self._tasks and not self._begins

    def send(self, rows: Iterable[OutboxRow]) -> None:
        """Queue rows; what one turn of the event loop queues goes together."""
        for stream, of_stream in by_stream(rows).items():
            queue = self._queues.setdefault(stream, [])
            queue.extend(of_stream[: max(0, QUEUE - len(queue))])
        if not self._begins:
            self._begins = True
            asyncio.get_running_loop().call_soon(self._begin)

    def _begin(self) -> None:
        self._begins = False
        for stream in self._queues:
            self._go(stream)

    async def store(self, rows: Sequence[OutboxRow]) -> list[Published]:
        """Publish rows of one stream; return what became of each, in their order."""
        started = time.time_ns()
        outcomes = await self._publish(rows)
        _count(rows, outcomes)
        if tracing.records():
            _record(rows, outcomes, started)
        failed = [o for o in outcomes if isinstance(o, TallystickError)]
        if failed and (unsaid := self._failures.due(error := str(failed[0]))) is not None:
            log.warning("publish failed", count=len(failed), error=error, unsaid=unsaid)
        return [_published(row, outcome) for row, outcome in zip(rows, outcomes, strict=True)]

    def _go(self, stream: str) -> None:
        queue = self._queues[stream]
        if queue and self._in_flight.get(stream, 0) < IN_FLIGHT:
            self._queues[stream] = queue[WINDOW:]
            self._in_flight[stream] = self._in_flight.get(stream, 0) + 1
            task = asyncio.create_task(self._batch(stream, queue[:WINDOW]))
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)

    async def _batch(self, stream: str, rows: Sequence[OutboxRow]) -> None:
        try:
            published = await self.store(rows)
            failpoint("after-publish-before-mark")
            self._published(published)
        finally:
            self._in_flight[stream] -= 1
            self._go(stream)

    async def _publish(self, rows: Sequence[OutboxRow]) -> Sequence[Outcome]:
        """Publish as one batch; if the stream refuses the batch, publish the rows one by one.

        It refuses a batch with a row that was sent before.
        """
        publisher = self._connection.publisher
        publications = [
            Publication(row.subject, wire_headers(row, self._source), row.body) for row in rows
        ]
        if len(rows) > 1:
            outcome = await publisher.store_together(publications)
            if isinstance(outcome, PubAck):
                return [_place(outcome, len(rows) - n) for n in range(1, len(rows) + 1)]
            if not isinstance(outcome, NotStored):
                return [outcome] * len(rows)
        return await publisher.store_each(publications)


def _place(last: PubAck, before_last: int) -> PubAck:
    """Return the confirmation of one message of an atomic batch, whose sequences have no gap."""
    return PubAck(last.stream, last.seq - before_last)


def _published(row: OutboxRow, outcome: Outcome) -> Published:
    match outcome:
        case PubAck():
            return Published(row, outcome.seq)
        case InvalidMessage() | NotStored(for_good=True):
            return Published(row, refused=str(outcome))
        case _:
            return Published(row)


def _count(rows: Sequence[OutboxRow], outcomes: Sequence[Outcome]) -> None:
    sent, failed = Counter[str](), Counter[tuple[str, str]]()
    for row, outcome in zip(rows, outcomes, strict=True):
        template = row.subject.rpartition(".")[0]
        if isinstance(outcome, PubAck):
            sent[template] += 1
        else:
            failed[template, type(outcome).__name__] += 1
    for template, count in sent.items():
        child(SENT, template).inc(count)
    for labels, count in failed.items():
        child(SEND_FAILED, *labels).inc(count)


def _record(rows: Sequence[OutboxRow], outcomes: Sequence[Outcome], started_ns: int) -> None:
    """Record the spans of what was sent."""
    for row, outcome in zip(rows, outcomes, strict=True):
        if isinstance(outcome, PubAck):
            context = parse_headers(row.headers).get("traceparent", "")
            tracing.published(row.subject.rpartition(".")[0], row.id, context, started_ns)
