"""What has become of a published message that a reader may lack.

A message is lost if it was stored at a place of the stream, is not in the inbox, and cannot come
any more: the durable's ack floor has reached the place, and nothing is delivered that is not
acknowledged; or the floor has reached it or the durable is idle, and the stream has another
message, or none, at the place.

The floor alone is not believed while messages are in hand: in a drill two messages of 3,000 were
below it, and came. Such a message is `PASSED`; it is taken for lost after a minute in which it did
not come.

The order of the reads is what makes this right: first the source is asked for places, then the
durable and the stream are read, then the inbox. While a message is in the stream and is not
acknowledged, the durable is not idle and its floor is below. Once it is acknowledged, it is in the
inbox. Only a message that a replica has in hand while the store is wiped is lost and arrives; the
inbox drops the copy.

One message that is never stored delays nobody but itself: it is `UNSENT`.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from enum import Enum
from uuid import UUID

from tallystick._account.protocol import Published


class Fate(Enum):
    """Where a published message is."""

    RECEIVED = "received"
    UNSENT = "unsent"
    ON_ITS_WAY = "on its way"
    PASSED = "passed"
    """The floor has passed it, and the stream has it: it may be redelivered."""
    LOST = "lost"


@dataclass(frozen=True, slots=True)
class DurableState:
    """What the broker says of a durable, and of the filter that it has there."""

    types: frozenset[str]
    floor: int
    """All messages of the durable up to this sequence are acknowledged."""
    pending: int
    in_hand: int
    """Delivered and not acknowledged."""

    @property
    def idle(self) -> bool:
        return not self.pending and not self.in_hand


@dataclass(frozen=True, slots=True)
class Evidence:
    """What the broker had after the source was asked."""

    durable: DurableState
    stored: Mapping[int, UUID | None] = field(default_factory=dict)
    """The id at each place that was looked up; None where the stream has no message."""


def fate(said: Published, received: Collection[UUID], evidence: Evidence) -> Fate:
    """Return where a message is; the inbox was read last.

    An idle durable without a look-up of the place proves nothing: it may be on its way.
    """
    if said.id in received:
        return Fate.RECEIVED
    if said.place is None:
        return Fate.UNSENT
    durable, is_passed = evidence.durable, evidence.durable.floor >= said.place
    if is_passed and not durable.in_hand:
        return Fate.LOST
    is_gone = said.place in evidence.stored and evidence.stored[said.place] != said.id
    if is_gone and (is_passed or durable.idle):
        return Fate.LOST
    return Fate.PASSED if is_passed else Fate.ON_ITS_WAY
