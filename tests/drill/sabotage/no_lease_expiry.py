"""The leases of a replica that died never expire."""

from __future__ import annotations

from tallystick._deferred.replicas import Replicas  # inside: what a sabotage replaces

ARMS = {
    "payments": {"after-outside-call": {"pass": 10, "times": 2}},
    "shipping": {"after-outside-call": {"pass": 10, "times": 1}},
}
TOKENS = ("tok_visa",)
FAULTS = [("service killed", "payments-2", 0.0)]


def sabotage() -> None:
    """Let no lease expire."""

    async def expire_leases(_: Replicas) -> int:
        return 0

    Replicas.expire_leases = expire_leases  # type: ignore[method-assign, assignment]
