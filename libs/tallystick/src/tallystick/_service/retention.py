"""Deletes old rows; they are kept longer than any stream keeps a message that may need them.

Section 11 of docs/delivery.md.
"""

from __future__ import annotations

from tallystick._database.postgres import Postgres
from tallystick._deferred.protocol import INBOX_KEPT

_CHUNK = 5_000

_PURGES = (
    """delete from tallystick.inbox where ctid = any(array(select ctid from tallystick.inbox
    where state = 'done' and taken_at < now() - $1::interval limit $2)) returning 1""",
    """delete from tallystick.outbox where ctid = any(array(select ctid from tallystick.outbox
    where sent_at < now() - $1::interval limit $2)) returning 1""",
    """delete from tallystick.attempts where ctid = any(array(select ctid from tallystick.attempts a
    where ended_at < now() - $1::interval and not exists (select from tallystick.held h
    where (h.durable, h.source, h.id) = (a.durable, a.source, a.id))
    and not exists (select from tallystick.actions r
    where (r.durable, r.source, r.message_id) = (a.durable, a.source, a.id))
    limit $2)) returning 1""",
)


async def purge(database: Postgres) -> int:
    """Delete rows older than INBOX_KEPT, in small transactions; return how many.

    The attempts of messages that people repaired stay.
    """
    purged = 0
    for statement in _PURGES:
        while rows := await database.fetch(statement, INBOX_KEPT, _CHUNK):
            purged += len(rows)
    return purged
