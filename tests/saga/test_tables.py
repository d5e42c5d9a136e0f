"""Every cell of docs/saga.md against the code that decides it."""

from __future__ import annotations

from pathlib import Path
from typing import Any
from uuid import UUID

import pytest
from msgspec.structs import replace

import orders.domain
import orders.facts
import payments.domain
import payments.facts
import shipping.domain
import shipping.facts
from tallystick_contracts import orders as told_by_orders
from tallystick_contracts import payments as told_by_payments
from tallystick_contracts import shipping as told_by_shipping
from tallystick_contracts.money import Money

DOCUMENT = Path(__file__).parents[2] / "docs" / "saga.md"
MACHINES: dict[str, Any] = {"orders": orders, "payments": payments, "shipping": shipping}

ORDER = told_by_orders.OrderId(UUID("01936d2f-5d5e-7c4a-8000-000000000001"))
TOTAL = Money(amount=4_200, currency="EUR")
ADDRESS = told_by_orders.Address(
    name="Ada Lind", street="3 Mill Lane", city="Ghent", postcode="9000", country="BE"
)
PLACED = told_by_orders.OrderPlaced(
    order_id=ORDER,
    sequence=1,
    customer_id=told_by_orders.CustomerId("c-1"),
    lines=(told_by_orders.OrderLine(sku="SKU-1", quantity=2, unit_price=2_100),),
    total=TOTAL,
    address=ADDRESS,
    payment_token="tok_visa",
)
EVENTS = (
    PLACED,
    told_by_orders.OrderCancelRequested(order_id=ORDER, sequence=2),
    told_by_payments.PaymentCaptured(order_id=ORDER, sequence=2, amount=TOTAL),
    told_by_payments.PaymentDeclined(order_id=ORDER, sequence=2, reason="card declined"),
    told_by_payments.PaymentVoided(order_id=ORDER, sequence=1),
    told_by_payments.PaymentRefunded(
        order_id=ORDER, sequence=4, amount=TOTAL, reason=told_by_payments.RefundReason.CUSTOMER
    ),
    told_by_shipping.ShipmentDispatched(order_id=ORDER, sequence=5, tracking="T1"),
    told_by_shipping.ShipmentFailed(order_id=ORDER, sequence=3, reason="not served"),
    told_by_shipping.ShipmentCancelled(order_id=ORDER, sequence=3),
)
ANSWERS: dict[str, Any] = {
    "POST cancel": orders.facts.CancelAsked(),
    "stop": payments.facts.Stop(told_by_payments.RefundReason.CUSTOMER),
    "capture starts": payments.facts.CaptureStarts(),
    "no answer": payments.facts.NoAnswer(),
    "captured": payments.facts.Captured("R1"),
    "declined": payments.facts.Declined("card declined"),
    "refunded": payments.facts.Refunded(),
    "refund refused": payments.facts.RefundRefused("not today"),
    "booked": shipping.facts.Booked("T1"),
    "refused": shipping.facts.Refused("not served"),
    "label printed": shipping.facts.LabelPrinted(),
    "dispatch due": shipping.facts.DispatchDue(),
    "booking cancelled": shipping.facts.BookingCancelled(),
    "cancellation refused": shipping.facts.CancellationRefused("not today"),
}
FACTS: dict[str, Any] = {type(event).__name__: event for event in EVENTS} | ANSWERS


def tables(markdown: str) -> dict[str, dict[tuple[str, str], str]]:
    """The tables whose first heading is a service, as {service: {(state, fact): cell}}."""
    found: dict[str, dict[tuple[str, str], str]] = {}
    for block in markdown.split("\n\n"):
        rows = [cells_of(line) for line in block.splitlines() if line.startswith("|")]
        if rows and rows[0][0] in MACHINES:
            service, *facts = rows[0]
            found[service] = {
                (row[0], fact): cell
                for row in rows[2:]
                for fact, cell in zip(facts, row[1:], strict=True)
            }
    return found


