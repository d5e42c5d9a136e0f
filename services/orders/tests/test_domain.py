from uuid import uuid4

import pytest

from orders.domain import decide, ends
from orders.facts import CancelAsked, Order, State
from tallystick_contracts.money import Money
from tallystick_contracts.orders import OrderEnded, OrderId, Outcome
from tallystick_contracts.payments import PaymentDeclined, PaymentRefunded, RefundReason
from tallystick_contracts.shipping import ShipmentDispatched, ShipmentFailed

ORDER = OrderId(uuid4())
PLACED = Order(order_id=ORDER)
DISPATCHED = ShipmentDispatched(order_id=ORDER, sequence=5, tracking="T1")
FAILED = ShipmentFailed(order_id=ORDER, sequence=3, reason="not served")
DECLINED = PaymentDeclined(order_id=ORDER, sequence=2, reason="card declined")
REFUNDED = PaymentRefunded(
    order_id=ORDER,
    sequence=4,
    amount=Money(amount=100, currency="EUR"),
    reason=RefundReason.SHIPMENT_FAILED,
)


def test_an_order_that_ends_says_so_once_with_its_outcome() -> None:
    shipped = decide(PLACED, DISPATCHED)
    assert ends(shipped)
    assert shipped.outputs == (OrderEnded(order_id=ORDER, sequence=2, outcome=Outcome.SHIPPED),)
    again = decide(shipped.after, DISPATCHED)
    assert not ends(again)
    assert again.outputs == ()


def test_an_impossible_fact_does_not_end_an_order_again() -> None:
    shipped = decide(PLACED, DISPATCHED).after
    assert not ends(decide(shipped, DECLINED))


@pytest.mark.parametrize(
    ("facts", "state", "reason"),
    [
        ((DECLINED,), State.DECLINED, "card declined"),
        ((CancelAsked(), DECLINED), State.DECLINED, "card declined"),
        ((CancelAsked(), REFUNDED), State.CANCELLED, "cancelled by the customer"),
        ((FAILED, REFUNDED), State.CANCELLED, "shipment failed: not served"),
        ((REFUNDED, FAILED), State.CANCELLED, "shipment failed"),
        ((CancelAsked(), DISPATCHED), State.SHIPPED, None),
    ],
)
def test_an_ended_order_says_why(facts: tuple[object, ...], state: State, reason: str) -> None:
    order = PLACED
    for fact in facts:
        order = decide(order, fact).after  # type: ignore[arg-type]  # all are facts
    assert (order.state, order.reason) == (state, reason)
