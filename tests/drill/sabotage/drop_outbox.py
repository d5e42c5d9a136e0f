"""Messages are published right after the commit, stored nowhere: a crash loses them."""

from __future__ import annotations

from tallystick import _committer as committer
from tallystick._envelope import OutboxRow
from tallystick._units import Write

ARMS = {
    "payments": {"after-commit-before-publish": {"pass": 15, "times": 2}},
    "shipping": {"after-commit-before-publish": {"pass": 15, "times": 1}},
}
TOKENS = ("tok_visa",)
FAULTS = [("service killed", "shipping", 0.0)]


def sabotage() -> None:
    """Store nothing."""

    def insert(row: OutboxRow) -> Write:
        return Write("select $1::text", (row.id,))

    committer.insert = insert  # type: ignore[attr-defined]
