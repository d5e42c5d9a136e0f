"""Rows on their way to the broker: a stream's wait for each other, and so go in large batches."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Iterable, Sequence

import structlog

from tallystick._broker.connection import Connection
from tallystick._broker.publisher import Outcome, PubAck, Publication
from tallystick._failpoints import failpoint
from tallystick._messages.envelope import OutboxRow, parse_headers, wire_headers
from tallystick._telemetry import tracing
from tallystick._telemetry.metrics import SEND_FAILED, SENT, child
from tallystick.errors import NotStored, TallystickError
from tallystick.limiter import Limiter

log = structlog.get_logger()

WINDOW = 256  # messages in a batch
IN_FLIGHT = 2  # batches of a stream; while they are, the next one grows
QUEUE = 10_000  # rows of a stream in memory; the sweep finds what does not fit


def by_stream(rows: Iterable[OutboxRow]) -> dict[str, list[OutboxRow]]:
    """A batch is of one stream; `evt.orders` and `dlq.orders` are in two."""
    found: dict[str, list[OutboxRow]] = {}
    for row in rows:
        kind, domain, _ = row.subject.split(".", 2)
        found.setdefault(f"{kind}.{domain}", []).append(row)
    return found


class Sending:
    """Publishes rows; `sent` is told of each batch that the broker has confirmed."""

    def __init__(
        self, connection: Connection, source: str, sent: Callable[[Sequence[OutboxRow]], None]
    ) -> None:
        self._connection = connection
        self._source = source
        self._sent = sent
        self._failures = Limiter()
        self._queues: dict[str, list[OutboxRow]] = {}
        self._in_flight: dict[str, int] = {}
        self._tasks: set[asyncio.Task[None]] = set()

    @property
    def idle(self) -> bool:
        return not self._tasks

    def send(self, rows: Iterable[OutboxRow]) -> None:
        """Queues rows and publishes as many as may be in flight."""
        for stream, of_stream in by_stream(rows).items():
            queue = self._queues.setdefault(stream, [])
            if len(queue) < QUEUE:
                queue.extend(of_stream)
            self._go(stream)

    async def store(self, rows: Sequence[OutboxRow]) -> list[OutboxRow]:
        """Publishes rows of one stream; returns those that the broker has confirmed."""
        begun = time.time_ns()
        outcomes = await self._publish(rows)
        for row, outcome in zip(rows, outcomes, strict=True):
            _observe(row, outcome, begun)
        failed = [o for o in outcomes if isinstance(o, TallystickError)]
        if failed and (unsaid := self._failures.due(error := str(failed[0]))) is not None:
            log.warning("publish failed", count=len(failed), error=error, unsaid=unsaid)
        return [r for r, o in zip(rows, outcomes, strict=True) if isinstance(o, PubAck)]

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
            sent = await self.store(rows)
            failpoint("after-publish-before-mark")
            self._sent(sent)
        finally:
            self._in_flight[stream] -= 1
            self._go(stream)

    async def _publish(self, rows: Sequence[OutboxRow]) -> Sequence[Outcome]:
        """In one batch where the stream takes it; one by one where a row was sent before."""
        publisher = self._connection.publisher
        publications = [
            Publication(row.subject, wire_headers(row, self._source), row.body) for row in rows
        ]
        if len(rows) > 1:
            outcome = await publisher.store_together(publications)
            if not isinstance(outcome, NotStored):
                return [outcome] * len(rows)
        return await publisher.store_each(publications)


def _observe(row: OutboxRow, outcome: Outcome, begun_ns: int) -> None:
    template = row.subject.rpartition(".")[0]
    if not isinstance(outcome, PubAck):
        child(SEND_FAILED, template, type(outcome).__name__).inc()
        return
    child(SENT, template).inc()
    if tracing.records():
        context = parse_headers(row.headers).get("traceparent", "")
        tracing.published(template, row.id, context, begun_ns)
