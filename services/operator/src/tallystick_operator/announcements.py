"""What is worth a Kubernetes event, each thing said once."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

from tallystick_operator.resources import Body
from tallystick_operator.status import AWAY, BLOCKED, FILLING, REFUSED, Round, condition

AGAIN_AFTER_S = 60.0
"""The same is announced no sooner, so that none floods."""
_NUMBERS = re.compile(r"\d[\d,.]*")


@dataclass(frozen=True)
class Announcement:
    """An event: what happened in one word, and in a sentence."""

    type: Literal["Normal", "Warning"]
    reason: str
    message: str

    @property
    def shape(self) -> tuple[str, str]:
        """The same for events that differ by numbers only."""
        return self.reason, _NUMBERS.sub("#", self.message)


def announcements(body: Body, result: Round) -> Iterator[Announcement]:
    """What happened in a round; a state that lasts is said when it begins."""
    if result.mended:
        reason = "Healed" if result.drifted else "Declared"
        yield Announcement("Normal", reason, "; ".join(result.mended))
    for stream, count in result.purged.items():
        if count:
            message = (
                f"stream {stream} made room: {count:,} messages went that all durables had done"
            )
            yield Announcement("Normal", "Purged", message)
    ready = condition(body, "Ready")
    states = {
        AWAY: (result.away,),
        BLOCKED: result.blocked,
        REFUSED: result.refused,
        FILLING: result.waiting if result.is_ready else (),
    }
    for reason, texts in states.items():
        said = Announcement("Warning", reason, "; ".join(texts))
        before = Announcement("Warning", ready.get("reason", ""), ready.get("message", ""))
        if said.message and said.shape != before.shape:
            yield said
