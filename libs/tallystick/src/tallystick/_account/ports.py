"""What runs a look has three ends: the source, the broker and the reader's own database.

A look's steps say what each answer means; one method answers one kind of step. A failure is raised
as TallystickError and ends the look, which leaves nothing behind that the next one has to undo.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Protocol, TypeVar
from uuid import UUID

from tallystick._account.answering import OutboxRow
from tallystick._account.closing import Snapshot
from tallystick._account.fates import DurableState
from tallystick._account.protocol import AccountAnswer, AccountRequest, Seen
from tallystick._account.spans import Span
from tallystick._account.steps import Settle, Settled, Stored
from tallystick._account.sums import Sum, Sums

Answer = TypeVar("Answer", bound=AccountAnswer)


class SourcePort(Protocol):
    """Asks a source over the broker: one request at a time, on `protocol.subject`."""

    async def ask(self, request: AccountRequest, answer: type[Answer]) -> Answer | None:
        """Return the answer, or None if none comes in time."""
        ...


class BrokerPort(Protocol):
    """Asks JetStream about one durable and its stream."""

    async def durable(self) -> DurableState | None:
        """CONSUMER.INFO; None if there is no such durable."""
        ...

    async def stored(self, places: Sequence[int]) -> Mapping[int, UUID | None]:
        """STREAM.MSG.GET of the stream's leader, never a direct get, for each place.

        A place before the stream's first sequence or after its last need not be asked for.
        """
        ...

    async def following(self, places: Sequence[int]) -> Mapping[int, Stored | None]:
        """The first message of the durable's types at or after each place, from the leader too."""
        ...


class InboxPort(Protocol):
    """Reads and settles in the reader's database."""

    async def settled(self, start: int) -> Mapping[Span, Settled]: ...

    async def sums(self, spans: Sequence[Span]) -> Mapping[Span, Sum]: ...

    async def received_in(self, first: UUID, last: UUID) -> frozenset[UUID]: ...

    async def received_of(self, ids: Sequence[UUID]) -> frozenset[UUID]: ...

    async def accepted_of(self, ids: Sequence[UUID]) -> frozenset[UUID]: ...

    async def note_unknown(self, span: Span, ids: Sequence[UUID]) -> None: ...
    async def known_of(self, ids: Sequence[UUID]) -> frozenset[UUID]: ...

    async def settle(self, step: Settle) -> frozenset[Span]: ...


class OutboxPort(Protocol):
    """Reads a source's database for its answers, and republishes."""

    async def snapshot(self) -> Snapshot: ...

    async def mark(self, spans: Sequence[Span]) -> None: ...

    async def kept(self, start: int, end: int) -> Mapping[Span, Sums]: ...

    async def sums(self, spans: Sequence[Span]) -> Mapping[Span, Sums]: ...

    async def discarded(self, spans: Sequence[Span]) -> Mapping[Span, Sums]: ...

    async def page(
        self, first: UUID, last: UUID, types: Sequence[str], limit: int
    ) -> Sequence[OutboxRow]: ...

    async def known(self, ids: Sequence[UUID]) -> Sequence[UUID]: ...

    async def republish(self, lost: Sequence[Seen], after: int) -> Sequence[UUID]: ...
