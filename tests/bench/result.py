"""A row of the results: what was measured, what it is held against, and whether it is reached."""

from __future__ import annotations

from collections.abc import Sequence
from statistics import median

import msgspec

from tests.bench.sample import Medians, Sample, faults, medians


class Result(msgspec.Struct, frozen=True, kw_only=True):
    """One row; `ours` and `peer` are in `unit`, `spread` is the lowest and the highest round.

    `spread` is of the ratio where there is a peer, else of `ours`. `void` says why a row counts for
    nothing, `note` why it has no figures; both are empty for an ordinary one.
    """

    row: str
    ours: float | None = None
    peer: float | None = None
    peer_name: str = ""
    ratio: float | None = None
    target: str = ""
    spread: tuple[float, float] | None = None
    cpu_us: float | None = None
    peer_cpu_us: float | None = None
    unit: str = "/s"
    reached: bool | None = None
    void: str = ""
    note: str = ""


class Comparison(msgspec.Struct, frozen=True, kw_only=True):
    """A row against a peer: its rate must be `at_least` times the peer's.

    `cpu_at_most` is in microseconds a message, None for no limit.
    """

    row: str
    ours: str
    peer: str
    at_least: float
    cpu_at_most: float | None = None

    @property
    def target(self) -> str:
        """The target as the table says it."""
        cpu = "" if self.cpu_at_most is None else f", <= {self.cpu_at_most:g} us"
        return f">= {self.at_least:g}x{cpu}"

    def result(self, ours: Sequence[Sample], peer: Sequence[Sample]) -> Result:
        """Return the row of these rounds, the n-th of ours beside the n-th of the peer's."""
        if wrong := faults([*ours, *peer]):
            return Result(row=self.row, peer_name=self.peer, target=self.target, void=wrong)
        mine, other = medians(ours), medians(peer)
        ratios = [a.rate / b.rate for a, b in zip(ours, peer, strict=True)]
        return Result(
            row=self.row,
            ours=mine.rate,
            peer=other.rate,
            peer_name=self.peer,
            ratio=mine.rate / other.rate,
            target=self.target,
            spread=(min(ratios), max(ratios)),
            cpu_us=mine.cpu_us,
            peer_cpu_us=other.cpu_us,
            reached=self._reached(mine, other),
        )

    def _reached(self, ours: Medians, peer: Medians) -> bool:
        cheap = self.cpu_at_most is None or ours.cpu_us <= self.cpu_at_most
        return ours.rate >= self.at_least * peer.rate and cheap


class Cost(msgspec.Struct, frozen=True, kw_only=True):
    """A row about what something costs: at most so many times the peer's CPU a message, if told."""

    row: str
    ours: str
    peer: str
    at_most: float | None

    def result(self, ours: Sequence[Sample], peer: Sequence[Sample]) -> Result:
        """Return the row of these rounds; its ratio and its spread are of the CPU."""
        target = "" if self.at_most is None else f"<= {self.at_most:g}x the CPU"
        if wrong := faults([*ours, *peer]):
            return Result(row=self.row, peer_name=self.peer, target=target, void=wrong)
        mine, other = medians(ours), medians(peer)
        ratios = [a.cpu_us / b.cpu_us for a, b in zip(ours, peer, strict=True)]
        ratio = mine.cpu_us / other.cpu_us
        return Result(
            row=self.row,
            ours=mine.rate,
            peer=other.rate,
            peer_name=self.peer,
            ratio=ratio,
            target=target,
            spread=(min(ratios), max(ratios)),
            cpu_us=mine.cpu_us,
            peer_cpu_us=other.cpu_us,
            reached=None if self.at_most is None else ratio <= self.at_most,
        )


def limited(
    row: str,
    values: Sequence[float],
    unit: str,
    *,
    at_most: float | None = None,
    at_least: float | None = None,
) -> Result:
    """Return a row that is held against a limit of its own, or none; the value is the median."""
    value = median(values)
    reached, target = None, ""
    if at_most is not None:
        reached, target = value <= at_most, f"<= {at_most:g} {unit}"
    elif at_least is not None:
        reached, target = value >= at_least, f">= {at_least:g} {unit}"
    spread = (min(values), max(values))
    return Result(row=row, ours=value, target=target, spread=spread, unit=unit, reached=reached)
