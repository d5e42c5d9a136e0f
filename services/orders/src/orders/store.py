"""Store orders in PostgreSQL: the statements, and rows as values."""

from __future__ import annotations

from datetime import datetime
from typing import Final

import msgspec

from orders.facts import ENDED, Order, State
from tallystick import Database, Write
from tallystick_contracts.orders import Address, CustomerId, OrderId, OrderLine, OrderPlaced

_INSERT: Final = """
insert into orders (order_id, customer_id, version, state, lines, total, currency, address)
values ($1, $2, $3, 'placed', $4, $5, $6, $7)
on conflict do nothing returning order_id"""

_UPDATE: Final = """
update orders set version = version + 1, state = $3, reason = $4, parked = $5,
    ended_at = case when $6 then coalesce(ended_at, clock_timestamp()) end
where order_id = $1 and version = $2 returning order_id"""

_GET: Final = """
select order_id, version, state, reason, parked,
    extract(epoch from clock_timestamp() - placed_at)::float8 as age
from orders where order_id = any($1::uuid[])"""

_VIEW: Final = """
select order_id as id, customer_id, state, lines, total, currency, address, reason, parked,
    placed_at, ended_at
from orders"""

_ENDED: Final = """
select order_id from orders where order_id = any($1::uuid[]) and ended_at is not null"""


_BACKLOG: Final = """
select count(*) filter (where ended_at is null) as open,
    coalesce(extract(epoch from clock_timestamp() - min(placed_at) filter (where ended_at is null)),
        0)::float8 as oldest_s,
    count(*) filter (where parked is not null) as parked
from orders where ended_at is null or parked is not null"""


class Backlog(msgspec.Struct, frozen=True, kw_only=True):
    """Orders that have not ended, the age in seconds of the oldest, and those that are parked."""

    open: int
    oldest_s: float
    parked: int


class View(msgspec.Struct, frozen=True, kw_only=True):
    """An order as its customer sees it; amounts in minor units."""

    id: OrderId
    customer_id: CustomerId
    state: State
    lines: tuple[OrderLine, ...]
    total: int
    currency: str
    address: Address
    reason: str | None
    parked: str | None
    placed_at: datetime
    ended_at: datetime | None


def insert(placed: OrderPlaced) -> Write:
    """Return the write that stores the order of this event."""
    args = (
        placed.order_id,
        placed.customer_id,
        placed.sequence,
        msgspec.json.encode(placed.lines).decode(),
        placed.total.amount,
        placed.total.currency,
        msgspec.json.encode(placed.address).decode(),
    )
    return Write(_INSERT, args, guard=placed.order_id)


def update(before: Order, after: Order) -> tuple[Write, ...]:
    """Return the write that changes the stored order to `after`, or none if nothing changes.

    It conflicts if the stored order is no longer `before`.
    """
    if after == before:
        return ()
    args = (
        *(before.order_id, before.version),
        *(after.state, after.reason, after.parked, after.state in ENDED),
    )
    return (Write(_UPDATE, args, guard=before.order_id),)


async def get(database: Database, order_id: OrderId) -> Order | None:
    """Return the part of an order that facts change, or None."""
    row = await database.get(_GET, order_id)
    if row is None:
        return None
    return Order(
        order_id=OrderId(row["order_id"]),
        version=row["version"],
        state=State(row["state"]),
        reason=row["reason"],
        parked=row["parked"],
        age=row["age"],
    )


async def view(database: Database, order_id: OrderId) -> View | None:
    """Return an order as its customer sees it, or None."""
    row = await database.get(f"{_VIEW} where order_id = any($1::uuid[])", order_id)
    return None if row is None else _view(dict(row))


async def page(
    database: Database,
    *,
    customer_id: CustomerId | None,
    state: State | None,
    before: OrderId | None,
    limit: int,
) -> list[View]:
    """Return at most `limit` orders, the newest first; `before` is the last of the page before."""
    filters = {"customer_id = ": customer_id, "state = ": state, "order_id < ": before}
    given = [(text, value) for text, value in filters.items() if value is not None]
    where = [f"{text}${at}" for at, (text, _) in enumerate(given, 2)]
    if state is not None and state not in ENDED:
        where.append("ended_at is null")  # lets PostgreSQL use that index, which is small
    sql = f"{_VIEW} where {' and '.join(where or ['true'])} order by order_id desc limit $1"
    rows = await database.fetch(sql, limit, *(value for _, value in given))
    return [_view(dict(row)) for row in rows]


async def ended(database: Database, order_ids: list[OrderId]) -> list[OrderId]:
    """Return those of the orders that have ended."""
    return [OrderId(row["order_id"]) for row in await database.fetch(_ENDED, order_ids)]


async def backlog(database: Database) -> Backlog:
    """Return the numbers of open and parked orders, and the age of the oldest open one."""
    return Backlog(**(await database.fetch(_BACKLOG))[0])


def _view(row: dict[str, object]) -> View:
    documents = {name: msgspec.json.decode(str(row[name])) for name in ("lines", "address")}
    return msgspec.convert(row | documents, View)
