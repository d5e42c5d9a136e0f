"""Every failpoint of the library, where it is passed: each kills its process twice in one drill."""

from __future__ import annotations

from typing import Final

Arms = dict[str, dict[str, dict[str, int]]]
TWICE: Final = 2


def _twice(**passes: int) -> dict[str, dict[str, int]]:
    return {
        name.replace("_", "-"): {"pass": number, "times": TWICE} for name, number in passes.items()
    }


ARMS: Final[Arms] = {
    "orders": _twice(before_commit=30, after_publish_before_mark=15, after_republication=1),
    "payments": _twice(
        after_outside_call=8,
        after_defer_before_ack=1,
        after_lease_expiry=1,
        after_commit_before_ack=60,
    ),
    "shipping": _twice(
        after_commit_before_publish=30,
        after_commit_before_answer=20,
        after_lease_before_run=15,
        after_sweep_before_mark=1,
    ),
}
TOKENS: Final = ("tok_poison_stumble",) * 6
"""Orders whose first attempt fails, so that it is held."""
FAULTS: Final = (
    ("broker frozen", "nats", 3.0),  # rows stay unsent until the sweep takes them
    ("broker wiped", "nats", 0.0),  # orders are said again
    ("stream purged", "PAYMENTS", 0.0),
    ("broker frozen", "nats", 3.0),
)
SECONDS: Final = 30.0
"""How long orders come."""
