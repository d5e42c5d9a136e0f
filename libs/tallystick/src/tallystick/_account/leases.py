"""Leases on the work of one replica at a time; who dies loses them by time."""

from __future__ import annotations

from datetime import timedelta

from tallystick._account import statements
from tallystick._database.postgres import Postgres


class WorkLeases:
    """The leases of one replica. Work under them is safe to do twice: they only save effort."""

    def __init__(self, database: Postgres, replica: str, period_s: float) -> None:
        self._database = database
        self._replica = replica
        self._for = timedelta(seconds=max(3 * period_s, 5))

    async def take(self, name: str) -> bool:
        """Take or renew a lease; return whether this replica has it."""
        return bool(await self._database.fetch(statements.LEASE, name, self._replica, self._for))
