"""All that a drill knows when it is over: what the nine invariants are held against."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Final, Literal

Row = Mapping[str, Any]
Interval = tuple[float, float]
"""Begin and end in Unix seconds."""
ENDS: Final = frozenset({"shipped", "declined", "cancelled"})
"""The states of an order that has ended."""
PLATFORM = ("orders", "payments", "shipping")
SERVICES = (*PLATFORM, "newsletter")
"""Whose outboxes and inboxes are audited."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Exchange:
    """One request of a client and what came back; times are Unix seconds.

    `ask` says what was wanted: `place`, `again` (same key, same body), `other body` (same key,
    another body), `bad` (a request that no server should take), `cancel`, `read`.
    """

    client: str
    ask: Literal["place", "again", "other body", "bad", "cancel", "read"]
    key: str
    asked_at: float
    answered_at: float
    status: int | None
    order: str | None = None
    state: str | None = None
    error: str | None = None


@dataclass(frozen=True, slots=True)
class Struck:
    """A fault that occurred, in Unix seconds; `loses`: the broker forgot what it had confirmed."""

    kind: str
    target: str
    at: float
    until: float
    loses: bool = False
    detail: str = ""


@dataclass(frozen=True, slots=True)
class Poison:
    """A message that these durables cannot do: `about` is its order or its own id."""

    kind: str
    about: str
    reason: str | None  # what the dead letter says; None: it waits, and is no dead letter
    durables: Sequence[str] = ("payments-open",)
    at: float = 0.0  # Unix seconds


@dataclass(frozen=True, slots=True)
class Sighting:
    """A message in a stream."""

    stream: str
    place: int
    source: str
    id: str
    order: str
    subject: str
    stored_at: datetime
    republication: int = 0


@dataclass(frozen=True, slots=True)
class Forgotten:
    """What a durable had taken in and was made to forget, at a time in Unix seconds."""

    durable: str
    source: str
    id: str
    at: float


@dataclass(frozen=True, slots=True)
class Denied:
    """What a service had published about an order, and was made to forget.

    Its database was set back at `at` to a copy of `copied_at`, in Unix seconds.
    """

    service: str
    id: str
    about: str
    copied_at: float
    at: float


@dataclass(frozen=True, slots=True)
class Standing:
    """Where a durable is in its stream: what it has not received, and not settled."""

    stream: str
    filters: Sequence[str]
    floor: int
    pending: int
    unsettled: int


@dataclass(frozen=True, kw_only=True)
class Evidence:
    """Rows of each service's database by table, both ledgers, the streams, and the clients."""

    history: Sequence[Exchange] = ()
    orders: Sequence[Row] = ()
    payments: Sequence[Row] = ()
    shipments: Sequence[Row] = ()
    operations: Sequence[Row] = ()
    totals: Sequence[Row] = ()
    provider: Sequence[Row] = ()
    carrier: Sequence[Row] = ()
    mail: Sequence[Row] = ()
    letters: Sequence[Row] = ()
    outbox: Mapping[str, Sequence[Row]] = field(default_factory=dict)
    inbox: Mapping[str, Sequence[Row]] = field(default_factory=dict)
    held: Mapping[str, Sequence[Row]] = field(default_factory=dict)
    attempts: Mapping[str, Sequence[Row]] = field(default_factory=dict)
    kept_sums: Mapping[str, Sequence[Row]] = field(default_factory=dict)
    """What each service keeps of the periods that it has closed."""
    sightings: Sequence[Sighting] = ()
    durables: Mapping[str, Standing] = field(default_factory=dict)
    readers: Mapping[str, Sequence[str]] = field(default_factory=dict)
    """The types of each durable that keeps an inbox, as subjects without their shards."""
    forgotten: Sequence[Forgotten] = ()
    denied: Sequence[Denied] = ()
    set_back: Mapping[str, Sequence[Interval]] = field(default_factory=dict)
    """The times from the copy of a service's database until the copy took its place."""
    named: Collection[tuple[str, str, str]] = ()
    """Durable, source and id of what the account shows as unknown: its source never said it."""
    witnessed: Collection[str] = ()
    """The durables of which the account shows that both sides have forgotten something."""
    closed_early: Collection[tuple[str, str]] = ()
    """Orders, and the periods of their messages that were closed before their commit."""
    struck: Sequence[Struck] = ()
    outages: Sequence[Interval] = ()  # when a process was away, whatever made it end
    starved: Sequence[Interval] = ()  # when this machine was too busy for anything to be in time
    poison: Sequence[Poison] = ()
    dead: Sequence[Row] = ()  # dead letters before they were replayed
    since: float = 0.0  # orders before that are others' and have ended
    healed_at: float = 0.0
    read_at: float = 0.0
