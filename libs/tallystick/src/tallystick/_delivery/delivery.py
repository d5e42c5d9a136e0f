"""The delivery that a handler gets with its message: its origin, and how to commit."""

from __future__ import annotations

from contextlib import AbstractAsyncContextManager, asynccontextmanager, contextmanager
from typing import TYPE_CHECKING

from tallystick._database.units import Part, Write
from tallystick._deferred import rows as deferred_rows
from tallystick._delivery.database import Database
from tallystick._messages.message import Effect
from tallystick._messages.signature import Given
from tallystick._telemetry.awaiting import Call
from tallystick.errors import CommittedTwice, NotAwaited

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Coroutine, Iterator, Sequence
    from typing import Any

    from tallystick._database.group import Group
    from tallystick._database.transaction import Transaction
    from tallystick._delivery.committer import Committer
    from tallystick._messages.inbound import Inbound, Key


class Delivery(Given):
    """One attempt at a message."""

    __slots__ = (
        "_call",
        "_committer",
        "_committing",
        "_durable",
        "_group",
        "_inbound",
        "_settlement",
        "_waits",
        "attempt",
        "committed",
        "database",
        "id",
        "late",
        "source",
    )

    def __init__(
        self,
        inbound: Inbound,
        attempt: int,
        settlement: Write | None,
        committer: Committer,
        group: Group,
        database: Database,
    ) -> None:
        self.id = inbound.id
        self.source = inbound.source
        self.attempt = attempt
        self.database = database
        self.committed = False
        self.late: Exception | None = None
        """The error of a second commit, or None."""
        self._settlement = settlement
        self._committer = committer
        self._group = group
        self._waits: set[Key] = set()
        self._committing = False
        self._inbound = inbound
        self._durable = inbound.durable
        self._call: Call | None = None

    @property
    def correlation_id(self) -> str:
        """The sender's correlation id if it is usable, else the message's own id."""
        return self._inbound.correlation_id

    def commit(self, *parts: Part) -> Coroutine[Any, Any, None]:
        """Commit writes, messages and effects together with the note that this message is done.

        The last thing a handler does. Raises Conflict, which runs the handler again: read again,
        decide again. Raises CommittedTwice; TypeError for what is neither. One that is not awaited
        fails the attempt.
        """
        call = self._call = Call("delivery.commit")
        return self._commit(call, parts)

    async def _commit(self, call: Call, parts: tuple[Part, ...]) -> None:
        call.begun = True
        with self._once():
            await self._committer.commit_parts(
                self._group,
                parts,
                correlation_id=self.correlation_id,
                settlement=self._settlement,
                may_start=lambda effect: self._committer.effect_key(effect) not in self._waits,
            )

    def check_awaited(self, noted: Sequence[NotAwaited]) -> None:
        """Raise NotAwaited for a handler that has ended, and was `noted` to lack an await.

        A commit that is still to begin, as in a task of its own, is refused from now on.
        """
        call = self._call
        if noted or (call is not None and not call.begun):
            self._committing = True
            missing = noted[0] if noted or call is None else call.error()
            raise NotAwaited(f"{self._durable}: {missing}")

    @contextmanager
    def _once(self) -> Iterator[None]:
        """Allow one commit; refuse one beside or after it, and keep that error in `late`."""
        if self.committed or self._committing:
            self.late = CommittedTwice()
            raise self.late
        self._committing = True
        try:
            yield
            self.committed = True
        finally:
            self._committing = False

    def starts(self, effect: Effect) -> bool:
        """Return whether an effect starts with the commit that follows; if not, it becomes due."""
        if self._committer.has_slot(effect):
            return True
        self._waits.add(self._committer.effect_key(effect))
        return False

    def withdraw(self, effect: Effect) -> Write:
        """Return a write that removes a stored effect; Conflict if the effect has started."""
        return deferred_rows.withdraw(self._committer.effect_key(effect))

    def transaction(self) -> AbstractAsyncContextManager[Transaction]:
        """Return a transaction that may read under locks and marks the message as done.

        Much slower than `commit`: a connection and an fsync for one message. Raises CommittedTwice.
        """
        return self._transaction()

    @asynccontextmanager
    async def _transaction(self) -> AsyncIterator[Transaction]:
        with self._once():
            async with self._committer.transaction(
                correlation_id=self.correlation_id, settlement=self._settlement
            ) as transaction:
                yield transaction
