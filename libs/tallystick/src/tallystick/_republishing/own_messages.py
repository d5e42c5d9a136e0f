"""What a service sends to itself and the broker has lost: it can see that, and sends it again.

The reconciler heals what an aggregate's end waits for. Nothing waits for a projection of a
service's own events, nor for a job that nobody asks about. But the outbox knows what was sent and
the inbox what has come: a durable that has nothing left to deliver will never bring the rest.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta

import structlog

from tallystick._broker.connection import Connection
from tallystick._database.postgres import Postgres
from tallystick._messages.binding import Binding
from tallystick._messages.envelope import OutboxRow
from tallystick._messages.message import message_type
from tallystick._outbox.outbox import Outbox
from tallystick._telemetry.metrics import REPUBLISHED, child
from tallystick.topology import Durable, is_idle

log = structlog.get_logger()

LOOK_BACK = timedelta(hours=1)  # of a replica that has just started

_LOST = """update tallystick.outbox o
set emission = emission + 1, sent_at = null, queued_at = now()
where o.sent_at >= $1 and o.sent_at < $2 and o.subject like any($3::text[])
and not exists (
    select from tallystick.inbox i where (i.durable, i.source, i.id) = ($4, $5, o.id))
returning o.id, o.subject, o.headers, o.body, o.cause, o.key, o.emission"""


class OwnMessages:
    """Looks after the durables by which a service reads what it sends itself."""

    def __init__(
        self,
        service: str,
        database: Postgres,
        connection: Connection,
        outbox: Outbox,
        readers: Sequence[tuple[Binding, Durable]],
    ) -> None:
        self._service = service
        self._database = database
        self._connection = connection
        self._outbox = outbox
        self._readers = readers
        self._seen_until: dict[str, datetime] = {}

    async def round(self) -> None:
        """Sends again what no reader will ever get otherwise."""
        for binding, durable in self._readers:
            await self._look_after(binding, durable)

    async def _look_after(self, binding: Binding, durable: Durable) -> None:
        asked_at: datetime = (await self._database.fetch("select now()"))[0][0]
        # First the time, then the broker: what was sent before it is in the stream by now, or lost.
        if not self._connection.connected.is_set() or not await is_idle(
            self._connection.client, durable
        ):
            return
        since = self._seen_until.get(durable.name, asked_at - LOOK_BACK)
        rows = await self._database.fetch(
            _LOST, since, asked_at, _patterns(binding), durable.name, self._service
        )
        self._seen_until[durable.name] = asked_at
        if rows:
            log.warning("own messages republished", durable=durable.name, count=len(rows))
            child(REPUBLISHED, binding.template).inc(len(rows))
            self._outbox.send([OutboxRow(*row) for row in rows])


def _patterns(binding: Binding) -> list[str]:
    """Its subjects, with any shard, as `like` takes them."""
    return [f"{message_type(cls).template}.%" for cls in binding.types]
