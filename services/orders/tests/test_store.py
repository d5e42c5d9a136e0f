from datetime import datetime

import pytest
from msgspec.structs import replace
from uuid_utils.compat import uuid7

from orders import store
from orders.domain import decide
from orders.facts import CancelAsked, Fact, Order, State
from tallystick import Conflict, Database
from tallystick_contracts.money import Money
from tallystick_contracts.orders import Address, CustomerId, OrderId, OrderLine, OrderPlaced
from tallystick_contracts.payments import PaymentCaptured
from tallystick_contracts.shipping import ShipmentDispatched

LINES = (OrderLine(sku="SKU-1", quantity=2, unit_price=2_100),)
ADDRESS = Address(name="Zoë 🙂", street="3 Mill Lane", city="Ghent", postcode="9000", country="BE")
TOTAL = Money(amount=4_200, currency="EUR")


def placed(customer: str = "c-1") -> OrderPlaced:
    return OrderPlaced(
        order_id=OrderId(uuid7()),
        sequence=1,
        customer_id=CustomerId(customer),
        lines=LINES,
        total=TOTAL,
        address=ADDRESS,
        payment_token="tok_visa",
    )


async def decided(database: Database, order_id: OrderId, *facts: Fact) -> Order:
    """The stored order after these facts."""
    for fact in facts:
        order = await store.get(database, order_id)
        assert order is not None
        await database.commit(*store.update(order, decide(order, fact).after))
    order = await store.get(database, order_id)
    assert order is not None
    return order


def dispatched(order_id: OrderId) -> ShipmentDispatched:
    return ShipmentDispatched(order_id=order_id, sequence=5, tracking="T1")


async def test_a_placed_order_reads_as_it_was_placed(database: Database) -> None:
    event = placed()
    await database.commit(store.insert(event))
    view = await store.view(database, event.order_id)
    assert view is not None
    assert (view.id, view.customer_id, view.state) == (event.order_id, "c-1", State.PLACED)
    assert (view.lines, view.address, view.total, view.currency) == (LINES, ADDRESS, 4_200, "EUR")
    assert isinstance(view.placed_at, datetime)
    assert view.ended_at is None
    order = await store.get(database, event.order_id)
    assert order == Order(order_id=event.order_id, age=order.age if order else 0)


async def test_an_order_nobody_placed_is_not_found(database: Database) -> None:
    assert await store.get(database, OrderId(uuid7())) is None
    assert await store.view(database, OrderId(uuid7())) is None


async def test_an_order_is_placed_once(database: Database) -> None:
    event = placed()
    await database.commit(store.insert(event))
    with pytest.raises(Conflict):
        await database.commit(store.insert(event))


async def test_a_decision_about_an_older_version_is_a_conflict(database: Database) -> None:
    event = placed()
    await database.commit(store.insert(event))
    old = await decided(database, event.order_id)
    await decided(database, event.order_id, CancelAsked())
    with pytest.raises(Conflict):
        await database.commit(*store.update(old, decide(old, CancelAsked()).after))


async def test_an_end_is_timed_once_by_the_database(database: Database) -> None:
    event = placed()
    await database.commit(store.insert(event))
    order = await decided(database, event.order_id, dispatched(event.order_id))
    assert (order.state, order.version) == (State.SHIPPED, 2)
    view = await store.view(database, event.order_id)
    assert view is not None
    assert view.ended_at is not None
    assert view.ended_at > view.placed_at
    flagged = replace(order, version=3, parked="impossible")
    await database.commit(*store.update(order, flagged))
    again = await store.view(database, event.order_id)
    assert again is not None
    assert (again.parked, again.ended_at) == ("impossible", view.ended_at)


async def test_an_unchanged_order_writes_nothing(database: Database) -> None:
    order = Order(order_id=OrderId(uuid7()))
    assert store.update(order, order) == ()


async def test_pages_are_newest_first_without_gap_or_repetition(database: Database) -> None:
    events = [placed() for _ in range(5)]
    await database.commit(*(store.insert(event) for event in events))
    newest = sorted((event.order_id for event in events), reverse=True)
    seen: list[OrderId] = []
    while True:
        page = await store.page(
            database,
            customer_id=None,
            state=None,
            before=seen[-1] if seen else None,
            limit=2,
        )
        seen += [view.id for view in page]
        if len(page) < 2:
            break
    assert seen == newest


async def test_pages_can_be_of_a_customer_and_of_a_state(database: Database) -> None:
    mine, other, paid = placed("c-1"), placed("c-2"), placed("c-1")
    await database.commit(*(store.insert(event) for event in (mine, other, paid)))
    await decided(
        database,
        paid.order_id,
        PaymentCaptured(order_id=paid.order_id, sequence=2, amount=TOTAL),
    )

    async def page(customer: str | None, state: State | None) -> set[OrderId]:
        customer_id = CustomerId(customer) if customer else None
        views = await store.page(
            database, customer_id=customer_id, state=state, before=None, limit=9
        )
        return {view.id for view in views}

    assert await page("c-1", None) == {mine.order_id, paid.order_id}
    assert await page(None, State.PLACED) == {mine.order_id, other.order_id}
    assert await page("c-1", State.PAID) == {paid.order_id}
    assert await page("c-1", State.SHIPPED) == set()


async def test_only_ended_orders_are_said_to_have_ended(database: Database) -> None:
    open_, shut = placed(), placed()
    await database.commit(store.insert(open_), store.insert(shut))
    await decided(database, shut.order_id, dispatched(shut.order_id))
    assert await store.ended(database, [open_.order_id, shut.order_id]) == [shut.order_id]


async def test_the_backlog_is_what_has_not_ended_and_what_is_parked(database: Database) -> None:
    nothing = await store.backlog(database)
    assert (nothing.open, nothing.oldest_s, nothing.parked) == (0, 0, 0)
    first, second = placed(), placed()
    await database.commit(store.insert(first))
    await database.commit(store.insert(second))
    await decided(database, first.order_id, dispatched(first.order_id))
    (row,) = await database.fetch(
        "update orders set parked = 'x', placed_at = placed_at - interval '1 min'"
        " where order_id = $1 returning order_id",
        second.order_id,
    )
    assert row["order_id"] == second.order_id
    backlog = await store.backlog(database)
    assert (backlog.open, backlog.parked) == (1, 1)
    assert 60 <= backlog.oldest_s < 120
