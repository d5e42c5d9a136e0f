"""What becomes of an order from POST to its end, whatever comes from outside and when."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from payments import provider
from shipping import carrier
from tallystick.outside import NoAnswer

if TYPE_CHECKING:
    from tests.order import Order
    from tests.platform import Platform
    from tests.saga.conftest import Call, Played

SOON = 0.05  # seconds
CAPTURES_AT_ONCE = 64
ADDRESS = {
    "name": "Ada Lind",
    "street": "3 Mill Lane",
    "city": "Ghent",
    "postcode": "9000",
    "country": "BE",
}
NO_ANSWER = NoAnswer("silence", delay=SOON)


async def test_a_good_order_is_paid_and_shipped(platform: Platform, outside: Played) -> None:
    order = await platform.place()
    assert await order.end() == ("shipped", None)
    key, reference = str(order.id), str(order.id)
    assert outside.asked == [
        ("capture", f"{key}:capture", reference, 4_200, order.currency, "tok_visa"),
        ("book", f"{key}:book", reference, ADDRESS),
    ]
    assert await order.row("payments", "state, reference") == ("captured", reference)
    assert await order.row("shipping", "state, tracking") == ("dispatched", "T1")
    assert await order.published() == [
        "orders.ended",
        "orders.placed",
        "payments.captured",
        "shipping.dispatched",
    ]
    await order.counted(4_200, 0)


async def test_a_declined_payment_ends_the_order(platform: Platform, outside: Played) -> None:
    outside.answers["capture"] = [provider.Declined("card declined")]
    order = await platform.place()
    assert await order.end() == ("declined", "card declined")
    assert outside.calls() == ["capture"]
    assert await order.cancel() == 409


async def test_a_capture_without_an_answer_is_asked_for_again_under_its_key(
    platform: Platform, outside: Played
) -> None:
    late = outside.call()
    outside.answers["capture"] = [NO_ANSWER, late]
    order = await platform.place()
    await late.is_out()
    assert await order.row("payments", "state") == ("unknown",)
    late.answer.set_result(provider.Captured("R1"))
    assert await order.end() == ("shipped", None)
    assert outside.calls() == ["capture", "capture", "book"]
    assert len(outside.keys("capture")) == 1
    await order.counted(4_200, 0)


async def test_past_the_window_of_its_key_a_capture_is_looked_up_first(
    platform: Platform, outside: Played
) -> None:
    late = outside.call()
    outside.answers["capture"] = [late]
    outside.answers["find"] = [provider.Captured("R1")]
    order = await platform.place()
    await late.is_out()
    await platform.database("payments").fetch(
        "update payments set asked_at = asked_at - interval '25 hours' where order_id = $1",
        order.id,
    )
    late.answer.set_result(NO_ANSWER)
    assert await order.end() == ("shipped", None)
    assert outside.calls() == ["capture", "find", "book"]


async def test_what_is_not_found_past_the_window_is_asked_for_again_under_its_key(
    platform: Platform, outside: Played
) -> None:
    late = outside.call()
    outside.answers["capture"] = [late]
    order = await platform.place()
    await late.is_out()
    await platform.database("payments").fetch(
        "update payments set asked_at = asked_at - interval '25 hours' where order_id = $1",
        order.id,
    )
    late.answer.set_result(NO_ANSWER)
    assert await order.end() == ("shipped", None)
    assert outside.calls() == ["capture", "find", "capture", "book"]
    assert len(outside.keys("capture")) == 1


@pytest.mark.parametrize("silent", [False, True])
async def test_a_capture_that_succeeds_under_a_stop_goes_back_and_is_no_go_ahead(
    platform: Platform, outside: Played, silent: bool
) -> None:
    call, late = outside.call(), outside.call()
    outside.answers["capture"] = [call, late] if silent else [late]
    order = await platform.place()
    if silent:
        call.answer.set_result(NO_ANSWER)
    await late.is_out()
    assert await order.cancel() == 202
    await order.reaches("payments", state="unknown (stop)" if silent else "capturing (stop)")
    late.answer.set_result(provider.Captured("R1"))
    assert await order.end() == ("cancelled", "cancelled by the customer")
    assert outside.calls()[-2:] == ["capture", "refund"]
    assert outside.keys("refund") == {f"{order.id}:refund"}
    assert await order.published() == [
        "orders.cancel-requested",
        "orders.ended",
        "orders.placed",
        "payments.refunded",
        "shipping.cancelled",
    ]
    await order.counted(4_200, 4_200)


async def test_a_capture_that_is_declined_under_a_stop_declines_the_order(
    platform: Platform, outside: Played
) -> None:
    late = outside.call()
    outside.answers["capture"] = [late]
    order = await platform.place()
    await late.is_out()
    assert await order.cancel() == 202
    await order.reaches("payments", state="capturing (stop)")
    late.answer.set_result(provider.Declined("card declined"))
    assert await order.end() == ("declined", "card declined")


async def test_a_refused_booking_sends_the_money_back(platform: Platform, outside: Played) -> None:
    outside.answers["book"] = [carrier.Refused("not served")]
    outside.answers["refund"] = [NO_ANSWER]
    order = await platform.place()
    state, _ = await order.end()
    assert state == "cancelled"
    assert outside.calls() == ["capture", "book", "refund", "refund"]
    assert len(outside.keys("refund")) == 1
    assert await order.row("payments", "state, stop") == ("refunded", "shipment failed")
    await order.counted(4_200, 4_200)


async def test_a_parcel_that_is_booked_under_a_stop_is_cancelled_and_the_money_goes_back(
    platform: Platform, outside: Played
) -> None:
    late = outside.call()
    outside.answers["book"] = [NO_ANSWER, late]
    order = await platform.place()
    await late.is_out()
    assert await order.cancel() == 202
    await order.reaches("shipping", state="booking (stop)")
    late.answer.set_result(carrier.Booked("T1"))
    assert await order.end() == ("cancelled", "cancelled by the customer")
    assert outside.calls() == ["capture", "book", "book", "cancel", "refund"]
    assert len(outside.keys("book")) == 1
    assert outside.keys("cancel") == {f"{order.id}:cancel"}
    assert await order.row("shipping", "state") == ("cancelled",)


async def test_a_refused_refund_parks_and_is_asked_for_again(
    platform: Platform, outside: Played
) -> None:
    again = outside.call()
    outside.answers["book"] = [carrier.Refused("not served")]
    outside.answers["refund"] = [provider.RefundRefused("not today"), again]
    order = await platform.place()
    await again.is_out()
    parked = ("refunding", "refund refused: not today")
    assert await order.row("payments", "state, parked") == parked
    again.answer.set_result(provider.Refunded())
    assert (await order.end())[0] == "cancelled"
    assert await order.row("payments", "state, parked") == ("refunded", None)
    assert len(outside.keys("refund")) == 1


async def test_a_refused_cancellation_parks_and_is_asked_for_again(
    platform: Platform, outside: Played
) -> None:
    booking, again = outside.call(), outside.call()
    outside.answers["book"] = [booking]
    outside.answers["cancel"] = [carrier.CancellationRefused("collected"), again]
    order = await platform.place()
    await booking.is_out()
    assert await order.cancel() == 202
    await order.reaches("shipping", state="booking (stop)")
    booking.answer.set_result(carrier.Booked("T1"))
    await again.is_out()
    parked = ("cancelling", "cancellation refused: collected")
    assert await order.row("shipping", "state, parked") == parked
    again.answer.set_result(carrier.BookingCancelled())
    assert (await order.end())[0] == "cancelled"
    assert await order.row("shipping", "state, parked") == ("cancelled", None)


async def test_a_capture_that_waits_for_its_turn_is_withdrawn_by_a_cancel(
    platform: Platform, outside: Played
) -> None:
    busy, waiting = await overloaded(platform, outside)
    assert await waiting.cancel() == 202
    assert await waiting.end() == ("cancelled", "cancelled by the customer")
    assert await waiting.row("payments", "state") == ("voided",)
    for call in busy:
        call.answer.set_result(provider.Declined("enough"))
    assert f"{waiting.id}:capture" not in outside.keys("capture")


async def test_a_capture_that_has_started_unnoticed_is_stopped_as_one_that_is_out(
    platform: Platform, outside: Played
) -> None:
    busy, waiting = await overloaded(platform, outside)
    await platform.database("payments").fetch(
        "update tallystick.deferred set lease = lease + 1, replica = 'gone' where id = $1",
        str(waiting.id),
    )
    assert await waiting.cancel() == 202
    await waiting.reaches("payments", state="capturing (stop)")
    for call in busy:
        call.answer.set_result(provider.Declined("enough"))
    assert await waiting.end() == ("cancelled", "cancelled by the customer")
    assert await waiting.row("payments", "state") == ("refunded",)
    await waiting.counted(4_200, 4_200)


async def overloaded(platform: Platform, outside: Played) -> tuple[list[Call], Order]:
    """As many captures as can be out at once, and an order whose capture waits."""
    busy = [outside.call() for _ in range(CAPTURES_AT_ONCE)]
    outside.answers["capture"] = list(busy)
    for _ in busy:
        await platform.place(currency="USD")
    for call in busy:
        await call.is_out()
    waiting = await platform.place()
    await waiting.reaches("payments", state="intent")
    return busy, waiting
