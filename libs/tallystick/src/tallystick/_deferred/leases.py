"""Leases on deferred rows: one replica at a time has the right to run a row.

Example: replica A acquires a row as lease 4 and stalls. Replica B expires that lease (5) and
acquires the row as lease 6. When A goes on, its commit names lease 4 and changes nothing.
Section 3 of docs/delivery.md.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from tallystick._database.postgres import Postgres, Record
from tallystick._deferred.protocol import QUARANTINE_BATCH, tried_together
from tallystick._deferred.rows import Deferred
from tallystick._messages.inbound import Inbound, Key

Lease = tuple[str, str, str, int]
"""A message's key and the number of its lease."""

_LEASED = """
update tallystick.deferred h set lease = h.lease + 1, replica = $1 from due
where (h.durable, h.source, h.id) = (due.durable, due.source, due.id)
returning h.durable, h.source, h.id, subject, headers, body, stream, stream_sequence,
    lease, attempts, expired_leases, crashes, give_up_at - now(), trace, starts"""
_LEASE = f"""with due as (
    select d.* from unnest($2::text[], $3::int[]) s(durable, slots), lateral (
        select durable, source, id from tallystick.deferred h
        where h.durable = s.durable and state = 'waiting' and replica is null
        and due_at <= now() and expired_leases < $4
        order by due_at limit s.slots for update skip locked) d){_LEASED}"""  # noqa: S608  # a constant of ours
# Messages with the fewest deaths and expired leases come first: most of them do no harm. The last
# condition says to PostgreSQL that the index of such rows has all of them.
_LEASE_QUARANTINED = f"""with due as (
    select durable, source, id from tallystick.deferred
    where durable = any($2::text[]) and state = 'waiting' and replica is null
    and due_at <= now() and expired_leases >= $3 and expired_leases > 0
    order by crashes, expired_leases, due_at limit $4 for update skip locked){_LEASED}"""  # noqa: S608  # a constant of ours
_MINE = "select durable, source, id, lease from tallystick.deferred where replica = $1"
_RELEASE = """update tallystick.deferred h set replica = null, lease = h.lease + 1, due_at = now()
from unnest($1::text[], $2::text[], $3::text[], $4::bigint[]) m(durable, source, id, lease)
where (h.durable, h.source, h.id, h.lease) = (m.durable, m.source, m.id, m.lease)
returning h.id"""
_UNLEASE = """update tallystick.deferred h set replica = null, lease = h.lease - 1
from unnest($1::text[], $2::text[], $3::text[], $4::bigint[]) m(durable, source, id, lease)
where (h.durable, h.source, h.id, h.lease) = (m.durable, m.source, m.id, m.lease)"""


class Leases:
    """The leases of one replica."""

    def __init__(self, database: Postgres, replica: str) -> None:
        self._database = database
        self._replica = replica

    async def acquire(
        self, connection: Any, slots: Mapping[str, int], quarantine_after: int
    ) -> list[Deferred]:
        """Lease due rows that are not quarantined, at most `slots` of each durable."""
        args = (self._replica, list(slots), list(slots.values()), quarantine_after)
        return [_deferred(row) for row in await connection.fetch(_LEASE, *args)]

    async def acquire_quarantined(
        self, connection: Any, durables: Sequence[str], quarantine_after: int
    ) -> list[Deferred]:
        """Lease due rows with `quarantine_after` or more expired leases: a batch, or one alone."""
        args = (self._replica, durables, quarantine_after, QUARANTINE_BATCH)
        rows = [_deferred(row) for row in await connection.fetch(_LEASE_QUARANTINED, *args)]
        batch = [
            deferred
            for deferred in rows
            if tried_together(deferred.expired_leases, deferred.crashes)
        ]
        chosen = batch or rows[:1]
        await self.undo(connection, [deferred for deferred in rows if deferred not in chosen])
        return chosen

    async def mine(self) -> list[Lease]:
        """Return the leases of this replica."""
        return [(r[0], r[1], r[2], r[3]) for r in await self._database.fetch(_MINE, self._replica)]

    async def release(self, leases: Sequence[Lease]) -> int:
        """Free rows whose lease has not changed meanwhile; return how many."""
        if not leases:
            return 0
        return len(await self._database.fetch(_RELEASE, *_columns(leases)))

    async def undo(self, connection: Any, unseen: Sequence[Deferred]) -> None:
        """Undo leases of rows that were never started, as if they had not been acquired."""
        if unseen:
            await connection.execute(
                _UNLEASE, *_columns([lease_of(deferred) for deferred in unseen])
            )


def lease_of(deferred: Deferred) -> Lease:
    """Return the lease under which a deferred message runs."""
    return (*deferred.inbound.key, deferred.lease)


def key_of(lease: Lease) -> Key:
    """Return the key of the leased message."""
    return lease[:3]


def _columns(leases: Sequence[Lease]) -> list[list[Any]]:
    """Return leases as one array per column."""
    return [[lease[place] for lease in leases] for place in range(4)]


def _deferred(record: Record) -> Deferred:
    row = tuple(record)
    return Deferred(Inbound(*row[:8]), *row[8:])
