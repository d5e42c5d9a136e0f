"""Orders that wait for a person: past their deadline, retried, resolved."""

from datetime import timedelta
from typing import Any
from uuid import UUID

import pytest
from aiohttp import ClientSession
from prometheus_client import REGISTRY
from uuid_utils.compat import uuid7

from orders import parking, store
from orders.domain import decide
from orders.facts import Fact, Order, State
from orders.handlers import park_late
from orders.settings import Settings
from tallystick import Database
from tallystick_contracts.money import Money
from tallystick_contracts.orders import Address, CustomerId, OrderId, OrderLine, OrderPlaced
from tallystick_contracts.payments import PaymentCaptured, PaymentVoided
from tallystick_contracts.shipping import ShipmentDispatched

WITHIN = timedelta(minutes=15)
ACT = {"actor": "ada", "reason": "the customer rang"}
LATE = "past its deadline in placed"


async def placed(database: Database, ago: timedelta = timedelta()) -> OrderId:
    """An order that was placed so long ago."""
    event = OrderPlaced(
        order_id=OrderId(uuid7()),
        sequence=1,
        customer_id=CustomerId("c-1"),
        lines=(OrderLine(sku="SKU-1", quantity=1, unit_price=100),),
        total=Money(amount=100, currency="EUR"),
        address=Address(name="A", street="B", city="C", postcode="D", country="BE"),
        payment_token="tok_visa",
    )
    await database.commit(store.insert(event))
    await database.fetch(
        "update orders set placed_at = placed_at - $2::interval where order_id = $1",
        event.order_id,
        ago,
    )
    return event.order_id


async def late(database: Database) -> OrderId:
    """An order that was parked by its deadline."""
    order_id = await placed(database, WITHIN)
    assert [order.parked for order in await parking.park_late(database, WITHIN)] == [LATE]
    return order_id


async def now(database: Database, order_id: OrderId) -> Order:
    order = await store.get(database, order_id)
    assert order is not None
    return order


async def tell(database: Database, order_id: OrderId, fact: Fact) -> Order:
    decision = decide(await now(database, order_id), fact)
    await database.commit(*store.update(decision.before, decision.after), *decision.outputs)
    return await now(database, order_id)


def captured(order_id: OrderId) -> PaymentCaptured:
    amount = Money(amount=100, currency="EUR")
    return PaymentCaptured(order_id=order_id, sequence=2, amount=amount)


def dispatched(order_id: OrderId) -> ShipmentDispatched:
    return ShipmentDispatched(order_id=order_id, sequence=5, tracking="T1")


async def ask(admin: ClientSession, path: str, body: object = None) -> tuple[int, Any]:
    method = "GET" if body is None else "POST"
    async with admin.request(method, f"/admin/parked{path}", json=body) as answer:
        return answer.status, await answer.json(content_type=None)


async def test_an_order_is_parked_once_its_deadline_is_past(database: Database) -> None:
    await placed(database, WITHIN - timedelta(seconds=30))
    order_id = await late(database)
    assert (await now(database, order_id)).parked == LATE
    assert await parking.park_late(database, WITHIN) == []


async def test_an_order_that_has_ended_is_never_parked(database: Database) -> None:
    order_id = await placed(database, WITHIN)
    await tell(database, order_id, dispatched(order_id))
    assert await parking.park_late(database, WITHIN) == []


async def test_the_next_change_takes_the_flag_of_a_deadline_down(database: Database) -> None:
    order_id = await late(database)
    after = await tell(database, order_id, captured(order_id))
    assert (after.state, after.parked) == (State.PAID, None)


async def test_an_order_that_is_still_late_is_parked_again(database: Database) -> None:
    order_id = await late(database)
    await tell(database, order_id, captured(order_id))
    (parked,) = await parking.park_late(database, WITHIN)
    assert (parked.order_id, parked.parked) == (order_id, "past its deadline in paid")


async def test_what_an_impossible_fact_parked_keeps_its_reason(database: Database) -> None:
    order_id = await placed(database, WITHIN)
    await tell(database, order_id, PaymentVoided(order_id=order_id, sequence=1))
    assert await parking.park_late(database, WITHIN) == []
    assert (await now(database, order_id)).parked == "impossible: PaymentVoided in placed"


async def test_the_service_looks_for_late_orders_and_counts_them(database: Database) -> None:
    def count() -> float:
        labels = {"fact": "deadline", "state": "placed"}
        return REGISTRY.get_sample_value("orders_parked_facts_total", labels) or 0

    before = count()
    order_id = await placed(database, WITHIN)
    await park_late(database, Settings(database_url="postgresql://db", end_within_s=900))
    assert (await now(database, order_id)).parked == LATE
    assert count() == before + 1


