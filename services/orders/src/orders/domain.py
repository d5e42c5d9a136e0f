"""What becomes of an order: one table decides, and what is not in it cannot happen.

It is the table of docs/saga.md, which a test holds against every cell.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Final

import msgspec
from msgspec.structs import replace

from orders.facts import ENDED, NAMES, CancelAsked, Fact, Order, State
from tallystick import Event
from tallystick_contracts.orders import OrderCancelRequested, OrderEnded, Outcome
from tallystick_contracts.payments import (
    PaymentCaptured,
    PaymentDeclined,
    PaymentRefunded,
    PaymentVoided,
)
from tallystick_contracts.shipping import ShipmentCancelled, ShipmentDispatched, ShipmentFailed

IMPOSSIBLE: Final = "impossible: "


def cancel_requested(order: Order) -> Event:
    """Asks shipping, which decides whether it is too late."""
    return OrderCancelRequested(order_id=order.order_id, sequence=order.version)


def ended(order: Order) -> Event:
    """Says once that nothing will change any more."""
    outcome = Outcome(order.state)
    return OrderEnded(order_id=order.order_id, sequence=order.version, outcome=outcome)


class Cell(msgspec.Struct, frozen=True):
    """The next state and what the same commit publishes; without a state nothing changes."""

    state: State | None = None
    publishes: tuple[Callable[[Order], Event], ...] = ()


def to(state: State, *publishes: Callable[[Order], Event]) -> Cell:
    """A cell that changes the state."""
    return Cell(state, publishes)


def ignored(*facts: type[Fact]) -> dict[type[Fact], Cell]:
    """The cells of late, repeated and overtaken facts."""
    return dict.fromkeys(facts, Cell())


TABLE: Final[Mapping[State, Mapping[type[Fact], Cell]]] = {
    State.PLACED: {
        CancelAsked: to(State.CANCELLING, cancel_requested),
        PaymentCaptured: to(State.PAID),
        PaymentDeclined: to(State.DECLINED, ended),
        PaymentRefunded: to(State.CANCELLED, ended),
        ShipmentDispatched: to(State.SHIPPED, ended),
        ShipmentFailed: to(State.CANCELLING),
    },
    State.PAID: {
        CancelAsked: to(State.CANCELLING, cancel_requested),
        PaymentRefunded: to(State.CANCELLED, ended),
        ShipmentDispatched: to(State.SHIPPED, ended),
        ShipmentFailed: to(State.CANCELLING),
        **ignored(PaymentCaptured),
    },
    State.CANCELLING: {
        PaymentDeclined: to(State.DECLINED, ended),
        PaymentVoided: to(State.CANCELLED, ended),
        PaymentRefunded: to(State.CANCELLED, ended),
        ShipmentDispatched: to(State.SHIPPED, ended),
        **ignored(CancelAsked, PaymentCaptured, ShipmentFailed, ShipmentCancelled),
    },
    State.SHIPPED: ignored(CancelAsked, PaymentCaptured, ShipmentDispatched),
    State.DECLINED: ignored(CancelAsked, PaymentDeclined, ShipmentCancelled),
    State.CANCELLED: ignored(
        CancelAsked,
        PaymentCaptured,
        PaymentVoided,
        PaymentRefunded,
        ShipmentFailed,
        ShipmentCancelled,
    ),
}


class Decision(msgspec.Struct, frozen=True):
    """What one commit changes and publishes; `impossible` names a fact that cannot be."""

    before: Order
    after: Order
    events: tuple[Event, ...] = ()
    impossible: str | None = None

    @property
    def ends(self) -> bool:
        """Whether this commit ends the order."""
        return self.after.state in ENDED and self.before.state not in ENDED


def decide(order: Order, fact: Fact) -> Decision:
    """The cell of the order's state and the fact, carried out on the order."""
    cell = TABLE[order.state].get(type(fact))
    if cell is None:
        return _park(order, fact)
    if cell.state is None:
        return Decision(order, order)
    after = replace(
        order,
        state=cell.state,
        version=order.version + 1,
        reason=_reason(order, fact),
        parked=order.parked if _for_a_person(order) else None,
    )
    return Decision(order, after, tuple(event(after) for event in cell.publishes))


def decide_by_hand(order: Order, fact: Fact) -> Decision:
    """The same by a person, who has seen the flag: it is taken down."""
    decision = decide(order, fact)
    if decision.after.parked is None:
        return decision
    after = replace(decision.after, version=order.version + 1, parked=None)
    return replace(decision, after=after)


def _reason(order: Order, fact: Fact) -> str | None:
    match fact:
        case CancelAsked(reason=reason) | PaymentDeclined(reason=reason):
            return reason
        case ShipmentFailed(reason=reason):
            return f"shipment failed: {reason}"
        case PaymentRefunded(reason=reason):
            return order.reason or reason
        case ShipmentDispatched():
            return None
        case _:
            return order.reason


def _park(order: Order, fact: Fact) -> Decision:
    impossible = f"{IMPOSSIBLE}{NAMES[type(fact)]} in {order.state}"
    if _for_a_person(order):
        return Decision(order, order, impossible=impossible)
    after = replace(order, version=order.version + 1, parked=impossible)
    return Decision(order, after, impossible=impossible)


def _for_a_person(order: Order) -> bool:
    """Whether only a person may take the flag down; a deadline's goes with the next change."""
    return order.parked is not None and order.parked.startswith(IMPOSSIBLE)
