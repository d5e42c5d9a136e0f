"""A look believes the floor of a durable whose filter is not as declared.

The durable passes by what it does not read, so its floor proves nothing about that. The type that
is left out is a rare one: the others move the floor. Two looks and a republication take 10 s.
"""

from __future__ import annotations

from typing import Any

from tallystick._account import reader  # inside: what a sabotage replaces
from tests.drill.faults import Fault

ARMS: dict[str, Any] = {}
TOKENS = ("tok_visa",)
EXACTLY = (Fault(8.0, "filter narrowed", "orders-payments declined", 25.0),)
SECONDS = 38.0


def sabotage() -> None:
    """Judge by any durable that is there."""

    def judgeable(of: reader.Reader, durable: Any, declared: Any = ()) -> Any:
        if durable is None:
            raise reader.CannotJudge(f"the durable {of.durable} is not there")
        return durable

    reader.judgeable = judgeable  # type: ignore[assignment]
