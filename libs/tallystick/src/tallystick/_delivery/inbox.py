"""The inbox: the messages that this service has received before.

A message is known if its id is in the inbox, or if it is deferred: a deferred row answers for its
own message however old it is. Sections 1 and 2 of docs/delivery.md.
"""

from __future__ import annotations

from typing import Any

from tallystick._database.postgres import Postgres
from tallystick._database.reads import BatchedReads
from tallystick._deferred.protocol import Known
from tallystick._deferred.rows import known_by
from tallystick._messages.inbound import Inbound, Key

Looked = tuple[Key, tuple[int, Any]]
"""A message's key, and the two columns of its row in the inbox."""

# Look-ups of single keys, so that no plan ever reads a whole table or a partition that has none.
_STATES = """select k.n, exists (select from tallystick.deferred d
        where (d.durable, d.source, d.id) = (k.durable, k.source, k.message)),
    exists (select from tallystick.{table} i where i.reader = k.reader and i.{id} = k.known)
from unnest($1::text[], $2::text[], $3::text[], $4::int[], $5::uuid[]) with ordinality
    k(durable, source, message, reader, known, n)"""
_OWN = _STATES.format(table="inbox", id="id")
_FOREIGN = _STATES.format(table="foreign_inbox", id="digest")
_FORGET_OWN = "delete from tallystick.inbox where reader = $1 and id = $2"
_FORGET_FOREIGN = "delete from tallystick.foreign_inbox where reader = $1 and digest = $2"


class Inbox:
    """The messages received before; look-ups of one turn of the event loop share a query."""

    def __init__(self, database: Postgres) -> None:
        self._database = database
        self._own: BatchedReads[Looked, Known] = BatchedReads(lambda of: self._read(_OWN, of))
        self._foreign: BatchedReads[Looked, Known] = BatchedReads(
            lambda of: self._read(_FOREIGN, of)
        )

    async def state(self, inbound: Inbound) -> Known:
        """Return the state of a message from the broker, or None if it is unknown."""
        reads = self._own if inbound.is_own else self._foreign
        return await reads.get((inbound.key, known_by(inbound)))

    async def forget(self, inbound: Inbound) -> None:
        """Delete a message that is done, so that it can run again."""
        sql = _FORGET_OWN if inbound.is_own else _FORGET_FOREIGN
        await self._database.fetch(sql, *known_by(inbound))

    async def _read(self, sql: str, looked: list[Looked]) -> list[tuple[Looked, Known]]:
        columns = zip(*((*key, *known) for key, known in looked), strict=True)
        rows = await self._database.fetch(sql, *map(list, columns))
        return [
            (looked[place - 1], "deferred" if is_deferred else "done")
            for place, is_deferred, is_taken in rows
            if is_deferred or is_taken
        ]
