"""How large a run is."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Size:
    """How many rounds, and how many messages each has; who keeps something gets fewer."""

    rounds: int
    messages: int
    kept: int
    slow: int
    """Of a peer with a transaction a message."""
    published: int
    seconds: float
    """How long a round of HTTP requests takes."""
    ack_wait_s: float


FULL = Size(5, messages=20_000, kept=10_000, slow=5_000, published=10_000, seconds=4, ack_wait_s=5)
QUICK = Size(5, messages=2_500, kept=1_500, slow=500, published=1_000, seconds=0.5, ack_wait_s=2)
TINY = Size(1, messages=300, kept=200, slow=100, published=100, seconds=0.1, ack_wait_s=2)
"""For tests: the figures mean nothing."""
