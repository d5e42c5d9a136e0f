"""What a look found in a period that could not be settled by its sums."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field

from tallystick._account.fates import DurableState, Fate
from tallystick._account.protocol import Published


@dataclass(slots=True)
class Finding:
    """One period: how many were published and received, and where those are that differ.

    `is_compared` is False if its ids were not compared yet, so that only the counts are known.
    """

    published: int = 0
    received: int = 0
    is_compared: bool = False
    on_its_way: int = 0
    unsent: int = 0
    missing: int = 0
    lost: list[Published] = field(default_factory=list)
    """The missing messages, or the oldest of them if they are many: see `Memory.confirmed`."""
    durable: DurableState | None = None
    """What the broker said of the durable when messages were found lost."""
    unknown: int = 0
    """Received, and denied by the source for all types, and accepted by nobody."""

    @property
    def agrees(self) -> bool:
        """Whether everything is received, and nothing that the source denies."""
        absent = self.on_its_way or self.unsent or self.missing
        return self.is_compared and not absent and not self.unknown

    def note(self, fates: Iterable[tuple[Published, Fate]]) -> None:
        """Count what has become of messages."""
        for each, its_fate in fates:
            if its_fate is Fate.LOST:
                self.missing += 1
                self.lost.append(each)
            self.on_its_way += its_fate is Fate.ON_ITS_WAY
            self.unsent += its_fate is Fate.UNSENT
