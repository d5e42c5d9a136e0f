"""A look believes the floor of a durable whose filter is not as declared.

The durable passes by what it does not read, so its floor proves nothing about that.
"""

from __future__ import annotations

from typing import Any

from tallystick._account import reader  # inside: what a sabotage replaces
from tests.drill.faults import Fault

ARMS: dict[str, Any] = {}
TOKENS = ("tok_visa",)
EXACTLY = (Fault(8.0, "filter narrowed", "orders-payments captured", 12.0),)
SECONDS = 24.0


def sabotage() -> None:
    """Judge by any durable that is there."""

    def judgeable(of: reader.Reader, durable: Any, declared: Any = ()) -> Any:
        if durable is None:
            raise reader.CannotJudge(f"the durable {of.durable} is not there")
        return durable

    reader.judgeable = judgeable  # type: ignore[assignment]
