"""A transaction of one's own, for what has to read under a lock."""

from __future__ import annotations

from typing import Any

from tallystick._messages.message import Message


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
