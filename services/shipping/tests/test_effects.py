"""The calls to the carrier, answered by one that is played."""

from collections.abc import Mapping

import pytest
from uuid_utils.compat import uuid7

from shipping import carrier, store
from shipping.carrier import Carrier
from shipping.facts import Book, CancelBooking, Dispatch, PrintLabel, Shipment, State
from shipping.handlers import router
from tallystick import Database, TemporaryError
from tallystick.outside import NoAnswer
from tallystick.testing import Harness
from tallystick_contracts.orders import Address, OrderId
from tallystick_contracts.shipping import (
    ShipmentCancelled,
    ShipmentDispatched,
    ShipmentFailed,
)

ADDRESS = Address(name="Zoë 🙂", street="3 Mill Lane", city="Ghent", postcode="9000", country="BE")
Booked = carrier.Booked | carrier.Refused
Cancelled = carrier.BookingCancelled | carrier.CancellationRefused


class Played(Carrier):
    """A carrier that answers as a test says, and records the keys of its calls."""

    def __init__(self, answer: Booked | Cancelled | Exception) -> None:
        super().__init__("http://127.0.0.1:9")
        self.answer = answer
        self.keys: list[str] = []

    async def book(self, key: str, reference: str, address: Mapping[str, str]) -> Booked:
        answered = self._answered(key)
        assert isinstance(answered, carrier.Booked | carrier.Refused)
        return answered

    async def cancel(self, key: str, reference: str) -> Cancelled:
        answered = self._answered(key)
        assert isinstance(answered, carrier.BookingCancelled | carrier.CancellationRefused)
        return answered

    def _answered(self, key: str) -> Booked | Cancelled:
        self.keys.append(key)
        if isinstance(self.answer, Exception):
            raise self.answer
        return self.answer


async def stored(database: Database, state: State) -> Shipment:
    order_id = OrderId(uuid7())
    opened = Shipment(order_id=order_id, state=State.BOOKING, version=1, address=ADDRESS)
    await database.commit(*store.update(Shipment(order_id=order_id), opened))
    if state is not State.BOOKING:
        after = Shipment(
            order_id=order_id, state=state, version=2, address=ADDRESS, tracking="T1", reason="r"
        )
        await database.commit(*store.update(opened, after))
    return await store.get(database, order_id)


async def test_a_parcel_that_is_booked_has_its_label_printed(database: Database) -> None:
    shipment = await stored(database, State.BOOKING)
    played = Played(carrier.Booked("T1"))
    decided = await Harness(router, played, database=database).give(
        Book(order_id=shipment.order_id)
    )
    assert decided.messages == (PrintLabel(order_id=shipment.order_id),)
    assert len(played.keys) == 1


async def test_a_parcel_that_the_carrier_refuses_has_failed(database: Database) -> None:
    shipment = await stored(database, State.BOOKING)
    decided = await Harness(router, Played(carrier.Refused("too far")), database=database).give(
        Book(order_id=shipment.order_id)
    )
    assert [type(message) for message in decided.messages] == [ShipmentFailed]


async def test_a_carrier_that_does_not_answer_is_asked_again_under_the_same_key(
    database: Database,
) -> None:
    shipment = await stored(database, State.BOOKING)
    played = Played(NoAnswer("away"))
    harness = Harness(router, played, database=database)
    for attempt in (1, 2):
        with pytest.raises(TemporaryError):
            await harness.give(Book(order_id=shipment.order_id), attempt=attempt)
    assert len(set(played.keys)) == 1
    assert len(played.keys) == 2


async def test_a_label_that_is_printed_lets_the_parcel_go(database: Database) -> None:
    shipment = await stored(database, State.LABELLED)
    decided = await Harness(router, database=database).give(Dispatch(order_id=shipment.order_id))
    assert [type(message) for message in decided.messages] == [ShipmentDispatched]


async def test_a_parcel_that_is_cancelled_is_not_handed_over(database: Database) -> None:
    shipment = await stored(database, State.CANCELLING)
    decided = await Harness(router, database=database).give(Dispatch(order_id=shipment.order_id))
    assert decided.messages == ()


async def test_a_cancellation_is_told_once_the_carrier_has_confirmed(database: Database) -> None:
    shipment = await stored(database, State.CANCELLING)
    decided = await Harness(router, Played(carrier.BookingCancelled()), database=database).give(
        CancelBooking(order_id=shipment.order_id)
    )
    assert [type(message) for message in decided.messages] == [ShipmentCancelled]


async def test_a_cancellation_that_is_refused_is_asked_again(database: Database) -> None:
    shipment = await stored(database, State.CANCELLING)
    refused = Played(carrier.CancellationRefused("on the road"))
    with pytest.raises(TemporaryError, match="on the road"):
        await Harness(router, refused, database=database).give(
            CancelBooking(order_id=shipment.order_id)
        )
    assert (await store.get(database, shipment.order_id)).parked is not None
