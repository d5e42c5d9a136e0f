from uuid import uuid4

from payments.domain import decide, starting
from payments.facts import (
    Capture,
    Captured,
    CaptureStarts,
    Declined,
    NoAnswer,
    Operation,
    Payment,
    Purpose,
    Refund,
    Refunded,
    RefundRefused,
    State,
    Stop,
)
from tallystick_contracts.money import Money
from tallystick_contracts.orders import Address, CustomerId, OrderId, OrderLine, OrderPlaced
from tallystick_contracts.payments import (
    PaymentCaptured,
    PaymentDeclined,
    PaymentRefunded,
    RefundReason,
)

ORDER = OrderId(uuid4())
TOTAL = Money(amount=4_200, currency="EUR")
PLACED = OrderPlaced(
    order_id=ORDER,
    sequence=1,
    customer_id=CustomerId("c-1"),
    lines=(OrderLine(sku="SKU-1", quantity=2, unit_price=2_100),),
    total=TOTAL,
    address=Address(name="A", street="B", city="C", postcode="D", country="BE"),
    payment_token="tok_visa",
)
STOP = Stop(RefundReason.SHIPMENT_FAILED)


def after(*facts: object) -> Payment:
    """A payment after these facts."""
    payment = Payment(order_id=ORDER)
    for fact in facts:
        payment = decide(payment, fact).after  # type: ignore[arg-type]  # all are facts
    return payment


CAPTURING = after(PLACED, CaptureStarts())


def test_a_payment_opens_with_the_amount_and_the_token_of_its_order() -> None:
    opened = decide(Payment(order_id=ORDER), PLACED)
    assert (opened.after.amount, opened.after.token, opened.after.version) == (
        TOTAL,
        "tok_visa",
        1,
    )
    assert opened.outputs == (Capture(order_id=ORDER),)


def test_a_capture_that_starts_with_its_commit_is_stored_as_capturing_in_one_version() -> None:
    opened = starting(decide(Payment(order_id=ORDER), PLACED))
    assert (opened.after.state, opened.after.version) == (State.CAPTURING, 1)
    assert opened.outputs == (Capture(order_id=ORDER),)


def test_a_capture_is_recorded_once_and_announced() -> None:
    captured = decide(CAPTURING, Captured("R1"))
    assert captured.after.reference == "R1"
    assert captured.outputs == (
        Operation(order_id=ORDER, purpose=Purpose.CAPTURE, amount=TOTAL),
        PaymentCaptured(order_id=ORDER, sequence=3, amount=TOTAL),
    )
    assert decide(captured.after, Captured("R1")).outputs == ()


def test_a_capture_under_a_stop_is_recorded_but_not_announced_and_goes_back() -> None:
    captured = decide(after(PLACED, CaptureStarts(), NoAnswer(), STOP), Captured("R1"))
    assert captured.outputs == (
        Operation(order_id=ORDER, purpose=Purpose.CAPTURE, amount=TOTAL, announced=False),
        Refund(order_id=ORDER),
    )


def test_a_confirmed_refund_tells_amount_and_reason() -> None:
    refunding = after(PLACED, CaptureStarts(), Captured("R1"), STOP)
    refunded = decide(refunding, Refunded())
    assert refunded.outputs == (
        Operation(order_id=ORDER, purpose=Purpose.REFUND, amount=TOTAL),
        PaymentRefunded(
            order_id=ORDER, sequence=5, amount=TOTAL, reason=RefundReason.SHIPMENT_FAILED
        ),
    )


def test_a_decline_tells_the_reason_of_the_provider() -> None:
    declined = decide(CAPTURING, Declined("card declined"))
    assert declined.outputs == (
        PaymentDeclined(order_id=ORDER, sequence=3, reason="card declined"),
    )


def test_the_first_stop_gives_the_reason() -> None:
    stopped = after(PLACED, CaptureStarts(), STOP, Stop(RefundReason.CUSTOMER))
    assert stopped.stop is RefundReason.SHIPMENT_FAILED


def test_a_tombstone_learns_its_amount_and_keeps_state_and_version() -> None:
    filled = after(STOP, PLACED)
    assert (filled.state, filled.version, filled.amount) == (State.VOIDED, 1, TOTAL)


def test_a_refund_refused_again_in_the_same_words_changes_nothing() -> None:
    refused = after(PLACED, CaptureStarts(), Captured("R1"), STOP, RefundRefused("not today"))
    assert refused.parked == "refund refused: not today"
    again = decide(refused, RefundRefused("not today"))
    assert again.after == refused
    assert decide(refused, RefundRefused("never")).after.parked == "refund refused: never"


def test_a_refund_that_succeeds_in_the_end_takes_the_flag_down() -> None:
    refused = after(PLACED, CaptureStarts(), Captured("R1"), STOP, RefundRefused("not today"))
    assert decide(refused, Refunded()).after.parked is None


def test_an_answer_about_an_unknown_payment_is_impossible_and_stores_nothing() -> None:
    decision = decide(Payment(order_id=ORDER), Captured("R1"))
    assert decision.impossible == "impossible: captured in none"
    assert decision.after == decision.before
