"""Find rows of durables without a handler: count them, and make them dead letters after a day.

Section 10 of docs/delivery.md.
"""

from __future__ import annotations

from collections.abc import Collection
from datetime import timedelta

import structlog

from tallystick._database.postgres import Postgres
from tallystick._messages.retry import Reason
from tallystick._telemetry.metrics import DEAD_LETTERED, ORPHANED, child

log = structlog.get_logger()

ADOPTED_WITHIN = timedelta(days=1)
"""Until then, a release that declares the durable may still be deployed, or rolled back to."""
REASON: Reason = "orphaned"

_WAITING = """select durable, count(*) from tallystick.deferred
where state = 'waiting' and replica is null and durable <> all($1::text[])
group by durable"""
_GIVE_UP = """update tallystick.deferred set state = 'dead', reason = $3, lease = lease + 1,
    due_at = now(), error_type = 'Orphaned',
    error = 'no handler is declared for ' || durable || ': declare one and replay it, or discard it'
where state = 'waiting' and replica is null and durable <> all($1::text[])
    and due_at < now() - $2::interval
returning durable"""


class Orphans:
    """The deferred messages of a service that no handler of this release is declared for."""

    def __init__(self, database: Postgres, declared: Collection[str]) -> None:
        self._database = database
        self._declared = sorted(declared)
        self._seen: dict[str, int] = {}

    async def round(self) -> None:
        """Log and count them; make dead letters of those that have been due for a day."""
        given_up = await self._database.fetch(_GIVE_UP, self._declared, ADOPTED_WITHIN, REASON)
        for row in given_up:
            child(DEAD_LETTERED, row[0], REASON).inc()
        rows = await self._database.fetch(_WAITING, self._declared)
        found = {row[0]: row[1] for row in rows}
        for durable in self._seen.keys() | found.keys():
            child(ORPHANED, durable).set(found.get(durable, 0))
            child(DEAD_LETTERED, durable, REASON)  # starts at 0, so that the first increase shows
        if found.keys() - self._seen.keys():
            log.warning("messages orphaned", waiting=found)
        self._seen = found
