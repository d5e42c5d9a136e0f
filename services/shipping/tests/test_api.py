from aiohttp import ClientSession
from uuid_utils.compat import uuid7

from shipping import store
from shipping.facts import Shipment, State
from tallystick import Database
from tallystick_contracts.orders import Address, OrderId

ADDRESS = Address(name="Zoë 🙂", street="3 Mill Lane", city="Ghent", postcode="9000", country="BE")


async def test_a_shipment_is_shown(http: ClientSession, database: Database) -> None:
    order_id = OrderId(uuid7())
    shipment = Shipment(order_id=order_id, state=State.BOOKING, version=1, address=ADDRESS)
    await database.commit(*store.update(Shipment(order_id=order_id), shipment))
    async with http.get(f"/shipments/{order_id}") as answer:
        assert await answer.json() == {
            "order_id": str(order_id),
            "state": "booking",
            "address": {
                "name": "Zoë 🙂",
                "street": "3 Mill Lane",
                "city": "Ghent",
                "postcode": "9000",
                "country": "BE",
            },
            "tracking": None,
            "reason": None,
            "parked": None,
        }


async def test_an_unknown_shipment_is_not_found(http: ClientSession) -> None:
    async with http.get(f"/shipments/{uuid7()}") as answer:
        assert answer.status == 404
        assert answer.content_type == "application/problem+json"


async def test_an_id_that_is_none_is_refused_by_its_field(http: ClientSession) -> None:
    async with http.get("/shipments/42") as answer:
        assert answer.status == 422
        assert (await answer.json(content_type=None))["errors"][0]["field"] == "order_id"


async def test_a_label_is_served_as_it_was_printed(http: ClientSession, database: Database) -> None:
    order_id = OrderId(uuid7())
    await database.commit(store.keep_label(order_id, "^XA^CI28^FDZoë 🙂^FS^XZ"))
    async with http.get(f"/shipments/{order_id}/label") as answer:
        assert answer.status == 200
        assert answer.headers["Content-Type"] == "application/zpl; charset=utf-8"
        assert answer.headers["Cache-Control"] == "private, max-age=86400, immutable"
        assert f"{order_id}.zpl" in answer.headers["Content-Disposition"]
        assert await answer.text() == "^XA^CI28^FDZoë 🙂^FS^XZ"


async def test_a_label_that_the_caller_has_is_not_sent_again(
    http: ClientSession, database: Database
) -> None:
    order_id = OrderId(uuid7())
    await database.commit(store.keep_label(order_id, "^XA^XZ"))
    path = f"/shipments/{order_id}/label"
    async with http.get(path) as answer:
        etag = answer.headers["ETag"]
    for held, status in ((etag, 304), (f'"another", W/{etag}', 304), ("*", 304), ('"no"', 200)):
        async with http.get(path, headers={"If-None-Match": held}) as answer:
            assert (answer.status, answer.headers["ETag"]) == (status, etag)


async def test_a_label_that_was_not_printed_yet_is_not_found(http: ClientSession) -> None:
    async with http.get(f"/shipments/{uuid7()}/label") as answer:
        assert answer.status == 404
        assert answer.content_type == "application/problem+json"
