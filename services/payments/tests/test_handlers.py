from uuid_utils.compat import uuid7

from payments import store
from payments.facts import Capture, Payment, State
from payments.handlers import router
from payments.provider import Provider
from tallystick import Database
from tallystick.testing import Harness
from tallystick_contracts.money import Money
from tallystick_contracts.orders import Address, CustomerId, OrderId, OrderLine, OrderPlaced
from tallystick_contracts.payments import PaymentCaptured, PaymentVoided
from tallystick_contracts.shipping import ShipmentCancelled

TOTAL = Money(amount=4_200, currency="EUR")


def placed() -> OrderPlaced:
    return OrderPlaced(
        order_id=OrderId(uuid7()),
        sequence=1,
        customer_id=CustomerId("c-1"),
        lines=(OrderLine(sku="SKU-1", quantity=2, unit_price=2_100),),
        total=TOTAL,
        address=Address(name="A", street="B", city="C", postcode="D", country="BE"),
        payment_token="tok_visa",
    )


def harness(database: Database, *, slots: bool = True) -> Harness:
    return Harness(router, Provider("http://127.0.0.1:9"), database=database, slots=slots)


async def stored(database: Database, payment: Payment) -> None:
    await database.commit(*store.update(Payment(order_id=payment.order_id), payment))


async def test_a_capture_that_can_start_is_stored_as_capturing(database: Database) -> None:
    event = placed()
    decided = await harness(database).give(event)
    assert decided.effects == (Capture(order_id=event.order_id),)
    await database.commit(*decided.writes)
    assert (await store.get(database, event.order_id)).state is State.CAPTURING


async def test_a_capture_that_must_wait_is_stored_as_intent(database: Database) -> None:
    event = placed()
    decided = await harness(database, slots=False).give(event)
    assert decided.effects == (Capture(order_id=event.order_id),)
    await database.commit(*decided.writes)
    assert (await store.get(database, event.order_id)).state is State.INTENT


async def test_an_order_told_again_changes_nothing(database: Database) -> None:
    event = placed()
    await database.commit(*(await harness(database).give(event)).writes)
    assert (await harness(database).give(event)).parts == ()


async def test_a_stop_before_its_order_leaves_a_tombstone_that_the_order_fills(
    database: Database,
) -> None:
    event = placed()
    stop = ShipmentCancelled(order_id=event.order_id, sequence=1)
    decided = await harness(database).give(stop)
    assert decided.messages == (PaymentVoided(order_id=event.order_id, sequence=1),)
    await database.commit(*decided.writes)
    decided = await harness(database).give(event)
    assert decided.messages == decided.effects == ()
    await database.commit(*decided.writes)
    payment = await store.get(database, event.order_id)
    assert (payment.state, payment.version, payment.amount) == (State.VOIDED, 1, TOTAL)


async def test_a_stop_on_an_intent_withdraws_its_capture_in_the_same_unit(
    database: Database,
) -> None:
    event = placed()
    await database.commit(*(await harness(database, slots=False).give(event)).writes)
    decided = await harness(database).give(ShipmentCancelled(order_id=event.order_id, sequence=1))
    assert decided.messages == (PaymentVoided(order_id=event.order_id, sequence=2),)
    assert len(decided.writes) == 2
    assert "payments-capture" in decided.writes[1].args


async def test_a_capture_whose_payment_is_past_it_calls_nobody(database: Database) -> None:
    payment = Payment(
        order_id=OrderId(uuid7()), state=State.CAPTURED, version=3, amount=TOTAL, token="tok_visa"
    )
    await stored(database, payment)
    assert (await harness(database).give(Capture(order_id=payment.order_id))).parts == ()


async def test_a_total_is_one_unguarded_write(database: Database) -> None:
    event = PaymentCaptured(order_id=OrderId(uuid7()), sequence=2, amount=TOTAL)
    decided = await harness(database).give(event)
    assert [write.guard for write in decided.writes] == [None]
