"""What a webhook is good for, in every state of a payment."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest
from uuid_utils.compat import uuid7

from payments.facts import Capture, Payment, Refund, State
from payments.notices import TELLS, Notice, Use, heed
from tallystick_contracts.money import Money
from tallystick_contracts.orders import OrderId
from tallystick_contracts.payments import RefundReason

ORDER = OrderId(uuid7())
TOTAL = Money(amount=4_200, currency="EUR")
CAPTURE, REFUND = Capture(order_id=ORDER), Refund(order_id=ORDER)
IS_OUT = (State.CAPTURING, State.CAPTURING_STOP, State.UNKNOWN, State.UNKNOWN_STOP)
WANTED = {
    **{(state, kind): CAPTURE for state in IS_OUT for kind in TELLS if kind.startswith("capture")},
    **{(State.REFUNDING, kind): REFUND for kind in TELLS if kind.startswith("refund")},
    (State.CAPTURED, "capture.captured"): Use.KNOWN,
    (State.REFUNDING, "capture.captured"): Use.KNOWN,
    (State.REFUNDED, "capture.captured"): Use.KNOWN,
    (State.REFUNDED, "refund.refunded"): Use.KNOWN,
    (State.DECLINED, "capture.declined"): Use.KNOWN,
    **{(State.NONE, kind): Use.STRANGE for kind in TELLS},
}


def payment(state: State) -> Payment:
    return Payment(
        order_id=ORDER,
        state=state,
        version=0 if state is State.NONE else 2,
        amount=None if state is State.NONE else TOTAL,
        stop=RefundReason.CUSTOMER,
    )


def notice(kind: str = "capture.captured", **changed: Any) -> Notice:
    base = Notice("msg_1", kind, str(ORDER), TOTAL.amount, TOTAL.currency)
    return msgspec.structs.replace(base, **changed)


@pytest.mark.parametrize("kind", TELLS)
@pytest.mark.parametrize("state", State)
def test_only_a_call_that_waits_is_made_again_and_the_impossible_is_said(
    state: State, kind: str
) -> None:
    assert heed(payment(state), notice(kind)) == WANTED.get((state, kind), Use.IMPOSSIBLE)


@pytest.mark.parametrize(
    "changed", [{"amount": 4_201}, {"currency": "USD"}, {"amount": None}, {"currency": None}]
)
def test_another_amount_or_currency_is_never_heeded(changed: dict[str, Any]) -> None:
    assert heed(payment(State.UNKNOWN), notice(**changed)) is Use.MISMATCH


def test_a_webhook_that_was_heeded_is_not_heeded_again() -> None:
    used = Payment(order_id=ORDER, state=State.UNKNOWN, amount=TOTAL, noticed="msg_1")
    assert heed(used, notice()) is Use.REPEATED
    assert heed(used, notice(id="msg_2")) == CAPTURE


def test_an_unknown_type_says_nothing() -> None:
    assert heed(payment(State.UNKNOWN), notice("payout.paid")) is Use.OTHER


@pytest.mark.parametrize("reference", [None, "", "o1", "x" * 36])
def test_what_is_no_order_is_nobodys(reference: str | None) -> None:
    assert notice(reference=reference).order_id is None
