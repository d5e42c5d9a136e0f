"""What has become of a published message that a reader may lack.

A message is lost if it was stored at a place of the stream, is not in the inbox, and cannot come
any more: the durable's ack floor has reached the place; or the stream has not come to the place, so
it is not the one that it was; or the durable is idle, and the stream has another message, or none,
at the place.

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
    last: int
    """The last sequence of its stream."""

    @property
    def idle(self) -> bool:
        return not self.pending and not self.in_hand

    def is_before(self, place: int) -> bool:
        """Return whether it has not come to a place yet, and goes on to it."""
        return bool(self.pending) and self.floor < place <= self.last


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
    if not evidence.durable.floor < said.place <= evidence.durable.last:
        return Fate.LOST
    looked_up = said.place in evidence.stored
    if evidence.durable.idle and looked_up and evidence.stored[said.place] != said.id:
        return Fate.LOST
    return Fate.ON_ITS_WAY
