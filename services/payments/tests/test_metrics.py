from prometheus_client import REGISTRY
from uuid_utils.compat import uuid7

from payments import domain, metrics, parking, store
from payments.facts import Captured, Payment, Refunded, State
from tallystick import Database
from tallystick_contracts.money import Money
from tallystick_contracts.orders import OrderId
from tallystick_contracts.payments import RefundReason

AMOUNT = Money(amount=4_200, currency="CHF")


def moved(purpose: str) -> float:
    labels = {"purpose": purpose, "currency": "CHF"}
    return REGISTRY.get_sample_value("payments_moved_minor_units_total", labels) or 0


def payment(state: State, **more: object) -> Payment:
    fields = {"order_id": OrderId(uuid7()), "version": 1, "state": state, "amount": AMOUNT, **more}
    return Payment(**fields)  # type: ignore[arg-type]  # as a test says


def test_money_that_the_provider_has_confirmed_is_counted() -> None:
    before, fact = moved("capture"), Captured(reference="r")
    metrics.observe(domain.decide(payment(State.CAPTURING), fact), fact)
    assert moved("capture") == before + 4_200


def test_money_that_went_back_is_counted_apart() -> None:
    before, fact = moved("refund"), Refunded()
    stopped = payment(State.REFUNDING, stop=RefundReason.CUSTOMER)
    metrics.observe(domain.decide(stopped, fact), fact)
    assert moved("refund") == before + 4_200


def test_an_answer_that_was_heard_before_is_not_counted() -> None:
    before, fact = moved("capture"), Captured(reference="r")
    metrics.observe(domain.decide(payment(State.CAPTURED), fact), fact)
    assert moved("capture") == before


async def test_parked_payments_are_counted(database: Database) -> None:
    assert await parking.PAYMENTS.count(database) == 0
    first = payment(State.CAPTURING, token="tok")
    await database.commit(*store.update(Payment(order_id=first.order_id), first))
    await database.fetch("update payments set parked = 'x'")
    assert await parking.PAYMENTS.count(database) == 1
