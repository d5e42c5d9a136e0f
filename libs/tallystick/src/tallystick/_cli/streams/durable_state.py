"""The state of a durable at the broker, and how it differs from its declaration."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from tallystick._broker.jetstream import Config
from tallystick._cli.output import bad, braces, faint, notable, table
from tallystick._cli.streams.broker import filters
from tallystick._cli.times import second
from tallystick.topology import Durable, differences

UNKNOWN = (None, None, None, None)
TITLES = ("DURABLE", "STREAM", "PENDING", "UNACKED", "REDELIVERED", "READERS", "STATE")


@dataclass(frozen=True)
class State:
    """One durable; `readers` counts pull requests that wait at the broker.

    If the broker lacks it, each count is None, not zero.
    """

    durable: str
    stream: str
    pending: int | None
    unacknowledged: int | None
    redelivered: int | None
    readers: int | None
    paused_until: datetime | None
    reads: Sequence[str]
    missing: bool
    differences: Sequence[str]

    @property
    def state(self) -> str:
        """The state in a word or two; the worst one that applies."""
        if self.missing:
            return "missing"
        if self.paused_until:
            return f"paused until {second(self.paused_until)}"
        if self.differences:
            return "differs"
        return "read" if self.readers else "not read"


def states(found: Iterable[Config], declared: Iterable[Durable]) -> list[State]:
    """Return the durables that the broker has, then declared ones that it lacks."""
    wanted = {(durable.stream, durable.name): durable for durable in declared}
    there = [_state(info, wanted.pop((info["stream_name"], info["name"]), None)) for info in found]
    return [*there, *(_missing(durable) for durable in wanted.values())]


def lines(durables: Sequence[State]) -> list[str]:
    """Return a table; below each durable is what it reads and how it differs."""
    head, *rows = table(TITLES, [_cells(state) for state in durables])
    about = [_about(state) for state in durables]
    return [head, *(line for row, more in zip(rows, about, strict=True) for line in (row, *more))]


def _cells(state: State) -> tuple[object, ...]:
    counts = (state.pending, state.unacknowledged, state.redelivered, state.readers)
    return (state.durable, state.stream, *counts, state.state)


def _about(state: State) -> list[str]:
    paint = bad if state.missing else notable
    reads = [faint(f"  reads {braces(state.reads)}")] if state.reads else []
    return [*reads, *(paint(f"  {difference}") for difference in state.differences)]


def _state(info: Config, wanted: Durable | None) -> State:
    title = f"durable {info['stream_name']}/{info['name']}"
    unlike = differences(title, wanted.config, info["config"]) if wanted else []
    left = timedelta(microseconds=info.get("pause_remaining", 0) / 1000)
    return State(
        durable=info["name"],
        stream=info["stream_name"],
        pending=info["num_pending"],
        unacknowledged=info["num_ack_pending"],
        redelivered=info["num_redelivered"],
        readers=info["num_waiting"],
        paused_until=datetime.now(UTC) + left if info.get("paused") else None,
        reads=filters(info),
        missing=False,
        differences=[str(difference) for difference in unlike],
    )


def _missing(durable: Durable) -> State:
    difference = f"durable {durable.stream}/{durable.name} is declared and not there"
    reads = durable.config["filter_subjects"]
    return State(durable.name, durable.stream, *UNKNOWN, None, reads, True, [difference])
