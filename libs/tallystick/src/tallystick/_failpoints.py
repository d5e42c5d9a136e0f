"""Named places in the code where a test can inject a fault; unused, each costs a dict check."""

from __future__ import annotations

from collections.abc import Callable

POINTS = frozenset(
    {
        "before-commit",
        "after-commit-before-answer",
        "after-commit-before-publish",
        "after-publish-before-mark",
        "after-sweep-before-mark",
        "after-commit-before-ack",
        "after-defer-before-ack",
        "after-lease-before-run",
        "after-outside-call",
        "after-lease-expiry",
        "after-republication",
    }
)

_armed: dict[str, Callable[[], None]] = {}


def failpoint(name: str) -> None:
    """Do what a test has armed for this place, such as kill the process or raise; else nothing."""
    if _armed:
        act = _armed.get(name)
        if act is not None:
            act()


def arm(name: str, act: Callable[[], None]) -> None:
    """Call `act` whenever this place is passed; raise ValueError if the place does not exist."""
    if name not in POINTS:
        raise ValueError(f"no failpoint {name!r}: use one of {', '.join(sorted(POINTS))}")
    _armed[name] = act


def disarm() -> None:
    """Remove what was armed at all places."""
    _armed.clear()
