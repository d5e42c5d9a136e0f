"""A transaction of one's own, for what has to read under a lock."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any

from tallystick._messages.message import Message
from tallystick.errors import TallystickError


class Transaction:
    """Reads, statements and messages that are committed when the block ends."""

    def __init__(self, connection: Any) -> None:
        self._connection = connection
        self.messages: list[Message] = []

    async def fetch(self, sql: str, *args: Any) -> list[Any]:
        """The rows of a statement."""
        rows: list[Any] = await self._connection.fetch(sql, *args)
        return rows

    async def execute(self, sql: str, *args: Any) -> None:
        """Runs a statement."""
        await self._connection.execute(sql, *args)

    def add(self, *messages: Message) -> None:
        """Messages and effects that are stored with the transaction.

        Raises TypeError for anything else.
        """
        for message in messages:
            if not isinstance(message, Message):
                raise TypeError(f"a {type(message).__name__} is no message: did you forget the *?")
        self.messages.extend(messages)


class _Block:
    """A transaction's block: a task that was begun in it may outlive it."""

    def __init__(self, owner: object) -> None:
        self.owner = owner
        self.ended = False


_blocks: ContextVar[tuple[_Block, ...]] = ContextVar("blocks", default=())


@contextmanager
def alone(owner: object) -> Iterator[None]:
    """A block inside which the same owner's next one raises TallystickError."""
    outer, block = _blocks.get(), _Block(owner)
    if any(each.owner is owner and not each.ended for each in outer):
        raise TallystickError(
            "a transaction inside a transaction waits for a connection while it keeps one, and many"
            " of them wait for each other for ever: use the one that is open"
        )
    token = _blocks.set((*outer, block))
    try:
        yield
    finally:
        block.ended = True
        _blocks.reset(token)
