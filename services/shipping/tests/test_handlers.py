import pytest
from uuid_utils.compat import uuid7

from shipping import label, store
from shipping.carrier import Carrier
from shipping.facts import Dispatch, PrintLabel, Shipment, State
from shipping.handlers import router
from tallystick import Database
from tallystick.testing import Harness
from tallystick_contracts.orders import Address, OrderId

ADDRESS = Address(name="Zoë 🙂", street="3 Mill Lane", city="Ghent", postcode="9000", country="BE")


def harness(database: Database) -> Harness:
    return Harness(router, Carrier("http://127.0.0.1:9"), database=database)


async def stored(database: Database, state: State) -> Shipment:
    order_id = OrderId(uuid7())
    opened = Shipment(order_id=order_id, state=State.BOOKING, version=1, address=ADDRESS)
    await database.commit(*store.update(Shipment(order_id=order_id), opened))
    after = Shipment(
        order_id=order_id, state=state, version=2, address=ADDRESS, tracking="T1", reason="r"
    )
    await database.commit(*store.update(opened, after))
    return await store.get(database, order_id)


async def test_a_label_is_kept_with_the_state_that_it_leads_to(database: Database) -> None:
    shipment = await stored(database, State.BOOKED)
    decided = await harness(database).give(PrintLabel(order_id=shipment.order_id))
    assert decided.effects == (Dispatch(order_id=shipment.order_id),)
    await database.commit(*decided.writes)
    assert (await store.get(database, shipment.order_id)).state is State.LABELLED
    assert await store.label(database, shipment.order_id) == label.draw(shipment)


@pytest.mark.parametrize("state", [State.LABELLED, State.CANCELLING, State.DISPATCHED])
async def test_a_label_that_is_too_late_is_not_printed(database: Database, state: State) -> None:
    shipment = await stored(database, state)
    decided = await harness(database).give(PrintLabel(order_id=shipment.order_id))
    assert decided.parts == ()


async def test_a_label_is_printed_once(database: Database) -> None:
    order_id = OrderId(uuid7())
    await database.commit(store.keep_label(order_id, "^XA^XZ"))
    await database.commit(store.keep_label(order_id, "^XA^FDanother^FS^XZ"))
    assert await store.label(database, order_id) == "^XA^XZ"