async def test_parked_orders_are_listed_page_by_page(
    admin: ClientSession, database: Database
) -> None:
    ids = sorted([str(await late(database)) for _ in range(3)])
    await placed(database)
    status, first = await ask(admin, "?limit=2")
    assert status == 200
    _, second = await ask(admin, f"?limit=2&after={first['next']}")
    assert [order["order_id"] for order in first["parked"] + second["parked"]] == ids
    assert second["next"] is None
    assert first["parked"][0]["parked"] == LATE


async def test_an_order_is_shown_with_what_people_did(
    admin: ClientSession, database: Database
) -> None:
    order_id = await late(database)
    assert (await ask(admin, f"/{order_id}/retry", ACT))[0] == 200
    status, shown = await ask(admin, f"/{order_id}")
    assert (status, shown["state"], shown["parked"]) == (200, "placed", None)
    (done,) = shown["interventions"]
    assert (done["action"], done["actor"], done["reason"]) == ("retry", *ACT.values())


async def test_a_retry_gives_the_order_as_much_time_again(
    admin: ClientSession, database: Database
) -> None:
    order_id = await late(database)
    await ask(admin, f"/{order_id}/retry", ACT)
    assert await parking.park_late(database, WITHIN) == []
    await database.fetch("update orders set awaited_since = awaited_since - $1::interval", WITHIN)
    assert [order.order_id for order in await parking.park_late(database, WITHIN)] == [order_id]


async def test_a_retry_takes_the_flag_of_an_impossible_fact_down(
    admin: ClientSession, database: Database
) -> None:
    order_id = await placed(database)
    await tell(database, order_id, PaymentVoided(order_id=order_id, sequence=1))
    assert (await ask(admin, f"/{order_id}/retry", ACT))[1]["parked"] is None


async def test_an_order_that_is_not_parked_is_not_retried(
    admin: ClientSession, database: Database
) -> None:
    order_id = await placed(database)
    status, problem = await ask(admin, f"/{order_id}/retry", ACT)
    assert (status, problem["state"]) == (409, "placed")
    assert (await ask(admin, f"/{order_id}"))[1]["interventions"] == []


async def test_a_person_cancels_as_the_customer_can_and_is_named(
    admin: ClientSession, database: Database
) -> None:
    order_id = await late(database)
    status, shown = await ask(admin, f"/{order_id}/resolve", ACT | {"as": "cancelled"})
    assert (status, shown["state"], shown["parked"]) == (200, "cancelling", None)
    assert shown["interventions"][0]["action"] == "resolve as cancelled"
    order = await now(database, order_id)
    assert order.reason == "cancelled by ada: the customer rang"
    subjects = await database.fetch("select subject from tallystick.outbox")
    assert [row["subject"].rpartition(".")[0] for row in subjects] == [
        "evt.orders.cancel-requested.v1"
    ]


async def test_a_second_cancel_publishes_nothing_and_is_recorded(
    admin: ClientSession, database: Database
) -> None:
    order_id = await late(database)
    for _ in range(2):
        assert (await ask(admin, f"/{order_id}/resolve", ACT | {"as": "cancelled"}))[0] == 200
    assert len((await ask(admin, f"/{order_id}"))[1]["interventions"]) == 2
    assert len(await database.fetch("select id from tallystick.outbox")) == 1


async def test_a_cancel_by_a_person_takes_the_flag_of_an_impossible_fact_down(
    admin: ClientSession, database: Database
) -> None:
    order_id = await placed(database)
    await tell(database, order_id, PaymentVoided(order_id=order_id, sequence=1))
    _, shown = await ask(admin, f"/{order_id}/resolve", ACT | {"as": "cancelled"})
    assert (shown["state"], shown["parked"]) == ("cancelling", None)


async def test_it_may_be_too_late_to_cancel(admin: ClientSession, database: Database) -> None:
    order_id = await placed(database)
    await tell(database, order_id, dispatched(order_id))
    status, problem = await ask(admin, f"/{order_id}/resolve", ACT | {"as": "cancelled"})
    assert (status, problem["state"]) == (409, "shipped")
    assert (await ask(admin, f"/{order_id}"))[1]["interventions"] == []


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({"actor": "ada"}, "reason"),
        ({"reason": "r"}, "actor"),
        (ACT | {"actor": ""}, "actor"),
        (ACT | {"reason": "a\nb"}, "reason"),
        (ACT | {"as": "captured"}, "as"),
        (ACT | {"when": "now"}, "when"),
    ],
)
async def test_who_and_why_must_be_said(
    admin: ClientSession, database: Database, body: dict[str, str], field: str
) -> None:
    order_id = await late(database)
    status, problem = await ask(admin, f"/{order_id}/resolve", {"as": "cancelled"} | body)
    assert (status, problem["errors"][0]["field"]) == (422, field)


@pytest.mark.parametrize("path", ["", "/retry", "/resolve"])
async def test_an_unknown_order_is_not_found(admin: ClientSession, path: str) -> None:
    body = None if not path else ACT | ({"as": "cancelled"} if "resolve" in path else {})
    assert (await ask(admin, f"/{UUID(int=7)}{path}", body))[0] == 404
