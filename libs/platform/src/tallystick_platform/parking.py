"""Parked rows, and what people have done about them, in PostgreSQL."""

from __future__ import annotations

from typing import Final
from uuid import UUID

from uuid_utils.compat import uuid7

from tallystick import Database, Write
from tallystick_platform.parked import Act, Intervention, Parked
from tallystick_platform.state_table import Record

RETRY: Final = "retry"

_RECORD: Final = """
insert into interventions (id, order_id, action, actor, reason) values ($1, $2, $3, $4, $5)"""

_INTERVENTIONS: Final = """
select happened_at, actor, action, reason from interventions where order_id = $1 order by id"""


class Parking:
    """The parked rows of a table that has one row for each order.

    The table has the columns order_id, state, version, parked, and `opened_at`: the name of the
    column with the time when the row was opened. The database also has the table `interventions`.
    """

    def __init__(self, table: str, *, opened_at: str = "opened_at") -> None:
        self._shown = f"select order_id, state, parked, {opened_at} as opened_at from {table}"  # noqa: S608  # names of ours
        self._count = f"select count(*) from {table} where parked is not null"  # noqa: S608  # names of ours
        self._unpark = f"""
update {table} set version = version + 1, parked = null
where order_id = $1 and version = $2 returning order_id"""  # noqa: S608  # names of ours

    async def page(self, database: Database, after: UUID, limit: int) -> list[Parked]:
        """Return at most `limit` parked rows after the order `after`, the oldest first."""
        sql = f"{self._shown} where parked is not null and order_id > $1 order by order_id limit $2"
        return [Parked(**row) for row in await database.fetch(sql, after, limit)]

    async def count(self, database: Database) -> int:
        """Return how many rows are parked."""
        return int((await database.fetch(self._count))[0][0])

    async def get(self, database: Database, order_id: UUID) -> Parked | None:
        """Return the row of an order, parked or not, or None."""
        row = await database.get(f"{self._shown} where order_id = any($1::uuid[])", order_id)
        return None if row is None else Parked(**row)

    async def interventions(self, database: Database, order_id: UUID) -> list[Intervention]:
        """Return all that people have done about an order, the oldest first."""
        return [Intervention(**row) for row in await database.fetch(_INTERVENTIONS, order_id)]

    def unpark(self, record: Record) -> Write:
        """Return the write that unparks a row; it conflicts if the row is not as it was read."""
        return Write(self._unpark, (record.order_id, record.version), guard=record.order_id)


def intervention(order_id: UUID, action: str, act: Act) -> Write:
    """Return the write that records what a person did."""
    return Write(_RECORD, (uuid7(), order_id, action, act.actor, act.reason))
