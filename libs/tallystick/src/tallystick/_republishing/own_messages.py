"""Find messages that a service sent to itself and the broker lost, and publish them again.

The reconciler only helps where an aggregate does not end without the message. No aggregate waits
for a projection of the service's own events. But the outbox knows what was sent, and the inbox
what was received: if the durable has nothing left to deliver, the difference is lost.

Section 7 of docs/delivery.md.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta

import structlog

from tallystick._broker.connection import Connection
from tallystick._database.postgres import Postgres
from tallystick._messages.binding import Binding
from tallystick._messages.envelope import COLUMNS, outbox_row
from tallystick._messages.identity import reader_number
from tallystick._messages.message import message_type
from tallystick._outbox.outbox import Outbox
from tallystick._telemetry.metrics import REPUBLISHED, child
from tallystick.topology import Durable, is_idle

log = structlog.get_logger()

LOOK_BACK = timedelta(hours=1)  # how far back the first round of a new replica looks

_LOST = f"""update tallystick.outbox o set republication = republication + 1, sent_at = null,
    queued_at = now(), due_at = now() + interval '2 seconds'
where o.sent_at >= $1 and o.sent_at < $2 and o.type = any($3::text[])
and not exists (select from tallystick.inbox i where (i.reader, i.id) = ($4, o.id))
returning {COLUMNS}"""  # noqa: S608  # a constant of ours


class OwnMessages:
    """Watches the durables by which a service reads its own messages."""

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
        """Publish again what the broker has lost."""
        for binding, durable in self._readers:
            await self._look_after(binding, durable)

    async def _look_after(self, binding: Binding, durable: Durable) -> None:
        asked_at: datetime = (await self._database.fetch("select now()"))[0][0]
        # The time is read before the broker is asked: what was sent before that time is by now in
        # the stream, or lost.
        if not self._connection.connected.is_set() or not await is_idle(
            self._connection.client, durable
        ):
            return
        since = self._seen_until.get(durable.name, asked_at - LOOK_BACK)
        rows = await self._database.fetch(
            _LOST,
            since,
            asked_at,
            [message_type(cls).template for cls in binding.types],
            reader_number(durable.name, self._service),
        )
        self._seen_until[durable.name] = asked_at
        if rows:
            log.warning("own messages republished", durable=durable.name, count=len(rows))
            child(REPUBLISHED, binding.template).inc(len(rows))
            self._outbox.send([outbox_row(row) for row in rows])
