"""The inbox: the messages that this service has received before.

Sections 1 and 2 of docs/delivery.md.
"""

from __future__ import annotations

from tallystick._database.postgres import Postgres
from tallystick._database.reads import BatchedReads
from tallystick._deferred.protocol import Known
from tallystick._messages.inbound import Key

_STATES = """select i.durable, i.source, i.id, i.state from tallystick.inbox i
join unnest($1::text[], $2::text[], $3::text[]) k(durable, source, id)
on (i.durable, i.source, i.id) = (k.durable, k.source, k.id)"""
_FORGET = """delete from tallystick.inbox
where (durable, source, id) = ($1, $2, $3) and state = 'done'"""


class Inbox:
    """The messages received before; look-ups of one turn of the event loop share a query."""

    def __init__(self, database: Postgres) -> None:
        self._database = database
        self._reads: BatchedReads[Key, Known] = BatchedReads(self._read)

    async def state(self, key: Key) -> Known:
        """Return the state of a message: `done`, `held` (deferred), or None if unknown."""
        return await self._reads.get(key)

    async def forget(self, key: Key) -> None:
        """Delete a message that is done, so that it can run again."""
        await self._database.fetch(_FORGET, *key)

    async def _read(self, keys: list[Key]) -> list[tuple[Key, Known]]:
        rows = await self._database.fetch(_STATES, *map(list, zip(*keys, strict=True)))
        return [((row[0], row[1], row[2]), row[3]) for row in rows]
