"""A period that was settled is never due again: what is committed into it later is not missed.

Some messages of orders are committed long after their ids were made, so that the periods of these
are settled. Then the newsletter is held down, and what is said meanwhile is lost with the broker's
files.
"""

from __future__ import annotations

import os
from typing import Any

from tallystick._account.settled import SettledSpans  # inside: what a sabotage replaces
from tallystick._messages import outgoing  # inside: where ids are made
from tallystick._messages.ids import new_text  # inside: how they are made
from tests.drill.faults import Fault

ARMS: dict[str, Any] = {}
TOKENS = ("tok_visa",)
EXACTLY = (Fault(24.0, "reader held, broker wiped", "newsletter", 4.0),)
SECONDS = 30.0
LATE_MS = 18_000
EVERY = 3  # messages of a replica


def provoke() -> None:
    """Let now and then a commit take so long, from the id that it has to its end."""
    count = 0
    is_orders = os.environ["DRILL_NAME"].startswith("orders")

    def make_early(ahead_ms: int = 0) -> str:
        nonlocal count
        count += 1
        is_early = is_orders and count % EVERY == 0
        return new_text(ahead_ms - LATE_MS if is_early else ahead_ms)

    outgoing.new_text = make_early  # type: ignore[attr-defined]


def sabotage() -> None:
    """Judge nothing twice."""

    def is_due(self: SettledSpans, span: Any, *_: Any, **__: Any) -> bool:
        return self.of(span) is None

    SettledSpans.is_due = is_due  # type: ignore[method-assign]
