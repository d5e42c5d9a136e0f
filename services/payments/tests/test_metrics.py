import pytest
from prometheus_client import REGISTRY
from structlog.testing import capture_logs
from uuid_utils.compat import uuid7

from payments import domain, metrics, parking, store
from payments.facts import Captured, Payment, Refunded, State
from payments.notices import Notice, Use
from tallystick import Database
from tallystick.limiter import Limiter
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


def test_a_flood_of_webhooks_that_are_wrong_or_forged_is_counted_and_logged_once(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(metrics, "_WRONG_LATELY", Limiter())
    notices = [Notice(f"msg_{number}", "capture.captured", None, 1, "EUR") for number in range(50)]
    labels = {"outcome": Use.STRANGE.value}
    before = REGISTRY.get_sample_value("payments_webhooks_total", labels) or 0
    with capture_logs() as lines:
        for notice in notices:
            metrics.observe_webhook(notice, Use.STRANGE)
            metrics.observe_forgery("no signature is by a secret that is known here")
    assert REGISTRY.get_sample_value("payments_webhooks_total", labels) == before + 50
    assert [line["event"] for line in lines] == ["webhook", "refused a webhook"]
