"""The calls to the provider, answered by one that is played."""

import pytest
from uuid_utils.compat import uuid7

from payments import provider, store
from payments.facts import Capture, Payment, Refund, State
from payments.handlers import router
from payments.provider import Provider
from tallystick import Database, TemporaryError
from tallystick.outside import NoAnswer
from tallystick.testing import Harness
from tallystick_contracts.money import Money
from tallystick_contracts.orders import OrderId
from tallystick_contracts.payments import (
    PaymentCaptured,
    PaymentDeclined,
    PaymentRefunded,
    RefundReason,
)

TOTAL = Money(amount=4_200, currency="EUR")
Answer = provider.Captured | provider.Declined | provider.Refunded | provider.RefundRefused


class Played(Provider):
    """A provider that answers as a test says, and records the keys of its calls."""

    def __init__(self, answer: Answer | Exception) -> None:
        super().__init__("http://127.0.0.1:9")
        self.answer = answer
        self.keys: list[str] = []

    async def capture(self, key: str, *_: object) -> provider.Captured | provider.Declined:
        answered = self._answered(key)
        assert isinstance(answered, provider.Captured | provider.Declined)
        return answered

    async def refund(self, key: str, *_: object) -> provider.Refunded | provider.RefundRefused:
        answered = self._answered(key)
        assert isinstance(answered, provider.Refunded | provider.RefundRefused)
        return answered

    def _answered(self, key: str) -> Answer:
        self.keys.append(key)
        if isinstance(self.answer, Exception):
            raise self.answer
        return self.answer


async def stored(database: Database, state: State) -> Payment:
    order_id = OrderId(uuid7())
    payment = Payment(
        order_id=order_id,
        state=state,
        version=1,
        amount=TOTAL,
        token="tok_visa",
        stop=RefundReason.CUSTOMER if state is State.REFUNDING else None,
    )
    await database.commit(*store.update(Payment(order_id=order_id), payment))
    return await store.get(database, order_id)


async def test_a_capture_that_is_answered_says_so(database: Database) -> None:
    payment = await stored(database, State.CAPTURING)
    played = Played(provider.Captured("ref-1"))
    decided = await Harness(router, played, database=database).give(
        Capture(order_id=payment.order_id)
    )
    assert decided.messages == (
        PaymentCaptured(order_id=payment.order_id, sequence=2, amount=TOTAL),
    )
    assert played.keys == [f"{payment.order_id}:capture"]


async def test_a_capture_that_is_refused_is_declined(database: Database) -> None:
    payment = await stored(database, State.CAPTURING)
    decided = await Harness(router, Played(provider.Declined("no money")), database=database).give(
        Capture(order_id=payment.order_id)
    )
    assert decided.messages == (
        PaymentDeclined(order_id=payment.order_id, sequence=2, reason="no money"),
    )


async def test_a_capture_that_nobody_answers_is_asked_again_under_its_key(
    database: Database,
) -> None:
    payment = await stored(database, State.CAPTURING)
    played = Played(NoAnswer("away"))
    harness = Harness(router, played, database=database)
    for attempt in (1, 2):
        with pytest.raises(TemporaryError):
            await harness.give(Capture(order_id=payment.order_id), attempt=attempt)
    assert len(set(played.keys)) == 1
    assert len(played.keys) == 2


async def test_a_refund_is_told_once_the_provider_has_confirmed(database: Database) -> None:
    payment = await stored(database, State.REFUNDING)
    decided = await Harness(router, Played(provider.Refunded()), database=database).give(
        Refund(order_id=payment.order_id)
    )
    assert [type(message) for message in decided.messages] == [PaymentRefunded]


async def test_a_refund_that_is_refused_is_asked_again(database: Database) -> None:
    payment = await stored(database, State.REFUNDING)
    refused = Played(provider.RefundRefused("closed"))
    with pytest.raises(TemporaryError, match="closed"):
        await Harness(router, refused, database=database).give(Refund(order_id=payment.order_id))
    assert (await store.get(database, payment.order_id)).parked is not None
