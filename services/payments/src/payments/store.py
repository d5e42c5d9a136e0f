"""Store payments in PostgreSQL: the statements, and rows as values."""

from __future__ import annotations

from typing import Final

from payments.facts import Operation, Payment, Purpose, Resolved, State
from tallystick import Database, Write
from tallystick_contracts.money import Money
from tallystick_contracts.orders import OrderId
from tallystick_contracts.payments import RefundReason

_INSERT: Final = """
insert into payments (order_id, version, state, amount, currency, token, stop, asked_at)
values ($1, $2, $3, $4, $5, $6, $7, case when $3 = 'capturing' then clock_timestamp() end)
on conflict do nothing returning order_id"""

_UPDATE: Final = """
update payments set version = version + 1, state = $3, reference = $4, reason = $5, stop = $6,
    parked = $7,
    asked_at = coalesce(asked_at, case when $3 like 'capturing%' then clock_timestamp() end)
where order_id = $1 and version = $2 returning order_id"""

_FILL: Final = """
update payments set amount = $2, currency = $3, token = $4
where order_id = $1 and state = 'voided' and amount is null"""

_GET: Final = """
select order_id, version, state, amount, currency, token, reference, reason, stop, parked,
    resolved, resolved_why, noticed,
    coalesce(clock_timestamp() - asked_at, interval '0') as asked_for
from payments where order_id = any($1::uuid[])"""

_NOTICE: Final = """
update payments set noticed = $2 where order_id = $1 and noticed is distinct from $2
returning order_id"""

_OPERATION: Final = """
insert into operations (order_id, purpose, amount, currency, announced)
values ($1, $2, $3, $4, $5)"""

# The event of a capture counts the capture. The event of a refund counts the refund, and also the
# capture if that has no event of its own because it came after a stop. Only the inbox prevents that
# an event is counted twice.
_COUNT: Final = """
insert into daily_totals (currency, day, captured, refunded)
select currency, (confirmed_at at time zone 'UTC')::date,
    coalesce(sum(amount) filter (where purpose = 'capture'), 0),
    coalesce(sum(amount) filter (where purpose = 'refund'), 0)
from operations where order_id = $1 and (purpose = $2 or not announced)
group by 1, 2
on conflict (currency, day) do update set
    captured = daily_totals.captured + excluded.captured,
    refunded = daily_totals.refunded + excluded.refunded"""


def update(before: Payment, after: Payment) -> tuple[Write, ...]:
    """Return the write that changes the stored payment to `after`, or none if nothing changes.

    It conflicts if the stored payment is no longer `before`.
    """
    if after == before:
        return ()
    if before.version == 0:
        return (_insert(after),)
    if after.version == before.version:
        return (Write(_FILL, (after.order_id, *_money(after), after.token)),)
    args = (
        *(before.order_id, before.version),
        *(after.state, after.reference, after.reason, after.stop, after.parked),
    )
    return (Write(_UPDATE, args, guard=before.order_id),)


def notice(order_id: OrderId, webhook: str) -> Write:
    """Return the write that stores the used webhook; it conflicts if that is stored already."""
    return Write(_NOTICE, (order_id, webhook), guard=order_id)


def record(operation: Operation) -> Write:
    """Return the write that stores a movement of money; a second one per purpose is an error."""
    amount = operation.amount
    return Write(
        _OPERATION,
        (
            *(operation.order_id, operation.purpose),
            *(amount.amount, amount.currency, operation.announced),
        ),
    )


def count(order_id: OrderId, purpose: Purpose) -> Write:
    """Return the write, without a guard, that adds the money of this event to its day's totals."""
    return Write(_COUNT, (order_id, purpose))


async def get(database: Database, order_id: OrderId) -> Payment:
    """Return the payment, of version 0 if it is not stored."""
    row = await database.get(_GET, order_id)
    if row is None:
        return Payment(order_id=order_id)
    known = row["amount"] is not None
    return Payment(
        order_id=order_id,
        version=row["version"],
        state=State(row["state"]),
        amount=Money(amount=row["amount"], currency=row["currency"]) if known else None,
        token=row["token"],
        reference=row["reference"],
        reason=row["reason"],
        stop=RefundReason(row["stop"]) if row["stop"] else None,
        parked=row["parked"],
        resolved=Resolved(row["resolved"]) if row["resolved"] else None,
        resolved_why=row["resolved_why"],
        noticed=row["noticed"],
        asked_for=row["asked_for"],
    )


def _insert(payment: Payment) -> Write:
    args = (
        *(payment.order_id, payment.version, payment.state),
        *(*_money(payment), payment.token, payment.stop),
    )
    return Write(_INSERT, args, guard=payment.order_id)


def _money(payment: Payment) -> tuple[int | None, str | None]:
    return (payment.amount.amount, payment.amount.currency) if payment.amount else (None, None)
