"""Store letters in PostgreSQL."""

from datetime import datetime
from typing import Final

import msgspec

from tallystick import Database, Write
from tallystick_contracts.orders import OrderId, Outcome

_WRITE: Final = """
insert into letters (order_id, outcome) values ($1, $2) on conflict do nothing"""

_POSTED: Final = """
update letters set posted_at = now() where order_id = $1"""

_GET: Final = """
select order_id, outcome, written_at, posted_at from letters where order_id = any($1::uuid[])"""


class Stored(msgspec.Struct, frozen=True, kw_only=True):
    """The letter about an order; `posted_at` is None until the mail house has it."""

    order_id: OrderId
    outcome: Outcome
    written_at: datetime
    posted_at: datetime | None


def write(order_id: OrderId, outcome: Outcome) -> Write:
    """Return the write of a new letter."""
    return Write(_WRITE, (order_id, outcome))


def posted(order_id: OrderId) -> Write:
    """Return the write that the mail house has the letter."""
    return Write(_POSTED, (order_id,))


async def get(database: Database, order_id: OrderId) -> Stored | None:
    """Return the letter about an order, or None."""
    row = await database.get(_GET, order_id)
    return None if row is None else msgspec.convert(dict(row), Stored)
