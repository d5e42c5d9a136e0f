"""What a replica remembers from one look to the next. To forget it costs time, never a message.

A message is republished only if two looks, at least T apart, found the same republication of it
lost at the same place. So one stale answer of the broker, such as that of a leader that has just
been replaced, republishes nothing. A look that waits for a broker which restarts is answered late:
T begins when a look has ended.

A span that cannot be settled is compared again after T if something in it is lost. If it is only
on its way, or unsent, it is compared after T, then 2T, 4T and so on, up to a minute.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from uuid import UUID

from tallystick._account.findings import Finding
from tallystick._account.protocol import Published
from tallystick._account.spans import MINUTE, SECOND, Span

T = 5 * SECOND
SIGHTINGS_AT_MOST = 100_000
"""Lost messages that are remembered, the oldest first; those beyond wait until these are healed."""


@dataclass(frozen=True, slots=True)
class Sighting:
    """A message that was seen lost, as it was published then."""

    republication: int
    place: int | None
    at: int


@dataclass(frozen=True, slots=True)
class Pause:
    """How often a span was compared without anything lost, and when it is compared again."""

    comparisons: int
    until: int


@dataclass
class Memory:
    """One reader's looks, in one replica; `after` is T in milliseconds."""

    after: int = T
    swept_at: int = 0
    """When the source was last asked for the sums of everything."""
    behind: int | None = None
    """The lowest place that was found absent and not come to yet: nothing above it is compared."""
    findings: dict[Span, Finding] = field(default_factory=dict)
    """Of the spans that are not settled."""
    _sightings: dict[Span, dict[UUID, Sighting]] = field(default_factory=dict)
    _first_seen: set[UUID] = field(default_factory=set)
    """The lost messages that this look is the first to see, as they are now."""
    _pauses: dict[Span, Pause] = field(default_factory=dict)

    def is_paused(self, span: Span, now: int) -> bool:
        """Return whether a span waits for its next comparison."""
        pause = self._pauses.get(span)
        return pause is not None and now < pause.until

    def pause(self, span: Span, now: int, *, lost: bool = False) -> None:
        """Let a span that could not be settled wait for its next comparison."""
        before = 0 if lost or span not in self._pauses else self._pauses[span].comparisons
        wait = min(self.after * 2 ** min(before, 10), max(MINUTE, self.after))
        self._pauses[span] = Pause(before + 1, now + wait)

    def confirmed(self, span: Span, finding: Finding, now: int) -> list[Published]:
        """Note the lost messages of a span; return those that were seen like this T ago.

        Of too many, the finding keeps no more than are remembered.
        """
        before = self._sightings.pop(span, {})
        room = SIGHTINGS_AT_MOST - sum(map(len, self._sightings.values()))
        del finding.lost[max(room, 0) :]
        seen = {each.id: _sighting(before.get(each.id), each, now) for each in finding.lost}
        self._first_seen |= {id_ for id_, each in seen.items() if each is not before.get(id_)}
        if seen:
            self._sightings[span] = seen
        return [each for each in finding.lost if now - seen[each.id].at >= self.after]

    def ended(self, now: int) -> None:
        """Note that the look that has just ended had its last answers only now."""
        for seen in self._sightings.values():
            for message_id in seen.keys() & self._first_seen:
                seen[message_id] = replace(seen[message_id], at=now)
        self._first_seen.clear()

    def settled(self, span: Span) -> None:
        """Forget a span that is settled, and all that is in it."""
        for each in (self.findings, self._sightings, self._pauses):
            for inner in [inner for inner in each if span.contains(inner)]:
                del each[inner]

    def retain(self, since: int) -> None:
        """Forget what is judged no more: all spans that begin before `since`."""
        for each in (self.findings, self._sightings, self._pauses):
            for span in [span for span in each if span.start < since]:
                del each[span]


def _sighting(before: Sighting | None, each: Published, now: int) -> Sighting:
    if before and (before.republication, before.place) == (each.republication, each.place):
        return before
    return Sighting(each.republication, each.place, now)
