"""What a source has not sent yet is taken for lost, though nothing was lost.

Both sides hold that guarantee: a reader does not ask for what is unsent, and a source, if it is
asked, does not publish again what it has not stored. So both are broken.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from tallystick._account import statements  # inside: what a sabotage replaces
from tallystick._account.comparison import Comparison  # inside: what a sabotage replaces
from tallystick._account.fates import Fate  # inside: what a sabotage replaces
from tallystick._account.protocol import Published  # inside: what a sabotage replaces
from tests.drill.faults import Fault
from tests.drill.replacing import without

ARMS: dict[str, Any] = {}
TOKENS = ("tok_visa",)
EXACTLY = (Fault(8.0, "stream full by count", "ORDERS", 16.0),)
SECONDS = 28.0


def sabotage() -> None:
    """Take it for lost, and believe that."""
    fates_of = Comparison._fates

    def suspicious(self: Comparison, absent: Sequence[Published]) -> Any:
        found = yield from fates_of(self, absent)
        return [(each, Fate.LOST if fate is Fate.UNSENT else fate) for each, fate in found]

    Comparison._fates = suspicious  # type: ignore[method-assign]
    stored = without(" and o.stream_sequence is not null", statements.REPUBLISH)
    statements.REPUBLISH = without("o.sent_at +", stored, "coalesce(o.sent_at, o.queued_at) +")
