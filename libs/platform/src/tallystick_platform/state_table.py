"""Decide by a state table, which has a cell for each state and fact that is possible in it.

A service's table, from docs/saga.md, is in its domain.py. This module carries out one cell, which
is the same for all tables.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final, Generic, TypeVar

import msgspec
from msgspec.structs import replace

from tallystick_contracts.orders import OrderId

IMPOSSIBLE: Final = "impossible: "


class Record(msgspec.Struct, frozen=True, kw_only=True):
    """The part of a service's order that facts change; one of version 0 is not stored.

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

    With `fills` and no state, the record still takes the values that the fact brings.
    """

    state: str | None = None
    stores: tuple[Callable[[R], Output], ...] = ()
    fills: bool = False


def to(state: str, *stores: Callable[[R], Output]) -> Cell[R, Output]:
    """Return a cell that changes the state."""
    return Cell(state, stores)


def ignored(*facts: type[F]) -> dict[type[F], Cell[Any, Any]]:
    """Return cells that change nothing, for late, repeated and overtaken facts."""
    return dict.fromkeys(facts, Cell())


class Decision(msgspec.Struct, Generic[R, Output], frozen=True):
    """What one commit changes and stores; `impossible` names a fact that cannot happen."""

    before: R
    after: R
    outputs: tuple[Output, ...] = ()
    impossible: str | None = None

    @property
    def parks(self) -> str | None:
        """The new reason why a person should look at it, or None if there is no new one."""
        return self.impossible or (
            self.after.parked if self.after.parked != self.before.parked else None
        )


def carried_out(
    cell: Cell[R, Output] | None, record: R, fact: F, name: str, learn: Callable[[R, F], R]
) -> Decision[R, Output]:
    """Carry out a cell on a record; without a cell, park it because of the fact called `name`.

    `learn` returns the record with the fact's values, and does not change its state and version.
    """
    if cell is None:
        return _park(record, f"{IMPOSSIBLE}{name} in {record.state}")
    learned = learn(record if for_a_person(record) else replace(record, parked=None), fact)
    if cell.state is None:
        return Decision(record, learned if cell.fills else record)
    if (cell.state, learned) == (record.state, record):  # such as the same refusal once more
        return Decision(record, record)
    after = replace(learned, state=cell.state, version=record.version + 1)
    return Decision(record, after, tuple(output(after) for output in cell.stores))


def for_a_person(record: Record) -> bool:
    """Return whether only a person may unpark it; any other flag ends with the next change."""
    return record.parked is not None and record.parked.startswith(IMPOSSIBLE)


def _park(record: R, impossible: str) -> Decision[R, Any]:
    """Park the record, unless it is not stored or already waits for a person."""
    if record.version == 0 or for_a_person(record):
        return Decision(record, record, impossible=impossible)
    after = replace(record, version=record.version + 1, parked=impossible)
    return Decision(record, after, impossible=impossible)
