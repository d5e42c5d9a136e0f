"""An interactive transaction, for code that has to read under a lock."""

from __future__ import annotations

from collections.abc import Coroutine, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any

from tallystick._messages.message import Message
from tallystick._telemetry.awaiting import Call
from tallystick.errors import NotAwaited, TallystickError


class Transaction:
    """Reads, statements and messages that are committed when the block ends."""

    def __init__(self, connection: Any) -> None:
        self._connection = connection
        self.messages: list[Message] = []
        self._unawaited = 0

    def check_awaited(self) -> None:
        """Raise NotAwaited for a statement that was not run: nothing is to be committed then."""
        if self._unawaited:
            raise NotAwaited("await is missing before a statement of this transaction")

    def fetch(self, sql: str, *args: Any) -> Coroutine[Any, Any, list[Any]]:
        """Return the rows of a statement."""
        self._unawaited += 1
        return self._fetch(Call("transaction.fetch"), sql, *args)

    async def _fetch(self, call: Call, sql: str, *args: Any) -> list[Any]:
        call.begun = True
        self._unawaited -= 1
        rows: list[Any] = await self._connection.fetch(sql, *args)
        return rows

    def execute(self, sql: str, *args: Any) -> Coroutine[Any, Any, None]:
        """Run a statement."""
        self._unawaited += 1
        return self._execute(Call("transaction.execute"), sql, *args)

    async def _execute(self, call: Call, sql: str, *args: Any) -> None:
        call.begun = True
        self._unawaited -= 1
        await self._connection.execute(sql, *args)

    def add(self, *messages: Message) -> None:
        """Store messages and effects with the transaction; raise TypeError for anything else."""
        for message in messages:
            if not isinstance(message, Message):
                raise TypeError(
                    f"a {type(message).__name__} is not a message: did you forget the *?"
                )
        self.messages.extend(messages)


class _Block:
    """The block of a transaction; a task that was started in it may outlive it."""

    def __init__(self, owner: object) -> None:
        self.owner = owner
        self.ended = False


_blocks: ContextVar[tuple[_Block, ...]] = ContextVar("blocks", default=())


@contextmanager
def alone(owner: object) -> Iterator[None]:
    """A block that must not contain another one of the same owner; raises TallystickError."""
    outer, block = _blocks.get(), _Block(owner)
    if any(each.owner is owner and not each.ended for each in outer):
        raise TallystickError(
            "a transaction inside a transaction needs a second connection, and many of them could"
            " wait for each other for ever: use the transaction that is open"
        )
    token = _blocks.set((*outer, block))
    try:
        yield
    finally:
        block.ended = True
        _blocks.reset(token)
