"""Which types of a reader are judged in a span.

A reader has read a type since a sequence of its stream, which stands in the durable's metadata with
the moment at which it was written. A message may be made before that moment and stored after it.
So around it ids are compared one by one, by their place in the stream; a minute later no message
can have been stored before it, and sums are compared.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from tallystick._account.spans import HOUR, MINUTE, Span, ceiling, floor

BORDER = HOUR
"""A message that waited in the outbox for longer before the type was added is not judged."""


@dataclass(frozen=True, slots=True)
class Since:
    """From where on a reader has read a type: a sequence of the stream, and when it was noted."""

    sequence: int = 0
    at: int = 0


@dataclass(frozen=True, slots=True)
class Coverage:
    """The types that are judged in one span: wholly, or only from a place in the stream on."""

    whole: frozenset[str]
    border: frozenset[str]

    @property
    def types(self) -> frozenset[str]:
        return self.whole | self.border

    def expects(self, name: str, place: int | None, since: Since) -> bool:
        """Return whether the reader should have a message of a type, stored at a place."""
        if name in self.border:
            return place is None or place >= since.sequence
        return name in self.whole


def covered(span: Span, types: Mapping[str, Since], period: int) -> Coverage:
    """Return which types are judged in a span."""
    judged = {each for each, since in types.items() if span.start >= border_from(since, period)}
    whole = {each for each in judged if span.start >= whole_from(types[each], period)}
    return Coverage(frozenset(whole), frozenset(judged - whole))


def whole_from(since: Since, period: int) -> int:
    """Return the start of the first period that a reader has wholly."""
    return ceiling(since.at + MINUTE, period) if since.sequence else 0


def border_from(since: Since, period: int) -> int:
    """Return the start of the first period in which the reader may have something."""
    return floor(since.at - BORDER, period) if since.sequence else 0
