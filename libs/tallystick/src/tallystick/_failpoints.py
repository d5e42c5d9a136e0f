"""Named places where a test can make the worst happen; elsewhere they cost one look at a dict."""

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
    """Does what a test has armed here: kills the process, raises, or nothing at all."""
    if _armed:
        act = _armed.get(name)
        if act is not None:
            act()


def arm(name: str, act: Callable[[], None]) -> None:
    """Does `act` whenever this place is passed; raises ValueError for one that does not exist."""
    if name not in POINTS:
        raise ValueError(f"no failpoint {name!r}, there are {', '.join(sorted(POINTS))}")
    _armed[name] = act


def disarm() -> None:
    """Makes every place harmless again."""
    _armed.clear()
