"""Choose what becomes a Kubernetes event, each only once."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

from tallystick_operator.resources import Body
from tallystick_operator.status import AWAY, BLOCKED, FILLING, LOST, REFUSED, Round, condition

AGAIN_AFTER_S = 60.0
"""Seconds until the same event may be announced again."""
_NUMBERS = re.compile(r"\d[\d,.]*")


@dataclass(frozen=True)
class Announcement:
    """An event: what happened, in one word and in a sentence."""

    type: Literal["Normal", "Warning"]
    reason: str
    message: str

    @property
    def shape(self) -> tuple[str, str]:
        """A value that is the same for events that differ only by numbers."""
        return self.reason, _NUMBERS.sub("#", self.message)


def announcements(body: Body, result: Round) -> Iterator[Announcement]:
    """Yield what happened in a round; a state that lasts is announced only when it begins."""
    if result.mended:
        reason = "Healed" if result.drifted else "Declared"
        yield Announcement("Normal", reason, "; ".join(result.mended))
    for stream, count in result.purged.items():
        if count:
            message = (
                f"stream {stream} was trimmed: {count:,} messages that all durables had processed"
                " were deleted"
            )
            yield Announcement("Normal", "Purged", message)
    ready = condition(body, "Ready")
    states = {
        AWAY: (result.away,),
        LOST: result.gone,
        BLOCKED: result.blocked,
        REFUSED: result.refused,
        FILLING: result.waiting if result.is_ready else (),
    }
    for reason, texts in states.items():
        now = Announcement("Warning", reason, "; ".join(texts))
        before = Announcement("Warning", ready.get("reason", ""), ready.get("message", ""))
        if now.message and now.shape != before.shape:
            yield now
