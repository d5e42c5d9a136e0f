"""Messages are published right after the commit, stored nowhere: a crash loses them."""

from __future__ import annotations

from tallystick._database.units import Write  # inside: what a sabotage replaces
from tallystick._delivery import committer  # inside: what a sabotage replaces
from tallystick._messages.envelope import OutboxRow  # inside: headers as the wire has them

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
