import asyncio
import time
from copy import deepcopy
from typing import Any
from uuid import UUID, uuid4

import pytest
from aiohttp import ClientSession
from fastapi import FastAPI

from orders import store
from orders.domain import decide
from orders.ends import Ends
from orders.facts import Fact
from orders.handlers import router
from tallystick import Database, PermanentError
from tallystick.testing import Harness
from tallystick_contracts.orders import OrderId
from tallystick_contracts.payments import PaymentDeclined
from tallystick_contracts.shipping import ShipmentDispatched

ORDER: dict[str, Any] = {
    "customer_id": "c-000001",
    "currency": "EUR",
    "lines": [{"sku": "SKU-1", "quantity": 2, "unit_price": 2_100}],
    "address": {
        "name": "Ada Lind",
        "street": "3 Mill Lane",
        "city": "Ghent",
        "postcode": "9000",
        "country": "BE",
    },
    "payment_token": "tok_visa",
}


async def post(http: ClientSession, path: str, body: object = None, key: str = "") -> Any:
    """The answer's status and body; the body of a 202 says where to look."""
    headers = {"Idempotency-Key": key} if key else {}
    async with http.post(path, json=body, headers=headers) as answer:
        return answer.status, await answer.json(content_type=None)


async def get(http: ClientSession, path: str) -> Any:
    async with http.get(path) as answer:
        return answer.status, await answer.json(content_type=None)


async def placed(http: ClientSession) -> OrderId:
    status, body = await post(http, "/orders", ORDER)
    assert status == 202
    return OrderId(UUID(body["id"]))


async def tell(database: Database, order_id: OrderId, fact: Fact) -> None:
    """Another replica commits what the fact decides."""
    order = await store.get(database, order_id)
    assert order is not None
    decision = decide(order, fact)
    await database.commit(*store.update(order, decision.after), *decision.outputs)


def dispatched(order_id: OrderId) -> ShipmentDispatched:
    return ShipmentDispatched(order_id=order_id, sequence=5, tracking="T1")


async def published(database: Database) -> list[str]:
    sql = "select split_part(subject, '.', 3) from tallystick.outbox order by id"
    return [row[0] for row in await database.fetch(sql)]


async def count(database: Database) -> int:
    return int((await database.fetch("select count(*) from orders"))[0][0])


async def test_an_order_is_taken_and_read_at_once_where_it_is_said_to_be(
    http: ClientSession, database: Database
) -> None:
    async with http.post("/orders", json=ORDER) as answer:
        assert answer.status == 202
        location = answer.headers["Location"]
        body = await answer.json()
    assert body["state"] == "placed"
    assert location == f"/orders/{body['id']}"
    status, order = await get(http, location)
    assert status == 200
    sent = {name: ORDER[name] for name in ("customer_id", "currency", "lines", "address")}
    assert order.items() >= (sent | {"total": 4_200, "state": "placed", "ended_at": None}).items()
    assert await published(database) == ["placed"]


async def test_a_payment_token_is_shown_to_nobody(http: ClientSession) -> None:
    order_id = await placed(http)
    _, order = await get(http, f"/orders/{order_id}")
    assert "tok_visa" not in str(order)


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("lines/0/quantity", 0),
        ("lines/0/unit_price", 10**400),
        ("lines/0/discount", 1),
        ("address/name", "A\0da"),
        ("address/street", "\ud800"),
        ("currency", "XXX"),
        ("customer_id", None),
    ],
)
async def test_a_bad_order_is_refused_by_its_field_and_stores_nothing(
    http: ClientSession, database: Database, field: str, value: object
) -> None:
    body: Any = deepcopy(ORDER)
    part: Any = body
    *way, last = field.split("/")
    for step in way:
        part = part[int(step) if step.isdecimal() else step]
    part[last] = value
    status, problem = await post(http, "/orders", body)
    assert status in (400, 422)
    if status == 422:
        assert [error["field"] for error in problem["errors"]] == [field]
    assert await count(database) == 0
    assert await published(database) == []


async def test_the_same_key_a_hundred_times_at_once_places_one_order(
    http: ClientSession, database: Database
) -> None:
    answers = await asyncio.gather(*(post(http, "/orders", ORDER, "key-1") for _ in range(100)))
    assert {status for status, _ in answers} == {202}
    assert len({body["id"] for _, body in answers}) == 1
    assert await count(database) == 1
    assert await published(database) == ["placed"]


