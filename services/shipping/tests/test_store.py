import pytest
from msgspec.structs import replace
from uuid_utils.compat import uuid7

from shipping import store
from shipping.facts import Shipment, State
from tallystick import Conflict, Database
from tallystick_contracts.orders import Address, OrderId

ADDRESS = Address(name="Zoë 🙂", street="3 Mill Lane", city="Ghent", postcode="9000", country="BE")


async def stored(database: Database, shipment: Shipment) -> Shipment:
    await database.commit(*store.update(Shipment(order_id=shipment.order_id), shipment))
    return await store.get(database, shipment.order_id)


async def test_an_unknown_shipment_is_of_version_0(database: Database) -> None:
    order_id = OrderId(uuid7())
    assert await store.get(database, order_id) == Shipment(order_id=order_id)


@pytest.mark.parametrize(
    ("state", "address"),
    [
        (State.AWAITING_PAYMENT, ADDRESS),
        (State.AWAITING_ORDER, None),
        (State.CANCELLED, None),
    ],
)
async def test_a_shipment_reads_as_it_was_stored(
    database: Database, state: State, address: Address | None
) -> None:
    shipment = Shipment(order_id=OrderId(uuid7()), state=state, version=1, address=address)
    assert await stored(database, shipment) == shipment
    after = replace(
        shipment,
        version=2,
        state=State.CANCELLING,
        address=ADDRESS,
        tracking="T1",
        reason="no",
        parked="p",
    )
    await database.commit(*store.update(shipment, after))
    assert await store.get(database, shipment.order_id) == after


async def test_a_shipment_is_opened_once(database: Database) -> None:
    shipment = Shipment(order_id=OrderId(uuid7()), state=State.CANCELLED, version=1)
    await stored(database, shipment)
    with pytest.raises(Conflict):
        await stored(database, shipment)


async def test_a_decision_about_an_older_version_is_a_conflict(database: Database) -> None:
    order_id = OrderId(uuid7())
    shipment = Shipment(order_id=order_id, state=State.AWAITING_ORDER, version=1)
    await stored(database, shipment)
    after = replace(shipment, state=State.BOOKING, address=ADDRESS, version=2)
    await database.commit(*store.update(shipment, after))
    with pytest.raises(Conflict):
        await database.commit(*store.update(shipment, after))