def cells_of(line: str) -> list[str]:
    return [cell.strip() for cell in line.strip(" |").split("|")]


TABLES = tables(DOCUMENT.read_text())
ALL = [(service, *key, cell) for service, table in TABLES.items() for key, cell in table.items()]
CELLS = [pytest.param(*parts, id="-".join(parts[:3])) for parts in ALL]


def row_in(service: str, state: str) -> Any:
    """A row as a service may have it in that state."""
    version = 0 if state == "none" else 7
    if service == "orders":
        return orders.facts.Order(order_id=ORDER, state=orders.facts.State(state), version=version)
    if service == "payments":
        stop = ANSWERS["stop"].reason if "(stop)" in state or state == "refunding" else None
        return payments.facts.Payment(
            order_id=ORDER,
            state=payments.facts.State(state),
            version=version,
            amount=TOTAL,
            token="tok_visa",
            stop=stop,
        )
    return shipping.facts.Shipment(
        order_id=ORDER,
        state=shipping.facts.State(state),
        version=version,
        address=ADDRESS,
        tracking="T1",
    )


def outputs(decision: Any) -> list[Any]:
    """The messages of a decision; a confirmed movement of money is no message."""
    return [
        output for output in decision.outputs if not isinstance(output, payments.facts.Operation)
    ]


def carried_out(decision: Any) -> str:
    """A decision, said as the document says it."""
    before, after = decision.before, decision.after
    if decision.impossible:
        assert (after.state, outputs(decision)) == (before.state, [])
        return "park"
    if after.version == before.version:
        assert (after.state, after.parked, outputs(decision)) == (before.state, before.parked, [])
        return "ignore"
    assert after.version == before.version + 1
    parts = [after.state, *(type(output).__name__ for output in outputs(decision))]
    return " + ".join([*parts, "parked"] if after.parked else parts)


def test_the_document_has_every_cell() -> None:
    assert sum(len(table) for table in TABLES.values()) == 235
    for service, machine in MACHINES.items():
        states, facts = set(machine.facts.State), set(machine.facts.NAMES.values())
        assert set(TABLES[service]) == {(state, fact) for state in states for fact in facts}


@pytest.mark.parametrize(("service", "state", "fact", "cell"), CELLS)
def test_the_code_decides_as_the_document_says(
    service: str, state: str, fact: str, cell: str
) -> None:
    decision = MACHINES[service].domain.decide(row_in(service, state), FACTS[fact])
    assert carried_out(decision) == cell
    for output in outputs(decision):
        assert output.order_id == ORDER
        assert getattr(output, "sequence", decision.after.version) == decision.after.version


IMPOSSIBLE = [(*key, cell) for *key, cell in ALL if cell == "park" and key[1] != "none"]
MOVING = [(*key, cell) for *key, cell in ALL if cell not in ("park", "ignore") and key[1] != "none"]


@pytest.mark.parametrize(("service", "state", "fact", "cell"), IMPOSSIBLE)
def test_the_flag_of_an_impossible_fact_is_taken_down_by_nothing(
    service: str, state: str, fact: str, cell: str
) -> None:
    decide = MACHINES[service].domain.decide
    parked = decide(row_in(service, state), FACTS[fact]).after
    assert parked.parked == f"impossible: {fact} in {state}"
    for other in MACHINES[service].facts.NAMES.values():
        assert decide(parked, FACTS[other]).after.parked == parked.parked


@pytest.mark.parametrize(("service", "state", "fact", "cell"), MOVING)
def test_the_flag_of_a_deadline_goes_with_the_next_change_of_the_state(
    service: str, state: str, fact: str, cell: str
) -> None:
    late = replace(row_in(service, state), parked="past its deadline")
    after = MACHINES[service].domain.decide(late, FACTS[fact]).after
    assert (after.parked is None) == (not cell.endswith("parked"))