async def test_a_key_is_refused_for_another_order(http: ClientSession) -> None:
    assert (await post(http, "/orders", ORDER, "key-1"))[0] == 202
    assert (await post(http, "/orders", ORDER | {"payment_token": "tok_sepa"}, "key-1"))[0] == 422


async def test_a_cancel_is_published_once_however_often_it_is_asked(
    http: ClientSession, database: Database
) -> None:
    order_id = await placed(http)
    asked = [post(http, f"/orders/{order_id}/cancel") for _ in range(10)]
    for status, body in await asyncio.gather(*asked):
        assert (status, body) == (202, {"id": str(order_id), "state": "cancelling"})
    assert await published(database) == ["placed", "cancel-requested"]


@pytest.mark.parametrize("end", ["shipped", "declined"])
async def test_a_cancel_that_is_too_late_says_how_the_order_ended(
    http: ClientSession, database: Database, end: str
) -> None:
    order_id = await placed(http)
    declined = PaymentDeclined(order_id=order_id, sequence=2, reason="no")
    await tell(database, order_id, dispatched(order_id) if end == "shipped" else declined)
    status, problem = await post(http, f"/orders/{order_id}/cancel")
    assert (status, problem["state"]) == (409, end)


async def test_an_order_nobody_placed_is_not_found(http: ClientSession) -> None:
    unknown = uuid4()
    assert (await get(http, f"/orders/{unknown}"))[0] == 404
    assert (await get(http, f"/orders/{unknown}?wait=1"))[0] == 404
    assert (await post(http, f"/orders/{unknown}/cancel"))[0] == 404


@pytest.mark.parametrize("wait", ["-1", "31", "nan", "inf", "1e400", "soon"])
async def test_a_wait_is_0_to_30_seconds(http: ClientSession, wait: str) -> None:
    status, problem = await get(http, f"/orders/{uuid4()}?wait={wait}")
    assert (status, problem["errors"][0]["field"]) == (422, "wait")


async def test_a_wait_ends_without_an_end(http: ClientSession) -> None:
    order_id = await placed(http)
    status, order = await get(http, f"/orders/{order_id}?wait=0.05")
    assert (status, order["state"]) == (200, "placed")


async def test_a_wait_ends_with_an_end_that_another_replica_committed(
    http: ClientSession, database: Database
) -> None:
    order_id = await placed(http)
    waiting = [asyncio.create_task(get(http, f"/orders/{order_id}?wait=30")) for _ in range(20)]
    await asyncio.sleep(0)
    await tell(database, order_id, dispatched(order_id))
    began = time.monotonic()
    for status, order in await asyncio.gather(*waiting):
        assert (status, order["state"]) == (200, "shipped")
    assert time.monotonic() - began < 10


async def test_a_handled_end_is_told_to_those_who_wait(
    service: FastAPI, database: Database
) -> None:
    ends: Ends = service.state.composition.runtime.resources[Ends]
    order_id = OrderId(uuid4())
    waiting = asyncio.create_task(ends.wait(database, order_id, 30))
    await asyncio.sleep(0)
    ends.tell(order_id)
    await asyncio.wait_for(waiting, 0.2)  # sooner than the next look


async def test_pages_lead_through_all_orders_of_a_customer(http: ClientSession) -> None:
    placed_ids = [str(await placed(http)) for _ in range(5)]
    path, seen = "/orders?customer_id=c-000001&limit=2", []
    following = path
    while True:
        status, page = await get(http, following)
        assert status == 200
        seen += [order["id"] for order in page["orders"]]
        if page["next"] is None:
            break
        following = f"{path}&cursor={page['next']}"
    assert seen == sorted(placed_ids, reverse=True)


@pytest.mark.parametrize(
    ("query", "field"),
    [
        ("cursor=x", "cursor"),
        ("cursor=AAAAAAAAAAAAAAAAAAAAAB", "cursor"),
        ("limit=0", "limit"),
        ("limit=101", "limit"),
        ("state=lost", "state"),
        ("customer_id=a%20b", "customer_id"),
    ],
)
async def test_a_bad_query_is_refused_by_its_field(
    http: ClientSession, query: str, field: str
) -> None:
    status, problem = await get(http, f"/orders?{query}")
    assert (status, problem["errors"][0]["field"]) == (422, field)


async def test_a_fact_about_an_order_nobody_placed_is_no_matter_of_time(
    database: Database,
) -> None:
    with pytest.raises(PermanentError):
        await Harness(router, Ends(), database=database).give(dispatched(OrderId(uuid4())))
