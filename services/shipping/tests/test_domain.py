from uuid import uuid4

from shipping.domain import decide
from shipping.facts import (
    Booked,
    CancelBooking,
    CancellationRefused,
    Dispatch,
    DispatchDue,
    LabelPrinted,
    PrintLabel,
    Refused,
    Shipment,
    State,
)
from tallystick_contracts.money import Money
from tallystick_contracts.orders import (
    Address,
    CustomerId,
    OrderCancelRequested,
    OrderId,
    OrderLine,
    OrderPlaced,
)
from tallystick_contracts.payments import PaymentCaptured
from tallystick_contracts.shipping import ShipmentDispatched, ShipmentFailed

ORDER = OrderId(uuid4())
TOTAL = Money(amount=4_200, currency="EUR")
ADDRESS = Address(name="A", street="B", city="C", postcode="D", country="BE")
PLACED = OrderPlaced(
    order_id=ORDER,
    sequence=1,
    customer_id=CustomerId("c-1"),
    lines=(OrderLine(sku="SKU-1", quantity=2, unit_price=2_100),),
    total=TOTAL,
    address=ADDRESS,
    payment_token="tok_visa",
)
CAPTURED = PaymentCaptured(order_id=ORDER, sequence=2, amount=TOTAL)
CANCEL = OrderCancelRequested(order_id=ORDER, sequence=2)


def after(*facts: object) -> Shipment:
    """A shipment after these facts."""
    shipment = Shipment(order_id=ORDER)
    for fact in facts:
        shipment = decide(shipment, fact).after  # type: ignore[arg-type]  # all are facts
    return shipment


def test_order_and_payment_may_come_in_either_order() -> None:
    for shipment in (after(PLACED, CAPTURED), after(CAPTURED, PLACED)):
        assert (shipment.state, shipment.address) == (State.BOOKING, ADDRESS)


def test_a_booked_parcel_gets_its_label_and_a_labelled_one_leaves() -> None:
    booked = decide(after(PLACED, CAPTURED), Booked("T1"))
    assert booked.outputs == (PrintLabel(order_id=ORDER),)
    labelled = decide(booked.after, LabelPrinted())
    assert labelled.outputs == (Dispatch(order_id=ORDER),)
    dispatched = decide(labelled.after, DispatchDue())
    assert dispatched.outputs == (ShipmentDispatched(order_id=ORDER, sequence=5, tracking="T1"),)


def test_a_parcel_booked_under_a_stop_is_cancelled_at_the_carrier_first() -> None:
    booked = decide(after(PLACED, CAPTURED, CANCEL), Booked("T1"))
    assert booked.after.state is State.CANCELLING
    assert booked.outputs == (CancelBooking(order_id=ORDER),)


def test_a_refused_booking_tells_the_reason_of_the_carrier() -> None:
    failed = decide(after(PLACED, CAPTURED), Refused("not served"))
    assert failed.outputs == (ShipmentFailed(order_id=ORDER, sequence=3, reason="not served"),)


def test_a_refused_cancellation_parks_once() -> None:
    refused = after(PLACED, CAPTURED, CANCEL, Booked("T1"), CancellationRefused("collected"))
    assert (refused.state, refused.parked) == (
        State.CANCELLING,
        "cancellation refused: collected",
    )
    assert decide(refused, CancellationRefused("collected")).after == refused
