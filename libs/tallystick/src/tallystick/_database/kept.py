"""How long a service remembers messages, and what follows from it.

Section 11 of docs/delivery.md.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from functools import lru_cache

from tallystick._database.partitions import span_of


@dataclass(slots=True)
class Kept:
    """How long the inbox keeps messages, and since when it has them all.

    `since_ms` is what the replica that drops partitions has announced, in milliseconds since 1970.
    It moves before they are dropped, so that no replica takes for new what is forgotten.
    """

    time: timedelta = timedelta(days=30)
    since_ms: int = 0

    @property
    def span(self) -> timedelta:
        """How long a partition is: a day."""
        return span_of(self.time)

    @property
    def expires_after(self) -> timedelta:
        """The age at which a message that the inbox does not know is not run.

        The sender's clock and the reader's tell the age, the database's clock when the inbox
        forgets. In the day between, none of them matters if it is off by hours.
        """
        return self.time - self.span

    @property
    def outbox(self) -> timedelta:
        """How long the outbox keeps messages, and the account judges them.

        The outbox goes first: what a source can still say again, its readers still know.
        """
        return self.time - 2 * self.span

    def expires_in(self, now: float, *, own: bool) -> float:
        """Return the age in seconds at which a message is not run, at a time since 1970.

        Only messages of our own (`own`) go with partitions, and so before their time.
        """
        age = _seconds(self.time)
        return min(age, now - self.since_ms / 1000) if own else age


@lru_cache(maxsize=8)  # one for each service in this process
def _seconds(kept: timedelta) -> float:
    return (kept - span_of(kept)).total_seconds()
