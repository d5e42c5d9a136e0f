"""Rows of durables that nobody declares any more: seen, and after a day laid before people."""

from __future__ import annotations

from collections.abc import Collection
from datetime import timedelta

import structlog

from tallystick._database.postgres import Postgres
from tallystick._messages.retry import Reason
from tallystick._telemetry.metrics import DEAD_LETTERED, ORPHANED, child

log = structlog.get_logger()

ADOPTED_WITHIN = timedelta(days=1)
"""A release that knows the durable may be on its way, in or back."""
REASON: Reason = "orphaned"

_WAITING = """select durable, count(*) from tallystick.held
where state in ('retry', 'suspect') and replica is null and durable <> all($1::text[])
group by durable"""
_GIVE_UP = """update tallystick.held set state = 'dead', reason = $3, claim = claim + 1,
    due_at = now(), error_type = 'Orphaned',
    error = 'no handler is declared for ' || durable || ': declare one and replay it, or discard it'
where state in ('retry', 'suspect') and replica is null and durable <> all($1::text[])
    and due_at < now() - $2::interval
returning durable"""


class Orphans:
    """What waits in a service's database for handlers that this release does not have."""

    def __init__(self, database: Postgres, declared: Collection[str]) -> None:
        self._database = database
        self._declared = sorted(declared)
        self._seen: dict[str, int] = {}

    async def round(self) -> None:
        """Shows them, and makes dead letters of those that have been due for a day."""
        given_up = await self._database.fetch(_GIVE_UP, self._declared, ADOPTED_WITHIN, REASON)
        for row in given_up:
            child(DEAD_LETTERED, row[0], REASON).inc()
        rows = await self._database.fetch(_WAITING, self._declared)
        found = {row[0]: row[1] for row in rows}
        for durable in self._seen.keys() | found.keys():
            child(ORPHANED, durable).set(found.get(durable, 0))
            child(DEAD_LETTERED, durable, REASON)  # begins at zero: its first letter is seen
        if found.keys() - self._seen.keys():
            log.warning("messages orphaned", waiting=found)
        self._seen = found
