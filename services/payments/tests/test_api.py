from aiohttp import ClientSession
from uuid_utils.compat import uuid7

from payments import store
from payments.facts import Payment, State
from tallystick import Database
from tallystick_contracts.money import Money
from tallystick_contracts.orders import OrderId
from tallystick_contracts.payments import RefundReason


async def test_a_payment_is_shown_without_its_token(
    http: ClientSession, database: Database
) -> None:
    order_id = OrderId(uuid7())
    payment = Payment(
        order_id=order_id,
        state=State.CAPTURING,
        version=1,
        amount=Money(amount=4_200, currency="EUR"),
        token="tok_visa",
    )
    await database.commit(*store.update(Payment(order_id=order_id), payment))
    async with http.get(f"/payments/{order_id}") as answer:
        assert await answer.json() == {
            "order_id": str(order_id),
            "state": "capturing",
            "amount": 4_200,
            "currency": "EUR",
            "reference": None,
            "reason": None,
            "parked": None,
        }


async def test_a_tombstone_says_why_it_is_one(http: ClientSession, database: Database) -> None:
    order_id = OrderId(uuid7())
    payment = Payment(order_id=order_id, state=State.VOIDED, version=1, stop=RefundReason.CUSTOMER)
    await database.commit(*store.update(Payment(order_id=order_id), payment))
    async with http.get(f"/payments/{order_id}") as answer:
        body = await answer.json()
    assert (body["state"], body["amount"], body["reason"]) == ("voided", None, "customer")


async def test_an_unknown_payment_is_not_found(http: ClientSession) -> None:
    async with http.get(f"/payments/{uuid7()}") as answer:
        assert answer.status == 404
        assert answer.content_type == "application/problem+json"


async def test_an_id_that_is_none_is_refused_by_its_field(http: ClientSession) -> None:
    async with http.get("/payments/42") as answer:
        assert answer.status == 422
        assert (await answer.json(content_type=None))["errors"][0]["field"] == "order_id"
