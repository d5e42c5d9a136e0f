"""A service that only one test knows: what its handlers do, they write down."""

from __future__ import annotations

from collections import Counter
from typing import Self

from tallystick import Database, Write
from tests.order import until

GUESTS = ("guest", "second-guest")
"""The databases of such services: each service needs one of its own."""
NOTES = "create table notes (text text not null, worker text not null)"


class Worker:
    """One replica, as its handlers know it."""

    def __init__(self, name: str) -> None:
        self.name = name

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        return None

    def note(self, text: object) -> Write:
        """A note, which nothing keeps from being taken twice."""
        return Write("insert into notes (text, worker) values ($1, $2)", (str(text), self.name))


class Notes:
    """What all replicas have written down."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def read(self) -> list[tuple[str, str]]:
        """The notes and who wrote them."""
        rows = await self._database.fetch("select text, worker from notes")
        return [(row[0], row[1]) for row in rows]

    async def are(self, *texts: object) -> None:
        """Returns when these are all the notes there are; raises TimeoutError."""
        wanted = Counter(map(str, texts))

        async def is_so() -> bool:
            return Counter(text for text, _ in await self.read()) == wanted

        await until(is_so)
