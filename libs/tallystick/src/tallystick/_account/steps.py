"""The questions that a look has. Whoever runs it answers each before it asks the next.

`SourcePort`, `BrokerPort` and `InboxPort` in `ports` say where the answers come from.
"""

from __future__ import annotations

from collections.abc import Generator, Mapping
from dataclasses import dataclass
from typing import Any, Generic, TypeAlias, TypeVar
from uuid import UUID

from tallystick._account.fates import DurableState
from tallystick._account.protocol import (
    AccountAnswer,
    IdsAnswer,
    IdsRequest,
    KnownAnswer,
    KnownRequest,
    RepublishAnswer,
    RepublishRequest,
    SumsAnswer,
    SumsRequest,
)
from tallystick._account.spans import Span
from tallystick._account.sums import Sum, Sums

T = TypeVar("T")
A = TypeVar("A", bound=AccountAnswer)


class Step(Generic[T]):
    """A question whose answer is a T."""


@dataclass(frozen=True, slots=True)
class Stored:
    """A message that the stream holds; `id` is None unless it is the source's own.

    `type` is its subject without the shard.
    """

    place: int
    type: str
    id: UUID | None
    ce_type: str | None = None
    key: str | None = None
    sequence: str | None = None
    """That of what the key names, as `ce-sequence` says it."""


@dataclass(frozen=True, slots=True)
class Settled:
    """The source's sums that a span was settled with, for each type that was judged."""

    sums: Sums
    closed: bool


@dataclass(frozen=True)
class AskSums(Step[SumsAnswer | None]):
    """Ask the source; None if it does not answer. The same for the other three."""

    request: SumsRequest


@dataclass(frozen=True)
class AskIds(Step[IdsAnswer | None]):
    request: IdsRequest


@dataclass(frozen=True)
class AskKnown(Step[KnownAnswer | None]):
    request: KnownRequest


@dataclass(frozen=True)
class AskRepublish(Step[RepublishAnswer | None]):
    request: RepublishRequest


@dataclass(frozen=True)
class ReadSettled(Step[Mapping[Span, Settled]]):
    """Read what is settled from `start` on.

    It is never kept in memory: a database that is set back forgets it together with the inbox.
    """

    start: int


@dataclass(frozen=True)
class SumReceived(Step[Mapping[Span, Sum]]):
    """Sum the reader's inbox in these spans."""

    spans: tuple[Span, ...]


@dataclass(frozen=True)
class ReadReceived(Step[frozenset[UUID]]):
    """Read the ids of the reader's inbox in `[first, last)`."""

    first: UUID
    last: UUID


@dataclass(frozen=True)
class FindReceived(Step[frozenset[UUID]]):
    """Read which of these ids are in the reader's inbox."""

    ids: tuple[UUID, ...]


@dataclass(frozen=True)
class FindAccepted(Step[frozenset[UUID]]):
    """Read which of these ids, which the source denies, a person has accepted."""

    ids: tuple[UUID, ...]


@dataclass(frozen=True)
class FindKnown(Step[frozenset[UUID]]):
    """Read which of these ids are in the inbox, deferred, dead, discarded or accepted."""

    ids: tuple[UUID, ...]


@dataclass(frozen=True)
class NoteUnknown(Step[None]):
    """Note which ids of a span are unknown, in place of those that were noted before.

    In the database, of which there is no limit: a source that is set back denies millions.
    """

    span: Span
    ids: tuple[UUID, ...]


@dataclass(frozen=True)
class ReadDurable(Step[DurableState | None]):
    """Ask the broker for the durable; None if there is none."""


@dataclass(frozen=True)
class ReadPlaces(Step[Mapping[int, UUID | None]]):
    """Ask the stream's leader which message is at each of these places; None where there is none.

    Not by a direct get, which a follower may answer that has not the latest messages.
    """

    places: tuple[int, ...]


@dataclass(frozen=True)
class ReadNext(Step[Mapping[int, Stored | None]]):
    """Ask the stream's leader for the first message of the durable's types from each place on."""

    places: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Settlement:
    """A span that is settled if the reader's inbox still sums to `own`."""

    span: Span
    own: Sum
    settled: Settled


@dataclass(frozen=True)
class Settle(Step[frozenset[Span]]):
    """Note which spans are settled; return those whose inbox still had the sum.

    Each replaces what is settled in the span, and any longer span that contains it. The comparison
    is in the statement: a look that began before the inbox was set back must not settle anything.
    All are noted together: a first look has hundreds of spans, and each commit waits for a disk.
    """

    settlements: tuple[Settlement, ...]


Asking: TypeAlias = Generator[Step[Any], Any, T]


def answer_to(step: Step[T]) -> Asking[T]:
    """Yield a question and return its answer."""
    answer: T = yield step
    return answer
