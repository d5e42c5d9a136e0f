from datetime import timedelta

import asyncpg
import pytest
from msgspec.structs import replace
from uuid_utils.compat import uuid7

from payments import store
from payments.facts import Operation, Payment, Purpose, State
from tallystick import Conflict, Database
from tallystick_contracts.money import Money
from tallystick_contracts.orders import OrderId
from tallystick_contracts.payments import RefundReason

TOTAL = Money(amount=4_200, currency="EUR")


def opened(state: State = State.INTENT) -> Payment:
    return Payment(
        order_id=OrderId(uuid7()), state=state, version=1, amount=TOTAL, token="tok_visa"
    )


async def stored(database: Database, payment: Payment) -> Payment:
    await database.commit(*store.update(Payment(order_id=payment.order_id), payment))
    return await store.get(database, payment.order_id)


async def test_an_unknown_payment_is_of_version_0(database: Database) -> None:
    order_id = OrderId(uuid7())
    assert await store.get(database, order_id) == Payment(order_id=order_id)


async def test_a_payment_reads_as_it_was_stored(database: Database) -> None:
    payment = opened()
    assert await stored(database, payment) == payment
    after = replace(
        payment,
        version=2,
        state=State.REFUNDING,
        reference="R1",
        reason="no",
        stop=RefundReason.SHIPMENT_FAILED,
        parked="p",
    )
    await database.commit(*store.update(payment, after))
    assert await store.get(database, payment.order_id) == after


async def test_a_payment_is_opened_once(database: Database) -> None:
    payment = opened()
    await stored(database, payment)
    with pytest.raises(Conflict):
        await stored(database, payment)


async def test_a_decision_about_an_older_version_is_a_conflict(database: Database) -> None:
    payment = await stored(database, opened())
    after = replace(payment, state=State.CAPTURING, version=2)
    await database.commit(*store.update(payment, after))
    with pytest.raises(Conflict):
        await database.commit(*store.update(payment, after))


async def test_the_provider_is_asked_since_the_capture_started(database: Database) -> None:
    intent = await stored(database, opened())
    assert intent.asked_for == timedelta(0)
    capturing = replace(intent, state=State.CAPTURING, version=2)
    await database.commit(*store.update(intent, capturing))
    first = (await store.get(database, intent.order_id)).asked_for
    assert first > timedelta(0)
    unknown = replace(capturing, state=State.UNKNOWN, version=3)
    await database.commit(*store.update(capturing, unknown))
    assert (await store.get(database, intent.order_id)).asked_for > first


async def test_a_capture_that_starts_with_its_payment_is_timed_too(database: Database) -> None:
    assert (await stored(database, opened(State.CAPTURING))).asked_for > timedelta(0)


async def test_a_tombstone_is_filled_without_a_new_version(database: Database) -> None:
    order_id = OrderId(uuid7())
    tombstone = Payment(
        order_id=order_id, state=State.VOIDED, version=1, stop=RefundReason.CUSTOMER
    )
    assert await stored(database, tombstone) == tombstone
    filled = replace(tombstone, amount=TOTAL, token="tok_visa")
    await database.commit(*store.update(tombstone, filled))
    assert await store.get(database, order_id) == filled


async def test_money_moves_once_for_a_purpose(database: Database) -> None:
    operation = Operation(order_id=OrderId(uuid7()), purpose=Purpose.CAPTURE, amount=TOTAL)
    await database.commit(store.record(operation))
    with pytest.raises(asyncpg.UniqueViolationError):
        await database.commit(store.record(operation))


async def totals(database: Database) -> list[tuple[str, int, int]]:
    sql = "select currency, captured, refunded from daily_totals order by currency"
    return [(row[0], int(row[1]), int(row[2])) for row in await database.fetch(sql)]


async def test_totals_add_up_by_currency(database: Database) -> None:
    for amount, currency in ((4_200, "EUR"), (100, "EUR"), (7, "JPY")):
        order_id = OrderId(uuid7())
        money = Money(amount=amount, currency=currency)
        operation = Operation(order_id=order_id, purpose=Purpose.CAPTURE, amount=money)
        await database.commit(store.record(operation))
        await database.commit(store.count(order_id, Purpose.CAPTURE))
    assert await totals(database) == [("EUR", 4_300, 0), ("JPY", 7, 0)]


@pytest.mark.parametrize("announced", [True, False])
async def test_a_capture_without_an_event_is_counted_with_its_refund(
    database: Database, announced: bool
) -> None:
    order_id = OrderId(uuid7())
    capture = Operation(
        order_id=order_id, purpose=Purpose.CAPTURE, amount=TOTAL, announced=announced
    )
    await database.commit(store.record(capture))
    if announced:
        await database.commit(store.count(order_id, Purpose.CAPTURE))
    await database.commit(
        store.record(Operation(order_id=order_id, purpose=Purpose.REFUND, amount=TOTAL))
    )
    await database.commit(store.count(order_id, Purpose.REFUND))
    assert await totals(database) == [("EUR", 4_200, 4_200)]


async def test_only_the_inbox_keeps_an_event_from_counting_twice(database: Database) -> None:
    operation = Operation(order_id=OrderId(uuid7()), purpose=Purpose.CAPTURE, amount=TOTAL)
    await database.commit(store.record(operation))
    for _ in range(2):
        await database.commit(store.count(operation.order_id, Purpose.CAPTURE))
    assert await totals(database) == [("EUR", 8_400, 0)]
