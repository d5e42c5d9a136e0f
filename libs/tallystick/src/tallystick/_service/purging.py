"""Deletes old rows of the tables that are not partitioned, each by an index of its age.

Section 11 of docs/delivery.md.
"""

from __future__ import annotations

from tallystick._database.postgres import Postgres
from tallystick._deferred.protocol import INBOX_KEPT

_CHUNK = 5_000
# What is deferred or dead keeps its note: `deferred` answers for it, and a copy changes nothing.
_PURGES = (
    """delete from tallystick.foreign_inbox where ctid = any(array(
    select ctid from tallystick.foreign_inbox where taken_at < now() - $1::interval
    order by taken_at limit $2)) returning 1""",
    """delete from tallystick.effects where ctid = any(array(
    select ctid from tallystick.effects e where stored_at < now() - $1::interval
    and not exists (select from tallystick.deferred d where (d.durable, d.id) = (e.durable, e.key))
    order by stored_at limit $2)) returning 1""",
    """delete from tallystick.attempts where ctid = any(array(
    select ctid from tallystick.attempts where ended_at < now() - $1::interval
    order by ended_at limit $2)) returning 1""",
)


async def purge(database: Postgres) -> int:
    """Delete rows older than INBOX_KEPT, in small transactions; return how many."""
    purged = 0
    for statement in _PURGES:
        while rows := await database.fetch(statement, INBOX_KEPT, _CHUNK):
            purged += len(rows)
    return purged
