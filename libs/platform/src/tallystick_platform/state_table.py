"""How a state table decides: a cell for each state and fact; what has no cell cannot happen.

The tables are those of docs/saga.md, in the services' domain.py. Here is how one cell is carried
out, which is the same for all of them.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final, Generic, TypeVar

import msgspec
from msgspec.structs import replace

from tallystick_contracts.orders import OrderId

IMPOSSIBLE: Final = "impossible: "


class Record(msgspec.Struct, frozen=True, kw_only=True):
    """What a service knows of an order, as far as facts change it; version 0 is not stored.

    `parked` says why a person should look at it.
    """

    order_id: OrderId
    state: str
    version: int
    parked: str | None = None


R = TypeVar("R", bound=Record)
F = TypeVar("F")
Output = TypeVar("Output")


class Cell(msgspec.Struct, Generic[R, Output], frozen=True):
    """The next state and what the same commit stores; without a state nothing changes.

    `fills`: the one that changes no state and still learns what the fact tells.
    """

    state: str | None = None
    stores: tuple[Callable[[R], Output], ...] = ()
    fills: bool = False


def to(state: str, *stores: Callable[[R], Output]) -> Cell[R, Output]:
    """A cell that changes the state."""
    return Cell(state, stores)


def ignored(*facts: type[F]) -> dict[type[F], Cell[Any, Any]]:
    """The cells of late, repeated and overtaken facts."""
    return dict.fromkeys(facts, Cell())


class Decision(msgspec.Struct, Generic[R, Output], frozen=True):
    """What one commit changes and stores; `impossible` names a fact that cannot be."""

    before: R
    after: R
    outputs: tuple[Output, ...] = ()
    impossible: str | None = None

    @property
    def parks(self) -> str | None:
        """Why a person should look at it from now on; None if nothing new says so."""
        return self.impossible or (
            self.after.parked if self.after.parked != self.before.parked else None
        )


def carried_out(
    cell: Cell[R, Output] | None, record: R, fact: F, name: str, learn: Callable[[R, F], R]
) -> Decision[R, Output]:
    """A cell, carried out on a record; without one the fact, of this name, parks it.

    `learn` gives the record with what the fact tells, and leaves its state and version alone.
    """
    if cell is None:
        return _park(record, f"{IMPOSSIBLE}{name} in {record.state}")
    told = learn(record if for_a_person(record) else replace(record, parked=None), fact)
    if cell.state is None:
        return Decision(record, told if cell.fills else record)
    if (cell.state, told) == (record.state, record):  # refused again, in the same words
        return Decision(record, record)
    after = replace(told, state=cell.state, version=record.version + 1)
    return Decision(record, after, tuple(output(after) for output in cell.stores))


def for_a_person(record: Record) -> bool:
    """Whether only a person may take the flag down; another goes with the next change."""
    return record.parked is not None and record.parked.startswith(IMPOSSIBLE)


def _park(record: R, impossible: str) -> Decision[R, Any]:
    """Flag the record, unless it is not stored or a person has to look at it already."""
    if record.version == 0 or for_a_person(record):
        return Decision(record, record, impossible=impossible)
    after = replace(record, version=record.version + 1, parked=impossible)
    return Decision(record, after, impossible=impossible)
