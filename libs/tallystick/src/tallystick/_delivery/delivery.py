"""What a handler is given beside the message: where it comes from and how to commit."""

from __future__ import annotations

from contextlib import AbstractAsyncContextManager, asynccontextmanager, contextmanager
from typing import TYPE_CHECKING

from tallystick._database.units import Part, Write
from tallystick._deferred import rows as deferred_rows
from tallystick._delivery.database import Database
from tallystick._messages.message import Effect
from tallystick.errors import CommittedTwice

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterator

    from tallystick._database.group import Group
    from tallystick._database.transaction import Transaction
    from tallystick._delivery.committer import Committer
    from tallystick._messages.inbound import Inbound, Key


class Delivery:
    """One attempt at a message."""

    def __init__(
        self,
        inbound: Inbound,
        *,
        attempt: int,
        settlement: Write | None,
        committer: Committer,
        group: Group,
        database: Database,
    ) -> None:
        self.id = inbound.id
        self.source = inbound.source
        self.correlation_id = inbound.correlation_id
        self.attempt = attempt
        self.database = database
        self.committed = False
        self.late: Exception | None = None
        """What was refused because it came after the commit."""
        self._take = settlement
        self._committer = committer
        self._group = group
        self._waits: set[Key] = set()
        self._committing = False

    async def commit(self, *parts: Part) -> None:
        """Commits writes, messages and effects together with the note that this message is done.

        The last thing a handler does. Raises Conflict, which runs the handler again: read again,
        decide again. Raises CommittedTwice; TypeError for what is neither.
        """
        with self._once():
            await self._committer.commit_parts(
                self._group,
                parts,
                correlation_id=self.correlation_id,
                settlement=self._take,
                may_start=lambda effect: self._committer.effect_key(effect) not in self._waits,
            )

    @contextmanager
    def _once(self) -> Iterator[None]:
        """One commit: what comes beside or after it is refused, and remembered."""
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
        """Whether an effect starts with the commit that follows at once; if not, it is due."""
        if self._committer.has_slot(effect):
            return True
        self._waits.add(self._committer.effect_key(effect))
        return False

    def withdraw(self, effect: Effect) -> Write:
        """The removal of a stored effect on the condition that it never started."""
        return deferred_rows.withdraw(self._committer.effect_key(effect))

    def transaction(self) -> AbstractAsyncContextManager[Transaction]:
        """A transaction of its own, for what has to read under a lock; commits the message too.

        Slower than `commit` by far: a connection and an fsync for one message. Raises
        CommittedTwice.
        """
        return self._transaction()

    @asynccontextmanager
    async def _transaction(self) -> AsyncIterator[Transaction]:
        with self._once():
            async with self._committer.transaction(
                correlation_id=self.correlation_id, settlement=self._take
            ) as transaction:
                yield transaction
