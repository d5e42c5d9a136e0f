"""Every call asks the provider under a key of its own: a call in doubt is made a second time."""

from __future__ import annotations

from typing import Any
from uuid import uuid4

ARMS = {"payments": {"after-outside-call": {"pass": 12, "times": 1}}}
TOKENS = ("tok_visa__reset_after", "tok_visa__silence_after_x2")
FAULTS = [("outsider resets after the effect", "provider", 2.0)]


def sabotage() -> None:
    """Add something new to each key."""
    try:
        from payments.provider import Provider  # noqa: PLC0415  # only payments can import it
    except ModuleNotFoundError:
        return
    capture = Provider.capture

    async def capture_afresh(self: Provider, key: str, *of: Any) -> Any:
        return await capture(self, f"{key}:{uuid4()}", *of)

    Provider.capture = capture_afresh  # type: ignore[method-assign, assignment]
